"""How long work tells its caller where it is, and how the caller stops it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called by every long step, often. Cancelling is raising from it: the step cleans up and lets it pass."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Report ``done`` of ``total`` units (0 <= done <= total, total >= 1) of the phase named ``what``."""
        ...


def ignore_progress(done: int, total: int, what: str) -> None:
    """The default for callers that neither watch nor cancel."""
