"""Any VIDEO as a part that the library reads frame by frame: its file, if it is one, else its frames."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from comfy_api.latest import InputImpl

from ..storymotion.media.parts import FilePart, FramesPart, Part
from .outcome import place_of
from .video import rgb_frames_of


def part_of(index: int, video: Any, stack: ExitStack) -> Part:
    """``video``, in the slot ``index`` (from 0) of its list. ``stack`` removes the file that had to be made for it."""
    position = place_of(video).position or index + 1
    if not isinstance(video, InputImpl.VideoFromFile):
        frames, count, width, height, rate, sound = rgb_frames_of(video)
        return FramesPart(str(position), lambda: frames, count, width, height, rate, sound)
    source = video.get_stream_source()
    path = Path(source) if isinstance(source, str) else _temporary_file(source.read(), stack)
    label = f"{position} ({path.name})" if isinstance(source, str) else str(position)
    # ComfyUI 0.3.75 cannot trim a VIDEO of a file.
    start, length = getattr(video, "get_active_trim_window", lambda: (0.0, 0.0))()
    return FilePart(path, label, start, length or None)


def _temporary_file(content: bytes, stack: ExitStack) -> Path:
    import folder_paths

    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"storymotion-{uuid.uuid4().hex}.mp4"
    stack.callback(_remove, path)
    path.write_bytes(content)
    return path


def _remove(path: Path) -> None:
    with suppress(OSError):  # after an error Windows may still hold it; ComfyUI empties the folder when it starts
        path.unlink()
