"""The frames of a shot made small, one by one: for what looks at a shot as a whole and needs no detail."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from .film import FilmPlan, plan_film
from .film_frames import film_frames
from .parts import Part

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class SmallShot:
    """``pictures`` gives ``frames`` uint8 RGB arrays ``[height, width, 3]``, each ``1 / frame_rate`` s after the other.

    ``full_width`` and ``full_height`` are the shot's own size as a player shows it. ``pictures`` can be used once.
    """

    pictures: Iterator[np.ndarray]
    frames: int
    width: int
    height: int
    frame_rate: Fraction
    full_width: int
    full_height: int


def small_shot(part: Part, most_pixels: int) -> SmallShot:
    """``part`` with at most about ``most_pixels`` pixels a frame; a smaller one keeps its size.

    A file is read once to its end here, and decoded when ``pictures`` is used, one frame at a time: turned as
    it is to be shown, frames of a variable rate repeated or left out to come at even distances.

    Raises ``UnreadableVideo`` naming the part; ``pictures`` too, when the file breaks off.
    """
    plan = plan_film([part])
    width, height = small_size(plan.width, plan.height, most_pixels)
    # The film's own way to bring pictures to one size.
    small = replace(plan, width=width, height=height, pixel_format="rgb24")
    return SmallShot(_arrays(small), plan.frames, width, height, plan.frame_rate, plan.width, plan.height)


def _arrays(plan: FilmPlan) -> Iterator[np.ndarray]:
    import numpy as np

    for picture in film_frames(plan):
        yield picture if isinstance(picture, np.ndarray) else picture.to_ndarray(format="rgb24")


def small_size(width: int, height: int, most_pixels: int) -> tuple[int, int]:
    """The size in which a picture of ``width`` x ``height`` has at most about ``most_pixels``, never a larger one.

    A picture that is scaled as a whole into that size fills it, to the pixel.
    """
    scale = min(1.0, math.sqrt(most_pixels / (width * height)))
    small = max(1, round(width * scale)), max(1, round(height * scale))
    while True:
        fitting = min(Fraction(small[0], width), Fraction(small[1], height))
        inner = max(1, round(width * fitting)), max(1, round(height * fitting))
        if inner == small:
            return small
        small = inner
