"""The node that turns lines of dialogue into motion."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..storymotion.motion.data import styles
from ..storymotion.motion.mapper import AUTO, ENGINES, GUARDS, map_motion, preset_choices
from ..storymotion.report import line, speak
from .language import says_errors_in_users_language, user_language
from .lists import slots


class SafeMotionMapper(io.ComfyNode):
    """Dialogue and scene in, motion and prompts out, for one scene or for all scenes of a story."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SafeMotionMapper",
            display_name="Safe Motion Mapper",
            category="StoryMotion/Motion",
            description="Chooses a small gesture that fits the line and keeps eyes and face, and writes the prompt. "
            "Takes the lines of a whole story, too: a list gives one motion for each scene, a single value "
            "is for all scenes.",
            is_input_list=True,
            inputs=[
                io.String.Input(
                    "dialogue",
                    multiline=True,
                    default="",
                    tooltip="The line that is spoken, in any language. It is read, never altered. "
                    "A list has one line for each scene.",
                ),
                io.String.Input(
                    "scene",
                    multiline=True,
                    default="",
                    optional=True,
                    tooltip="What the picture shows, in English. Empty: an anime character in a clean 2D scene.",
                ),
                io.Combo.Input(
                    "style", options=list(styles()), default="anime", optional=True, tooltip="The look of the drawing."
                ),
                io.Combo.Input(
                    "guard",
                    options=list(GUARDS),
                    default="safe",
                    optional=True,
                    tooltip="safe: one small gesture, then hold still. still: only breathing. "
                    "expressive: face and voice follow the line, which is quoted for LTX-2 to speak.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(preset_choices()),
                    default="auto",
                    optional=True,
                    tooltip="auto: ! turns the head, ? nods, a long line leans forward, else a hand is raised.",
                ),
                io.Combo.Input(
                    "engine",
                    options=list(ENGINES),
                    default="ltx-2",
                    optional=True,
                    tooltip="Who renders the shot. SeeDANCE has no negative prompt.",
                ),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=60.0,
                    step=0.1,
                    optional=True,
                    tooltip="Length of the shot, 0 = unknown. Not used in this version.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    optional=True,
                    tooltip="Varies the choice between equal scenes. Not used in this version.",
                ),
                io.Combo.Input(
                    "lint",
                    options=["keep"],
                    default="keep",
                    optional=True,
                    tooltip="What to do with words in the scene that contradict the guard. This version keeps them.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="motion", tooltip="The motion alone.", is_output_list=True),
                io.String.Output(
                    display_name="prompt", tooltip="Style, scene and motion, for the shot.", is_output_list=True
                ),
                io.String.Output(
                    display_name="negative_prompt", tooltip="For pipelines that have one.", is_output_list=True
                ),
                io.String.Output(display_name="preset", tooltip="The gesture that was chosen.", is_output_list=True),
                io.String.Output(display_name="reason", tooltip="Why.", is_output_list=True),
            ],
        )

    @classmethod
    @says_errors_in_users_language
    def execute(cls, **inputs: list[Any]) -> io.NodeOutput:
        language = user_language()
        scenes = [_outputs(language, **scene) for scene in slots(inputs)]
        return io.NodeOutput(*[list(output) for output in zip(*scenes)])


def _outputs(
    language: str,
    dialogue: str,
    scene: str = "",
    style: str = "anime",
    guard: str = "safe",
    preset: str = AUTO,
    engine: str = "ltx-2",
    seconds: float = 0.0,
    seed: int = 0,
    lint: str = "keep",
) -> tuple[str, str, str, str, str]:
    """The outputs for one scene. Raises UnknownChoice."""
    plan = map_motion(dialogue, scene, style, guard, preset, engine)
    unused = [line("motion-not-yet", name=name) for name, value in (("seconds", seconds), ("seed", seed)) if value]
    reason = speak([*plan.reasons, *unused], language)
    return plan.motion, plan.prompt, plan.negative_prompt, plan.preset, reason
