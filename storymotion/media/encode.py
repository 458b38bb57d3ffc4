"""Frames and sound in, an MP4 file out: compressed once, straight from the frames."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import NoFrames, OddSize, WrongFrame
from ..progress import Progress, ignore_progress
from .aac_copy import CopiedSound
from .mp4 import Mp4Writer
from .output import whole_or_nothing
from .quality import Quality, QualitySamples
from .settings import DEFAULT_SETTINGS, EncodeSettings, require_range
from .sound import Sound, SoundSource

if TYPE_CHECKING:
    import av
    import numpy as np

FRAME_RATE_RANGE = (1, 1000)
# x264 refuses longer sides.
SIDE_RANGE = (1, 16384)
# An MP4 track counts time in units of 1/n s, n below 2**32. With this limit every rate in the range
# fits, and the rates in use (24000/1001, 30000/1001, 2997/125, ...) stay exact.
LARGEST_DENOMINATOR = 1_000_000


@dataclass(frozen=True)
class EncodedFile:
    """What was written: ``path`` is None for a stream; ``seconds`` is how long the encode took.

    ``quality`` is None unless it was asked for; ``seconds`` has the time it took in it. ``sound_copied`` is
    whether the packets of the sound were copied.
    """

    path: Path | None
    width: int
    height: int
    frames: int
    frame_rate: Fraction
    bytes: int
    seconds: float
    quality: Quality | None = None
    sound_copied: bool = False


def encode_mp4(
    target: str | os.PathLike[str] | BinaryIO,
    frames: Iterable[np.ndarray | av.VideoFrame],
    frame_count: int,
    width: int,
    height: int,
    frame_rate: Fraction,
    sound: Sound | SoundSource | CopiedSound | None = None,
    settings: EncodeSettings = DEFAULT_SETTINGS,
    metadata: Mapping[str, str] | None = None,
    progress: Progress = ignore_progress,
    quality_samples: int = 0,
    left_colour: bool = False,
) -> EncodedFile:
    """Write ``frames`` and ``sound`` as an MP4 file that can start playing while it is loading.

    ``frames`` are uint8 RGB arrays ``[height, width, 3]``, taken one at a time: memory does not grow
    with the length. Decoded frames are taken too, and compressed as they are: their size, pixel format
    and colours must be those of the file. ``frame_count`` (at least 1) is how many are expected; it only
    scales ``progress``, and the file holds the frames that really came. ``frame_rate`` is 1 to 1000
    frames per second, kept exactly up to a denominator of 1,000,000.

    The picture is converted with the BT.709 matrix to studio range, with the colours of 4:2:0 in the middle of
    their four pixels, and the stream says so; with ``left_colour`` it says that they lie on the left, where
    decoded frames may have them. The track
    of ``sound`` is cut, or padded with silence, to the length of the video to the sample; it keeps its
    channels and its rate (one that AAC does not know becomes 48000 Hz; a ``SoundSource`` must have one
    that it knows). A ``CopiedSound`` keeps its packets, and is cut or padded like the others. Without
    ``sound`` there is no track. ``metadata`` is stored under exactly its keys, as
    ComfyUI stores prompt and workflow.

    A path appears, or is replaced, only when the file is complete. A stream gets all bytes at once, at
    the end and at its current position; they go through the system's folder for temporary files,
    because putting the index in front of the frames needs a file that can be read back.

    With ``quality_samples`` that many frames, as they went in, are compared with the file.

    ``progress`` counts compressed frames. What it raises, and what ``frames`` raises, passes unchanged
    after cleaning up.

    Raises ``ValueOutOfRange``, ``OddSize`` and ``NoFrames`` before anything is written, ``NoFrames``
    also if ``frames`` is empty, ``WrongFrame`` and ``EncodeFailed``.
    """
    started = time.monotonic()
    require_range("The frame rate", float(frame_rate), *FRAME_RATE_RANGE)
    exact_rate = Fraction(frame_rate).limit_denominator(LARGEST_DENOMINATOR)
    size = _size_of_file(width, height, settings)
    if frame_count < 1:
        raise NoFrames()
    place = Path(target) if isinstance(target, (str, os.PathLike)) else target
    path = place if isinstance(place, Path) else None
    name = path.name if path else "in memory"
    progress(0, frame_count, "encoding")
    samples = QualitySamples(quality_samples, frame_count, width * height * 3)
    drawings = _drawings(frames, (height, width, 3), size, settings)
    with whole_or_nothing(place, name) as unfinished:
        writer = Mp4Writer(unfinished, name, *size, exact_rate, sound, settings, metadata or {}, left_colour)
        try:
            _feed(writer, drawings, frame_count, samples, progress)
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        length = unfinished.stat().st_size
        for _ in samples.compare(unfinished, name, exact_rate):
            progress(writer.added, writer.added, "comparing")
    seconds = time.monotonic() - started
    copied = isinstance(sound, CopiedSound)
    return EncodedFile(path, *size, writer.added, exact_rate, length, seconds, samples.quality, copied)


def _feed(
    writer: Mp4Writer,
    drawings: Iterable[np.ndarray | av.VideoFrame],
    expected: int,
    samples: QualitySamples,
    progress: Progress,
) -> None:
    for index, drawing in enumerate(drawings):
        samples.offer(index, drawing)
        writer.add(drawing)
        progress(writer.compressed, max(expected, writer.added), "encoding")
    if not writer.added:
        raise NoFrames()
    for compressed in writer.finish():
        progress(compressed, writer.added, "encoding")


def _drawings(
    frames: Iterable[np.ndarray | av.VideoFrame],
    shape: tuple[int, int, int],
    size: tuple[int, int],
    settings: EncodeSettings,
) -> Iterator[np.ndarray | av.VideoFrame]:
    """The frames, checked; with even sides if they must be, and every other one held if it shall be."""
    import av

    change_edge = not settings.line_art_2x and size != (shape[1], shape[0])
    held: np.ndarray | av.VideoFrame | None = None
    for index, frame in enumerate(frames):
        if not isinstance(frame, av.VideoFrame):
            require_rgb(frame, index, shape)
        if settings.on_twos and index % 2 and held is not None:
            yield held
            continue
        if change_edge and not isinstance(frame, av.VideoFrame):
            frame = _with_sides(frame, *size)
        held = frame if settings.on_twos else None
        yield frame


def _with_sides(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """``frame`` cut at the right and the bottom, or its last column and row repeated."""
    import numpy as np

    missing = max(0, height - frame.shape[0]), max(0, width - frame.shape[1])
    return np.pad(frame[:height, :width], ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")


def _size_of_file(width: int, height: int, settings: EncodeSettings) -> tuple[int, int]:
    factor = 2 if settings.line_art_2x else 1
    size = (width * factor, height * factor)
    for side, pixels in zip(("width", "height"), size):
        require_range(f"The {side} of the video", pixels, *SIDE_RANGE)
    if settings.pixel_format == "yuv420p" and (size[0] % 2 or size[1] % 2):
        if settings.odd_size == "error":
            raise OddSize(*size, settings.pixel_format, max(2, width // 2 * 2), max(2, height // 2 * 2))
        # A side of one pixel cannot lose one.
        width, height = (side + side % 2 if settings.odd_size == "pad" or side == 1 else side // 2 * 2 for side in size)
        return width, height
    return size


def require_rgb(frame: np.ndarray, index: int, shape: tuple[int, int, int]) -> None:
    """Raise ``WrongFrame`` unless frame ``index`` is a uint8 array of ``shape`` (height, width, 3)."""
    import numpy as np

    found = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
    wanted = f"uint8 {shape}"
    if found != wanted:
        raise WrongFrame(index, found, wanted)
