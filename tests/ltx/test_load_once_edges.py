"""What goes wrong, or is asked for twice, in a run of several shots."""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels
from storymotion.errors import NoRoomForFrames, RenderFailed, SizeNotMultiple, UnreadableImage
from storymotion.ltx import fit_queue, fit_working
from storymotion.ltx.abilities import SDK_1_0, SDK_1_2, Abilities
from storymotion.ltx.fit_phases import prompts_of
from storymotion.ltx.fit_weigh import weigh_files
from storymotion.ltx.guidance import Guidance, resolve
from storymotion.ltx.host import Host
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.render import Order, RenderedQueue, RenderedShot, render_shots
from storymotion.ltx.residents import Residents
from storymotion.ltx.sdk import in_main_memory
from storymotion.ltx.shots import DistilledShot, Guide, KeyframesShot, Shot, TwoStageShot, guide_from_pixels
from storymotion.media.frame_buffers import FrameBuffers

from .sdk_parts import adapter
from .test_load_once import fail_in, shots_of, threads
from .test_render import same
from .test_shelf import InMemory, cancel_at

KEEPS = ["disk", "ram"]


@pytest.fixture
def orders(models: ModelSet, tiny: TinyModels, two_stage: TwoStageShot, guide: Guide) -> list[Order]:
    """Three scenes of two stages, for which no model is kept."""
    lora = Lora(tiny.distilled_lora, 0.6)
    shots = [
        replace(two_stage, prompt=f"scene {seed}", seed=seed, steps=2, distilled_lora=lora, guides=(guide,))
        for seed in (1, 2, 3)
    ]
    return [Order(replace(models, keep="disk"), shot) for shot in shots]


def keeping(orders: list[Order], keep: str) -> list[Order]:
    return [replace(order, models=replace(order.models, keep=keep)) for order in orders]


def kinds(queue: RenderedQueue) -> Counter[str]:
    return Counter(load.kind for load in queue.loads)


# --- one scene fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", KEEPS)
def test_a_scene_whose_pipeline_cannot_be_made_costs_only_itself(
    orders: list[Order], keep: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in(monkeypatch, adapter(), "prepare", when=lambda number: number == 1)
    first, second, third = render_shots(keeping(orders, keep), residents=Residents()).outcomes
    assert isinstance(first, RenderedShot) and isinstance(third, RenderedShot)
    assert isinstance(second, RenderFailed) and "injected" in second.reason


@pytest.mark.parametrize("keep", KEEPS)
def test_a_scene_without_room_for_its_frames_costs_only_itself(orders: list[Order], keep: str) -> None:
    asked: list[int] = []

    def new_frames(shape: tuple[int, int, int, int]) -> torch.Tensor:
        asked.append(len(asked))
        if len(asked) == 2:
            raise NoRoomForFrames("temp", 1, "the disk is full")
        return in_main_memory(shape)

    outcomes = render_shots(keeping(orders, keep), residents=Residents(), host=Host(new_frames=new_frames)).outcomes
    assert [type(outcome) for outcome in outcomes] == [RenderedShot, NoRoomForFrames, RenderedShot]


def test_a_stored_scene_without_room_for_its_frames_costs_only_itself(orders: list[Order]) -> None:
    class Full(InMemory):
        def find(self, key: str, new_frames: Any) -> RenderedShot | None:
            if key == list(self.shots)[1]:
                raise NoRoomForFrames("temp", 1, "the disk is full")
            return super().find(key, new_frames)

    shelf = Full()
    render_shots(orders, residents=Residents(), host=Host(shelf=InMemory()))
    store = InMemory()
    render_shots(orders, residents=Residents(), host=Host(shelf=store))
    shelf.shots = store.shots
    outcomes = render_shots(orders, residents=Residents(), host=Host(shelf=shelf)).outcomes
    assert [type(outcome) for outcome in outcomes] == [RenderedShot, NoRoomForFrames, RenderedShot]


def test_threads_that_run_out_cost_time_but_no_scene(orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if thread.name.startswith("storymotion") and len(threads()) >= 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    shots_of(render_shots(orders, residents=Residents()))
    assert threads() == []


def test_no_thread_at_all_is_an_error(orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
    def none(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    with pytest.raises(RuntimeError, match="start new thread"):
        render_shots(orders, residents=Residents())


# --- progress ------------------------------------------------------------------------------------------------------


def recorded(orders: Any, **named: Any) -> tuple[list[tuple[int, str]], RenderedQueue]:
    said: list[tuple[int, str]] = []
    host = Host(progress=lambda done, total, what: said.append((done, what)), **named)
    return said, render_shots(orders, residents=Residents(), host=host)


@pytest.mark.parametrize("keep", KEEPS)
def test_scenes_that_cannot_be_made_are_done_from_the_start(orders: list[Order], keep: str) -> None:
    broken = replace(orders[1], shot=replace(orders[1].shot, width=100))
    said, queue = recorded([*keeping(orders, keep)[:1], broken, UnreadableImage("it is empty")])
    first, second, third = queue.outcomes
    assert isinstance(first, RenderedShot)
    assert isinstance(second, SizeNotMultiple) and isinstance(third, UnreadableImage)
    assert said[-1][0] == 1000
    assert {what.split(",")[0] for _, what in said} == {"scene 1 of 3"}


def test_a_model_is_loaded_for_the_scene_that_goes_on_with_it(orders: list[Order]) -> None:
    said, _ = recorded(orders)
    loads = [what for _, what in said if "loading" in what]
    assert len(loads) >= 8 and {what.split(",")[0] for what in loads} == {"scene 1 of 3"}


@pytest.mark.parametrize("keep", KEEPS)
def test_decoding_is_said_before_it_begins(orders: list[Order], keep: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ltx_core.model.audio_vae.audio_vae import AudioDecoder

    said: list[str] = []
    at_work: list[str] = []
    forward = AudioDecoder.forward

    def recording(self: Any, *args: Any, **named: Any) -> Any:
        at_work.append(said[-1])
        return forward(self, *args, **named)

    monkeypatch.setattr(AudioDecoder, "forward", recording)
    host = Host(progress=lambda done, total, what: said.append(what))
    render_shots(keeping(orders, keep), residents=Residents(), host=host)
    assert at_work == [f"scene {number} of 3, decoding" for number in (1, 2, 3)]


def test_stage_2_is_called_so_when_stage_1_is_known(models: ModelSet, distilled: DistilledShot) -> None:
    orders, shelf = [Order(models, distilled)], InMemory()
    with pytest.raises(InterruptedError):
        render_shots(orders, host=Host(progress=cancel_at("stage 2"), shelf=shelf))
    assert {stage for _, stage in shelf.stages} == {"stage1"}
    said, queue = recorded(orders, shelf=shelf)
    whats = {what for _, what in said}
    assert "stage 2" in whats and "stage 1" not in whats
    assert same(shots_of(queue)[0], *call_sdk(models, distilled))


def test_bars_of_waiting_shots_do_not_push_each_other_down(
    orders: list[Order], capfd: pytest.CaptureFixture[str]
) -> None:
    render_shots(orders, residents=Residents())
    console = capfd.readouterr().err
    assert "\x1b[A" not in console, "the cursor goes up"
    assert console.count("\n") <= 2 * len(orders) + 2


# --- nothing is made twice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_scene_that_is_ahead_costs_no_transformer(orders: list[Order], first: int) -> None:
    """One scene has its stage 1 from an earlier run: it must not call for stage 2's transformer before the others."""
    shelf = InMemory()
    with pytest.raises(InterruptedError):
        render_shots([orders[first]], host=Host(progress=cancel_at("stage 2"), shelf=shelf))
    assert {stage for _, stage in shelf.stages} == {"stage1"}
    queue = render_shots(orders, residents=Residents(), host=Host(shelf=shelf))
    assert len(shots_of(queue)) == 3 and set(kinds(queue).values()) == {1, 2}
    assert kinds(queue)["transformer"] == 2


@pytest.mark.parametrize("keep", KEEPS)
def test_equal_scenes_are_rendered_once(orders: list[Order], keep: str) -> None:
    first, second, _ = keeping(orders, keep)
    planned: list[int] = []
    host = Host(shelf=InMemory(), on_plan=lambda plan: planned.append(len(plan.shots)))
    said: list[str] = []
    host = replace(host, progress=lambda done, total, what: said.append(what))
    made = shots_of(render_shots([first, second, first], residents=Residents(), host=host))
    assert planned == [2] and "scene 3 of 3, stage 1" not in said
    assert [shot.reused for shot in made] == [False, False, True]
    assert torch.equal(made[0].frames, made[2].frames) and not torch.equal(made[0].frames, made[1].frames)


def test_equal_scenes_fail_together(orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
    fail_in(monkeypatch, adapter(), "prepare", when=lambda number: True)
    outcomes = render_shots([orders[0], orders[0]], residents=Residents(), host=Host(shelf=InMemory())).outcomes
    assert [type(outcome) for outcome in outcomes] == [RenderFailed, RenderFailed]


def test_nobody_makes_room_for_scenes_that_are_there(orders: list[Order]) -> None:
    shelf, asked = InMemory(), []
    host = Host(shelf=shelf, make_room=lambda: asked.append("room"))
    render_shots(orders, residents=Residents(), host=host)
    assert asked == ["room"]
    again = render_shots(orders, residents=Residents(), host=host)
    assert asked == ["room"] and all(shot.reused for shot in shots_of(again))
    changed = [*orders[:2], replace(orders[2], shot=replace(orders[2].shot, seed=77))]
    finds: list[str] = []
    find = shelf.find
    shelf.find = lambda key, new_frames: finds.append(key) or find(key, new_frames)  # type: ignore[method-assign]
    assert [shot.reused for shot in shots_of(render_shots(changed, host=host))] == [True, True, False]
    assert asked == ["room", "room"]
    assert len(finds) == len(set(finds)), "a stored shot was read twice"


# --- memory and threads --------------------------------------------------------------------------------------------


class Live:
    """Bytes of the tensors in memory whenever a model is about to be loaded; models of before are gone by then."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}

    def __call__(self, done: int, total: int, what: str) -> None:
        if "loading the " not in what:
            return
        kind = what.split("loading the ")[1].replace(" ", "_")
        kind += " of stage 2" if kind in self.at else ""
        self.at[kind] = sum(
            {
                each.untyped_storage().data_ptr(): each.untyped_storage().nbytes()
                for each in gc.get_objects()
                if isinstance(each, torch.Tensor) and not each.is_meta
            }.values()
        )


@pytest.mark.parametrize("kind", [TwoStageShot, KeyframesShot, DistilledShot])
def test_what_a_waiting_shot_holds_is_planned_for(
    kind: type[Shot], models: ModelSet, tiny: TinyModels, picture: numpy.ndarray
) -> None:
    """All shots wait before the processor, before each transformer and before the decoders; N = 6 less N = 2."""
    models = replace(models, keep="disk")
    guides = tuple(guide_from_pixels(picture, frame, 0.9) for frame in (0, 8, -1))
    guided: dict[str, Any] = {"distilled_lora": Lora(tiny.distilled_lora, 0.6), "steps": 2}

    def order(number: int) -> Order:
        more: dict[str, Any] = {} if kind is DistilledShot else guided | {"negative_prompt": f"blurry {number}"}
        return Order(models, kind(f"scene {number}", 128, 128, 33, 24.0, seed=number, guides=guides, **more))

    render_shots([order(1)], host=Host(progress=Live()))  # what the SDK imports and keeps
    live: list[dict[str, int]] = []
    for count in (2, 6):
        live.append({})
        watch = Live()
        render_shots([order(number) for number in range(count)], host=Host(progress=watch))
        live[-1] = watch.at
    held = {model: (live[1][model] - live[0][model]) / 4 for model in live[0]}
    checked = check(models, order(1).shot)
    widths = weigh_files(models, checked.checkpoint, checked.shot).widths
    prompts = fit_working.parked_prompts(widths, prompts_of(checked.shot))
    shot = fit_queue._parked(widths, checked)
    assert 0.9 * prompts < held["gemma_embeddings_processor"] <= prompts, held
    later = ["video_encoder", "transformer", "transformer of stage 2", "audio_decoder"]
    if kind is DistilledShot:
        later.remove("transformer of stage 2")
    assert all(0 < held[model] <= shot for model in later), (held, shot)
    assert max(held[model] for model in later) > 0.25 * shot, (held, shot)


@pytest.mark.parametrize(("preset", "passes"), [("auto", 4), ("aggressive quality", 0)])
def test_passes_that_wait_side_by_side_are_planned_for_with_sdk_1_2(
    models: ModelSet, two_stage: TwoStageShot, distilled: DistilledShot, preset: str, passes: int
) -> None:
    """On any SDK: the figure, and that it is not asked for where passes do not wait so."""

    def parked(shot: Shot, abilities: Abilities) -> int:
        checked = check(models, shot)
        widths = weigh_files(models, checked.checkpoint, checked.shot).widths
        return fit_queue._parked(replace(widths, abilities=abilities), checked)

    guided = replace(two_stage, width=128, height=192, frames=33, guidance=Guidance(preset))
    passes = passes or resolve(guided.guidance, guided.steps, check(models, guided).checkpoint).passes
    widths = weigh_files(models, check(models, guided).checkpoint, guided).widths
    # 5 latent frames of 4 x 6, 34 moments of sound; two bytes each for the prompt's 1024 tokens and for 128 channels.
    inputs = 1024 * (widths.video + widths.sound) * 2 + (5 * 4 * 6 + 34) * 128 * 2
    assert parked(guided, SDK_1_2) - parked(guided, SDK_1_0) == passes * inputs
    assert parked(distilled, SDK_1_2) == parked(distilled, SDK_1_0)


def test_waiting_shots_that_compute_on_the_cpu_have_threads_enough(
    orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenMP gives every thread that computes threads of its own, and ends the process when there are no more."""
    monkeypatch.setattr(fit_queue, "MOST_THREADS", 5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    most: list[int] = []
    host = Host(progress=lambda done, total, what: most.append(len(threads())))
    queue = render_shots(orders, residents=Residents(), host=host)
    assert max(most) == 2 and kinds(queue)["text_encoder"] == 2
    assert "fit-in-groups" in [note.code for note in queue.notes]


def test_getting_many_scenes_ready_can_be_cancelled(orders: list[Order], weight_reads: list[int]) -> None:
    with pytest.raises(InterruptedError):
        render_shots(orders, host=Host(progress=cancel_at("scene 2 of 3, getting ready")))
    assert weight_reads == []


def anonymous_memory() -> int:
    """Bytes of this process that are no file's (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_hundred_scenes(models: ModelSet, tmp_path: Path, weight_reads: list[int]) -> None:
    """One plan before any weight, one build of every model, and frames in files."""
    models = replace(models, keep="disk")
    shots = [DistilledShot(f"scene {number}", 64, 64, 9, 24.0, seed=number) for number in range(200)]
    orders = [Order(models, shot) for shot in shots]
    read_before_plan: list[int] = []
    threads_before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        render_shots(orders[:2])
        weight_reads.clear()
        before = anonymous_memory()
        buffers = FrameBuffers(tmp_path, 0)
        host = Host(new_frames=buffers.empty, on_plan=lambda plan: read_before_plan.append(len(weight_reads)))
        queue = render_shots(orders, host=host)
    finally:
        torch.set_num_threads(threads_before)
    assert read_before_plan == [0]
    assert len(kinds(queue)) == 8 and set(kinds(queue).values()) == {1}
    made = shots_of(queue)
    assert len({shot.frames.numpy().tobytes() for shot in made}) == 200
    assert buffers.in_memory == 0
    gc.collect()
    # The frames are 22 MB, the sound 5 MB; the prompts that are kept, and what allocators keep, are the rest.
    print(f"RssAnon grew by {(anonymous_memory() - before) / 1e6:.0f} MB")
    assert threads() == []
