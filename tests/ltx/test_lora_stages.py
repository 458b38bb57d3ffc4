"""A LoRA can work in one stage where each stage has its own transformer, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels
from storymotion import errors
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.pipelines_1_0 import prepare
from storymotion.ltx.preflight import check
from storymotion.ltx.render import render_shot
from storymotion.ltx.shots import (
    DistilledShot,
    Guide,
    ICLoraShot,
    KeyframesShot,
    OneStageShot,
    TwoStageShot,
)

from .test_render import same

MOST = {"prompt": "a red cat walks", "width": 64, "height": 64, "frames": 9, "fps": 24.0, "seed": 3}


def test_stage_2(models: ModelSet, tiny: TinyModels, two_stage: TwoStageShot) -> None:
    """What the SDK's pipeline takes as distilled LoRA is by its own words a LoRA of stage 2."""
    theirs = call_sdk(models, two_stage, distilled_lora=(tiny.style_lora, 0.7))
    assert same(render_shot(models.with_lora(Lora(tiny.style_lora, 0.7, "stage 2")), two_stage), *theirs)
    both = render_shot(models.with_lora(Lora(tiny.style_lora, 0.7)), two_stage)
    assert not torch.equal(both.frames, theirs[0])


def test_stage_1(models: ModelSet, tiny: TinyModels, two_stage: TwoStageShot) -> None:
    """The SDK can only take it away again in stage 2, which cancels exactly."""
    theirs = call_sdk(models, two_stage, loras=((tiny.style_lora, 0.7),), distilled_lora=(tiny.style_lora, -0.7))
    assert same(render_shot(models.with_lora(Lora(tiny.style_lora, 0.7, "stage 1")), two_stage), *theirs)


def test_keyframes(models: ModelSet, tiny: TinyModels, guide: Guide, picture: numpy.ndarray) -> None:
    shot = KeyframesShot(**MOST, negative_prompt="blurry", steps=2)
    chain = models.with_lora(Lora(tiny.ic_lora, 0.4)).with_lora(Lora(tiny.style_lora, 0.7, "stage 2"))
    ours = render_shot(chain, replace(shot, guides=(guide,)))
    theirs = call_sdk(
        models, shot, ((picture, 0, 0.9),), loras=((tiny.ic_lora, 0.4),), distilled_lora=(tiny.style_lora, 0.7)
    )
    assert same(ours, *theirs)


def test_order(models: ModelSet, tiny: TinyModels, two_stage: TwoStageShot) -> None:
    """LoRAs keep the order of the chain; the distilled one comes last, as the SDK has it."""
    chain = models
    for path, strength, stages in (
        (tiny.style_lora, 0.1, "both"),
        (tiny.ic_lora, 0.2, "stage 2"),
        (tiny.style_lora, 0.3, "stage 1"),
        (tiny.ic_lora, 0.0, "both"),
        (tiny.ic_lora, 0.4, "both"),
    ):
        chain = chain.with_lora(Lora(path, strength, stages))
    shot = replace(two_stage, distilled_lora=Lora(tiny.distilled_lora, 0.6))
    prepared = prepare(check(chain, shot), torch.device("cpu"))
    strengths = [[lora.strength for lora in ledger.loras] for ledger in prepared.ledgers]
    assert strengths == [[0.1, 0.3, 0.4], [0.1, 0.2, 0.4, 0.6]]
    codes = [note.values["stage"] for note in check(chain, shot).notes if note.code == "lora-stage"]
    assert codes == ["stage 2", "stage 1"]


def ic_shot(folder: Path) -> ICLoraShot:
    reference = folder / "reference.mp4"
    reference.write_bytes(b"not read before the checks are done")
    return ICLoraShot(**MOST, reference=reference)


def test_where_there_is_no_such_stage(
    models: ModelSet, tiny: TinyModels, tmp_path: Path, weight_reads: list[int]
) -> None:
    for shot, stages, says in (
        (DistilledShot(**MOST), "stage 1", "is set to stage 1, but the Distilled pipeline has one model"),
        (DistilledShot(**MOST), "stage 2", "is set to stage 2"),
        (OneStageShot(**MOST), "stage 1", "this pipeline has one stage"),
        (OneStageShot(**MOST), "stage 2", "this pipeline has one stage"),
        (ic_shot(tmp_path), "stage 2", "applies LoRAs in stage 1 only"),
    ):
        with pytest.raises(errors.LoraStageImpossible, match=says):
            render_shot(models.with_lora(Lora(tiny.style_lora, 0.7, stages)), shot)
    with pytest.raises(errors.UnknownChoice, match=r"stages of the LoRA 'tiny-style-lora\.safetensors' is 'stage 3'"):
        render_shot(models.with_lora(Lora(tiny.style_lora, 0.7, "stage 3")), TwoStageShot(**MOST))
    assert weight_reads == []


def test_ic_lora_reports_that_it_works_in_stage_1(models: ModelSet, tiny: TinyModels, tmp_path: Path) -> None:
    shot = ic_shot(tmp_path)
    for stages, skip_stage_2, reported in (("both", False, True), ("both", True, False), ("stage 1", False, False)):
        chosen = models.with_lora(Lora(tiny.style_lora, 0.7, stages))
        codes = [note.code for note in check(chosen, replace(shot, skip_stage_2=skip_stage_2)).notes]
        assert ("lora-stage-1-only" in codes) == reported
