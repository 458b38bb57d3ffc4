"""What each step of a paid shot changes in its row of the journal. ``now`` is a time as the journal writes it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from .journal_row import Row, Shot, State
from .money import to_nano
from .owner import this_process

# The request hash of a row that belongs to no request begins so.
STRAY = "task:"
Columns = dict[str, object]


def reserved(shot: Shot, attempt: int, run_id: str, nano: int, now: str) -> Columns:
    """``nano`` billionths of a USD are set aside, and this process is about to send the shot."""
    return {
        **shot.columns(),
        "attempt": attempt,
        "state": State.INTENT.value,
        "run_id": run_id,
        "quoted_nano_usd": nano,
        "settled_nano_usd": None,
        "settled_at": None,
        "error_code": None,
        "error_message": None,
        "owner": this_process(),
        "reserved_at": now,
        "heartbeat_at": now,
    }


def submitted(task_id: str, now: str) -> Columns:
    """The provider has the shot as this task; what it costs is open."""
    return {
        "state": State.SUBMITTED.value,
        "task_id": task_id,
        "submitted_at": now,
        "owner": None,
        "settled_nano_usd": None,
        "settled_at": None,
        "error_message": None,
    }


def settled(usd: Decimal, now: str) -> Columns:
    """What the shot cost."""
    return {"settled_nano_usd": to_nano(usd), "settled_at": now}


def ended(state: State, now: str) -> Columns:
    """Over, and nothing was charged."""
    return {"state": state.value, "owner": None, **settled(Decimal(0), now)}


def stray(shot: Shot, task_id: str, quoted: Decimal, now: str) -> Columns:
    """A task that was made elsewhere, as a row that no request attaches to."""
    return {
        **replace(shot, request_hash=f"{STRAY}{task_id}", take=1).columns(),
        "attempt": 1,
        "run_id": "",
        "quoted_nano_usd": to_nano(quoted),
        "reserved_at": now,
        "heartbeat_at": now,
        **submitted(task_id, now),
    }


def second_task(row: Row, task_id: str, now: str) -> Columns:
    """A task of ``row``'s request that came to light after the row had moved on without it."""
    return {
        "provider": row.provider,
        "request_hash": f"{STRAY}{task_id}",
        "take": 1,
        "attempt": 1,
        "run_id": row.run_id,
        "model": row.model,
        "origin": row.origin,
        "key_fingerprint": row.key_fingerprint,
        "request": "{}",
        "prompt_sha256": row.prompt_sha256,
        "prompt_start": row.prompt_start,
        "seed": row.seed,
        "quoted_nano_usd": to_nano(row.quoted),
        "reserved_at": now,
        "heartbeat_at": now,
        **submitted(task_id, now),
    }
