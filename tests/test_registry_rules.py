"""What the Comfy registry and Manager ask of a pack: its metadata, its imports, and no code that runs text."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dev.comfyui import ready_comfyui

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
# Modules that ComfyUI itself is made of.
COMFYUI = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "latent_preview", "server"}
# requests works with nothing else, and says so in its own requirements.
BROUGHT = {"urllib3"}
# S102 is exec(), S307 is eval(), E702 is two statements in a line: what `comfy node validate` looks for.
REFUSED = {"S102": "exec('1')\n", "S307": "eval('1')\n", "E702": "x = 1; y = 2\n"}


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirement_names(file: Path) -> set[str]:
    """The packages that a requirements.txt lists, in small letters."""
    lines = [line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    found = [re.match(r"[\w.-]+", line) for line in lines]
    return {match[0].lower().replace("_", "-") for match in found if match}


def imported(file: Path) -> set[str]:
    """The top-level modules that a file imports anywhere in it, without those of the pack itself."""
    names: set[str] = set()
    for item in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(item, ast.Import):
            names |= {alias.name.split(".")[0] for alias in item.names}
        elif isinstance(item, ast.ImportFrom) and item.level == 0 and item.module:
            names.add(item.module.split(".")[0])
    return names


def test_pack_imports_only_what_it_requires_or_comfyui_has() -> None:
    comfyui = ready_comfyui(Path(sys.executable))
    listed = requirement_names(ROOT / "requirements.txt") | requirement_names(comfyui / "requirements.txt")
    packages = packages_distributions()
    files = [ROOT / "__init__.py", ROOT / "prestartup_script.py"]
    files += [file for folder in ("nodes", "storymotion") for file in (ROOT / folder).rglob("*.py")]
    unknown = {}
    for file in files:
        for module in imported(file) - set(sys.stdlib_module_names) - COMFYUI - BROUGHT:
            if not {name.lower().replace("_", "-") for name in packages.get(module, [module])} & listed:
                unknown[module] = str(file.relative_to(ROOT))
    assert unknown == {}
    assert len(files) > 100


@pytest.mark.parametrize("rule", REFUSED)
def test_ruff_refuses_what_the_registry_refuses(rule: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "json", "--stdin-filename", "nodes/x.py", "-"]
    checked = subprocess.run(command, input=REFUSED[rule], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert [found["code"] for found in json.loads(checked.stdout)] == [rule]


def test_metadata_is_what_the_registry_takes(metadata: dict[str, Any]) -> None:
    project, comfy = metadata["project"], metadata["tool"]["comfy"]
    # Manager installs under this name, and it can never be changed.
    assert project["name"] == "storymotion"
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["license"] == {"file": "LICENSE"} and (ROOT / "LICENSE").is_file()
    assert {"Repository", "Documentation", "Bug Tracker"} <= set(project["urls"])
    assert all(url.startswith(project["urls"]["Repository"]) for url in project["urls"].values())
    assert comfy["PublisherId"] and comfy["DisplayName"] == "StoryMotion"
    # A version of two parts would be dropped.
    assert re.fullmatch(r">=\d+\.\d+\.\d+", comfy["requires-comfyui"])
    # Its folder would be served under another name than the help pages ask for.
    assert "web" not in comfy


def test_icon_is_in_the_package_and_small_enough(metadata: dict[str, Any]) -> None:
    address = metadata["tool"]["comfy"]["Icon"]
    repository = metadata["project"]["urls"]["Repository"].removeprefix("https://github.com/")
    start = f"https://raw.githubusercontent.com/{repository}/main/"
    assert address.startswith(start)
    with Image.open(ROOT / address.removeprefix(start)) as icon:
        assert icon.width == icon.height <= 400
