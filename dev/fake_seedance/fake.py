"""The server: three ports, one account, one clock."""

from __future__ import annotations

import random
import threading
from collections import Counter
from types import TracebackType
from typing import Any

from .api import BASE_PATH, ApiHandler
from .clock import VirtualClock
from .control import ControlHandler
from .downloads import SECONDS_KEPT, DownloadHandler, path_of
from .faults import FaultQueue
from .rates import Rates
from .record import RequestLog, Seen
from .signatures import Signatures
from .tasks import Charge, Task, TaskBook
from .wire import LoopbackServer

KEY_MARK = "test-"


class FakeSeedance:
    """The fake service, from start() to stop() (or as a context manager).

    ``port``, ``control_port`` and ``download_port``: 0 takes a free one. ``speed`` is the clock's;
    ``work_speed`` makes tasks that many times as fast as real ones and leaves the time as it is. ``start`` is
    the clock's first time (seconds since 1970, default the real time). ``api_key`` is the only right key,
    by default any that begins with "test-". ``rate_limits=False`` takes any number of requests.
    ``signs_again`` makes a new download address at each look at a task; else it is signed once, at the end of
    the task, and runs out a day later. ``seed`` makes what the server draws by lot repeatable.
    """

    def __init__(
        self,
        port: int = 0,
        control_port: int = 0,
        download_port: int = 0,
        speed: float = 1.0,
        work_speed: float = 1.0,
        start: float | None = None,
        api_key: str | None = None,
        rate_limits: bool = True,
        signs_again: bool = False,
        seed: int = 0,
    ) -> None:
        self.clock = VirtualClock(start, speed)
        self.chance = random.Random(seed)
        self.book = TaskBook(self.clock, work_speed, self.chance)
        self.rates = Rates(self.clock, rate_limits)
        self.faults = FaultQueue()
        self.log = RequestLog()
        self.signatures = Signatures()
        self._api_key = api_key
        self._signs_again = signs_again
        self._ports = [port, control_port, download_port]
        self._servers: list[LoopbackServer | None] = [None, None, None]
        self._changing = threading.Lock()
        self._released = threading.Event()
        self._downloads: Counter[str] = Counter()

    def start(self) -> None:
        """Open the ports; raises OSError where one is taken."""
        try:
            for number, handler in enumerate((ApiHandler, ControlHandler, DownloadHandler)):
                self._open(number, handler)
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        """Close the ports and every connection."""
        for number in range(3):
            self._close(number)

    def __enter__(self) -> FakeSeedance:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """What ARK_BASE_URL has to be: ``http://127.0.0.1:PORT/api/v3``."""
        return f"http://127.0.0.1:{self._ports[0]}{BASE_PATH}"

    @property
    def control_url(self) -> str:
        """``http://127.0.0.1:PORT``; a page for a browser is there too."""
        return f"http://127.0.0.1:{self._ports[1]}"

    @property
    def download_url(self) -> str:
        """``http://127.0.0.1:PORT``, where the files are."""
        return f"http://127.0.0.1:{self._ports[2]}"

    def charges(self) -> list[Charge]:
        """What was charged until now: one line for each task that has succeeded, when it did."""
        return self.book.charges()

    def tasks(self) -> list[dict[str, Any]]:
        """Every task that was made, oldest first, also those that no client can see."""
        with self.book.lock:
            return [task.summary() for task in self.book.all()]

    def requests(self, operation: str | None = None) -> list[Seen]:
        """Every request on the API port and the download port, oldest first; all, or those of one operation."""
        return self.log.listed(operation)

    def wait_for(self, operation: str, count: int = 1, timeout: float = 30.0, processed: bool = True) -> None:
        """Wait (real time) until so many requests have come, with ``processed`` until their work is done.

        Raises TimeoutError.
        """
        self.log.wait_for(operation, count, timeout, processed)

    def finish(self) -> None:
        """Move the clock until no task changes any more by itself (in two days those that hang expire)."""
        while (moment := self.book.next_event()) is not None:
            self.clock.advance(max(moment - self.clock.now(), 0.0))

    def release(self) -> None:
        """End every delay and stall that is going on."""
        with self._changing:
            self._released.set()
            self._released = threading.Event()

    def wait(self, seconds: float) -> None:
        """Wait in real time, at most until the next release()."""
        released = self._released
        released.wait(seconds)

    def refuse_connections(self) -> None:
        """Close the API port, so that nobody can connect; see accept_connections()."""
        self._close(0)

    def accept_connections(self) -> None:
        """Open the API port again."""
        self._open(0, ApiHandler)

    def forget(self, task_id: str) -> None:
        """Lose a task's record, as the service does after seven days; raises KeyError."""
        self.book.forget(task_id)

    def reset(self) -> None:
        """Forget tasks, charges, requests and faults, and set the clock to the real time; its speed stays."""
        self.faults.clear()
        self.release()
        self.book.clear()
        self.log.clear()
        self._downloads.clear()
        self.clock.reset(speed=self.clock.speed)
        self.rates.clear()

    def is_key(self, authorization: str) -> bool:
        """Whether a header is right."""
        kind, _, key = authorization.partition(" ")
        return kind == "Bearer" and (key == self._api_key if self._api_key else key.startswith(KEY_MARK))

    def status_of(self, task_id: str | None) -> str | None:
        """The status of a task, None where there is none."""
        with self.book.lock:
            return next((task.status for task in self.book.all() if task.id == task_id), None)

    def url_of(self, task: Task, what: str) -> str:
        """The signed address of a task's ``video`` or ``last_frame``."""
        signed_at = self.clock.now() if self._signs_again else task.updated_at
        return self.download_url + self.signatures.signed(path_of(task, what), signed_at)

    def stored(self, task_id: str) -> Task | None:
        """The task whose files are there: for a day after they were made, whatever happens to the record."""
        now = self.clock.now()
        for task in self.book.all():
            if task.id == task_id and task.status == "succeeded" and now < task.updated_at + SECONDS_KEPT:
                return task
        return None

    def count_download(self, path: str, most: int) -> bool:
        """Count one download of a file; whether it was still allowed."""
        with self._changing:
            self._downloads[path] += 1
            return self._downloads[path] <= most

    def _open(self, number: int, handler: Any) -> None:
        if self._servers[number] is None:
            server = LoopbackServer(self._ports[number], handler, fake=self)
            self._servers[number] = server
            self._ports[number] = server.server_address[1]

    def _close(self, number: int) -> None:
        server, self._servers[number] = self._servers[number], None
        if server is not None:
            server.stop(self.release)
