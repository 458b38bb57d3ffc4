"""The plan of a shot: width, height, frames and fps that LTX-2 can make, and what was changed to get there."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from .errors import FramesNotOnGrid, ShotWithoutSound, SizeNotMultiple, UnknownChoice, ValueOutOfRange
from .report import Line, line

FROM_IMAGE = "from image"
# The video VAE packs 32 x 32 pixels; the two-stage pipelines render stage 1 at half size, hence 64
# (ltx_pipelines.utils.helpers.assert_resolution).
GRID = {"one": 32, "two": 64}
# The video VAE packs 8 frames after the first one. The SDK accepts other counts and then cuts the
# video without cutting the sound (measured on 1.0.0: 16 frames asked, 9 made).
FRAME_GRID = 8
# Sound latents a second; with none the SDK stops in the middle of the run.
SOUND_LATENTS_PER_SECOND = 25
LONGEST_SECONDS = 60.0
FPS_RANGE = (1.0, 120.0)
LARGEST_SIDE = 8192
# Film and broadcast rates that are written as decimals but are fractions.
NTSC_RATES = tuple(Fraction(base * 1000, 1001) for base in (24, 30, 48, 60, 120))


@dataclass(frozen=True)
class SizePreset:
    """A named size in pixels; both sides are multiples of 64, so it serves one and two stages."""

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class ShotPlan:
    """A size (pixels), a frame count (8k+1) and a rate (frames per second) that can be rendered as they are."""

    width: int
    height: int
    frames: int
    fps: float
    notes: tuple[Line, ...]

    @property
    def seconds(self) -> float:
        """How long the video plays."""
        return self.frames / self.fps


@lru_cache(maxsize=1)
def _sizes() -> dict:
    return json.loads((Path(__file__).parent / "sizes.json").read_text(encoding="utf-8"))


def size_presets() -> tuple[SizePreset, ...]:
    """The named sizes, in the order in which they are offered."""
    return tuple(SizePreset(**preset) for preset in _sizes()["presets"])


def size_choices() -> tuple[str, ...]:
    """Names of all sizes, the one taken from the picture last."""
    return (*(preset.name for preset in size_presets()), FROM_IMAGE)


def plan_shot(
    seconds: float, fps: float, size: str, stages: str = "two", image_size: tuple[int, int] | None = None
) -> ShotPlan:
    """Plan a shot that lasts at least ``seconds`` (0 < s <= 60) at ``fps`` (1..120).

    ``size`` is a preset's name, or "from image": then the size keeps the aspect of ``image_size``
    (width, height in pixels) at about the pixels of 1280 x 704. ``stages`` ("two" or "one") says
    which grid both sides must be on.

    Raises ValueOutOfRange, UnknownChoice.
    """
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ValueOutOfRange("seconds", seconds, 0.1, LONGEST_SECONDS)
    check_fps(fps)
    if stages not in GRID:
        raise UnknownChoice("stages", stages, ", ".join(GRID))
    notes: list[Line] = []
    if size == FROM_IMAGE:
        if image_size is None:
            raise UnknownChoice("size", size, ", ".join((*size_choices()[:-1], "from image, with an image connected")))
        width, height = _size_like(image_size, GRID[stages])
    else:
        preset = next((each for each in size_presets() if each.name == size), None)
        if preset is None:
            raise UnknownChoice("size", size, ", ".join(size_choices()))
        width, height = preset.width, preset.height
    frames = frames_for(seconds, fps)
    notes.append(line("plan", width=width, height=height, frames=frames, fps=fps, seconds=frames / fps))
    asked = seconds * fps
    if abs(frames - asked) >= 0.5:
        notes.append(line("plan-frames-snapped", asked=round(asked), frames=frames, change=frames / fps - seconds))
    if image_size is not None:
        notes.extend(_crop_note(image_size, width, height))
    return ShotPlan(width, height, frames, fps, tuple(notes))


def frames_for(seconds: float, fps: float) -> int:
    """The smallest frame count on the grid (8k+1) that does not cut ``seconds`` short by half a frame or more.

    At 24 fps 8 s are 193 frames. A line of dialogue must not lose its end, so the count never snaps down.
    """
    asked = math.ceil(seconds * fps - 0.5)
    return max(1, FRAME_GRID * math.ceil((asked - 1) / FRAME_GRID) + 1)


def _size_like(image_size: tuple[int, int], grid: int) -> tuple[int, int]:
    """The size on the grid whose aspect is nearest to the picture's, near the wanted number of pixels."""
    image_width, image_height = image_size
    wanted_pixels = _sizes()["from_image_pixels"]
    aspect = min(max(image_width / image_height, 1 / 4), 4.0)
    best: tuple[float, tuple[int, int]] | None = None
    for columns in range(1, LARGEST_SIDE // grid + 1):
        width = columns * grid
        height = grid * max(1, round(width / aspect / grid))
        pixels = math.log(width * height / wanted_pixels)
        if abs(pixels) > 0.15:
            continue
        # A wrong aspect costs picture (the rest is cropped away), a few more or fewer pixels cost little.
        cost = abs(math.log(width / height / aspect)) + 0.1 * abs(pixels)
        if best is None or cost < best[0]:
            best = (cost, (width, height))
    assert best is not None  # 15 % of pixels always hold a size on a grid of 64 up to aspect 4:1
    return best[1]


def _crop_note(image_size: tuple[int, int], width: int, height: int) -> list[Line]:
    """The SDK scales a guide until it covers the shot and crops the rest; say how much that is."""
    image_width, image_height = image_size
    scale = max(width / image_width, height / image_height)
    kept = (width * height) / (image_width * scale * image_height * scale)
    lost = round((1 - kept) * 100)
    side = "width" if width / image_width < height / image_height else "height"
    return [line(f"plan-crops-{side}", percent=lost)] if lost >= 1 else []


def check_size(width: int, height: int, stages: str) -> None:
    """Both sides must be positive multiples of 32 (one stage) or 64 (two) pixels; raises SizeNotMultiple."""
    grid = GRID[stages]
    for side, value in (("width", width), ("height", height)):
        if value > LARGEST_SIDE:
            raise ValueOutOfRange(side, value, grid, LARGEST_SIDE)
        if value < grid or value % grid:
            lower = max(grid, value // grid * grid)
            raise SizeNotMultiple(side, value, grid, lower, lower + grid)


def check_frames(frames: int, fps: float) -> None:
    """``frames`` must be 8k+1 and last long enough for sound; raises FramesNotOnGrid, ShotWithoutSound."""
    check_fps(fps)
    if frames < 1 or frames % FRAME_GRID != 1:
        lower = max(1, (frames - 1) // FRAME_GRID * FRAME_GRID + 1)
        raise FramesNotOnGrid(frames, lower, lower + FRAME_GRID)
    if round(frames / fps * SOUND_LATENTS_PER_SECOND) < 1:
        raise ShotWithoutSound(frames, fps, frames / fps)


def check_fps(fps: float) -> None:
    """Frames per second from 1 to 120; raises ValueOutOfRange, also for NaN."""
    lowest, highest = FPS_RANGE
    if not lowest <= fps <= highest:
        raise ValueOutOfRange("fps", fps, lowest, highest)


def exact_frame_rate(fps: float) -> Fraction:
    """The rate that a decimal stands for: 23.976 is 24000/1001, 24.0 is 24, 12.5 is 25/2."""
    check_fps(fps)
    for rate in NTSC_RATES:
        if abs(float(rate) - fps) < 0.001:
            return rate
    return Fraction(fps).limit_denominator(1000)
