"""Run the fake as a process: ``python -m dev.fake_seedance --port N --control-port M``."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence

from ..processes import exit_on_terminate
from .fake import FakeSeedance


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C, SIGTERM or, with ``--until-stdin-closes``, the end of the process that started this one."""
    parser = argparse.ArgumentParser(prog="python -m dev.fake_seedance", description="A fake of the Seedance API.")
    parser.add_argument("--port", type=int, default=0, help="the API's port (default: any free one)")
    parser.add_argument("--control-port", type=int, default=0, help="default: any free one")
    parser.add_argument("--download-port", type=int, default=0, help="default: any free one")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast the server's clock runs (default: 1)")
    parser.add_argument("--work-speed", type=float, default=1.0, help="how fast tasks are done (default: 1)")
    parser.add_argument("--no-rate-limits", action="store_true", help="take any number of requests")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the process that started this one")
    options = parser.parse_args(arguments)
    exit_on_terminate()
    fake = FakeSeedance(
        options.port,
        options.control_port,
        options.download_port,
        speed=options.speed,
        work_speed=options.work_speed,
        rate_limits=not options.no_rate_limits,
    )
    try:
        fake.start()
    except OSError as error:
        print(f"A port could not be opened: {error}", file=sys.stderr)
        return 1
    ended = threading.Event()
    if options.until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(ended,), daemon=True).start()
    try:
        print(f"API {fake.base_url}", f"CONTROL {fake.control_url}", sep="\n", flush=True)
        while not ended.is_set():
            time.sleep(0.1)  # an Event's wait cannot be interrupted on Windows
    except KeyboardInterrupt:
        pass
    finally:
        fake.stop()
    return 0


def _watch_stdin(ended: threading.Event) -> None:
    sys.stdin.buffer.read()
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
