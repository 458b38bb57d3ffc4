"""Workflows that were saved with an earlier version of the pack still say what they said.

The editor's files hold the values of a node's widgets as a list, and links by the number of a socket; files for the
API name inputs and leave out what nobody had thought of yet. So what was there keeps its place, and what came later
stands after it and may be missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dev.comfyui import ready_comfyui
from dev.pack import NodeInfo, schemas
from dev.workflow_graph import Entry, entries_of

SAVED: dict[str, dict[str, list[str]]] = json.loads(
    Path(__file__).with_name("saved_inputs.json").read_text(encoding="utf-8")
)["nodes"]


@pytest.fixture(scope="module")
def nodes() -> dict[str, NodeInfo]:
    return schemas(ready_comfyui(Path(sys.executable)))


def test_no_node_goes_and_links_find_their_outputs(nodes: dict[str, NodeInfo]) -> None:
    gone = sorted(set(SAVED) - set(nodes))
    # ComfyUI has it from 0.13 on; with an older one such a workflow cannot be opened whole.
    assert not gone, f"Map each to its successor with io.NodeReplace and ComfyAPI().node_replacement.register: {gone}"
    for node, saved in SAVED.items():
        assert nodes[node]["output"][: len(saved["outputs"])] == saved["outputs"], node


def test_new_nodes_are_held_to_their_places_as_well(nodes: dict[str, NodeInfo]) -> None:
    assert set(nodes) <= set(SAVED), "Write what it has into saved_inputs.json."


@pytest.mark.parametrize("node", SAVED)
def test_inputs_keep_their_places_and_later_ones_may_be_missing(node: str, nodes: dict[str, NodeInfo]) -> None:
    entries = entries_of(nodes[node])
    by_kind: dict[str, list[Entry]] = {
        "sockets": [entry for entry in entries if not entry.is_widget],
        "widgets": [entry for entry in entries if entry.is_widget],
    }
    for kind in by_kind:
        saved = SAVED[node][kind]
        assert [entry.name for entry in by_kind[kind][: len(saved)]] == saved
        for later in by_kind[kind][len(saved) :]:
            assert later.optional, f"{later.name} is missing in saved workflows"
            assert not later.is_widget or "default" in later.options


def test_the_inputs_of_sdk_1_2_came_later(nodes: dict[str, NodeInfo]) -> None:
    def later(node: str) -> set[str]:
        saved = SAVED[node]
        return {entry.name for entry in entries_of(nodes[node])} - {*saved["sockets"], *saved["widgets"]}

    assert later("StoryMotionLTX2Model") >= {"offload", "compile", "video_vae", "audio_vae", "duration_head"}
    assert later("StoryMotionTwoStage") >= {"guidance_batch", "auto_duration"}
