"""Every shipped workflow as its API twin says it, with the tiny models, on the real server: each ends in its film."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dev.client import ComfyClient
from dev.demo import check_video, nodes_of, planned_shot, saved_file
from dev.server import ComfyServer

from .conftest import API, FRAMES, shipped
from .test_workflows_run import saved

pytestmark = pytest.mark.comfy
# The sample story's.
SCENES = ["01_window", "02_waiting", "03_lane", "04_hill", "05_wish", "06_good_night"]
# Those that pay have tests of their own.
PAID = {"10_seedance_shot", "11_story_mixed_engines"}


@pytest.mark.parametrize("name", sorted({file.stem for file in API.glob("*.json")} - PAID))
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
    if not nodes_of(graph, "StoryMotionJoin"):
        assert f"{FRAMES} frames of 448 x 256" in report
        return
    names = [file["filename"] for file in entry["outputs"]["7"]["images"]]
    assert [re.sub(r"_\d+_\.mp4$", "", name) for name in names] == [f"story_{scene}" for scene in SCENES]
    check_video(saved(comfy_server, entry, "16"), replace(plan, frames=FRAMES * len(SCENES)))
    rows = re.findall(r"^Scene (\d) \((.+)\): \w.*\. 448 x 256, 24 fps, 25 frames, seed 10\1,", report, re.MULTILINE)
    assert rows == [(str(place), scene) for place, scene in enumerate(SCENES, 1)]
    assert "copied from the files" in entry["outputs"]["17"]["text"][0]
    assert entry["outputs"]["18"]["text"][0].endswith(": 6 scenes, 21 s in all.")
