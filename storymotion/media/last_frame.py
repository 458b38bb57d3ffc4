"""The last frame of a video file, to go on from."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnreadableVideo
from .output import reason_of

if TYPE_CHECKING:
    import numpy


def last_frame(path: str | os.PathLike[str]) -> numpy.ndarray:
    """The last frame of the video at ``path``: uint8 RGB [height, width, 3]. All of it is decoded.

    Raises ``UnreadableVideo``.
    """
    import av
    from av.error import FFmpegError

    name = Path(path).name
    last: deque[av.VideoFrame] = deque(maxlen=1)
    try:
        # Absolute, because FFmpeg takes what precedes a colon in a relative path for a protocol.
        with av.open(str(Path(path).absolute()), metadata_errors="replace") as container:
            if container.streams.video:
                container.streams.video[0].thread_type = "AUTO"
                last.extend(container.decode(video=0))
            if not last:
                raise UnreadableVideo(name, "it holds no video")
            return last[0].to_ndarray(format="rgb24")
    except (FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(name, reason_of(error)) from error
