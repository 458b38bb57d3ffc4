"""A clock that a test can move: what the server calls now."""

from __future__ import annotations

import threading
import time


class VirtualClock:
    """Runs ``speed`` times as fast as real time from ``start`` (seconds since 1970; default: the real time)."""

    def __init__(self, start: float | None = None, speed: float = 1.0) -> None:
        self._lock = threading.Lock()
        self.reset(start, speed)

    def reset(self, start: float | None = None, speed: float = 1.0) -> None:
        """Begin again at ``start`` with ``speed``; raises ValueError for a speed below 0."""
        _require_not_negative("speed", speed)
        with self._lock:
            self._virtual = time.time() if start is None else start
            self._real = time.monotonic()
            self._speed = speed

    def now(self) -> float:
        """Seconds since 1970."""
        with self._lock:
            return self._now()

    def advance(self, seconds: float) -> float:
        """Jump ``seconds`` ahead and return what now is; raises ValueError below 0."""
        _require_not_negative("seconds", seconds)
        with self._lock:
            self._virtual += seconds
            return self._now()

    @property
    def speed(self) -> float:
        """Virtual seconds per real second; 0 stands still. Settable."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        _require_not_negative("speed", speed)
        with self._lock:
            self._virtual, self._real = self._now(), time.monotonic()
            self._speed = speed

    def _now(self) -> float:
        return self._virtual + (time.monotonic() - self._real) * self._speed


def _require_not_negative(name: str, value: float) -> None:
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} is {value}: it has to be a number from 0")
