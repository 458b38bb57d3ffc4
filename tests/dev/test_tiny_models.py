"""The tiny model set is a real LTX-2 set to everything that reads it, and making it is cheap, safe and repeatable."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dev.tiny_models import TinyModels, make_model_set

REPOSITORY = Path(__file__).parents[2]
LORAS = ("distilled_lora", "style_lora", "ic_lora")


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=["2.3", "2.0"])
def flavor(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def models(models_dir: Path, flavor: str) -> TinyModels:
    return make_model_set(models_dir, flavor)


def read(path: Path) -> tuple[dict[str, str], dict[str, dict], bytes]:
    """Metadata, tensor descriptions and tensor bytes of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    return header.pop("__metadata__"), header, content[8 + length :]


def shapes(path: Path) -> dict[str, list[int]]:
    return {name: tensor["shape"] for name, tensor in read(path)[1].items()}


def test_files_lie_where_comfyui_looks_for_them(models: TinyModels, models_dir: Path, flavor: str):
    expected = {
        f"checkpoints/tiny-ltx-{flavor}.safetensors",
        "latent_upscale_models/tiny-spatial-upscaler.safetensors",
        "loras/tiny-distilled-lora.safetensors",
        "loras/tiny-style-lora.safetensors",
        "loras/tiny-ic-lora.safetensors",
        *(
            f"text_encoders/tiny-gemma/{name}"
            for name in (
                "config.json",
                "generation_config.json",
                "model.safetensors",
                "model.safetensors.index.json",
                "preprocessor_config.json",
                "processor_config.json",
                "tokenizer.json",
                "tokenizer.model",
                "tokenizer_config.json",
            )
        ),
    }
    assert {file.relative_to(models_dir).as_posix() for file in models.files()} == expected
    assert sum(file.stat().st_size for file in models.files()) < 5_000_000


def test_checkpoint_says_what_it_is(models: TinyModels, flavor: str):
    metadata, tensors, _ = read(models.checkpoint)
    config = json.loads(metadata["config"])
    assert metadata["model_version"] == f"{flavor}.0"
    assert set(config) >= {"transformer", "vae", "audio_vae", "vocoder"}
    assert config["transformer"]["num_layers"] == 2
    assert config["transformer"].get("caption_proj_before_connector", False) is (flavor == "2.3")
    assert ("bwe" in config["vocoder"]) is (flavor == "2.3")
    assert {".".join(name.split(".")[:2]) for name in tensors} >= {
        "model.diffusion_model",
        "vae.encoder",
        "vae.decoder",
        "vae.per_channel_statistics",
        "audio_vae.encoder",
        "audio_vae.decoder",
        "audio_vae.per_channel_statistics",
    }
    assert {name.split(".")[0] for name in tensors} == {
        "model",
        "text_embedding_projection",
        "vae",
        "audio_vae",
        "vocoder",
    }
    assert {tensor["dtype"] for tensor in tensors.values()} == {"BF16"}


def test_upscaler_has_a_flat_config_and_bare_keys(models: TinyModels):
    metadata, tensors, _ = read(models.spatial_upscaler)
    assert json.loads(metadata["config"])["spatial_upsample"] is True
    assert "initial_conv.weight" in tensors


@pytest.mark.parametrize("lora", LORAS)
def test_every_key_of_a_lora_fits_both_flavours(models: TinyModels, lora: str):
    path: Path = getattr(models, lora)
    metadata, checkpoint, keys = read(path)[0], shapes(models.checkpoint), shapes(path)
    layers = {re.sub(r"\.lora_[AB]\.weight$", "", key) for key in keys}
    assert len(keys) == 2 * len(layers) > 0
    for layer in layers:
        assert layer.startswith("diffusion_model.transformer_blocks.")
        down, up = keys[f"{layer}.lora_A.weight"], keys[f"{layer}.lora_B.weight"]
        assert [up[0], down[1]] == checkpoint[f"model.{layer}.weight"]
    assert ("reference_downscale_factor" in metadata) is (lora == "ic_lora")


def test_index_names_the_shard_of_every_gemma_tensor(models: TinyModels):
    index = json.loads((models.gemma_root / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert index["weight_map"] == dict.fromkeys(shapes(models.gemma_root / "model.safetensors"), "model.safetensors")


def test_transformers_loads_the_gemma_folder(models: TinyModels):
    transformers = pytest.importorskip("transformers")
    model, report = transformers.Gemma3ForConditionalGeneration.from_pretrained(
        models.gemma_root, output_loading_info=True
    )
    assert not any(report.values()), report
    assert model.config.text_config.num_hidden_layers == 2
    tokenizer = transformers.AutoTokenizer.from_pretrained(models.gemma_root)
    text = "A boy says: \uc548\ub155! \ubb50 \ud574?"
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


def test_the_sdk_builds_every_part_of_the_checkpoint(models: TinyModels, caplog: pytest.LogCaptureFixture):
    torch = pytest.importorskip("torch")
    model_ledger = pytest.importorskip("ltx_pipelines.utils.model_ledger", reason="a part of SDK 1.0.0")

    ledger = model_ledger.ModelLedger(
        dtype=torch.bfloat16,
        device=torch.device("cpu"),
        checkpoint_path=str(models.checkpoint),
        spatial_upsampler_path=str(models.spatial_upscaler),
    )
    for part in (
        ledger.transformer,
        ledger.video_encoder,
        ledger.video_decoder,
        ledger.audio_encoder,
        ledger.audio_decoder,
        ledger.vocoder,
        ledger.spatial_upsampler,
    ):
        assert {parameter.device.type for parameter in part().parameters()} == {"cpu"}
    assert "Uninitialized" not in caplog.text


@pytest.mark.slow
def test_prompt_seed_guide_and_lora_each_change_frames_and_sound(models: TinyModels):
    torch = pytest.importorskip("torch")
    import numpy

    from storymotion.ltx.models import Lora, ModelSet
    from storymotion.ltx.render import render_shot
    from storymotion.ltx.shots import DistilledShot, TwoStageShot, guide_from_pixels

    model_set = ModelSet(models.checkpoint, models.gemma_root, models.spatial_upscaler)
    picture = numpy.zeros((64, 64, 3), numpy.uint8)
    picture[16:48, 16:48] = (255, 160, 40)
    usual = DistilledShot("A red cat walks.", width=64, height=64, frames=9, fps=24.0, seed=1)
    guided = TwoStageShot("A red cat walks.", width=64, height=64, frames=9, fps=24.0, seed=1, steps=2)
    base = render_shot(model_set, usual)
    others = {
        "prompt": render_shot(model_set, replace(usual, prompt="A blue dog sleeps in the rain.")),
        "seed": render_shot(model_set, replace(usual, seed=2)),
        "guide": render_shot(model_set, replace(usual, guides=(guide_from_pixels(picture),))),
        "lora": render_shot(model_set.with_lora(Lora(models.style_lora)), usual),
        "pipeline": render_shot(model_set, replace(guided, distilled_lora=Lora(models.distilled_lora, 0.6))),
    }
    for name, shot in {"base": base, **others}.items():
        frames = shot.frames.float()
        assert frames.std() > 10, name
        assert frames.diff(dim=2).abs().mean() < frames.std() / 2, f"{name}: each pixel is a number of its own"
        assert ((shot.frames == 0) | (shot.frames == 255)).float().mean() < 0.02, f"{name} is clipped"
        assert torch.isfinite(shot.waveform).all(), name
        assert 0.01 < shot.waveform.square().mean().sqrt() < 0.2, f"{name} is silent or loud"
    for name, shot in others.items():
        assert (shot.frames.float() - base.frames.float()).abs().mean() > 1, name
        assert not torch.equal(shot.waveform, base.waveform), name


def test_a_second_call_writes_nothing_and_imports_nothing_heavy(models: TinyModels, models_dir: Path, flavor: str):
    before = {file: file.stat().st_mtime_ns for file in models.files()}
    script = (
        "import sys; from pathlib import Path; from dev.tiny_models import make_model_set\n"
        "make_model_set(Path(sys.argv[1]), sys.argv[2])\n"
        "print(*{'torch', 'numpy', 'safetensors', 'transformers', 'ltx_core'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, models_dir, flavor], cwd=REPOSITORY, capture_output=True, encoding="utf-8"
    )
    assert (run.stdout.strip(), run.stderr, run.returncode) == ("", "", 0)
    assert {file: file.stat().st_mtime_ns for file in models.files()} == before


def test_both_flavours_share_all_but_the_checkpoint(models_dir: Path):
    newer, older = make_model_set(models_dir, "2.3"), make_model_set(models_dir, "2.0")
    assert set(newer.files()) ^ set(older.files()) == {newer.checkpoint, older.checkpoint}


def test_equal_seeds_give_equal_tensors_and_others_do_not(models_dir: Path, tmp_path: Path):
    first, again, other = (
        make_model_set(models_dir),
        make_model_set(tmp_path / "again"),
        make_model_set(tmp_path / "other", seed=1),
    )
    for file, same, different in zip(first.files(), again.files(), other.files(), strict=True):
        if file.suffix == ".safetensors":
            assert read(file)[1:] == read(same)[1:]
            assert read(file)[1] == read(different)[1]
            assert read(file)[2] != read(different)[2]
        else:
            assert file.read_bytes() == same.read_bytes() == different.read_bytes()
    remade = make_model_set(tmp_path / "again", seed=1)
    assert read(remade.checkpoint)[2] == read(other.checkpoint)[2]


def test_thirty_layers_are_thirty_blocks(models_dir: Path):
    deep, usual = make_model_set(models_dir, layers=30), make_model_set(models_dir)
    assert deep.checkpoint.name == "tiny-ltx-2.3-30-layers.safetensors"
    assert deep.spatial_upscaler == usual.spatial_upscaler
    metadata, tensors, _ = read(deep.checkpoint)
    assert json.loads(metadata["config"])["transformer"]["num_layers"] == 30
    blocks = {int(block) for name in tensors for block in re.findall(r"\.transformer_blocks\.(\d+)\.", name)}
    assert blocks == set(range(30))


def test_a_wider_set_has_files_of_its_own_that_fit_each_other(models_dir: Path, flavor: str):
    usual, wide = make_model_set(models_dir, flavor), make_model_set(models_dir, flavor, width=48)
    assert set(wide.files()) & set(usual.files()) == {usual.spatial_upscaler, *usual.gemma_root.iterdir()}
    assert wide.checkpoint.name == f"tiny-ltx-{flavor}-48-wide.safetensors"
    metadata, checkpoint, keys = read(wide.ic_lora)[0], shapes(wide.checkpoint), shapes(wide.distilled_lora)
    assert checkpoint["model.diffusion_model.patchify_proj.weight"] == [48, 128]
    assert checkpoint["model.diffusion_model.audio_patchify_proj.weight"] == [24, 128]
    for key, (rows, columns) in keys.items():
        layer, _, half = key.removesuffix(".weight").rpartition(".")
        fits = {"lora_A": (1, columns), "lora_B": (0, rows)}[half]
        assert checkpoint[f"model.{layer}.weight"][fits[0]] == fits[1]
    assert metadata["reference_downscale_factor"] == "1"


@pytest.mark.slow
def test_a_wide_set_renders(models_dir: Path, flavor: str):
    pytest.importorskip("torch")
    from storymotion.ltx.models import Lora, ModelSet
    from storymotion.ltx.render import render_shot
    from storymotion.ltx.shots import TwoStageShot

    wide = make_model_set(models_dir, flavor, width=48)
    lora = Lora(wide.distilled_lora, 0.6)
    shot = TwoStageShot("A red cat walks.", 64, 64, 9, 24.0, 1, steps=2, distilled_lora=lora)
    made = render_shot(ModelSet(wide.checkpoint, wide.gemma_root, wide.spatial_upscaler), shot)
    assert made.frames.float().std() > 10


def test_an_interrupted_write_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole_write = Path.write_bytes

    def disk_full(path: Path, content: bytes) -> int:
        whole_write(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "write_bytes", disk_full)
        make_model_set(tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    assert make_model_set(tmp_path).checkpoint.stat().st_size > 2_000_000


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 100, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 2) + b"{}"],
    ids=["empty", "no length", "no object", "no metadata"],
)
def test_a_file_that_is_not_ours_is_replaced(models_dir: Path, content: bytes):
    lora = make_model_set(models_dir).style_lora
    good = read(lora)[2]
    lora.write_bytes(content)
    make_model_set(models_dir)
    assert read(lora)[2] == good


def test_a_missing_gemma_file_comes_back(models_dir: Path):
    tokenizer = make_model_set(models_dir).gemma_root / "tokenizer.json"
    content = tokenizer.read_bytes()
    tokenizer.unlink()
    make_model_set(models_dir)
    assert tokenizer.read_bytes() == content


@pytest.mark.parametrize("wrong", [{"flavor": "2.5"}, {"layers": 1}, {"layers": 49}, {"width": 16}, {"width": 100}])
def test_arguments_outside_their_range_are_refused(tmp_path: Path, wrong: dict):
    with pytest.raises(ValueError, match="Choose"):
        make_model_set(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_each_size(models: TinyModels, models_dir: Path, flavor: str):
    run = subprocess.run(
        [sys.executable, "-m", "dev.tiny_models", models_dir, "--flavor", flavor],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp949"},
        capture_output=True,
        encoding="cp949",
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert f"{models.checkpoint.stat().st_size:>13,}  checkpoints/{models.checkpoint.name}" in lines
    assert lines[-1] == f"{sum(file.stat().st_size for file in models.files()):>13,}  in all"
