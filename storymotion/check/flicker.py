"""Lines that come and go: pixels that again and again differ from the frame before and the frame after alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .drift import EDGE
from .pixels import noise_of

if TYPE_CHECKING:
    import numpy as np

# Levels of brightness that a line must change by.
LEAST_CHANGE = 14.0
# Seconds over which a pixel's changes are counted, and in which share of the frames it must have changed.
SECONDS = 0.5
OFTEN = 0.2
# A frame in which fewer pixels change shows the drawing before it longer, as animation on twos does.
HELD = 0.0005


class Flicker:
    """Takes the brightness of frame after frame, float32 ``[height, width]``."""

    def __init__(self, frame_rate: float) -> None:
        self._step = 1 / max(4.0, frame_rate * SECONDS)
        self._drawings: list[np.ndarray] = []
        self._often: np.ndarray | None = None
        self._latest = 0.0

    def add(self, luma: np.ndarray) -> float:
        """Pixels that flicker compared with those that lie on lines, 0..1.

        A line that passes by changes a pixel once; only what changes in a fifth of all frames for half a second
        counts. Frames that repeat a drawing are left out.
        """
        import numpy as np

        if self._drawings:
            change = np.abs(luma - self._drawings[-1])
            if (change > max(LEAST_CHANGE, 5 * noise_of(change))).mean() < HELD:
                return self._latest
        self._drawings = [*self._drawings[-2:], luma]
        if len(self._drawings) < 3:
            return self._latest
        before, here, after = self._drawings
        since, until = here - before, here - after
        least = max(LEAST_CHANGE, 5 * noise_of(since))
        away = np.minimum(np.abs(since), np.abs(until))
        back = np.abs(after - before) < away / 2
        changed = ((since * until > 0) & (away > least) & back).astype(np.float32)
        if self._often is None:
            self._often = np.zeros_like(changed)
        self._often += (changed - self._often) * self._step
        lines = np.hypot(here[2:, 1:-1] - here[:-2, 1:-1], here[1:-1, 2:] - here[1:-1, :-2]) > EDGE
        self._latest = min(1.0, float((self._often > OFTEN).sum() / max(1, lines.sum(), here.size * 0.01)))
        return self._latest
