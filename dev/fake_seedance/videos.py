"""The films that the server delivers: a moving square, drawn and compressed once for each shape."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from .orders import FRAME_RATE, Order

if TYPE_CHECKING:
    import numpy as np

SOUND_RATE = 48000
# One film is drawn at a time: the next request for the same shape then finds it.
_drawing = threading.Lock()


def video_of(order: Order, task_id: str) -> bytes:
    """The MP4 (or MOV) of a task: exact size, 24 frames a second, its number of frames; no two tasks' are equal.

    4k of 2.0 and 1080p of 2.5 are 10-bit HEVC, a MOV is H.264 4:4:4 with PCM, the rest H.264 4:2:0; models
    that make sound have a silent track when it was asked for.
    """
    width, height = order.size
    codec = "hevc" if order.resolution in order.model.hevc else "h264"
    with _drawing:
        film = _film(width, height, order.frame_count, codec, order.output_format, bool(order.generate_audio))
    name = task_id.encode()
    return film + (8 + len(name)).to_bytes(4, "big") + b"free" + name  # a box that players skip


def last_frame_of(order: Order) -> bytes:
    """The last frame as a JPEG (the newest documents say JPEG, older ones PNG)."""
    width, height = order.size
    return _jpeg(width, height, order.frame_count)


@lru_cache(maxsize=32)
def _film(width: int, height: int, count: int, codec: str, container: str, sound: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:  # putting the index first needs a real file
        file = Path(folder) / "film"
        _write(file, width, height, count, codec, container, sound)
        return file.read_bytes()


def _write(file: Path, width: int, height: int, count: int, codec: str, container: str, sound: bool) -> None:
    import av

    mov = container == "mov"
    # The index comes first, so that a file that was cut still looks whole at its beginning.
    with av.open(str(file), "w", format=container, options={"movflags": "+faststart"}) as output:
        video = output.add_stream("libx265" if codec == "hevc" else "libx264", rate=FRAME_RATE)
        video.width, video.height = width, height
        video.pix_fmt = "yuv420p10le" if codec == "hevc" else "yuv444p" if mov else "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "30", "x265-params": "log-level=none"}
        video.time_base = video.codec_context.time_base = Fraction(1, FRAME_RATE)
        if codec == "hevc":
            video.codec_context.codec_tag = "hvc1"
        audio = output.add_stream("pcm_s16le" if mov else "aac", rate=SOUND_RATE) if sound else None
        for index, planes in enumerate(_drawn(width, height, count)):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p").reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            output.mux(video.encode(frame))
        output.mux(video.encode())
        if audio is not None:
            for silence in _silence(count * SOUND_RATE // FRAME_RATE):
                output.mux(audio.encode(silence))
            output.mux(audio.encode())


def _drawn(width: int, height: int, count: int) -> Iterator[np.ndarray]:
    """The frames, uint8 ``[height * 3 / 2, width]``: all planes of 4:2:0 below each other."""
    import numpy as np

    ramp = np.linspace(50, 160, height).astype(np.uint8)
    background = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    background[:height] = ramp[:, None]
    background[height : height + height // 4] = 150  # a bluish sky
    side = height // 4
    for index in range(count):
        frame = background.copy()
        left = (width - side) * index // max(count - 1, 1)
        frame[(height - side) // 2 : (height + side) // 2, left : left + side] = 235
        yield frame


def _silence(samples: int) -> Iterator[object]:
    import av
    import numpy as np

    for start in range(0, samples, 1024):
        length = min(1024, samples - start)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, length * 2), dtype=np.int16), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = SOUND_RATE, start
        yield frame


@lru_cache(maxsize=32)
def _jpeg(width: int, height: int, count: int) -> bytes:
    import av

    for planes in _drawn(width, height, count):
        last = planes
    file = io.BytesIO()
    av.VideoFrame.from_ndarray(last, format="yuv420p").to_image().save(file, "JPEG")
    return file.getvalue()
