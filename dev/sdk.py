"""Tests on another SDK than the pinned one: a checkout of Lightricks' repository, in an environment of its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from .console import DevError
from .processes import ROOT

# In the order in which they need each other.
PACKAGES = ("packages/ltx-core", "packages/ltx-pipelines")
# What the SDK decides: itself, the transformers that it was written for, and the tokenizers that go with those.
THEIRS = ("ltx-core", "ltx-pipelines", "transformers", "tokenizers")
TESTS = ("tests/ltx", "tests/comfy", "tests/dev/test_tiny_models.py")
# Of pytest and its plugins; what comes after one of them names no tests, even if there is a folder of that name.
OPTIONS_WITH_VALUES = ("-k", "-m", "-n", "-p", "-c", "-o", "--ignore", "--ignore-glob", "--deselect", "--rootdir")
NOT_TESTED = "SDK 1.2 is not tested: it is not on the package index. Give a checkout of it with --sdk to do that."


def sdk_checkout(folder: Path) -> Path:
    """``folder`` as a full path, if Lightricks' repository is there. Raises DevError."""
    folder = folder.expanduser().resolve()
    for package in PACKAGES:
        if not (folder / package / "pyproject.toml").is_file():
            raise DevError(
                f"--sdk is {folder}, which is not a checkout of the SDK's repository: it has no "
                f"{package}/pyproject.toml. Get one with: git clone https://github.com/Lightricks/LTX-2"
            )
    return folder


def version_of(checkout: Path) -> str:
    """What its ltx-core calls itself; "?" where that cannot be read."""
    found = re.search(r'^version\s*=\s*"([^"]+)"', (checkout / PACKAGES[0] / "pyproject.toml").read_text("utf-8"), re.M)
    return found[1] if found else "?"


def requirements_with_sdk(text: str, checkout: Path) -> str:
    """The list ``text`` (in pip's format) with the SDK of ``checkout`` instead of the one that it names.

    Installed as editable, so that the checkout is what runs; a change of what its packages need changes the list.
    """
    kept = [line for line in text.splitlines() if _name(line) not in THEIRS]
    needs = b"".join((checkout / package / "pyproject.toml").read_bytes() for package in PACKAGES)
    # As URLs, in which no blank and no # ends the path.
    installed = [f"-e {(checkout / package).as_uri()}" for package in PACKAGES]
    return "\n".join([*kept, *installed, f"# needs {hashlib.sha256(needs).hexdigest()[:16]}"]) + "\n"


def chosen_tests(pytest_arguments: Sequence[str]) -> list[str]:
    """The arguments, with the tests that an SDK can change where they name none."""
    after = zip(["", *pytest_arguments], pytest_arguments)
    tests = [argument.split("::")[0] for option, argument in after if option not in OPTIONS_WITH_VALUES]
    named = any(test and (ROOT / test).exists() for test in tests)
    return [*pytest_arguments] if named else [*TESTS, *pytest_arguments]


def _name(line: str) -> str:
    found = re.match(r"[\w.-]*", line)
    return found[0].lower().replace("_", "-") if found else ""
