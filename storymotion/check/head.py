"""How much the picture inside a rectangle, where the user says that a head is, becomes another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ValueOutOfRange
from .pixels import resized, share_lost, squared_error, tile_means

if TYPE_CHECKING:
    import numpy as np

# The head is compared at about this many pixels, in squares of TILE pixels.
PIXELS = 10000
TILE = 8
# The whole head may have moved by a fifth of the rectangle, and then each square by REACH pixels more.
MOVED = 0.2
REACH = 3


@dataclass(frozen=True)
class HeadRegion:
    """A rectangle in fractions of the picture, from its upper left corner. Nobody looks for a face in it.

    Raises ``ValueOutOfRange`` if it is not inside of the picture, or narrower or lower than a 50th of it.
    """

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        for name, start, length in (("left", self.left, self.width), ("top", self.top, self.height)):
            side = {"left": "width", "top": "height"}[name]
            _require(f"head_{name}", start, 0, 1)
            _require(f"head_{side}", length, 0.02, 1)
            _require(f"head_{name} + head_{side}", start + length, 0, 1 + 1e-6)

    def box(self, width: int, height: int, margin: float = 0.0) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in pixels of a picture; ``margin`` widens it by so much of its own sides."""
        left, right = self.left - margin * self.width, self.left + (1 + margin) * self.width
        top, bottom = self.top - margin * self.height, self.top + (1 + margin) * self.height
        return (
            max(0, round(left * width)),
            max(0, round(top * height)),
            min(width, max(round(right * width), round(left * width) + 1)),
            min(height, max(round(bottom * height), round(top * height) + 1)),
        )


def _require(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise ValueOutOfRange(name, value, lowest, highest)


DEFAULT_HEAD = HeadRegion(0.3, 0.08, 0.4, 0.5)


class Head:
    """The head of the first frame, uint8 RGB, to compare that of other frames with."""

    def __init__(self, first: np.ndarray, region: HeadRegion) -> None:
        self._region = region
        height, width = first.shape[:2]
        left, top, right, bottom = region.box(width, height)
        scale = min(1.0, (PIXELS / ((right - left) * (bottom - top))) ** 0.5)
        self._scale = scale
        self._size = max(TILE, round((right - left) * scale)), max(TILE, round((bottom - top) * scale))
        self._first = resized(first[top:bottom, left:right], *self._size)

    def changed(self, picture: np.ndarray) -> float:
        """How much of the first frame's head is not in ``picture``, 0..1, after both were laid on each other."""
        import numpy as np

        height, width = picture.shape[:2]
        left, top, right, bottom = self._region.box(width, height)
        # The frame with the rectangle's surroundings, where the head may have gone.
        reach = round(MOVED * self._size[0]), round(MOVED * self._size[1])
        wide = [round(each / self._scale) for each in reach]
        padded = np.pad(picture, ((wide[1], wide[1]), (wide[0], wide[0]), (0, 0)), mode="edge")
        around = padded[top : bottom + 2 * wide[1], left : right + 2 * wide[0]]
        place = resized(around, self._size[0] + 2 * reach[0], self._size[1] + 2 * reach[1])
        down, across = self._moved(place, reach)
        return share_lost(self._first, place[down : down + self._size[1], across : across + self._size[0]], TILE, REACH)

    def _moved(self, place: np.ndarray, reach: tuple[int, int]) -> tuple[int, int]:
        """Where in ``place`` the head fits best: found coarsely first, then to the pixel."""
        import numpy as np

        width, height = self._size

        def error(down: int, across: int) -> float:
            apart = squared_error(self._first, place[down : down + height, across : across + width])
            # Squares that do not fit at all, an eye that closed, shall not draw the rest away.
            return float(np.minimum(np.sqrt(tile_means(apart, 4)), 50).mean())

        step = 4
        coarse = [
            (down, across)
            for down in range(reach[1] % step, 2 * reach[1] + 1, step)
            for across in range(reach[0] % step, 2 * reach[0] + 1, step)
        ]
        best = min(coarse, key=lambda at: error(*at))
        fine = [
            (down, across)
            for down in range(max(0, best[0] - step + 1), min(2 * reach[1], best[0] + step - 1) + 1)
            for across in range(max(0, best[1] - step + 1), min(2 * reach[0], best[1] + step - 1) + 1)
        ]
        return min(fine, key=lambda at: error(*at))
