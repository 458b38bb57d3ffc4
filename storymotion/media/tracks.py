"""The tracks of a file that can be decoded, the frames of its pictures, and how they are to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer

# FFmpeg's own decoders of these leave out the alpha channel, which WebM stores beside the picture.
DECODERS_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True)
class Turn:
    """How a decoded picture becomes the one that is shown: rows for columns first, then mirrored."""

    transposed: bool = False
    left_right: bool = False
    top_bottom: bool = False

    def of(self, picture: np.ndarray) -> np.ndarray:
        """``picture`` ``[height, width, ...]`` turned; a view."""
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        return picture[:: -1 if self.top_bottom else 1, :: -1 if self.left_right else 1]


UPRIGHT = Turn()


def turn_of(frame: av.VideoFrame) -> Turn:
    """What the file says about ``frame``, to the nearest quarter turn; it may be mirrored, as of front cameras.

    The display matrix of ISO/IEC 14496-12 has nine numbers of 32 bits, in the order a b u c d v x y w; the
    point (x, y) is shown at (a x + c y, b x + d y).
    """
    import numpy as np

    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return UPRIGHT
    a, b, c, d = (int(each) for each in np.frombuffer(bytes(matrix), np.int32)[[0, 1, 3, 4]])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Turn(True, c < 0, b < 0)
    return Turn(False, a < 0, d < 0)


def sound_track(container: InputContainer) -> av.AudioStream | None:
    """The first audio track that can be decoded: telephones add others, and to touch those ends the process."""
    return next((track for track in container.streams.audio if track.codec_context is not None), None)


def decoded(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """The frames of ``stream`` in the order in which they are shown, with their alpha channel if they have one."""
    import av

    name = DECODERS_WITH_ALPHA.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        yield from container.decode(stream)
        return
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    for packet in container.demux(stream):
        yield from decoder.decode(packet if packet.size else None)
