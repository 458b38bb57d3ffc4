"""Who is sending a shot, and whether that process still lives."""

from __future__ import annotations

import json
import os
import platform
from datetime import datetime, timedelta
from functools import cache

# Longer than any send with its waits between two heartbeats takes. An owner that is silent for longer counts as dead:
# its shot becomes unknown, which never sends it again by itself, so that even a wrong guess pays nothing twice.
LEASE = timedelta(seconds=180)
# Start times are computed from the boot time, which moves a little when the clock is set.
START_TOLERANCE_SECONDS = 2.0


def this_process() -> str:
    """This process as the journal stores it: host, process id, start time."""
    return _identity(os.getpid())


@cache
def _identity(pid: int) -> str:
    return json.dumps({"host": platform.node(), "pid": pid, "started": _started(pid)})


def is_alive(owner: str | None, heartbeat: datetime, now: datetime) -> bool:
    """Whether ``owner`` can still be sending. On another host only the heartbeat tells."""
    if owner is None or not -LEASE < now - heartbeat < LEASE:
        return False
    who = json.loads(owner)
    return who["host"] != platform.node() or _is_running(who["pid"], who["started"])


def _started(pid: int) -> float:
    """Seconds since 1970."""
    import psutil

    return psutil.Process(pid).create_time()


def _is_running(pid: int, started: float) -> bool:
    """Process ids are used again: only one that started at that moment counts. A zombie has ended."""
    import psutil

    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(process.create_time() - started) < START_TOLERANCE_SECONDS
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False
