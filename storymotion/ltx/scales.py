"""Scales that lie beside 8-bit weights: which can be multiplied in, and their values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .headers import TensorFacts

if TYPE_CHECKING:
    import torch

# "x.weight_scale" or "x.scale_weight" is the scale of "x.weight". The first is what Lightricks' own 8-bit
# checkpoints and ComfyUI 0.33 write, the second what earlier ComfyUI and musubi-tuner do.
SCALE_ENDINGS = (".weight_scale", ".scale_weight")
# These serve a matrix product in 8 bits, which cancels them out: not needed to have the weights back.
NEEDLESS_ENDINGS = (".input_scale", ".scale_input", ".comfy_quant", "scaled_fp8")
EIGHT_BIT_FLOATS = frozenset({"F8_E4M3", "F8_E5M2"})
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})


def weight_of_scale(name: str) -> str | None:
    """ "x.weight_scale" -> "x.weight"; None when ``name`` is not that of a scale."""
    for ending in SCALE_ENDINGS:
        if name.endswith(ending):
            return name.removesuffix(ending) + ".weight"
    return None


def scale_problem(scale: TensorFacts, weight: TensorFacts) -> str | None:
    """Why ``scale`` cannot be multiplied into ``weight``; None when it can.

    It can when it is one number, or one for each row of a matrix ([rows, 1]).
    """
    if scale.dtype not in FLOATS:
        return f"scales of type {scale.dtype}"
    if math.prod(scale.shape) == 1 or (len(weight.shape) == 2 and scale.shape == (weight.shape[0], 1)):
        return None
    return f"scales of the shape {list(scale.shape)} for a weight of {list(weight.shape)}"


def read_scales(path: Path, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """The scales (or alphas) ``names`` of a file, float64: 0-dimensional, or [rows, 1]."""
    from safetensors import safe_open

    names = list(names)
    if not names:
        return {}
    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name).double() for name in names}
    return {name: tensor.reshape(()) if tensor.numel() == 1 else tensor for name, tensor in tensors.items()}
