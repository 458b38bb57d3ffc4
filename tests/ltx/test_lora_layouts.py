"""A LoRA in any layout and type gives what the SDK itself makes of the same numbers in ComfyUI's layout."""

from __future__ import annotations

import gc
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels
from storymotion.ltx.checkpoint import CheckpointFacts, inspect_checkpoint
from storymotion.ltx.lora import match_lora, sdk_lora
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.render import RenderedShot, render_shot
from storymotion.ltx.residents import Residents
from storymotion.ltx.shots import DistilledShot

from .test_render import same

Tensors = dict[str, torch.Tensor]
Pairs = dict[str, tuple[torch.Tensor, torch.Tensor]]
# Checkpoint -> diffusers, first part of a layer's name (diffusers' scripts/convert_ltx2_to_diffusers.py).
DIFFUSERS = {
    "patchify_proj": "proj_in",
    "audio_patchify_proj": "audio_proj_in",
    "adaln_single": "time_embed",
    "audio_adaln_single": "audio_time_embed",
    "prompt_adaln_single": "prompt_adaln",
    "audio_prompt_adaln_single": "audio_prompt_adaln",
    "av_ca_video_scale_shift_adaln_single": "av_cross_attn_video_scale_shift",
    "av_ca_audio_scale_shift_adaln_single": "av_cross_attn_audio_scale_shift",
    "av_ca_a2v_gate_adaln_single": "av_cross_attn_video_a2v_gate",
    "av_ca_v2a_gate_adaln_single": "av_cross_attn_audio_v2a_gate",
}


def as_diffusers(layer: str) -> str:
    first, dot, rest = layer.partition(".")
    return DIFFUSERS.get(first, first) + dot + rest


def dotted(prefix: str, down: str = "lora_A", up: str = "lora_B") -> Callable[[str], tuple[str, str]]:
    return lambda layer: (f"{prefix}{layer}.{down}.weight", f"{prefix}{layer}.{up}.weight")


# Layer -> names of its down and its up matrix.
LAYOUTS: dict[str, Callable[[str], tuple[str, str]]] = {
    "ComfyUI": dotted("diffusion_model."),
    "bare": dotted(""),
    "checkpoint": dotted("model.diffusion_model."),
    "diffusers": lambda layer: dotted("transformer.")(as_diffusers(layer)),
    "PEFT": dotted("base_model.model.", "lora_A.default", "lora_B.default"),
    "PEFT of diffusers": lambda layer: dotted("base_model.model.transformer.")(as_diffusers(layer)),
    "PEFT of ComfyUI": dotted("base_model.model.diffusion_model."),
    "lora_down": dotted("diffusion_model.", "lora_down", "lora_up"),
    "kohya": lambda layer: dotted("lora_unet_", "lora_down", "lora_up")(layer.replace(".", "_")),
    "OneTrainer": lambda layer: dotted("lora_transformer_", "lora_down", "lora_up")(layer.replace(".", "_")),
}
TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F8_E4M3": torch.float8_e4m3fn}


def pairs_for(checkpoint: CheckpointFacts) -> Pairs:
    """Float32 matrices for every linear layer of the checkpoint, with ranks from 2 to 5."""
    pairs: Pairs = {}
    for layer, shape in checkpoint.transformer_shapes.items():
        if len(shape) != 2:
            continue
        number = zlib.crc32(layer.encode())
        generator = torch.Generator().manual_seed(number)
        rank = 2 + number % 4
        down = torch.randn((rank, shape[1]), generator=generator) / shape[1] ** 0.5
        up = torch.randn((shape[0], rank), generator=generator) / rank**0.5
        pairs[layer] = down * 0.3, up * 0.3
    return pairs


def tensors_of(pairs: Pairs, layout: str = "ComfyUI", dtype: torch.dtype = torch.bfloat16) -> Tensors:
    tensors: Tensors = {}
    for layer, (down, up) in pairs.items():
        for name, matrix in zip(LAYOUTS[layout](layer), (down, up)):
            tensors[name] = matrix.to(dtype)
    return tensors


def multiplied(pairs: Pairs, scale_of: Callable[[str, int], float], dtype: torch.dtype) -> Pairs:
    """What a file of ``dtype`` holds of ``pairs``, the down matrices times ``scale_of(layer, rank)`` in float32."""
    return {
        layer: (down.to(dtype).float() * scale_of(layer, len(down)), up.to(dtype).float())
        for layer, (down, up) in pairs.items()
    }


def save(path: Path, tensors: Tensors, **metadata: str) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata=metadata or None)
    return path


@pytest.fixture(scope="module")
def flavours(tiny: TinyModels, tiny_2_0: TinyModels) -> dict[str, ModelSet]:
    return {
        flavour: ModelSet(files.checkpoint, files.gemma_root, files.spatial_upscaler)
        for flavour, files in {"2.3": tiny, "2.0": tiny_2_0}.items()
    }


@pytest.fixture(scope="module")
def pairs(flavours: dict[str, ModelSet]) -> dict[str, Pairs]:
    return {flavour: pairs_for(inspect_checkpoint(models.checkpoint)) for flavour, models in flavours.items()}


class Renderer:
    """Renders with a LoRA at strength 0.7: ours, and the SDK itself with a file in ComfyUI's layout.

    Models stay in memory between our renders, and the SDK's own are remembered by name: the tests are
    about the LoRAs alone.
    """

    def __init__(self) -> None:
        self._residents = Residents()
        self._theirs: dict[str, tuple[torch.Tensor, torch.Tensor, int]] = {}

    def ours(self, models: ModelSet, shot: DistilledShot, path: Path) -> RenderedShot:
        return render_shot(replace(models, keep="ram").with_lora(Lora(path, 0.7)), shot, residents=self._residents)

    def theirs(
        self, models: ModelSet, shot: DistilledShot, tensors: Tensors, name: str, folder: Path
    ) -> tuple[torch.Tensor, torch.Tensor, int]:
        if name not in self._theirs:
            path = save(folder / "reference.safetensors", tensors)
            gc.freeze()  # see storymotion.ltx.render_queue: the SDK collects garbage six times a shot
            self._theirs[name] = call_sdk(models, shot, loras=((path, 0.7),))
            gc.unfreeze()
        return self._theirs[name]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


@pytest.mark.parametrize(
    ("layout", "flavour"),
    [*((layout, "2.3") for layout in LAYOUTS), *((layout, "2.0") for layout in ("ComfyUI", "diffusers", "kohya"))],
)
def test_layouts(
    flavours: dict[str, ModelSet],
    pairs: dict[str, Pairs],
    renderer: Renderer,
    distilled: DistilledShot,
    tmp_path: Path,
    layout: str,
    flavour: str,
) -> None:
    models = flavours[flavour]
    theirs = renderer.theirs(models, distilled, tensors_of(pairs[flavour]), flavour, tmp_path)
    path = save(tmp_path / "lora.safetensors", tensors_of(pairs[flavour], layout))
    ours = renderer.ours(models, distilled, path)
    assert same(ours, *theirs)
    match = match_lora(Lora(path, 0.7), inspect_checkpoint(models.checkpoint))
    assert (match.layers, match.keys_used, match.keys_total) == (len(pairs[flavour]), *[2 * len(pairs[flavour])] * 2)
    assert match.ranks == (2, 3, 4, 5) and match.unused == ()
    assert match.is_plain == (layout in ("ComfyUI", "bare"))
    plain = renderer.theirs(models, distilled, {}, f"{flavour} without", tmp_path)
    assert not torch.equal(ours.frames, plain[0]), "the LoRA changed nothing, so this test proves nothing"


@pytest.mark.parametrize(
    ("layout", "dtype"),
    [("kohya", "F16"), ("kohya", "F32"), ("kohya", "F8_E4M3"), ("ComfyUI", "F32"), ("ComfyUI", "F8_E4M3")],
)
def test_types(
    flavours: dict[str, ModelSet],
    pairs: dict[str, Pairs],
    renderer: Renderer,
    distilled: DistilledShot,
    tmp_path: Path,
    dtype: str,
    layout: str,
) -> None:
    models, numbers = flavours["2.3"], pairs["2.3"]
    same_in_comfyui = tensors_of(numbers, dtype=TYPES[dtype])
    if dtype == "F8_E4M3":  # the SDK cannot multiply those; bfloat16 holds them exactly
        same_in_comfyui = {name: tensor.bfloat16() for name, tensor in same_in_comfyui.items()}
    theirs = renderer.theirs(models, distilled, same_in_comfyui, dtype, tmp_path)
    path = save(tmp_path / "lora.safetensors", tensors_of(numbers, layout, TYPES[dtype]))
    ours = renderer.ours(models, distilled, path)
    assert same(ours, *theirs)
    assert match_lora(Lora(path), inspect_checkpoint(models.checkpoint)).types == (dtype,)


# alpha / rank of a layer: powers of two are exact in every type, a third is not.
ALPHAS: dict[str, Callable[[str, int], float]] = {
    "half": lambda layer, rank: 0.5,
    "one for each layer": lambda layer, rank: (1.0, 0.25, 2.0)[len(layer) % 3],
    "a third": lambda layer, rank: (rank / 3) / rank,
}


@pytest.mark.parametrize(
    ("layout", "alphas", "dtype"),
    [
        ("ComfyUI", "half", "BF16"),
        ("kohya", "a third", "BF16"),
        ("ComfyUI", "a third", "BF16"),
        ("diffusers", "one for each layer", "BF16"),
        ("kohya", "one for each layer", "F16"),
        ("kohya", "a third", "F32"),
        ("kohya", "one for each layer", "F8_E4M3"),
    ],
)
def test_alphas(
    flavours: dict[str, ModelSet],
    pairs: dict[str, Pairs],
    renderer: Renderer,
    distilled: DistilledShot,
    tmp_path: Path,
    layout: str,
    alphas: str,
    dtype: str,
) -> None:
    models, numbers, scale_of = flavours["2.3"], pairs["2.3"], ALPHAS[alphas]
    # Half precision has too small a range to be multiplied by alpha / rank: such layers are computed in float32.
    kept = torch.float32 if dtype in ("F16", "F32") else torch.bfloat16
    same_in_comfyui = tensors_of(multiplied(numbers, scale_of, TYPES[dtype]), dtype=kept)
    if dtype == "F16":  # layers whose alpha / rank is 1 stay as they are
        for layer, (down, up) in numbers.items():
            if scale_of(layer, len(down)) == 1:
                same_in_comfyui |= tensors_of({layer: (down, up)}, dtype=torch.float16)
    theirs = renderer.theirs(models, distilled, same_in_comfyui, f"{alphas} {dtype}", tmp_path)
    tensors = tensors_of(numbers, layout, TYPES[dtype])
    for layer, (down, _) in numbers.items():
        module = LAYOUTS[layout](layer)[0].rpartition(".lora_")[0]
        tensors[f"{module}.alpha"] = torch.tensor(scale_of(layer, len(down)) * len(down))
    path = save(tmp_path / "lora.safetensors", tensors)
    assert same(renderer.ours(models, distilled, path), *theirs)
    codes = {note.code: note for note in check(models.with_lora(Lora(path, 0.7)), distilled).notes}
    assert codes["lora-match"].values["used"] == codes["lora-match"].values["total"] == 3 * len(numbers)
    assert codes["lora-alpha"].values["alphas"] == {"half": "0.5", "a third": "0.333333"}.get(alphas, "0.25-2")


@pytest.mark.parametrize(("ending", "rows", "ratio"), [(".scale_weight", False, None), (".weight_scale", True, 0.3)])
def test_eight_bits_with_scales(
    flavours: dict[str, ModelSet],
    pairs: dict[str, Pairs],
    renderer: Renderer,
    distilled: DistilledShot,
    tmp_path: Path,
    ending: str,
    rows: bool,
    ratio: float | None,
) -> None:
    """As in the fp8 files that are made of large LoRAs: numbers up to 448, and what they are to be multiplied by.

    A scale is for a whole matrix or for each row; ``ratio`` is alpha / rank.
    """
    models, numbers = flavours["2.3"], pairs["2.3"]
    tensors: Tensors = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    dequantised: Pairs = {}
    for layer, (down, up) in numbers.items():
        names = [name.removesuffix(".weight") for name in LAYOUTS["kohya"](layer)]
        halves = []
        for name, matrix, factor in zip(names, (down, up), (ratio or 1.0, 1.0)):
            scale = (matrix.abs().amax(1, keepdim=True) if rows else matrix.abs().amax().reshape(1)) / 448
            stored = (matrix / scale).to(torch.float8_e4m3fn)
            tensors |= {f"{name}.weight": stored, name + ending: scale, f"{name}.input_scale": torch.tensor(9.0)}
            halves.append(stored.float() * (scale.double() * factor).float())
        if ratio:
            alpha = torch.tensor(ratio * len(down), dtype=torch.float64)
            tensors[names[0].replace(".lora_down", ".alpha")] = alpha
        dequantised[layer] = halves[0], halves[1]
    theirs = renderer.theirs(models, distilled, tensors_of(dequantised), f"{ending} {ratio}", tmp_path)
    path = save(tmp_path / "lora.safetensors", tensors)
    assert same(renderer.ours(models, distilled, path), *theirs)
    match = match_lora(Lora(path), inspect_checkpoint(models.checkpoint))
    assert match.keys_used == match.keys_total and match.unused == ()


def test_matrices_of_different_types(
    flavours: dict[str, ModelSet], pairs: dict[str, Pairs], renderer: Renderer, distilled: DistilledShot, tmp_path: Path
) -> None:
    """The SDK itself cannot multiply those."""
    models, numbers = flavours["2.3"], pairs["2.3"]
    mixed = {layer: (down.half().float(), up) for layer, (down, up) in numbers.items()}
    tensors = tensors_of(mixed, dtype=torch.float32)
    theirs = renderer.theirs(models, distilled, tensors, "mixed", tmp_path)
    tensors |= {name: tensor.half() for name, tensor in tensors.items() if "lora_A" in name}
    path = save(tmp_path / "lora.safetensors", tensors)
    assert same(renderer.ours(models, distilled, path), *theirs)


def test_chain_of_layouts(
    flavours: dict[str, ModelSet], pairs: dict[str, Pairs], tiny: TinyModels, distilled: DistilledShot, tmp_path: Path
) -> None:
    models, numbers = flavours["2.3"], pairs["2.3"]
    kohya = save(tmp_path / "kohya.safetensors", tensors_of(numbers, "kohya"))
    comfyui = save(tmp_path / "comfyui.safetensors", tensors_of(numbers))
    chain = models.with_lora(Lora(kohya, 0.6)).with_lora(Lora(kohya, 0.0)).with_lora(Lora(tiny.style_lora, -0.5))
    theirs = call_sdk(models, distilled, loras=((comfyui, 0.6), (tiny.style_lora, -0.5)))
    assert same(render_shot(chain, distilled), *theirs)


def test_with_fp8(
    flavours: dict[str, ModelSet], pairs: dict[str, Pairs], renderer: Renderer, distilled: DistilledShot, tmp_path: Path
) -> None:
    models, numbers = flavours["2.3"], pairs["2.3"]
    comfyui = save(tmp_path / "comfyui.safetensors", tensors_of(numbers))
    path = save(tmp_path / "lora.safetensors", tensors_of(numbers, "kohya"))
    ours = renderer.ours(replace(models, precision="fp8"), distilled, path)
    assert same(ours, *call_sdk(models, distilled, loras=((comfyui, 0.7),), fp8=True))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layers_that_are_compiled(
    flavours: dict[str, ModelSet], pairs: dict[str, Pairs], tmp_path: Path, layout: str
) -> None:
    """Their names have a part more, which SDK 1.2 puts into the names of files that name layers as it does."""
    checkpoint = inspect_checkpoint(flavours["2.3"].checkpoint)
    path = save(tmp_path / "lora.safetensors", tensors_of(pairs["2.3"], layout))
    operations = sdk_lora(Lora(path), checkpoint, compiled=True).sd_ops
    assert operations is not None
    for number in range(2):  # ltx_core.model.transformer.compiling, modify_sd_ops_for_compilation
        name = f"transformer_blocks.{number}."
        operations = operations.with_replacement(name, f"{name}_orig_mod.")
    applied = set()
    for key, value in load_file(path).items():
        renamed = operations.apply_to_key(key)
        assert renamed is not None
        applied |= {result.new_key for result in operations.apply_to_key_value(renamed, value)}
    layers = [re.sub(r"^(transformer_blocks\.\d\.)", r"\1_orig_mod.", layer) for layer in pairs["2.3"]]
    assert any("_orig_mod" in layer for layer in layers)
    assert applied == {f"{layer}.lora_{half}.weight" for layer in layers for half in "AB"}


def test_operations_have_a_name_of_their_own(
    flavours: dict[str, ModelSet], pairs: dict[str, Pairs], tmp_path: Path
) -> None:
    """The SDK's registry knows state dicts by path and this name alone."""
    checkpoint = inspect_checkpoint(flavours["2.3"].checkpoint)
    path, names = tmp_path / "lora.safetensors", []
    for layout, scale in (("ComfyUI", 1), ("bare", 1), ("kohya", 1), ("kohya", 2)):
        save(path, tensors_of({layer: (down * scale, up) for layer, (down, up) in pairs["2.3"].items()}, layout))
        first, again = sdk_lora(Lora(path), checkpoint), sdk_lora(Lora(path, 0.5), checkpoint)
        assert first.sd_ops.name == again.sd_ops.name
        names.append(first.sd_ops.name)
    assert len(set(names)) == 4
