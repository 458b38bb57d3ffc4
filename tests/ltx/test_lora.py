"""What a LoRA file is, read from its header: what fits is reported, what cannot be applied is refused by name."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from dev.tiny_models import TinyModels
from storymotion import errors
from storymotion.ltx.checkpoint import inspect_checkpoint
from storymotion.ltx.headers import TensorFacts
from storymotion.ltx.lora import match_lora
from storymotion.ltx.lora_rules import check_fp8_loras
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.render import render_shot
from storymotion.ltx.shots import DistilledShot, ICLoraShot

from .test_lora_layouts import LAYOUTS, Pairs, Tensors, pairs_for, save, tensors_of

LAYER = "transformer_blocks.0.attn1.to_q"
PREFIX = f"diffusion_model.{LAYER}."


def with_added(**added: torch.Tensor) -> Callable[[Tensors], Tensors]:
    """Adds tensors to layer 0's query; "__" stands for "."."""
    return lambda tensors: tensors | {PREFIX + name.replace("__", "."): tensor for name, tensor in added.items()}


def without(name: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {key: tensor for key, tensor in tensors.items() if key != PREFIX + name}


def with_pair(layer: str, columns: int, rows: int, rank: int = 4) -> Callable[[Tensors], Tensors]:
    down, up = LAYOUTS["ComfyUI"](layer)
    return lambda tensors: tensors | {down: torch.zeros(rank, columns), up: torch.zeros(rows, rank)}


ONE = torch.ones(1)
UNUSABLE: dict[str, tuple[Callable[[Tensors], Tensors], type[errors.LoraError], str]] = {
    "DoRA": (with_added(dora_scale=torch.ones(32, 1)), errors.LoraUnsupported, "holds DoRA magnitudes (key: diff"),
    "DoRA of PEFT": (
        with_added(lora_magnitude_vector__default__weight=ONE),
        errors.LoraUnsupported,
        "DoRA magnitudes",
    ),
    "diff": (with_added(diff=torch.zeros(32, 32)), errors.LoraUnsupported, "whole weight differences"),
    "diff_b": (with_added(diff_b=torch.zeros(32)), errors.LoraUnsupported, "to_q.diff_b"),
    "LoHa": (with_added(hada_w1_a=torch.zeros(32, 4)), errors.LoraUnsupported, "LoHa factors"),
    "LoKr": (with_added(lokr_w1=torch.zeros(4, 4)), errors.LoraUnsupported, "LoKr factors"),
    "OFT": (with_added(oft_blocks=torch.zeros(2, 4, 4)), errors.LoraUnsupported, "OFT blocks"),
    "Tucker": (with_added(lora_mid__weight=torch.zeros(4, 4)), errors.LoraUnsupported, "Tucker factors"),
    "bias": (with_added(lora_B__bias=torch.zeros(32)), errors.LoraUnsupported, "LoRA biases"),
    "integers": (
        with_added(lora_A__weight=torch.zeros(4, 32, dtype=torch.int8)),
        errors.LoraUnsupported,
        "numbers of type I8",
    ),
    "blocks": (
        with_added(lora_A__weight_scale=torch.ones(4, 2)),
        errors.LoraUnsupported,
        "scales of the shape [4, 2] for a weight of [4, 32]",
    ),
    "alpha for each row": (with_added(alpha=torch.ones(4)), errors.LoraUnsupported, "an alpha that is not one number"),
    "alpha NaN": (with_added(alpha=ONE * math.nan), errors.LoraScaleUnusable, "the number nan in diffusion_model"),
    "scale infinite": (with_added(lora_B__scale_weight=ONE / 0), errors.LoraScaleUnusable, "the number inf in"),
    "no up": (without("lora_B.weight"), errors.LoraIncomplete, f"layer {LAYER} lacks its up (lora_B) matrix"),
    "no down": (without("lora_A.weight"), errors.LoraIncomplete, "lacks its down (lora_A) matrix"),
    "twice": (with_added(lora_down__weight=torch.zeros(4, 32)), errors.LoraLayerTwice, f"has layer {LAYER} twice"),
    "two adapters": (
        with_added(lora_A__one__weight=torch.zeros(4, 32), lora_A__two__weight=torch.zeros(4, 32)),
        errors.LoraLayerTwice,
        "lora_A",
    ),
    "vector": (
        with_pair("transformer_blocks.0.attn1.q_norm", 32, 32),
        errors.LoraShapeMismatch,
        "attn1.q_norm is 32 x 32 in the LoRA and 32 in the checkpoint",
    ),
    "ranks differ": (
        with_added(lora_A__weight=torch.zeros(3, 32)),
        errors.LoraShapeMismatch,
        "is 32 x 4 after 3 x 32 in the LoRA and 32 x 32 in",
    ),
    "rank 0": (with_pair(LAYER, 32, 32, rank=0), errors.LoraShapeMismatch, "is 32 x 0 after 0 x 32 in the LoRA"),
    "convolution": (
        with_added(lora_A__weight=torch.zeros(4, 32, 1, 1)),
        errors.LoraShapeMismatch,
        "32 x 4 after 4 x 32 x 1 x 1",
    ),
    "LTX-Video 2B": (
        with_pair(LAYER, 2048, 2048),
        errors.LoraShapeMismatch,
        "(LTX-Video 2B): layer transformer_blocks.0.attn1.to_q is 2048 x 2048",
    ),
    "19B on 22B": (with_pair("adaln_single.linear", 32, 6 * 32), errors.LoraShapeMismatch, "(LTX-2.0 19B"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_loras(
    models: ModelSet,
    tiny: TinyModels,
    distilled: DistilledShot,
    tmp_path: Path,
    weight_reads: list[int],
    case: str,
) -> None:
    change, error, says = UNUSABLE[case]
    path = save(tmp_path / "wrong.safetensors", change(load_file(tiny.style_lora)))
    with pytest.raises(error) as caught:
        render_shot(models.with_lora(Lora(path)), distilled)
    assert says in str(caught.value) and "wrong.safetensors" in str(caught.value)
    assert weight_reads == []


def test_22b_on_19b(models: ModelSet, tiny: TinyModels, tiny_2_0: TinyModels, tmp_path: Path) -> None:
    newer = save(
        tmp_path / "newer.safetensors", with_pair("adaln_single.linear", 32, 9 * 32)(load_file(tiny.style_lora))
    )
    assert match_lora(Lora(newer), inspect_checkpoint(models.checkpoint)).layers > 1
    with pytest.raises(errors.LoraShapeMismatch, match=r"\(LTX-2\.3 22B\): .* 288 x 32 in the LoRA and 192 x 32"):
        match_lora(Lora(newer), inspect_checkpoint(tiny_2_0.checkpoint))


def test_a_flattened_key_that_means_two_layers(models: ModelSet, tmp_path: Path) -> None:
    checkpoint = inspect_checkpoint(models.checkpoint)
    twin = {"model.diffusion_model.transformer_blocks_0.attn1.to_q.weight": TensorFacts("BF16", (32, 32))}
    header = replace(checkpoint.header, tensors={**checkpoint.header.tensors, **twin})
    pairs: Pairs = {LAYER: (torch.zeros(4, 32), torch.zeros(32, 4))}
    kohya = save(tmp_path / "kohya.safetensors", tensors_of(pairs, "kohya"))
    assert match_lora(Lora(kohya), checkpoint).layers == 1
    with pytest.raises(
        errors.LoraAmbiguous, match=r"transformer_blocks\.0\.attn1\.to_q or transformer_blocks_0\.attn1"
    ):
        match_lora(Lora(kohya), replace(checkpoint, header=header))


def test_what_is_not_used_is_reported(models: ModelSet, tiny: TinyModels, tmp_path: Path) -> None:
    connector = "video_embeddings_connector.transformer_1d_blocks.0.attn1.to_q"
    tensors = with_pair(connector, 32, 32)(load_file(tiny.style_lora))
    tensors |= {"lora_te_layers_0.alpha": torch.ones(()), "diffusion_model.x.input_scale": torch.ones(())}
    match = match_lora(Lora(save(tmp_path / "more.safetensors", tensors)), inspect_checkpoint(models.checkpoint))
    assert match.keys_total - match.keys_used == len(match.unused) == 3
    (unused,) = [each for each in match.lines() if each.code == "lora-unused"]
    assert unused.values["count"] == 3


def test_layouts_and_types_are_reported(models: ModelSet, tmp_path: Path) -> None:
    checkpoint = inspect_checkpoint(models.checkpoint)
    pairs = pairs_for(checkpoint)
    for layout, says in (("kohya", "kohya keys in BF16"), ("PEFT of diffusers", "PEFT keys in BF16")):
        path = save(tmp_path / "lora.safetensors", tensors_of(pairs, layout))
        codes = {each.code: each for each in match_lora(Lora(path), checkpoint).lines()}
        assert says in codes["lora-translated"].speak()
        assert codes["lora-match"].values["ranks"] == "2-5"


class TestICLora:
    """Its metadata say how much smaller than the shot its reference video is."""

    @staticmethod
    def lora(tiny: TinyModels, folder: Path, factor: str) -> Lora:
        name = f"ic-{factor}.safetensors"
        return Lora(save(folder / name, load_file(tiny.ic_lora), reference_downscale_factor=factor))

    @pytest.fixture
    def shot(self, tmp_path: Path) -> ICLoraShot:
        reference = tmp_path / "reference.mp4"
        reference.write_bytes(b"not read before the checks are done")
        return ICLoraShot("a red cat walks", 64, 64, 9, 24.0, 3, reference=reference)

    def test_is_reported(self, models: ModelSet, tiny: TinyModels, distilled: DistilledShot, shot: ICLoraShot) -> None:
        with safe_open(tiny.ic_lora, framework="pt") as file:
            assert file.metadata()["reference_downscale_factor"] == "1"
        codes = [note.code for note in check(models, replace(shot, ic_lora=Lora(tiny.ic_lora))).notes]
        assert codes == ["lora-match", "lora-ic"]
        codes = [note.code for note in check(models.with_lora(Lora(tiny.ic_lora)), distilled).notes]
        assert codes == ["lora-match", "lora-ic", "lora-ic-unreferenced"]

    def test_size(
        self, models: ModelSet, tiny: TinyModels, shot: ICLoraShot, tmp_path: Path, weight_reads: list[int]
    ) -> None:
        with_factor = replace(shot, ic_lora=self.lora(tiny, tmp_path, "2"))
        with pytest.raises(errors.SizeNotMultiple, match=r"width of the shot is 64 pixels.*of 128\. Use 128 or 256"):
            render_shot(models, with_factor)
        with pytest.raises(errors.SizeNotMultiple, match="height of the shot is 192"):
            render_shot(models, replace(with_factor, width=128, height=192))
        assert weight_reads == []
        check(models, replace(with_factor, width=128, height=256))
        check(models, replace(with_factor, ic_lora=replace(with_factor.ic_lora or Lora(Path()), strength=0.0)))

    def test_conflict(
        self, models: ModelSet, tiny: TinyModels, shot: ICLoraShot, tmp_path: Path, weight_reads: list[int]
    ) -> None:
        both = replace(shot, ic_lora=self.lora(tiny, tmp_path, "2"), width=512, height=512)
        with pytest.raises(errors.LoraReferenceConflict, match=r"4 \(ic-4\.safetensors\), 2 \(ic-2"):
            render_shot(models.with_lora(self.lora(tiny, tmp_path, "4")), both)
        assert weight_reads == []
        check(models.with_lora(Lora(tiny.ic_lora)), both)  # 1 goes with anything, as in the SDK

    @pytest.mark.parametrize(("factor", "taken_for"), [("two", 1), ("0", None), ("-1", None)])
    def test_no_number(
        self, models: ModelSet, tiny: TinyModels, shot: ICLoraShot, tmp_path: Path, factor: str, taken_for: int | None
    ) -> None:
        strange = replace(shot, ic_lora=self.lora(tiny, tmp_path, factor))
        if taken_for is None:
            with pytest.raises(errors.LoraUnsupported, match=f"reference_downscale_factor of {factor}"):
                check(models, strange)
        else:
            assert check(models, strange).notes[1].values["factor"] == taken_for


def test_fp8_and_a_lora_need_triton_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    loras = [Lora(Path("off.safetensors"), 0.0), Lora(Path("on.safetensors"))]
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(errors.Fp8LoraNeedsTriton, match=r"on\.safetensors"):
        check_fp8_loras(loras, "fp8", "cuda")
    for fine in ((loras, "bf16", "cuda"), (loras, "fp8", "cpu"), (loras[:1], "fp8", "cuda")):
        check_fp8_loras(*fine)
    monkeypatch.setitem(sys.modules, "triton", sys)  # any module that is there
    check_fp8_loras(loras, "fp8", "cuda")
