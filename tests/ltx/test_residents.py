"""What is kept is not read again, and never more is kept than one run needs."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels
from storymotion.errors import RenderFailed, SizeNotMultiple
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.render import RenderedShot, render_shot
from storymotion.ltx.residents import Component, Placement, Residents
from storymotion.ltx.shots import DistilledShot, Guide, TwoStageShot

from .sdk_parts import where_upsampling_is
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


def test_whatever_changes_the_transformer_builds_another_one(
    models: ModelSet, tiny: TinyModels, distilled: DistilledShot, residents: Residents
) -> None:
    kept = replace(models, keep="ram")
    style = tiny.style_lora
    for chain, precision in (
        ([(style, 0.5)], "bf16"),
        ([(style, -0.7)], "bf16"),
        ([(style, -0.7)], "fp8"),
        ([], "bf16"),
    ):
        chosen = replace(kept, precision=precision)
        for path, strength in chain:
            chosen = chosen.with_lora(Lora(path, strength))
        ours = render_shot(chosen, distilled, residents=residents)
        assert "transformer" in kinds(residents)
        assert same(ours, *call_sdk(models, distilled, loras=tuple(chain), fp8=precision == "fp8")), (chain, precision)
    ours = render_shot(kept.with_lora(Lora(style, 0.0)), distilled, residents=residents)
    assert kinds(residents) == [], "a LoRA that is off is none"


def test_a_replaced_file_is_read_again(own_files: ModelSet, distilled: DistilledShot, residents: Residents) -> None:
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
    os.utime(models.text_encoder / "tokenizer_config.json", ns=(changed, changed))
    render_shot(models, distilled, residents=residents)
    assert kinds(residents) == ["text_encoder"], "the prompt is known by a tokenizer that is gone"


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

    def broken(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(where_upsampling_is(), "upsample_video", broken)
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


class OnAGpu:
    """A model as Residents sees it, on a device that this machine does not have."""

    def __init__(self, kind: str, events: list[tuple[str, str]]) -> None:
        self._kind, self._events, self.device = kind, events, "cuda"
        events.append(("is built", kind))

    def parameters(self) -> Any:
        yield SimpleNamespace(
            is_meta=False, device=SimpleNamespace(type=self.device), numel=lambda: 1, element_size=lambda: 2
        )

    def buffers(self) -> Any:
        return iter(())

    def to(self, device: str) -> None:
        self._events.append((f"goes to {device}", self._kind))
        self.device = device


def used_in_turn(
    residents: Residents, keep: str, kinds_in_turn: list[str], lean: bool = False
) -> list[tuple[str, str]]:
    """What happens when models of these kinds are used one after the other; transformers differ by a digit."""
    events: list[tuple[str, str]] = []
    placement = Placement("cuda", "cuda", keep, lean)
    for kind in kinds_in_turn:
        component = Component(kind.rstrip("12"), kind, "cuda", partial(OnAGpu, kind, events))
        residents.use(component, placement)
        assert residents.is_ready(component) and residents.has_room(component, placement)
    return events


def test_ram_has_one_phase_and_one_transformer_on_the_device(residents: Residents) -> None:
    models = ["text_encoder", "video_encoder", "transformer1", "transformer2", "spatial_upsampler"]
    assert used_in_turn(residents, "ram", models) == [
        ("is built", "text_encoder"),
        ("goes to cpu", "text_encoder"),
        ("is built", "video_encoder"),
        ("is built", "transformer1"),
        ("goes to cpu", "transformer1"),
        ("is built", "transformer2"),
        ("is built", "spatial_upsampler"),
    ]
    assert used_in_turn(residents, "ram", ["transformer1", "text_encoder"])[-2:] == []
    assert residents.bytes_held("cpu") == 2 * 4 and residents.bytes_held("cuda") == 2 * 1


def test_disk_lets_go_of_what_makes_way(residents: Residents) -> None:
    used_in_turn(residents, "disk", ["text_encoder", "video_encoder", "transformer1"])
    assert residents.bytes_held() == 2 * 2
    used_in_turn(residents, "disk", ["transformer2"])
    assert residents.bytes_held() == 2 * 2
    residents.end(Placement("cuda", "cuda", "disk"))
    assert residents.bytes_held() == 0


def test_lean_has_the_transformer_alone(residents: Residents) -> None:
    used_in_turn(residents, "disk", ["video_encoder", "transformer1"], lean=True)
    assert residents.bytes_held() == 2 * 1
    used_in_turn(residents, "disk", ["video_encoder", "spatial_upsampler"], lean=True)
    assert residents.bytes_held() == 2 * 2
    used_in_turn(residents, "ram", ["transformer1"], lean=True)
    assert residents.bytes_held("cuda") == 2 * 1 and residents.bytes_held("cpu") == 2 * 2


class Streamed(OnAGpu):
    """Most of it is elsewhere; it has a reader to be stopped."""

    def teardown(self) -> None:
        self._events.append(("is torn down", self._kind))


def test_after_an_exception_what_streams_from_disk_is_built_again(residents: Residents) -> None:
    events: list[tuple[str, str]] = []
    placement = Placement("cuda", "cuda", "vram")
    components = [
        Component("transformer", offload, "cuda", partial(Streamed, offload, events), offload)
        for offload in ("none", "cpu", "disk")
    ]

    def torn_down(from_error: bool) -> list[str]:
        for component in components:
            residents.use(component, placement)
        events.clear()
        residents.recover(from_error)
        assert residents.is_ready(components[0])
        return [kind for what, kind in events if what == "is torn down"]

    assert torn_down(from_error=False) == ["disk"], "a cancel comes between two layers"
    assert torn_down(from_error=True) == ["cpu", "disk"]
    assert torn_down(from_error=False) == ["disk"], "it was not built again"


def test_vram_keeps_all_on_the_device_and_fetches_what_was_sent_away(residents: Residents) -> None:
    models = ["text_encoder", "video_encoder", "transformer1", "transformer2"]
    used_in_turn(residents, "vram", models)
    assert residents.bytes_held("cuda") == 2 * 4
    residents.send_away()
    assert residents.bytes_held("cuda") == 0
    used_in_turn(residents, "vram", models)
    assert residents.bytes_held("cuda") == 2 * 4


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
