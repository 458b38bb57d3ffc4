"""The shipped story workflows with the tiny models on the real server: films, reuse, failed scenes, crashes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from dev.client import ComfyClient, NodeProgress, PromptFailed, PromptInterrupted
from dev.server import ComfyServer

from .stories import (
    ENCODE,
    FILM,
    NAMES,
    SHOTS,
    Story,
    files,
    outcomes,
    pictures,
    report_of,
    scene_names,
    sound,
)

pytestmark = pytest.mark.comfy
FRAMES = [9, 17, 25, 9, 17, 25]
DONE, REUSED, FAILED = "done", "reused", "failed"


def scene_rows(entry: dict[str, Any], node: str) -> list[dict[str, Any]]:
    """What the editor draws a table of."""
    return [json.loads(row) for row in entry["outputs"][node]["storymotion"]]


def when(text: str, do: Callable[[], object]) -> Callable[[NodeProgress], None]:
    """A callback that does something once, as soon as a node shows ``text``."""
    left = [do]

    def on_progress(progress: NodeProgress) -> None:
        if progress.text == text and left:
            left.pop()()

    return on_progress


def test_six_scenes_become_six_files_and_a_film(comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    story = Story(comfy_server, "whole", range(10, 16))
    graph = story.graph()
    entry = comfy_client.run(graph)
    shots, (film,) = files(comfy_server, entry, ENCODE), files(comfy_server, entry, FILM)
    assert scene_names(shots) == list(NAMES)
    decoded = [pictures(shot) for shot in shots]
    assert [len(each) for each in decoded] == FRAMES
    # The film is the shots in story order, copied: not one pixel differs.
    assert numpy.array_equal(pictures(film), numpy.concatenate(decoded))
    assert outcomes(report_of(entry)) == [(name, DONE) for name in NAMES]

    # Another seed for scene three, as a creator would write it into the file.
    story.seeds[2] = 99
    story.write()
    again = comfy_client.run(graph)
    report = report_of(again)
    assert outcomes(report) == [(name, DONE if name == "three" else REUSED) for name in NAMES]
    assert "1 rendered, 5 reused from earlier runs, 0 failed." in report
    changed = [pictures(shot) for shot in files(comfy_server, again, ENCODE)]
    same = [numpy.array_equal(one, other) for one, other in zip(decoded, changed)]
    assert same == [True, True, False, True, True, True]
    assert numpy.array_equal(pictures(files(comfy_server, again, FILM)[0]), numpy.concatenate(changed))


def test_a_scene_that_cannot_be_fails_alone(comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    story = Story(comfy_server, "holed", range(20, 26))
    graph = story.graph()
    graph.add("41", "TestList", values=json.dumps([64, 64, 100, 64, 64, 64]))
    graph[SHOTS]["inputs"]["width"] = ["41", 0]
    shown: list[NodeProgress] = []
    with pytest.raises(PromptFailed) as raised:
        comfy_client.run(graph, shown.append)
    on_node = [each.text for each in shown if each.node == SHOTS and each.text]
    assert on_node[-1].endswith(": 5 rendered, 0 reused from earlier runs, 1 failed.")
    # The end in an error is Join's, as the workflow ships, and everything is saved before it.
    assert raised.value.details["node_id"] == FILM
    message = raised.value.details["exception_message"]
    assert "1 of 6 scenes failed: 3 (three): The width of the shot is 100 pixels" in message
    folder = comfy_server.data / "output" / story.name
    names = {file.name for file in folder.iterdir()}
    assert names == {f"{name}_00001_.mp4" for name in ("film", *NAMES)} - {"three_00001_.mp4"}
    assert "film_00001_.mp4" in message
    frames = FRAMES[:2] + FRAMES[3:]
    assert len(pictures(folder / "film_00001_.mp4")) == sum(frames)

    # "finish" has the same film, and the reports say what is missing.
    graph[FILM]["inputs"]["on_failure"] = "finish"
    entry = comfy_client.run(graph)
    assert [len(pictures(shot)) for shot in files(comfy_server, entry, ENCODE)] == frames
    assert outcomes(report_of(entry)) == [(name, FAILED if name == "three" else DONE) for name in NAMES]
    assert "1 of 6 scenes missing: 3 (three): The width of the shot is 100" in entry["outputs"]["17"]["text"][0]
    saved = [(row["position"], row["file"]["filename"]) for row in scene_rows(entry, ENCODE)]
    assert saved == [(NAMES.index(name) + 1, f"{name}_00001_.mp4") for name in NAMES if name != "three"]


def test_bad_luck_is_over_when_queued_again(comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    """ComfyUI's cache would keep the gap: nothing in the graph has changed."""
    story = Story(comfy_server, "unlucky", range(70, 76))
    graph = story.graph()
    graph[FILM]["inputs"]["on_failure"] = "finish"
    comfy_client.run({"1": {"class_type": "TestBadLuck", "inputs": {"shot": 3}}})
    first = outcomes(report_of(comfy_client.run(graph)))
    assert [outcome for _, outcome in first].count(FAILED) == 1 and len(first) == 6
    comfy_client.post("/settings", {"StoryMotion.GpuUsdPerHour": 3600})
    try:
        entry = comfy_client.run(graph)
    finally:
        comfy_client.post("/settings", {"StoryMotion.GpuUsdPerHour": 0})
    second = outcomes(report_of(entry))
    assert second == [(name, DONE if outcome == FAILED else REUSED) for name, outcome in first]
    # The same as data, for the editor: what was reused cost nothing.
    rows = scene_rows(entry, SHOTS)
    assert [(row["name"], row["state"]) for row in rows] == second
    assert [row["position"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["seconds"] for row in rows] == pytest.approx([frames / 24 for frames in FRAMES])
    (made,) = [row for row in rows if row["state"] == DONE]
    assert f"{made['krw_text']} KRW." in report_of(entry) and float(made["usd_text"]) > 0
    assert {row["krw_text"] for row in rows if row is not made} == {"0.0"}


def test_a_missing_lora_costs_its_own_scene_in_korean_too(comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    graph = Story(comfy_server, "lora", (30, 31)).graph("09_story_two_stage")
    graph.add("41", "TestList", values=json.dumps(["gone.safetensors", "tiny-distilled-lora.safetensors"]))
    graph[SHOTS]["inputs"] |= {"steps": 2, "distilled_lora": ["41", 1]}
    graph[FILM]["inputs"]["on_failure"] = "finish"
    comfy_client.post("/settings", {"Comfy.Locale": "ko"})
    try:
        entry = comfy_client.run(graph)
    finally:
        comfy_client.post("/settings", {"Comfy.Locale": "en"})
    report = report_of(entry)
    assert outcomes(report) == [("one", FAILED), ("two", DONE)]
    first, second = (row for row in report.splitlines() if re.match(r"Scene \d", row))
    assert "'gone.safetensors' was not found in" in first
    # "Scene 1 (one): failed" and "Scene 2 (two): done", in Korean.
    assert " / \uc7a5\uba74 1 (one): \uc2e4\ud328. " in first
    assert " / \uc7a5\uba74 2 (two): \uc644\ub8cc. " in second
    assert scene_names(files(comfy_server, entry, ENCODE)) == ["two"]


def test_cancelled_in_scene_two_it_goes_on_there(comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    graph = Story(comfy_server, "cancelled", (40, 41, 42)).graph()
    heard: list[str] = []
    interrupt = when("scene 2 of 3, stage 1", comfy_client.interrupt)

    def on_progress(progress: NodeProgress) -> None:
        heard.append(progress.text)
        interrupt(progress)

    with pytest.raises(PromptInterrupted):
        comfy_client.run(graph, on_progress)
    assert "scene 1 of 3, decoding" in heard and "scene 2 of 3, decoding" not in heard
    entry = comfy_client.run(graph)
    assert outcomes(report_of(entry)) == [("one", REUSED), ("two", DONE), ("three", DONE)]
    film = files(comfy_server, entry, FILM)[0]

    # With no room for finished shots all are rendered anew, and come out the same.
    comfy_client.post("/settings", {"StoryMotion.ShotStoreGB": 0})
    try:
        graph[SHOTS]["inputs"]["name"] = "anew"  # makes ComfyUI run the node again, and shapes no shot
        entry = comfy_client.run(graph)
    finally:
        comfy_client.post("/settings", {"StoryMotion.ShotStoreGB": 30})
    assert [outcome for _, outcome in outcomes(report_of(entry))] == [DONE] * 3
    undisturbed = files(comfy_server, entry, FILM)[0]
    assert numpy.array_equal(pictures(film), pictures(undisturbed))
    assert numpy.array_equal(sound(film), sound(undisturbed))


def test_killed_in_scene_four_it_goes_on_there(
    comfy_client: ComfyClient, comfy_server: ComfyServer, fragile_server: ComfyServer
) -> None:
    seeds = range(50, 56)
    with ComfyClient(fragile_server.address) as client, pytest.raises(ConnectionError):
        client.run(Story(fragile_server, "killed", seeds).graph(), when("scene 4 of 6, stage 2", fragile_server.kill))
    fragile_server.start()
    with ComfyClient(fragile_server.address) as client:
        entry = client.run(Story(fragile_server, "killed", seeds).graph())
    report = report_of(entry)
    assert outcomes(report) == [*((name, REUSED) for name in NAMES[:3]), *((name, DONE) for name in NAMES[3:])]
    assert "What an earlier run had denoised in stage 1 was used again." in report
    film = files(fragile_server, entry, FILM)[0]
    undisturbed = files(comfy_server, comfy_client.run(Story(comfy_server, "killed", seeds).graph()), FILM)[0]
    assert numpy.array_equal(pictures(film), pictures(undisturbed))
    assert numpy.array_equal(sound(film), sound(undisturbed))
