"""The shots that are finished, on disk: what was rendered once is not rendered again."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from ..errors import EncodeFailed
from ..progress import Progress, ignore_progress
from .output import refusals
from .sealed_files import BrokenFile, SealedWriter, TooLong, remove_dead_files, sealed_length, sealed_output
from .shot_format import MakeFrames, StoredShot, memory_for_frames, read_shot, write_shot

if TYPE_CHECKING:
    import torch

__all__ = ["ShotStore", "StoredShot"]

SHOT_ENDING, STATE_ENDING = ".shot", ".state"
KEY = re.compile(r"[0-9a-f]{64}(-[a-z0-9]+)*")

log = logging.getLogger("storymotion")
Content = TypeVar("Content")


class ShotStore:
    """Finished shots, and tensors of half-finished ones, in ``folder`` by key, at most ``largest_bytes`` together.

    A key is a SHA-256 in lower-case hex, which may be followed by ``-name``; it stands for everything that shapes
    the content, so whoever writes it writes the same. Several threads and processes may use one folder.

    What is in the way never costs a shot: a file that is missing or broken reads as None (broken ones are named
    in the log and deleted), and one that cannot be written is reported as False, with the reason in the log.

    With ``largest_bytes`` 0 nothing is kept and nothing is found; files from before stay as they are.
    """

    def __init__(self, folder: Path, largest_bytes: int) -> None:
        self._folder, self._largest_bytes = Path(folder), largest_bytes
        remove_dead_files(self._folder)

    def has(self, key: str) -> bool:
        """Whether there is a file for the shot ``key``; only ``get`` finds out whether it is good."""
        return self._largest_bytes > 0 and self._path(key, SHOT_ENDING).is_file()

    def keys(self) -> list[str]:
        """The keys of all shots, the one used longest ago first."""
        return [path.stem for path, _ in self._entries() if path.suffix == SHOT_ENDING]

    def size(self) -> int:
        """Bytes of all shots and states together."""
        return sum(size for _, size in self._entries())

    def get(
        self, key: str, empty: MakeFrames = memory_for_frames, progress: Progress = ignore_progress
    ) -> StoredShot | None:
        """The shot ``key`` as it was put, bit by bit, or None if it is not there or broken.

        ``empty`` is asked once for the memory of the frames (uint8 [frames, height, width, 3]), which are read
        into it one by one; ``progress`` counts them. What these two raise passes, and the file stays.
        """
        return self._read(self._path(key, SHOT_ENDING), lambda file, length: read_shot(file, length, empty, progress))

    def put(self, key: str, shot: StoredShot, progress: Progress = ignore_progress) -> bool:
        """Store ``shot`` and then remove what was not used for the longest time until all fit. True if it is stored.

        ``progress`` counts frames; if it raises, that passes and nothing is left behind.
        """
        path = self._path(key, SHOT_ENDING)
        return self._write(path, lambda writer: write_shot(writer, shot, path.name, progress))

    def get_state(self, key: str) -> dict[str, torch.Tensor] | None:
        """The tensors of ``key``, on the CPU, or None."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        def read(file: BinaryIO, length: int) -> dict[str, torch.Tensor]:
            try:
                return load(file.read(length))
            except (SafetensorError, OSError) as error:
                raise BrokenFile(str(error)) from error

        return self._read(self._path(key, STATE_ENDING), read)

    def put_state(self, key: str, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Store small ``tensors`` of any device and type (safetensors, so no pickle) as ``put`` does a shot."""
        from safetensors.torch import save

        path = self._path(key, STATE_ENDING)
        # Copies, because safetensors refuses tensors that share memory.
        held = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        return self._write(path, lambda writer: writer.write(save(held)))

    def drop_states(self, key_prefix: str) -> None:
        """Remove the states whose key starts with ``key_prefix``: their shot is finished."""
        for path, _ in self._entries():
            if path.suffix == STATE_ENDING and path.name.startswith(key_prefix):
                _remove(path)

    def _path(self, key: str, ending: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"Not a SHA-256 in hex: {key!r}")
        return self._folder / f"{key}{ending}"

    def _read(self, path: Path, read: Callable[[BinaryIO, int], Content]) -> Content | None:
        if self._largest_bytes <= 0:
            return None
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("The stored file '%s' cannot be opened and is not used: %s", path, error)
            return None
        try:
            with file:
                content = read(file, sealed_length(file))
        except BrokenFile as error:
            log.warning("The stored file '%s' is broken and deleted; its shot is rendered again: %s", path, error)
            _remove(path)
            return None
        _touch(path)
        return content

    def _write(self, path: Path, write: Callable[[SealedWriter], None]) -> bool:
        if self._largest_bytes <= 0:
            return False
        try:
            with refusals(path.name):
                self._folder.mkdir(parents=True, exist_ok=True)
            remove_dead_files(self._folder)
            with sealed_output(path, self._largest_bytes) as writer:
                write(writer)
        except EncodeFailed as error:
            log.warning("'%s' could not be stored in '%s': %s", path.name, self._folder, error.reason)
            return False
        except TooLong:
            log.warning("'%s' is not stored: it alone is larger than %d bytes", path.name, self._largest_bytes)
            return False
        _touch(path)
        self._make_room(path)
        return True

    def _make_room(self, newest: Path) -> None:
        entries = self._entries()
        total = sum(size for _, size in entries)
        for path, size in entries:
            if total <= self._largest_bytes:
                return
            if path != newest and _remove(path):
                total -= size

    def _entries(self) -> list[tuple[Path, int]]:
        """All files of the store with their sizes, the one used longest ago first."""
        found = []
        with suppress(OSError):
            for path in self._folder.iterdir():
                # Another process may remove it at any moment.
                with suppress(OSError):
                    if path.suffix in (SHOT_ENDING, STATE_ENDING) and KEY.fullmatch(path.stem):
                        facts = path.stat()
                        found.append((facts.st_mtime_ns, path, facts.st_size))
        return [(path, size) for _, path, size in sorted(found)]


def _touch(path: Path) -> None:
    """Note that ``path`` was used now. Access times are no help: most systems do not keep them."""
    now = time.time_ns()
    with suppress(OSError):
        os.utime(path, ns=(now, now))


def _remove(path: Path) -> bool:
    """False if it stays, as a file does on Windows that somebody has open."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
