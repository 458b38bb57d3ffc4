"""The shipped workflows that pay, on the real server and the local service: charged once, and in story order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import av
import numpy
import pytest

from dev.client import ComfyClient, PromptFailed
from dev.fake_seedance import FakeSeedance
from dev.fake_seedance_process import TEST_KEY
from dev.server import ComfyServer
from storymotion.media.probe import probe
from storymotion.paid.provider import SEEDANCE

from .conftest import FRAMES, Graph, shipped
from .test_workflows_run import saved

pytestmark = pytest.mark.comfy
# The cheapest that there is.
SMALL = {"resolution": "480p", "duration": 2, "max_usd": 0.05}
PAID_WIDTH, PAID_FRAMES = 864, 49
TASK = re.compile(r"cgt-[\w-]+")


def paid(name: str, prefix: str) -> Graph:
    """A shipped workflow whose user has read the quote and allowed a small shot."""
    graph = shipped(name)
    graph.node("StoryMotionSeedance").update(SMALL)
    for node in graph.values():
        if "filename_prefix" in node["inputs"]:
            node["inputs"]["filename_prefix"] = prefix
    return graph


def video_of(server: ComfyServer, task: str) -> Path:
    return server.data / "user" / "storymotion-fake-seedance" / SEEDANCE.video_folder / f"{task}.mp4"


def frame_at(file: Path, number: int) -> numpy.ndarray:
    """Grey levels of one frame, small enough that compression does not matter: float [27, 48]."""
    with av.open(str(file)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return frame.reformat(48, 27, "gray").to_ndarray().astype(float)
    raise AssertionError(f"{file.name} has no frame {number}")


def test_as_shipped_it_pays_nothing_and_says_what_it_would_cost(
    comfy_client: ComfyClient, fake_seedance: FakeSeedance
) -> None:
    orders = len(fake_seedance.requests())
    with pytest.raises(PromptFailed, match="max_usd of the node is") as failed:
        comfy_client.run(shipped("10_seedance_shot"))
    assert "seedance-1-0-pro-fast-251015, 720p 16:9, 5 s, default: at most $0.1" in str(failed.value)
    assert len(fake_seedance.requests()) == orders


def test_the_template_queued_again_and_again_is_charged_once(
    comfy_client: ComfyClient, comfy_server: ComfyServer, fake_seedance: FakeSeedance
) -> None:
    charged = len(fake_seedance.charges())
    graph = paid("10_seedance_shot", "paid/once")
    first = comfy_client.run(graph)
    (task,) = set(TASK.findall(first["outputs"]["9"]["text"][0]))
    assert "seedance" in first["outputs"]["3"]["text"][0] and first["outputs"]["8"]["text"][0]
    facts = probe(saved(comfy_server, first))
    assert (facts.width, facts.frames) == (PAID_WIDTH, PAID_FRAMES)

    # The second click: all of it is in ComfyUI's cache.
    comfy_client.run(graph)
    # Then ComfyUI forgets everything, as after a restart; and another day another file is wanted.
    comfy_client.post("/free", {"unload_models": True, "free_memory": True})
    # It looks for that request after each prompt, and only by chance before the next one.
    comfy_client.run({"1": {"class_type": "PreviewAny", "inputs": {"source": "any"}}})
    graph.node("SaveVideo")["filename_prefix"] = "paid/again"
    again = comfy_client.run(graph)
    receipt = again["outputs"]["9"]["text"][0]
    assert task in receipt and "paid nothing for it" in receipt
    assert saved(comfy_server, again).name != saved(comfy_server, first).name
    assert [each.task_id for each in fake_seedance.charges()[charged:]] == [task]

    # Only a new take is a new shot.
    graph.node("StoryMotionSeedance")["take"] = 2
    other = comfy_client.run(graph)["outputs"]["9"]["text"][0]
    assert task not in other and len(fake_seedance.charges()) == charged + 2
    # What was saved and remembered is for showing around: the key is not in it.
    kept = [saved(comfy_server, entry).read_bytes() for entry in (first, again)]
    kept += [json.dumps(comfy_client.get("/history")).encode(), comfy_server.log.read_bytes()]
    kept += [file.read_bytes() for file in video_of(comfy_server, task).parents[1].rglob("*") if file.is_file()]
    assert not any(TEST_KEY.encode() in content for content in kept)


def test_a_mixed_story_becomes_one_film_in_story_order(
    comfy_client: ComfyClient, comfy_server: ComfyServer, fake_seedance: FakeSeedance
) -> None:
    charged = len(fake_seedance.charges())
    graph = paid("11_story_mixed_engines", "paid/mixed")
    graph.add("30", "PreviewAny", source=["23", 1])
    entry = comfy_client.run(graph)
    assert index_of(entry, "30") == [1, 2, 3, 4]
    rows = re.findall(r"^Scene (\d) \((.+?)\)", entry["outputs"]["9"]["text"][0], re.MULTILINE)
    receipt = entry["outputs"]["24"]["text"][0]
    assert list(dict.fromkeys(rows)) == [("1", "01_window"), ("2", "05_wish")]
    assert receipt.index("04_hill") < receipt.index("06_good_night")
    second, fourth = dict.fromkeys(TASK.findall(receipt))
    assert [each.task_id for each in fake_seedance.charges()[charged:]] in ([second, fourth], [fourth, second])

    seeds = {each["id"]: each["seed"] for each in fake_seedance.tasks()}
    assert (seeds[second], seeds[fourth]) == (104, 106)  # the story's

    film = saved(comfy_server, entry, "16")
    facts = probe(film)
    assert facts.frames == 2 * FRAMES + 2 * PAID_FRAMES
    assert facts.sound is not None
    report = entry["outputs"]["17"]["text"][0]
    # Places in the story, and the files that the service delivered.
    assert f"2 ({second}.mp4)" in report and f"4 ({fourth}.mp4)" in report
    # LTX-2's shots are first and third, the delivered ones, which look alike, after each of them.
    paid_frame = frame_at(video_of(comfy_server, second), 20)
    starts = (0, FRAMES, FRAMES + PAID_FRAMES, 2 * FRAMES + PAID_FRAMES)
    near = [float(numpy.abs(frame_at(film, start + 20) - paid_frame).mean()) for start in starts]
    assert max(near[1], near[3]) < 20 < min(near[0], near[2]), near


def index_of(entry: dict[str, Any], node: str) -> list[int]:
    return [int(text) for text in entry["outputs"][node]["text"]]
