"""Nodes that make shots with the distilled checkpoint, and what every node that makes shots has in common."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from comfy_api.latest import Input, io

from ..storymotion.cost import USER_RATES, CostSettings, cost_lines, load_rates, shot_cost
from ..storymotion.ltx.models import Lora, ModelSet
from ..storymotion.ltx.preflight import LARGEST_SEED, LONGEST_TAIL
from ..storymotion.ltx.render import render_shot
from ..storymotion.ltx.shots import TILINGS, DistilledShot, ICLoraShot, Shot
from ..storymotion.media.sound import Sound
from ..storymotion.report import line, speak
from ..storymotion.shot import FPS_RANGE, FRAME_GRID, GRID, LARGEST_SIDE, exact_frame_rate
from .folders import LORAS, choices, path_of
from .host import NodeProgress
from .language import says_errors_in_users_language, user_language
from .memory import Guest
from .models import checked_when_it_runs, fingerprint_choices
from .types import LTX2Guides, LTX2Model
from .video import ShotVideo, as_file

# What stays loaded between shots, whichever node makes them.
GUEST = Guest()


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
    """For the pipelines that decode in tiles; One Stage always decodes the whole shot at once."""
    return io.Combo.Input(
        "tiling",
        options=list(TILINGS),
        default="auto",
        optional=True,
        tooltip="How the video is decoded. auto: tiles of 512 pixels and 64 frames. small: less memory, more seams "
        "to blend. off: all at once, which takes the most memory.",
    )


def shot_outputs() -> list[io.Output]:
    """The shot and what was done to make it."""
    return [
        io.Video.Output(display_name="video", tooltip="The shot with sound; frames are not compressed yet."),
        io.String.Output(display_name="report", tooltip="What was used, changed and ignored."),
    ]


def make_shot(model: ModelSet, shot: Shot) -> io.NodeOutput:
    """Render a shot and hand it on as VIDEO, with its report."""
    import comfy.model_management
    import folder_paths

    device = comfy.model_management.get_torch_device()
    started = time.monotonic()
    make_room = partial(GUEST.make_room, device)
    progress = NodeProgress()
    try:
        rendered = render_shot(model, shot, str(device), progress, GUEST.residents, progress.preview, make_room)
    finally:
        GUEST.register(device)
    rates, rate_notes = load_rates(Path(folder_paths.get_user_directory()) / USER_RATES)
    cost = shot_cost(rendered.seconds, shot.frames / shot.fps, rendered.device_name, CostSettings(), rates)
    width, height = shot.rendered_size
    size = {"frames": shot.frames, "width": width, "height": height, "fps": shot.fps}
    report = [line("shot", **size, seconds=time.monotonic() - started), *rendered.notes]
    report += [*cost_lines(cost), *rate_notes]
    if shot.tail_trim:
        report.append(line("tail-trimmed", count=shot.tail_trim))
    sound = Sound(rendered.waveform.numpy(), rendered.sample_rate)
    video = ShotVideo(rendered.frames, exact_frame_rate(shot.fps), sound)
    return io.NodeOutput(video, speak(report, user_language()))


class StoryMotionDistilled(io.ComfyNode):
    """The SDK's DistilledPipeline."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionDistilled",
            display_name="LTX-2 Distilled",
            category="StoryMotion/LTX-2",
            description="The fastest way to a shot: 8 steps at half size, 3 at full size, with the distilled "
            "checkpoint. No guidance and no negative prompt.",
            inputs=[*shot_inputs(), *options_of_every_shot(), tiling_input()],
            outputs=shot_outputs(),
        )

    @classmethod
    @says_errors_in_users_language
    def execute(cls, model: ModelSet, **shot: Any) -> io.NodeOutput:
        return make_shot(model, DistilledShot(**shot))


class StoryMotionICLora(io.ComfyNode):
    """The SDK's ICLoraPipeline."""

    @classmethod
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
            ],
            outputs=shot_outputs(),
        )

    @classmethod
    def validate_inputs(cls, ic_lora: str | None = None) -> bool | str:
        return checked_when_it_runs(ic_lora)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return fingerprint_choices((LORAS, inputs.get("ic_lora")))

    @classmethod
    @says_errors_in_users_language
    def execute(
        cls,
        model: ModelSet,
        reference: Input.Video,
        ic_lora: str,
        ic_lora_strength: float = 1.0,
        reference_strength: float = 1.0,
        skip_stage_2: bool = False,
        **shot: Any,
    ) -> io.NodeOutput:
        lora = Lora(path_of(LORAS, ic_lora), ic_lora_strength)
        with as_file(reference) as path:
            return make_shot(
                model,
                ICLoraShot(
                    **shot,
                    reference=path,
                    reference_strength=reference_strength,
                    ic_lora=lora,
                    skip_stage_2=skip_stage_2,
                ),
            )
