"""The pictures of a film, shot after shot: decoded, scaled to its size and brought to its rate."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import UnreadableVideo
from .colour import BT709, FULL_COLOUR, FULL_RANGE, SCALER, STUDIO_RANGE
from .encode import require_rgb
from .film import FilmPlan, PlannedShot
from .parts import FilePart, in_stretch, is_transparent, opened
from .tracks import UPRIGHT, decoded

if TYPE_CHECKING:
    import av
    import numpy as np


def film_frames(plan: FilmPlan) -> Iterator[np.ndarray | av.VideoFrame]:
    """Every frame of the film; one shot is open at a time.

    Frames of a file that have the film's size, pixel format and colours come as they were decoded: a
    way through RGB would cost line art 0.6 dB (measured on the drawing of the tests). All others are
    uint8 RGB ``[height, width, 3]``.

    Raises ``UnreadableVideo`` naming the shot that breaks off or has other frames than it promised.
    """
    for shot in plan.shots:
        yield from _at_film_rate(shot, plan)


def _at_film_rate(shot: PlannedShot, plan: FilmPlan) -> Iterator[np.ndarray | av.VideoFrame]:
    """The frames that are nearest in time to those of the film: ``shot.frames`` of them."""
    source = _decoded(shot, plan) if isinstance(shot.part, FilePart) else _given(shot, plan)
    given, shown = 0, None
    for time, frame in source:
        while shown is not None and given < shot.frames and (given + Fraction(1, 2)) / plan.frame_rate < time:
            yield shown
            given += 1
        shown = frame
    assert shown is not None  # both sources raise when they have no frame
    for _ in range(given, shot.frames):
        yield shown


def _given(shot: PlannedShot, plan: FilmPlan) -> Iterator[tuple[Fraction, np.ndarray]]:
    """Frames of a shot in memory with their times in seconds."""
    assert not isinstance(shot.part, FilePart)
    fit = _Fitter(shot, plan)
    count = 0
    for count, frame in enumerate(shot.part.frames(), 1):
        require_rgb(frame, count - 1, (shot.part.height, shot.part.width, 3))
        yield (count - 1) / shot.facts.frame_rate, fit.array(frame)
    if count != shot.part.count:
        raise UnreadableVideo(shot.part.label, f"it has {count} frames instead of {shot.part.count}")


def _decoded(shot: PlannedShot, plan: FilmPlan) -> Iterator[tuple[Fraction, np.ndarray | av.VideoFrame]]:
    """Frames of a file with their times in seconds after the first one."""
    part = shot.part
    assert isinstance(part, FilePart)
    fit = _Fitter(shot, plan)
    facts = shot.facts
    seen, last, tick = 0, Fraction(-1), Fraction(0)
    with opened(part) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        tick = Fraction(stream.time_base or 0)
        for index, frame in enumerate(decoded(container, stream)):
            time = index if facts.counted else frame.pts
            clock = 1 / facts.frame_rate if facts.counted else tick
            if time is not None and not in_stretch(part, time, clock):
                if seen:  # the rest comes after the stretch
                    break
                continue
            last = seen / facts.frame_rate if time is None else time * clock - facts.origin
            seen += 1
            yield last, fit.picture(frame)
    # A decoder that leaves out a damaged frame in the middle shows the one before it longer. An end that
    # cannot be decoded is missing.
    if last + tick < shot.facts.last:
        raise UnreadableVideo(part.label, f"only {seen} of its {shot.facts.frames} frames can be decoded")


class _Fitter:
    """Makes RGB arrays of the film's size of the pictures of one shot: scaled as a whole, black around it."""

    def __init__(self, shot: PlannedShot, plan: FilmPlan) -> None:
        from av.video.reformatter import VideoReformatter

        self._outer = plan.width, plan.height
        self._pixel_format = plan.pixel_format
        self._turn = shot.facts.turn
        self._same_colour = shot.facts.left_colour == plan.left_colour
        width, height = shot.facts.size
        scale = min(Fraction(plan.width, width), Fraction(plan.height, height))
        self._inner = max(1, round(width * scale)), max(1, round(height * scale))
        self._reformatter = VideoReformatter()

    def array(self, frame: np.ndarray) -> np.ndarray:
        """A frame in memory, not copied if it has the size already."""
        import av

        if frame.shape[:2] == self._outer[::-1]:
            return frame
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        scaled = self._reformatter.reformat(picture, *self._inner, format="rgb24", interpolation=SCALER)
        return self._padded(scaled.to_ndarray())

    def picture(self, frame: av.VideoFrame) -> np.ndarray | av.VideoFrame:
        """A decoded frame, turned as its file wants it shown; as it is if the film can take it so."""

        if self._fits(frame):
            frame.pict_type = 0  # or x264 would make the same kinds of frames of it as the first encoder
            return frame
        width, height = self._inner[::-1] if self._turn.transposed else self._inner
        scaled = self._reformatter.reformat(
            frame,
            width,
            height,
            format="rgba" if is_transparent(frame) else "rgb24",
            # What is not tagged is taken for BT.601, as FFmpeg and ComfyUI do.
            src_colorspace=BT709 if frame.colorspace == BT709 else None,
            src_color_range=FULL_RANGE if frame.color_range == FULL_RANGE else STUDIO_RANGE,
            dst_color_range=FULL_RANGE,
            interpolation=SCALER | FULL_COLOUR,
        )
        return self._padded(self._turn.of(on_white(scaled.to_ndarray())))

    def _fits(self, frame: av.VideoFrame) -> bool:
        coded = frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range
        as_film = (
            self._same_colour
            and coded == (*self._outer, self._pixel_format, BT709, STUDIO_RANGE)
            and self._inner == self._outer
        )
        return as_film and self._turn == UPRIGHT

    def _padded(self, picture: np.ndarray) -> np.ndarray:
        import numpy as np

        width, height = self._outer
        if picture.shape[:2] == (height, width):
            return np.ascontiguousarray(picture)
        canvas = np.zeros((height, width, 3), np.uint8)
        top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        return canvas


def on_white(picture: np.ndarray) -> np.ndarray:
    """uint8 ``[height, width, 3]`` of ``[height, width, 3 or 4]``: what is transparent shows white paper behind it."""
    import numpy as np

    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:].astype(np.uint16)
    return ((picture[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
