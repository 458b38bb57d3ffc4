"""A queue of shots that passed their checks: planned, looked up on the shelf, rendered with every model loaded once."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import NoRoomForFrames, RenderFailed, StoryMotionError
from ..progress import Progress
from ..report import Line, line
from .fit_plan import GIB, MemoryPlan
from .fit_queue import QueuePlan, plan_queue
from .host import Host
from .load_once import LoadOnce, Turn
from .machine import this_machine
from .meter import DECODING, READING, UNITS
from .preflight import Checked
from .residents import Load, Placement, Residents
from .sdk import Sdk
from .shelf import fingerprint
from .shot_run import RenderedShot, ShotRun, failure

LOADING = "loading"
Outcomes = dict[int, RenderedShot | StoryMotionError]


class RenderQueue:
    """One run of ``render.render_shots`` after the checks.

    ``scenes``: how many shots were asked for, with those of which it is ``known`` what came of them.
    """

    def __init__(
        self, sdk: Sdk, device: str | None, residents: Residents, host: Host, scenes: int, known: Outcomes
    ) -> None:
        import torch

        self._sdk, self._residents, self._host, self._scenes = sdk, residents, host, scenes
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._outcomes: Outcomes = {}
        self._done: dict[int, float] = {}
        self._decide(known)
        self._seconds: dict[int, Mapping[str, float]] = {}
        # What the shelf has had under each key.
        self._found: dict[str, RenderedShot | NoRoomForFrames | None] = {}

    def render(self, shots: Mapping[int, Checked]) -> tuple[Outcomes, tuple[Line, ...], tuple[Load, ...]]:
        """What came of all, by index, what is to be said about them together, and which models were loaded."""
        if not self._are_all_on_shelf(shots):
            self._host.make_room()
        planned, refused = self._plan(shots)
        self._decide(refused)
        if planned is None:
            return self._outcomes, (), ()
        plan, placement = planned.plan, self._placement(planned)
        keys = self._keys(planned, placement)
        self._decide({index: found for index in planned.shots if (found := self._on_shelf(index, keys))})
        twins = _twins([index for index in planned.shots if index not in self._outcomes], keys)
        self._done |= dict.fromkeys(twins, 1.0)
        new = {
            index: each for index, each in planned.shots.items() if index not in self._outcomes and index not in twins
        }
        self._host.on_plan(replace(planned, shots=new))
        if plan.machine.device == "cuda":
            _torch().cuda.reset_peak_memory_stats(self._device)
        started = time.perf_counter()
        loads = self._render(replace(planned, shots=new), placement, keys) if new else []
        self._share_loading(new, time.perf_counter() - started)
        self._decide({index: _reused(self._outcomes[first]) for index, first in twins.items()})
        return self._outcomes, (*_about_loads(loads), *_peak(plan), *plan.lines), tuple(loads)

    def _decide(self, outcomes: Mapping[int, RenderedShot | StoryMotionError]) -> None:
        """Nothing is left to do for these."""
        self._outcomes |= outcomes
        self._done |= dict.fromkeys(outcomes, 1.0)

    def _plan(self, shots: Mapping[int, Checked]) -> tuple[QueuePlan | None, dict[int, StoryMotionError]]:
        return plan_queue(shots, this_machine(self._device, self._residents))

    def _placement(self, planned: QueuePlan) -> Placement:
        plan = planned.plan
        on_cpu = plan.text_encoder_device == "cpu"
        return Placement(self._device, "cpu" if on_cpu else self._device, plan.keep, plan.lean, plan.offload)

    # ------------------------------------------------------------------ shots of earlier runs
    def _are_all_on_shelf(self, shots: Mapping[int, Checked]) -> bool:
        """As planned for the memory that is free as it is: then nobody has to give up any."""
        planned, _ = self._plan(shots) if self._host.shelf else (None, {})
        if planned is None:
            return False
        keys = self._keys(planned, self._placement(planned))
        return all(self._on_shelf(index, keys) for index in planned.shots)

    def _keys(self, planned: QueuePlan, placement: Placement) -> dict[int, str]:
        if self._host.shelf is None:
            return {}
        name, version = planned.plan.machine.name, self._sdk.version
        return {index: fingerprint(each, placement, name, version) for index, each in planned.shots.items()}

    def _on_shelf(self, index: int, keys: Mapping[int, str]) -> RenderedShot | NoRoomForFrames | None:
        shelf = self._host.shelf
        if shelf is None:
            return None
        key = keys[index]
        if key not in self._found:
            self._progress_of(index)(0, UNITS, "looking for earlier shots")
            try:
                found = shelf.find(key, self._host.new_frames)
                self._found[key] = None if found is None else replace(found, reused=True)
            except NoRoomForFrames as error:
                self._found[key] = error
        return self._found[key]

    # ------------------------------------------------------------------ new shots
    def _render(self, planned: QueuePlan, placement: Placement, keys: Mapping[int, str]) -> list[Load]:
        residents = self._residents
        loads: list[Load] = []
        try:
            with _torch().inference_mode(), _quick_collections():
                for text_encoder, indices in _by_text_encoder(planned).items():
                    with self._sdk.session(text_encoder):
                        try:
                            self._render_group(indices, planned, placement, keys)
                        finally:
                            loads += residents.loads
            return loads
        finally:
            residents.watch.reset()
            residents.end(placement)
            outcomes = [self._outcomes.get(index) for index in planned.shots]
            if all(isinstance(each, RenderFailed) for each in outcomes):
                # Out of memory more often than not: whoever tries again finds the machine empty.
                residents.clear()
            _return_memory()

    def _render_group(
        self, indices: list[int], planned: QueuePlan, placement: Placement, keys: Mapping[int, str]
    ) -> None:
        """Shots with the same text encoder: one after the other, or in turns where they have to wait for models."""
        residents = self._residents
        load_once = LoadOnce(residents, placement)
        runs: dict[int, ShotRun] = {}
        turns: dict[int, Turn] = {}
        for index in indices:
            fetch: Callable[..., Any] = partial(residents.use, placement=placement)
            if planned.waits:
                turns[index] = Turn(partial(self._finish, index, runs, keys))
                fetch = partial(load_once.use, turns[index])
            if len(indices) > 1:
                # A moment for each: a cancel is heard in between.
                self._progress_of(index)(0, UNITS, "getting ready")
            try:
                runs[index] = ShotRun(
                    planned.shots[index],
                    self._sdk,
                    placement,
                    residents,
                    self._host,
                    self._progress_of(index),
                    fetch,
                    planned.waits,
                    planned.plan.machine.name,
                    keys.get(index, ""),
                )
            except Exception as error:
                self._decide({index: failure(error, READING)})
                continue
            if planned.waits:
                turns[index].transformers = runs[index].stages_known
        ready = list(runs)
        residents.begin({each for run in runs.values() for each in run.components})
        if not planned.waits:
            for index in ready:
                self._finish(index, runs, keys)
            return
        for start in range(0, len(ready), planned.at_once):
            load_once.run([turns[index] for index in ready[start : start + planned.at_once]])

    def _finish(self, index: int, runs: dict[int, ShotRun], keys: Mapping[int, str]) -> None:
        """Render a shot to its end and put it away."""
        run = runs.pop(index)
        outcome = run.render()
        if isinstance(outcome, RenderedShot) and self._host.shelf is not None:
            self._host.shelf.put(keys[index], outcome)
        self._decide({index: outcome})
        self._seconds[index] = run.meter.seconds

    # ------------------------------------------------------------------ progress and time
    def _progress_of(self, index: int) -> Progress:
        """The progress of one shot as part of all of them."""
        if self._scenes == 1:
            return self._host.progress

        def progress(done: int, total: int, what: str) -> None:
            self._done[index] = done / total
            whole = sum(self._done.values()) / self._scenes
            self._host.progress(int(whole * UNITS), UNITS, f"scene {index + 1} of {self._scenes}, {what}")

        return progress

    def _share_loading(self, new: Mapping[int, Checked], wall: float) -> None:
        """What was not any shot's own time, loading above all, is everybody's."""
        part = max(0.0, wall - sum(sum(own.values()) for own in self._seconds.values())) / max(1, len(new))
        for index in new:
            outcome = self._outcomes[index]
            if isinstance(outcome, RenderedShot):
                seconds = {**outcome.seconds, LOADING: part}
                self._outcomes[index] = replace(outcome, seconds=seconds, notes=(_times(seconds), *outcome.notes))


def _twins(indices: Iterable[int], keys: Mapping[int, str]) -> dict[int, int]:
    """Shots that another one before them is equal to, with that one."""
    first: dict[str, int] = {}
    firsts = {index: first.setdefault(keys[index], index) for index in indices if index in keys}
    return {index: one for index, one in firsts.items() if one != index}


def _reused(outcome: RenderedShot | StoryMotionError) -> RenderedShot | StoryMotionError:
    return replace(outcome, reused=True) if isinstance(outcome, RenderedShot) else outcome


def _by_text_encoder(planned: QueuePlan) -> dict[Path, list[int]]:
    """The SDK's session holds for one Gemma folder at a time."""
    groups: dict[Path, list[int]] = {}
    for index, checked in planned.shots.items():
        groups.setdefault(checked.models.text_encoder, []).append(index)
    return groups


def _times(seconds: Mapping[str, float]) -> Line:
    """How long loading, denoising and decoding took."""
    total, loading, decoding = sum(seconds.values()), seconds[LOADING], seconds[DECODING]
    return line("times", total=total, loading=loading, decoding=decoding, rest=total - loading - decoding)


def _about_loads(loads: Sequence[Load]) -> tuple[Line, ...]:
    if not loads:
        return (line("no-loads"),)
    return (line("loads", count=len(loads), gigabytes=sum(load.size for load in loads) / 1e9),)


def _peak(plan: MemoryPlan) -> tuple[Line, ...]:
    """What the device really needed, beside the plan."""
    if plan.machine.device != "cuda":
        return ()
    cuda = _torch().cuda
    backend = cuda.get_allocator_backend()
    return (
        line("peak", used=cuda.max_memory_allocated() / GIB, planned=plan.peak.peak / GIB),
        line("allocator-native" if backend == "native" else "allocator-async", backend=backend),
    )


@contextmanager
def _quick_collections() -> Iterator[None]:
    """Spare the SDK's many ``gc.collect()`` calls what was in memory before the run.

    With the modules of a whole ComfyUI in memory one call takes 0.2 s and more, and a two-stage
    shot makes six (measured: 8.8 s -> 0.7 s for four tiny shots). What the run itself leaves is
    collected as before.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _return_memory() -> None:
    """Give what the run left back to the operating system and to the rest of ComfyUI."""
    gc.collect()
    if _torch().cuda.is_available():
        _torch().cuda.empty_cache()


def _torch() -> Any:
    """Imported when it is needed: the pack must load in a moment."""
    import torch

    return torch
