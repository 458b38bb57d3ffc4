"""Several shots in one run: every model is loaded once, every shot is the SDK's own, and one failure is one failure."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels
from storymotion.errors import RenderFailed, SizeNotMultiple, StoryMotionError
from storymotion.ltx.host import Host
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.render import Order, RenderedQueue, RenderedShot, render_shots
from storymotion.ltx.residents import Residents
from storymotion.ltx.shots import DistilledShot, ICLoraShot, KeyframesShot, Shot, TwoStageShot, guide_from_pixels
from storymotion.media.encode import encode_mp4

from .sdk_parts import IS_1_0, class_of, fail_to_load
from .test_render import same

PIPELINES = ["distilled", "two_stage", "keyframes", "ic_lora"]
SIZES = [(64, 64, 9), (128, 64, 9), (64, 128, 17)]
PROMPTS = ["a red cat walks", "two dogs dance in the rain", "a bird", "a red cat walks"]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "reference.mp4"
    frames = [numpy.random.default_rng(0).integers(0, 255, (64, 64, 3), numpy.uint8) for _ in range(17)]
    encode_mp4(path, frames, 17, 64, 64, Fraction(24))
    return path


class Story:
    """Shots of one pipeline that differ in everything, and how the SDK makes each of them alone."""

    def __init__(self, pipeline: str, models: ModelSet, tiny: TinyModels, picture: numpy.ndarray, reference: Path):
        self._pipeline, self._models, self._tiny, self._picture = pipeline, models, tiny, picture
        self._reference = reference

    def _loras(self, number: int) -> tuple[tuple[Path, float], ...]:
        return ((self._tiny.style_lora, 0.7),) if number % 4 == 3 else ()

    def order(self, number: int) -> Order:
        shot: Shot = self.shot(number)
        if number % 2 == 0 or self._pipeline == "keyframes":
            shot = replace(shot, guides=(guide_from_pixels(self._picture, 0, 0.9),))
        models = self._models
        for path, strength in self._loras(number):
            models = models.with_lora(Lora(path, strength))
        return Order(models, shot)

    def shot(self, number: int) -> Shot:
        width, height, frames = SIZES[number % len(SIZES)]
        common: dict[str, Any] = {
            "prompt": PROMPTS[number % len(PROMPTS)],
            "width": width,
            "height": height,
            "frames": frames,
            "fps": 24.0,
            "seed": number // 3,
        }
        if self._pipeline == "distilled":
            return DistilledShot(**common)
        if self._pipeline == "ic_lora":
            return ICLoraShot(**common, reference=self._reference, ic_lora=Lora(self._tiny.ic_lora))
        kind = KeyframesShot if self._pipeline == "keyframes" else TwoStageShot
        lora = Lora(self._tiny.distilled_lora, 0.6)
        return kind(**common, negative_prompt="blurry", steps=2 + number % 2, distilled_lora=lora)

    def alone(self, number: int) -> tuple[torch.Tensor, torch.Tensor, int]:
        """The SDK's own call."""
        loras = self._loras(number)
        more: dict[str, Any] = {}
        if self._pipeline == "ic_lora":
            loras = (*loras, (self._tiny.ic_lora, 1.0))
        elif self._pipeline != "distilled":
            more = {"distilled_lora": (self._tiny.distilled_lora, 0.6)}
        pictures = ((self._picture, 0, 0.9),) if self.order(number).shot.guides else ()
        return call_sdk(self._models, self.shot(number), pictures=pictures, loras=loras, **more)


@pytest.fixture(params=PIPELINES)
def story(
    request: pytest.FixtureRequest, models: ModelSet, tiny: TinyModels, picture: numpy.ndarray, reference: Path
) -> Story:
    return Story(request.param, models, tiny, picture, reference)


def shots_of(queue: RenderedQueue) -> list[RenderedShot]:
    """All of them, which must be there."""
    for outcome in queue.outcomes:
        assert isinstance(outcome, RenderedShot), outcome
    return [outcome for outcome in queue.outcomes if isinstance(outcome, RenderedShot)]


def render(story: Story, numbers: range | list[int], keep: str, host: Host | None = None) -> RenderedQueue:
    orders = [story.order(number) for number in numbers]
    orders = [replace(order, models=replace(order.models, keep=keep)) for order in orders]
    return render_shots(orders, residents=Residents(), host=host or Host())


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("storymotion")]


@pytest.mark.parametrize("keep", ["disk", "ram"])
def test_every_model_is_loaded_once_and_every_shot_is_the_sdks_own(
    story: Story, keep: str, weight_reads: list[int]
) -> None:
    bytes_of_one = 0
    for count in (1, 3, 10):
        weight_reads.clear()
        queue = render(story, range(count), keep)
        builds = Counter(load.kind for load in queue.loads)
        transformers = builds.pop("transformer")
        assert set(builds.values()) == {1}, builds
        if count < 4:  # the fourth is the first with another LoRA
            bytes_of_one = bytes_of_one or sum(weight_reads)
            assert transformers == (1 if isinstance(story.shot(0), DistilledShot) else 2)
            assert sum(weight_reads) <= 1.05 * bytes_of_one
        else:
            # One more for each stage that the LoRA works in.
            one_stage_has_it = isinstance(story.shot(0), (DistilledShot, ICLoraShot))
            without = 1 if isinstance(story.shot(0), DistilledShot) else 2
            assert transformers == without + (1 if one_stage_has_it else 2)
        assert threads() == []
        for number, shot in enumerate(shots_of(queue)):
            if count == 10 or number == 0:
                assert same(shot, *story.alone(number)), f"shot {number} of {count}"


def test_ten_scenes_read_no_more_bytes_than_one(story: Story, weight_reads: list[int]) -> None:
    without_lora = [number for number in range(14) if number % 4 != 3][:10]
    render(story, without_lora[:1], "disk")
    one = sum(weight_reads)
    weight_reads.clear()
    render(story, without_lora, "disk")
    assert 0 < sum(weight_reads) <= 1.05 * one


def test_shots_wait_for_each_other_only_where_a_model_has_to_make_way(story: Story) -> None:
    said: dict[str, list[str]] = {}
    for keep in ("disk", "ram"):
        said[keep] = []
        host = Host(progress=lambda done, total, what, keep=keep: said[keep].append(what))
        render(story, range(3), keep, host)
        said[keep] = [what for what in said[keep] if not what.endswith("getting ready")]
    scenes = {keep: [what.split(",")[0] for what in whats if what.startswith("scene")] for keep, whats in said.items()}
    in_order = [f"scene {number} of 3" for number in (1, 2, 3)]
    assert list(dict.fromkeys(scenes["ram"])) == in_order and scenes["ram"] == sorted(scenes["ram"])
    assert scenes["disk"] != sorted(scenes["disk"]), "all prompts first"
    decoding = [index for index, what in enumerate(said["disk"]) if what.endswith("decoding")]
    assert not any("stage" in what for what in said["disk"][decoding[0] :]), "all decoding last"


def test_progress_is_monotone_over_all_scenes(story: Story) -> None:
    calls: list[tuple[int, int, str]] = []
    render(story, range(3), "disk", Host(progress=lambda done, total, what: calls.append((done, total, what))))
    done = [call[0] for call in calls]
    assert done == sorted(done) and {call[1] for call in calls} == {1000} and done[-1] == 1000
    assert "scene 2 of 3, stage 1" in [what for _, _, what in calls]


def fail_in(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, when: Callable[[int], bool]) -> list[int]:
    """Let the calls of ``owner.name`` fail whose number satisfies ``when``; returns the numbers of all calls."""
    original, calls = getattr(owner, name), []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(len(calls))
        if when(calls[-1]):
            raise RuntimeError("injected")
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, failing)
    return calls


@pytest.mark.parametrize("keep", ["disk", "ram"])
def test_a_scene_that_fails_does_not_cost_the_others(story: Story, keep: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ltx_core.model.transformer.transformer import BasicAVTransformerBlock

    orders = [story.order(number) for number in range(4)]
    orders[1] = replace(orders[1], shot=replace(orders[1].shot, width=100))
    orders = [replace(order, models=replace(order.models, keep=keep)) for order in orders]
    reference = render(story, range(4), keep)
    # The first layer that scene 3 runs in stage 1 fails.
    said: list[str] = []
    forward = BasicAVTransformerBlock.forward

    def failing(self: Any, *args: Any, **kwargs: Any) -> Any:
        if said[-1] == "scene 3 of 4, stage 1":
            raise RuntimeError("injected")
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(BasicAVTransformerBlock, "forward", failing)
    host = Host(progress=lambda done, total, what: said.append(what))
    queue = render_shots(orders, residents=Residents(), host=host)
    first, second, third, fourth = queue.outcomes
    assert isinstance(second, SizeNotMultiple)
    assert isinstance(third, RenderFailed) and third.phase == "stage 1" and "injected" in third.reason
    for outcome, before in ((first, reference.outcomes[0]), (fourth, reference.outcomes[3])):
        assert isinstance(outcome, RenderedShot) and isinstance(before, RenderedShot)
        assert torch.equal(outcome.frames, before.frames) and torch.equal(outcome.waveform, before.waveform)
    assert threads() == []


COMPONENTS = [
    "text_encoder",
    "gemma_embeddings_processor",
    "video_encoder",
    "transformer",
    "spatial_upsampler",
    "video_decoder",
    "audio_decoder",
    "vocoder",
]


def at_work(kind: str) -> tuple[Any, str]:
    """The method of the SDK with which a component works."""
    methods = {"text_encoder": "encode", "gemma_embeddings_processor": "process_hidden_states"}
    if kind == "video_decoder" and not IS_1_0:
        methods[kind] = "decode_video"
    return class_of(kind), methods.get(kind, "forward")


@pytest.mark.parametrize("keep", ["disk", "ram"])
@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_model_that_fails_at_work_costs_one_scene(
    models: ModelSet,
    tiny: TinyModels,
    picture: numpy.ndarray,
    reference: Path,
    kind: str,
    keep: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story("two_stage", models, tiny, picture, reference)
    undisturbed = shots_of(render(story, range(3), keep))
    calls = fail_in(monkeypatch, *at_work(kind), when=lambda number: number == 1)
    outcomes = render(story, range(3), keep).outcomes
    assert len(calls) > 1
    failures = [outcome for outcome in outcomes if isinstance(outcome, RenderFailed)]
    assert len(failures) == 1 and "injected" in failures[0].reason
    for outcome, before in zip(outcomes, undisturbed):
        if isinstance(outcome, RenderedShot):
            assert torch.equal(outcome.frames, before.frames) and torch.equal(outcome.waveform, before.waveform)
    assert threads() == []


@pytest.mark.parametrize("keep", ["disk", "ram"])
@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_model_that_cannot_be_loaded_ends_the_run_without_hanging(
    models: ModelSet,
    tiny: TinyModels,
    picture: numpy.ndarray,
    reference: Path,
    kind: str,
    keep: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = Story("two_stage", models, tiny, picture, reference)
    tries: list[str] = []

    def broken(*_: Any) -> Any:
        tries.append(kind)
        raise OSError("injected: the disk is gone")

    fail_to_load(monkeypatch, kind, broken)
    queue = render(story, range(3), keep)
    for outcome in queue.outcomes:
        assert isinstance(outcome, RenderFailed) and "the disk is gone" in outcome.reason
        assert outcome.phase.startswith("loading the "), "what it did, not the phase that came before"
    assert len(tries) == 1, "tried once for all"
    assert threads() == []
    monkeypatch.undo()
    assert all(isinstance(outcome, RenderedShot) for outcome in render(story, range(3), keep).outcomes)


@pytest.mark.parametrize("keep", ["disk", "ram"])
@pytest.mark.parametrize(
    "at",
    ["scene 1 of 3, reading the prompt", "scene 2 of 3, stage 1", "scene 3 of 3, stage 2", "scene 2 of 3, decoding"],
)
def test_cancel_ends_all_scenes_at_once(story: Story, keep: str, at: str) -> None:
    from ltx_core.model.transformer import LTXModel

    said: list[str] = []

    def cancelling(done: int, total: int, what: str) -> None:
        said.append(what)
        if what == at:
            raise InterruptedError("the user pressed cancel")

    residents = Residents()
    orders = [story.order(number) for number in range(3)]
    orders = [replace(order, models=replace(order.models, keep=keep)) for order in orders]
    with pytest.raises(InterruptedError, match="pressed cancel") as caught:
        render_shots(orders, residents=residents, host=Host(progress=cancelling))
    assert said[-1] == at, "work went on after the cancel"
    assert threads() == [] and caught.value.__context__ is None
    if keep == "disk":
        assert residents.bytes_held() == 0
        gc.collect()
        in_memory = [each for each in gc.get_objects() if type(each) is LTXModel]
        assert not [each for each in in_memory if not next(each.parameters()).is_meta]
    after = render_shots(orders[:1], residents=residents)
    assert same(shots_of(after)[0], *story.alone(0))


def test_loading_can_be_cancelled(story: Story) -> None:
    def cancelling(done: int, total: int, what: str) -> None:
        if what.endswith("loading the transformer"):
            raise InterruptedError("the user pressed cancel")

    for keep in ("disk", "ram"):
        with pytest.raises(InterruptedError, match="pressed cancel"):
            render(story, range(2), keep, Host(progress=cancelling))
        assert threads() == []


def test_a_cancel_may_be_any_exception_and_ctrl_c(story: Story) -> None:
    class Interrupt(Exception):
        """As ComfyUI's InterruptProcessingException."""

    for kind in (Interrupt, KeyboardInterrupt):

        def cancelling(done: int, total: int, what: str, kind: type[BaseException] = kind) -> None:
            if what == "scene 2 of 2, stage 1":
                raise kind("stop")

        with pytest.raises(kind, match="stop"):
            render(story, range(2), "disk", Host(progress=cancelling))
        assert threads() == []


def test_groups_load_the_models_once_each(
    models: ModelSet,
    tiny: TinyModels,
    picture: numpy.ndarray,
    reference: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from storymotion.ltx import fit_queue

    story = Story("two_stage", models, tiny, picture, reference)
    monkeypatch.setattr(fit_queue._Planner, "at_once", lambda self, shots, plan: 2)
    queue = render(story, range(3), "disk")
    assert Counter(load.kind for load in queue.loads)["text_encoder"] == 2
    assert "fit-in-groups" in [note.code for note in queue.notes]
    for number, shot in enumerate(shots_of(queue)):
        assert same(shot, *story.alone(number))


def test_prompts_that_scenes_share_are_encoded_once(
    models: ModelSet, tiny: TinyModels, picture: numpy.ndarray, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gemma = class_of("text_encoder")
    prompts: list[Any] = []
    encode = gemma.encode

    def recording(self: Any, text: Any, *more: Any, **named: Any) -> Any:
        prompts.append(text)
        return encode(self, text, *more, **named)

    monkeypatch.setattr(gemma, "encode", recording)
    story = Story("two_stage", models, tiny, picture, reference)
    for keep in ("disk", "ram"):
        prompts.clear()
        render(story, range(4), keep)
        # SDK 1.2 encodes those of a shot together.
        once = [*set(PROMPTS), "blurry"] if IS_1_0 else [[prompt, "blurry"] for prompt in set(PROMPTS)]
        assert sorted(prompts) == sorted(once)


def test_orders_that_fail_alone_leave_nothing_to_do(models: ModelSet) -> None:
    shot = DistilledShot("a cat", 100, 64, 9, 24.0, seed=1)
    asked: list[str] = []
    host = Host(make_room=lambda: asked.append("room"))
    queue = render_shots([Order(models, shot)] * 2, host=host)
    assert all(isinstance(outcome, StoryMotionError) for outcome in queue.outcomes) and asked == []
