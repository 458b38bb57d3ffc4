"""Every pipeline of the SDK, with guidance, guides and LoRAs: bit for bit what a direct call makes."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels, make_model_set
from storymotion import errors
from storymotion.ltx.guidance import Guidance, Guider, default_guider, parse_blocks, resolve
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.render import render_shot
from storymotion.ltx.shots import (
    DistilledShot,
    ICLoraShot,
    KeyframesShot,
    OneStageShot,
    TwoStageShot,
    guide_from_pixels,
)
from storymotion.media.encode import encode_mp4

from .sdk_parts import small_tiles
from .test_render import Recorder, same

MOST = {"prompt": "a red cat walks", "width": 64, "height": 64, "frames": 9, "fps": 24.0, "seed": 3}


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference video of 9 frames, 64 x 64."""
    path = tmp_path_factory.mktemp("reference") / "reference.mp4"
    random = numpy.random.default_rng(0)
    frames = [random.integers(0, 255, (64, 64, 3), numpy.uint8) for _ in range(9)]
    encode_mp4(path, frames, 9, 64, 64, Fraction(24))
    return path


def test_one_stage(models: ModelSet, tiny: TinyModels, picture: numpy.ndarray) -> None:
    # 96 is no multiple of 64: one stage has the finer grid.
    shot = replace(OneStageShot(**MOST, negative_prompt="blurry", steps=3), width=96)
    ours = render_shot(
        models.with_lora(Lora(tiny.style_lora, 0.7)),
        replace(shot, guides=(guide_from_pixels(picture, 0, 0.9),)),
        progress=(recorder := Recorder()),
    )
    assert same(ours, *call_sdk(models, shot, ((picture, 0, 0.9),), ((tiny.style_lora, 0.7),)))
    assert "stage 2" not in [what for _, _, what in recorder.calls]
    assert recorder.calls[-1][0] == 1000


def test_one_stage_needs_no_upscaler(models: ModelSet) -> None:
    shot = OneStageShot(**MOST, steps=2)
    assert "upscaler-ignored" in [note.code for note in check(models, shot).notes]
    assert "upscaler-ignored" not in [note.code for note in check(replace(models, spatial_upscaler=None), shot).notes]
    assert render_shot(replace(models, spatial_upscaler=None), shot).frames.shape == (9, 64, 64, 3)


def test_keyframes(models: ModelSet, tiny: TinyModels, picture: numpy.ndarray) -> None:
    shot = KeyframesShot(**MOST, negative_prompt="blurry", steps=3)
    guides = (guide_from_pixels(picture, 0, 1.0), guide_from_pixels(picture[::-1], -1, 0.8))
    ours = render_shot(models, replace(shot, guides=guides, distilled_lora=Lora(tiny.distilled_lora, 0.6)))
    pictures = ((picture, 0, 1.0), (picture[::-1], 8, 0.8))
    assert same(ours, *call_sdk(models, shot, pictures, distilled_lora=(tiny.distilled_lora, 0.6)))
    as_two_stages = TwoStageShot(**MOST, negative_prompt="blurry", steps=3, guides=guides)
    assert not torch.equal(ours.frames, render_shot(models, as_two_stages).frames)


def test_keyframes_need_guides(models: ModelSet, weight_reads: list[int]) -> None:
    with pytest.raises(errors.GuidesMissing):
        render_shot(models, KeyframesShot(**MOST, steps=3))
    assert weight_reads == []


@pytest.mark.parametrize("skip_stage_2", [False, True])
def test_ic_lora(models: ModelSet, tiny: TinyModels, reference: Path, skip_stage_2: bool) -> None:
    shot = ICLoraShot(**MOST, reference=reference, reference_strength=0.8, skip_stage_2=skip_stage_2)
    ours = render_shot(models, replace(shot, ic_lora=Lora(tiny.ic_lora, 0.9)))
    assert same(ours, *call_sdk(models, shot, loras=((tiny.ic_lora, 0.9),)))
    assert ours.frames.shape == (9, 32, 32, 3) if skip_stage_2 else (9, 64, 64, 3)
    assert not torch.equal(ours.frames, render_shot(models, shot).frames)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"reference": Path("gone.mp4")}, errors.ModelFileMissing),
        ({"reference_strength": 1.5}, errors.ValueOutOfRange),
        ({"reference_strength": math.nan}, errors.ValueOutOfRange),
    ],
)
def test_ic_lora_checks(
    models: ModelSet, reference: Path, weight_reads: list[int], change: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        render_shot(models, replace(ICLoraShot(**MOST, reference=reference), **change))
    assert weight_reads == []


class TestGuidance:
    """Presets and numbers."""

    def test_custom_numbers_reach_the_sdk(self, models: ModelSet, two_stage: TwoStageShot) -> None:
        from ltx_core.components.guiders import MultiModalGuiderParams

        video = Guider(cfg=2.5, stg=0.5, rescale=0.3, modality=1.0, skip_step=1, stg_blocks=(0, 1))
        audio = Guider(cfg=1.0, stg=0.0, rescale=0.0, modality=2.0, stg_blocks=(1,))
        ours = render_shot(models, replace(two_stage, guidance=Guidance("custom", video, audio)))
        theirs = call_sdk(
            models,
            two_stage,
            video=MultiModalGuiderParams(
                cfg_scale=2.5, stg_scale=0.5, rescale_scale=0.3, modality_scale=1.0, skip_step=1, stg_blocks=[0, 1]
            ),
            audio=MultiModalGuiderParams(
                cfg_scale=1.0, stg_scale=0.0, rescale_scale=0.0, modality_scale=2.0, skip_step=0, stg_blocks=[1]
            ),
        )
        assert same(ours, *theirs)
        assert not torch.equal(ours.frames, render_shot(models, two_stage).frames)

    def test_the_creators_mode(self, models: ModelSet, two_stage: TwoStageShot) -> None:
        shot = replace(two_stage, steps=0, guidance=Guidance("aggressive quality"))
        resolved = check(models, shot).guidance
        assert resolved is not None and resolved.steps == 20
        assert resolved.video == Guider(3.0, 1.0, 0.7, 3.0, 0, (28,)) == resolved.audio
        assert resolved.passes == 4

    @pytest.mark.parametrize(
        ("version", "preset", "steps", "block"),
        [
            ("2.0.0", "auto", 40, 29),
            ("2.3.0", "auto", 30, 28),
            ("2.5.0", "auto", 30, 28),
            ("2.3.rc1", "official", 30, 28),
            ("2.5.0", "official", 40, 29),  # SDK 1.0.0 does not know it and takes it for 2.0
        ],
    )
    def test_versions(self, models: ModelSet, version: str, preset: str, steps: int, block: int) -> None:
        checkpoint = replace(check(models, DistilledShot(**MOST)).checkpoint, version=version, layers=48)
        resolved = resolve(Guidance(preset), 0, checkpoint)
        assert (resolved.steps, resolved.video.stg_blocks) == (steps, (block,))

    def test_auto_is_what_the_sdk_detects(self, models: ModelSet, two_stage: TwoStageShot) -> None:
        from ltx_pipelines.utils.constants import detect_params

        theirs = detect_params(str(models.checkpoint))
        ours = check(models, replace(two_stage, steps=0)).guidance
        assert ours is not None and ours.steps == theirs.num_inference_steps
        for mine, other in ((ours.video, theirs.video_guider_params), (ours.audio, theirs.audio_guider_params)):
            assert (mine.cfg, mine.stg, mine.rescale, mine.modality) == (
                other.cfg_scale,
                other.stg_scale,
                other.rescale_scale,
                other.modality_scale,
            )
            assert list(mine.stg_blocks or ()) == other.stg_blocks

    @pytest.mark.parametrize(
        ("change", "error", "says"),
        [
            ({"cfg": 0.0}, errors.ValueOutOfRange, "video_cfg is 0.0"),
            ({"cfg": math.nan}, errors.ValueOutOfRange, "video_cfg is nan"),
            ({"stg": -1.0}, errors.ValueOutOfRange, "video_stg"),
            ({"rescale": 2.0}, errors.ValueOutOfRange, "video_rescale"),
            ({"modality": 11.0}, errors.ValueOutOfRange, "video_modality"),
            ({"skip_step": -1}, errors.ValueOutOfRange, "video_skip_step"),
            ({"stg_blocks": (2,)}, errors.GuidanceBlockMissing, "has the blocks 0 to 1"),
            ({"stg_blocks": (-1,)}, errors.GuidanceBlockMissing, "is -1"),
            ({"stg_blocks": ()}, errors.GuidanceBlockMissing, "is empty"),
        ],
    )
    def test_wrong_numbers(
        self,
        models: ModelSet,
        two_stage: TwoStageShot,
        weight_reads: list[int],
        change: dict[str, Any],
        error: type[Exception],
        says: str,
    ) -> None:
        video = replace(default_guider("video"), **change)
        with pytest.raises(error, match=says):
            render_shot(models, replace(two_stage, guidance=Guidance("custom", video)))
        assert weight_reads == []

    def test_a_block_that_is_not_there_is_reported_with_auto(
        self, models: ModelSet, two_stage: TwoStageShot, models_dir: Path
    ) -> None:
        assert "stg-block-missing" in [note.code for note in check(models, two_stage).notes]
        deep = replace(models, checkpoint=make_model_set(models_dir, layers=30).checkpoint)
        assert "stg-block-missing" not in [note.code for note in check(deep, two_stage).notes]

    def test_blocks_as_text(self) -> None:
        assert parse_blocks("b", "28") == (28,)
        assert parse_blocks("b", " 28, 29 ") == (28, 29)
        assert parse_blocks("b", "auto") is None and parse_blocks("b", "") is None
        with pytest.raises(errors.UnknownChoice, match="video_stg_blocks is 'last'"):
            parse_blocks("video_stg_blocks", "last")


@pytest.mark.parametrize("tiling", ["off", "small"])
def test_other_tiles(models: ModelSet, tiling: str) -> None:
    # Longer than a tile of 32 frames, so that tiles are cut and blended.
    shot = DistilledShot("a red cat walks", 64, 64, 41, 24.0, 3, tiling=tiling)
    ours = render_shot(models, shot)
    assert same(ours, *call_sdk(models, shot, tiling_config=None if tiling == "off" else small_tiles()))


def test_unknown_tiling(models: ModelSet, weight_reads: list[int]) -> None:
    with pytest.raises(errors.UnknownChoice, match="tiling is 'huge'"):
        render_shot(models, DistilledShot(**MOST, tiling="huge"))
    assert weight_reads == []
