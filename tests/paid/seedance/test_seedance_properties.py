"""Any sequence of queues, faults, stops, restarts, waits and collecting: never two charges for one shot, and never a
charge without its video.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.fake_seedance import FakeSeedance
from storymotion.errors import PaidError
from storymotion.paid.journal_row import OPEN, State
from storymotion.paid.provider import SEEDANCE
from storymotion.paid.seedance.run import PaidShot, collect

from .paid_shots import OVER, SMALL, Shop, Stopped, environment

# Faults that need no real time to pass.
FAULTS = [
    "01 reset before the body is read",
    "02 reset after the task was made",
    "04 create 500, task made",
    "04 create 503, task not made",
    "05 create 200 with bad JSON",
    "05 create 200 truncated",
    "05 create 200 without id",
    "06 create 429 rate",
    "06 create 429 rate, Retry-After 86400",
    "10 poll 429",
    "10 poll 500",
    "10 poll reset",
    "10 poll bad JSON",
    "11 poll unknown status",
    "11 succeeded without content, twice",
    "11 succeeded with null usage",
    "12 task fails in moderation",
    "12 task expires",
    "12 task is cancelled",
    "14 download truncated",
    "14 download truncated, no length",
    "14 download resets in the middle, twice",
    "15 download has no bytes",
    "15 download is XML",
    "15 download 403 once",
    "20 usage is larger",
]
BILLING = {"kind": "error", "status": 403, "code": "AccountOverdueError"}
REQUESTS = [SMALL, replace(SMALL, prompt="She nods."), replace(SMALL, take=2), replace(SMALL, seed=7)]

step = st.one_of(
    st.tuples(st.just("queue"), st.sampled_from(range(len(REQUESTS)))),
    st.tuples(st.just("stopped queue"), st.sampled_from(range(len(REQUESTS))), st.integers(0, 5)),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("billing")),
    st.tuples(st.just("clear latch")),
    st.tuples(st.just("time"), st.sampled_from([30, 600, 1800])),
    st.tuples(st.just("collect")),
)


# Every example starts a server and a journal.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(st.lists(step, min_size=1, max_size=8))
def test_whatever_happens_nothing_is_paid_twice_and_nothing_paid_is_lost(steps: list[tuple]) -> None:
    with FakeSeedance() as server, tempfile.TemporaryDirectory() as folder:
        shop = Shop(server, Path(folder), environment(server))
        queued: set[int] = set()
        for name, *values in steps:
            take_step(shop, name, values, queued)
            assert_never_twice(shop)
        server.faults.clear()
        shop.desk().journal.clear_latch(SEEDANCE.id)
        for number in sorted(queued):
            bring_home(shop, number)
        server.finish()
        assert_never_twice(shop)
        rows = shop.rows()
        assert not [row for row in rows if row.state in OPEN]
        in_hand = {row.task_id for row in rows if row.state is State.DOWNLOADED}
        assert in_hand == {charge.task_id for charge in server.charges()}
        assert shop.settled() == shop.bill()


def take_step(shop: Shop, name: str, values: list, queued: set[int]) -> None:
    """One thing that happens; a new desk each time is a restart each time."""
    try:
        if name == "queue":
            queued.add(values[0])
            shop.run(REQUESTS[values[0]])
        elif name == "stopped queue":
            queued.add(values[0])
            shop.stop_after = values[1]
            shop.run(REQUESTS[values[0]])
        elif name == "fault":
            shop.server.faults.add_recipe(values[0])
        elif name == "billing":
            shop.server.faults.add(**BILLING)
        elif name == "clear latch":
            shop.desk().journal.clear_latch(SEEDANCE.id)
        elif name == "time":
            shop.server.clock.advance(values[0])
        else:
            collect(shop.desk())
    except (PaidError, Stopped):
        pass
    finally:
        shop.stop_after = None


def bring_home(shop: Shop, number: int) -> None:
    """The user goes on with one shot until it is over."""
    outcome: object = None
    for _ in range(8):
        outcome = shop.queue(REQUESTS[number])
        ended = {row.state for row in shop.rows() if row.task_id} <= OVER
        if isinstance(outcome, PaidShot) or (ended and "not charged" in str(outcome) and "take" in str(outcome)):
            return
        shop.server.clock.advance(timedelta(minutes=20).total_seconds())


def assert_never_twice(shop: Shop) -> None:
    """Of the tasks of one request and take, at most one can be charged: a lost send that ended without a video is
    free, and its shot may be sent again."""
    made = [task["seed"] for task in shop.server.tasks() if task["status"] not in ("failed", "expired", "cancelled")]
    assert len(made) == len(set(made)), "one shot was ordered twice"
