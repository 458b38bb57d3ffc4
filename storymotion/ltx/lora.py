"""How a LoRA file fits a checkpoint, from the two headers alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import LoraMatchesNothing, LoraShapeMismatch, ValueOutOfRange
from ..report import Line, line
from .checkpoint import CheckpointFacts
from .headers import read_header
from .models import Lora

STRENGTH_RANGE = (-4.0, 4.0)
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
# The one renaming that the SDK does (LTXV_LORA_COMFY_RENAMING_MAP): ComfyUI's prefix goes away.
COMFYUI_PREFIX = "diffusion_model."


@dataclass(frozen=True)
class LoraMatch:
    """What the SDK will apply of a LoRA: layers it finds, and the keys it would skip without a word."""

    lora: Lora
    layers: int
    keys_used: int
    keys_total: int
    ranks: tuple[int, ...]
    unused: tuple[str, ...]

    def lines(self) -> tuple[Line, ...]:
        """The match as report lines."""
        ranks = str(self.ranks[0]) if len(self.ranks) == 1 else f"{self.ranks[0]}-{self.ranks[-1]}"
        name, strength = self.lora.path.name, self.lora.strength
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

    Raises ValueOutOfRange, ModelFileMissing, NotSafetensors, LoraMatchesNothing, LoraShapeMismatch.
    """
    check_strength(f"the LoRA '{lora.path.name}'", lora.strength)
    header = read_header(lora.path, "LoRA")
    layers = checkpoint.transformer_shapes
    # The SDK looks for "<layer>.lora_A.weight" and "<layer>.lora_B.weight" after its renaming.
    original = {name.replace(COMFYUI_PREFIX, ""): name for name in header.tensors}
    ranks: set[int] = set()
    used: set[str] = set()
    for name in original:
        layer = name.removesuffix(DOWN)
        if not name.endswith(DOWN) or layer + UP not in original or layer not in layers:
            continue
        down, up = header.tensors[original[name]].shape, header.tensors[original[layer + UP]].shape
        wanted = layers[layer]
        if len(down) != 2 or len(up) != 2 or down[0] != up[1] or (up[0], down[1]) != wanted:
            found = f"{up[0]} x {down[-1]}"
            wanted_text = " x ".join(map(str, wanted))
            raise LoraShapeMismatch(
                lora.path.name, checkpoint.header.path.name, f"layer {layer}", found, wanted_text
            )
        ranks.add(down[0])
        used |= {original[name], original[layer + UP]}
    if not used:
        example = next(iter(header.tensors), "none")
        raise LoraMatchesNothing(lora.path.name, checkpoint.header.path.name, len(header.tensors), example)
    return LoraMatch(
        lora=lora,
        layers=len(used) // 2,
        keys_used=len(used),
        keys_total=len(header.tensors),
        ranks=tuple(sorted(ranks)),
        unused=tuple(name for name in header.tensors if name not in used),
    )
