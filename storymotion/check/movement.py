"""How much of the picture moves."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .pixels import noise_of, smoothed

if TYPE_CHECKING:
    import numpy as np

# Seconds between the two frames that are compared: breathing moves a line by a pixel in about that time.
SECONDS = 0.5
# Frames that are kept for it, at most.
KEPT = 16
LEAST_CHANGE = 8.0


class Movement:
    """Takes the brightness of frame after frame, float32 ``[height, width]``."""

    def __init__(self, frame_rate: float) -> None:
        self._every = max(1, round(frame_rate * SECONDS / KEPT))
        self._kept: deque[np.ndarray] = deque(maxlen=max(1, round(frame_rate * SECONDS / self._every)))
        self._frames = 0

    def add(self, luma: np.ndarray) -> float:
        """Share of the picture that changed within half a second, 0..1; noise does not count."""
        import numpy as np

        soft = smoothed(luma)
        moved = 0.0
        if self._kept:
            change = np.abs(soft - self._kept[0])
            moved = float((change > max(LEAST_CHANGE, 5 * noise_of(change))).mean())
        if self._frames % self._every == 0:
            self._kept.append(soft)
        self._frames += 1
        return moved
