"""The API key: from the environment or from a file that nobody else can read; never shown, never stored."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from ..errors import KeyMissing, KeyUnusable
from ..report import Line, line
from .provider import Provider

LONGEST_KEY = 512
LARGEST_FILE = 4096
TEST_PREFIX = "test-"
SHORTEST_KEY = 8
WINDOWS = os.name == "nt"


class Secret:
    """A key that shows only its fingerprint wherever it is printed, and cannot be stored by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The key itself: for the header of a request and nothing else."""
        return self._text

    @property
    def fingerprint(self) -> str:
        """The first 8 hex digits of its SHA-256: enough to tell two keys apart."""
        return hashlib.sha256(self._text.encode("utf-8", "surrogatepass")).hexdigest()[:8]

    @property
    def is_for_tests(self) -> bool:
        """A key for the local stand-in of a provider; it never goes to a real host, nor a real key to loopback."""
        return self._text.startswith(TEST_PREFIX)

    def __repr__(self) -> str:
        return f"Secret({self.fingerprint})"

    def __format__(self, specification: str) -> str:
        return format(repr(self), specification)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"), other._text.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key is not stored")


def load_key(provider: Provider, environ: Mapping[str, str]) -> tuple[Secret, tuple[Line, ...]]:
    """The key, from its variable or else from the file that the other variable names; and what to report about it.

    Raises KeyMissing, KeyUnusable.
    """
    text, notes = environ.get(provider.key_variable, "").strip(), ()
    if text:
        source = provider.key_variable
    else:
        source = environ.get(provider.key_file_variable, "").strip()
        if not source:
            raise KeyMissing(provider.name, provider.key_variable, provider.key_file_variable)
        text, notes = _read_file(provider, Path(source))
    if not (SHORTEST_KEY <= len(text) <= LONGEST_KEY and text.isascii() and text.isprintable() and " " not in text):
        raise KeyUnusable(provider.name, (line("key-not-a-key", source=source),))
    return Secret(text), notes


def _read_file(provider: Provider, path: Path) -> tuple[str, tuple[Line, ...]]:
    def refuse(reason: Line) -> KeyUnusable:
        return KeyUnusable(provider.name, (reason,))

    if not path.is_absolute():
        raise refuse(line("key-file-relative", path=str(path)))
    if path.is_symlink():
        raise refuse(line("key-file-not-regular", path=str(path)))
    if WINDOWS and not _is_below(path, Path.home()):
        raise refuse(line("key-file-outside-profile", path=str(path), profile=str(Path.home())))
    # Nothing that was put in its place after the check above is followed, and no pipe is waited for.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
        try:
            wrong = _what_is_wrong(path, os.fstat(descriptor))
            content = b"" if wrong else os.read(descriptor, LARGEST_FILE)
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise refuse(line("key-file-unreadable", path=str(path), reason=reason)) from None
    if wrong:
        raise refuse(wrong)
    notes = (line("key-file-unchecked", path=str(path)),) if WINDOWS else ()
    # What is not UTF-8 becomes characters that no key has; an exception would carry the bytes of the key along.
    return content.decode("utf-8-sig", errors="replace").strip(), notes


def _what_is_wrong(path: Path, status: os.stat_result) -> Line | None:
    if not stat.S_ISREG(status.st_mode):
        return line("key-file-not-regular", path=str(path))
    if WINDOWS:
        return None
    if status.st_uid != os.geteuid():
        return line("key-file-of-another", path=str(path))
    mode = stat.S_IMODE(status.st_mode)
    return line("key-file-open-to-others", path=str(path), mode=format(mode, "04o")) if mode & 0o077 else None


def _is_below(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except OSError:
        return False
