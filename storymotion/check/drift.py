"""How far a frame is from the picture that the shot was made from: its shapes and colours, and its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .pixels import brightness, resized, share_lost, smoothed

if TYPE_CHECKING:
    import numpy as np

# Shapes are compared on a thumbnail of about this many pixels, in squares of TILE pixels that may have moved by REACH.
SHAPE_PIXELS = 6000
TILE, REACH = 8, 8
# A step of brightness from one pixel to the next but one that counts as an edge, in levels.
EDGE = 20.0
DIRECTIONS = 4
# Edges are counted in a grid of about so many cells along the longer side, each spread over two neighbours
# on every side, so that lines may move a little.
CELLS = 14


class Reference:
    """The picture, uint8 RGB, that frames of the same size are compared with."""

    def __init__(self, picture: np.ndarray) -> None:
        height, width = picture.shape[:2]
        scale = min(1.0, (SHAPE_PIXELS / (width * height)) ** 0.5)
        self._size = max(TILE, round(width * scale)), max(TILE, round(height * scale))
        self._shapes = resized(picture, *self._size)
        self._edges = edge_counts(brightness(picture))

    def structure(self, picture: np.ndarray) -> float:
        """How much of the shapes and colours is gone, 0..1; what moved by up to a twelfth of the width is not."""
        return share_lost(self._shapes, resized(picture, *self._size), TILE, REACH)

    def edges(self, luma: np.ndarray) -> float:
        """How much the lines differ, 0..1: in amount, direction and roughly in place. ``luma`` is the frame's."""
        import numpy as np

        counts = edge_counts(luma)
        most = np.maximum(counts, self._edges).sum()
        return float(1 - np.minimum(counts, self._edges).sum() / most) if most else 0.0


def edge_counts(luma: np.ndarray) -> np.ndarray:
    """Strength of edges by direction and place: float32 ``[4, rows, columns]``."""
    import numpy as np

    soft = smoothed(luma)
    down, across = np.zeros_like(soft), np.zeros_like(soft)
    down[1:-1] = soft[2:] - soft[:-2]
    across[:, 1:-1] = soft[:, 2:] - soft[:, :-2]
    strength = np.hypot(down, across)
    strength[strength < EDGE] = 0
    # An edge has no front and back: its angle is taken modulo 180 degrees.
    direction = np.floor(np.arctan2(down, across) / np.pi * DIRECTIONS + 0.5).astype(np.int8) % DIRECTIONS
    height, width = luma.shape
    cell = max(2, -(-max(height, width) // CELLS))
    rows, columns = np.arange(height) // cell, np.arange(width) // cell
    counts = np.zeros((DIRECTIONS, rows[-1] + 1, columns[-1] + 1), np.float32)
    np.add.at(counts, (direction, rows[:, None], columns[None]), strength)
    return np.stack([smoothed(smoothed(counts[each])) for each in range(DIRECTIONS)])
