"""One MP4 file while it is being written: H.264 and AAC, interleaved, index in front."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EncodeFailed
from .aac_copy import CopiedSound, CopiedTrack
from .colour import BT709, FULL_RANGE, SCALER, STUDIO_RANGE
from .output import refusals
from .settings import EncodeSettings
from .sound import AacTrack, Sound, SoundSource

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import OutputContainer


class Mp4Writer:
    """Takes RGB frames one by one; every failure of encoder or disk is an ``EncodeFailed`` naming ``name``.

    A frame is compressed by a thread of this writer while the caller makes the next one, and while that is
    converted: on two cores the whole encode takes 9 % less time (dev.py bench encode). Everything else, the
    sources' code above all, runs in the caller's thread. What the encoder says of a frame is raised with the next.

    ``width`` and ``height`` are those of the file; frames of another size are scaled to it. Call
    ``add`` for each frame, run ``finish`` to its end, then ``close``. To give up, call ``abandon``.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        width: int,
        height: int,
        frame_rate: Fraction,
        sound: Sound | SoundSource | CopiedSound | None,
        settings: EncodeSettings,
        metadata: Mapping[str, str],
        left_colour: bool = False,
    ) -> None:
        from av.video.reformatter import VideoReformatter

        self.name = name
        self.frame_rate = frame_rate
        self.added = 0
        self.compressed = 0
        with refusals(self.name):
            self._container = new_mp4(path, frame_rate, sound, metadata)
            self._video = _add_video_stream(self._container, width, height, frame_rate, settings, left_colour)
            self._reformatter = VideoReformatter()
            self._threads = _threads_for_scaling()
            self._sound = None if sound is None else _add_sound(self._container, sound, settings.audio_kbps)
            # Opens the file and both encoders now: what they refuse comes up before the first frame.
            self._container.start_encoding()
        self._encoder = ThreadPoolExecutor(1, "storymotion-encode")
        self._in_work: Future[list[av.Packet]] | None = None

    def add(self, frame: np.ndarray | av.VideoFrame) -> None:
        """Encode one frame and the sound up to its end.

        An array is uint8 RGB ``[height, width, 3]``. A ``VideoFrame`` goes in as it is: it must have the size,
        the pixel format and the colours of the file.
        """
        import av

        with refusals(self.name):
            picture = frame if isinstance(frame, av.VideoFrame) else self._convert(frame)
            # Before the frame gets its time: a frame that is held on twos may be the one in work.
            self._take_packets()
            picture.pts = self.added
            picture.time_base = 1 / self.frame_rate
            self._in_work = self._encoder.submit(self._video.encode, picture)
            self.added += 1
            if self._sound is not None:
                self._container.mux(self._sound.encode_until(self._seconds()))

    def finish(self) -> Iterator[int]:
        """Empty the encoders; yields the number of compressed frames after each of the last ones."""
        with refusals(self.name):
            self._take_packets()
            for packet in self._video.encode_lazy(None):
                self._mux_video([packet])
                yield self.compressed
            if self._sound is not None:
                self._container.mux(self._sound.finish(self._seconds()))

    def close(self) -> None:
        """Write the index, move it in front of the frames and close the file."""
        self._encoder.shutdown()
        with refusals(self.name):
            self._container.close()

    def abandon(self) -> None:
        """Close the file without caring what it holds, so that it can be removed."""
        with suppress(EncodeFailed):
            self.close()

    def _convert(self, frame: np.ndarray) -> av.VideoFrame:
        import av

        return self._reformatter.reformat(
            av.VideoFrame.from_ndarray(frame, format="rgb24"),
            width=self._video.width,
            height=self._video.height,
            format=self._video.pix_fmt,
            dst_colorspace=BT709,
            src_color_range=FULL_RANGE,
            dst_color_range=STUDIO_RANGE,
            interpolation=SCALER,
            **self._threads,
        )

    def _take_packets(self) -> None:
        if self._in_work is not None:
            packets, self._in_work = self._in_work.result(), None
            self._mux_video(packets)

    def _mux_video(self, packets: list[av.Packet]) -> None:
        self._container.mux(packets)
        self.compressed += len(packets)

    def _seconds(self) -> Fraction:
        return self.added / self.frame_rate


def new_mp4(
    path: Path, frame_rate: Fraction, sound: Sound | SoundSource | CopiedSound | None, metadata: Mapping[str, str]
) -> OutputContainer:
    """Open an MP4 file for writing: index in front, ``metadata`` under its own keys, lengths to the sample."""
    import av

    container = av.open(
        # Absolute, because FFmpeg takes what precedes a colon in a relative path for a protocol.
        str(path.absolute()),
        mode="w",
        format="mp4",
        container_options={
            "movflags": "faststart+use_metadata_tags",
            "video_track_timescale": str(_video_timescale(frame_rate)),
            "movie_timescale": str(_movie_timescale(frame_rate, sound)),
        },
        metadata_errors="replace",
    )
    container.metadata.update(metadata)
    return container


def _add_video_stream(
    container: OutputContainer,
    width: int,
    height: int,
    frame_rate: Fraction,
    settings: EncodeSettings,
    left_colour: bool,
) -> av.VideoStream:
    options = {"preset": settings.speed, "crf": str(settings.crf)}
    if settings.tune != "none":
        options["tune"] = settings.tune
    if settings.pixel_format == "yuv420p" and not left_colour:
        # swscale puts the colours of four pixels in their middle; without this H.264 means their left side. A
        # decoder that heeds it showed colour edges half a pixel off: 0.3 dB of line art (measured, FFmpeg 8.1).
        options["x264-params"] = "chromaloc=1"
    stream = container.add_stream("libx264", rate=frame_rate, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, settings.pixel_format
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = STUDIO_RANGE
    # PyAV's default cuts every frame into as many slices as there are cores, which costs bits at the
    # same quality (4 % measured with 2 cores). x264's own default, whole frames in parallel, does not.
    context.thread_type = "FRAME"
    return stream


@cache
def _threads_for_scaling() -> dict[str, int]:
    """Keyword of ``reformat``: half the cores, up to 4; older PyAV has none, and one thread.

    PyAV's own default is as many threads as cores. The encoder's threads need those: on two cores the
    whole encode took 3 % longer, and on busy ones each frame waited for the slower half of its picture.
    """
    import av
    from av.video.reformatter import VideoReformatter

    threads = {"threads": max(1, min(4, (os.cpu_count() or 1) // 2))}
    try:
        VideoReformatter().reformat(av.VideoFrame(16, 16, "rgb24"), format="yuv420p", **threads)
    except TypeError:
        return {}
    return threads


def _add_sound(
    container: OutputContainer, sound: Sound | SoundSource | CopiedSound, kbps: int
) -> AacTrack | CopiedTrack:
    if isinstance(sound, CopiedSound):
        return CopiedTrack(container, sound)
    return AacTrack(container, sound, kbps)


def _video_timescale(frame_rate: Fraction) -> int:
    """Ticks per second of the video track, so that every frame begins on one. 10000 is the muxer's own least.

    Said here and not by the time base of the stream: PyAV 14 lets nobody set that of copied packets.
    """
    ticks = frame_rate.numerator
    while ticks < 10_000:
        ticks *= 2
    return ticks


def _movie_timescale(frame_rate: Fraction, sound: Sound | SoundSource | CopiedSound | None) -> int:
    """Ticks per second in which the edit lists state how long each track plays.

    The muxer's 1000 rounds to a millisecond, by which players cut up to that much off the sound's end
    (66048 of 66066 samples measured). This is a common multiple of both tracks' clocks, if it fits
    into the file's 32 bits.
    """
    if sound is None:
        return frame_rate.numerator
    both = math.lcm(frame_rate.numerator, sound.sample_rate)
    return both if both < 2**31 else sound.sample_rate
