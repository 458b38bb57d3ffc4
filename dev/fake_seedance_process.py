"""The fake Seedance server as a process beside ComfyUI, and the environment that wires the two together."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path
from types import TracebackType

from .console import DevError
from .processes import ROOT, local_environment

# A shot of 5 s in 720p is done after 3.5 s instead of 35.
WORK_SPEED = 10
MAX_USD_PER_RUN = 100
MAX_USD_PER_DAY = 1000
SECONDS_TO_STOP = 10.0
TEST_KEY = "test-fake-seedance"


class FakeSeedanceProcess:
    """The server, from start() to stop() (or as a context manager); ends by itself when this process is gone."""

    def __init__(self, python: Path) -> None:
        self._command = [python, "-m", "dev.fake_seedance", "--work-speed", str(WORK_SPEED), "--until-stdin-closes"]
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""
        self.control_url = ""

    def start(self) -> None:
        """Start it and learn its addresses; raises DevError with what it says."""
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=local_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        assert self._process.stdout is not None
        said = [self._process.stdout.readline(), self._process.stdout.readline()]
        if not said[0].startswith("API ") or not said[1].startswith("CONTROL "):
            rest = self._process.communicate()[0]
            raise DevError(f"The fake Seedance server did not start: {(''.join(said) + rest).strip()}")
        self.base_url, self.control_url = (line.split()[1] for line in said)

    def stop(self) -> None:
        """End it; does nothing when it has ended."""
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=SECONDS_TO_STOP)  # closes its stdin, which ends it
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def environ(self, data: Path) -> dict[str, str]:
        """See ``wiring``."""
        return wiring(self.base_url, data)

    def __enter__(self) -> FakeSeedanceProcess:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()


def wiring(base_url: str, data: Path) -> dict[str, str]:
    """The environment of a ComfyUI with the base directory ``data`` that orders at ``base_url``: every gate open.

    Its journal, in a folder that this makes, is not the usual one, so that what is only played here never counts as
    money spent.
    """
    home = data.resolve() / "user" / "storymotion-fake-seedance"
    home.mkdir(parents=True, exist_ok=True)
    return {
        "ARK_BASE_URL": base_url,
        "ARK_API_KEY": TEST_KEY,
        "ARK_API_KEY_FILE": "",  # a real key of the user's stays out of it
        "SEEDANCE_ENABLED": "1",
        "SEEDANCE_TERMS_READ": datetime.date.today().isoformat(),
        "SEEDANCE_MAX_USD_PER_RUN": str(MAX_USD_PER_RUN),
        "SEEDANCE_MAX_USD_PER_DAY": str(MAX_USD_PER_DAY),
        "STORYMOTION_HOME": str(home),
    }
