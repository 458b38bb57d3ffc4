"""What a developer sees: steps with their times, and one sentence when something is wrong."""

from __future__ import annotations

import io
import shutil
import sys
import time
from types import TracebackType

SECONDS_BETWEEN_LINES = 10.0


class DevError(Exception):
    """Something that the developer has to know or change, in one sentence."""


def make_printing_safe() -> None:
    """Let no character stop a print: what the console cannot show (Hangul on CP949 or ASCII) becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        # A test runner may have put something else there, which takes any text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Line:
    """One line that is rewritten in place on a terminal; elsewhere a new one every ten seconds, and the last."""

    def __init__(self) -> None:
        self._rewrites = sys.stdout.isatty()
        self._width = 0
        self._printed = time.monotonic()

    def show(self, text: str) -> None:
        """Replace the line's text."""
        if self._rewrites:
            text = text[: shutil.get_terminal_size().columns - 1]
            print("\r" + text.ljust(self._width), end="", flush=True)
            self._width = len(text)
        elif time.monotonic() - self._printed >= SECONDS_BETWEEN_LINES:
            print(text, flush=True)
            self._printed = time.monotonic()

    def end(self, text: str) -> None:
        """Replace the line's text for the last time and go to the next line."""
        print("\r" + text.ljust(self._width) if self._rewrites else text, flush=True)
        self._width = 0
        self._printed = time.monotonic()


class Step:
    """A step of the setup: says what begins, what it is at, and how many seconds it took (``with Step("..."):``)."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._line = Line()

    def __enter__(self) -> Step:
        self._started = time.monotonic()
        print(f"{self._what} ...", flush=True)
        return self

    def at(self, detail: str) -> None:
        """Show what the step is doing now (on a terminal)."""
        self._line.show(f"  {time.monotonic() - self._started:.0f} s  {detail}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        seconds = time.monotonic() - self._started
        self._line.end(f"  {'done' if kind is None else 'stopped'} after {seconds:.1f} s")
