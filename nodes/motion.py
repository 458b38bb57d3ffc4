"""The node that turns lines of dialogue into motion."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..storymotion.motion.data import styles
from ..storymotion.motion.lint import LINTS
from ..storymotion.motion.mapper import GUARDS, MotionRequest, map_story, preset_choices, prompt_engines
from ..storymotion.report import speak
from .editor_hints import with_editor_hints
from .language import says_errors_in_users_language, user_language
from .lists import slots


class SafeMotionMapper(io.ComfyNode):
    """Dialogue and scene in, motion and prompts out, for one scene or for all scenes of a story."""

    @classmethod
    @with_editor_hints
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
                    tooltip="safe: one small gesture, then hold still. still: only breathing and a blink. "
                    "expressive: face, body and voice follow the line, which is quoted so that it is spoken.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(preset_choices()),
                    default="auto",
                    optional=True,
                    tooltip="auto: ! turns the head, ? nods, a long line leans forward, else a hand is raised; "
                    "silence and narration have no gesture, and no gesture comes three scenes in a row.",
                ),
                io.Combo.Input(
                    "engine",
                    options=list(prompt_engines()),
                    default="ltx-2",
                    optional=True,
                    tooltip="Who renders the shot. ltx-2: checkpoints 2.0 and 2.3. ltx-2.5: a longer caption. "
                    "SeeDANCE has no negative prompt.",
                ),
                io.Float.Input(
                    "seconds",
                    default=0.0,
                    min=0.0,
                    max=60.0,
                    step=0.1,
                    optional=True,
                    tooltip="Length of the shot, 0 = unknown. A gesture that does not fit is left out; "
                    "a shot above 6 s gets a second, small movement.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=False,
                    optional=True,
                    tooltip="Decides between gestures that fit equally well. The same seed always chooses alike.",
                ),
                io.Combo.Input(
                    "lint",
                    options=list(LINTS),
                    default="keep",
                    optional=True,
                    tooltip="What to do with words in the scene that contradict the guard, such as camera shake. "
                    "keep: report them. soften: put milder words in their place. drop: take them out.",
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
        plans = map_story([MotionRequest(**scene) for scene in slots(inputs)])
        reasons = [speak(plan.reasons, language) for plan in plans]
        return io.NodeOutput(
            [plan.motion for plan in plans],
            [plan.prompt for plan in plans],
            [plan.negative_prompt for plan in plans],
            [plan.preset for plan in plans],
            reasons,
            # For the editor: what came over links cannot be looked up before.
            ui={"text": [f"{plan.preset}\n{reason}" for plan, reason in zip(plans, reasons)]},
        )
