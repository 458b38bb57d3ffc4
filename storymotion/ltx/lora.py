"""How a LoRA file fits a checkpoint, and how the SDK is made to load it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import LoraMatchesNothing, LoraShapeMismatch, LoraUnsupported, ValueOutOfRange
from ..report import Line, line
from .checkpoint import CheckpointFacts
from .headers import Header, read_header
from .lora_fold import Folding, plan_folding, sd_operations
from .lora_keys import LoraKeys, LoraLayer, read_keys
from .models import BOTH_STAGES, Lora

if TYPE_CHECKING:
    from ltx_core.loader import LoraPathStrengthAndSDOps

STRENGTH_RANGE = (-4.0, 4.0)
# Header entry of IC-LoRAs: how many times smaller than the shot their reference video is
# (ltx_pipelines/ic_lora.py, _read_lora_reference_downscale_factor).
REFERENCE_FACTOR = "reference_downscale_factor"
# Width of the video stream of LTX-Video 2B; LTX-2 (2.0 and 2.3) has 4096, as LTX-Video 13B has.
LTX_VIDEO_2B_WIDTH = 2048
# Rows of adaln_single.linear for each column: 6 modulations in 2.0, 9 in 2.3 (ltx_core/model/transformer/adaln.py).
ADALN_VERSIONS = {6: "LTX-2.0 19B or LTX-Video 13B", 9: "LTX-2.3 22B"}


@dataclass(frozen=True)
class LoraMatch:
    """What will be applied of a LoRA, and what of the file will not be used.

    ``ranks``, ``types`` (safetensors names), ``layouts`` (whose way of naming keys) and ``alphas``
    (alpha / rank) are the different ones in the file, sorted. ``is_plain``: the SDK's own renaming does
    it all. ``reference_factor`` is that of an IC-LoRA, None for any other.
    """

    lora: Lora
    layers: int
    keys_used: int
    keys_total: int
    ranks: tuple[int, ...]
    unused: tuple[str, ...]
    layouts: tuple[str, ...]
    types: tuple[str, ...]
    alphas: tuple[float, ...]
    is_plain: bool
    reference_factor: int | None

    def lines(self) -> tuple[Line, ...]:
        """The match as report lines."""
        name, strength = self.lora.path.name, self.lora.strength
        ranks = str(self.ranks[0]) if len(self.ranks) == 1 else f"{self.ranks[0]}-{self.ranks[-1]}"
        lines = [
            line(
                "lora-match",
                name=name,
                used=self.keys_used,
                total=self.keys_total,
                layers=self.layers,
                ranks=ranks,
                strength=strength,
            )
        ]
        if not self.is_plain:
            layout, types = " + ".join(self.layouts), " + ".join(self.types)
            lines.append(line("lora-translated", name=name, layout=layout, types=types))
        if self.alphas:
            lowest, highest = f"{self.alphas[0]:g}", f"{self.alphas[-1]:g}"
            alphas = lowest if lowest == highest else f"{lowest}-{highest}"
            lines.append(line("lora-alpha", name=name, alphas=alphas))
        if self.lora.stages != BOTH_STAGES:
            lines.append(line("lora-stage", name=name, stage=self.lora.stages))
        if self.reference_factor:
            lines.append(line("lora-ic", name=name, factor=self.reference_factor))
        if self.unused:
            lines.append(line("lora-unused", name=name, count=len(self.unused), example=self.unused[0]))
        if strength == 0:
            lines.append(line("lora-off", name=name))
        return tuple(lines)


def check_strength(name: str, strength: float) -> None:
    """-4..4; raises ValueOutOfRange. A NaN makes SDK 1.0.0 render black without an error."""
    lowest, highest = STRENGTH_RANGE
    if not (math.isfinite(strength) and lowest <= strength <= highest):
        raise ValueOutOfRange(f"The strength of {name}", strength, lowest, highest)


def match_lora(lora: Lora, checkpoint: CheckpointFacts) -> LoraMatch:
    """Compare the keys and shapes of ``lora`` with the layers of ``checkpoint``.

    Of the file only the header is read, and the few numbers that are alphas and scales.

    Raises ValueOutOfRange, ModelFileMissing, NotSafetensors, LoraMatchesNothing, LoraShapeMismatch,
    LoraIncomplete, LoraLayerTwice, LoraAmbiguous, LoraUnsupported, LoraScaleUnusable.
    """
    check_strength(f"the LoRA '{lora.path.name}'", lora.strength)
    header, keys, folding = _read(lora, checkpoint)
    tensors = [header.tensors[key] for layer in keys.layers for key in (layer.down, layer.up)]
    return LoraMatch(
        lora=lora,
        layers=len(keys.layers),
        keys_used=len(header.tensors) - len(keys.unused),
        keys_total=len(header.tensors),
        ranks=tuple(sorted({header.tensors[layer.down].shape[0] for layer in keys.layers})),
        unused=keys.unused,
        layouts=keys.layouts,
        types=tuple(sorted({tensor.dtype for tensor in tensors})),
        alphas=folding.alphas,
        is_plain=folding.is_plain,
        reference_factor=_reference_factor(header),
    )


def sdk_lora(lora: Lora, checkpoint: CheckpointFacts, compiled: bool = False) -> LoraPathStrengthAndSDOps:
    """``lora`` as the SDK takes it, with the operations that translate its keys and numbers while it loads.

    ``compiled``: the transformer's layers will be (SDK 1.2), and have other names then.

    A file in ComfyUI's layout (or without any prefix) in bfloat16, float16 or float32 and without alphas
    is left to the SDK's own renaming. Raises as ``match_lora``.
    """
    from ltx_core.loader import LoraPathStrengthAndSDOps

    header, _, folding = _read(lora, checkpoint)
    return LoraPathStrengthAndSDOps(str(lora.path), float(lora.strength), sd_operations(header, folding, compiled))


def _read(lora: Lora, checkpoint: CheckpointFacts) -> tuple[Header, LoraKeys, Folding]:
    header = read_header(lora.path, "LoRA")
    wanted = checkpoint.transformer_shapes
    keys = read_keys(header, wanted)
    if not keys.layers:
        example = next(iter(header.tensors), "none")
        raise LoraMatchesNothing(lora.path.name, checkpoint.header.path.name, len(header.tensors), example)
    for layer in keys.layers:
        _check_shapes(header, layer, wanted[layer.layer], checkpoint.header.path.name, keys.layers)
    return header, keys, plan_folding(header, keys.layers)


def _check_shapes(
    header: Header, layer: LoraLayer, wanted: tuple[int, ...], checkpoint: str, layers: Iterable[LoraLayer]
) -> None:
    down, up = header.tensors[layer.down].shape, header.tensors[layer.up].shape
    can_be_multiplied = len(down) == len(up) == 2 and down[0] == up[1] > 0
    if can_be_multiplied and (up[0], down[1]) == wanted:
        return
    found = f"{up[0]} x {down[1]}" if can_be_multiplied else f"{_times(up)} after {_times(down)}"
    name, made_for = header.path.name, _made_for(header, layers)
    raise LoraShapeMismatch(name, checkpoint, made_for, f"layer {layer.layer}", found, _times(wanted))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _made_for(header: Header, layers: Iterable[LoraLayer]) -> str:
    """Which LTX model a LoRA was made for, as far as its layers tell."""
    for layer in layers:
        down, up = header.tensors[layer.down].shape, header.tensors[layer.up].shape
        if layer.layer.endswith(".attn1.to_q") and down[-1:] == (LTX_VIDEO_2B_WIDTH,):
            return "LTX-Video 2B"
        if layer.layer == "adaln_single.linear" and len(up) == len(down) == 2 and down[1]:
            return ADALN_VERSIONS.get(up[0] // down[1], "version unknown")
    # Gates came with 2.3 (apply_gated_attention in the checkpoint's config).
    return "LTX-2.3 22B" if any("to_gate_logits" in key for key in header.tensors) else "version unknown"


def _reference_factor(header: Header) -> int | None:
    """Of an IC-LoRA; the SDK takes what is not a whole number for 1."""
    text = header.metadata.get(REFERENCE_FACTOR)
    if text is None:
        return None
    try:
        factor = int(text)
    except ValueError:
        return 1
    if factor < 1:
        raise LoraUnsupported(header.path.name, f"a reference_downscale_factor of {factor}", REFERENCE_FACTOR)
    return factor
