"""Which SDK is there, and what is said where it cannot be used: with packages that stand before the real ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FIND = """
from storymotion.ltx.sdk import load_sdk
try:
    print("found", load_sdk().version)
except Exception as error:
    print(type(error).__name__, error)
"""
HOUSE = Path(__file__).parents[2]


def said(packages: Path, files: dict[str, str]) -> str:
    """What a Python says that finds ``files`` (module -> source) before what is installed."""
    for name, source in files.items():
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text(source, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(packages), str(HOUSE)])}
    python = subprocess.run(
        [sys.executable, "-c", FIND], env=environment, cwd=packages, capture_output=True, encoding="utf-8", check=True
    )
    return python.stdout


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"ltx_core/__init__.py": ""}, "SdkBroken .*No module named 'ltx_core\\.", id="packages of two versions"
        ),
        pytest.param(
            {"transformers/__init__.py": "__version__ = '3.0'"},
            "SdkBroken .*cannot import name|SdkBroken .*No module named 'transformers\\.",
            id="transformers too old",
        ),
        pytest.param(
            {"ltx_core/__init__.py": "import nothing_like_it"}, "SdkMissing .*nothing_like_it", id="missing package"
        ),
        pytest.param({"ltx_pipelines/__init__.py": ""}, "SdkUnsupported ", id="another shape"),
    ],
)
def test_what_is_wrong_is_said(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    text = said(tmp_path, files)
    assert re.match(expected, text), text
