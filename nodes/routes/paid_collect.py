"""Fetching paid videos in the background, for the browser: one collection at a time, watched from anywhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from ...storymotion.errors import RequestRefused, StoryMotionError
from ...storymotion.paid.provider import SEEDANCE
from ...storymotion.paid.seedance.desk import Desk
from ...storymotion.paid.seedance.run import Collected, adopt, collect, in_doubt
from ...storymotion.report import Line
from ..paid_desk import open_desk, say_in_log
from ..paid_report import receipt_of_shot
from .json_route import said

log = logging.getLogger("storymotion")


class Collecting:
    """The collection of this ComfyUI: the one that runs, or the last one.

    ``announce`` gets the state whenever something in it has changed, from the thread that collects. A thread and not
    ComfyUI's queue, in which shots may be rendered for hours; a daemon, so that ComfyUI can end meanwhile: what was
    not fetched stays unfinished in the journal.
    """

    def __init__(self, announce: Callable[[dict[str, Any]], None]) -> None:
        self._announce = announce
        self._lock = threading.Lock()
        self._state: dict[str, Any] = {
            "number": 0,
            "running": False,
            "task_id": None,
            "what": "",
            "told": [],
            "results": [],
            "error": None,
        }

    def start(self, task_id: str) -> dict[str, Any]:
        """Begin to fetch one task, or with "" all that are unfinished, unless a collection runs; the state.

        ``started`` says whether it is this one that runs.
        """
        asked = task_id.strip() or None
        return self._begin(asked, lambda desk: collect(desk, asked))

    def adopt(self, row: int, task_id: str) -> dict[str, Any]:
        """Begin to fetch ``task_id``, of which a human says that it is the shot of ``row``, whose answer was lost.

        As ``start``. Raises ShotNotInDoubt, RequestRefused for an empty id.
        """
        asked = task_id.strip()
        in_doubt(open_desk(), row)
        if not asked:
            raise RequestRefused(SEEDANCE.name, "NotFound", "there is no task without an id")

        def fetch(desk: Desk) -> tuple[Collected, ...]:
            shot = adopt(desk, row, asked)
            return (Collected(shot.row, shot, None),)

        return self._begin(asked, fetch)

    def _begin(self, asked: str | None, work: Callable[[Desk], tuple[Collected, ...]]) -> dict[str, Any]:
        with self._lock:
            started = not self._state["running"]
            if started:
                fresh = {"running": True, "task_id": asked, "what": "", "told": [], "results": [], "error": None}
                self._state |= {"number": self._state["number"] + 1, **fresh}
        if started:
            threading.Thread(target=self._run, args=(work,), name="storymotion-collect", daemon=True).start()
        return {"started": started, **self.state()}

    def state(self) -> dict[str, Any]:
        """``number`` counts the collections, ``what`` is done now, ``results`` one for each task when it has ended."""
        with self._lock:
            return deepcopy(self._state)

    def _run(self, work: Callable[[Desk], tuple[Collected, ...]]) -> None:
        changes: dict[str, Any] = {}
        try:
            collected = work(open_desk(self._progress, self._tell))
            changes = {"results": [_result(each) for each in collected]}
        except StoryMotionError as error:
            changes = {"error": said(error)}
        except Exception:
            log.exception("collecting paid shots")
            changes = {"error": said(StoryMotionError())}
        finally:
            self._change(running=False, what="", **changes)

    def _progress(self, done: int, total: int, what: str) -> None:
        with self._lock:
            known = self._state["what"] == what
        if not known:
            self._change(what=what)

    def _tell(self, told: Line) -> None:
        say_in_log(told)
        with self._lock:
            all_told = [*self._state["told"], said(told)]
        self._change(told=all_told)

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self._state |= changes
        self._announce(self.state())


def _result(collected: Collected) -> dict[str, Any]:
    shot, error = collected.shot, collected.error
    return {
        "row": collected.row.id,
        "task_id": collected.row.task_id,
        "state": collected.row.state.value,
        "file": None if shot is None else str(shot.path),
        "receipt": [] if shot is None else [said(each) for each in receipt_of_shot(shot)],
        "error": None if error is None else said(error),
    }
