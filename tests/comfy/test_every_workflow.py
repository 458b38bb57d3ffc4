"""Every shipped workflow as its API twin says it, with the tiny models, on the real server: each ends in its film."""

from __future__ import annotations

import pytest

from dev.client import ComfyClient
from dev.demo import check_video, planned_shot, saved_file
from dev.server import ComfyServer

from .conftest import API, FRAMES, shipped

pytestmark = pytest.mark.comfy


@pytest.mark.parametrize("name", sorted(file.stem for file in API.glob("*.json")))
def test_workflow_ends_in_the_film_that_it_plans(
    comfy_client: ComfyClient, comfy_server: ComfyServer, name: str
) -> None:
    graph = shipped(name)
    for node in graph.values():
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 3
    plan = planned_shot(graph)
    assert (plan.width, plan.height, plan.frames) == (448, 256, FRAMES)
    entry = comfy_client.run(graph)
    check_video(comfy_server.data / "output" / saved_file(graph, entry), plan)
    (report,) = entry["outputs"]["9"]["text"]
    assert f"{FRAMES} frames of 448 x 256" in report
