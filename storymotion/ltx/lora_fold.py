"""How the SDK reads a LoRA file: its own renaming where that is right, else operations that translate while it loads.

The SDK fuses W + strength * B A from "<layer>.lora_A.weight" and "<layer>.lora_B.weight". It knows neither other
names, nor alpha, nor scales, and it multiplies the two matrices in the type that they have.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import LoraScaleUnusable, LoraUnsupported
from .headers import Header
from .layers import as_compiled, as_not_compiled
from .lora_keys import LoraLayer
from .scales import EIGHT_BIT_FLOATS, FLOATS, read_scales, scale_problem

if TYPE_CHECKING:
    import torch
    from ltx_core.loader import KeyValueOperationResult, SDOps

DOWN, UP = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True)
class Fold:
    """What becomes of one matrix: the name that the SDK looks for, what it is multiplied by, and its type then.

    ``scale``: float32, one number or [rows, 1]; None = not touched. ``dtype``: torch's name; None = as it is.
    """

    key: str
    new_key: str
    scale: torch.Tensor | None
    dtype: str | None

    def apply(self, value: torch.Tensor) -> torch.Tensor:
        """The matrix as the SDK gets it: multiplied in float32, rounded once."""
        import torch

        if self.scale is not None:
            value = value.float() * self.scale.to(value.device)
        return value if self.dtype is None else value.to(getattr(torch, self.dtype))


@dataclass(frozen=True)
class Folding:
    """What becomes of a file. ``alphas``: the different values of alpha / rank, sorted."""

    folds: tuple[Fold, ...]
    alphas: tuple[float, ...]

    @property
    def is_plain(self) -> bool:
        """Does the SDK's own renaming do it all?"""
        return all(
            fold.scale is None and fold.dtype is None and fold.key.replace("diffusion_model.", "") == fold.new_key
            for fold in self.folds
        )


def plan_folding(header: Header, layers: tuple[LoraLayer, ...]) -> Folding:
    """Read the alphas and scales of ``layers`` (nothing else of the file) and decide how each matrix is loaded.

    alpha / rank, as ComfyUI does it (1 without an alpha), goes into the down matrix. A layer in bfloat16
    or 8 bits becomes bfloat16; one in another type keeps it, or becomes float32 when anything is
    multiplied in or the types of its matrices differ.

    Raises LoraUnsupported for types and scales that cannot be multiplied, LoraScaleUnusable for a
    scale or alpha that is not a finite number.
    """
    for layer in layers:
        _check(header, layer)
    names = [key for layer in layers for key in (layer.alpha, layer.down_scale, layer.up_scale) if key]
    values = read_scales(header.path, names)
    for key, value in values.items():
        if not value.isfinite().all():
            raise LoraScaleUnusable(header.path.name, key, str(value.flatten()[~value.isfinite().flatten()][0].item()))
    folds: list[Fold] = []
    alphas: set[float] = set()
    for layer in layers:
        alpha = None
        if layer.alpha:
            # In this order ComfyUI divides, both as Python numbers.
            alpha = values[layer.alpha].item() / header.tensors[layer.down].shape[0]
            alphas.add(alpha)
        down = _scale(values.get(layer.down_scale or ""), alpha)
        up = _scale(values.get(layer.up_scale or ""), None)
        types = {header.tensors[layer.down].dtype, header.tensors[layer.up].dtype}
        dtype = _dtype(types, scaled=down is not None or up is not None)
        folds.append(Fold(layer.down, layer.layer + DOWN, down, dtype))
        folds.append(Fold(layer.up, layer.layer + UP, up, dtype))
    return Folding(tuple(folds), tuple(sorted(alphas)))


def sd_operations(header: Header, folding: Folding, compiled: bool) -> SDOps:
    """The SDK's key operations for a LoRA file; ``compiled``: for a transformer whose layers are compiled.

    Their name tells one file from another, and one state of a file from a later one: the SDK's registry
    knows state dicts by path and by this name.
    """
    from ltx_core.loader import LTXV_LORA_COMFY_RENAMING_MAP, KeyValueOperationResult, SDOps

    if folding.is_plain:
        operations = LTXV_LORA_COMFY_RENAMING_MAP
        return replace(operations, name=f"{operations.name}:{_identity(header, folding)}")
    folds = {fold.key: fold for fold in folding.folds}

    def translate(tensor_key: str, tensor_value: torch.Tensor) -> list[KeyValueOperationResult]:
        fold = folds.get(as_not_compiled(tensor_key))
        if fold is None:
            return []
        new_key = as_compiled(fold.new_key) if compiled else fold.new_key
        return [KeyValueOperationResult(new_key, fold.apply(tensor_value))]

    return SDOps(f"STORYMOTION_LORA:{_identity(header, folding)}").with_matching().with_kv_operation(translate)


def _check(header: Header, layer: LoraLayer) -> None:
    for key, scale in ((layer.down, layer.down_scale), (layer.up, layer.up_scale)):
        facts = header.tensors[key]
        if facts.dtype not in FLOATS | EIGHT_BIT_FLOATS:
            raise LoraUnsupported(header.path.name, f"numbers of type {facts.dtype}", key)
        problem = scale_problem(header.tensors[scale], facts) if scale else None
        if problem:
            raise LoraUnsupported(header.path.name, problem, scale or key)
    if layer.alpha and header.tensors[layer.alpha].shape not in ((), (1,)):
        raise LoraUnsupported(header.path.name, "an alpha that is not one number", layer.alpha)


def _scale(scale: torch.Tensor | None, alpha: float | None) -> torch.Tensor | None:
    """Both together in float32; None when that is 1, which changes nothing."""
    import torch

    if scale is None and alpha is None:
        return None
    both = (torch.ones((), dtype=torch.float64) if scale is None else scale) * (1.0 if alpha is None else alpha)
    return None if bool((both == 1).all()) else both.float()


def _dtype(types: set[str], scaled: bool) -> str | None:
    if types == {"BF16"} and not scaled:
        return None
    if types <= {"BF16"} | EIGHT_BIT_FLOATS:
        return "bfloat16"  # holds every 8-bit value exactly
    return "float32" if scaled or len(types) > 1 else None


def _identity(header: Header, folding: Folding) -> str:
    stat = header.path.stat()
    folds = [(fold.key, fold.new_key, fold.dtype) for fold in folding.folds]
    facts = [stat.st_size, stat.st_mtime_ns, folds]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
