"""What the editor shows again of earlier runs: only what ran with the same inputs, all the way up."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import requests

from dev.client import ComfyClient
from dev.server import ComfyServer

from .conftest import Graph

pytestmark = pytest.mark.comfy
SHOT, ENCODE, REASON, PLAN = "6", "7", "8", "4"


def results(server: ComfyServer, status: int = 200, **body: Any) -> Any:
    answer = requests.post(f"{server.address}/storymotion/runs/results", json=body, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()["results"] if status == 200 else answer.json()["error"]


def test_what_the_cache_had_is_told_as_it_was_made(
    comfy_server: ComfyServer, comfy_client: ComfyClient, distilled: Graph
) -> None:
    distilled.node("StoryMotionDistilled")["seed"] = 987001
    distilled.node("StoryMotionAnimationEncode")["crf"] = 17.5
    first = comfy_client.run(distilled)
    told = first["outputs"][SHOT]
    # Another quality: the shot is not made again, and ComfyUI 0.3.75 says nothing of it.
    distilled.node("StoryMotionAnimationEncode")["crf"] = 16.5
    second = comfy_client.run(distilled)
    again = results(comfy_server, prompt_id=second["prompt"][1], nodes=[SHOT, ENCODE, "99"])
    assert set(again) == {SHOT, ENCODE}
    assert again[SHOT]["output"]["text"] == told["text"] and again[ENCODE]["output"] == second["outputs"][ENCODE]
    times = [stamped["timestamp"] for _, stamped in first["status"]["messages"]]
    assert again[ENCODE]["ended"] > again[SHOT]["ended"] >= times[0] or again[SHOT]["prompt_id"] == second["prompt"][1]
    (row,) = (json.loads(each) for each in second["outputs"][ENCODE]["storymotion"])
    assert row["position"] == 1 and row["seconds"] == pytest.approx(25 / 24)
    (file,) = second["outputs"][ENCODE]["images"]
    assert row["file"] == file

    # By the graph that an editor has on its canvas, which also has widgets of its own.
    drawn = copy.deepcopy(dict(distilled))
    drawn[SHOT]["inputs"]["control_after_generate"] = "fixed"
    assert results(comfy_server, graph=drawn, nodes=[SHOT])[SHOT]["output"]["text"] == told["text"]
    (comfy_server.data / "output" / file["subfolder"] / file["filename"]).unlink()
    kept = results(comfy_server, graph=drawn, nodes=[ENCODE])[ENCODE]["output"]
    assert "images" not in kept and kept["text"] == second["outputs"][ENCODE]["text"]
    for changed in ({"seed": 987002}, {"model": ["2", 0]}, {"prompt": "linked before"}):
        other = copy.deepcopy(drawn)
        other[SHOT]["inputs"] |= changed
        assert results(comfy_server, graph=other, nodes=[SHOT, ENCODE]) == {}
    # Further up, and of another class.
    other = copy.deepcopy(drawn)
    other[PLAN]["inputs"]["seconds"] = 2.0
    assert results(comfy_server, graph=other, nodes=[SHOT, ENCODE]) == {}
    other = copy.deepcopy(drawn)
    other[SHOT]["class_type"] = "StoryMotionOneStage"
    assert results(comfy_server, graph=other, nodes=[SHOT]) == {}
    del other[PLAN]
    assert results(comfy_server, graph=other, nodes=[SHOT]) == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"nodes": "6"},
        {"nodes": [["6"]]},
        {"nodes": ["6"], "graph": [1]},
        {"nodes": ["6"], "graph": {"6": {"class_type": "X"}}},
    ],
)
def test_what_is_no_graph_is_refused(comfy_server: ComfyServer, body: dict[str, Any]) -> None:
    assert results(comfy_server, 415, **body)["code"] == "request-not-json"


def test_of_a_prompt_that_nobody_knows_nothing_is_told(comfy_server: ComfyServer) -> None:
    assert results(comfy_server, prompt_id="no such prompt", nodes=["6"]) == {}
