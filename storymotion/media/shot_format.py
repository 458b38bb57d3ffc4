"""A finished shot as bytes, and back, identical to the bit.

Layout: the frames as MagicYUV packets, the waveform as float32 (little endian, channel after channel), a JSON
object that describes both, the object's length as 64 bits (little endian).

Why MagicYUV (lossless, each frame by itself, part of every FFmpeg): measured on 1280 x 704 frames with 2 cores,
in per cent of the raw bytes and MB/s of raw bytes:

    ====================  ===============  ===============  ===============  ===============
    frames                MagicYUV         Ut Video         FFV1             x264rgb qp 0
    ====================  ===============  ===============  ===============  ===============
    drawing, pan          20 %  618 1195   19 %  422  465    9 %  241  247    1 % 1145 1186
    pan + fine noise      54 %  723  735   48 %  500  419   43 %  107   91   45 %  305  155
    pan + soft noise      38 %  611  896   38 %  401  449   33 %  139  106   47 %  294  176
    still + soft noise    28 %  601 1104   25 %  374  415   23 %  138  134   29 %  378  208
    tiny model's output   18 %  656 1079   18 %  466  343    9 %  174  295   42 %  349  183
    ====================  ===============  ===============  ===============  ===============

A shot of 8 s is 522 MB raw: 0.9 s to encode and 0.5 s to decode, where FFV1 takes 4 s and 4 s for a file 10 to
20 % smaller. With checksums and the disk it is 1.7 s and 1.1 s. Of these MagicYUV alone took every size tried:
FFV1 refuses 1 x 1 pixels and came back changed at 3 x 2 on FFmpeg 7.1, Ut Video cannot read its own 4097 x 5.
Because of that the SHA-256 of the frames is kept too and compared after reading: a shot comes back as it was or
not at all (0.3 s of the above).
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

from ..progress import Progress
from .output import refusals
from .sealed_files import BrokenFile, SealedWriter

if TYPE_CHECKING:
    import numpy as np
    import torch
    from av.video.codeccontext import VideoCodecContext

FORMAT = "StoryMotion shot 1"
CODEC = "magicyuv"
# Fixed, because the codec cuts each frame into as many slices: the same shot is the same file on every machine.
THREADS = 8
WAVEFORM_TYPE = "<f4"

Shape = tuple[int, int, int, int]
MakeFrames = Callable[[Shape], "torch.Tensor"]


@dataclass(frozen=True, eq=False)
class StoredShot:
    """A finished shot.

    ``frames``: uint8 RGB [frames, height, width, 3] on the CPU; ``frame_rate``: frames per second;
    ``waveform``: float32 [channels, samples] on the CPU at ``sample_rate`` Hz, None without sound;
    ``facts``: whatever JSON can hold (seconds by phase, the device's name ...).
    """

    frames: torch.Tensor
    frame_rate: Fraction
    waveform: torch.Tensor | None = None
    sample_rate: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


def memory_for_frames(shape: Shape) -> torch.Tensor:
    """Ordinary memory: uint8 ``shape`` on the CPU."""
    import torch

    return torch.empty(shape, dtype=torch.uint8)


def write_shot(writer: SealedWriter, shot: StoredShot, name: str, progress: Progress) -> None:
    """Write ``shot``; ``progress`` counts frames. Raises ``EncodeFailed`` with ``name`` and what the writer raises."""
    import numpy as np

    frames = shot.frames.numpy()
    digest, packets = hashlib.sha256(), []
    encoder = _encoder(frames.shape[1], frames.shape[2], name)
    for index, each in enumerate(frames):
        frame = np.ascontiguousarray(each)
        digest.update(frame.data)
        packets.append(0)
        for packet in _encode(encoder, frame, index, name):
            writer.write(packet)
            packets[-1] += packet.nbytes
        progress(index + 1, len(frames), "storing")
    waveform = None if shot.waveform is None else np.ascontiguousarray(shot.waveform.numpy(), dtype=WAVEFORM_TYPE)
    if waveform is not None:
        writer.write(waveform.tobytes())
    description = {
        "format": FORMAT,
        "codec": CODEC,
        "frames": list(frames.shape),
        "frames_sha256": digest.hexdigest(),
        "packets": packets,
        "frame_rate": str(Fraction(shot.frame_rate)),
        "waveform": None if waveform is None else list(waveform.shape),
        "sample_rate": shot.sample_rate,
        "facts": dict(shot.facts),
    }
    text = json.dumps(description).encode("utf-8")
    writer.write(text + struct.pack("<Q", len(text)))


def read_shot(file: BinaryIO, length: int, make_frames: MakeFrames, progress: Progress) -> StoredShot:
    """The shot in the first ``length`` bytes of ``file``, its frames in the tensor that ``make_frames`` gives.

    One frame at a time is decoded into the tensor. ``progress`` counts frames. Raises ``BrokenFile``, and
    what ``make_frames`` and ``progress`` raise.
    """
    import numpy as np
    import torch

    with _broken_if_unreadable():
        description = _read_description(file, length)
        count, height, width, channels = description["frames"]
        shape = (count, height, width, channels)
        packets, wave_shape = description["packets"], description["waveform"]
        frame_rate, facts = Fraction(description["frame_rate"]), description["facts"]
        decoder = _decoder()
    frames, digest = make_frames(shape), hashlib.sha256()
    target = frames.numpy()
    for index, size in enumerate(packets):
        with _broken_if_unreadable():
            target[index] = _decode(decoder, file.read(size))
        digest.update(np.ascontiguousarray(target[index]).data)
        progress(index + 1, count, "reading a stored shot")
    if digest.hexdigest() != description["frames_sha256"]:
        raise BrokenFile("its frames come out changed")
    waveform = None
    if wave_shape is not None:
        with _broken_if_unreadable():
            samples = np.frombuffer(file.read(4 * wave_shape[0] * wave_shape[1]), WAVEFORM_TYPE)
            waveform = torch.from_numpy(samples.reshape(wave_shape).astype(np.float32))
    return StoredShot(frames, frame_rate, waveform, description["sample_rate"], facts)


def _read_description(file: BinaryIO, length: int) -> dict[str, Any]:
    file.seek(length - 8)
    (size,) = struct.unpack("<Q", file.read(8))
    if size > length - 8:
        raise BrokenFile("it is not a stored shot")
    file.seek(length - 8 - size)
    description = json.loads(file.read(size).decode("utf-8"))
    if description["format"] != FORMAT or description["codec"] != CODEC:
        raise BrokenFile(f"it is of another format: {description['format']}, {description['codec']}")
    packets = description["packets"]
    if len(packets) != description["frames"][0]:
        raise BrokenFile(f"it has {len(packets)} frames instead of {description['frames'][0]}")
    if sum(packets) + 4 * math.prod(description["waveform"] or [0]) + size + 8 != length:
        raise BrokenFile("frames, sound and description do not fill it")
    file.seek(0)
    return description


def _encoder(height: int, width: int, name: str) -> VideoCodecContext:
    import av

    with refusals(name):
        encoder = av.CodecContext.create(CODEC, "w")
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.thread_type, encoder.thread_count = "SLICE", THREADS
        encoder.height, encoder.width, encoder.pix_fmt = height, width, "gbrp"
        encoder.time_base = Fraction(1, 1000)
        encoder.options = {"pred": "gradient"}
        return encoder


def _encode(encoder: VideoCodecContext, frame: np.ndarray, index: int, name: str) -> list[memoryview]:
    import av

    with refusals(name):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="gbrp")
        picture.pts = index
        return [memoryview(packet) for packet in encoder.encode(picture)]


def _decoder() -> VideoCodecContext:
    import av

    decoder = av.CodecContext.create(CODEC, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_type, decoder.thread_count = "SLICE", THREADS
    return decoder


def _decode(decoder: VideoCodecContext, packet: bytes) -> np.ndarray:
    import av

    (picture,) = decoder.decode(av.Packet(packet))
    return picture.to_ndarray(format="rgb24")


@contextmanager
def _broken_if_unreadable() -> Iterator[None]:
    from av.error import FFmpegError

    try:
        yield
    except (FFmpegError, OSError, ValueError, TypeError, KeyError, struct.error) as error:
        raise BrokenFile(f"{type(error).__name__}: {error}") from error
