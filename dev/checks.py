"""`dev.py test`: ruff, pyright and pytest. All of them run, whatever the others find."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .browser import find_chromium, install_chromium
from .comfyui import chosen_comfyui, default_comfyui
from .environment import environment_for, prepare
from .processes import local_environment, run_child
from .sdk import NOT_TESTED, chosen_tests, version_of

# Each may start servers of its own.
MOST_WORKERS = 4
# Sums over several threads depend on how many there are, and the tests compare bits.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
QUICK = "not slow and not comfy and not browser"


def run_checks(quick: bool, checks_only: bool, pytest_arguments: Sequence[str]) -> int:
    """Set up, run the checks and the tests, say which failed; returns the exit code. Raises DevError."""
    environment = environment_for(chosen_comfyui())
    prepare(environment)
    python = environment.python
    default_comfyui(python)  # pyright reads ComfyUI's types there, whichever ComfyUI runs the tests
    environ = local_environment() | ONE_THREAD
    failed = [
        name
        for name, command in {
            "ruff": ["ruff", "check", "."],
            "ruff format": ["ruff", "format", "--check", "."],
            "pyright": ["pyright", "--pythonpath", str(python)],
        }.items()
        if _failed(name, [python, "-m", *command], environ)
    ]
    if checks_only:
        print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.")
        return 1 if failed else 0

    print(NOT_TESTED, flush=True)
    markers = _markers(quick, environ)
    # Where nobody reads that browser tests are left out, it must not look like success.
    if not quick and markers and os.environ.get("CI") == "true":
        failed.append("browser tests (no Chromium)")
    if failed:
        print(f"Failed so far: {', '.join(failed)}", flush=True)
    if _failed("pytest", _pytest(python, markers, pytest_arguments), environ):
        failed.append("pytest")
    if failed:
        print(f"dev.py test failed: {', '.join(failed)}")
    return 1 if failed else 0


def run_on_sdk(checkout: Path, quick: bool, pytest_arguments: Sequence[str]) -> int:
    """Run the tests that an SDK can change on that of ``checkout``; returns the exit code. Raises DevError."""
    print(f"SDK {version_of(checkout)} in {checkout}", flush=True)
    environment = environment_for(chosen_comfyui(), checkout)
    prepare(environment)
    environ = local_environment() | ONE_THREAD
    command = _pytest(environment.python, _markers(quick, environ), chosen_tests(pytest_arguments))
    return 1 if _failed(f"pytest on the SDK in {checkout}", command, environ) else 0


def _markers(quick: bool, environ: dict[str, str]) -> list[str]:
    """Which tests pytest is to leave out; where Chromium is there, ``environ`` says where."""
    if quick:
        return ["-m", QUICK]
    chromium = find_chromium() or install_chromium()
    if chromium is None:
        print("Browser tests are skipped: no Chromium or Chrome is installed.")
        return ["-m", "not browser"]
    environ["STORYMOTION_CHROMIUM"] = str(chromium)
    return []


def _pytest(python: Path, markers: Sequence[str], arguments: Sequence[str]) -> list[str | Path]:
    # A file stays in one process, whose session fixtures (a server, tiny models) its tests share.
    workers = ["-n", str(min(MOST_WORKERS, os.cpu_count() or 1)), "--dist", "loadfile"]
    return [python, "-m", "pytest", *workers, *markers, *arguments]


def _failed(name: str, command: list[str | Path], environ: dict[str, str]) -> bool:
    print(f"== {name}", flush=True)
    return run_child(command, environ) != 0
