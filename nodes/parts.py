"""Any VIDEO as something that the library can encode or join."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from comfy_api.latest import InputImpl

from ..storymotion.media.parts import FilePart, FramesPart, Part
from .outcome import place_of
from .video import rgb_frames_of


def label_of(video: Any, slot: int) -> str:
    """What the user knows a shot by: its place in the story, else its ``slot`` in a list (from 0), from 1."""
    return str(place_of(video).position or slot + 1)


def part_of(video: Any, label: str, stack: ExitStack) -> Part:
    """The file of ``video``, if it is one, with the name of the file in the label; else its frames.

    ``stack`` removes what is in the way.
    """
    if not isinstance(video, InputImpl.VideoFromFile):
        frames, count, width, height, rate, sound = rgb_frames_of(video)
        return FramesPart(label, lambda: frames, count, width, height, rate, sound)
    source = video.get_stream_source()
    path = Path(source) if isinstance(source, str) else _temporary_file(source.read(), stack)
    if isinstance(source, str):
        label = f"{label} ({path.name})" if label else path.name
    label = label or "in memory"
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
