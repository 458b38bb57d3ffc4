"""A process that queues the small shot, in real time; started by test_seedance_crashes.py and killed by it.

    python queue_in_process.py USER_FOLDER BASE_URL [POINT]

POINT "before rename": it kills itself when the whole video is about to get its name.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def main(folder: str, base_url: str, point: str = "") -> None:
    """Queue it; prints the name of the video's file."""
    sys.path[:0] = [str(ROOT)]
    from datetime import datetime, timezone

    from storymotion.paid.seedance.desk import Desk, Patience
    from storymotion.paid.seedance.request import SeedanceRequest
    from storymotion.paid.seedance.run import run_shot

    if point == "before rename":
        _die_at_rename()
    environ = {
        "ARK_BASE_URL": base_url,
        "ARK_API_KEY": "test-0123456789abcdef-secret",
        "SEEDANCE_ENABLED": "1",
        "SEEDANCE_TERMS_READ": datetime.now(timezone.utc).date().isoformat(),
        "SEEDANCE_MAX_USD_PER_RUN": "5",
        "SEEDANCE_MAX_USD_PER_DAY": "20",
        "STORYMOTION_TIME_ZONE": "UTC",
    }
    request = SeedanceRequest("seedance-1-0-pro-fast-251015", "She turns her head.", resolution="480p", duration=2)
    print("ready", flush=True)
    sys.stdin.readline()
    shot = run_shot(request, Desk(Path(folder), environ=environ, patience=Patience(poll=0.1)), 1.0, "run")
    print(shot.path.name, shot.paid_earlier, flush=True)


def _die_at_rename() -> None:
    import psutil

    replace = Path.replace

    def die(self: Path, target: Path) -> Path:
        if Path(target).suffix == ".mp4":
            psutil.Process().kill()
        return replace(self, target)

    Path.replace = die  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
