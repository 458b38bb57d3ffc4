"""From a task to its video: look until it ends, write down what it cost, fetch the file."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from ...errors import (
    ModerationRefused,
    PaidError,
    ProviderUnavailable,
    SeedanceVideoNotFetched,
    ShotLost,
    TaskEnded,
    TaskStillRunning,
)
from ...report import line
from ..journal_row import Row, State
from ..money import usd_of_tokens
from ..provider import SEEDANCE
from .client import NoSuchTask, Refused, SeedanceClient, Task, Unclear
from .desk import Desk
from .download import Gone, NotFetched, fetch_video, file_sha256, why_not_playable
from .refusals import MODERATION, Kind

SUCCEEDED = "succeeded"
QUEUED = "queued"
# Before the first look at a task.
SUBMITTED = "submitted"
ENDED = {"failed": State.FAILED, "expired": State.EXPIRED, "cancelled": State.CANCELLED}
# Looks at the usual pace before they become rarer.
FIRST_LOOKS = 24
# A task that the service does not find may only be late; it is given up after so many looks and a look at the list.
LOOKS_UNTIL_GONE = 3
LIST_SECONDS = 1.1
PAGE_SIZE = 100
SECONDS_KEPT = 24 * 3600

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Video:
    """The file of a paid shot, and what the journal says of it."""

    row: Row
    path: Path


def video_of(row: Row, desk: Desk) -> Path | None:
    """The file of a downloaded shot, None where it is not there or not what was downloaded."""
    if row.state is not State.DOWNLOADED or row.file is None:
        return None
    path = desk.video_file(row.file)
    return path if file_sha256(path) == row.file_sha256 else None


def kept_video(row: Row, desk: Desk) -> Video | None:
    """The video of a shot that was fetched and never marked so: the process was killed in between, or the journal
    could not be written. A file gets its name only when it is whole.
    """
    if row.state not in (State.SUCCEEDED, State.LOST) or row.file is not None or row.task_id is None:
        return None
    name = _file_name(row.task_id)
    path = desk.video_file(name)
    sha256 = file_sha256(path)
    if sha256 is None or why_not_playable(path) is not None:
        return None
    return Video(desk.journal.mark_downloaded(row, name, sha256), path)


def ended_error(row: Row) -> PaidError:
    """What is said of a task that ended without a video."""
    code, message = row.error_code or "", row.error_message or ""
    if MODERATION.search(code):
        return ModerationRefused(SEEDANCE.name, code, message.rstrip("."))
    return TaskEnded(row.task_id or "", row.state.value, f"{code}: {message}".strip(": .") or "no reason was given")


def watch(row: Row, client: SeedanceClient, desk: Desk, cancels: bool = True) -> Video:
    """The video of a row whose task is known, now or when the task has made it. Costs nothing.

    ``cancels``: when ``desk.wait`` or ``desk.progress`` raises to stop, a task that is still queued is cancelled; a
    running one cannot be, and the user is told. Raises TaskStillRunning, TaskEnded, ModerationRefused, ShotLost,
    SeedanceVideoNotFetched, SeedanceForeignHost, KeyRefused, BillingRefused, ProviderUnavailable; the row
    can be taken up again after all of them but those of a task that ended.
    """
    watching = _Watching(row, client, desk)
    try:
        task = watching.until_video()
        return watching.fetch(task)
    except (PaidError, GeneratorExit):
        raise
    except BaseException:
        watching.stopped(cancels)
        raise


class _Watching:
    """One stay with one task."""

    def __init__(self, row: Row, client: SeedanceClient, desk: Desk) -> None:
        assert row.task_id is not None
        self.row = row
        self.task_id = row.task_id
        self.client = client
        self.desk = desk
        self.last_status = SUBMITTED
        self.looks = 0

    def until_video(self) -> Task:
        """The task with the address of its video."""
        patience = self.desk.patience
        limit = patience.flex_task if self.row.request.get("service_tier") == "flex" else patience.task
        started = self.desk.clock()
        finished: datetime | None = None
        trouble, not_found, failures = "", 0, 0
        while True:
            elapsed = (self.desk.clock() - started).total_seconds()
            self.desk.progress(int(min(elapsed, limit)), int(limit) or 1, f"Seedance: {self.last_status}")
            try:
                task = self._look()
                not_found = failures = 0
                if task.status == SUCCEEDED:
                    self._settle(task)
                    if task.video_url is not None:
                        return task
                    finished = finished or self.desk.clock()
                    trouble = "the finished task has no address of its video"
                elif task.status in ENDED:
                    raise self._ended(task)
            except NoSuchTask:
                not_found += 1
                if not_found >= LOOKS_UNTIL_GONE:
                    self._gone()
                    not_found = 0
            except Unclear as unclear:
                failures += 1
                trouble = unclear.reason
                log.info("%s: %s, asking again", self.task_id, unclear.reason)
            now = self.desk.clock()
            if finished is not None and (now - finished).total_seconds() > patience.missing_url:
                raise SeedanceVideoNotFetched(self.task_id, trouble)
            if (now - started).total_seconds() > limit:
                if failures:
                    raise ProviderUnavailable(SEEDANCE.name, trouble)
                raise TaskStillRunning(SEEDANCE.name, self.task_id, self.last_status)
            self.desk.wait(self._pace(failures))

    def fetch(self, task: Task) -> Video:
        """The file of a finished task."""
        name = _file_name(self.task_id)
        path = self.desk.video_file(name)
        try:
            sha256 = fetch_video(
                task.video_url or "",
                path,
                self.desk.is_local,
                self._new_url,
                self.desk.wait,
                self.desk.progress,
                self.desk.download_limits,
            )
        except Gone as gone:
            if task.updated_at is not None and self._age(task.updated_at) > SECONDS_KEPT:
                self.row = self.desk.journal.mark_lost(self.row, gone.reason)
                raise ShotLost(self.task_id, f"it was kept for 24 hours; {gone.reason}") from None
            raise SeedanceVideoNotFetched(self.task_id, gone.reason) from None
        except NotFetched as failure:
            raise SeedanceVideoNotFetched(self.task_id, failure.reason) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SeedanceVideoNotFetched(self.task_id, f"the disk: {reason}") from error
        self.row = self.desk.journal.mark_downloaded(self.row, name, sha256)
        return Video(self.row, path)

    def stopped(self, cancels: bool) -> None:
        """The user stopped it: cancel what can be cancelled, say what cannot."""
        try:
            if cancels and self.last_status in (SUBMITTED, QUEUED) and self._cancel():
                self.desk.tell(line("seedance-cancelled", task=self.task_id))
                return
        except (PaidError, Refused, NoSuchTask, Unclear) as failure:
            log.info("%s: could not be cancelled (%s)", self.task_id, type(failure).__name__)
        self.desk.tell(line("seedance-left-running", task=self.task_id))

    def _cancel(self) -> bool:
        """Whether the task is now certainly cancelled. A look just before: DELETE forgets a task that has ended."""
        if self.client.get(self.task_id).status != QUEUED or not self.client.delete(self.task_id):
            return False
        if self.client.get(self.task_id).status != "cancelled":
            return False
        self.row = self.desk.journal.take_back(self.row, "cancelled by the user")
        return True

    def _look(self) -> Task:
        self.looks += 1
        try:
            task = self.client.get(self.task_id)
        except Refused as refused:
            refusal = refused.refusal
            if refusal.kind is Kind.BILLING:
                self.desk.journal.latch(SEEDANCE.id, refusal.code, refusal.message)
            raise refusal.error() from None
        self.last_status = task.status
        return task

    def _settle(self, task: Task) -> None:
        if self.row.state is State.SUBMITTED:
            self.row = self.desk.journal.mark_succeeded(self.row, cost_of(task, self.row, self.desk), task.tokens)

    def _ended(self, task: Task) -> PaidError:
        message = task.error_message or "no reason was given"
        self.row = self.desk.journal.mark_ended(self.row, ENDED[task.status], task.error_code, message)
        return ended_error(self.row)

    def _gone(self) -> None:
        """Lost, if the list of the account that made it does not have it either. Raises ShotLost then."""
        if self.row.key_fingerprint != self.client.fingerprint:
            reason = "the task is not of the account of this key; it was made with another key"
            raise ProviderUnavailable(SEEDANCE.name, reason)
        try:
            if self.task_id in listed_ids(self.client, self.row, self.desk.wait):
                return
        except (Unclear, Refused):
            return
        self.row = self.desk.journal.mark_lost(self.row, "the service has no record of the task any more")
        raise ShotLost(self.task_id, "the service has no record of it any more")

    def _new_url(self) -> str | None:
        try:
            return self.client.get(self.task_id).video_url
        except (Unclear, Refused, NoSuchTask):
            return None

    def _age(self, moment: float) -> float:
        return (self.desk.clock() - datetime.fromtimestamp(moment, timezone.utc)).total_seconds()

    def _pace(self, failures: int) -> float:
        patience = self.desk.patience
        seconds = patience.poll * 2 ** min(failures, 4)
        if self.looks > FIRST_LOOKS:
            seconds *= 2
        # Several shots that were queued together do not ask in step.
        return min(seconds, patience.longest_poll) * random.uniform(1.0, 1.2)


def _file_name(task_id: str) -> str:
    return f"{task_id}.mp4"


def cost_of(task: Task, row: Row, desk: Desk) -> Decimal | None:
    """What a finished task cost in USD, None where its usage or its price is not known."""
    if task.tokens is None:
        return None
    told: dict[str, object] = {**row.request}
    told |= {name: value for name in ("resolution", "service_tier") if (value := getattr(task, name)) is not None}
    model = next((each for each in desk.catalogue.models if each.id == (task.model or row.model)), None)
    if model is None:
        return None
    sound = model.sound and bool(told.get("generate_audio", True))
    price = desk.catalogue.price(model, str(told.get("resolution")), str(told.get("service_tier")), sound)
    return None if price is None else usd_of_tokens(task.tokens, price.usd_per_million)


def listed(client: SeedanceClient, service_tier: str, wait: Callable[[float], None]) -> tuple[Task, ...]:
    """All tasks of the last 7 days of one service tier. Raises Unclear where the list is not whole, Refused."""
    found: dict[str, Task] = {}
    page = 1
    while True:
        if page > 1:
            wait(LIST_SECONDS)  # the service answers one list a second
        tasks, total = client.list(service_tier, page, PAGE_SIZE)
        found |= {task.id: task for task in tasks}
        if page * PAGE_SIZE >= total or not tasks:
            break
        page += 1
    # A task that was deleted meanwhile moves the others one place up, and one of them past us.
    if len(found) < total:
        raise Unclear("the list was not whole")
    return tuple(found.values())


def listed_ids(client: SeedanceClient, row: Row, wait: Callable[[float], None]) -> frozenset[str]:
    """The ids of all tasks of the row's service tier. Raises Unclear, Refused."""
    wait(LIST_SECONDS)
    return frozenset(task.id for task in listed(client, str(row.request.get("service_tier", "default")), wait))
