"""Everything that was asked of the server, in order."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Seen:
    """One request. ``authorization`` is "right", "wrong" or "absent"; the header itself is not kept.

    ``body`` is the JSON that was sent, with the data of images replaced by their digests. ``reply`` is the HTTP
    status that was sent, 0 where the connection was reset instead. Times are virtual seconds since 1970.
    """

    number: int
    operation: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    authorization: str
    time: float
    body_sha256: str = ""
    body_bytes: int = 0
    body: Any = None
    task: str | None = None
    fault: str | None = None
    reply: int | None = None
    finished: bool = False
    client_left: bool = False

    def keep_body(self, content: bytes) -> None:
        """Note what was sent."""
        self.body_sha256 = hashlib.sha256(content).hexdigest()
        self.body_bytes = len(content)
        try:
            self.body = _without_images(json.loads(content)) if content else None
        except (ValueError, RecursionError):
            self.body = None

    def as_json(self) -> dict[str, Any]:
        """For the control port."""
        return asdict(self)


def _without_images(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_images(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_images(inner) for inner in value]
    if isinstance(value, str) and value.startswith("data:") and "," in value:
        head, _, data = value.partition(",")
        return f"{head},sha256:{hashlib.sha256(data.encode()).hexdigest()}"
    return value


class RequestLog:
    """The requests since the last clear()."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: list[Seen] = []

    def begin(self, **what: Any) -> Seen:
        """Note a request whose headers have been read."""
        with self._changed:
            seen = Seen(number=len(self._seen) + 1, **what)
            self._seen.append(seen)
            self._changed.notify_all()
            return seen

    def note(self, seen: Seen, **what: Any) -> None:
        """Add to what is known of a request."""
        with self._changed:
            for name, value in what.items():
                setattr(seen, name, value)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget all."""
        with self._changed:
            self._seen = []

    def listed(self, operation: str | None = None) -> list[Seen]:
        """The requests, oldest first, all or those of one operation."""
        with self._changed:
            return [seen for seen in self._seen if operation in (None, seen.operation)]

    def wait_for(self, operation: str, count: int, timeout: float, processed: bool) -> None:
        """Wait until ``count`` such requests have come (``processed``: have a reply). Raises TimeoutError."""

        def enough() -> bool:
            found = [seen for seen in self._seen if seen.operation == operation]
            return sum(seen.reply is not None for seen in found) >= count if processed else len(found) >= count

        with self._changed:
            if not self._changed.wait_for(enough, timeout):
                raise TimeoutError(f"there were not {count} requests of {operation} within {timeout} s")
