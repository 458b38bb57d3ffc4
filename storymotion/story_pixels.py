"""The pictures of a story, decoded: one of ComfyUI's IMAGE for each scene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import NoRoomForFrames, StoryInvalid
from .media.frame_buffers import FrameBuffers
from .progress import Progress, ignore_progress
from .report import Line, line
from .story import Scene
from .story_pictures import FORMATS

if TYPE_CHECKING:
    import torch
    from PIL import Image

# 97 pictures of 1280 x 720; more are kept in a file.
MOST_IN_MEMORY = 2**30
BYTES = 4  # of a float32


def read_pictures(
    scenes: Sequence[Scene],
    story: str,
    scratch: Path,
    progress: Progress = ignore_progress,
    most_in_memory: int = MOST_IN_MEMORY,
) -> tuple[list[torch.Tensor], tuple[Line, ...]]:
    """The picture of every scene as float32 [1, height, width, 3], 0..1, and lines that say what was done to them.

    As ComfyUI's Load Image makes them: turned as their EXIF says, 8 bits a channel, the first frame of several.
    Unlike there, a transparent picture is laid on white: the colours below transparency were never seen by anybody.
    Scenes with the same picture share one tensor. When all take more than ``most_in_memory`` bytes they lie in a
    file in ``scratch``, if the disk has the room.

    Raises StoryInvalid, which calls the story ``story``, with every picture that is damaged.
    """
    import numpy
    import torch

    first_users = {scene.image: scene for scene in reversed(scenes)}
    users = {scene.image: first_users[scene.image] for scene in scenes}
    total = 3 * sum(_area(path) for path in users)
    room = _room_on_disk(total, scratch) if total * BYTES > most_in_memory else None
    notes = [] if room is None else [line("story-on-disk", gibibytes=total * BYTES / 2**30)]
    pictures: dict[Path, torch.Tensor] = {}
    problems: list[Line] = []
    transparent: list[str] = []
    used = 0
    for path, scene in users.items():
        progress(len(pictures) + len(problems), len(users), "reading the pictures")
        try:
            picture, was_transparent = _decoded(path)
        except MemoryError:
            raise
        except Exception as error:  # for a damaged file Pillow raises anything: struct.error, zlib.error, EOFError ...
            reason = str(error) or type(error).__name__
            problems.append(
                line("story-image-broken", line=scene.line, scene=scene.name, image=path.name, reason=reason)
            )
            continue
        values = torch.from_numpy(numpy.array(picture))[None]
        count = values.numel()
        place = torch.empty(count) if room is None else room[used : used + count]
        pictures[path] = place.view(values.shape).copy_(values).div_(255)
        used += count
        if was_transparent:
            transparent.append(path.name)
    if problems:
        raise StoryInvalid(story, tuple(problems))
    if transparent:
        notes.append(line("story-transparent", names=", ".join(transparent)))
    return [pictures[scene.image] for scene in scenes], tuple(notes)


def _room_on_disk(values: int, scratch: Path) -> torch.Tensor | None:
    """Memory for so many float32 that is a file; None where the disk has no room for it."""
    import torch

    try:
        return FrameBuffers(scratch, in_memory_bytes=0).empty((values * BYTES,)).view(torch.float32)
    except NoRoomForFrames:
        return None


def _area(path: Path) -> int:
    from PIL import Image

    with Image.open(path, formats=FORMATS) as picture:
        return picture.width * picture.height


def _decoded(path: Path) -> tuple[Image.Image, bool]:
    """The picture in 8-bit RGB, and whether any of it was transparent."""
    import numpy
    from PIL import Image, ImageOps

    with Image.open(path, formats=FORMATS) as opened:
        picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        grey = numpy.asarray(picture).astype("int64").clip(0, 65535) // 257
        picture = Image.fromarray(grey.astype("uint8"))
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB"), False
    picture = picture.convert("RGBA")
    hides = picture.getchannel("A").tobytes() != b"\xff" * (picture.width * picture.height)
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB"), hides
