"""Everything that is wrong with a shot or a file is said before a weight is read."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dev.tiny_models import TinyModels
from storymotion import errors
from storymotion.ltx.compiler import check_compiler
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.render import render_shot
from storymotion.ltx.shots import DistilledShot, Guide, TwoStageShot

from .sdk_parts import IS_1_0, only_1_2

WRONG_SHOTS: list[tuple[dict[str, Any], type[errors.StoryMotionError], str]] = [
    ({"width": 96}, errors.SizeNotMultiple, "width of the shot is 96 pixels, which is not a multiple of 64"),
    ({"height": 720}, errors.SizeNotMultiple, "Use 704 or 768"),
    ({"width": 0}, errors.SizeNotMultiple, "Use 64 or 128"),
    ({"height": -64}, errors.SizeNotMultiple, "is -64 pixels"),
    ({"width": 64 * 1000}, errors.ValueOutOfRange, "width is 64000"),
    ({"frames": 10}, errors.FramesNotOnGrid, "Use 9 or 17"),
    ({"frames": 0}, errors.FramesNotOnGrid, "Use 1 or 9"),
    ({"frames": -7}, errors.FramesNotOnGrid, "has -7 frames"),
    ({"fps": 0.0}, errors.ValueOutOfRange, "fps is 0.0"),
    ({"fps": -24.0}, errors.ValueOutOfRange, "fps is -24.0"),
    ({"fps": math.nan}, errors.ValueOutOfRange, "fps is nan"),
    ({"frames": 1, "fps": 120.0}, errors.ShotWithoutSound, "0.008 s"),
    ({"seed": -1}, errors.ValueOutOfRange, "seed is -1"),
    ({"seed": 2**64}, errors.ValueOutOfRange, "seed is 18446744073709551616"),
    ({"tail_trim": 5}, errors.ValueOutOfRange, "tail_trim"),
    ({"tail_trim": -8}, errors.ValueOutOfRange, "tail_trim"),
    ({"steps": 1}, errors.ValueOutOfRange, "steps"),
    ({"steps": -3}, errors.ValueOutOfRange, "steps"),
]
WRONG_GUIDES: list[tuple[list[dict[str, Any]], type[errors.StoryMotionError], str]] = [
    ([{"frame": 9}], errors.GuideOutsideShot, "frame 9, but the shot has the frames 0 to 8"),
    ([{"frame": -2}], errors.GuideOutsideShot, "frame -2"),
    ([{"frame": 0}, {"frame": 0}], errors.GuidesOnSameFrame, "frame 0"),
    ([{"frame": 8}, {"frame": -1}], errors.GuidesOnSameFrame, "frame 8"),
    ([{"strength": 1.5}], errors.ValueOutOfRange, "strength of a guide is 1.5"),
    ([{"strength": math.nan}], errors.ValueOutOfRange, "strength of a guide is nan"),
    ([{"compression": 52}], errors.ValueOutOfRange, "compression of a guide is 52"),
    ([{"compression": -2}], errors.ValueOutOfRange, "compression of a guide is -2"),
]


@pytest.mark.parametrize(("change", "error", "says"), WRONG_SHOTS)
def test_wrong_numbers(
    models: ModelSet,
    two_stage: TwoStageShot,
    weight_reads: list[int],
    change: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    with pytest.raises(error, match=says.replace("(", r"\(")):
        render_shot(models, replace(two_stage, **change))
    assert weight_reads == []


@pytest.mark.parametrize(("guides", "error", "says"), WRONG_GUIDES)
def test_wrong_guides(
    models: ModelSet,
    distilled: DistilledShot,
    guide: Guide,
    weight_reads: list[int],
    guides: list[dict[str, Any]],
    error: type[Exception],
    says: str,
) -> None:
    shot = replace(distilled, guides=tuple(replace(guide, **change) for change in guides))
    with pytest.raises(error, match=says):
        render_shot(models, shot)
    assert weight_reads == []


def copied(source: Path, folder: Path, name: str) -> Path:
    return Path(shutil.copy(source, folder / name))


def rewritten(source: Path, target: Path, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None]) -> Path:
    """A copy of a safetensors file after ``change(tensors, metadata)``."""
    tensors = load_file(source)
    with safe_open(source, framework="pt") as file:
        metadata = dict(file.metadata())
    change(tensors, metadata)
    save_file(tensors, target, metadata=metadata)
    return target


def without(prefix: str) -> Callable[[dict[str, torch.Tensor], dict[str, str]], None]:
    def change(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        for name in [name for name in tensors if name.startswith(prefix)]:
            del tensors[name]

    return change


def wrong_files(models: ModelSet, tiny: TinyModels, folder: Path) -> dict[str, tuple[ModelSet, type[Exception], str]]:
    """Every way in which a chosen file can be wrong, as (models, error, part of its sentence)."""
    upscaler = models.spatial_upscaler
    assert upscaler is not None

    def checkpoint(path: Path) -> ModelSet:
        return replace(models, checkpoint=path)

    empty = folder / "empty.safetensors"
    empty.write_bytes(b"")
    text = folder / "page.safetensors"
    text.write_text("<html>You need to log in</html>", encoding="utf-8")
    torn = copied(models.checkpoint, folder, "torn.safetensors")
    torn.write_bytes(torn.read_bytes()[:-1000])
    other = folder / "other.safetensors"
    save_file({"first_stage_model.weight": torch.zeros(2)}, other)

    def packed(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
        tensors["model.diffusion_model.transformer_blocks.0.attn1.to_q.weight_scale_2"] = torch.ones(1)

    def no_config(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        del metadata["config"]

    shutil.copytree(tiny.gemma_root, folder / "gemma-half")
    left_out = "tokenizer.model" if IS_1_0 else "processor_config.json"  # which the other SDK does without
    (folder / "gemma-half" / left_out).unlink()
    shutil.copytree(tiny.gemma_root, folder / "gemma-shards")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (folder / "gemma-shards" / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    diffusers = folder / "diffusers.safetensors"
    save_file({"transformer_blocks.0.attn1.to_q.weight": torch.zeros(2, 2)}, diffusers)
    hole = rewritten(
        models.checkpoint,
        folder / "hole.safetensors",
        without("model.diffusion_model.transformer_blocks.1.attn1.to_q.weight"),
    )
    parts = rewritten(models.checkpoint, folder / "no-vocoder.safetensors", without("vocoder."))
    bare = rewritten(models.checkpoint, folder / "no-config.safetensors", no_config)
    fp8 = rewritten(models.checkpoint, folder / "packed.safetensors", packed)
    return {
        "missing": (checkpoint(folder / "gone.safetensors"), errors.ModelFileMissing, "gone.safetensors"),
        "empty": (checkpoint(empty), errors.NotSafetensors, "empty or nearly so"),
        "web page": (checkpoint(text), errors.NotSafetensors, "does not start with a safetensors header"),
        "torn": (checkpoint(torn), errors.NotSafetensors, "but its header promises"),
        "other model": (checkpoint(other), errors.WrongKindOfModel, "not an LTX-2 model"),
        "swapped 1": (checkpoint(upscaler), errors.WrongKindOfModel, "a latent upscaler"),
        "swapped 2": (
            replace(models, spatial_upscaler=models.checkpoint),
            errors.WrongKindOfModel,
            "an LTX-2 checkpoint",
        ),
        "lora as checkpoint": (checkpoint(tiny.style_lora), errors.WrongKindOfModel, "it is a LoRA"),
        "parts missing": (checkpoint(parts), errors.CheckpointIncomplete, "the vocoder"),
        "diffusers": (checkpoint(diffusers), errors.WrongKindOfModel, "as diffusers names it"),
        "one weight missing": (
            checkpoint(hole),
            errors.CheckpointIncomplete,
            "layer 1: attn1.to_q.weight",
        ),
        "no config": (checkpoint(bare), errors.CheckpointIncomplete, "'config'"),
        "prequantised": (checkpoint(fp8), errors.CheckpointPrequantised, "cannot be multiplied in"),
        "no upscaler": (replace(models, spatial_upscaler=None), errors.ModelFileMissing, "spatial upscaler"),
        "no gemma": (replace(models, text_encoder=folder / "none"), errors.ModelFileMissing, "text encoder folder"),
        "half gemma": (
            replace(models, text_encoder=folder / "gemma-half"),
            errors.TextEncoderIncomplete,
            left_out,
        ),
        "shard missing": (
            replace(models, text_encoder=folder / "gemma-shards"),
            errors.TextEncoderIncomplete,
            "model-00001-of-00002.safetensors",
        ),
        "precision": (replace(models, precision="int4"), errors.UnknownChoice, "int4"),
        "keep": (replace(models, keep="cloud"), errors.UnknownChoice, "cloud"),
    }


def test_wrong_files(
    models: ModelSet, tiny: TinyModels, distilled: DistilledShot, tmp_path: Path, weight_reads: list[int]
) -> None:
    for name, (wrong, error, says) in wrong_files(models, tiny, tmp_path).items():
        with pytest.raises(error) as caught:
            render_shot(wrong, distilled)
        assert says in str(caught.value), name
        assert weight_reads == [], name


BROKEN_HEADERS: dict[str, Any] = {
    "a list": [],
    "nothing": None,
    "metadata that are a list": {"__metadata__": [1]},
    "metadata that are numbers": {"__metadata__": {"config": 5}},
    "a shape of words": {"a": {"dtype": "BF16", "shape": ["x"], "data_offsets": [0, 0]}},
    "offsets that are words": {"a": {"dtype": "BF16", "shape": [0], "data_offsets": ["0", "0"]}},
    "brackets without end": "[" * 100_000,
}


@pytest.mark.parametrize("header", BROKEN_HEADERS.values(), ids=BROKEN_HEADERS)
def test_a_header_of_another_form(models: ModelSet, distilled: DistilledShot, tmp_path: Path, header: Any) -> None:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path = tmp_path / "broken.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    for socket in ("checkpoint", "spatial_upscaler"):
        with pytest.raises(errors.NotSafetensors, match=r"'broken\.safetensors'"):
            check(replace(models, **{socket: path}), distilled)


WRONG_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "a transformer that is a word": ({"transformer": "x"}, "the 'config' entry"),
    "layers in words": ({"transformer": {"num_layers": "many"}}, "the 'config' entry"),
    "far too many layers": ({"transformer": {"num_layers": 10**12}}, "the 'config' entry"),
    "no VAE": ({"vae": None}, "a readable 'vae' in its 'config'"),
    "a vocoder that is a list": ({"vocoder": []}, "a readable 'vocoder' in its 'config'"),
}


@pytest.mark.parametrize(("change", "lacks"), WRONG_CONFIGS.values(), ids=WRONG_CONFIGS)
def test_a_config_of_another_form(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path, change: dict[str, Any], lacks: str
) -> None:
    def changed(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata["config"] = json.dumps(json.loads(metadata["config"]) | change)

    path = rewritten(models.checkpoint, tmp_path / "odd.safetensors", changed)
    with pytest.raises(errors.CheckpointIncomplete, match=lacks):
        check(replace(models, checkpoint=path), distilled)


@pytest.mark.parametrize("entry", ["not json", "[1]"])
def test_an_entry_on_gemma_that_says_nothing(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path, entry: str
) -> None:
    def changed(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata["gemma_source_checkpoint"] = entry

    path = rewritten(models.checkpoint, tmp_path / "odd.safetensors", changed)
    with pytest.raises((errors.CheckpointIncomplete, errors.SdkTooOld), match=r"odd\.safetensors"):
        check(replace(models, checkpoint=path), distilled)


def test_trained_compression_follows_the_version(models: ModelSet, distilled: DistilledShot, guide: Guide) -> None:
    checked = check(models, replace(distilled, guides=(replace(guide, frame=-1),)))
    assert checked.checkpoint.version == "2.3.0"
    assert (checked.shot.guides[0].frame, checked.shot.guides[0].compression) == (8, 33)


@pytest.mark.parametrize(
    ("version", "compression"), [("2.0.0", 33), ("2.3.rc1", 33), ("2.4-rc2", 18), ("2.5.0", 18), ("", 33), ("x", 33)]
)
def test_versions(
    models: ModelSet, distilled: DistilledShot, guide: Guide, tmp_path: Path, version: str, compression: int
) -> None:
    def change(_: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        metadata["model_version"] = version

    path = rewritten(models.checkpoint, tmp_path / "versioned.safetensors", change)
    checked = check(replace(models, checkpoint=path), replace(distilled, guides=(guide,)))
    assert checked.shot.guides[0].compression == compression


def test_an_empty_prompt_is_reported(models: ModelSet, distilled: DistilledShot) -> None:
    assert "prompt-empty" in [note.code for note in check(models, replace(distilled, prompt=" \n")).notes]
    assert "prompt-empty" not in [note.code for note in check(models, distilled).notes]


class TestLora:
    """A LoRA that does not fit is an error, one that fits in part is reported."""

    def test_whole_fit(self, models: ModelSet, tiny: TinyModels, distilled: DistilledShot) -> None:
        (note,) = check(models.with_lora(Lora(tiny.style_lora, 0.5)), distilled).notes
        assert note.code == "lora-match"
        assert note.values["used"] == note.values["total"]

    def test_partial_fit(self, models: ModelSet, tiny: TinyModels, distilled: DistilledShot, tmp_path: Path) -> None:
        def add(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
            tensors["diffusion_model.transformer_blocks.99.attn1.to_q.lora_A.weight"] = torch.zeros(4, 32)
            tensors["diffusion_model.transformer_blocks.99.attn1.to_q.lora_B.weight"] = torch.zeros(32, 4)

        path = rewritten(tiny.style_lora, tmp_path / "more.safetensors", add)
        codes = {note.code: note for note in check(models.with_lora(Lora(path)), distilled).notes}
        assert codes["lora-unused"].values["count"] == 2
        assert "transformer_blocks.99" in str(codes["lora-unused"].values["example"])

    def test_no_fit(
        self,
        models: ModelSet,
        tiny: TinyModels,
        distilled: DistilledShot,
        tmp_path: Path,
        weight_reads: list[int],
    ) -> None:
        def rename(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
            for name in list(tensors):
                tensors[name.replace("transformer_blocks.", "double_blocks.")] = tensors.pop(name)

        path = rewritten(tiny.style_lora, tmp_path / "flux.safetensors", rename)
        with pytest.raises(errors.LoraMatchesNothing, match=r"flux\.safetensors.*double_blocks\."):
            render_shot(models.with_lora(Lora(path)), distilled)
        assert weight_reads == []

    def test_other_size(self, models: ModelSet, tiny: TinyModels, distilled: DistilledShot, tmp_path: Path) -> None:
        def widen(tensors: dict[str, torch.Tensor], _: dict[str, str]) -> None:
            for name in list(tensors):
                if name.endswith("lora_A.weight"):
                    tensors[name] = torch.zeros(tensors[name].shape[0], 4096)

        path = rewritten(tiny.style_lora, tmp_path / "wide.safetensors", widen)
        with pytest.raises(errors.LoraShapeMismatch, match="4096 in the LoRA"):
            check(models.with_lora(Lora(path)), distilled)

    @pytest.mark.parametrize("strength", [math.nan, math.inf, 5.0, -4.5])
    def test_strength(self, models: ModelSet, tiny: TinyModels, distilled: DistilledShot, strength: float) -> None:
        with pytest.raises(errors.ValueOutOfRange, match="strength of the LoRA"):
            check(models.with_lora(Lora(tiny.style_lora, strength)), distilled)

    def test_the_distilled_lora_is_checked_too(
        self, models: ModelSet, two_stage: TwoStageShot, weight_reads: list[int]
    ) -> None:
        with pytest.raises(errors.LoraMatchesNothing):
            render_shot(models, replace(two_stage, distilled_lora=Lora(models.checkpoint)))
        assert weight_reads == []

    def test_strength_0_is_reported(self, models: ModelSet, tiny: TinyModels, distilled: DistilledShot) -> None:
        codes = [note.code for note in check(models.with_lora(Lora(tiny.style_lora, 0.0)), distilled).notes]
        assert codes == ["lora-match", "lora-off"]


# --- torch.compile -------------------------------------------------------------------------------------------------


def fake_compiler(folder: Path, name: str) -> str:
    file = folder / (f"{name}.exe" if sys.platform == "win32" else name)
    file.write_text("", encoding="utf-8")
    file.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize(
    ("device", "platform", "there", "chosen", "missing"),
    [
        ("cpu", "linux", "g++", None, None),
        ("cpu", "linux", "gcc", None, r"a C\+\+ compiler \(g\+\+\)"),
        ("cpu", "linux", "g++", "my-c++", "'my-c\\+\\+' is not there"),
        ("cpu", "linux", "my-c++", "my-c++", None),
        ("cpu", "win32", "g++", None, r"a C\+\+ compiler \(cl\)"),
        ("cpu", "darwin", "clang++", None, None),
        ("cuda", "linux", "clang", None, None),
        ("cuda", "linux", "g++", None, r"a C compiler \(gcc or clang\)"),
        ("cuda", "win32", "nothing", None, None),
        ("mps", "darwin", "nothing", None, None),
    ],
)
def test_a_compiler_is_looked_for_before_anything_is_loaded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    platform: str,
    there: str,
    chosen: str | None,
    missing: str | None,
) -> None:
    monkeypatch.setenv("PATH", fake_compiler(tmp_path, there))
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
        if chosen:
            monkeypatch.setenv(name, chosen)
    monkeypatch.setitem(sys.modules, "triton", types.ModuleType("triton"))
    monkeypatch.setattr(sys.modules["triton"], "__spec__", ModuleSpec("triton", None), raising=False)
    if missing is None:
        check_compiler(device, platform)
    else:
        with pytest.raises(errors.CompilerMissing, match=missing):
            check_compiler(device, platform)


def test_triton_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.CompilerMissing, match="Triton"):
        check_compiler("cuda", "win32")


@only_1_2
def test_without_a_compiler_nothing_is_loaded(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight_reads: list[int]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(errors.CompilerMissing, match="switch compile off"):
        render_shot(replace(models, compile=True), distilled, device="cpu")
    assert weight_reads == []
