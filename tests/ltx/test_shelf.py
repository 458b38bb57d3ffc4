"""What was rendered or denoised before is not made again, unless something that shapes it has changed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from dev.tiny_models import TinyModels
from storymotion.ltx.guidance import Guidance
from storymotion.ltx.host import Host
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.render import Order, RenderedShot, render_shots
from storymotion.ltx.residents import Placement, Residents
from storymotion.ltx.sdk import NewFrames
from storymotion.ltx.shelf import fingerprint
from storymotion.ltx.shots import DistilledShot, Guide, TwoStageShot

from .sdk_parts import IS_1_0
from .test_load_once import PIPELINES, Story, shots_of

CPU = Placement("cpu", "cpu", "ram")


class InMemory:
    """The simplest shelf."""

    def __init__(self) -> None:
        self.shots: dict[str, RenderedShot] = {}
        self.stages: dict[tuple[str, str], Mapping[str, torch.Tensor]] = {}

    def find(self, key: str, new_frames: NewFrames) -> RenderedShot | None:
        return self.shots.get(key)

    def put(self, key: str, shot: RenderedShot) -> None:
        self.shots[key] = shot

    def find_stage(self, key: str, stage: str) -> Mapping[str, torch.Tensor] | None:
        return self.stages.get((key, stage))

    def put_stage(self, key: str, stage: str, latents: Mapping[str, torch.Tensor]) -> None:
        self.stages[key, stage] = {name: tensor.clone() for name, tensor in latents.items()}


def cancel_at(what_ends_it: str) -> Any:
    def progress(done: int, total: int, what: str) -> None:
        if what == what_ends_it:
            raise InterruptedError(what)

    return progress


@pytest.fixture(params=PIPELINES)
def orders(
    request: pytest.FixtureRequest, models: ModelSet, tiny: TinyModels, picture: numpy.ndarray, tmp_path: Path
) -> list[Order]:
    """Three scenes, for which no model is kept."""
    reference = tmp_path / "reference.mp4"
    if request.param == "ic_lora":
        from fractions import Fraction

        from storymotion.media.encode import encode_mp4

        frames = [numpy.full((64, 64, 3), 10 * number, numpy.uint8) for number in range(17)]
        encode_mp4(reference, frames, 17, 64, 64, Fraction(24))
    story = Story(request.param, models, tiny, picture, reference)
    made = [story.order(number) for number in range(3)]
    return [replace(order, models=replace(order.models, keep="disk")) for order in made]


def test_what_is_there_is_not_rendered_again(orders: list[Order], weight_reads: list[int]) -> None:
    shelf = InMemory()
    first = shots_of(render_shots(orders, residents=Residents(), host=Host(shelf=shelf)))
    assert len(shelf.shots) == 3 and not any(shot.reused for shot in first)
    weight_reads.clear()
    planned: list[int] = []
    host = Host(shelf=shelf, on_plan=lambda plan: planned.append(len(plan.shots)))
    again = render_shots(orders, residents=Residents(), host=host)
    assert weight_reads == [] and planned == [0]
    for shot, before in zip(shots_of(again), first):
        assert shot.reused and torch.equal(shot.frames, before.frames) and torch.equal(shot.waveform, before.waveform)
    changed = [orders[0], replace(orders[1], shot=replace(orders[1].shot, seed=77)), orders[2]]
    third = shots_of(render_shots(changed, residents=Residents(), host=Host(shelf=shelf)))
    assert [shot.reused for shot in third] == [True, False, True]


@pytest.mark.parametrize("at", ["scene 2 of 3, stage 2", "scene 1 of 3, decoding", "scene 3 of 3, decoding"])
def test_a_story_goes_on_from_the_last_stage_of_every_scene(
    orders: list[Order], at: str, weight_reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ltx_core.model.transformer.transformer import BasicAVTransformerBlock

    undisturbed = shots_of(render_shots(orders, residents=Residents()))
    shelf = InMemory()
    with pytest.raises(InterruptedError):
        render_shots(orders, residents=Residents(), host=Host(progress=cancel_at(at), shelf=shelf))
    denoised = {stage for _, stage in shelf.stages}
    assert "stage1" in denoised
    layers: list[None] = []
    forward = BasicAVTransformerBlock.forward

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        layers.append(None)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(BasicAVTransformerBlock, "forward", counting)
    queue = render_shots(orders, residents=Residents(), host=Host(shelf=shelf))
    kinds = [load.kind for load in queue.loads]
    for shot, before in zip(shots_of(queue), undisturbed):
        assert torch.equal(shot.frames, before.frames) and torch.equal(shot.waveform, before.waveform)
    if at.endswith("decoding"):
        assert layers == [] and not {"transformer", "text_encoder"} & set(kinds), "all was denoised before"
        for shot in shots_of(queue):
            assert shot.reused or "stage-reused" in [note.code for note in shot.notes]
    else:
        assert layers and "transformer" in kinds


def test_an_interrupted_story_keeps_the_scenes_that_are_done(models: ModelSet, distilled: DistilledShot) -> None:
    orders = [Order(replace(models, keep="ram"), replace(distilled, seed=seed)) for seed in range(4)]
    shelf = InMemory()
    with pytest.raises(InterruptedError):
        host = Host(progress=cancel_at("scene 3 of 4, stage 1"), shelf=shelf)
        render_shots(orders, residents=Residents(), host=host)
    assert len(shelf.shots) == 2
    again = shots_of(render_shots(orders, residents=Residents(), host=Host(shelf=shelf)))
    assert [shot.reused for shot in again] == [True, True, False, False]


# --- the name ------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_models(tiny: TinyModels, tmp_path: Path) -> tuple[ModelSet, TwoStageShot]:
    """Files that a test may touch."""
    shutil.copytree(tiny.checkpoint.parents[1], tmp_path / "models")

    def copied(path: Path) -> Path:
        return tmp_path / "models" / path.relative_to(tiny.checkpoint.parents[1])

    models = ModelSet(copied(tiny.checkpoint), copied(tiny.gemma_root), copied(tiny.spatial_upscaler), "bf16")
    shot = TwoStageShot(
        "a cat", 64, 64, 9, 24.0, seed=1, negative_prompt="", distilled_lora=Lora(copied(tiny.distilled_lora), 0.6)
    )
    return models.with_lora(Lora(copied(tiny.style_lora), 0.5)), shot


def name_of(models: ModelSet, shot: Any, placement: Placement = CPU, device: str = "the CPU", sdk: str = "1") -> str:
    return fingerprint(check(models, shot), placement, device, sdk)


def test_whatever_shapes_a_shot_changes_its_name(
    own_models: tuple[ModelSet, TwoStageShot], tiny: TinyModels, guide: Guide
) -> None:
    models, shot = own_models
    same = name_of(models, shot)
    guided = replace(shot, guides=(guide,))
    others = {
        "prompt": name_of(models, replace(shot, prompt="a dog")),
        "negative prompt": name_of(models, replace(shot, negative_prompt="blurry")),
        "seed": name_of(models, replace(shot, seed=2)),
        "size": name_of(models, replace(shot, width=128)),
        "frames": name_of(models, replace(shot, frames=17)),
        "fps": name_of(models, replace(shot, fps=25.0)),
        "tail": name_of(models, replace(shot, tail_trim=8)),
        "tiling": name_of(models, replace(shot, tiling="small")),
        "steps": name_of(models, replace(shot, steps=7)),
        "guidance": name_of(models, replace(shot, guidance=Guidance("aggressive quality"))),
        "guide": name_of(models, guided),
        "strength of the guide": name_of(models, replace(shot, guides=(replace(guide, strength=0.5),))),
        "distilled LoRA": name_of(models, replace(shot, distilled_lora=Lora(tiny.distilled_lora, 0.5))),
        "LoRAs": name_of(replace(models, loras=()), shot),
        "strength of a LoRA": name_of(replace(models, loras=(replace(models.loras[0], strength=0.4),)), shot),
        "stages of a LoRA": name_of(replace(models, loras=(replace(models.loras[0], stages="stage 1"),)), shot),
        "precision": name_of(replace(models, precision="fp8"), shot),
        "pipeline": name_of(models, DistilledShot("a cat", 64, 64, 9, 24.0, seed=1)),
        "device": name_of(models, shot, device="a GPU"),
        "text encoder's device": name_of(models, shot, Placement("cpu", "cuda", "ram")),
        "SDK": name_of(models, shot, sdk="2"),
        "streaming": name_of(models, shot, Placement("cpu", "cpu", "disk", offload="cpu")),
    }
    if not IS_1_0:
        others |= {
            "compilation": name_of(replace(models, compile=True), shot),
            "passes together": name_of(models, replace(shot, guidance_batch=2)),
            "another VAE": name_of(replace(models, video_vae=models.checkpoint), shot),
        }
    for path in (models.checkpoint, models.spatial_upscaler, models.loras[0].path, models.text_encoder):
        assert path is not None
        file = path / "model.safetensors" if path.is_dir() else path
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
        others[file.name] = name_of(models, shot)
    names = [same, *others.values()]
    assert len(set(names)) == len(names), {what: name for what, name in others.items() if names.count(name) > 1}


def test_what_the_sdk_cannot_do_does_not_shape_it(own_models: tuple[ModelSet, TwoStageShot]) -> None:
    models, shot = own_models
    same = name_of(models, shot)
    assert name_of(replace(models, offload="disk", duration_head=models.checkpoint), shot) == same
    if IS_1_0:
        assert name_of(replace(models, compile=True), replace(shot, guidance_batch=4)) == same


def test_shots_that_were_stored_before_sdk_1_2_keep_their_names(
    own_models: tuple[ModelSet, TwoStageShot], monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[Any] = []
    dumps = json.dumps
    monkeypatch.setattr(json, "dumps", lambda value, **options: named.append(value) or dumps(value, **options))
    name_of(*own_models)
    facts = named[-1]
    then = "checkpoint device guidance loras packages pipeline precision recipe sdk shot text_encoder"
    assert facts.keys() == {*then.split(), "text_encoder_settings", "torch", "upscaler"}
    one = "prompt width height frames fps seed guides enhance_prompt tail_trim tiling negative_prompt steps"
    assert facts["shot"].keys() == {*one.split(), "distilled_lora"}


def test_what_does_not_shape_it_does_not(own_models: tuple[ModelSet, TwoStageShot], tmp_path: Path) -> None:
    models, shot = own_models
    same = name_of(models, shot)
    assert name_of(models, replace(shot)) == same
    assert name_of(replace(models, keep="vram"), shot, Placement("cpu", "cpu", "vram", lean=True)) == same
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "models", moved)
    elsewhere = replace(
        models,
        checkpoint=moved / models.checkpoint.relative_to(tmp_path / "models"),
        loras=(replace(models.loras[0], path=moved / models.loras[0].path.relative_to(tmp_path / "models")),),
    )
    assert name_of(elsewhere, shot) == same
