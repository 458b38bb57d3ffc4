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
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from ..errors import JournalUnusable, TaskNotKept, TaskTaken
from . import journal_columns as columns
from .journal_file import JournalFile
from .journal_row import OPEN, SENDABLE_AGAIN, UNFINISHED, Row, Shot, State, time_text
from .journal_table import (
    Caps,
    Latch,
    bury,
    by_task,
    check_caps,
    check_latch,
    day_sums,
    find,
    get,
    insert,
    latch_of,
    select,
    set_latch,
    update,
)
from .money import from_nano, to_nano
from .redact import redacted

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
            bury(connection, self._clock())
            found = find(connection, shot.request_hash, shot.take)
            if found is not None and found.state not in SENDABLE_AGAIN:
                return Reservation(found, mine=False)
            check_latch(connection, shot.provider)
            check_caps(connection, shot.provider, nano, run_id, caps)
            fresh = columns.reserved(shot, found.attempt + 1 if found else 1, run_id, nano, now)
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
                    return insert(connection, columns.second_task(row, task_id, self._now()))
                return update(connection, row.id, columns.submitted(task_id, self._now()))
        except JournalUnusable as error:
            raise TaskNotKept(task_id, error.path, error.reason) from error

    def mark_unknown(self, row: Row, reason: str) -> Row:
        """Nobody knows whether the provider accepted; the reservation stays."""
        return self._mark(row, {State.INTENT}, state=State.UNKNOWN.value, owner=None, error_message=redacted(reason))

    def mark_refused(self, row: Row, code: str, message: str, latches: bool = False) -> Row:
        """The provider said no: 0 USD. ``latches``: for reasons of billing, so that nothing more is sent."""
        with self._file.transaction() as connection:
            if latches:
                set_latch(connection, row.provider, code, message, self._now())
            return self._mark_in(
                connection,
                row,
                {State.INTENT, State.UNKNOWN},
                **columns.ended(State.REFUSED, self._now()),
                error_code=redacted(code),
                error_message=redacted(message),
            )

    def release(self, row: Row, reason: str) -> Row:
        """It is certain, or a human decides, that the provider made nothing of the send: 0 USD, may be sent again."""
        return self._mark(
            row,
            {State.INTENT, State.UNKNOWN},
            **columns.ended(State.RELEASED, self._now()),
            error_message=redacted(reason),
        )

    def adopt(self, row: Row, task_id: str) -> Row:
        """The task of an UNKNOWN row was found. Raises TaskTaken when another row has it."""
        with self._file.transaction() as connection:
            taken = by_task(connection, task_id)
            if taken is not None and taken.id != row.id:
                raise TaskTaken(task_id, taken.id)
            return self._mark_in(connection, row, {State.UNKNOWN}, **columns.submitted(task_id, self._now()))

    def adopt_stray(self, shot: Shot, task_id: str, quoted: Decimal = Decimal(0)) -> Row:
        """A row for a task that was made elsewhere, so that it can be collected and counts; or the row it has.

        ``shot.request_hash`` and ``take`` are replaced, so that no request attaches to it.
        """
        with self._file.transaction() as connection:
            known = by_task(connection, task_id)
            if known is not None:
                return known
            return insert(connection, columns.stray(shot, task_id, quoted, self._now()))

    # What came of the task

    def mark_succeeded(self, row: Row, usd: Decimal | None, tokens: int | None) -> Row:
        """The video is made and charged. ``usd`` None (the provider told no usage) settles at the quote."""
        paid = row.quoted if usd is None else usd
        return self._mark(
            row,
            {State.SUBMITTED},
            state=State.SUCCEEDED.value,
            **columns.settled(paid, self._now()),
            tokens=tokens,
            owner=None,
        )

    def settle(self, row: Row, usd: Decimal, tokens: int | None) -> Row:
        """Correct what a shot cost, in any state after its task was known."""
        return self._mark(row, set(State) - OPEN - SENDABLE_AGAIN, **columns.settled(usd, self._now()), tokens=tokens)

    def mark_ended(self, row: Row, state: State, code: str, message: str) -> Row:
        """The task FAILED, EXPIRED or was CANCELLED: 0 USD, and not sent again."""
        if state not in ENDED:
            raise ValueError(f"a task does not end as {state.value}")
        ended = columns.ended(state, self._now())
        return self._mark(row, {State.SUBMITTED}, **ended, error_code=redacted(code), error_message=redacted(message))

    def take_back(self, row: Row, reason: str) -> Row:
        """The user's own cancel came before the task began: 0 USD, and the same request and take may be sent again."""
        released = columns.ended(State.RELEASED, self._now())
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
            settled = {} if now.settled is not None else columns.settled(now.quoted, self._now())
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
            bury(connection, self._clock())
            return find(connection, request_hash, take)

    def get(self, row_id: int) -> Row:
        """The row as it is now. Raises KeyError."""
        with self._file.transaction() as connection:
            bury(connection, self._clock())
            return get(connection, row_id)

    def by_task(self, task_id: str) -> Row | None:
        """The row of a task."""
        with self._file.transaction() as connection:
            return by_task(connection, task_id)

    def unfinished(self, provider: str) -> tuple[Row, ...]:
        """Rows that may have a video to fetch, oldest first."""
        with self._file.transaction() as connection:
            bury(connection, self._clock())
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
            found = select(connection, "provider = ? AND request_hash = ? || task_id", (provider, columns.STRAY))
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
            set_latch(connection, provider, code, message, self._now())

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
