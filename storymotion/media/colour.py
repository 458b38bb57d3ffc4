"""The colours of the files that are written, and where in a picture they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    import numpy as np

# Code points of ITU-T H.273: BT.709 is 1 as colour primaries, as transfer curve and as matrix.
BT709 = 1
# FFmpeg's AVColorRange.
STUDIO_RANGE, FULL_RANGE = 1, 2
# libswscale: SWS_LANCZOS | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND, as numbers because older PyAV names
# only the first. With the second every column of the drawing counts for the colour, where the shortcut
# averages pairs before it filters; with the third colour is off by at most half a step, else by one.
SCALER = 0x200 | 0x4000 | 0x40000
# SWS_FULL_CHR_H_INT, for conversion to RGB: colour is brought to full size by the filter, not by repeating pixels.
FULL_COLOUR = 0x2000


def as_shown(frame: av.VideoFrame) -> np.ndarray:
    """A decoded BT.709 frame as a player shows it: uint8 RGB ``[height, width, 3]``."""
    from av.video.reformatter import VideoReformatter

    shown = VideoReformatter().reformat(
        frame,
        format="rgb24",
        src_colorspace=BT709,
        src_color_range=STUDIO_RANGE,
        dst_color_range=FULL_RANGE,
        interpolation=SCALER | FULL_COLOUR,
    )
    return shown.to_ndarray()


def has_left_colour(frame: av.VideoFrame) -> bool:
    """Whether each colour of 4:2:0 lies between the two left ones of its four pixels, not in the middle of all.

    H.264 means the left unless it says otherwise; what swscale makes of RGB lies in the middle. PyAV does not
    tell which it is, but FFmpeg's conversion heeds it (from FFmpeg 8 on; before, all is taken for the middle):
    of one picture a frame that says left becomes another than a frame that says nothing. ``frame`` is spoilt.
    """
    import av
    import numpy as np

    if frame.format.name != "yuv420p":
        return False
    for plane in frame.planes:
        steps = np.arange(plane.buffer_size) % plane.line_size // 2 % 2 * 100 + 50
        plane.update(steps.astype(np.uint8).tobytes())
    silent = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
    return not np.array_equal(as_shown(frame), as_shown(silent))
