"""What a video file says about itself, without decoding it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnreadableVideo
from .output import reason_of
from .tracks import sound_track

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.stream import Stream


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
    """The first video track and the first audio track of a file that can be decoded.

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

    Of a file that breaks off, ``frames`` counts what is there; the lengths are what its header says.

    Raises ``UnreadableVideo`` if the file is not there, is not a media file, or holds no video.
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
            if stream.codec_context is None:
                raise UnreadableVideo(name, "its pictures are coded in a way that is not known here")
            # Packets without data only end the stream; discarded ones are cut off by an edit list.
            frames = sum(packet.size > 0 and not packet.is_discard for packet in container.demux(stream))
            return VideoFacts(
                width=stream.width,
                height=stream.height,
                frames=frames,
                frame_rate=Fraction(stream.average_rate or 0),
                codec=stream.codec_context.name,
                # Not stream.pix_fmt: PyAV 17.0.1 and 17.1 crash there on a file that was cut off.
                pixel_format=stream.format.name if stream.format else "",
                colour=_colour(stream.codec_context),
                sound=_sound(container),
                seconds=max(_seconds(track, container) for track in container.streams),
            )
    except (FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(name, reason_of(error)) from error


def _colour(context: av.VideoCodecContext) -> ColourTags:
    full_range = {1: False, 2: True}.get(context.color_range)
    return ColourTags(context.color_primaries, context.color_trc, context.colorspace, full_range)


def _sound(container: InputContainer) -> SoundFacts | None:
    stream = sound_track(container)
    if stream is None:
        return None
    channels = len(stream.layout.channels)
    return SoundFacts(stream.codec_context.name, stream.rate, channels, _seconds(stream, container))


def _seconds(stream: Stream, container: InputContainer) -> Fraction:
    """The track's own length, exact; of files that state only one for all, that one, in microseconds."""
    import av

    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, av.time_base)
