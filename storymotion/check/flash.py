"""Sudden changes of light or colour of the whole picture."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .limits import PASS, limits
from .pixels import resized

if TYPE_CHECKING:
    import numpy as np

# What a frame is compared with: the usual of so many seconds before it, of at most so many frames.
SECONDS = 0.5
KEPT = 16
COLUMNS, ROWS = 16, 9
# Light that stays for so many seconds is no flash any more but the usual.
STAYS_SECONDS = 1.0


class Flash:
    """Takes frame after frame, uint8 RGB ``[height, width, 3]``."""

    def __init__(self, frame_rate: float) -> None:
        self._every = max(1, round(frame_rate * SECONDS / KEPT))
        self._kept: deque[np.ndarray] = deque(maxlen=max(2, round(frame_rate * SECONDS / self._every)))
        self._stays = max(2, round(frame_rate * STAYS_SECONDS))
        self._frames = self._flashing = 0

    def add(self, picture: np.ndarray) -> float:
        """How far most of the picture is from what it was in the half second before, 0..1.

        Two ways to see it must agree: most places have another colour, and the colours of the picture as a whole
        are others. Something large that moves changes the places only.
        """
        import numpy as np

        places = resized(picture, COLUMNS, ROWS).reshape(-1, 3)
        jump = 0.0
        if self._kept:
            usual = np.median(np.stack(self._kept), axis=0)
            by_place = np.abs(places - usual).max(axis=1)
            by_colour = np.abs(np.sort(places, axis=0) - np.sort(usual, axis=0)).mean(axis=0)
            jump = float(min(np.median(by_place), by_colour.max())) / 255
        self._flashing = 0 if limits()["flash"].verdict(jump) == PASS else self._flashing + 1
        if self._flashing >= self._stays:
            self._kept.clear()
        # A flash does not become the usual, once it is known what that is.
        unknown = len(self._kept) <= (self._kept.maxlen or 0) // 2
        if self._frames % self._every == 0 and (unknown or not self._flashing):
            self._kept.append(places)
        self._frames += 1
        return jump
