"""Looks at a whole shot, frame after frame, and says how good it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING

from ..errors import ShotUncheckable, WrongFrame
from ..progress import Progress, ignore_progress
from .drift import Reference
from .flash import Flash
from .flicker import Flicker
from .head import Head, HeadRegion
from .limits import PASS, limits, worst
from .movement import Movement
from .pixels import brightness

if TYPE_CHECKING:
    import numpy as np

# Pixels of a frame that are looked at; larger shots are made smaller first.
MOST_PIXELS = 96_000
LEAST_FRAMES, LEAST_SIDE = 5, 32
# Drift and head are slow, and are looked at so often.
LOOKS_A_SECOND = 6
# The head is compared in this part of the shot's time.
MIDDLE = 0.4, 0.6
# Points of a curve, whatever the length of the shot.
POINTS = 480


@dataclass(frozen=True)
class Measure:
    """One thing that was measured over the shot.

    ``value`` is 0..1, and what it says stands in the function that measures it; ``at`` is when it was worst, in
    seconds, None where it is of the whole shot. ``score`` is 0..1, more is better. ``curve`` has the highest value
    in each of equal parts of the shot; None where there was no look.
    """

    name: str
    value: float
    at: float | None
    curve: tuple[float | None, ...]

    @property
    def score(self) -> float:
        """How good that is."""
        return limits()[self.name].score(self.value)

    @property
    def verdict(self) -> str:
        """pass, look or retake."""
        return limits()[self.name].verdict(self.value)


@dataclass(frozen=True, eq=False)
class ShotCheck:
    """What came out. ``stills`` are small pictures of the shot by what they show: guide, first, middle, last.

    ``tail_frames``: so many frames at the end are a flash. ``waits``: nothing moves in the first so many seconds.
    """

    measures: tuple[Measure, ...]
    frames: int
    frame_rate: Fraction
    stills: dict[str, np.ndarray]
    head: HeadRegion | None
    tail_frames: int = 0
    waits: float = 0.0
    may_be_still: bool = False

    @property
    def seconds(self) -> float:
        """How long the shot is."""
        return float(self.frames / self.frame_rate)

    @property
    def judged(self) -> tuple[Measure, ...]:
        """The measures that count: not the movement of a shot that may be still."""
        return tuple(each for each in self.measures if not (self.may_be_still and each.name == "movement"))

    @property
    def verdict(self) -> str:
        """The worst of what was found."""
        return worst([each.verdict for each in self.judged])

    @property
    def score(self) -> float:
        """The lowest score."""
        return min(each.score for each in self.judged)

    def measure(self, name: str) -> Measure | None:
        """The measure of that name, None if it was not taken."""
        return next((each for each in self.measures if each.name == name), None)


def check_shot(
    pictures: Iterable[np.ndarray],
    frames: int,
    frame_rate: Fraction,
    guide: np.ndarray | None = None,
    head: HeadRegion | None = None,
    may_be_still: bool = False,
    progress: Progress = ignore_progress,
) -> ShotCheck:
    """Measure a shot of ``frames`` pictures, uint8 RGB ``[height, width, 3]`` of one size, made for ``MOST_PIXELS``.

    ``guide`` is a picture of the same size that the shot should stay like; without it, the first frame is. Without
    ``head`` no head is compared. With ``may_be_still`` nobody minds that nothing moves. Memory is that of some thirty
    pictures, whatever the length.

    ``progress`` counts frames; what it raises, and what ``pictures`` raises, passes unchanged.

    Raises ``ShotUncheckable`` if there are fewer than 5 frames, or one side is shorter than 32 pixels, and
    ``WrongFrame``.
    """
    run = _Run(frames, Fraction(frame_rate), guide, head)
    progress(0, max(1, frames), "checking")
    for index, picture in enumerate(pictures):
        run.add(index, picture)
        progress(min(index + 1, frames), frames, "checking")
    return run.finished(may_be_still)


@dataclass
class _Curve:
    """The highest value of each part, when the value was highest at all, and which parts have one."""

    frames: int
    highest: dict[int, float] = field(default_factory=dict)
    value: float = 0.0
    at: int = 0

    def add(self, index: int, value: float) -> None:
        part = min(index * self._points // self.frames, self._points - 1)
        self.highest[part] = max(value, self.highest.get(part, 0.0))

    def note(self, index: int, value: float) -> None:
        """What the measure is in the end: the highest of these."""
        if value > self.value:
            self.value, self.at = value, index

    @property
    def _points(self) -> int:
        return min(self.frames, POINTS)

    @property
    def points(self) -> tuple[float | None, ...]:
        return tuple(self.highest.get(part) for part in range(self._points))


class _Run:
    """The measures while the shot goes by."""

    def __init__(self, frames: int, frame_rate: Fraction, guide: np.ndarray | None, head: HeadRegion | None) -> None:
        rate = float(frame_rate)
        self._frames, self._frame_rate, self._guide, self._region = frames, frame_rate, guide, head
        self._curves = {name: _Curve(max(1, frames)) for name in limits()}
        self._movement, self._flicker, self._flash = Movement(rate), Flicker(rate), Flash(rate)
        self._reference: Reference | None = None
        self._head: Head | None = None
        self._every = max(1, round(rate / LOOKS_A_SECOND))
        self._before: dict[str, float] = {}
        self._heads: list[float] = []
        self._moved, self._waited = 0.0, 0
        self._tail: deque[float] = deque(maxlen=max(2, round(rate)))
        self._stills: dict[str, np.ndarray] = {}
        self._seen = 0

    def add(self, index: int, picture: np.ndarray) -> None:
        if not self._seen:
            self._begin(picture)
        first = self._stills["first"]
        if picture.shape != first.shape or picture.dtype != first.dtype:
            raise WrongFrame(index, f"{picture.dtype} {picture.shape}", f"{first.dtype} {first.shape}")
        self._seen += 1
        self._stills["last"] = picture
        if index == self._middle:
            self._stills["middle"] = picture
        luma = brightness(picture)
        self._add_change(index, picture, luma)
        if index % self._every == 0 or index in (self._middle, self._frames - 1):
            self._look(index, picture, luma)

    @property
    def _middle(self) -> int:
        return self._frames // 2

    def _begin(self, first: np.ndarray) -> None:
        height, width = first.shape[:2]
        if self._frames < LEAST_FRAMES or min(height, width) < LEAST_SIDE:
            raise ShotUncheckable(self._frames, width, height, LEAST_FRAMES, LEAST_SIDE)
        if self._guide is not None:
            self._stills["guide"] = self._guide
        self._stills["first"] = first
        self._reference = Reference(first if self._guide is None else self._guide)
        self._head = Head(first, self._region) if self._region else None

    def _add_change(self, index: int, picture: np.ndarray, luma: np.ndarray) -> None:
        """What is measured from frame to frame."""
        moved = self._movement.add(luma)
        self._moved += moved
        if self._waited == index and moved < limits()["movement"].retake:
            self._waited += 1
        values = {"movement": moved, "flicker": self._flicker.add(luma), "flash": self._flash.add(picture)}
        for name, value in values.items():
            self._curves[name].add(index, value)
        for name in ("flicker", "flash"):
            self._curves[name].note(index, values[name])
        self._tail.append(values["flash"])

    def _look(self, index: int, picture: np.ndarray, luma: np.ndarray) -> None:
        """What is measured now and then, against a picture that stays the same."""
        assert self._reference is not None
        for name, value in (
            ("structure", self._reference.structure(picture)),
            ("edges", self._reference.edges(luma)),
        ):
            self._curves[name].add(index, value)
            # Drift stays: what is gone in the next look was a flash, or something that passed.
            self._curves[name].note(index, min(value, self._before.get(name, value if self._frames == 1 else 0.0)))
            self._before[name] = value
        # Under a flash a head is not itself; if there is nothing but flashes, it was not compared.
        if self._head is None or limits()["flash"].verdict(self._tail[-1]) != PASS:
            return
        changed = self._head.changed(picture)
        self._curves["head"].add(index, changed)
        if index == self._middle or MIDDLE[0] <= index / (self._frames - 1) <= MIDDLE[1]:
            self._heads.append(changed)

    def finished(self, may_be_still: bool) -> ShotCheck:
        if self._seen < LEAST_FRAMES:
            height, width = self._stills["first"].shape[:2] if self._stills else (0, 0)
            raise ShotUncheckable(self._seen, width, height, LEAST_FRAMES, LEAST_SIDE)
        rate = float(self._frame_rate)
        measures = []
        for name, curve in self._curves.items():
            if name == "movement":
                measures.append(Measure(name, self._moved / self._seen, None, curve.points))
            elif name != "head":
                measures.append(Measure(name, curve.value, curve.at / rate, curve.points))
            elif self._heads:
                measures.append(Measure(name, median(self._heads), None, curve.points))
        return ShotCheck(
            measures=tuple(measures),
            frames=self._seen,
            frame_rate=self._frame_rate,
            stills=self._stills,
            head=self._region,
            tail_frames=self._flashing_at_end(),
            waits=self._waited / rate if self._waited < self._seen else 0.0,
            may_be_still=may_be_still,
        )

    def _flashing_at_end(self) -> int:
        """How many frames a flash at the end takes, 0 if there is none in the tail."""
        flashing = 0
        for value in reversed(self._tail):
            if limits()["flash"].verdict(value) == PASS:
                break
            flashing += 1
        return flashing
