"""Faults on order: which request goes wrong, and how."""

from __future__ import annotations

import dataclasses
import json
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .tasks import TERMINAL, Outcome

OPERATIONS = ("create", "poll", "list", "delete", "download", "last_frame", "other")
KINDS = (
    "reset",
    "delay",
    "truncate",
    "drip",
    "stall",
    "oversize",
    "redirect",
    "error",
    "body",
    "change",
    "lose",
    "task",
)
ONLY_ON = {
    "task": ("create",),
    "lose": ("poll", "delete"),
    "change": ("create", "poll", "list", "delete"),
    "oversize": ("download", "last_frame"),
}


@dataclass
class Fault:
    """One fault. It hits the ``nth`` request that matches (counted from now), and ``times`` in all (0: always).

    A request matches by operation (``on``: one of OPERATIONS, or "any"), by ``task`` (a task id; only where the
    request names one) and by ``when`` (the status of that task). Kinds, and the fields that they read:

    - ``reset``: the connection is reset. With ``processed`` after the work was done, else before the body is read.
    - ``delay``: the work is done, the reply comes after ``seconds`` (or when the server is told to release).
    - ``error``: HTTP ``status`` with the service's error ``code`` and ``message`` and with ``headers``;
      with ``processed`` although the work was done.
    - ``body``: the work is done, but the reply is ``body`` with ``status`` (default 200) and ``content_type``.
    - ``change``: the work is done, and in the JSON of the reply the fields of ``set`` ({"a.b": value}) are
      replaced and those of ``remove`` (["a.b"]) are gone.
    - ``truncate``: the first ``fraction`` of the reply, then the end of the connection; ``with_length`` says
      whether the whole length was announced.
    - ``drip``: the reply comes in pieces of ``chunk`` bytes, ``seconds`` apart.
    - ``stall``: the first ``fraction`` of the reply, then nothing for ``seconds`` (or until released), then a reset.
    - ``oversize``: zeros follow the reply, until it has ``size`` bytes.
    - ``redirect``: HTTP ``status`` (default 302) to ``location``.
    - ``lose``: the record of the request's task is lost, as after seven days, and the request is answered so.
    - ``task``: the task that this create makes will have ``outcome`` (one of succeeded, failed, expired,
      cancelled, never), with the error ``code`` and ``message`` where it fails, ``usage_factor`` times the usual
      usage, and ``queued_seconds`` and ``running_seconds`` (virtual) where they are given.
    """

    kind: str
    on: str = "create"
    nth: int = 1
    times: int = 1
    task: str | None = None
    when: str | None = None
    processed: bool = False
    seconds: float = 3600.0
    status: int | None = None
    code: str = ""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    content_type: str = "application/json"
    set: dict[str, Any] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    fraction: float = 0.5
    with_length: bool = True
    chunk: int = 256
    size: int = 0
    location: str = ""
    outcome: str = "succeeded"
    usage_factor: float = 1.0
    queued_seconds: float | None = None
    running_seconds: float | None = None
    id: int = field(default=0, init=False)
    seen: int = field(default=0, init=False)
    applied: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be."""
        if self.kind not in KINDS:
            raise ValueError(f"the kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.on not in (*OPERATIONS, "any"):
            raise ValueError(f"on is {self.on!r}, not any or one of {', '.join(OPERATIONS)}")
        if self.outcome not in (*TERMINAL, "never"):
            raise ValueError(f"the outcome {self.outcome!r} is not never or one of {', '.join(TERMINAL)}")
        if self.nth < 1 or self.times < 0 or self.seconds < 0 or not 0 <= self.fraction <= 1 or self.chunk < 1:
            raise ValueError("nth and chunk begin at 1, times and seconds at 0, and fraction is from 0 to 1")
        only = ONLY_ON.get(self.kind)
        if only and self.on not in only:
            raise ValueError(f"a fault of the kind {self.kind} has to be on {' or '.join(only)}, not on {self.on}")

    @property
    def spent(self) -> bool:
        """Whether it will not hit again."""
        return bool(self.times) and self.applied >= self.times

    def task_outcome(self) -> Outcome:
        """How the task ends, for the kind ``task``."""
        usual = Outcome()
        return Outcome(
            self.outcome,
            self.code or usual.code,
            self.message or usual.message,
            self.usage_factor,
            self.queued_seconds,
            self.running_seconds,
        )

    def change_json(self, content: bytes) -> bytes:
        """A JSON reply after ``set`` and ``remove``."""
        data = json.loads(content)
        for path, value in self.set.items():
            holder, name = _holder(data, path)
            holder[name] = value
        for path in self.remove:
            holder, name = _holder(data, path)
            holder.pop(name, None)
        return json.dumps(data, ensure_ascii=False).encode()


def _holder(data: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *parents, name = path.split(".")
    for parent in parents:
        inner = data.get(parent)
        data = data.setdefault(parent, {}) if not isinstance(inner, dict) else inner
    return data, name


class FaultQueue:
    """The faults that wait for their request, oldest first.

    One request takes at most two: one of the kind ``task`` and one of the others. A request that one fault hits
    is not counted by those behind it in the queue: two resets on create hit the first and the second create.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._number = 0

    def add(self, kind: str, on: str = "create", **fields: Any) -> Fault:
        """Order a fault (see Fault); raises ValueError or TypeError for what it does not know."""
        fault = Fault(kind, on, **fields)
        with self._lock:
            self._number += 1
            fault.id = self._number
            self._faults.append(fault)
        return fault

    def add_recipe(self, name: str) -> list[Fault]:
        """Order the faults of one of recipes(); raises KeyError."""
        return [self.add(**fault) for fault in recipes()[name]]

    def clear(self) -> None:
        """Cancel all."""
        with self._lock:
            self._faults.clear()

    def listed(self) -> list[dict[str, Any]]:
        """All faults since the last clear(), those that have hit too, as JSON."""
        with self._lock:
            return [dataclasses.asdict(fault) | {"spent": fault.spent} for fault in self._faults]

    def take(self, operation: str, task: str | None, status: str | None) -> tuple[Fault | None, Fault | None]:
        """The faults that hit this request: that of the kind ``task``, and the other."""
        with self._lock:
            outcome = self._take([fault for fault in self._faults if fault.kind == "task"], operation, task, status)
            other = self._take([fault for fault in self._faults if fault.kind != "task"], operation, task, status)
            return outcome, other

    def _take(self, faults: list[Fault], operation: str, task: str | None, status: str | None) -> Fault | None:
        for fault in faults:
            if fault.spent or fault.on not in (operation, "any"):
                continue
            if fault.task not in (None, task) or fault.when not in (None, status):
                continue
            fault.seen += 1
            if fault.seen >= fault.nth:
                fault.applied += 1
                return fault
        return None


@cache
def recipes() -> dict[str, list[dict[str, Any]]]:
    """The faults of the project's list (fault_recipes.json), by name; a name begins with the fault's number."""
    return json.loads((Path(__file__).parent / "fault_recipes.json").read_text(encoding="utf-8"))
