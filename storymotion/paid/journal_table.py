"""What the journal reads and writes inside of one transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ..errors import BillingLatched, CapReached
from .journal_row import OPEN, Row, State, time_from_text, time_text
from .money import from_nano, usd_text
from .owner import is_alive
from .redact import redacted

_OPEN_SQL = ", ".join(sorted(f"'{state.value}'" for state in OPEN))
_COMMITTED = f"CASE WHEN state IN ({_OPEN_SQL}) THEN quoted_nano_usd ELSE coalesce(settled_nano_usd, 0) END"


@dataclass(frozen=True)
class Caps:
    """The most USD of one run (a ComfyUI prompt) and one day; ``day_start`` is when today began.

    The variables name the settings, for the error. 0 = nothing may be spent.
    """

    run: Decimal
    day: Decimal
    day_start: datetime
    run_variable: str
    day_variable: str


@dataclass(frozen=True)
class Latch:
    """Why the provider refused for reasons of billing; nothing is sent until a human clears it."""

    provider: str
    error_code: str
    error_message: str
    since: datetime


def check_latch(connection: sqlite3.Connection, provider: str) -> None:
    """Raises BillingLatched."""
    latch = latch_of(connection, provider)
    if latch is not None:
        raise BillingLatched(provider, latch.error_code, time_text(latch.since))


def check_caps(connection: sqlite3.Connection, provider: str, nano: int, run_id: str, caps: Caps) -> None:
    """Raises CapReached when ``nano`` more would go over the cap of the run or of the day."""
    of_run = connection.execute(
        f"SELECT coalesce(sum({_COMMITTED}), 0) FROM shots WHERE provider = ? AND run_id = ?", (provider, run_id)
    ).fetchone()[0]
    of_day = sum(day_sums(connection, provider, caps.day_start))
    for variable, cap, committed in (
        (caps.run_variable, caps.run, of_run),
        (caps.day_variable, caps.day, of_day),
    ):
        if not (cap.is_finite() and cap > 0 and from_nano(committed + nano) <= cap):
            amounts = usd_text(from_nano(committed)), usd_text(from_nano(nano))
            raise CapReached(variable, format(cap, "f"), *amounts)


def day_sums(connection: sqlite3.Connection, provider: str, day_start: datetime) -> tuple[int, int]:
    """(settled since then, reserved at all), in billionths of a USD."""
    settled = connection.execute(
        "SELECT coalesce(sum(settled_nano_usd), 0) FROM shots WHERE provider = ? AND settled_at >= ?",
        (provider, time_text(day_start)),
    ).fetchone()[0]
    reserved = connection.execute(
        f"SELECT coalesce(sum(quoted_nano_usd), 0) FROM shots WHERE provider = ? AND state IN ({_OPEN_SQL})",
        (provider,),
    ).fetchone()[0]
    return settled, reserved


def select(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> tuple[Row, ...]:
    """The rows for which ``where``, with ``values`` for its marks."""
    return tuple(Row.read(each) for each in connection.execute(f"SELECT * FROM shots WHERE {where}", values))


def find(connection: sqlite3.Connection, request_hash: str, take: int) -> Row | None:
    """The row of a request and take."""
    return next(iter(select(connection, "request_hash = ? AND take = ?", (request_hash, take))), None)


def by_task(connection: sqlite3.Connection, task_id: str) -> Row | None:
    """The row of a task."""
    return next(iter(select(connection, "task_id = ?", (task_id,))), None)


def get(connection: sqlite3.Connection, row_id: int) -> Row:
    """The row. Raises KeyError."""
    found = select(connection, "id = ?", (row_id,))
    if not found:
        raise KeyError(row_id)
    return found[0]


def insert(connection: sqlite3.Connection, columns: dict[str, object]) -> Row:
    """A new row."""
    names, marks = ", ".join(columns), ", ".join("?" for _ in columns)
    cursor = connection.execute(f"INSERT INTO shots ({names}) VALUES ({marks})", tuple(columns.values()))
    return get(connection, int(cursor.lastrowid or 0))


def update(connection: sqlite3.Connection, row_id: int, changes: dict[str, object]) -> Row:
    """The row with ``changes``."""
    settings = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(f"UPDATE shots SET {settings} WHERE id = ?", (*changes.values(), row_id))
    return get(connection, row_id)


def latch_of(connection: sqlite3.Connection, provider: str) -> Latch | None:
    """The latch of ``provider`` if it is set."""
    found = connection.execute("SELECT * FROM latches WHERE provider = ?", (provider,)).fetchone()
    if found is None:
        return None
    return Latch(found["provider"], found["error_code"], found["error_message"], time_from_text(found["since"]))


def set_latch(connection: sqlite3.Connection, provider: str, code: str, message: str, now: str) -> None:
    """Set the latch of ``provider``. The first reason stays: it is the one to look into."""
    connection.execute(
        "INSERT OR IGNORE INTO latches VALUES (?, ?, ?, ?)", (provider, redacted(code), redacted(message), now)
    )


def bury(connection: sqlite3.Connection, now: datetime) -> None:
    """An intent whose owner is dead was perhaps sent: it is UNKNOWN."""
    for row in select(connection, "state = ?", (State.INTENT.value,)):
        if not is_alive(row.owner, row.heartbeat_at, now):
            reason = "the process that sent it ended before an answer was kept"
            update(connection, row.id, {"state": State.UNKNOWN.value, "owner": None, "error_message": reason})
