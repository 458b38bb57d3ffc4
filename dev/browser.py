"""The Chromium that the browser tests drive: an installed one, else Debian's."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from .console import Step
from .environment import SETUP_LOG
from .processes import run_logged

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
# Where the installers of macOS and Windows put it; neither puts it on the PATH.
PLACES = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ),
    "win32": (
        "{ProgramFiles}/Google/Chrome/Application/chrome.exe",
        "{ProgramFiles(x86)}/Microsoft/Edge/Application/msedge.exe",
    ),
}


def find_chromium(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The browser that ``STORYMOTION_CHROMIUM`` names or that is installed, or None."""
    named = environ.get("STORYMOTION_CHROMIUM")
    if named:
        return Path(named)
    for command in COMMANDS:
        found = shutil.which(command, path=environ.get("PATH"))
        if found:
            return Path(found)
    for place in PLACES.get(sys.platform, ()):
        path = Path(place.replace("{ProgramFiles}", environ.get("ProgramFiles", "")))
        path = Path(str(path).replace("{ProgramFiles(x86)}", environ.get("ProgramFiles(x86)", "")))
        if path.is_file():
            return path
    return None


def install_chromium() -> Path | None:
    """Install Debian's Chromium and fonts for Korean, where that needs no question; the browser, or None."""
    system = Path("/etc/os-release")
    is_debian = system.is_file() and "ID=debian" in system.read_text(encoding="utf-8").splitlines()
    if not is_debian or os.geteuid() != 0:
        return None
    install = "apt-get update && apt-get install -y --no-install-recommends chromium fonts-noto-cjk"
    with Step("Installing Debian's chromium and fonts-noto-cjk") as step:
        run_logged(["sh", "-c", install], SETUP_LOG, step.at, {"DEBIAN_FRONTEND": "noninteractive"} | dict(os.environ))
    return find_chromium()
