"""What a film is joined from: shots in files and shots in memory, and what is known of each before it is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NoFrames, UnreadableVideo, WideColour
from .colour import BT709, STUDIO_RANGE, has_left_colour
from .output import reason_of
from .sound import LAYOUTS, Sound
from .tracks import UPRIGHT, Turn, decoded, sound_track, turn_of

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import InputContainer

# Code points of ITU-T H.273 that BT.709 in 8 bits cannot hold: by transfer curve, by colour primaries.
WIDE_CURVES = {16: "HDR (PQ)", 18: "HDR (HLG)"}
WIDE_PRIMARIES = {9: "BT.2020"}

# Frames a second that a video of a variable rate gets at most, unless it has more on average.
MOST_FOR_UNSTEADY = 60
# The clock of Matroska and Flash: times that were in it are rounded to it for ever.
MILLISECOND = Fraction(1, 1000)

# What must be the same for two files' packets to follow each other in one track.
Coding = tuple[object, ...]


@dataclass(frozen=True)
class FilePart:
    """The first video track and the first audio track of a file; ``label`` is what errors and reports call it.

    ``start`` and ``length`` choose a stretch of it in seconds of the file's own clock; without ``length``
    it goes on to the end.
    """

    path: Path
    label: str
    start: float = 0.0
    length: float | None = None


@dataclass(frozen=True, eq=False)
class FramesPart:
    """A shot in memory: ``frames()`` gives ``count`` uint8 RGB arrays ``[height, width, 3]`` one by one."""

    label: str
    frames: Callable[[], Iterator[np.ndarray]]
    count: int
    width: int
    height: int
    frame_rate: Fraction
    sound: Sound | None


Part = FilePart | FramesPart


@dataclass(frozen=True)
class PartFacts:
    """A part as a player shows it.

    ``width`` and ``height`` are pixels after rotation and pixel shape. ``steady`` is whether its
    ``frames`` come at even distances; then ``seconds`` is exactly ``frames / frame_rate``. ``origin`` is
    when the first frame is shown, on the clock of the file, and ``last`` how many seconds after that the
    last one is. ``sound_rate`` (Hz) and ``channels`` are 0 without sound.

    ``counted`` is whether a file says nothing about when its frames are shown: then they come one after the
    other. ``turn`` is how a decoded frame becomes the shown one, ``left_colour`` whether it is one already, in
    the colours of the files of this pack, but for their place (see ``has_left_colour``).

    ``transparent`` is whether the frames have an alpha channel, ``bits`` how many a colour has.

    ``coding`` is None if the packets cannot be copied into an MP4. ``reorder`` is by how many frames
    the first picture in decoding order must come early, so that each is decoded before it is shown.
    """

    width: int
    height: int
    frame_rate: Fraction
    frames: int
    seconds: Fraction
    steady: bool = True
    pixel_format: str = "rgb24"
    sound_rate: int = 0
    channels: int = 0
    layout: str = ""
    origin: Fraction = Fraction(0)
    last: Fraction = Fraction(0)
    coding: Coding | None = None
    reorder: int = 0
    counted: bool = False
    turn: Turn = UPRIGHT
    left_colour: bool = False
    transparent: bool = False
    bits: int = 8

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


def facts_of(part: Part) -> PartFacts:
    """Read what is known of ``part``; a file is read once to its end, and its first frame is decoded.

    Raises ``UnreadableVideo`` with the part's label if the file is not there, is broken, breaks off or
    holds no video, or the part has no frames (``NoFrames`` if it has no label); ``WideColour`` if its
    colours do not fit into BT.709.
    """
    if isinstance(part, FilePart):
        return _facts_of_file(part)
    if part.count < 1:
        raise UnreadableVideo(part.label, "it has no frames") if part.label else NoFrames()
    rate = Fraction(part.frame_rate)
    sound = part.sound
    return PartFacts(
        width=part.width,
        height=part.height,
        frame_rate=rate,
        frames=part.count,
        seconds=part.count / rate,
        sound_rate=sound.sample_rate if sound else 0,
        channels=sound.waveform.shape[0] if sound else 0,
        layout=sound.layout if sound else "",
    )


@contextmanager
def opened(part: FilePart) -> Iterator[InputContainer]:
    """The part's file, open. What FFmpeg cannot read of it inside the block is ``UnreadableVideo``."""
    import av
    from av.error import FFmpegError

    try:
        # Absolute, because FFmpeg takes what precedes a colon in a relative path for a protocol.
        with av.open(str(part.path.absolute()), metadata_errors="replace") as container:
            yield container
    except (FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(part.label, reason_of(error)) from error


def in_stretch(part: FilePart, pts: int, tick: Fraction) -> bool:
    """Whether the frame shown at ``pts`` (in units of ``tick`` seconds) belongs to the part.

    Both ends are rounded down to the file's clock, as ComfyUI's own trimmed VIDEO does it.
    """
    if part.length is not None and pts >= int((part.start + part.length) / tick):
        return False
    return pts >= int(part.start / tick)


@dataclass(frozen=True)
class _Timing:
    """The clock of a video track: ``shown`` in decoding order, in ticks.

    ``clean`` is whether nothing must be cut off, ``counted`` whether there is no clock: ``shown`` just counts.
    """

    shown: list[int]
    tick: Fraction
    rate: Fraction
    steady: bool
    seconds: Fraction
    clean: bool
    counted: bool


def _facts_of_file(part: FilePart) -> PartFacts:
    with opened(part) as container:
        if not container.streams.video:
            raise UnreadableVideo(part.label, "it holds no video")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise UnreadableVideo(part.label, "its pictures are coded in a way that is not known here")
        _refuse_wide_colour(part, stream.codec_context)
        timing = _timing_of(part, container, stream)
        coding = _coding_of(stream) if timing.steady and timing.clean else None
        audio = sound_track(container)
        if audio is None and container.streams.audio:
            raise UnreadableVideo(part.label, "its sound is coded in a way that is not known here")
        sound_rate = audio.rate if audio else 0
        channels = len(audio.layout.channels) if audio else 0
        layout = LAYOUTS.get(channels, audio.layout.name) if audio else ""
    frame, shape = _first_frame(part)
    turn = turn_of(frame)
    width, height = max(1, round(frame.width * shape)), frame.height
    return PartFacts(
        width=height if turn.transposed else width,
        height=width if turn.transposed else height,
        frame_rate=timing.rate,
        frames=len(timing.shown),
        seconds=timing.seconds,
        steady=timing.steady,
        pixel_format=frame.format.name,
        sound_rate=sound_rate,
        channels=channels,
        layout=layout,
        origin=min(timing.shown) * timing.tick,
        last=(max(timing.shown) - min(timing.shown)) * timing.tick,
        coding=coding and (*coding, frame.format.name, shape, turn),
        reorder=_reorder_of(timing),
        counted=timing.counted,
        turn=turn,
        transparent=is_transparent(frame),
        bits=max((component.bits for component in frame.format.components), default=8),
        # Last, for it spoils the frame.
        left_colour=(frame.colorspace, frame.color_range, shape, turn) == (BT709, STUDIO_RANGE, 1, UPRIGHT)
        and has_left_colour(frame),
    )


def is_transparent(frame: av.VideoFrame) -> bool:
    """Whether ``frame`` has an alpha channel; a palette may hold one."""
    return frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)


def _refuse_wide_colour(part: FilePart, context: av.VideoCodecContext) -> None:
    wide = WIDE_CURVES.get(context.color_trc) or WIDE_PRIMARIES.get(context.color_primaries)
    if wide:
        raise WideColour(part.label, wide)


def _timing_of(part: FilePart, container: InputContainer, stream: av.VideoStream) -> _Timing:
    tick = Fraction(stream.time_base or 0)
    # The order of an AVI's packets is all that it says about time: FFmpeg puts it into dts.
    is_avi = container.format.name == "avi"
    shown: list[int] = []
    durations: dict[int, int] = {}
    clean, packets, told = not is_avi, 0, 0
    for packet in container.demux(stream):
        if not packet.size:  # only ends the stream
            continue
        if packet.is_corrupt:
            raise UnreadableVideo(part.label, f"it breaks off after {packets} frames")
        time = packet.dts if is_avi else packet.pts
        packets += 1
        if time is not None:
            told += 1
        if packet.is_discard or (time is not None and not in_stretch(part, time, tick)):
            clean = False
            continue
        clean = clean and time is not None and (bool(shown) or packet.is_keyframe)
        pts = len(shown) if time is None else time
        shown.append(pts)
        durations[pts] = packet.duration or 0
    if packets < stream.frames:
        raise UnreadableVideo(part.label, f"it breaks off after {packets} of {stream.frames} frames")
    rates = [Fraction(rate) for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate) if rate]
    if packets and not (rates and tick):
        raise UnreadableVideo(part.label, "it does not say how many frames a second it has")
    if packets and not told:  # nothing but the pictures, as an encoder writes them, which say their rate at best
        rate = Fraction(stream.guessed_rate or rates[0])
        shown = [index for index in range(packets) if in_stretch(part, index, 1 / rate)]
        tick, rates, durations = 1 / rate, [rate], {}
    if not shown:
        raise UnreadableVideo(part.label, "it has no frames")
    rate = _steady_rate(sorted(shown), tick, rates)
    first, last = min(shown), max(shown)
    if rate is not None:
        counted = is_avi or not told
        return _Timing(shown, tick, rate, True, len(shown) / rate, clean and shown[0] == first, counted)
    # The average leaves out frames wherever they come faster: of what moves, if the rest is held for long.
    rate = max((each for each in rates if each <= MOST_FOR_UNSTEADY), default=rates[0])
    seconds = (last - first) * tick + (durations.get(last, 0) * tick or 1 / rate)
    return _Timing(shown, tick, rate, False, seconds, False, False)


def _steady_rate(shown: list[int], tick: Fraction, rates: list[Fraction]) -> Fraction | None:
    """Which of ``rates`` the times ``shown``, in ticks, have; of several the one that they come closest to."""
    late = {rate: _lateness(shown, tick * rate) / rate for rate in reversed(rates)}
    # Rounded to the file's clock, or to the milliseconds of one that the pictures were in before.
    steady = [rate for rate in late if late[rate] <= max(tick, MILLISECOND) and 2 * late[rate] * rate < 1]
    return min(steady, key=lambda rate: late[rate], default=None)


def _lateness(shown: list[int], frames_a_tick: Fraction) -> Fraction:
    """By how many frames one comes early or late at most, if they are to come at a constant rate from the first on."""
    tick, frame = frames_a_tick.numerator, frames_a_tick.denominator  # both in the same unit, so integers do
    return Fraction(max(abs((pts - shown[0]) * tick - index * frame) for index, pts in enumerate(shown)), frame)


def _reorder_of(timing: _Timing) -> int:
    if not timing.steady:
        return 0
    place = {pts: index for index, pts in enumerate(sorted(timing.shown))}
    return max(index - place[pts] for index, pts in enumerate(timing.shown))


def _coding_of(stream: av.VideoStream) -> Coding | None:
    """What x264 and the like wrote into the header of the track; only H.264 is copied."""
    context = stream.codec_context
    header = context.extradata or b""
    # 1 is the version of an MP4's own header with SPS and PPS in it. "avc3" keeps them among the frames.
    if context.name != "h264" or header[:1] != b"\x01" or context.codec_tag == "avc3":
        return None
    colours = context.color_primaries, context.color_trc, context.colorspace, context.color_range
    return (header, stream.width, stream.height, *map(int, colours))


def _first_frame(part: FilePart) -> tuple[av.VideoFrame, Fraction]:
    """The first frame that can be decoded, and the shape of its pixels (width / height)."""
    with opened(part) as container:
        stream = container.streams.video[0]
        for frame in decoded(container, stream):
            return frame, Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    raise UnreadableVideo(part.label, "none of its frames can be decoded")
