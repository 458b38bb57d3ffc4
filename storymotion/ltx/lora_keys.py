"""The keys of a LoRA file: which layer of the checkpoint each of them means, in any of the usual layouts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import LoraAmbiguous, LoraIncomplete, LoraLayerTwice, LoraUnsupported
from .headers import Header
from .scales import NEEDLESS_ENDINGS

# "<module>.lora_A.weight", or PEFT's "<module>.lora_A.<adapter>.weight", or the scale of such a matrix.
_MATRIX = re.compile(
    r"(?P<module>.+)\.lora_(?P<half>A|B|down|up)(?:\.[^.]+)?\.(?P<what>weight|weight_scale|scale_weight)"
)
_DOWN = ("A", "down")
# What else a file may hold that changes the result and that the SDK's fusion (W + strength * B A) cannot do.
_FOREIGN = {
    r"\.(dora_scale|lora_magnitude_vector)(\..+)?$": "DoRA magnitudes",
    r"\.diff(_b)?$": "whole weight differences",
    r"\.(set_weight|reshape_weight|w_norm|b_norm)$": "whole weights",
    r"\.hada_[wt]": "LoHa factors",
    r"\.lokr_[wt]": "LoKr factors",
    r"\.b?oft_": "OFT blocks",
    r"\.lora_mid\.": "Tucker factors",
    r"\.lora_(B|up)(\.[^.]+)?\.bias$": "LoRA biases",
}
# Prefixes that name no layer, and whose layout they show. PEFT wraps what the others are.
_PREFIXES = {
    "base_model.model.": "PEFT",
    "model.diffusion_model.": "checkpoint",
    "diffusion_model.": "ComfyUI",
    "transformer.": "diffusers",
}
# Layer names with "_" for every ".": kohya's sd-scripts and musubi-tuner, OneTrainer, SimpleTuner.
_FLAT_PREFIXES = ("lora_unet_", "lora_transformer_", "lycoris_")
# Diffusers calls some layers otherwise (its scripts/convert_ltx2_to_diffusers.py): first part of the name there
# and in the checkpoint. Those inside the blocks have the same names but for q_norm and k_norm, which are no matrices.
_DIFFUSERS_NAMES = {
    "proj_in": "patchify_proj",
    "audio_proj_in": "audio_patchify_proj",
    "time_embed": "adaln_single",
    "audio_time_embed": "audio_adaln_single",
    "prompt_adaln": "prompt_adaln_single",
    "audio_prompt_adaln": "audio_prompt_adaln_single",
    "av_cross_attn_video_scale_shift": "av_ca_video_scale_shift_adaln_single",
    "av_cross_attn_audio_scale_shift": "av_ca_audio_scale_shift_adaln_single",
    "av_cross_attn_video_a2v_gate": "av_ca_a2v_gate_adaln_single",
    "av_cross_attn_audio_v2a_gate": "av_ca_v2a_gate_adaln_single",
}


@dataclass(frozen=True)
class LoraLayer:
    """One layer: its name in the checkpoint, and the names of its tensors in the LoRA file."""

    layer: str
    down: str
    up: str
    alpha: str | None
    down_scale: str | None
    up_scale: str | None

    @property
    def keys(self) -> tuple[str, ...]:
        """All its keys in the file."""
        return tuple(key for key in (self.down, self.up, self.alpha, self.down_scale, self.up_scale) if key)


@dataclass(frozen=True)
class LoraKeys:
    """What the keys of a file mean. ``layouts``: whose way of naming they follow, sorted."""

    layers: tuple[LoraLayer, ...]
    unused: tuple[str, ...]
    layouts: tuple[str, ...]


def read_keys(header: Header, checkpoint_layers: Iterable[str]) -> LoraKeys:
    """Sort the keys of a LoRA by the layers of a checkpoint ("transformer_blocks.0.attn1.to_q").

    Raises LoraUnsupported, LoraIncomplete, LoraLayerTwice, LoraAmbiguous.
    """
    name = header.path.name
    known = frozenset(checkpoint_layers)
    flat_names: dict[str, list[str]] = {}
    for layer in sorted(known):
        flat_names.setdefault(layer.replace(".", "_"), []).append(layer)
    # By the checkpoint's layer; by the file's own name where the checkpoint has no such layer.
    found: dict[str, dict[str, str]] = {}
    layouts: set[str] = set()
    for key in header.tensors:
        _refuse_foreign(name, key)
        part = _part(key)
        if part is None:
            continue
        module, slot = part
        layer, layout = _find_layer(name, module, known, flat_names)
        parts = found.setdefault(layer or module, {})
        if slot in parts:
            raise LoraLayerTwice(name, layer or module, parts[slot], key)
        parts[slot] = key
        if layer:
            layouts.add(layout)
    layers = tuple(
        LoraLayer(
            layer=layer,
            down=parts["down"],
            up=parts["up"],
            alpha=parts.get("alpha"),
            down_scale=parts.get("down_scale"),
            up_scale=parts.get("up_scale"),
        )
        for layer, parts in found.items()
        if _has_both(name, layer, parts) and layer in known
    )
    used = {key for layer in layers for key in layer.keys}
    unused = tuple(key for key in header.tensors if key not in used and not key.endswith(NEEDLESS_ENDINGS))
    return LoraKeys(layers, unused, tuple(sorted(layouts)))


def _part(key: str) -> tuple[str, str] | None:
    """The module that ``key`` belongs to and which part of its LoRA it is; None for any other key."""
    matrix = _MATRIX.fullmatch(key)
    if matrix:
        half = "down" if matrix["half"] in _DOWN else "up"
        return matrix["module"], half if matrix["what"] == "weight" else f"{half}_scale"
    if key.endswith(".alpha"):
        return key.removesuffix(".alpha"), "alpha"
    return None


def _has_both(name: str, layer: str, parts: dict[str, str]) -> bool:
    """Does a layer have both matrices? Only an alpha is no LoRA; half a LoRA is a broken file."""
    halves = [half for half in ("down", "up") if half in parts]
    if len(halves) == 1:
        missing = "up (lora_B)" if halves == ["down"] else "down (lora_A)"
        raise LoraIncomplete(name, layer, missing, parts[halves[0]])
    return len(halves) == 2


def _refuse_foreign(name: str, key: str) -> None:
    for pattern, kind in _FOREIGN.items():
        if re.search(pattern, key):
            raise LoraUnsupported(name, kind, key)


def _find_layer(
    file: str, module: str, known: frozenset[str], flat_names: Mapping[str, list[str]]
) -> tuple[str | None, str]:
    """The checkpoint's name of ``module`` (None when it has no such layer), and the layout that it is written in."""
    for prefix in _FLAT_PREFIXES:
        if module.startswith(prefix):
            layers = flat_names.get(module.removeprefix(prefix), [])
            if len(layers) > 1:
                raise LoraAmbiguous(file, module, " or ".join(layers))
            return (layers[0] if layers else None), "kohya"
    rest, layout = module, ""
    while prefix := next((each for each in _PREFIXES if rest.startswith(each)), None):
        layout = layout or _PREFIXES[prefix]
        rest = rest.removeprefix(prefix)
    if rest not in known:
        first, dot, others = rest.partition(".")
        rest = _DIFFUSERS_NAMES.get(first, first) + dot + others
    return (rest if rest in known else None), layout or "bare"
