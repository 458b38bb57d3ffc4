"""Child processes: none is left behind, and their text is UTF-8 whatever the console says."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
# Ctrl-C reaches every process of the terminal and needs no help; a signal sent to dev.py alone is passed on
# after the first of these, and a child that does not end within the second is killed.
SECONDS_UNTIL_TOLD = 3.0
SECONDS_UNTIL_KILLED = 15.0


def exit_on_terminate() -> None:
    """Make SIGTERM and SIGINT end this process like Ctrl-C does, so that `finally` and `with` stop what it started."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop the stopping
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # A shell starts what it puts in the background with SIGINT ignored, and so would all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def local_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The caller's environment, with every cache that it does not place itself put under `.cache`."""
    places = {
        "HF_HOME": "huggingface",
        "PYRIGHT_PYTHON_CACHE_DIR": "pyright",
        "TMPDIR": "tmp",
        "TORCH_HOME": "torch",
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "TRITON_CACHE_DIR": "triton",
        "XDG_CACHE_HOME": "xdg",
    }
    (CACHE / "tmp").mkdir(parents=True, exist_ok=True)
    return {name: str(CACHE / folder) for name, folder in places.items()} | dict(environ)


def run_child(command: Sequence[str | Path], environ: Mapping[str, str]) -> int:
    """Run ``command`` in the repository folder on this console; returns its exit code.

    When this process is interrupted the child is given time to stop what it started.
    """
    process = subprocess.Popen(command, cwd=ROOT, env=environ)
    try:
        return process.wait()
    except KeyboardInterrupt:
        _let_end(process)
        raise


def _let_end(process: subprocess.Popen) -> None:
    if not _ends_within(process, SECONDS_UNTIL_TOLD):
        process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)
        if not _ends_within(process, SECONDS_UNTIL_KILLED):
            process.kill()
            process.wait()


def _ends_within(process: subprocess.Popen, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    on_line: Callable[[str], None],
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Run ``command`` with its output added to ``log``, each line also given to ``on_line``; returns its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                on_line(line.strip())
        except BaseException:
            process.stdout.close()  # or it waits for somebody to read
            _let_end(process)
            raise
    return process.returncode
