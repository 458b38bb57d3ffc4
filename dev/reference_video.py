"""Make the sample reference of the IC-LoRA workflow: the scene's outlines while the child turns to the window.

    python -m dev.reference_video [FILE]

FILE is the one in the repository by default. White on black is what an edge detector makes of a video, one of the kinds
of reference that Lightricks' Union Control IC-LoRA follows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy
from PIL import Image

from storymotion.media.encode import encode_mp4

from .drawings import REPOSITORY, scene
from .pen import inked

REFERENCE = REPOSITORY / "workflows" / "input" / "storymotion_reference.mp4"
WIDTH, HEIGHT = 448, 256
FRAMES, FRAME_RATE = 49, 24  # 2 s and one frame: LTX-2's 8k+1
REST = 8  # frames at both ends in which nothing moves


def moment_of(frame: int) -> float:
    """How far the movement is in that frame, 0..1: it starts and ends softly."""
    way = min(1.0, max(0.0, (frame - REST) / (FRAMES - 1 - 2 * REST)))
    return way * way * (3 - 2 * way)


def reference_frame(moment: float) -> Image.Image:
    """The scene's outlines at that moment, as the video shows them."""
    outlines = inked(scene(moment))
    wide = outlines.height * WIDTH // HEIGHT
    left = (outlines.width - wide) // 2
    part = outlines.crop((left, 0, left + wide, outlines.height))
    return part.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).convert("RGB")


def frames() -> Iterator[numpy.ndarray]:
    """All frames as the encoder wants them; a picture that stays is drawn once."""
    drawn: dict[float, numpy.ndarray] = {}
    for frame in range(FRAMES):
        moment = moment_of(frame)
        if moment not in drawn:
            drawn = {moment: numpy.asarray(reference_frame(moment))}
        yield drawn[moment]


def main() -> None:
    """Make the video and print its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", default=REFERENCE)
    file = parser.parse_args().file
    encode_mp4(file, frames(), FRAMES, WIDTH, HEIGHT, Fraction(FRAME_RATE))
    print(f"{file.stat().st_size:>8,}  {file.name}")


if __name__ == "__main__":
    main()
