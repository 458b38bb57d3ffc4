"""What the journal knows of one paid shot."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

from .money import from_nano

PROMPT_START = 80
LONGEST_VALUE = 300
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class State(str, Enum):
    """Where a shot stands.

    INTENT, written before it is sent -> SUBMITTED, the task id is known -> SUCCEEDED -> DOWNLOADED. Nothing was
    charged for FAILED, EXPIRED, CANCELLED (the task ended), REFUSED (the provider said no) and RELEASED (it never got
    there). UNKNOWN: sent, but nobody knows with what result. LOST: paid (where no task is known: perhaps), but the
    video is gone.
    """

    INTENT = "intent"
    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    DOWNLOADED = "downloaded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    RELEASED = "released"
    UNKNOWN = "unknown"
    LOST = "lost"


# Its quote is reserved.
OPEN = frozenset({State.INTENT, State.SUBMITTED, State.UNKNOWN})
# There may be a video to fetch.
UNFINISHED = OPEN | {State.SUCCEEDED}
# The same request and take may be sent again: the provider made nothing of it.
SENDABLE_AGAIN = frozenset({State.REFUSED, State.RELEASED})


@dataclass(frozen=True)
class Shot:
    """What is to be paid for. ``request_hash`` is over everything that decides what the provider makes.

    ``request``: the settings that were sent, for whoever reads the journal; without the prompt (only a hash and its
    first 80 characters are kept) and with a picture as the SHA-256 of its bytes. Raises ValueError for a value in it
    that looks like a picture, an address or a text.
    """

    provider: str
    request_hash: str
    take: int
    model: str
    origin: str
    key_fingerprint: str
    request: Mapping[str, Any]
    prompt: str = ""
    seed: int | None = None

    def __post_init__(self) -> None:
        for value in _leaves(self.request):
            if isinstance(value, str) and (len(value) > LONGEST_VALUE or "://" in value or value.startswith("data:")):
                raise ValueError(f"the journal does not keep {value[:20]!r}...")

    def columns(self) -> dict[str, object]:
        """As stored."""
        return {
            "provider": self.provider,
            "request_hash": self.request_hash,
            "take": self.take,
            "model": self.model,
            "origin": self.origin,
            "key_fingerprint": self.key_fingerprint,
            "request": json.dumps(self.request, ensure_ascii=False, sort_keys=True),
            "prompt_sha256": hashlib.sha256(self.prompt.encode("utf-8", "surrogatepass")).hexdigest(),
            "prompt_start": self.prompt[:PROMPT_START].encode("utf-8", "replace").decode("utf-8"),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Row:
    """One paid shot as the journal has it. ``attempt`` counts how often it was reserved; times are UTC.

    ``quoted``: the upper bound in USD; ``settled``: what it cost, None while that is open. ``reserved_at`` is just
    before the first send of this attempt, ``heartbeat_at`` just before its last one. ``file``: the downloaded video.
    """

    id: int
    provider: str
    request_hash: str
    take: int
    attempt: int
    state: State
    run_id: str
    model: str
    origin: str
    key_fingerprint: str
    request: Mapping[str, Any]
    prompt_sha256: str
    prompt_start: str
    seed: int | None
    quoted: Decimal
    settled: Decimal | None
    tokens: int | None
    task_id: str | None
    error_code: str | None
    error_message: str | None
    owner: str | None
    reserved_at: datetime
    heartbeat_at: datetime
    submitted_at: datetime | None
    settled_at: datetime | None
    downloaded_at: datetime | None
    file: str | None
    file_sha256: str | None

    @classmethod
    def read(cls, stored: sqlite3.Row) -> Row:
        """From the table."""
        values = dict(stored)
        settled = values.pop("settled_nano_usd")
        for name in ("reserved_at", "heartbeat_at", "submitted_at", "settled_at", "downloaded_at"):
            values[name] = None if values[name] is None else time_from_text(values[name])
        return cls(
            **values
            | {
                "state": State(values["state"]),
                "request": json.loads(values["request"]),
                "quoted": from_nano(values.pop("quoted_nano_usd")),
                "settled": None if settled is None else from_nano(settled),
            }
        )


def time_text(moment: datetime) -> str:
    """UTC, sortable as text."""
    return moment.astimezone(timezone.utc).strftime(TIME_FORMAT)


def time_from_text(text: str) -> datetime:
    """The inverse of ``time_text``."""
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=timezone.utc)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for key, each in value.items() for leaf in (key, *_leaves(each))]
    if isinstance(value, (list, tuple)):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]
