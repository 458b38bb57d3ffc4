"""What nodes will say when they run, for the browser: the same code answers while inputs are changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...storymotion.errors import RequestNotJson, UnknownChoice, ValueOutOfRange
from ...storymotion.ltx.fit import plan_memory
from ...storymotion.ltx.lora import match_lora
from ...storymotion.ltx.lora_rules import all_loras, check_fp8_loras
from ...storymotion.ltx.machine import this_machine
from ...storymotion.ltx.models import BOTH_STAGES, KEEPS, OFFLOADS, PRECISIONS, Lora, ModelSet
from ...storymotion.ltx.shots import DistilledShot, ICLoraShot, KeyframesShot, OneStageShot, Shot, TwoStageShot
from ...storymotion.ltx.split_files import inspect_models
from ...storymotion.motion.mapper import AUTO, map_motion
from ...storymotion.shot import check_frames, check_size, plan_shot
from ..folders import CHECKPOINTS, LORAS, NONE, TEXT_ENCODERS, UPSCALERS, VAES, path_of
from ..scenes import GUEST
from ..settings import keep_setting
from .json_route import JsonRoute, said_all
from .values import number_of, text_of, whole_of

# A shot to plan memory for where the graph has none: what Shot Plan and Distilled make as they come.
USUAL = {"width": 1280, "height": 704, "frames": 193, "fps": 24.0}
MOST_FRAMES = 10_000  # as the nodes have it; planning looks at shorter shots one by one
SHOTS: dict[str, type[Shot]] = {
    "StoryMotionDistilled": DistilledShot,
    "StoryMotionOneStage": OneStageShot,
    "StoryMotionTwoStage": TwoStageShot,
    "StoryMotionKeyframes": KeyframesShot,
    "StoryMotionICLora": ICLoraShot,
}


def preview_routes() -> list[JsonRoute]:
    """All of them. They change nothing; POST is for texts that are longer than an address may be."""
    return [
        JsonRoute("POST", "motion/map", mapped_motion),
        JsonRoute("GET", "shot/plan", shot_plan),
        JsonRoute("GET", "ltx/lora", lora_match),
        JsonRoute("GET", "ltx/fit", fit_plan),
    ]


def mapped_motion(values: Mapping[str, Any]) -> dict[str, Any]:
    """What SafeMotionMapper makes of a single scene. Raises UnknownChoice, NotANumber."""
    plan = map_motion(
        text_of(values, "dialogue"),
        text_of(values, "scene"),
        text_of(values, "style", "anime"),
        text_of(values, "guard", "safe"),
        text_of(values, "preset", AUTO),
        text_of(values, "engine", "ltx-2"),
        number_of(values, "seconds", 0),
        whole_of(values, "seed", 0),
        text_of(values, "lint", "keep"),
    )
    return {
        "preset": plan.preset,
        "motion": plan.motion,
        "prompt": plan.prompt,
        "negative_prompt": plan.negative_prompt,
        "report": said_all(plan.reasons),
    }


def shot_plan(values: Mapping[str, Any]) -> dict[str, Any]:
    """What StoryMotionShotPlan plans; ``image_width`` and ``image_height`` are those of the connected picture.

    Raises NotANumber, ValueOutOfRange, UnknownChoice.
    """
    image = whole_of(values, "image_width", 0), whole_of(values, "image_height", 0)
    plan = plan_shot(
        number_of(values, "seconds", 8),
        number_of(values, "fps", 24),
        text_of(values, "size"),
        text_of(values, "stages", "two"),
        image if min(image) > 0 else None,
    )
    return {
        "width": plan.width,
        "height": plan.height,
        "frames": plan.frames,
        "fps": plan.fps,
        "seconds": plan.seconds,
        "report": said_all(plan.notes),
    }


def lora_match(values: Mapping[str, Any]) -> dict[str, Any]:
    """How StoryMotionLTX2Lora's file fits the model, whose files are named as StoryMotionLTX2Model names them.

    Raises NotANumber and what ``inspect_models`` and ``match_lora`` raise.
    """
    strength, stages = number_of(values, "strength", 1), text_of(values, "stages", BOTH_STAGES)
    lora = Lora(path_of(LORAS, text_of(values, "lora")), strength, stages)
    models = ModelSet(
        checkpoint=path_of(CHECKPOINTS, text_of(values, "checkpoint")),
        text_encoder=_chosen(values, TEXT_ENCODERS, "text_encoder") or Path(),
        video_vae=_chosen(values, VAES, "video_vae"),
        audio_vae=_chosen(values, VAES, "audio_vae"),
    )
    match = match_lora(lora, inspect_models(models))
    return {
        "layers": match.layers,
        "keys_used": match.keys_used,
        "keys_total": match.keys_total,
        "ranks": list(match.ranks),
        "report": said_all(match.lines()),
    }


def fit_plan(values: Mapping[str, Any]) -> dict[str, Any]:
    """The memory plan of one shot on this machine as it is now. Reads headers, never weights.

    ``node``: the class that makes the shot, with its ``width``, ``height``, ``frames``, ``fps``, ``tail_trim`` and
    LoRA of its own; ``loras``: JSON, [name, strength, stages] of each LTX-2 LoRA. Raises NotANumber, RequestNotJson,
    UnknownChoice, and what ``plan_memory`` raises.
    """
    import comfy.model_management

    models = ModelSet(
        checkpoint=path_of(CHECKPOINTS, text_of(values, "checkpoint")),
        text_encoder=path_of(TEXT_ENCODERS, text_of(values, "text_encoder")),
        spatial_upscaler=_chosen(values, UPSCALERS, "spatial_upscaler"),
        precision=text_of(values, "precision", "auto"),
        keep=keep_setting(text_of(values, "keep", "auto")),
        loras=tuple(_loras(text_of(values, "loras", "[]"))),
        offload=text_of(values, "offload", "auto"),
        video_vae=_chosen(values, VAES, "video_vae"),
        audio_vae=_chosen(values, VAES, "audio_vae"),
    )
    for name, value, choices in (
        ("precision", models.precision, PRECISIONS),
        ("keep", models.keep, KEEPS),
        ("offload", models.offload, OFFLOADS),
    ):
        if value not in choices:
            raise UnknownChoice(name, value, ", ".join(choices))
    facts, shot = inspect_models(models), _shot(values)
    machine = this_machine(str(comfy.model_management.get_torch_device()), GUEST.residents)
    plan = plan_memory(models, facts, shot, machine)
    check_fp8_loras(all_loras(models, shot), plan.precision, machine.device)
    return {
        "device": machine.name,
        "precision": plan.precision,
        "text_encoder_device": plan.text_encoder_device,
        "keep": plan.keep,
        "offload": plan.offload,
        "tight": list(plan.tight),
        "peak_bytes": plan.peak.peak,
        "width": shot.width,
        "height": shot.height,
        "frames": shot.frames,
        "report": said_all(plan.lines),
    }


def _chosen(values: Mapping[str, Any], folder: str, name: str) -> Path | None:
    """The file behind a widget that may say "none"."""
    choice = text_of(values, name, NONE)
    return None if choice == NONE else path_of(folder, choice)


def _loras(text: str) -> list[Lora]:
    try:
        return [
            Lora(path_of(LORAS, str(name)), float(strength), str(stages)) for name, strength, stages in json.loads(text)
        ]
    except (ValueError, TypeError) as error:
        raise RequestNotJson(str(error)[:200].rstrip(".")) from None


def _shot(values: Mapping[str, Any]) -> Shot:
    node = text_of(values, "node", "StoryMotionDistilled")
    if node not in SHOTS:
        raise UnknownChoice("node", node, ", ".join(SHOTS))
    numbers = {name: whole_of(values, name, int(USUAL[name])) for name in ("width", "height", "frames")}
    fps, tail_trim = number_of(values, "fps", USUAL["fps"]), whole_of(values, "tail_trim", 0)
    check_size(numbers["width"], numbers["height"], SHOTS[node].stages)
    check_frames(numbers["frames"], fps)
    for name, value in (("frames", numbers["frames"]), ("tail_trim", tail_trim)):
        if not 0 <= value <= MOST_FRAMES:
            raise ValueOutOfRange(name, value, 0, MOST_FRAMES)
    make = partial(SHOTS[node], "", **numbers, fps=fps, seed=0, tail_trim=tail_trim)
    own = text_of(values, "own_lora")
    if own and SHOTS[node] in (TwoStageShot, KeyframesShot):
        return make(distilled_lora=Lora(path_of(LORAS, own), number_of(values, "own_lora_strength", 1)))
    if own and SHOTS[node] is ICLoraShot:
        return make(ic_lora=Lora(path_of(LORAS, own), number_of(values, "own_lora_strength", 1)))
    return make()
