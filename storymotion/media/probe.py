"""What a video file says about itself, without decoding it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnreadableVideo
from .output import reason_of

if TYPE_CHECKING:
    import av
    from av.container import InputContainer


@dataclass(frozen=True)
class ColourTags:
    """Code points of ITU-T H.273 for primaries, transfer curve and matrix (1 = BT.709, 2 = not stated).

    ``full_range`` is False for studio range (black at 16, white at 235), None if not stated.
    """

    primaries: int
    transfer: int
    matrix: int
    full_range: bool | None


@dataclass(frozen=True)
class SoundFacts:
    """The first audio track: ``codec`` as FFmpeg names it, ``seconds`` as a player plays them."""

    codec: str
    sample_rate: int
    channels: int
    seconds: Fraction


@dataclass(frozen=True)
class VideoFacts:
    """The first video track and the first audio track of a file.

    ``frames`` is counted, not read from the header; ``frame_rate`` is the average, frames per second;
    ``seconds`` is the length of the whole file. ``sound`` is None if there is no audio.
    """

    width: int
    height: int
    frames: int
    frame_rate: Fraction
    codec: str
    pixel_format: str
    colour: ColourTags
    sound: SoundFacts | None
    seconds: Fraction


def probe(path: str | os.PathLike[str]) -> VideoFacts:
    """Read the facts of the video file at ``path``. It is read once to its end, but not decoded.

    Raises ``UnreadableVideo`` if the file is not there, is not a video or breaks off.
    """
    import av
    from av.error import FFmpegError

    name = Path(path).name
    try:
        # Absolute, because FFmpeg takes what precedes a colon in a relative path for a protocol.
        with av.open(str(Path(path).absolute()), metadata_errors="replace") as container:
            if not container.streams.video:
                raise UnreadableVideo(name, "it holds no video")
            stream = container.streams.video[0]
            # Packets without data only end the stream; discarded ones are cut off by an edit list.
            frames = sum(packet.size > 0 and not packet.is_discard for packet in container.demux(stream))
            return VideoFacts(
                width=stream.width,
                height=stream.height,
                frames=frames,
                frame_rate=Fraction(stream.average_rate or 0),
                codec=stream.codec_context.name,
                pixel_format=stream.pix_fmt or "",
                colour=_colour(stream.codec_context),
                sound=_sound(container),
                seconds=Fraction(container.duration or 0, av.time_base),
            )
    except (FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(name, reason_of(error)) from error


def _colour(context: av.VideoCodecContext) -> ColourTags:
    full_range = {1: False, 2: True}.get(context.color_range)
    return ColourTags(context.color_primaries, context.color_trc, context.colorspace, full_range)


def _sound(container: InputContainer) -> SoundFacts | None:
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    seconds = Fraction(0) if stream.duration is None else stream.duration * stream.time_base
    return SoundFacts(stream.codec_context.name, stream.rate, len(stream.layout.channels), seconds)
