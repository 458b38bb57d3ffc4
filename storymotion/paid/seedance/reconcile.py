"""Finding a shot again whose send got no usable answer. It looks at the service's list and never sends.

The service has no idempotency key. What identifies a shot is its seed, which was sent explicitly and is told of a
finished task, together with its model, resolution, ratio and duration. Models without a seed leave the time and the
shape, and a user can give one seed to many shots; where it could be two tasks, a human decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

from ...errors import AmbiguousSend, ProviderUnavailable, ShotLost, TaskTaken
from ..journal_row import Row, State
from ..money import usd_text
from ..provider import SEEDANCE
from .client import Refused, SeedanceClient, Task, Unclear
from .desk import Desk
from .models import ADAPTIVE, AUTOMATIC_SECONDS
from .refusals import Kind
from .watch import ENDED, LIST_SECONDS, SUCCEEDED, listed

# A task begins when the service has read the request, by the service's clock.
BEFORE_SEND = timedelta(seconds=5)
AFTER_SEND = timedelta(seconds=240)
# Clocks of users can be wrong by hours (a wrong time zone); beyond a day a task is certainly another shot's.
CLOCK_ERROR = timedelta(hours=26)
RECORDS_KEPT = timedelta(days=7)
# In the place of the id of a task.
UNKNOWN_TASK = "?"


class Finding(Enum):
    """ONE: this is the task. NONE: no task can be this shot. LATER: a task may be, when it has ended. MANY: several
    could be, or one that cannot be told from another's."""

    ONE = "one"
    NONE = "none"
    LATER = "later"
    MANY = "many"


@dataclass(frozen=True)
class Found:
    """``tasks``: those that are meant; exactly one for ONE."""

    finding: Finding
    tasks: tuple[Task, ...] = ()


def reconcile(row: Row, client: SeedanceClient, desk: Desk) -> Row:
    """The UNKNOWN ``row`` with its task (SUBMITTED).

    It is looked for during ``patience.reconcile`` seconds, and as long as a task is watched while one that may be it
    has not ended.

    Raises AmbiguousSend: not found yet, or a human has to decide; nothing has changed. ProviderUnavailable: the
    shot was certainly never made, and is now RELEASED. ShotLost: the service has forgotten whether it was, and it is
    now LOST. KeyRefused, BillingRefused.
    """
    started = desk.clock()
    never_seen = True
    while True:
        now = desk.journal.get(row.id)
        if now.state is not State.UNKNOWN:
            return now  # somebody else found it
        reason, limit = "its task is not in the list yet", desk.patience.reconcile
        try:
            found = find(now, listed(client, _tier(now), desk.wait), desk)
        except Unclear as unclear:
            found, reason = None, unclear.reason
        except Refused as refused:
            if refused.refusal.kind is Kind.BILLING:
                desk.journal.latch(SEEDANCE.id, refused.refusal.code, refused.refusal.message)
            raise refused.refusal.error() from None
        never_seen = never_seen and found is not None and found.finding is Finding.NONE
        if found is not None:
            ids = ", ".join(task.id for task in found.tasks)
            if found.finding is Finding.ONE:
                try:
                    return desk.journal.adopt(now, found.tasks[0].id)
                except TaskTaken:
                    continue  # another row was faster; the next look does not see that task any more
            if found.finding is Finding.MANY:
                raise _ambiguous(now, f"each of these tasks could be it: {ids}")
            if found.finding is Finding.LATER:
                limit = max(limit, desk.patience.task)
                reason = f"one of these tasks may be it, which shows when it has ended: {ids}"
        if (desk.clock() - started).total_seconds() >= limit:
            # One list without it proves nothing: it may be from a copy that lags behind.
            if never_seen and _is_surely_not_made(now, client, desk):
                desk.journal.release(now, "the service has no such task")
                raise ProviderUnavailable(SEEDANCE.name, "it never made the shot that was sent to it")
            if never_seen and desk.clock() - now.heartbeat_at > RECORDS_KEPT + CLOCK_ERROR:
                # Nobody can tell any more. Its price counts once, instead of being reserved forever.
                reason = "no answer to it came, and the service keeps its records for 7 days"
                desk.journal.mark_lost(now, reason)
                raise ShotLost(UNKNOWN_TASK, reason)
            raise _ambiguous(now, reason)
        desk.wait(max(desk.patience.poll, LIST_SECONDS))


def find(row: Row, tasks: tuple[Task, ...], desk: Desk) -> Found:
    """Which of ``tasks`` (all of the last 7 days) is the shot of ``row``."""
    owned = desk.journal.task_ids(SEEDANCE.id)
    free = [
        task
        for task in tasks
        if task.id not in owned and task.model in (None, row.model) and _is_near(row, task, CLOCK_ERROR, CLOCK_ERROR)
    ]
    finished = [task for task in free if task.status == SUCCEEDED]
    # What ended without a video costs nothing; its seed is not told, and whether it is this shot does not matter.
    open_ones = [task for task in free if task.status != SUCCEEDED and task.status not in ENDED]
    fitting = [task for task in finished if _fits(row, task)]
    in_time = [task for task in fitting if _is_near(row, task, BEFORE_SEND, AFTER_SEND)]
    open_in_time = [task for task in open_ones if _is_near(row, task, BEFORE_SEND, AFTER_SEND)]
    certain = [task for task in in_time if row.seed is None or task.seed == row.seed]
    if len(certain) == 1 and not (_rivals(row, desk) or (row.seed is None and open_in_time)):
        return Found(Finding.ONE, tuple(certain))
    if len(in_time) > 1 or (in_time and not open_ones):
        return Found(Finding.MANY, tuple(in_time))
    if open_ones:
        return Found(Finding.LATER, tuple(open_ones))
    doubtful = fitting or _doubtful(row, tasks, owned, desk)
    return Found(Finding.MANY, tuple(doubtful)) if doubtful else Found(Finding.NONE)


def _doubtful(row: Row, tasks: tuple[Task, ...], owned: frozenset[str], desk: Desk) -> list[Task]:
    """Tasks that cannot be given to ``row`` but speak against sending it again: a human has collected them by their
    id, or the service calls the model by another name than was asked for (that of an endpoint, an alias).
    """
    strays = desk.journal.stray_task_ids(SEEDANCE.id)
    return [
        task
        for task in tasks
        if task.status not in ENDED
        and (task.id in strays or (task.id not in owned and task.model not in (None, row.model)))
        and _fits(row, task)
        and (
            _is_near(row, task, BEFORE_SEND, AFTER_SEND)
            or (task.seed is not None and _is_near(row, task, CLOCK_ERROR, CLOCK_ERROR))
        )
    ]


def _fits(row: Row, task: Task) -> bool:
    """Whether nothing that is known of a finished task speaks against it."""
    sent = row.request
    return all(
        told is None or told == asked
        for told, asked in (
            (task.seed, row.seed if row.seed is not None else task.seed),
            (task.resolution, sent.get("resolution", task.resolution)),
            (task.ratio, task.ratio if sent.get("ratio") in (ADAPTIVE, None) else sent["ratio"]),
            (task.duration, task.duration if sent.get("duration") in (AUTOMATIC_SECONDS, None) else sent["duration"]),
        )
    )


def fits(row: Row, task: Task) -> bool:
    """Whether ``task`` can be the shot of ``row``, as far as is known, whenever it was made."""
    return task.model in (None, row.model) and _fits(row, task)


def _is_near(row: Row, task: Task, before: timedelta, after: timedelta) -> bool:
    if task.created_at is None:
        return True
    created = datetime.fromtimestamp(task.created_at, timezone.utc)
    return row.reserved_at - before <= created <= row.heartbeat_at + after


def _rivals(row: Row, desk: Desk) -> list[Row]:
    """Other shots without a task that the same task could be: with a seed those that were sent with the same one."""
    return [
        other
        for other in desk.journal.unfinished(SEEDANCE.id)
        if other.id != row.id
        and other.task_id is None
        and (other.model, other.seed, _tier(other)) == (row.model, row.seed, _tier(row))
        # A shot that is being sent has no finished task, and only finished ones tell a seed.
        and (row.seed is None or other.state is State.UNKNOWN)
    ]


def _is_surely_not_made(row: Row, client: SeedanceClient, desk: Desk) -> bool:
    """Not before the request can no longer be on its way, nor in the list of another account or a later week."""
    age = desk.clock() - row.heartbeat_at
    return (
        row.key_fingerprint == client.fingerprint
        and timedelta(seconds=desk.patience.surely_not_made) <= age < RECORDS_KEPT - CLOCK_ERROR
    )


def _tier(row: Row) -> str:
    return str(row.request.get("service_tier", "default"))


def _ambiguous(row: Row, reason: str) -> AmbiguousSend:
    return AmbiguousSend(SEEDANCE.name, reason, usd_text(row.quoted))
