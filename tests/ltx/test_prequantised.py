"""A checkpoint in 8 bits with scales renders what a bfloat16 checkpoint with the same numbers renders."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels
from storymotion import errors
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.prequantised import fold_builder
from storymotion.ltx.render import render_shot
from storymotion.ltx.shots import DistilledShot, TwoStageShot

from .sdk_parts import IS_1_0
from .test_lora_layouts import Tensors, pairs_for, save, tensors_of
from .test_render import same

LAYER = "model.diffusion_model.transformer_blocks.0.attn1.to_q"
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2


@dataclass(frozen=True)
class Layout:
    """How the 8-bit weights of a file are stored. ``parts``: prefixes of those that are in 8 bits."""

    ending: str | None
    dtype: torch.dtype
    rows: bool
    parts: tuple[str, ...]


BLOCKS = "model.diffusion_model.transformer_blocks."
LAYOUTS = {
    # ltx-2.3-22b-dev-fp8: one float32 number for each weight of the blocks, and one for its input.
    "Lightricks": Layout(".weight_scale", E4M3, False, (BLOCKS,)),
    "ComfyUI": Layout(
        ".scale_weight",
        E5M2,
        False,
        ("model.diffusion_model.", "text_embedding_projection.", "vae.decoder.", "vocoder."),
    ),
    "rows": Layout(".weight_scale", E4M3, True, (BLOCKS,)),
    "without scales": Layout(None, E4M3, False, ("model.diffusion_model.",)),
}


def quantised(tensors: Tensors, layout: Layout) -> tuple[Tensors, Tensors]:
    """The tensors of a checkpoint in 8 bits, and what they stand for in bfloat16."""
    stored, meant = dict(tensors), dict(tensors)
    for name, weight in tensors.items():
        if not (name.startswith(layout.parts) and name.endswith(".weight") and weight.ndim >= 2):
            continue
        weight = weight.float()
        scale = torch.ones(())
        if layout.ending:
            rows = layout.rows and weight.ndim == 2
            largest = weight.abs().amax(1, keepdim=True) if rows else weight.abs().amax()
            scale = largest.clamp(min=1e-12) / torch.finfo(layout.dtype).max
            stored[name.removesuffix(".weight") + layout.ending] = scale
            stored[name.removesuffix(".weight") + ".input_scale"] = torch.tensor(0.0157)
        stored[name] = (weight / scale).to(layout.dtype)
        meant[name] = (stored[name].float() * scale).bfloat16()
    if layout.ending == ".scale_weight":
        stored["model.diffusion_model.scaled_fp8"] = torch.zeros(2, dtype=layout.dtype)
    return stored, meant


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def both_files(models: ModelSet, folder: Path, layout: Layout) -> tuple[ModelSet, ModelSet]:
    """The models with a checkpoint in 8 bits, and with one that holds the same numbers in bfloat16."""
    stored, meant = quantised(load_file(models.checkpoint), layout)
    sets = []
    for name, tensors in (("eight-bits", stored), ("bfloat16", meant)):
        path = folder / f"{name}.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata_of(models.checkpoint))
        sets.append(replace(models, checkpoint=path))
    return sets[0], sets[1]


@pytest.mark.parametrize(
    ("layout", "precision"), [*((layout, "bf16") for layout in LAYOUTS), ("Lightricks", "fp8"), ("ComfyUI", "fp8")]
)
def test_layouts(models: ModelSet, distilled: DistilledShot, tmp_path: Path, layout: str, precision: str) -> None:
    eight_bits, bfloat16 = both_files(models, tmp_path, LAYOUTS[layout])
    ours = render_shot(replace(eight_bits, precision=precision), distilled)
    theirs = call_sdk(bfloat16, distilled, fp8=precision == "fp8")
    assert same(ours, *theirs)
    (note,) = check(replace(eight_bits, precision=precision), distilled).notes
    assert note.code == ("checkpoint-8-bit-stays" if precision == "fp8" else "checkpoint-8-bit-unfolded")
    if layout == "Lightricks":
        assert note.values["count"] == len([key for key in load_file(eight_bits.checkpoint) if "input_scale" in key])
        if not IS_1_0:
            return  # it folds this layout itself when it is asked for fp8 (test_sdk_1_2), and fails when it is not
        dropped = call_sdk(eight_bits, distilled, fp8=precision == "fp8")
        assert not torch.equal(dropped[0], theirs[0]), "the SDK folds the scales itself, so this is not needed"


def test_layers_that_are_compiled(models: ModelSet, distilled: DistilledShot, tmp_path: Path) -> None:
    """SDK 1.2 renames their tensors before anything else is done to them."""
    from ltx_core.model.transformer import LTXV_MODEL_COMFY_RENAMING_MAP

    eight_bits, bfloat16 = both_files(models, tmp_path, LAYOUTS["Lightricks"])
    builder = SimpleNamespace(
        model_path=str(eight_bits.checkpoint),
        model_sd_ops=LTXV_MODEL_COMFY_RENAMING_MAP,
        with_sd_ops=lambda operations: operations,
    )
    operations = fold_builder(builder, check(eight_bits, distilled).checkpoint.header, None)
    operations = operations.with_replacement("transformer_blocks.0.", "transformer_blocks.0._orig_mod.")
    name = f"{LAYER}.weight"
    key = operations.apply_to_key(name)
    assert key == "transformer_blocks.0._orig_mod.attn1.to_q.weight"
    (result,) = operations.apply_to_key_value(key, load_file(eight_bits.checkpoint)[name])
    assert result.new_key == key and torch.equal(result.new_value, load_file(bfloat16.checkpoint)[name])


@pytest.mark.parametrize(("layout", "precision"), [("ComfyUI", "bf16"), ("kohya", "fp8")])
def test_with_a_lora(models: ModelSet, distilled: DistilledShot, tmp_path: Path, layout: str, precision: str) -> None:
    eight_bits, bfloat16 = both_files(models, tmp_path, LAYOUTS["Lightricks"])
    numbers = pairs_for(check(models, distilled).checkpoint)
    plain = save(tmp_path / "plain.safetensors", tensors_of(numbers))
    path = save(tmp_path / "lora.safetensors", tensors_of(numbers, layout))
    ours = render_shot(replace(eight_bits, precision=precision).with_lora(Lora(path, 0.7)), distilled)
    assert same(ours, *call_sdk(bfloat16, distilled, loras=((plain, 0.7),), fp8=precision == "fp8"))


def test_both_stages(models: ModelSet, tiny: TinyModels, two_stage: TwoStageShot, tmp_path: Path) -> None:
    """Each stage has a ledger of its own, and stage 2's is made anew where LoRAs differ."""
    eight_bits, bfloat16 = both_files(models, tmp_path, LAYOUTS["Lightricks"])
    chosen = replace(eight_bits, precision="fp8").with_lora(Lora(tiny.style_lora, 0.7, "stage 2"))
    theirs = call_sdk(bfloat16, two_stage, distilled_lora=(tiny.style_lora, 0.7), fp8=True)
    assert same(render_shot(chosen, two_stage), *theirs)


def added(name: str, tensor: torch.Tensor) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {LAYER + name: tensor}


REFUSED: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "NVFP4": (added(".weight_scale_2", torch.ones(())), "such scales cannot be multiplied in"),
    "inverse scales": (added(".weight_scale_inv", torch.ones(1, 1)), "such scales cannot be multiplied in"),
    "packed": (added(".weight", torch.zeros(32, 16, dtype=torch.uint8)), "numbers of type U8"),
    "integers": (added(".weight", torch.zeros(32, 32, dtype=torch.int8)), "numbers of type I8"),
    "blocks": (added(".weight_scale", torch.ones(32, 2)), "scales of the shape [32, 2] for a weight of [32, 32]"),
    "columns": (added(".weight_scale", torch.ones(1, 32)), "scales of the shape [1, 32]"),
    "MXFP8": (added(".weight_scale", torch.ones(32, 1).to(torch.float8_e8m0fnu)), "scales of type F8_E8M0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_folded(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path, weight_reads: list[int], case: str
) -> None:
    change, says = REFUSED[case]
    path = tmp_path / "packed.safetensors"
    save_file(change(load_file(models.checkpoint)), path, metadata_of(models.checkpoint))
    with pytest.raises(errors.CheckpointPrequantised) as caught:
        render_shot(replace(models, checkpoint=path), distilled)
    assert says in str(caught.value) and LAYER in str(caught.value)
    assert weight_reads == []


def test_a_text_encoder_with_scales(
    models: ModelSet, tiny: TinyModels, distilled: DistilledShot, tmp_path: Path, weight_reads: list[int]
) -> None:
    root = Path(shutil.copytree(tiny.gemma_root, tmp_path / "gemma"))
    (shard,) = root.glob("*.safetensors")
    tensors = load_file(shard)
    name = next(name for name in tensors if name.endswith("q_proj.weight"))
    save_file(tensors | {f"{name}_scale": torch.ones(())}, shard, metadata_of(shard))
    with pytest.raises(errors.CheckpointPrequantised, match="a text encoder has to be bf16"):
        render_shot(replace(models, text_encoder=root), distilled)
    assert weight_reads == []
