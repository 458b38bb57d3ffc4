"""Nodes that make shots with guidance: two stages, one stage, keyframes."""

from __future__ import annotations

from functools import partial
from typing import Any

from comfy_api.latest import io

from ..storymotion.ltx.guidance import Guidance
from ..storymotion.ltx.models import Lora
from ..storymotion.ltx.preflight import STEPS_RANGE
from ..storymotion.ltx.render import Order
from ..storymotion.ltx.shots import GuidedShot, KeyframesShot, OneStageShot, TwoStageShot
from .editor_hints import with_editor_hints
from .folders import LORAS, choices, path_of
from .language import says_errors_in_users_language
from .models import checked_when_it_runs
from .scenes import fingerprint_of_shots, make_shots
from .shots import name_input, options_of_every_shot, shot_inputs, shot_outputs, tiling_input
from .types import LTX2Guidance, LTX2Guides


def guided_inputs() -> list[io.Input]:
    """What pipelines with guidance ask for on top."""
    return [
        io.String.Input(
            "negative_prompt",
            multiline=True,
            default="",
            optional=True,
            tooltip="What to keep away from. Words such as cartoonish would take the drawing away.",
        ),
        io.Int.Input(
            "steps",
            default=0,
            min=0,
            max=STEPS_RANGE[1],
            optional=True,
            tooltip="Guided steps. 0 = what the checkpoint asks for: 40 for LTX-2.0, 30 for 2.3.",
        ),
        LTX2Guidance.Input("guidance", optional=True, tooltip="From LTX-2 Guidance; without it the checkpoint's own."),
    ]


def distilled_lora_inputs() -> list[io.Input]:
    """Stage 2 of the guided pipelines runs with the distilled LoRA."""
    return [
        io.Combo.Input(
            "distilled_lora",
            options=choices(LORAS),
            tooltip="Lightricks' distilled LoRA for this checkpoint; stage 2 needs it.",
        ),
        io.Float.Input(
            "distilled_lora_strength",
            default=0.6,
            min=-4.0,
            max=4.0,
            step=0.05,
            optional=True,
            tooltip="How much of the distilled LoRA stage 2 gets.",
        ),
    ]


def guided_order(kind: type[GuidedShot], scene: dict[str, Any]) -> Order:
    """The inputs of a guided node for one scene: a LoRA of its name and strength, guidance or its default."""
    model = scene.pop("model")
    if "distilled_lora" in scene:
        strength = scene.pop("distilled_lora_strength", 0.6)
        scene["distilled_lora"] = Lora(path_of(LORAS, scene["distilled_lora"]), strength)
    scene["guidance"] = scene.get("guidance") or Guidance()
    return Order(model, kind(**scene))


class StoryMotionTwoStage(io.ComfyNode):
    """The SDK's TI2VidTwoStagesPipeline."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionTwoStage",
            display_name="LTX-2 Two Stage",
            category="StoryMotion/LTX-2",
            description="Best quality of expression and motion: guided steps at half size with the dev checkpoint, "
            "then 3 steps at full size with the distilled LoRA.",
            inputs=[
                *shot_inputs(),
                *distilled_lora_inputs(),
                *guided_inputs(),
                *options_of_every_shot(),
                tiling_input(),
                name_input(),
            ],
            outputs=shot_outputs(),
            is_input_list=True,
        )

    @classmethod
    def validate_inputs(cls, distilled_lora: str | None = None) -> bool | str:
        return checked_when_it_runs(distilled_lora)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return fingerprint_of_shots((LORAS, inputs.get("distilled_lora")))

    @classmethod
    @says_errors_in_users_language
    def execute(cls, **inputs: list[Any]) -> io.NodeOutput:
        return make_shots(inputs, partial(guided_order, TwoStageShot))


class StoryMotionOneStage(io.ComfyNode):
    """The SDK's TI2VidOneStagePipeline."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionOneStage",
            display_name="LTX-2 One Stage",
            category="StoryMotion/LTX-2",
            description="Guided steps at full size with the dev checkpoint: no upscaler and no distilled LoRA, "
            "sizes in steps of 32 pixels. Slow and hungry at large sizes: the shot is decoded in one piece.",
            inputs=[*shot_inputs(), *guided_inputs(), *options_of_every_shot(), name_input()],
            outputs=shot_outputs(),
            is_input_list=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return fingerprint_of_shots()

    @classmethod
    @says_errors_in_users_language
    def execute(cls, **inputs: list[Any]) -> io.NodeOutput:
        return make_shots(inputs, partial(guided_order, OneStageShot))


class StoryMotionKeyframes(io.ComfyNode):
    """The SDK's KeyframeInterpolationPipeline."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        every_shot = [each for each in options_of_every_shot() if each.id != "guides"]
        guides = LTX2Guides.Input("guides", tooltip="The pictures to pass through, from Image Guide: two or more.")
        return io.Schema(
            node_id="StoryMotionKeyframes",
            display_name="LTX-2 Keyframes",
            category="StoryMotion/LTX-2",
            description="Moves from picture to picture: as Two Stage, but every guide, the first too, pulls the shot "
            "towards it instead of replacing a frame.",
            inputs=[
                *shot_inputs(),
                guides,
                *distilled_lora_inputs(),
                *guided_inputs(),
                *every_shot,
                tiling_input(),
                name_input(),
            ],
            outputs=shot_outputs(),
            is_input_list=True,
        )

    @classmethod
    def validate_inputs(cls, distilled_lora: str | None = None) -> bool | str:
        return checked_when_it_runs(distilled_lora)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return fingerprint_of_shots((LORAS, inputs.get("distilled_lora")))

    @classmethod
    @says_errors_in_users_language
    def execute(cls, **inputs: list[Any]) -> io.NodeOutput:
        return make_shots(inputs, partial(guided_order, KeyframesShot))
