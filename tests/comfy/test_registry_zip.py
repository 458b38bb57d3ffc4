"""What the registry hands out, in a ComfyUI that has nothing else of ours: it is small, whole, and makes a film."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from dev.client import ComfyClient
from dev.comfyui import ready_comfyui
from dev.demo import check_video, planned_shot, saved_file, with_tiny_models
from dev.pack import schemas
from dev.processes import ROOT
from dev.registry_zip import installed_requirements, packaged_files, unpack_package, write_package
from dev.server import PACK_NAME, ComfyServer
from dev.tiny_models import make_model_set

# What a creator's ComfyUI reads. Every file of these folders that git tracks is in the package.
FOLDERS = {"docs", "js", "locales", "nodes", "storymotion", "workflows"}
FILES = {
    "CHANGELOG.md",
    "LICENSE",
    "README.ko.md",
    "README.md",
    "__init__.py",
    "prestartup_script.py",
    "pyproject.toml",
    "requirements.txt",
}
ENDINGS = {".css", ".csv", ".jpg", ".js", ".json", ".md", ".mp4", ".png", ".py", ".svg", ".toml", ".txt", ""}
MOST_BYTES = 3_000_000
# Manager and ComfyUI look for these.
NEEDED = {
    "__init__.py",
    "js/docs/SafeMotionMapper/ko.md",
    "js/storymotion.js",
    "js/texts/ko.json",
    "locales/ko/nodeDefs.json",
    "pyproject.toml",
    "requirements.txt",
    "storymotion/messages/ko.json",
    "workflows/01_distilled_shot.jpg",
    "workflows/api/01_distilled_shot.json",
    "workflows/input/storymotion_scene_01.png",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository: the package is made of what git tracks")
    return write_package(tmp_path_factory.mktemp("package") / "node.zip")


@pytest.fixture(scope="module")
def bare_server(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A ComfyUI with the unpacked package and its requirements, which come before those of the environment."""
    data = tmp_path_factory.mktemp("bare")
    unpack_package(package, data)
    make_model_set(data / "models")
    python = Path(sys.executable)
    environ = {"PYTHONPATH": str(installed_requirements())}
    with ComfyServer(python, ready_comfyui(python), data, environ=environ, links_pack=False) as server:
        yield server


def test_package_holds_what_a_creator_needs_and_nothing_else(package: Path) -> None:
    files = packaged_files()
    assert set(files) >= NEEDED
    others = [file for file in files if PurePosixPath(file).parts[0] not in FOLDERS | FILES]
    assert others == []
    assert {file for file in files if "/" not in file} == FILES
    assert {PurePosixPath(file).suffix for file in files} <= ENDINGS
    assert not any(part.startswith((".", "__pycache__")) for file in files for part in PurePosixPath(file).parts)
    assert package.stat().st_size < MOST_BYTES, "the package has become large"


def test_requirements_alone_are_imported_from_the_folder_beside_the_environment() -> None:
    names = "av, ltx_core, ltx_pipelines, psutil, requests, safetensors"
    code = f"import {names}\nprint(*[module.__path__[0] for module in ({names})], sep='\\n')"
    folder = installed_requirements()
    environ = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=environ, cwd=folder, capture_output=True, encoding="utf-8", check=True).stdout
    assert [line for line in told.splitlines() if not Path(line).resolve().is_relative_to(folder.resolve())] == []


@pytest.mark.comfy
def test_bare_comfyui_has_every_node_text_and_template(bare_server: ComfyServer) -> None:
    pack = bare_server.data / "custom_nodes" / PACK_NAME
    assert not pack.is_symlink() and not (pack / "tests").exists()
    with ComfyClient(bare_server.address) as client:
        known = client.get("/object_info")
        wanted = schemas(ready_comfyui(Path(sys.executable)))
        modules = {known[node_id]["python_module"] for node_id in wanted}
        assert modules == {f"custom_nodes.{PACK_NAME}"}
        for language in ("en", "ko"):
            assert set(client.get("/i18n")[language]["nodeDefs"]) >= set(wanted)
        templates = client.get("/workflow_templates")[PACK_NAME]
        assert sorted(templates) == sorted(file.stem for file in (ROOT / "workflows").glob("*.json"))
        scripts = [path for path in client.get("/extensions") if path.startswith(f"/extensions/{PACK_NAME}/")]
        assert len(scripts) == len(list((ROOT / "js").glob("*.js")))
    # The templates' pictures are in the input folder before anybody opens one.
    samples = {file.name for file in (ROOT / "workflows" / "input").iterdir()}
    assert samples <= {file.name for file in (bare_server.data / "input").iterdir()}


@pytest.mark.comfy
def test_a_shipped_workflow_ends_in_a_film(bare_server: ComfyServer) -> None:
    pack = bare_server.data / "custom_nodes" / PACK_NAME
    file = pack / "workflows" / "api" / "01_distilled_shot.json"
    graph: dict[str, Any] = with_tiny_models(json.loads(file.read_text(encoding="utf-8")))
    for node in graph.values():
        if node["class_type"] == "StoryMotionShotPlan":
            node["inputs"]["seconds"] = 1.0
    with ComfyClient(bare_server.address) as client:
        entry = client.run(graph)
    check_video(bare_server.data / "output" / saved_file(graph, entry), planned_shot(graph))
