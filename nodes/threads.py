"""Library calls that block, in threads beside ComfyUI's loop: several at once, shown on the node, stopped with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TypeVar

from ..storymotion.paid.seedance.desk import WAITING
from .host import NodeProgress

Result = TypeVar("Result")
# How often the user's cancel is looked for, in seconds.
SECONDS_BETWEEN_LOOKS = 0.1
# More shots of one node wait for a thread.
MOST_THREADS = 16


class Stopped(Exception):
    """Raised in a thread whose node was cancelled."""


class Lanes:
    """How many paid shots of one model are under way in this ComfyUI, whichever nodes asked for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[tuple[str, int], threading.BoundedSemaphore] = {}

    def of(self, model: str, most: int) -> threading.BoundedSemaphore:
        """The lanes of ``model``, of which there are ``most``."""
        with self._lock:
            return self._lanes.setdefault((model, most), threading.BoundedSemaphore(most))


class Waiting:
    """What one thread does at the moment, and its order to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.now: tuple[int, int, str] = (0, 1, "")

    def __call__(self, done: int, total: int, what: str) -> None:
        """The library's ``Progress``. Raises Stopped."""
        if self._stop.is_set():
            raise Stopped
        if what != WAITING:  # between two looks at a task, whose state stays on the node
            self.now = (done, total, what)

    @contextmanager
    def in_lane(self, lane: threading.BoundedSemaphore) -> Iterator[None]:
        """Wait for a free lane and keep it for the block. Raises Stopped."""
        while not lane.acquire(timeout=SECONDS_BETWEEN_LOOKS):
            self(*self.now)
        try:
            yield
        finally:
            lane.release()


async def in_threads(calls: Sequence[Callable[[Waiting], Result]], progress: NodeProgress) -> list[Future[Result]]:
    """Run the calls side by side; the futures, all done.

    When the user cancels, or ComfyUI ends the prompt because another node failed, the threads are told to stop and
    waited for: none is left behind. That takes as long as the request that is under way, whose answer may be the id
    of a task that costs money. They are daemons, because Python waits for all others when ComfyUI itself is to end.
    """
    stop = threading.Event()
    waiting = [Waiting(stop) for _ in calls]
    futures: list[Future[Result]] = [Future() for _ in calls]
    todo: SimpleQueue[tuple[Future[Result], Callable[[Waiting], Result], Waiting]] = SimpleQueue()
    for each in zip(futures, calls, waiting):
        todo.put(each)
    workers = [threading.Thread(target=_work, args=(todo,), daemon=True) for _ in calls[:MOST_THREADS]]
    try:
        for worker in workers:
            worker.start()
        while not all(future.done() for future in futures):
            _show(progress, waiting, sum(future.done() for future in futures))
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        return futures
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def _work(todo: SimpleQueue[tuple[Future[Result], Callable[[Waiting], Result], Waiting]]) -> None:
    while True:
        try:
            future, call, waiting = todo.get_nowait()
        except Empty:
            return
        try:
            waiting(*waiting.now)
            future.set_result(call(waiting))
        except BaseException as error:
            future.set_exception(error)


def _show(progress: NodeProgress, waiting: Sequence[Waiting], done: int) -> None:
    if len(waiting) == 1:
        progress(*waiting[0].now)
        return
    now = next((each.now[2] for each in waiting if each.now[2]), "")
    progress(done, len(waiting), f"{done} / {len(waiting)} {now}".strip())
