"""The tasks that the server keeps: their way from queued to their end, and what is charged for them."""

from __future__ import annotations

import random
import string
import threading
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from .clock import VirtualClock
from .orders import Order
from .refusal import Refusal

TERMINAL = ("succeeded", "failed", "expired", "cancelled")
SECONDS_KEPT = 7 * 86400
SECONDS_CANCELLED_KEPT = 86400
# The third party that measured it says how long 10 s of video take; how long a task waits is invented.
RUNNING_SECONDS_PER_10_S = {"480p": 50.0, "720p": 65.0, "1080p": 100.0, "4k": 200.0}
QUEUED_SECONDS = 3.0
MOST_QUEUED = 120
CHINA = timezone(timedelta(hours=8))


@dataclass(frozen=True)
class Outcome:
    """How a task will end. ``status`` is one of TERMINAL or "never"; a factor on the usage; seconds before it ends."""

    status: str = "succeeded"
    code: str = "OutputVideoSensitiveContentDetected"
    message: str = "The request failed because the output video may contain sensitive information."
    usage_factor: float = 1.0
    queued_seconds: float | None = None
    running_seconds: float | None = None


@dataclass(frozen=True)
class Charge:
    """One line of the server's own bill; times in virtual seconds since 1970."""

    task_id: str
    model: str
    service_tier: str
    tokens: int
    usd: float
    request_digest: str
    created_at: float
    charged_at: float


@dataclass
class Task:
    """One task; ``status`` is what it was at the last look at the clock."""

    id: str
    order: Order
    outcome: Outcome
    created_at: float
    ready_at: float
    running_seconds: float
    status: str = "queued"
    updated_at: float = 0.0
    ends_at: float = float("inf")
    tokens: int = 0
    deleted: bool = False

    @property
    def expires_at(self) -> float:
        """When it is given up, unless it ended before."""
        if self.outcome.status == "never":
            return float("inf")
        return self.created_at + self.order.execution_expires_after

    @property
    def active(self) -> bool:
        """Whether it is queued or running."""
        return self.status not in TERMINAL

    def is_kept(self, now: float) -> bool:
        """Whether the service still knows it."""
        if self.deleted or self.created_at < now - SECONDS_KEPT:
            return False
        return self.status != "cancelled" or now < self.updated_at + SECONDS_CANCELLED_KEPT

    def summary(self) -> dict[str, Any]:
        """What a test may want to know, whether or not a client can see the task."""
        return {
            "id": self.id,
            "model": self.order.model.id,
            "status": self.status,
            "seed": self.order.seed,
            "size": list(self.order.size),
            "frames": self.order.frame_count,
            "request_digest": self.order.digest,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "deleted": self.deleted,
        }


class TaskBook:
    """All tasks and charges of one account. ``work_speed`` makes tasks that many times as fast as real ones."""

    def __init__(self, clock: VirtualClock, work_speed: float, chance: random.Random) -> None:
        self.lock = threading.RLock()
        self.work_speed = work_speed
        self._clock = clock
        self._chance = chance
        self._tasks: dict[str, Task] = {}
        self._charges: list[Charge] = []
        self._caught_up = float("-inf")

    def clear(self) -> None:
        """Forget every task and charge."""
        with self.lock:
            self._tasks.clear()
            self._charges.clear()
            self._caught_up = float("-inf")

    def create(self, order: Order, outcome: Outcome) -> Task:
        """Put a new task in the queue; raises Refusal when too many are queued. Equal orders make separate tasks."""
        with self.lock:
            now = self.catch_up()
            if sum(task.status == "queued" for task in self._tasks.values()) >= MOST_QUEUED:
                raise Refusal(429, "QuotaExceeded", "The request has exceeded the quota.")
            queued, running = outcome.queued_seconds, outcome.running_seconds
            if queued is None:
                queued = QUEUED_SECONDS / self.work_speed
            if running is None:
                per_second = RUNNING_SECONDS_PER_10_S[order.resolution] / 10
                running = order.frame_count / 24 * per_second / self.work_speed
            task = Task(self._new_id(now), order, outcome, now, now + queued, running, updated_at=now)
            self._tasks[task.id] = task
            return task

    def find(self, task_id: str) -> Task:
        """The task that a client may see; raises Refusal."""
        with self.lock:
            now = self.catch_up()
            task = self._tasks.get(task_id)
            if task is None or not task.is_kept(now):
                # What the real service says here is not documented.
                raise Refusal(404, "ResourceNotFound", f"The specified task {task_id} is not found.", "id")
            return task

    def kept(self) -> list[Task]:
        """The tasks that a client may see, newest first."""
        with self.lock:
            now = self.catch_up()
            return [task for task in reversed(self._tasks.values()) if task.is_kept(now)]

    def all(self) -> list[Task]:
        """Every task that was made, oldest first, the deleted ones too."""
        with self.lock:
            self.catch_up()
            return list(self._tasks.values())

    def delete(self, task_id: str) -> None:
        """Cancel a queued task, forget one that ended; raises Refusal for a running or cancelled one."""
        with self.lock:
            task = self.find(task_id)
            if task.status == "running":
                message = "Cannot delete task because it is currently running."
                raise Refusal(409, "InvalidAction.RunningTaskDeletion", message)
            if task.status == "cancelled":
                raise Refusal(409, "InvalidAction", "Cannot delete task because it is cancelled.")
            if task.status == "queued":
                task.status, task.updated_at = "cancelled", self._clock.now()
            else:
                task.deleted = True

    def forget(self, task_id: str) -> None:
        """Lose a task's record, as after seven days; raises KeyError."""
        with self.lock:
            self._tasks[task_id].deleted = True

    def charges(self) -> list[Charge]:
        """What was charged until now, in the order of time."""
        with self.lock:
            self.catch_up()
            return list(self._charges)

    def bill(self) -> dict[str, Any]:
        """The charges as JSON."""
        charges = self.charges()
        return {
            "charges": [asdict(charge) for charge in charges],
            "count": len(charges),
            "total_tokens": sum(charge.tokens for charge in charges),
            "total_usd": round(sum(charge.usd for charge in charges), 9),
        }

    def next_event(self) -> float | None:
        """When a task starts or ends next; None when nothing will happen by itself."""
        with self.lock:
            self.catch_up()
            event = self._next()
            return event[0] if event else None

    def catch_up(self) -> float:
        """Bring every task to where it is now; returns now."""
        with self.lock:
            now = self._clock.now()
            while (event := self._next()) is not None and event[0] <= now:
                moment, task = event
                self._caught_up = moment
                self._move(task, moment)
            return now

    def _next(self) -> tuple[float, Task] | None:
        """The next task that changes by itself, and when."""
        events: list[tuple[float, Task]] = []
        running: dict[str, int] = {}
        waiting: dict[str, list[Task]] = {}
        for task in self._tasks.values():
            if task.status == "running":
                running[task.order.model.id] = running.get(task.order.model.id, 0) + 1
                events.append((min(task.ends_at, task.expires_at), task))
            elif task.status == "queued":
                waiting.setdefault(task.order.model.id, []).append(task)
        for model, tasks in waiting.items():
            events += [(task.expires_at, task) for task in tasks]
            if running.get(model, 0) < tasks[0].order.model.concurrent:
                # A slot that became free later than the task was ready became free at the last change.
                starts = [(max(task.ready_at, self._caught_up), -(task.order.priority or 0), task) for task in tasks]
                start, _, first = min(starts, key=lambda each: each[:2])
                events.append((start, first))
        events = [event for event in events if event[0] < float("inf")]
        return min(events, key=lambda event: event[0], default=None)

    def _move(self, task: Task, moment: float) -> None:
        task.updated_at = moment
        if moment >= task.expires_at:
            task.status = "expired"
        elif task.status == "queued":
            task.status = "running"
            task.ends_at = float("inf") if task.outcome.status == "never" else moment + task.running_seconds
        else:
            task.status = task.outcome.status
            if task.status == "succeeded":
                self._charge(task, moment)

    def _charge(self, task: Task, moment: float) -> None:
        order = task.order
        task.tokens = int(order.tokens * task.outcome.usage_factor)
        usd = float(order.usd(task.tokens))
        self._charges.append(
            Charge(
                task.id,
                order.model.id,
                order.service_tier,
                task.tokens,
                usd,
                order.digest,
                task.created_at,
                moment,
            )
        )

    def _new_id(self, now: float) -> str:
        stamp = datetime.fromtimestamp(now, CHINA).strftime("%Y%m%d%H%M%S")
        while True:
            suffix = "".join(self._chance.choices(string.ascii_lowercase + string.digits, k=5))
            if (name := f"cgt-{stamp}-{suffix}") not in self._tasks:
                return name
