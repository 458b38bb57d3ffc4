"""How many requests the service takes in a stretch of time."""

from __future__ import annotations

import threading
from collections import deque

from .clock import VirtualClock
from .refusal import Refusal

# Requests per second, of the account.
PER_SECOND = {"poll": 20, "list": 1, "delete": 20}


class Rates:
    """Counts requests in virtual time. ``on`` is False where a test wants no limits."""

    def __init__(self, clock: VirtualClock, on: bool) -> None:
        self.on = on
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[str, deque[float]] = {}

    def clear(self) -> None:
        """Begin to count again."""
        with self._lock:
            self._taken.clear()

    def take_second(self, operation: str) -> None:
        """Count one poll, list or delete; raises Refusal above the limit per second."""
        if operation in PER_SECOND and not self._take(operation, PER_SECOND[operation], 1.0):
            message = f"The account's limit of {PER_SECOND[operation]} requests per second has been exceeded."
            raise Refusal(429, "AccountRateLimitExceeded", message)

    def take_minute(self, model: str, limit: int) -> None:
        """Count one create; raises Refusal above the model's limit per minute."""
        if not self._take(model, limit, 60.0):
            message = f"The limit of {limit} requests per minute for the model {model} has been exceeded."
            raise Refusal(429, "ModelAccountRpmRateLimitExceeded", message)

    def _take(self, name: str, limit: int, window: float) -> bool:
        if not self.on:
            return True
        with self._lock:
            now = self._clock.now()
            taken = self._taken.setdefault(name, deque())
            while taken and taken[0] <= now - window:
                taken.popleft()
            if len(taken) >= limit:
                return False
            taken.append(now)
            return True
