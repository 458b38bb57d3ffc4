"""The four routes of the service: create, get, list, delete. Each call here is one request, or raises.

Base addresses and routes: docs.byteplus.com/en/docs/ModelArk/1520757 (create), 1521309 (get), 1521675 (list),
1521720 (delete). Nothing but ``create`` is ever POSTed: the service takes a POST to any path below a task for a
create.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ..key import Secret
from ..provider import SEEDANCE
from ..redact import redacted
from .refusals import Kind, Refusal, error_of, json_of, read_refusal
from .transport import Broken, NotSent, Reply, Timeouts, exchange

TASKS = "/contents/generations/tasks"
MOST_REPLY_BYTES = 16 * 2**20
# More than any shot, and few enough for what the journal can count.
MOST_TOKENS = 2**40
TASK_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

log = logging.getLogger(__name__)


class Refused(Exception):
    """The service says no: see ``refusal``."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.status} {refusal.code}")
        self.refusal = refusal


class Unclear(Exception):
    """No usable reply came; whether the service did what was asked is not known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoSuchTask(Exception):
    """The service does not know the task, or not any more."""


@dataclass(frozen=True)
class Task:
    """A task as the service tells it; everything but id and status may be missing. Times: seconds since 1970."""

    id: str
    status: str
    model: str | None
    created_at: float | None
    updated_at: float | None
    video_url: str | None
    tokens: int | None
    seed: int | None
    resolution: str | None
    ratio: str | None
    duration: int | None
    service_tier: str | None
    error_code: str
    error_message: str


class SeedanceClient:
    """Talks to ``base_url`` ("https://host/api/v3") with ``key``; both passed the gate or ``paid.address``."""

    def __init__(self, base_url: str, key: Secret, timeouts: Timeouts | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeouts = timeouts or Timeouts()
        self._key = key

    @property
    def fingerprint(self) -> str:
        """Of the key: tasks of one account are unknown to another."""
        return self._key.fingerprint

    def __repr__(self) -> str:
        return f"SeedanceClient({self.base_url!r})"

    def create(self, body: bytes) -> str:
        """Order a video, once; the id of its task. ``body``: JSON.

        Raises NotSent, Refused (both: nothing was made), Unclear (it may be made, and paid).
        """
        try:
            reply = self._exchange("POST", TASKS, body)
        except Broken as broken:
            raise Unclear(broken.reason) from None
        if reply.status // 100 != 2:
            refusal = self._refusal("create", reply)
            if refusal.kind is Kind.UNCLEAR:
                raise Unclear(f"the answer was {refusal.code}")
            raise Refused(refusal)
        data = json_of(reply.body)
        task_id = data.get("id") if isinstance(data, dict) else None
        if not isinstance(task_id, str) or not TASK_ID.fullmatch(task_id):
            raise Unclear("the answer had no task id")
        log.info("%s made the task %s", SEEDANCE.name, task_id)
        return task_id

    def get(self, task_id: str) -> Task:
        """How a task stands. Raises Refused (its kind KEY or BILLING), NoSuchTask, Unclear (ask again later)."""
        reply = self._ask("GET", f"{TASKS}/{_safe(task_id)}")
        if reply.status == 404:
            raise NoSuchTask(task_id)
        task = read_task(self._data("get", reply), self._key.reveal())
        if task is None or task.id != task_id:
            raise Unclear("the answer was no task")
        return task

    def list(self, service_tier: str, page: int, page_size: int) -> tuple[tuple[Task, ...], int]:
        """A page (from 1, of 1 to 500 tasks) of the last 7 days, and how many there are. At most once a second.

        Raises Refused, Unclear.
        """
        query = urlencode({"page_num": page, "page_size": page_size, "filter.service_tier": service_tier})
        data = self._data("list", self._ask("GET", f"{TASKS}?{query}"))
        items = data.get("items") if isinstance(data, dict) else None
        total = data.get("total") if isinstance(data, dict) else None
        if not isinstance(items, list) or not isinstance(total, int):
            raise Unclear("the answer was no list of tasks")
        return tuple(task for item in items if (task := read_task(item, self._key.reveal())) is not None), total

    def delete(self, task_id: str) -> bool:
        """Cancel a queued task; False when it already runs. One that ended is forgotten by the service.

        Raises Refused, NoSuchTask, Unclear.
        """
        reply = self._ask("DELETE", f"{TASKS}/{_safe(task_id)}")
        if reply.status == 404:
            raise NoSuchTask(task_id)
        if reply.status == 409:
            return False
        if reply.status // 100 != 2:
            self._data("delete", reply)
        return True

    def _ask(self, method: str, path: str) -> Reply:
        try:
            return self._exchange(method, path)
        except (NotSent, Broken) as failure:
            raise Unclear(failure.reason) from None

    def _exchange(self, method: str, path: str, body: bytes | None = None) -> Reply:
        headers: Mapping[str, str] = {} if body is None else {"Content-Type": "application/json"}
        return exchange(method, self.base_url + path, self.timeouts, MOST_REPLY_BYTES, self._key, body, headers)

    def _data(self, what: str, reply: Reply) -> Any:
        """The JSON of a success. Raises Refused for what only a person can change, Unclear for the rest."""
        if reply.status // 100 != 2:
            refusal = self._refusal(what, reply)
            if refusal.kind in (Kind.KEY, Kind.BILLING):
                raise Refused(refusal)
            raise Unclear(f"the answer was {refusal.code}")
        data = json_of(reply.body)
        if data is None:
            raise Unclear("the answer was no JSON")
        return data

    def _refusal(self, what: str, reply: Reply) -> Refusal:
        refusal = read_refusal(reply, self._key.reveal())
        # For the provider's support; neither the key nor a signed address is in it.
        log.warning(
            "%s %s: HTTP %d %s, request %s", SEEDANCE.name, what, reply.status, refusal.code, refusal.request_id
        )
        return refusal


def body_of(request: Mapping[str, Any]) -> bytes:
    """A create body as it is sent."""
    return json.dumps(request, separators=(",", ":")).encode("ascii")


def read_task(data: Any, secret: str) -> Task | None:
    """The task in a reply; None where there is no id or no status. Fields of another type are as if missing."""
    if not isinstance(data, dict):
        return None
    task_id, status = data.get("id"), data.get("status")
    if not isinstance(task_id, str) or not TASK_ID.fullmatch(task_id) or not isinstance(status, str):
        return None
    content, usage = data.get("content"), data.get("usage")
    tokens = _number(usage.get("completion_tokens")) if isinstance(usage, dict) else None
    code, message = error_of(data, secret)
    return Task(
        id=task_id,
        status=redacted(status, secret),
        model=_text(data.get("model")),
        created_at=_moment(data.get("created_at")),
        updated_at=_moment(data.get("updated_at")),
        video_url=_text(content.get("video_url")) if isinstance(content, dict) else None,
        tokens=tokens if tokens is not None and 0 < tokens < MOST_TOKENS else None,
        seed=_number(data.get("seed")),
        resolution=_text(data.get("resolution")),
        ratio=_text(data.get("ratio")),
        duration=_number(data.get("duration")),
        service_tier=_text(data.get("service_tier")),
        error_code=code,
        error_message=message,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**53:
        return None
    return int(value)


def _moment(value: object) -> int | None:
    """Seconds since 1970, up to the year 2242; what is beyond (milliseconds) is no moment to ``datetime``."""
    number = _number(value)
    return number if number is not None and 0 <= number < 2**33 else None


def _safe(task_id: str) -> str:
    """A path without this would reach another route. Raises ValueError."""
    if not TASK_ID.fullmatch(task_id) or task_id.strip(".") == "":
        raise ValueError(f"{task_id!r} is no task id")
    return quote(task_id, safe="")
