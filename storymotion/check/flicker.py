"""Lines that come and go: pixels that again and again differ from the frame before and the frame after alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .drift import EDGE
from .pixels import noise_of, smoothed

if TYPE_CHECKING:
    import numpy as np

# Levels of brightness that a line must change by.
LEAST_CHANGE = 14.0
# Seconds over which a pixel's changes are counted, and in which share of the frames it must have changed.
SECONDS = 1.0
OFTEN = 0.3
# Drawings that must have been seen before any pixel can have changed often.
LEAST_DRAWINGS = 9
# When more of the picture than this changes at once, it is no matter of lines.
MOST_CHANGED = 0.4
# Share of pixels on lines in a picture with hardly any; what flickers is compared with no less.
LEAST_LINES = 0.01
# A frame in which fewer pixels change shows the drawing before it longer, as animation on twos does.
# Seen through a smoothing, because coded grain changes here and there.
HELD = 0.002


class Flicker:
    """Takes the brightness of frame after frame, float32 ``[height, width]``."""

    def __init__(self, frame_rate: float) -> None:
        # What is left of the counts after each frame.
        self._left = 1 - 1 / max(LEAST_DRAWINGS, frame_rate * SECONDS)
        self._since = self._seen = 0
        self._weight = self._lines = 0.0
        self._drawings: list[np.ndarray] = []
        self._often: np.ndarray | None = None
        self._now = self._latest = 0.0

    def add(self, luma: np.ndarray) -> float:
        """Pixels that flicker compared with those that lie on lines, 0..1.

        A line that passes by changes a pixel once; only what changes in three of ten drawings of a second
        counts. Frames that repeat a drawing are left out.
        """
        import numpy as np

        self._since += 1
        if self._drawings:
            change = np.abs(smoothed(luma - self._drawings[-1]))
            if (change > max(LEAST_CHANGE / 2, 5 * noise_of(change))).mean() < HELD:
                return self._latest
        self._drawings = [*self._drawings[-2:], luma]
        left, self._since = self._left**self._since, 0
        if len(self._drawings) < 3:
            return self._latest
        before, here, after = self._drawings
        since, until = here - before, here - after
        least = max(LEAST_CHANGE, 5 * noise_of(since), 5 * noise_of(until))
        away = np.minimum(np.abs(since), np.abs(until))
        back = np.abs(after - before) < away / 2
        changed = ((since * until > 0) & (away > least) & back).astype(np.float32)
        if changed.mean() > MOST_CHANGED:
            changed = np.zeros_like(changed)
        if self._often is None:
            self._often = np.zeros_like(changed)
        self._often *= left
        self._often += changed * (1 - left)
        self._weight = self._weight * left + 1 - left
        # Of a while too: when lines vanish for good, those before them did not flicker more for it.
        slope = np.hypot(here[2:, 1:-1] - here[:-2, 1:-1], here[1:-1, 2:] - here[1:-1, :-2])
        self._lines = self._lines * left + max(LEAST_LINES, float((slope > EDGE).mean())) * (1 - left)
        self._seen += 1
        if self._seen >= LEAST_DRAWINGS:
            flickers = float((self._often > OFTEN * self._weight).mean())
            # What is there for one drawing only is chance.
            last, self._now = self._now, min(1.0, flickers * self._weight / self._lines)
            self._latest = min(last, self._now)
        return self._latest
