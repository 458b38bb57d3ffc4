"""The virtual environments: one for each ComfyUI, installed again only when its requirements change."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import NEWEST_PYTHON, OLDEST_PYTHON
from .console import DevError, Step
from .processes import CACHE, ROOT, local_environment, run_logged
from .sdk import requirements_with_sdk

STAMP = "storymotion-environment.json"
SETUP_LOG = CACHE / "setup.log"
# Measured on Linux, where torch brings CUDA: 5.4 GB installed, and up to 2.5 GB of wheels on the way in.
BYTES_NEEDED = 8 * 10**9
# What another ComfyUI's requirements never replace: the trio that imports together, and the transformers
# on which storymotion/ltx/compat.py is proven.
KEPT_PACKAGES = ("torch", "torchvision", "torchaudio", "transformers")
# Older frontends load the Korean names of nodes and then overwrite them.
OLDEST_FRONTEND = (1, 33, 0)


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the requirement lists (texts in pip's format) that belong into it, in order."""

    folder: Path
    requirements: tuple[str, ...]

    @property
    def python(self) -> Path:
        """The environment's interpreter; it need not exist yet."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def is_ready(self) -> bool:
        """Whether everything was installed from these very requirements, for the Python that is still there."""
        try:
            stamp = json.loads((self.folder / STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return self.python.exists() and stamp == self._stamp()

    def write_stamp(self) -> None:
        """Record that the environment is complete."""
        written = self.folder / f"{STAMP}.new"
        written.write_text(json.dumps(self._stamp(), indent=1), encoding="utf-8")
        written.replace(self.folder / STAMP)

    def _stamp(self) -> dict[str, str]:
        texts = "\0".join(self.requirements).encode()
        # A system upgrade can put another Python behind the environment's link.
        return {"requirements": hashlib.sha256(texts).hexdigest(), "interpreter": os.path.realpath(self.python)}


def environment_for(comfyui: Path | None, sdk: Path | None = None) -> Environment:
    """The environment of the ComfyUI in the folder ``comfyui`` and the SDK in the checkout ``sdk``.

    None is what this repository names itself.
    """
    ours = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    requirements = (ours if sdk is None else requirements_with_sdk(ours, sdk),)
    if comfyui is not None:
        requirements += (comfyui_requirements((comfyui / "requirements.txt").read_text(encoding="utf-8")),)
    folders = [str(folder.resolve()) for folder in (comfyui, sdk) if folder is not None]
    if not folders:
        return Environment(ROOT / ".venv", requirements)
    key = hashlib.sha256("\0".join(folders).encode()).hexdigest()[:8]
    return Environment(ROOT / f".venv-{'sdk-' if sdk else ''}{key}", requirements)


def comfyui_requirements(text: str) -> str:
    """The lines of a ComfyUI's requirements.txt that go on top of ours."""
    kept = []
    for line in text.splitlines():
        requirement = line.split("#")[0].strip()
        name = re.match(r"[\w.-]*", requirement)
        if not requirement or (name and name[0].lower().replace("_", "-") in KEPT_PACKAGES):
            continue
        frontend = re.match(r"comfyui[-_]frontend[-_]package\s*==\s*(\d+)\.(\d+)\.(\d+)", requirement)
        if frontend and tuple(map(int, frontend.groups())) < OLDEST_FRONTEND:
            continue
        kept.append(requirement)
    return "\n".join(kept) + "\n"


def prepare(environment: Environment) -> None:
    """Make ``environment`` complete; returns at once when it is. Raises DevError.

    Safe to interrupt: what is there stays, and the next call goes on from it.
    """
    if environment.is_ready():
        return
    with exclusive_setup():
        if environment.is_ready():  # the other dev.py, for which we waited, made it
            return
        check_disk(environment.folder)
        (environment.folder / STAMP).unlink(missing_ok=True)
        SETUP_LOG.unlink(missing_ok=True)
        if not _runs_pip(environment.python):
            _create(environment.folder)
        _remove_half_installed(environment.folder)
        for number, text in enumerate(environment.requirements):
            _install(environment, number, text)
        environment.write_stamp()


def check_disk(folder: Path) -> None:
    """Raise DevError when the disk of ``folder`` has no room for what is still to be installed into it."""
    installed = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    free = shutil.disk_usage(ROOT).free
    if free < BYTES_NEEDED - installed:
        raise DevError(
            f"The disk of {ROOT} has {free / 1e9:.1f} GB free, but the environment in {folder.name} needs about "
            f"{(BYTES_NEEDED - installed) / 1e9:.1f} GB: make room and run this again."
        )


@contextmanager
def exclusive_setup() -> Iterator[None]:
    """Hold the only right to install; a second dev.py waits here. The system frees it when a process dies."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w", encoding="utf-8") as file:
        if not _lock(file.fileno()):
            print("Another dev.py is installing; waiting for it ...", flush=True)
            while not _lock(file.fileno()):
                time.sleep(0.5)
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def pip_command(python: Path, *arguments: str | Path) -> list[str | Path]:
    """A pip call that asks nothing and, unless the caller chose a cache, keeps nothing outside the repository."""
    cache = [] if os.environ.get("PIP_CACHE_DIR") else ["--no-cache-dir"]
    return [python, "-m", "pip", "--disable-pip-version-check", "--no-input", *cache, *arguments]


def run_pip(what: str, command: list[str | Path]) -> None:
    """Run a pip call as a step of the setup; raises DevError with pip's own reason."""
    reasons: list[str] = []
    with Step(what) as step:

        def watch(line: str) -> None:
            if line.startswith(("Collecting", "Downloading", "Installing")):
                step.at(" ".join(line.split()[:2]))  # the rest says who wants it
            elif line.startswith("ERROR:"):
                reasons.append(line.removeprefix("ERROR:").strip())

        failed = run_logged(command, SETUP_LOG, watch, local_environment()) != 0
    if failed:
        reason = reasons[-1] if reasons else "no reason given"
        raise DevError(f"pip stopped with: {reason} (its output is in {SETUP_LOG}).")


def _create(folder: Path) -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = "{}.{}".format(*sys.version_info)
        raise DevError(
            f"{sys.executable} cannot make virtual environments: on Debian and Ubuntu install the package "
            f"python{version}-venv (apt-get install python{version}-venv) and run this again."
        )
    command = [sys.executable, "-m", "venv", "--clear", folder]
    with Step(f"Creating {folder.name} with Python {sys.version.split()[0]}") as step:
        failed = run_logged(command, SETUP_LOG, step.at, local_environment()) != 0
    if failed:
        raise DevError(f"{sys.executable} -m venv could not create {folder}; the reason is in {SETUP_LOG}.")


def _runs_pip(python: Path) -> bool:
    """Whether there is a Python that we support and that has pip: not so when its creation was interrupted."""
    check = f"import sys, pip; sys.exit(not {OLDEST_PYTHON} <= sys.version_info[:2] <= {NEWEST_PYTHON})"
    return python.exists() and run_logged([python, "-c", check], SETUP_LOG, lambda _: None) == 0


def _remove_half_installed(folder: Path) -> None:
    """Remove what an interrupted pip takes for an installed package, and what it put aside or downloaded."""
    for packages in (*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")):
        half_done = [info for info in packages.glob("*.dist-info") if not (info / "RECORD").is_file()]
        for leftover in (*half_done, *packages.glob("~*")):
            shutil.rmtree(leftover, ignore_errors=True)
    for leftover in (CACHE / "tmp").glob("pip-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _install(environment: Environment, number: int, text: str) -> None:
    listed = CACHE / f"requirements{environment.folder.name}-{number}.txt"
    listed.write_text(text, encoding="utf-8")
    constraints: list[str | Path] = []
    if number > 0:
        kept = CACHE / "constraints.txt"
        pins = [line for line in environment.requirements[0].splitlines() if line.split("==")[0] in KEPT_PACKAGES]
        kept.write_text("\n".join(pins) + "\n", encoding="utf-8")
        constraints = ["-c", kept]
    what = "the packages (about 5 GB, once)" if number == 0 else "what this ComfyUI needs"
    command = pip_command(environment.python, "install", "--progress-bar", "off", "-r", listed, *constraints)
    run_pip(f"Installing {what} into {environment.folder.name}", command)
