"""`dev.py test`: ruff, pyright and pytest. All of them run, whatever the others find."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .browser import find_chromium, install_chromium
from .comfyui import chosen_comfyui, default_comfyui
from .environment import environment_for, prepare
from .processes import ROOT, local_environment, run_child
from .sdk import NOT_TESTED, chosen_tests, version_of

# Each may start servers of its own.
MOST_WORKERS = 4
QUICK = "not slow and not comfy and not browser"


def run_checks(quick: bool, checks_only: bool, pytest_arguments: Sequence[str]) -> int:
    """Set up, run the checks and the tests, say which failed; returns the exit code. Raises DevError."""
    environment = environment_for(chosen_comfyui())
    prepare(environment)
    python = environment.python
    default_comfyui(python)  # pyright reads ComfyUI's types there, whichever ComfyUI runs the tests
    environ = local_environment()
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
    markers = []
    if quick:
        markers = ["-m", QUICK]
    else:
        if (ROOT / "tests" / "browser").is_dir():
            chromium = find_chromium() or install_chromium()
            if chromium is not None:
                environ["STORYMOTION_CHROMIUM"] = str(chromium)
            else:
                print("Browser tests are skipped: no Chromium or Chrome is installed.")
                markers = ["-m", "not browser"]
                # Where nobody reads the line above, leaving them out must not look like success.
                if os.environ.get("CI") == "true":
                    failed.append("browser tests (no Chromium)")
    if failed:
        print(f"Failed so far: {', '.join(failed)}", flush=True)
    # One thread each: sums over several threads depend on how many there are, and the tests compare bits.
    environ["OMP_NUM_THREADS"] = "1"
    # A file stays in one process, whose session fixtures (a server, tiny models) its tests share.
    workers = ["-n", str(min(MOST_WORKERS, os.cpu_count() or 1)), "--dist", "loadfile"]
    if _failed("pytest", [python, "-m", "pytest", *workers, *markers, *pytest_arguments], environ):
        failed.append("pytest")
    if failed:
        print(f"dev.py test failed: {', '.join(failed)}")
    return 1 if failed else 0


def run_on_sdk(checkout: Path, quick: bool, pytest_arguments: Sequence[str]) -> int:
    """Run the tests that an SDK can change on that of ``checkout``; returns the exit code. Raises DevError."""
    print(f"SDK {version_of(checkout)} in {checkout}", flush=True)
    environment = environment_for(chosen_comfyui(), checkout)
    prepare(environment)
    markers = ["-m", QUICK] if quick else []
    environ = local_environment() | {"OMP_NUM_THREADS": "1"}
    command = [environment.python, "-m", "pytest", *markers, *chosen_tests(pytest_arguments)]
    return 1 if _failed(f"pytest on the SDK in {checkout}", command, environ) else 0


def _failed(name: str, command: list[str | Path], environ: dict[str, str]) -> bool:
    print(f"== {name}", flush=True)
    return run_child(command, environ) != 0
