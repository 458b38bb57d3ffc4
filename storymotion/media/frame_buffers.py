"""Memory for the frames of a long story: main memory while there is plenty, then files."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import NoRoomForFrames
from .output import reason_of
from .sealed_files import remove_dead_files

if TYPE_CHECKING:
    import torch

PREFIX = "storymotion-frames-"
PIECE = 1 << 20


class FrameBuffers:
    """Gives out uint8 tensors: up to ``in_memory_bytes`` alive at a time in main memory, the others as files.

    The files lie in ``folder``, which should be on a real disk (a tmpfs is main memory as well). The system keeps
    their pages in its cache and writes them out when memory gets short; they are not memory of this process
    (RssAnon). On Linux and macOS the files have no name, on Windows they are opened to be deleted with the last
    handle, so the disk is free again when the tensor, or the process, is gone. Usable from several threads.
    """

    def __init__(self, folder: Path, in_memory_bytes: int) -> None:
        self._folder, self._in_memory_bytes = Path(folder), in_memory_bytes
        self._in_memory = 0
        # Re-entrant: the garbage collector may free a tensor while this thread holds the lock.
        self._lock = threading.RLock()
        # What a power cut left on Windows, or a kill between making a file and taking its name away.
        remove_dead_files(self._folder, f"{PREFIX}*")

    @property
    def in_memory(self) -> int:
        """Bytes of the tensors in main memory that are still alive, views of them included."""
        return self._in_memory

    def empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A uint8 tensor ``shape`` on the CPU with arbitrary content, in main memory or in a file.

        Raises ``NoRoomForFrames`` if the disk cannot hold it: the room is reserved here, since a mapped file that
        runs out of disk while it is written ends the process (SIGBUS).
        """
        size = math.prod(shape)
        if self._count(size):
            return self._memory(size).reshape(shape)
        return self._file(size).reshape(shape)

    def _count(self, size: int) -> bool:
        with self._lock:
            fits = self._in_memory + size <= self._in_memory_bytes or not size
            self._in_memory += size if fits else 0
            return fits

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._in_memory -= size

    def _memory(self, size: int) -> torch.Tensor:
        import numpy as np
        import torch

        try:
            # torch keeps this very array until the last view of the tensor is gone.
            array = np.empty(size, np.uint8)
        except BaseException:
            self._give_back(size)
            raise
        weakref.finalize(array, self._give_back, size).atexit = False
        return torch.from_numpy(array)

    def _file(self, size: int) -> torch.Tensor:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=PREFIX, dir=self._folder) as file:
                reserve(file.file, size)
                return map_by_handle(file.file, size) if os.name == "nt" else _map_by_name(file.name, size)
        except (OSError, RuntimeError) as error:  # torch raises the second one if it cannot map the file
            raise NoRoomForFrames(str(self._folder), math.ceil(size / 1e6), reason_of(error)) from error


def reserve(file: IO[bytes], size: int) -> None:
    """Make ``file`` (empty, unbuffered position 0) ``size`` bytes long, all of them on the disk. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    zeros = bytes(PIECE)
    for start in range(0, size, PIECE):
        file.write(zeros[: size - start])
    file.flush()


def map_by_handle(file: IO[bytes], size: int) -> torch.Tensor:
    """``file`` as a tensor that keeps a handle of its own: on Windows the file lives as long as that."""
    import torch

    return torch.frombuffer(mmap.mmap(file.fileno(), size), dtype=torch.uint8)


def _map_by_name(name: str, size: int) -> torch.Tensor:
    """As ``map_by_handle``, but without a handle: a story of 1000 scenes would use up the usual 1024."""
    import torch

    return torch.from_file(name, shared=True, size=size, dtype=torch.uint8)
