"""Output that is complete or not there at all, and the one error for what disk and encoder refuse."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import EncodeFailed

# What the files are called that are not complete yet.
PART_NAMES = ".storymotion-*.part"


@contextmanager
def whole_or_nothing(target: Path | BinaryIO, name: str) -> Iterator[Path]:
    """Give a path to write to; when the block ends well, the file there becomes ``target``.

    A path is replaced in one step by a file from its own folder; a stream gets the bytes written at its
    position, from a file in the system's folder for temporary files. If the block raises, whatever was
    written is removed and ``target`` stays as it was. Close the file before the block ends.

    Raises ``EncodeFailed`` with ``name`` before the block if ``target`` cannot be a file, and after it if the last
    step fails.
    """
    if isinstance(target, Path):
        # Unique for every call, and no longer than this whatever the target is called: the name of the
        # target may already have the greatest length that the file system allows.
        with refusals(name), suppress(FileNotFoundError):
            # A name that cannot be given should not cost a whole encode first.
            if stat.S_ISDIR(target.lstat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        temporary = target.parent / PART_NAMES.replace("*", uuid.uuid4().hex)
        try:
            yield temporary
            with refusals(name):
                temporary.replace(target)
        finally:
            # Still there only after an error, which a second one must not hide.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        return
    with refusals(name):
        folder = Path(tempfile.mkdtemp(prefix="storymotion-"))
    try:
        temporary = folder / "video.part"
        yield temporary
        with refusals(name), temporary.open("rb") as file:
            shutil.copyfileobj(file, target)
            target.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Turn what FFmpeg, PyAV and the disk raise inside the block into ``EncodeFailed`` with ``name``."""
    from av.error import FFmpegError

    try:
        yield
    except (FFmpegError, OSError, ValueError) as error:
        raise EncodeFailed(name, reason_of(error)) from error


def reason_of(error: Exception) -> str:
    """The reason alone, without the error number and the path that OSError puts around it."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
