"""Models in several files, and shots whose length the model decides: on SDK 1.2 its own call, on 1.0 a sentence."""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels
from storymotion import errors
from storymotion.ltx.abilities import INSTALL_1_2
from storymotion.ltx.fit_sizes import component_sizes
from storymotion.ltx.models import ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.render import render_shot
from storymotion.ltx.shots import DistilledShot, Guide, KeyframesShot, OneStageShot, Shot, TwoStageShot
from storymotion.ltx.split_files import inspect_models

from .sdk_parts import only_1_0, only_1_2
from .test_prequantised import metadata_of
from .test_render import same

PROJECTION = ("text_embedding_projection.",)
MOST: dict[str, Any] = {"prompt": "a red cat walks", "width": 64, "height": 64, "frames": 41, "fps": 24.0, "seed": 3}


@pytest.fixture
def parts(models: ModelSet, tmp_path: Path) -> ModelSet:
    """The tiny checkpoint as Lightricks publishes LTX-2.5, with Gemma's folder."""
    tensors, metadata = load_file(models.checkpoint), metadata_of(models.checkpoint)

    def part(name: str, *prefixes: str, bare: bool = False) -> Path:
        chosen = {key.removeprefix("vae.") if bare else key: each for key, each in tensors.items()}
        chosen = {key: each for key, each in chosen.items() if key.startswith(prefixes)}
        path = tmp_path / f"{name}.safetensors"
        save_file({key: each.contiguous() for key, each in chosen.items()}, path, metadata)
        return path

    return replace(
        models,
        checkpoint=part("transformer", "model.diffusion_model.", *PROJECTION),
        video_vae=part("video-vae", "encoder.", "decoder.", "per_channel_statistics.", bare=True),
        audio_vae=part("audio-vae", "audio_vae.", "vocoder."),
    )


def split_paths(models: ModelSet, **changed: Any) -> dict[str, Any]:
    from ltx_pipelines.utils.model_paths import ModelPaths

    paths = ModelPaths.from_split(
        transformer_path=str(models.checkpoint),
        text_encoder_path=str(models.text_encoder),
        video_vae_path=str(models.video_vae),
        audio_vae_path=str(models.audio_vae),
    )
    return {"model_paths": replace(paths, **changed)}


@only_1_2
def test_several_files_make_what_one_makes(models: ModelSet, parts: ModelSet, two_stage: TwoStageShot) -> None:
    ours = render_shot(parts, two_stage)
    assert same(ours, *call_sdk(models, two_stage))
    paths = split_paths(parts, embeddings_weight_paths=(str(parts.checkpoint),))
    assert same(ours, *call_sdk(parts, two_stage, constructor=paths))
    whole = component_sizes(check(models, two_stage).checkpoint, models.text_encoder, None, "bf16")
    assert component_sizes(check(parts, two_stage).checkpoint, parts.text_encoder, None, "bf16") == whole


@only_1_2
@pytest.mark.parametrize("offload", ["none", "cpu", "disk"])
def test_gemma_in_one_file_with_the_projection(
    models: ModelSet, parts: ModelSet, distilled: DistilledShot, tmp_path: Path, offload: str
) -> None:
    from ltx_core.text_encoders.gemma import gemma_assets

    tensors, metadata = load_file(parts.checkpoint), metadata_of(parts.checkpoint)
    projection = {name: each for name, each in tensors.items() if name.startswith(PROJECTION)}
    alone = tmp_path / "transformer-alone.safetensors"
    save_file({name: each for name, each in tensors.items() if name not in projection}, alone, metadata)
    packed, about = gemma_assets.build_text_encoder_tensors_from_gemma_root(str(models.text_encoder), projection)
    file = tmp_path / "gemma-with-projection.safetensors"
    save_file(packed, file, about)
    chosen = replace(parts, checkpoint=alone, text_encoder=file, offload=offload)
    ours = render_shot(chosen, distilled)
    assert same(ours, *call_sdk(models, distilled))
    assert same(ours, *call_sdk(chosen, distilled, constructor=split_paths(chosen)))
    sizes = component_sizes(check(chosen, distilled).checkpoint, chosen.text_encoder, None, "bf16")
    assert sizes == component_sizes(check(models, distilled).checkpoint, models.text_encoder, None, "bf16")


@only_1_2
def test_another_video_vae(models: ModelSet, parts: ModelSet, distilled: DistilledShot, tmp_path: Path) -> None:
    assert parts.video_vae is not None
    other = tmp_path / "darker.safetensors"
    tensors = {name: each * 0.5 if "decoder" in name else each for name, each in load_file(parts.video_vae).items()}
    save_file(tensors, other, metadata_of(parts.video_vae))
    from ltx_pipelines.utils.model_paths import ModelPaths

    paths = ModelPaths.from_monolith(str(models.checkpoint), str(models.text_encoder), video_vae_path=str(other))
    ours = render_shot(replace(models, video_vae=other), distilled)
    assert same(ours, *call_sdk(models, distilled, constructor={"model_paths": paths}))
    assert not torch.equal(ours.frames, render_shot(models, distilled).frames)


@only_1_2
def test_parts_that_are_missing(
    parts: ModelSet, distilled: DistilledShot, weight_reads: list[int], tmp_path: Path
) -> None:
    with pytest.raises(errors.ModelPartsMissing, match="lacks: the video VAE and the audio VAE"):
        render_shot(replace(parts, video_vae=None, audio_vae=None), distilled)
    with pytest.raises(errors.ModelPartsMissing, match="the audio decoder, the vocoder"):
        render_shot(replace(parts, audio_vae=None), distilled)
    with pytest.raises(errors.ModelPartsMissing, match="the video encoder, the video decoder"):
        render_shot(replace(parts, video_vae=None), distilled)
    with pytest.raises(errors.TextEncoderIncomplete, match="gemma_config"):
        render_shot(replace(parts, text_encoder=parts.checkpoint), distilled)
    assert weight_reads == []


@only_1_2
@pytest.mark.parametrize("socket", ["checkpoint", "video_vae", "audio_vae"])
def test_a_file_in_the_wrong_socket_is_named_and_so_is_what_it_is(
    parts: ModelSet, tiny: TinyModels, distilled: DistilledShot, weight_reads: list[int], socket: str
) -> None:
    files = {
        "a transformer alone": parts.checkpoint,
        "a video VAE": parts.video_vae,
        "an audio VAE": parts.audio_vae,
        "a LoRA": tiny.style_lora,
        "a latent upscaler": parts.spatial_upscaler,
        "a text encoder": parts.text_encoder / "model.safetensors",
    }
    for kind, path in files.items():
        assert path is not None
        if path == getattr(parts, socket):
            continue
        with pytest.raises(errors.WrongKindOfModel, match=f"'{path.name}' was chosen as .* but it is {kind}"):
            render_shot(replace(parts, **{socket: path}), distilled)
    assert weight_reads == []


@only_1_2
@pytest.mark.parametrize("role", ["video_vae", "audio_vae"])
def test_a_vae_that_cannot_be_built(
    parts: ModelSet, distilled: DistilledShot, weight_reads: list[int], tmp_path: Path, role: str
) -> None:
    """Programs that repack a VAE leave its config away, without which the SDK builds another one."""
    whole = getattr(parts, role)
    bare, half = tmp_path / "bare.safetensors", tmp_path / "half.safetensors"
    save_file(load_file(whole), bare)
    with pytest.raises(
        errors.ModelPartsMissing, match=rf"'bare\.safetensors' lacks: '{role.removeprefix('video_')}' in"
    ):
        render_shot(replace(parts, **{role: bare}), distilled)
    kept = {name: each for name, each in load_file(whole).items() if "vocoder" not in name and "encoder." not in name}
    save_file(kept, half, metadata_of(whole))
    with pytest.raises(errors.ModelPartsMissing, match=r"'half\.safetensors' lacks: the (vocoder|video encoder)\."):
        render_shot(replace(parts, **{role: half}), distilled)
    assert weight_reads == []


@only_1_2
def test_a_vae_of_another_version_is_reported(parts: ModelSet, distilled: DistilledShot, tmp_path: Path) -> None:
    assert parts.video_vae is not None
    newer = tmp_path / "newer.safetensors"
    save_file(load_file(parts.video_vae), newer, metadata_of(parts.video_vae) | {"model_version": "2.5.0"})
    (note,) = check(replace(parts, video_vae=newer), distilled).notes
    assert (note.code, note.values["name"], note.values["version"]) == ("vae-version", "newer.safetensors", "2.5.0")
    assert check(parts, distilled).notes == ()


@only_1_2
def test_files_by_any_name_and_twice(models: ModelSet, parts: ModelSet, distilled: DistilledShot) -> None:
    assert parts.video_vae is not None and parts.audio_vae is not None
    korean = parts.video_vae.rename(parts.video_vae.with_name("\ube44\ub514\uc624 VAE.safetensors"))
    wanted = render_shot(models, distilled)
    # A full checkpoint is a VAE as well; with an audio VAE alone it still has its own video VAE.
    for chosen in (
        replace(parts, video_vae=korean),
        replace(models, audio_vae=parts.audio_vae),
        replace(parts, video_vae=models.checkpoint, audio_vae=models.checkpoint),
    ):
        ours = render_shot(chosen, distilled)
        assert torch.equal(ours.frames, wanted.frames) and torch.equal(ours.waveform, wanted.waveform)


def with_duration_head(models: ModelSet, folder: Path, seconds: float) -> ModelSet:
    """The checkpoint with a duration head that always says ``seconds``."""
    from ltx_core.duration_head import DurationHeadConfigurator

    from dev.tiny_weights import module_of

    metadata = metadata_of(models.checkpoint)
    state = module_of(DurationHeadConfigurator, json.loads(metadata["config"])).state_dict()
    head = {f"duration_head.{name}": torch.zeros_like(each).bfloat16() for name, each in state.items()}
    head["duration_head.mlp_out.bias"] += torch.log(torch.tensor(seconds)).bfloat16()
    path = folder / f"with-head-{seconds}.safetensors"
    save_file(load_file(models.checkpoint) | head, path, metadata)
    return replace(models, checkpoint=path)


@only_1_2
@pytest.mark.parametrize("kind", [DistilledShot, TwoStageShot, OneStageShot])
def test_the_model_says_how_long(models: ModelSet, tmp_path: Path, kind: type[Shot]) -> None:
    from ltx_pipelines.utils.types import AutoDuration

    guided = {} if kind is DistilledShot else {"steps": 2, "negative_prompt": "blurry"}
    shot = kind(**MOST, **guided)
    chosen = with_duration_head(models, tmp_path, 1.4)
    ours = render_shot(chosen, replace(shot, auto_duration=True))
    assert same(ours, *call_sdk(chosen, shot, num_frames=AutoDuration(1.0, 41 / 24)))
    assert ours.frames.shape[0] == 33
    (note,) = (note for note in ours.notes if note.code == "auto-duration")
    assert note.values["frames"] == 33
    longest = render_shot(with_duration_head(models, tmp_path, 9.0), replace(shot, auto_duration=True))
    assert len(longest.frames) == 41, "never longer than the shot says"
    if kind is DistilledShot:
        trimmed = render_shot(chosen, replace(shot, auto_duration=True, tail_trim=8))
        assert len(trimmed.frames) == 33, "the tail is rendered beside what the model asks for"
        for head in (
            replace(models, duration_head=chosen.checkpoint),
            replace(chosen, duration_head=models.checkpoint),
        ):
            assert torch.equal(render_shot(head, replace(shot, auto_duration=True)).frames, ours.frames)


@only_1_2
def test_the_shortest_that_a_model_may_ask_for(models: ModelSet, tmp_path: Path) -> None:
    chosen = with_duration_head(models, tmp_path, 0.01)
    shortest = replace(DistilledShot(**MOST), auto_duration=True, tail_trim=32)
    assert len(render_shot(chosen, shortest).frames) == 25
    below_a_second = replace(shortest, frames=9, tail_trim=0)
    assert len(render_shot(chosen, below_a_second).frames) == 9


@only_1_2
def test_a_duration_head_without_all_its_weights(models: ModelSet, tmp_path: Path) -> None:
    chosen = with_duration_head(models, tmp_path, 1.4).checkpoint
    torn = tmp_path / "torn.safetensors"
    tensors = load_file(chosen)
    del tensors["duration_head.mlp_out.bias"]
    save_file(tensors, torn, metadata_of(chosen))
    with pytest.raises(errors.LengthNotPredicted, match=r"torn\.safetensors is not complete"):
        render_shot(replace(models, duration_head=torn), replace(DistilledShot(**MOST), auto_duration=True))


@only_1_2
def test_where_nothing_says_how_long(models: ModelSet, guide: Guide, weight_reads: list[int]) -> None:
    with pytest.raises(errors.LengthNotPredicted, match="has a duration head"):
        render_shot(models, DistilledShot(**MOST, auto_duration=True))
    with pytest.raises(errors.LengthNotPredicted, match="no such input"):
        render_shot(models, KeyframesShot(**MOST, guides=(guide,), auto_duration=True))
    with pytest.raises(errors.LengthNotPredicted, match="a guide at frame 40"):
        render_shot(models, DistilledShot(**MOST, guides=(replace(guide, frame=-1),), auto_duration=True))
    assert weight_reads == []


@only_1_2
def test_a_checkpoint_for_another_gemma(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path, weight_reads: list[int]
) -> None:
    metadata = metadata_of(models.checkpoint) | {
        "gemma_source_checkpoint": json.dumps({"gemma_version": "gemma4-12b-ltx-v1"}),
        "model_version": "2.5.0",
    }
    path = tmp_path / "newer.safetensors"
    save_file(load_file(models.checkpoint), path, metadata)
    with pytest.raises(errors.WrongGemma, match="asks for gemma4-12b-ltx-v1 and not for none"):
        render_shot(replace(models, checkpoint=path), distilled)
    root = Path(shutil.copytree(models.text_encoder, tmp_path / "gemma"))
    config = json.loads((root / "config.json").read_text(encoding="utf-8")) | {"model_type": "gemma4"}
    (root / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(errors.WrongGemma, match="asks for Gemma 3 and not for gemma4"):
        render_shot(replace(models, text_encoder=root), distilled)
    (root / "config.json").write_text(json.dumps(config | {"gemma_version": "v1"}), encoding="utf-8")
    unnamed = tmp_path / "unnamed.safetensors"
    save_file(load_file(models.checkpoint), unnamed, metadata_of(models.checkpoint) | {"model_version": "2.5.0"})
    with pytest.raises(errors.CheckpointIncomplete, match="the 'gemma_source_checkpoint' entry"):
        render_shot(replace(models, checkpoint=unnamed, text_encoder=root), distilled)
    assert weight_reads == []


@only_1_2
def test_2_5_is_sampled_as_the_sdk_does_it(models: ModelSet, distilled: DistilledShot, tmp_path: Path) -> None:
    """From 2.5 on the first stage of Distilled adds noise at every step."""
    # Without a Gemma of its own, which such a file would have: only the version is what is looked at here.
    root = Path(shutil.copytree(models.text_encoder, tmp_path / "gemma"))
    config = json.loads((root / "config.json").read_text(encoding="utf-8")) | {"gemma_version": "v1"}
    (root / "config.json").write_text(json.dumps(config), encoding="utf-8")
    metadata = metadata_of(models.checkpoint) | {
        "gemma_source_checkpoint": json.dumps({"gemma_version": "v1"}),
        "model_version": "2.5.0",
    }
    path = tmp_path / "newer.safetensors"
    save_file(load_file(models.checkpoint), path, metadata)
    chosen = replace(models, checkpoint=path, text_encoder=root)
    ours = render_shot(chosen, distilled)
    assert same(ours, *call_sdk(chosen, distilled))
    assert not torch.equal(ours.frames, render_shot(models, distilled).frames)
    assert inspect_models(chosen).trained_compression == 18


class TestOnSdk10:
    """What it cannot do is said before anything is read, with the line that brings it."""

    pytestmark = only_1_0

    def test_several_files(self, parts: ModelSet, distilled: DistilledShot, weight_reads: list[int]) -> None:
        with pytest.raises(errors.SdkTooOld, match=r"A model in several files needs .* SDK 1\.2") as caught:
            render_shot(parts, distilled)
        assert INSTALL_1_2 in str(caught.value)
        with pytest.raises(errors.SdkTooOld):
            render_shot(replace(parts, video_vae=None, audio_vae=None), distilled)
        assert weight_reads == []

    def test_gemma_in_one_file(self, models: ModelSet, distilled: DistilledShot, weight_reads: list[int]) -> None:
        with pytest.raises(errors.SdkTooOld, match="The text encoder in one file"):
            render_shot(replace(models, text_encoder=models.checkpoint), distilled)
        assert weight_reads == []

    def test_a_newer_checkpoint(
        self, models: ModelSet, distilled: DistilledShot, tmp_path: Path, weight_reads: list[int]
    ) -> None:
        path = tmp_path / "newer.safetensors"
        metadata = metadata_of(models.checkpoint) | {"gemma_source_checkpoint": "{}", "model_version": "2.5.0"}
        save_file(load_file(models.checkpoint), path, metadata)
        with pytest.raises(errors.SdkTooOld, match=r"'newer\.safetensors' \(LTX-2\.5\.0\) needs"):
            render_shot(replace(models, checkpoint=path), distilled)
        assert weight_reads == []

    def test_auto_duration(self, models: ModelSet, weight_reads: list[int]) -> None:
        with pytest.raises(errors.SdkTooOld, match="auto_duration needs"):
            render_shot(models, DistilledShot(**MOST, auto_duration=True))
        assert weight_reads == []

    def test_what_can_be_left_out_is_reported(self, models: ModelSet, two_stage: TwoStageShot) -> None:
        chosen = replace(models, compile=True, offload="cpu")
        ours = render_shot(chosen, replace(two_stage, guidance_batch=4))
        ignored = {note.code: note for note in ours.notes if "install" in note.values}
        assert ignored.keys() == {"compile-ignored", "guidance-batch-ignored", "fit-no-offload"}
        assert all(INSTALL_1_2 in str(note.values["install"]) for note in ignored.values())
        assert torch.equal(ours.frames, render_shot(models, two_stage).frames)


@pytest.mark.parametrize("count", [0, 5])
def test_guidance_batch_is_a_number_of_passes(models: ModelSet, two_stage: TwoStageShot, count: int) -> None:
    with pytest.raises(errors.ValueOutOfRange, match="guidance_batch"):
        check(models, replace(two_stage, guidance_batch=count))


def test_unknown_offload(models: ModelSet, distilled: DistilledShot) -> None:
    with pytest.raises(errors.UnknownChoice, match="offload is 'gpu'"):
        check(replace(models, offload="gpu"), distilled)


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_the_readme_has_the_same_line(readme: str) -> None:
    text = (Path(__file__).parents[2] / readme).read_text(encoding="utf-8")
    assert f"python -m pip install {INSTALL_1_2}\n" in text
