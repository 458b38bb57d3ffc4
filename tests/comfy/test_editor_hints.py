"""Search aliases, essentials and folded inputs, as the running ComfyUI tells the editor of them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from dev.client import ComfyClient
from dev.comfyui import ready_comfyui
from dev.server import ComfyServer

pytestmark = pytest.mark.comfy
HINTS: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "nodes" / "editor_hints.json").read_text(encoding="utf-8")
)["nodes"]


@pytest.fixture
def definitions(story_server: ComfyServer) -> dict[str, Any]:
    with ComfyClient(story_server.address) as client:
        return {
            name: node
            for name, node in client.get("/object_info").items()
            if node["category"].startswith("StoryMotion/")
        }


def test_every_node_that_the_editor_offers_can_be_found_in_english_and_korean(definitions: dict[str, Any]) -> None:
    assert set(definitions) == set(HINTS)
    for name, hints in HINTS.items():
        aliases = " ".join(hints["search_aliases"])
        assert re.search("[a-z]", aliases) and re.search("[\uac00-\ud7a3]", aliases), name


@pytest.mark.parametrize("field", ["search_aliases", "essentials_category"])
def test_what_this_comfyui_knows_reaches_the_editor(definitions: dict[str, Any], field: str) -> None:
    known = field in (ready_comfyui(Path(sys.executable)) / "comfy_api" / "latest" / "_io.py").read_text("utf-8")
    for name, hints in HINTS.items():
        assert (definitions[name].get(field) or None) == (hints.get(field) if known else None), name


def test_the_inputs_that_most_shots_leave_alone_are_folded_and_no_others(definitions: dict[str, Any]) -> None:
    for name, hints in HINTS.items():
        inputs = definitions[name]["input"]
        described = {**inputs.get("required", {}), **inputs.get("optional", {})}
        folded = [key for key, spec in described.items() if len(spec) > 1 and spec[1].get("advanced")]
        assert sorted(folded) == sorted(hints.get("advanced", [])), name
