"""Nodes that make shots with the distilled checkpoint, and what every node that makes shots has in common."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from comfy_api.latest import Input, io

from ..storymotion.ltx.models import Lora
from ..storymotion.ltx.preflight import LARGEST_SEED, LONGEST_TAIL
from ..storymotion.ltx.render import Order
from ..storymotion.ltx.shots import TILINGS, DistilledShot, ICLoraShot
from ..storymotion.shot import FPS_RANGE, FRAME_GRID, GRID, LARGEST_SIDE
from .editor_hints import with_editor_hints
from .folders import LORAS, choices, path_of
from .language import says_errors_in_users_language
from .models import checked_when_it_runs
from .scenes import fingerprint_of_shots, make_shots
from .types import LTX2Guides, LTX2Model
from .video import as_file


def shot_inputs() -> list[io.Input]:
    """What every pipeline asks for. The grid of the size is checked by us, with the next sizes in the error."""
    return [
        LTX2Model.Input("model", tooltip="From LTX-2 Model or LTX-2 LoRA."),
        io.String.Input(
            "prompt",
            multiline=True,
            default="",
            tooltip="What is seen and what moves, as one paragraph. Speech in quotes. "
            "The Safe Motion Mapper writes it from a line of dialogue.",
        ),
        io.Int.Input(
            "width",
            default=1280,
            min=GRID["one"],
            max=LARGEST_SIDE,
            tooltip="Pixels, a multiple of 64 (one stage: 32). From Shot Plan.",
        ),
        io.Int.Input(
            "height",
            default=704,
            min=GRID["one"],
            max=LARGEST_SIDE,
            tooltip="Pixels, a multiple of 64 (one stage: 32). From Shot Plan.",
        ),
        io.Int.Input("frames", default=193, min=1, max=10_000, tooltip="8k+1 frames, 193 = 8 s at 24. From Shot Plan."),
        io.Float.Input(
            "fps",
            default=24.0,
            min=FPS_RANGE[0],
            max=FPS_RANGE[1],
            step=0.001,
            tooltip="Frames per second; it changes how fast things move. From Shot Plan.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=LARGEST_SEED,
            control_after_generate=True,
            tooltip="The same seed and inputs give the same shot on the same machine.",
        ),
    ]


def options_of_every_shot() -> list[io.Input]:
    """Optional inputs that every pipeline has."""
    return [
        LTX2Guides.Input("guides", optional=True, tooltip="Pictures for certain frames, from Image Guide."),
        io.Boolean.Input(
            "enhance_prompt",
            default=False,
            optional=True,
            tooltip="Let Gemma rewrite the prompt first, as the SDK does. The line's words may change.",
        ),
        io.Int.Input(
            "tail_trim",
            default=0,
            min=0,
            max=LONGEST_TAIL,
            step=FRAME_GRID,
            optional=True,
            tooltip="Render this many frames more and cut them off at the end, where LTX-2 sometimes flashes.",
        ),
    ]


def tiling_input() -> io.Input:
    """For the pipelines that can choose; One Stage decodes at once with SDK 1.0, and as "auto" with 1.2."""
    return io.Combo.Input(
        "tiling",
        options=list(TILINGS),
        default="auto",
        optional=True,
        tooltip="How the video is decoded. auto: tiles of 512 pixels and 64 frames (SDK 1.2: up to 768 and 80; a "
        "diffusion VAE: what memory allows). small: less memory, more seams to blend. off: all at once, which takes "
        "the most memory.",
    )


def auto_duration_input() -> io.Input:
    """For the pipelines that can ask the model for a length."""
    return io.Boolean.Input(
        "auto_duration",
        default=False,
        optional=True,
        tooltip="Let the model say how long the shot should be, from 1 s to frames. Guides for frame 0 only. Needs SDK "
        "1.2 and a duration head, which comes with LTX-2.5.",
    )


def shot_outputs() -> list[io.Output]:
    """The shot and what was done to make it."""
    return [
        io.Video.Output(
            display_name="video",
            is_output_list=True,
            tooltip="A shot with sound for every scene, in story order; frames are not compressed yet.",
        ),
        io.String.Output(
            display_name="report", tooltip="What was used, changed and ignored; of a story a row for each scene."
        ),
    ]


def name_input() -> io.Input:
    """Of every node that makes shots; what came later stands after it, so that saved links keep their places."""
    return io.String.Input(
        "name",
        default="",
        force_input=True,
        optional=True,
        tooltip="What the scenes are called in the report. From Load Story.",
    )


class StoryMotionDistilled(io.ComfyNode):
    """The SDK's DistilledPipeline."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionDistilled",
            display_name="LTX-2 Distilled",
            category="StoryMotion/LTX-2",
            description="The fastest way to a shot: 8 steps at half size, 3 at full size, with the distilled "
            "checkpoint. No guidance and no negative prompt.",
            inputs=[*shot_inputs(), *options_of_every_shot(), tiling_input(), name_input(), auto_duration_input()],
            outputs=shot_outputs(),
            is_input_list=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return fingerprint_of_shots()

    @classmethod
    @says_errors_in_users_language
    def execute(cls, **inputs: list[Any]) -> io.NodeOutput:
        return make_shots(inputs, lambda scene: Order(scene.pop("model"), DistilledShot(**scene)))


class StoryMotionICLora(io.ComfyNode):
    """The SDK's ICLoraPipeline."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionICLora",
            display_name="LTX-2 IC-LoRA",
            category="StoryMotion/LTX-2",
            description="Follows a reference video (pose, depth, edges, motion) in the way that an IC-LoRA was "
            "trained for. Distilled checkpoint; no guidance and no negative prompt.",
            inputs=[
                *shot_inputs(),
                io.Video.Input("reference", tooltip="The video to follow, as the IC-LoRA expects it."),
                io.Combo.Input("ic_lora", options=choices(LORAS), tooltip="The IC-LoRA file; it works in stage 1."),
                io.Float.Input(
                    "ic_lora_strength",
                    default=1.0,
                    min=-4.0,
                    max=4.0,
                    step=0.05,
                    optional=True,
                    tooltip="1 = as trained.",
                ),
                io.Float.Input(
                    "reference_strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="How closely the reference is followed. 0 ignores it.",
                ),
                io.Boolean.Input(
                    "skip_stage_2",
                    default=False,
                    optional=True,
                    tooltip="Stop after stage 1: a quick look at half the width and height.",
                ),
                *options_of_every_shot(),
                tiling_input(),
                name_input(),
            ],
            outputs=shot_outputs(),
            is_input_list=True,
        )

    @classmethod
    def validate_inputs(cls, ic_lora: str | None = None) -> bool | str:
        return checked_when_it_runs(ic_lora)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return fingerprint_of_shots((LORAS, inputs.get("ic_lora")))

    @classmethod
    @says_errors_in_users_language
    def execute(cls, **inputs: list[Any]) -> io.NodeOutput:
        with ExitStack() as files:
            written: dict[int, Path] = {}

            def order_of(scene: dict[str, Any]) -> Order:
                reference: Input.Video = scene.pop("reference")
                # One reference for many scenes is one file.
                if id(reference) not in written:
                    written[id(reference)] = files.enter_context(as_file(reference))
                lora = Lora(path_of(LORAS, scene.pop("ic_lora")), scene.pop("ic_lora_strength", 1.0))
                model = scene.pop("model")
                return Order(model, ICLoraShot(**scene, reference=written[id(reference)], ic_lora=lora))

            return make_shots(inputs, order_of)
