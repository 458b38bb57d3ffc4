"""Which LoRAs a shot has, in which stages they can work, and with what else they go together."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from ..errors import Fp8LoraNeedsTriton, LoraReferenceConflict, LoraStageImpossible, SizeNotMultiple, UnknownChoice
from ..report import Line, line
from .lora import LoraMatch
from .models import BOTH_STAGES, LORA_STAGES, Lora, ModelSet
from .shots import ICLoraShot, OneStageShot, Shot, TwoStageShot

STAGE_1 = "stage 1"
# Pixels of the finished shot for each pixel row of latents in stage 1: half size, 32 pixels a latent.
PIXELS_OF_A_LATENT = 64


def all_loras(models: ModelSet, shot: Shot) -> tuple[Lora, ...]:
    """The model's own LoRAs and the one that the pipeline brings."""
    own = None
    if isinstance(shot, TwoStageShot):
        own = shot.distilled_lora
    elif isinstance(shot, ICLoraShot):
        own = shot.ic_lora
    return (*models.loras, own) if own else models.loras


def check_stages(loras: Iterable[Lora], shot: Shot) -> tuple[Line, ...]:
    """Can the pipeline of ``shot`` apply the ``loras`` of a ModelSet in the stages that they ask for?

    Only pipelines with a transformer for each stage can tell them apart; ICLoraPipeline applies LoRAs in
    stage 1 and nowhere else. Returns what is to be reported; raises UnknownChoice, LoraStageImpossible.
    """
    notes: list[Line] = []
    for lora in loras:
        name = lora.path.name
        if lora.stages not in LORA_STAGES:
            raise UnknownChoice(f"stages of the LoRA '{name}'", lora.stages, ", ".join(LORA_STAGES))
        if isinstance(shot, ICLoraShot):
            if lora.stages not in (BOTH_STAGES, STAGE_1):
                raise LoraStageImpossible(name, lora.stages, "the IC-LoRA pipeline applies LoRAs in stage 1 only")
            if lora.stages == BOTH_STAGES and not shot.skip_stage_2:
                notes.append(line("lora-stage-1-only", name=name))
        elif lora.stages != BOTH_STAGES and not isinstance(shot, TwoStageShot):
            one = "this pipeline has one stage"
            reason = one if isinstance(shot, OneStageShot) else "the Distilled pipeline has one model for both stages"
            raise LoraStageImpossible(name, lora.stages, reason)
    return tuple(notes)


def check_references(matches: Iterable[LoraMatch], shot: Shot) -> tuple[Line, ...]:
    """Do IC-LoRAs get a reference video, and one of a size that they can work with?

    Their reference is smaller by a whole factor, and must still be a whole number of latents. Returns
    what is to be reported; raises LoraReferenceConflict, SizeNotMultiple.
    """
    factors = {
        match.lora.path.name: match.reference_factor
        for match in matches
        if match.reference_factor and match.lora.strength
    }
    if not isinstance(shot, ICLoraShot):
        return tuple(line("lora-ic-unreferenced", name=name) for name in factors)
    different = set(factors.values()) - {1}
    if len(different) > 1:
        raise LoraReferenceConflict(", ".join(f"{factor} ({name})" for name, factor in factors.items()))
    for factor in different:
        multiple = PIXELS_OF_A_LATENT * factor
        for side, value in (("width", shot.width), ("height", shot.height)):
            if value % multiple:
                lower = max(multiple, value // multiple * multiple)
                raise SizeNotMultiple(side, value, multiple, lower, lower + multiple)
    return ()


def check_fp8_loras(loras: Iterable[Lora], precision: str, device_type: str) -> None:
    """Can 8-bit weights and LoRAs be put together on this machine? ``device_type`` as in torch.device.type.

    On CUDA, SDK 1.0.0 adds a LoRA to a weight in 8 bits with a Triton kernel (ltx_core/quantization/fp8_cast.py,
    _fused_add_round_launch); torch brings Triton along on Linux and not on Windows. On the CPU it is
    plain arithmetic. Raises Fp8LoraNeedsTriton.
    """
    active = [lora.path.name for lora in loras if lora.strength]
    if precision == "fp8" and device_type == "cuda" and active and importlib.util.find_spec("triton") is None:
        raise Fp8LoraNeedsTriton(active[0])
