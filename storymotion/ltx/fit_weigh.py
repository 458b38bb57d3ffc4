"""What a plan needs to know before it decides: what the headers of models and LoRAs say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import fit_phases
from .abilities import SDK_1_0, Abilities, installed
from .checkpoint import CheckpointFacts
from .fit_sizes import ModelHeaders, layers_of_files, read_headers, transformer_size, weigh
from .fit_working import Widths, widths_of
from .headers import read_header
from .lora import REFERENCE_FACTOR, match_lora
from .lora_rules import all_loras
from .models import ModelSet
from .prequantised import eight_bit_weights
from .shots import ICLoraShot, Shot


@dataclass(frozen=True)
class Weighed:
    """What the headers say that a plan needs: ``sizes`` of the components by precision, and widths.

    ``streamed``: what of them is on the device when their layers come one by one, and ``read_ahead``: what is in main
    memory when they come from the file; ``has_8_bit``: weights of the checkpoint are 8-bit floats.
    """

    sizes: Mapping[str, Mapping[str, int]]
    widths: Widths
    streamed: Mapping[str, Mapping[str, int]]
    read_ahead: Mapping[str, Mapping[str, int]]
    has_8_bit: bool


def weigh_files(models: ModelSet, checkpoint: CheckpointFacts, shot: Shot) -> Weighed:
    """The models that the pipeline of ``shot`` loads with the SDK that is installed, by their headers."""
    upscaler = models.spatial_upscaler if fit_phases.UPSAMPLER in fit_phases.models_of(shot) else None
    return weigh_models(read_headers(checkpoint, models.text_encoder, upscaler), installed())


def weigh_models(headers: ModelHeaders, abilities: Abilities = SDK_1_0) -> Weighed:
    """Everything that does not depend on shot and machine."""
    half = weigh(headers, "bf16")
    fp8 = half | {fit_phases.TRANSFORMER: transformer_size(headers.checkpoint, "fp8")}
    layers = {precision: layers_of_files(headers, precision) for precision in ("bf16", "fp8")}
    return Weighed(
        sizes={"bf16": half, "fp8": fp8},
        widths=widths_of(headers, abilities),
        streamed={precision: {kind: each.streamed for kind, each in of.items()} for precision, of in layers.items()},
        read_ahead={
            precision: {kind: each.read_ahead for kind, each in of.items()} for precision, of in layers.items()
        },
        has_8_bit=eight_bit_weights(headers.checkpoint) > 0,
    )


@dataclass(frozen=True)
class LoraFacts:
    """``reference_scale``: an IC-LoRA's reference video has 1/n of stage 1's width and height. ``translated``: names of
    those whose keys or numbers are translated while they load, which cannot be while weights stream from the file."""

    reference_scale: int = 1
    translated: tuple[str, ...] = ()


def lora_facts(models: ModelSet, checkpoint: CheckpointFacts, shot: Shot) -> LoraFacts:
    """Of all LoRAs that the shot has; what can be streamed is looked at where the installed SDK streams.

    Raises as ``match_lora``.
    """
    loras = all_loras(models, shot) if installed().streams else ()
    translated = [lora.path.name for lora in loras if lora.strength and not match_lora(lora, checkpoint).is_plain]
    return LoraFacts(_reference_scale(models, shot), tuple(translated))


def _reference_scale(models: ModelSet, shot: Shot) -> int:
    """What the IC-LoRA's header says, as ICLoraPipeline reads it."""
    if not isinstance(shot, ICLoraShot):
        return 1
    for lora in all_loras(models, shot):
        scale = read_header(lora.path, "LoRA").metadata.get(REFERENCE_FACTOR, "1")
        if scale.isdigit() and int(scale) > 1:
            return int(scale)
    return 1
