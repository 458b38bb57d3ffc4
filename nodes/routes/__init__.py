"""What the browser extension asks of ComfyUI's server: JSON, below /storymotion and /api/storymotion.

One module a subject: it has a function that returns its ``JsonRoute``s, which ``add_routes`` puts on the server.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from .json_route import JsonRoute, handler_of
from .paid import paid_routes
from .paid_collect import Collecting
from .preview import preview_routes
from .results import result_routes

# Enough for a browser; a journal that another program keeps locked holds up these threads and nothing else.
THREADS = 4
# A message on ComfyUI's socket to every page: its data is what GET paid/collect answers.
COLLECT_EVENT = "storymotion.paid.collect"


def all_routes(announce: Callable[[str, dict[str, Any]], None]) -> list[JsonRoute]:
    """Every route of the pack. ``announce`` sends an event with its data to every page, from any thread."""
    collecting = Collecting(partial(announce, COLLECT_EVENT))
    return [*paid_routes(collecting), *preview_routes(), *result_routes()]


def add_routes() -> None:
    """Put the routes on ComfyUI's server, once and while it starts: later its table of routes is closed."""
    # A program that only looks at the nodes has no server, and may not be able to import ComfyUI's.
    server = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if server is None:
        return
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="storymotion-routes")
    for route in all_routes(server.send_sync):
        server.routes.route(route.method, f"/storymotion/{route.path}")(handler_of(route, executor))
