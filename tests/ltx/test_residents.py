"""What is kept is not read again, and never more is kept than one run needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels
from storymotion.errors import RenderFailed, SizeNotMultiple
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.render import RenderedShot, render_shot
from storymotion.ltx.residents import Residents
from storymotion.ltx.shots import DistilledShot, Guide, TwoStageShot

from .test_render import Recorder, same

KEPT = ["ram", "vram"]


@pytest.fixture
def residents() -> Residents:
    return Residents()


@pytest.fixture
def own_files(tiny: TinyModels, tmp_path: Path) -> ModelSet:
    """Copies that a test may change."""
    shutil.copytree(tiny.checkpoint.parents[1], tmp_path / "models")

    def copied(path: Path) -> Path:
        return tmp_path / "models" / path.relative_to(tiny.checkpoint.parents[1])

    return ModelSet(copied(tiny.checkpoint), copied(tiny.gemma_root), copied(tiny.spatial_upscaler))


def kinds(residents: Residents) -> list[str]:
    return [load.kind for load in residents.loads]


@pytest.mark.parametrize("keep", KEPT)
def test_the_second_shot_reads_nothing_and_is_the_sdks_own(
    models: ModelSet, two_stage: TwoStageShot, guide: Guide, residents: Residents, weight_reads: list[int], keep: str
) -> None:
    models = replace(models, keep=keep)
    shot = replace(two_stage, guides=(guide,))
    first = render_shot(models, shot, residents=residents)
    assert sorted(kinds(residents)) == sorted(
        [
            "text_encoder",
            "gemma_embeddings_processor",
            "video_encoder",
            "transformer",
            "spatial_upsampler",
            "video_decoder",
            "audio_decoder",
            "vocoder",
        ]
    ), "each model once: without a distilled LoRA stage 2 uses stage 1's transformer"
    weight_reads.clear()
    again = render_shot(models, shot, residents=residents)
    other_seed = render_shot(models, replace(shot, seed=4), residents=residents)
    assert weight_reads == [] and residents.loads == []
    assert torch.equal(again.frames, first.frames)
    fresh = render_shot(models, replace(shot, seed=4))
    assert torch.equal(other_seed.frames, fresh.frames) and torch.equal(other_seed.waveform, fresh.waveform)
    assert same(render_shot(models, two_stage, residents=residents), *call_sdk(models, two_stage))


def test_disk_keeps_nothing_but_prompts(models: ModelSet, distilled: DistilledShot, residents: Residents) -> None:
    models = replace(models, keep="disk")
    render_shot(models, distilled, residents=residents)
    assert residents.bytes_held() == 0
    render_shot(models, distilled, residents=residents)
    assert "text_encoder" not in kinds(residents), "the prompt was encoded before"
    assert "transformer" in kinds(residents)


@pytest.mark.parametrize("keep", KEPT)
def test_a_new_prompt_builds_only_the_way_to_it(
    models: ModelSet, distilled: DistilledShot, residents: Residents, keep: str
) -> None:
    models = replace(models, keep="disk")
    render_shot(models, distilled, residents=residents)
    models = replace(models, keep=keep)
    render_shot(models, distilled, residents=residents)
    other = replace(distilled, prompt="two dogs dance")
    ours = render_shot(models, other, residents=residents)
    assert sorted(kinds(residents)) == ["gemma_embeddings_processor", "text_encoder"]
    assert same(ours, *call_sdk(models, other))


@pytest.mark.parametrize("keep", KEPT)
def test_a_new_lora_builds_only_the_transformer(
    models: ModelSet, tiny: TinyModels, distilled: DistilledShot, residents: Residents, keep: str
) -> None:
    models = replace(models, keep=keep)
    render_shot(models, distilled, residents=residents)
    held = residents.bytes_held()
    with_lora = models.with_lora(Lora(tiny.style_lora, 0.5))
    ours = render_shot(with_lora, distilled, residents=residents)
    assert kinds(residents) == ["transformer"]
    assert residents.bytes_held() == held, "the transformer without the LoRA is still there"
    assert same(ours, *call_sdk(models, distilled, loras=((tiny.style_lora, 0.5),)))


def test_a_replaced_file_is_read_again(
    own_files: ModelSet, distilled: DistilledShot, residents: Residents
) -> None:
    models = replace(own_files, keep="ram")
    before = render_shot(models, distilled, residents=residents)
    changed = models.checkpoint.stat().st_mtime_ns + 1_000_000
    os.utime(models.checkpoint, ns=(changed, changed))
    again = render_shot(models, distilled, residents=residents)
    assert {"transformer", "gemma_embeddings_processor", "vocoder"} <= set(kinds(residents))
    assert not {"text_encoder", "spatial_upsampler"} & set(kinds(residents)), "files that did not change"
    assert torch.equal(again.frames, before.frames)
    assert models.spatial_upscaler is not None
    os.utime(models.spatial_upscaler, ns=(changed, changed))
    render_shot(models, distilled, residents=residents)
    assert kinds(residents) == ["spatial_upsampler"]


@pytest.mark.parametrize("keep", ["disk", *KEPT])
def test_cancel_and_error_leave_a_clean_state(
    models: ModelSet,
    distilled: DistilledShot,
    residents: Residents,
    keep: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = replace(models, keep=keep)
    reference = render_shot(models, distilled, residents=residents)
    complete = Recorder()  # of a run that knows the prompt
    render_shot(models, distilled, progress=complete, residents=residents)
    for cancel_at in (1, 2, len(complete.calls) // 2, len(complete.calls) - 1):
        with pytest.raises(InterruptedError):
            render_shot(models, distilled, progress=Recorder(cancel_at), residents=residents)
        again = render_shot(models, distilled, residents=residents)
        assert torch.equal(again.frames, reference.frames)
        assert torch.equal(again.waveform, reference.waveform)

    import ltx_pipelines.distilled as pipeline

    def broken(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(pipeline, "upsample_video", broken)
    with pytest.raises(RenderFailed):
        render_shot(models, distilled, residents=residents)
    assert residents.bytes_held() == 0
    monkeypatch.undo()
    assert torch.equal(render_shot(models, distilled, residents=residents).frames, reference.frames)


def test_clear_and_send_away(models: ModelSet, distilled: DistilledShot, residents: Residents) -> None:
    models = replace(models, keep="ram")
    reference = render_shot(models, distilled, residents=residents)
    residents.send_away()
    assert torch.equal(render_shot(models, distilled, residents=residents).frames, reference.frames)
    assert residents.loads == []
    residents.clear()
    assert residents.bytes_held() == 0
    assert torch.equal(render_shot(models, distilled, residents=residents).frames, reference.frames)


def test_enhanced_prompt_is_reported(models: ModelSet, distilled: DistilledShot) -> None:
    shot: RenderedShot = render_shot(models, replace(distilled, enhance_prompt=True))
    (note,) = [note for note in shot.notes if note.code == "enhanced-prompt"]
    assert note.values["prompt"]


def test_only_one_transformer_and_one_phase_are_on_the_device(
    models: ModelSet, tiny: TinyModels, two_stage: TwoStageShot, residents: Residents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without a GPU nothing moves, so what happens is recorded: who is built, who makes way."""
    events: list[tuple[str, str]] = []
    move: Callable[..., None] = Residents._move
    build: Callable[..., Any] = Residents._build

    def recording_move(self: Residents, component: Any, device: str) -> None:
        events.append(("makes way", component.kind))
        move(self, component, device)

    def recording_build(self: Residents, component: Any) -> Any:
        events.append(("is built", component.kind))
        return build(self, component)

    monkeypatch.setattr(Residents, "_move", recording_move)
    monkeypatch.setattr(Residents, "_build", recording_build)
    shot = replace(two_stage, distilled_lora=Lora(tiny.distilled_lora, 0.6))
    render_shot(replace(models, keep="ram"), shot, residents=residents)
    first, second = [index for index, event in enumerate(events) if event == ("is built", "transformer")]
    assert ("makes way", "text_encoder") in events[:first]
    assert ("makes way", "gemma_embeddings_processor") in events[:first]
    assert ("makes way", "transformer") in events[first:second]
    decoder = events.index(("is built", "video_decoder"))
    assert events[second:decoder].count(("makes way", "transformer")) >= 2


def test_a_prompt_that_is_cut_is_reported_also_from_the_cache(
    models: ModelSet, distilled: DistilledShot, residents: Residents
) -> None:
    long = replace(distilled, prompt="a red cat walks " * 500)
    for _ in range(2):
        (note,) = [note for note in render_shot(models, long, residents=residents).notes if note.code == "prompt-cut"]
        assert int(str(note.values["tokens"])) > 1024
    assert "prompt-cut" not in [note.code for note in render_shot(models, distilled, residents=residents).notes]


def test_room_is_made_only_for_a_shot_that_can_be_rendered(models: ModelSet, distilled: DistilledShot) -> None:
    asked: list[str] = []
    with pytest.raises(SizeNotMultiple):
        render_shot(models, replace(distilled, width=100), make_room=lambda: asked.append("broken"))
    render_shot(models, distilled, make_room=lambda: asked.append("good"))
    assert asked == ["good"]
