"""One progress figure for a whole shot, made from the calls of single layers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..progress import Progress

UNITS = 1000
READING, STAGE_1, STAGE_2, DECODING = "reading the prompt", "stage 1", "stage 2", "decoding"
# Shares of a run's time that are not denoising. Estimates: they only make the bar smoother.
READING_SHARE, DECODING_SHARE = 0.06, 0.1
STAGE_2_STEPS = 3


@dataclass(frozen=True)
class Phase:
    """A part of the run: its share of the whole (any scale) and how many ticks it is expected to have."""

    name: str
    share: float
    ticks: int


def phases_of_a_shot(
    prompt_layers: int, forwards: int, layers: int, two_stages: bool, chunks: int
) -> tuple[Phase, ...]:
    """The phases of a run, with a tick for every layer that runs and every decoded chunk.

    Stage 1 runs ``forwards`` forwards of ``layers`` layers, stage 2 (if there is one) three. Time goes
    with the number of tokens, of which stage 2 has four times as many.
    """
    first, second = forwards, STAGE_2_STEPS * 4 if two_stages else 0
    denoising = (1 - READING_SHARE - DECODING_SHARE) / (first + second)
    stage_2 = (Phase(STAGE_2, denoising * second, STAGE_2_STEPS * layers),) if two_stages else ()
    return (
        Phase(READING, READING_SHARE, prompt_layers + 1),
        Phase(STAGE_1, denoising * first, forwards * layers),
        *stage_2,
        Phase(DECODING, DECODING_SHARE, chunks),
    )


class Meter:
    """Turns ticks into ``progress(done, total, phase)`` that never goes back and never passes the end.

    Any exception that ``progress`` raises is a cancel: it is kept in ``cancelled_by`` so that the
    caller can tell it from an error of the SDK, and it flies through whatever is running.
    """

    def __init__(self, progress: Progress, phases: tuple[Phase, ...]) -> None:
        self._progress = progress
        self._phases = {phase.name: phase for phase in phases}
        whole = sum(phase.share for phase in phases)
        self._starts: dict[str, float] = {}
        before = 0.0
        for phase in phases:
            self._starts[phase.name] = before / whole
            before += phase.share
        self._whole = whole
        self._current = phases[0]
        self._ticks = 0
        self._done = 0
        self._said = self._current.name
        # Own time by phase: what is spent in ``paused`` does not count.
        self.seconds: dict[str, float] = dict.fromkeys(self._phases, 0.0)
        self._since = time.perf_counter()
        self.cancelled_by: BaseException | None = None

    @property
    def doing(self) -> str:
        """What was said last: the phase that runs, or which model is loaded in it."""
        return self._said

    def start(self) -> None:
        """Now it begins; without it, it began when the meter was made."""
        self._since = time.perf_counter()

    def tick(self, phase: str) -> None:
        """One more tick of ``phase``; the first tick of another phase ends the one before it."""
        self._enter(phase)
        # A guider may skip passes or add some, so the count is an estimate: never pass the phase's end.
        part = min(self._ticks / max(self._current.ticks, 1), 1.0)
        self._ticks += 1
        fraction = self._starts[phase] + part * self._current.share / self._whole
        self._report(max(self._done, int(fraction * UNITS)))

    def begin(self, phase: str) -> None:
        """``phase`` begins before its first tick; if it runs already, it is said again once a load was announced."""
        if phase != self._current.name or self._said != phase:
            self._enter(phase)
            self._report(max(self._done, int(self._starts[phase] * UNITS)))

    def announce_load(self, kind: str) -> None:
        """A model is about to be read, which can take a while."""
        self._show(f"loading the {kind.replace('_', ' ')}")

    def finish(self) -> None:
        """Everything is done; ``seconds`` has how long each phase took."""
        self._end_phase()
        self._report(UNITS)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """For the time that goes by while a model is loaded, or another shot runs."""
        self._end_phase()
        try:
            yield
        finally:
            self._since = time.perf_counter()

    def _enter(self, phase: str) -> None:
        if phase != self._current.name:
            self._end_phase()
            self._current, self._ticks = self._phases[phase], 0

    def _end_phase(self) -> None:
        now = time.perf_counter()
        self.seconds[self._current.name] += now - self._since
        self._since = now

    def _report(self, done: int) -> None:
        self._done = done
        self._show(self._current.name)

    def _show(self, what: str) -> None:
        self._said = what
        try:
            self._progress(self._done, UNITS, what)
        except BaseException as cancelled:
            self.cancelled_by = cancelled
            raise
