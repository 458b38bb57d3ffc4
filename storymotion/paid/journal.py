"""The journal of paid shots: what may be spent, what was sent, what came of it.

One row for each request and take, written durably before the request leaves and again right after its task id came.
The same request and take is sent once: whoever asks again gets the row. Amounts are reserved against the caps in the
transaction that writes the row, so several threads, processes and servers together stay below them.

A method that marks a row returns it as it then is. What another process has learned in the meantime stands: marking
an attempt that is over, or a state that is behind the row's, changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from ..errors import JournalUnusable, TaskNotKept, TaskTaken
from .journal_file import JournalFile
from .journal_row import OPEN, SENDABLE_AGAIN, UNFINISHED, Row, Shot, State, time_text
from .journal_table import (
    Caps,
    Latch,
    by_task,
    check_caps,
    check_latch,
    day_sums,
    find,
    get,
    insert,
    latch_of,
    select,
    update,
)
from .money import from_nano, to_nano
from .owner import is_alive, this_process
from .redact import redacted

STRAY = "task:"
ENDED = frozenset({State.FAILED, State.EXPIRED, State.CANCELLED})


@dataclass(frozen=True)
class Reservation:
    """``mine``: this caller, and nobody else, is to send the shot now. Else ``row`` says what became of it so far."""

    row: Row
    mine: bool


@dataclass(frozen=True)
class Spend:
    """USD of a day: what was charged, and what is reserved for shots whose charge is not known yet."""

    settled: Decimal
    reserved: Decimal

    @property
    def total(self) -> Decimal:
        """What the cap of the day counts."""
        return self.settled + self.reserved


class Journal:
    """The journal in the file ``path``, which is made when it is first needed. ``clock`` gives the time (UTC).

    Every method can raise JournalUnusable; nothing may be sent then.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self.path = path
        self._file = JournalFile(path)
        self._clock = clock

    # What may be sent

    def reserve(self, shot: Shot, quoted: Decimal, run_id: str, caps: Caps) -> Reservation:
        """Reserve ``quoted`` USD for ``shot``, durably, or tell what became of it.

        A row of the same request and take is handed back as it is, except REFUSED and RELEASED ones, of which the
        provider made nothing: they are reserved anew. Only with ``mine`` may the caller send, within ``sending``.
        Raises BillingLatched, CapReached, JournalUnusable; ValueError for a quote that is no finite number >= 0.
        """
        nano, now = to_nano(quoted), self._now()
        with self._file.transaction(spends=True) as connection:
            self._bury(connection)
            found = find(connection, shot.request_hash, shot.take)
            if found is not None and found.state not in SENDABLE_AGAIN:
                return Reservation(found, mine=False)
            check_latch(connection, shot.provider)
            check_caps(connection, shot.provider, nano, run_id, caps)
            fresh: dict[str, object] = {
                **shot.columns(),
                "attempt": found.attempt + 1 if found else 1,
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
            if found is None:
                return Reservation(insert(connection, fresh), mine=True)
            return Reservation(update(connection, found.id, fresh), mine=True)

    def require_room(self, provider: str, usd: Decimal, run_id: str, caps: Caps) -> None:
        """See that ``usd`` more would stay below the caps, without reserving. Raises BillingLatched, CapReached."""
        with self._file.transaction() as connection:
            check_latch(connection, provider)
            check_caps(connection, provider, to_nano(usd), run_id, caps)

    @contextmanager
    def sending(self, row: Row) -> Iterator[None]:
        """The block that sends ``row``: when it ends without having marked the row, the row becomes UNKNOWN."""
        try:
            yield
        finally:
            self.mark_unknown(row, "the send was cut short")

    def heartbeat(self, row: Row) -> Row:
        """Call just before each further send of the same attempt (after a refusal that asks to wait)."""
        return self._mark(row, {State.INTENT}, heartbeat_at=self._now())

    # What came of the send

    def mark_submitted(self, row: Row, task_id: str) -> Row:
        """The provider accepted: keep the id of the task. No id is ever dropped.

        When the row has moved on without this task (its owner counted as dead), the task gets a row of its own, which
        is returned. Raises TaskNotKept where the journal cannot be written.
        """
        try:
            with self._file.transaction() as connection:
                owner = by_task(connection, task_id)
                if owner is not None:
                    return owner
                now = get(connection, row.id)
                if now.attempt != row.attempt or now.task_id is not None:
                    return insert(connection, self._stray(row, task_id))
                return update(connection, row.id, self._submitted(task_id))
        except JournalUnusable as error:
            raise TaskNotKept(task_id, error.path, error.reason) from error

    def mark_unknown(self, row: Row, reason: str) -> Row:
        """Nobody knows whether the provider accepted; the reservation stays."""
        return self._mark(row, {State.INTENT}, state=State.UNKNOWN.value, owner=None, error_message=redacted(reason))

    def mark_refused(self, row: Row, code: str, message: str, latches: bool = False) -> Row:
        """The provider said no: 0 USD. ``latches``: for reasons of billing, so that nothing more is sent."""
        with self._file.transaction() as connection:
            if latches:
                self._latch(connection, row.provider, code, message)
            return self._mark_in(
                connection,
                row,
                {State.INTENT, State.UNKNOWN},
                **self._ended(State.REFUSED),
                error_code=redacted(code),
                error_message=redacted(message),
            )

    def release(self, row: Row, reason: str) -> Row:
        """It is certain, or a human decides, that the provider made nothing of the send: 0 USD, may be sent again."""
        return self._mark(
            row, {State.INTENT, State.UNKNOWN}, **self._ended(State.RELEASED), error_message=redacted(reason)
        )

    def adopt(self, row: Row, task_id: str) -> Row:
        """The task of an UNKNOWN row was found. Raises TaskTaken when another row has it."""
        with self._file.transaction() as connection:
            taken = by_task(connection, task_id)
            if taken is not None and taken.id != row.id:
                raise TaskTaken(task_id, taken.id)
            return self._mark_in(connection, row, {State.UNKNOWN}, **self._submitted(task_id))

    def adopt_stray(self, shot: Shot, task_id: str, quoted: Decimal = Decimal(0)) -> Row:
        """A row for a task that was made elsewhere, so that it can be collected and counts; or the row it has.

        ``shot.request_hash`` and ``take`` are replaced, so that no request attaches to it.
        """
        with self._file.transaction() as connection:
            known = by_task(connection, task_id)
            if known is not None:
                return known
            now = self._now()
            stray = replace(shot, request_hash=f"{STRAY}{task_id}", take=1)
            return insert(
                connection,
                {
                    **stray.columns(),
                    "attempt": 1,
                    "run_id": "",
                    "quoted_nano_usd": to_nano(quoted),
                    "reserved_at": now,
                    "heartbeat_at": now,
                    **self._submitted(task_id),
                },
            )

    # What came of the task

    def mark_succeeded(self, row: Row, usd: Decimal | None, tokens: int | None) -> Row:
        """The video is made and charged. ``usd`` None (the provider told no usage) settles at the quote."""
        paid = row.quoted if usd is None else usd
        return self._mark(
            row, {State.SUBMITTED}, state=State.SUCCEEDED.value, **self._settled(paid), tokens=tokens, owner=None
        )

    def settle(self, row: Row, usd: Decimal, tokens: int | None) -> Row:
        """Correct what a shot cost, in any state after its task was known."""
        return self._mark(row, set(State) - OPEN - SENDABLE_AGAIN, **self._settled(usd), tokens=tokens)

    def mark_ended(self, row: Row, state: State, code: str, message: str) -> Row:
        """The task FAILED, EXPIRED or was CANCELLED: 0 USD, and not sent again."""
        if state not in ENDED:
            raise ValueError(f"a task does not end as {state.value}")
        ended = self._ended(state)
        return self._mark(row, {State.SUBMITTED}, **ended, error_code=redacted(code), error_message=redacted(message))

    def take_back(self, row: Row, reason: str) -> Row:
        """The user's own cancel came before the task began: 0 USD, and the same request and take may be sent again."""
        released = self._ended(State.RELEASED)
        return self._mark(row, {State.SUBMITTED}, **released, task_id=None, error_message=redacted(reason))

    def mark_downloaded(self, row: Row, file: str, sha256: str) -> Row:
        """The video is in hand. Also after the file was lost here and fetched again."""
        return self._mark(
            row,
            {State.SUCCEEDED, State.DOWNLOADED, State.LOST},
            state=State.DOWNLOADED.value,
            downloaded_at=self._now(),
            file=file,
            file_sha256=sha256,
        )

    def mark_lost(self, row: Row, reason: str) -> Row:
        """Paid, or perhaps paid, and the video is gone; what was not settled counts at its quote."""
        with self._file.transaction() as connection:
            now = get(connection, row.id)
            settled = {} if now.settled is not None else self._settled(now.quoted)
            return self._mark_in(
                connection,
                row,
                {State.UNKNOWN, State.SUBMITTED, State.SUCCEEDED, State.DOWNLOADED},
                state=State.LOST.value,
                error_message=redacted(reason),
                owner=None,
                **settled,
            )

    # What is in it

    def find(self, request_hash: str, take: int) -> Row | None:
        """The row of a request and take."""
        with self._file.transaction() as connection:
            self._bury(connection)
            return find(connection, request_hash, take)

    def get(self, row_id: int) -> Row:
        """The row as it is now. Raises KeyError."""
        with self._file.transaction() as connection:
            self._bury(connection)
            return get(connection, row_id)

    def by_task(self, task_id: str) -> Row | None:
        """The row of a task."""
        with self._file.transaction() as connection:
            return by_task(connection, task_id)

    def unfinished(self, provider: str) -> tuple[Row, ...]:
        """Rows that may have a video to fetch, oldest first."""
        with self._file.transaction() as connection:
            self._bury(connection)
            found = select(connection, "provider = ? ORDER BY id", (provider,))
            return tuple(row for row in found if row.state in UNFINISHED)

    def task_ids(self, provider: str) -> frozenset[str]:
        """Every task that belongs to a row."""
        with self._file.transaction() as connection:
            found = connection.execute(
                "SELECT task_id FROM shots WHERE provider = ? AND task_id IS NOT NULL", (provider,)
            )
            return frozenset(each["task_id"] for each in found)

    def stray_task_ids(self, provider: str) -> frozenset[str]:
        """Those of them whose row is of no request."""
        with self._file.transaction() as connection:
            found = select(connection, "provider = ? AND request_hash = ? || task_id", (provider, STRAY))
            return frozenset(row.task_id for row in found if row.task_id is not None)

    def spend(self, provider: str, day_start: datetime) -> Spend:
        """What was settled since ``day_start``, and all that is reserved."""
        with self._file.transaction() as connection:
            settled, reserved = day_sums(connection, provider, day_start)
            return Spend(from_nano(settled), from_nano(reserved))

    def rows(self) -> tuple[Row, ...]:
        """All rows, oldest first."""
        with self._file.transaction() as connection:
            return select(connection, "1 ORDER BY id", ())

    # The latch

    def latch(self, provider: str, code: str, message: str) -> None:
        """From now on nothing is sent to ``provider``."""
        with self._file.transaction() as connection:
            self._latch(connection, provider, code, message)

    def latched(self, provider: str) -> Latch | None:
        """The latch of ``provider`` if it is set."""
        with self._file.transaction() as connection:
            return latch_of(connection, provider)

    def clear_latch(self, provider: str) -> None:
        """A human has looked into the account. Shots are sent again if every other gate is open."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM latches WHERE provider = ?", (provider,))

    # Inside of a transaction

    def _now(self) -> str:
        return time_text(self._clock())

    def _settled(self, usd: Decimal) -> dict[str, object]:
        return {"settled_nano_usd": to_nano(usd), "settled_at": self._now()}

    def _ended(self, state: State) -> dict[str, object]:
        return {"state": state.value, "owner": None, **self._settled(Decimal(0))}

    def _submitted(self, task_id: str) -> dict[str, object]:
        return {
            "state": State.SUBMITTED.value,
            "task_id": task_id,
            "submitted_at": self._now(),
            "owner": None,
            "settled_nano_usd": None,
            "settled_at": None,
            "error_message": None,
        }

    def _stray(self, row: Row, task_id: str) -> dict[str, object]:
        now = self._now()
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
            **self._submitted(task_id),
        }

    def _mark(self, row: Row, states: set[State] | frozenset[State], **changes: object) -> Row:
        with self._file.transaction() as connection:
            return self._mark_in(connection, row, states, **changes)

    def _mark_in(
        self, connection: sqlite3.Connection, row: Row, states: set[State] | frozenset[State], **changes: object
    ) -> Row:
        now = get(connection, row.id)
        if now.attempt != row.attempt or now.state not in states:
            return now
        return update(connection, row.id, changes)

    def _latch(self, connection: sqlite3.Connection, provider: str, code: str, message: str) -> None:
        """The first reason stays: it is the one to look into."""
        connection.execute(
            "INSERT OR IGNORE INTO latches VALUES (?, ?, ?, ?)",
            (provider, redacted(code), redacted(message), self._now()),
        )

    def _bury(self, connection: sqlite3.Connection) -> None:
        """An intent whose owner is dead was perhaps sent: it is UNKNOWN."""
        for row in select(connection, "state = ?", (State.INTENT.value,)):
            if not is_alive(row.owner, row.heartbeat_at, self._clock()):
                reason = "the process that sent it ended before an answer was kept"
                update(connection, row.id, {"state": State.UNKNOWN.value, "owner": None, "error_message": reason})
