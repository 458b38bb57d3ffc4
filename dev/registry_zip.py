"""The package that the Comfy registry gets, and a ComfyUI into which nothing but that package was unpacked.

`comfy node pack` (comfy-cli 1.23.0) zips what git tracks, without what `.comfyignore` names. So does this, with git
alone, so that the tests need neither comfy-cli nor its 22 dependencies.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from .console import DevError
from .environment import pip_command, run_pip
from .processes import CACHE, ROOT
from .server import PACK_NAME

REQUIREMENTS = ROOT / "requirements.txt"
VERSIONS = ROOT / "requirements-dev.txt"


def packaged_files() -> list[str]:
    """The files of the package, relative to the repository, with "/" between folders; raises DevError without git."""
    left_out = set(_git_files("--ignored", "--exclude-from=.comfyignore"))
    return sorted(file for file in _git_files() if file not in left_out and (ROOT / file).is_file())


def write_package(target: Path) -> Path:
    """Zip the package to ``target`` and return it; raises DevError without git."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in packaged_files():
            archive.write(ROOT / file, file)
    return target


def unpack_package(package: Path, data: Path) -> Path:
    """Put the zip ``package`` into the ComfyUI base directory ``data`` as Manager does it; returns the folder."""
    folder = data / "custom_nodes" / PACK_NAME
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


def installed_requirements() -> Path:
    """A folder with the packages of requirements.txt and no others, in the versions of requirements-dev.txt.

    What those packages need in turn is not in it: torch and the like are ComfyUI's. Kept under `.cache`, so that
    only the first call needs the package index. Raises DevError when pip fails.
    """
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + VERSIONS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / "registry-requirements" / key
    if folder.is_dir():
        return folder
    shutil.rmtree(folder.parent, ignore_errors=True)
    partial = folder.with_name(f"{key}.partial")
    install = pip_command(Path(sys.executable), "install", "--no-deps", "--progress-bar", "off", "--target", partial)
    run_pip("Installing the pack's requirements beside the environment", [*install, "-r", REQUIREMENTS, "-c", VERSIONS])
    partial.rename(folder)
    return folder


def _git_files(*options: str) -> list[str]:
    """What git tracks. The repository may belong to another user, as in a container."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", *options]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    except OSError as error:
        raise DevError(f"The package cannot be made without git: {error}.") from error
    if listed.returncode != 0:
        raise DevError(f"The package is made of what git tracks, but git says: {listed.stderr.strip()}")
    return [name for name in listed.stdout.split("\0") if name]
