"""Whatever happens in whatever order: no pair of request and take is charged twice, and the caps hold."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storymotion.errors import CapReached
from storymotion.paid.journal import Journal
from storymotion.paid.journal_row import SENDABLE_AGAIN, Row, Shot, State
from storymotion.paid.journal_table import Caps
from storymotion.paid.owner import LEASE

RUN_CAP, DAY_CAP = Decimal("0.5"), Decimal("0.8")
AMOUNTS = st.sampled_from([Decimal("0.1"), Decimal("0.123456789"), Decimal("0.3")])


class PaidShots(RuleBasedStateMachine):
    """A provider that makes and charges tasks, and clients that ask, crash, restart, look in its list and collect."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.now = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
        self.day_start = datetime(2026, 11, 23, tzinfo=timezone.utc)
        self.path = self.folder / "journal.sqlite3"
        self.tasks: dict[str, tuple[str, int]] = {}  # task id -> the pair it was made for
        self.charged: Counter[tuple[str, int]] = Counter()
        self.sending: list[Row] = []
        self.quotes: dict[tuple[str, int], Decimal] = {}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @property
    def journal(self) -> Journal:
        """Opened anew each time, as after a restart."""
        return Journal(self.path, lambda: self.now)

    def make_task(self, row: Row) -> str:
        pair = (row.request_hash, row.take)
        task = f"cgt-{len(self.tasks)}"
        self.tasks[task] = pair
        self.charged[pair] += 1
        return task

    @rule(name=st.sampled_from("abc"), take=st.integers(1, 2), run=st.sampled_from(["one", "two"]), usd=AMOUNTS)
    def ask(self, name: str, take: int, run: str, usd: Decimal) -> None:
        """A client wants a shot, and sends only when the journal says that it is the one to do it."""
        shot = Shot("byteplus", name, take, "m", "o", "k", {})
        caps = Caps(RUN_CAP, DAY_CAP, self.day_start, "RUN", "DAY")
        before = self.journal.find(name, take)
        try:
            reservation = self.journal.reserve(shot, usd, run, caps)
        except CapReached:
            return
        assert reservation.mine == (before is None or before.state in SENDABLE_AGAIN)
        if reservation.mine:
            self.quotes[name, take] = usd
            self.sending.append(reservation.row)

    @precondition(lambda self: self.sending)
    @rule()
    def is_accepted(self) -> None:
        row = self.sending.pop(0)
        self.journal.mark_submitted(row, self.make_task(row))

    @precondition(lambda self: self.sending)
    @rule()
    def times_out(self) -> None:
        """The provider made a task, but the answer did not come."""
        row = self.sending.pop()
        self.make_task(row)
        self.journal.mark_unknown(row, "timeout")

    @precondition(lambda self: self.sending)
    @rule(latches=st.booleans())
    def is_refused(self, latches: bool) -> None:
        self.journal.mark_refused(self.sending.pop(0), "code", "no", latches=latches)
        self.journal.clear_latch("byteplus")

    @precondition(lambda self: self.sending)
    @rule(sent=st.booleans())
    def all_die(self, sent: bool) -> None:
        """All clients are killed before or after the provider made something of it."""
        for row in self.sending:
            if sent:
                self.make_task(row)
        self.sending.clear()
        self.now += LEASE

    @rule()
    def reconcile(self) -> None:
        """Look for the tasks of unknown rows in the provider's list, as Collect does."""
        known = self.journal.task_ids("byteplus")
        for row in self.journal.unfinished("byteplus"):
            if row.state is State.UNKNOWN:
                pair = (row.request_hash, row.take)
                found = [task for task, made_for in self.tasks.items() if made_for == pair and task not in known]
                if found:
                    self.journal.adopt(row, found[0])
                elif self.now - row.heartbeat_at >= LEASE:
                    self.journal.release(row, "not in the list")

    @rule(ends=st.sampled_from(["succeeded", "no usage", "failed", "lost"]))
    def collect(self, ends: str) -> None:
        for row in self.journal.unfinished("byteplus"):
            if row.state is State.SUBMITTED and row.task_id:
                if ends == "failed":
                    self.charged[self.tasks[row.task_id]] -= 1
                    self.journal.mark_ended(row, State.FAILED, "code", "no")
                elif ends == "lost":
                    self.journal.mark_lost(row, "404")
                else:
                    row = self.journal.mark_succeeded(row, None if ends == "no usage" else row.quoted / 2, 1)
                    self.journal.mark_downloaded(row, "a.mp4", "00")

    @invariant()
    def one_row_for_each_pair(self) -> None:
        if not hasattr(self, "path") or not self.path.exists():
            return
        rows = self.journal.rows()
        pairs = Counter((row.request_hash, row.take) for row in rows)
        assert set(pairs.values()) <= {1} and set(pairs) == set(self.quotes)
        assert all(count in (0, 1) for count in self.charged.values())

    @invariant()
    def spend_stays_below_the_caps(self) -> None:
        if not hasattr(self, "path") or not self.path.exists():
            return
        assert self.journal.spend("byteplus", self.day_start).total <= DAY_CAP
        by_run: Counter[str] = Counter()
        for row in self.journal.rows():
            by_run[row.run_id] += row.quoted if row.settled is None else row.settled  # type: ignore[assignment]
        assert all(total <= RUN_CAP for total in by_run.values())

    @invariant()
    def what_was_charged_is_in_the_journal(self) -> None:
        """Every charged task is in the hands of a row, or its row waits to be reconciled."""
        for pair, count in self.charged.items():
            if count:
                row = self.journal.find(*pair)
                assert row is not None and row.state not in SENDABLE_AGAIN
                assert row.settled is None or row.settled > 0


PaidShots.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestPaidShots = PaidShots.TestCase
