"""How close an encoded file is to the frames it was made of: PSNR, over the picture and along its lines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from .colour import as_shown
from .output import refusals

if TYPE_CHECKING:
    import av
    import numpy as np

# Enough to tell 0.1 dB apart in a shot, and few enough to cost a small part of its encode.
USUAL_SAMPLES = 8
# Frames are kept until the file is complete: of large ones fewer, and at least one.
LARGEST_SAMPLES = 64 << 20
# Frames from one key frame to the next, at most: x264's default.
LONGEST_GROUP = 250
# Stands for "identical", which has no number of decibels.
IDENTICAL = 100.0


@dataclass(frozen=True)
class Quality:
    """Peak signal-to-noise ratio in dB over all of ``frames`` frames, as 8-bit RGB; 100 means identical.

    ``edge_psnr`` weighs every pixel by how strong an edge of the drawing it lies on: errors in flat
    areas hardly count. It is None where the frames have no edges at all.
    """

    psnr: float
    edge_psnr: float | None
    frames: int


class Differences:
    """Adds up squared differences between shown and drawn frames; ``quality`` is what they come to."""

    def __init__(self) -> None:
        self.frames = 0
        self._plain = 0.0
        self._weighted = self._weights = 0.0

    def add(self, shown: np.ndarray, drawn: np.ndarray) -> None:
        """Two pictures of one size, uint8 RGB ``[height, width, 3]``."""
        import numpy as np

        squares = np.square(shown.astype(np.float32) - drawn).mean(axis=2)
        weights = edge_weights(drawn)
        self.frames += 1
        self._plain += float(squares.mean(dtype=np.float64))
        self._weighted += float((squares * weights).sum(dtype=np.float64))
        self._weights += float(weights.sum(dtype=np.float64))

    @property
    def quality(self) -> Quality | None:
        """The figures of all frames so far, None of none."""
        if not self.frames:
            return None
        edges = decibels(self._weighted / self._weights) if self._weights else None
        return Quality(decibels(self._plain / self.frames), edges, self.frames)


def decibels(mean_square: float) -> float:
    """PSNR of 8-bit values whose mean squared error is ``mean_square``, at most 100 dB."""
    return min(IDENTICAL, 10 * math.log10(255**2 / mean_square)) if mean_square > 0 else IDENTICAL


def edge_weights(drawn: np.ndarray) -> np.ndarray:
    """float32 ``[height, width]``, 0..255: the largest step of any colour to a neighbour, here or one pixel away."""
    import numpy as np

    height, width = drawn.shape[:2]
    steps = np.zeros((height + 2, width + 2), np.uint8)
    inner = steps[1:-1, 1:-1]
    down = _steps(drawn[1:], drawn[:-1])
    across = _steps(drawn[:, 1:], drawn[:, :-1])
    np.maximum(inner[1:], down, out=inner[1:])
    np.maximum(inner[:-1], down, out=inner[:-1])
    np.maximum(inner[:, 1:], across, out=inner[:, 1:])
    np.maximum(inner[:, :-1], across, out=inner[:, :-1])
    rows = np.maximum(np.maximum(steps[:-2], steps[1:-1]), steps[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]).astype(np.float32)


def _steps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    import numpy as np

    return (np.maximum(one, other) - np.minimum(one, other)).max(axis=2)


class QualitySamples:
    """Keeps a few frames on their way into an encoder, and compares them with the file when it is complete.

    At most ``asked`` frames, evenly spread over ``frame_count``, and no more than 64 MB of them. ``quality`` is
    what ``compare`` found, None if no frame was kept.
    """

    def __init__(self, asked: int, frame_count: int, frame_bytes: int) -> None:
        count = min(asked, frame_count, max(1, LARGEST_SAMPLES // frame_bytes)) if asked > 0 else 0
        self._chosen = {(2 * number + 1) * frame_count // (2 * count) for number in range(count)}
        self._kept: dict[int, np.ndarray] = {}
        self.quality: Quality | None = None

    def offer(self, index: int, frame: np.ndarray | av.VideoFrame) -> None:
        """Frame ``index`` as the encoder gets it; a copy is kept if it is one of the chosen."""
        if index not in self._chosen:
            return
        import av

        self._kept[index] = as_shown(frame) if isinstance(frame, av.VideoFrame) else frame.copy()

    def compare(self, path: Path, name: str, frame_rate: Fraction) -> Iterator[None]:
        """Make ``quality`` the figures of the file, ``EncodeFailed`` with ``name`` if it cannot be read.

        Yields for every frame that is decoded: at most the stretches from the key frame before each sample, and
        no frame twice, so that the cost does not grow with the length. A file of twice the size is averaged down
        first; where a row or column was added or taken away, the rest is compared.
        """
        import av

        if not self._kept:
            return
        found = Differences()
        with refusals(name), av.open(str(path.absolute())) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            tick = Fraction(stream.time_base or 0)
            frames, reached = container.decode(stream), -1
            for index in sorted(self._kept):
                # The next key frame may be as far away as the sample: going on is never dearer than going back.
                if index - reached > LONGEST_GROUP:
                    container.seek(round(index / frame_rate / tick), stream=stream)
                    frames = container.decode(stream)
                for frame in frames:
                    yield
                    if frame.pts is not None and (reached := round(frame.pts * tick * frame_rate)) >= index:
                        found.add(*_same_size(as_shown(frame), self._kept[index]))
                        break
        self.quality = found.quality


def _same_size(shown: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = drawn.shape[:2]
    if shown.shape[:2] == (2 * height, 2 * width):
        shown = shown.reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
    height, width = min(height, shown.shape[0]), min(width, shown.shape[1])
    return shown[:height, :width], drawn[:height, :width]
