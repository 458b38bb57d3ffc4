"""Merge on the real server: two lists in which scenes failed, in story order."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import pytest

from dev.client import ComfyClient, PromptFailed, PromptInterrupted
from dev.server import ComfyServer

pytestmark = pytest.mark.comfy
Places = list[int]


@pytest.fixture
def server(story_server: ComfyServer) -> ComfyServer:
    return story_server


@pytest.fixture
def client(server: ComfyServer) -> Iterator[ComfyClient]:
    with ComfyClient(server.address) as connected:
        yield connected


@pytest.fixture(autouse=True)
def empty_output(server: ComfyServer) -> None:
    shutil.rmtree(server.data / "output", ignore_errors=True)
    (server.data / "output").mkdir()


def shots(marks: str, places: Places, **more: Any) -> dict[str, Any]:
    """The inputs of StoryShots: one slot a mark, each with the grey and as many frames as its place in the story."""
    kinds = {"s": "shot", "f": "foreign", ".": "failed", "d": "file"}
    slots = [{"kind": kinds[mark], "shot": place, "frames": place} for mark, place in zip(marks, places)]
    return {"slots": json.dumps(slots), "story": True} | more


def graph(
    a: dict[str, Any],
    index_a: list[Any],
    b: dict[str, Any] | None = None,
    index_b: list[Any] | None = None,
    encode: dict[str, Any] | None = None,
    **join: Any,
) -> dict[str, Any]:
    """Two lists into Merge and Join, by way of Animation Encode if ``encode`` has inputs for it."""
    nodes: dict[str, Any] = {
        "1": ("StoryShots", a),
        "2": ("TestList", {"values": json.dumps(index_a)}),
        "5": ("StoryMotionMerge", {"videos_a": ["1", 0], "index_a": ["2", 0]}),
        "7": ("StoryMotionJoin", {"videos": ["5", 0], "filename_prefix": "film", **join}),
        "8": ("PreviewAny", {"source": ["7", 1]}),
        "9": ("PreviewAny", {"source": ["5", 1]}),
    }
    if b is not None:
        nodes["3"] = ("StoryShots", b)
        nodes["5"][1]["videos_b"] = ["3", 0]
    if index_b is not None:
        nodes["4"] = ("TestList", {"values": json.dumps(index_b)})
        nodes["5"][1]["index_b"] = ["4", 0]
    if encode is not None:
        nodes["6"] = ("StoryMotionAnimationEncode", {"video": ["5", 0], "filename_prefix": "shot", **encode})
        nodes["7"][1]["videos"] = ["6", 0]
    return {name: {"class_type": class_type, "inputs": inputs} for name, (class_type, inputs) in nodes.items()}


def story(a: str, places_a: Places, b: str, places_b: Places, **more: Any) -> dict[str, Any]:
    """``graph`` of two branches with the marks ``a`` and ``b``."""
    return graph(shots(a, places_a), places_a, shots(b, places_b), places_b, **more)


def greys(server: ComfyServer, name: str = "film_00001_.mp4") -> Places:
    """Which shot each frame is of."""
    with av.open(str(server.data / "output" / name)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [round((float(np.median(frame)) - 20) / 30) for frame in frames]


def film_of(places: Places) -> Places:
    """The frames of a film of these shots: each has as many as its place."""
    return [place for place in places for _ in range(place)]


def report_of(entry: dict[str, Any]) -> str:
    (text,) = entry["outputs"]["8"]["text"]
    return text


def names(server: ComfyServer) -> list[str]:
    return sorted(file.name for file in (server.data / "output").iterdir())


def cached(entry: dict[str, Any]) -> list[str]:
    """The nodes that ComfyUI did not run again."""
    (nodes,) = [told["nodes"] for kind, told in entry["status"]["messages"] if kind == "execution_cached"]
    return nodes


ODD, EVEN = [1, 3, 5], [2, 4, 6]


@pytest.mark.parametrize("encode", [None, {}], ids=["direct", "encoded"])
@pytest.mark.parametrize(
    ("a", "places_a", "b", "places_b"),
    [
        ("sss", ODD, "sss", EVEN),
        ("s.s", ODD, "sss", EVEN),
        ("sss", ODD, ".ss", EVEN),
        (".ss", ODD, "ss.", EVEN),
        ("..s", ODD, "s..", EVEN),
        ("ss.", [1, 2, 5], "sss", [3, 4, 6]),
        ("s.", [2, 5], "ssss", [1, 3, 4, 6]),
        ("sssss", [1, 2, 4, 5, 6], "s", [3]),
        (".s.ss", [1, 2, 4, 5, 6], "s", [3]),
        ("...", ODD, "s.s", EVEN),
        (".", [2], "s.sss", [1, 3, 4, 5, 6]),
    ],
)
def test_one_film_in_story_order(
    server: ComfyServer,
    client: ComfyClient,
    a: str,
    places_a: Places,
    b: str,
    places_b: Places,
    encode: dict[str, Any] | None,
) -> None:
    entry = client.run(story(a, places_a, b, places_b, encode=encode))
    marks = dict(zip([*places_a, *places_b], a + b))
    assert greys(server) == film_of([place for place in sorted(marks) if marks[place] != "."])
    assert entry["outputs"]["9"]["text"] == [str(place) for place in sorted(marks)]
    # The name is the one that the scene has in its branch; of a branch without a shot nothing is known.
    branch = {place: slot for places in (places_a, places_b) for slot, place in enumerate(places, 1)}
    silent = {place for marks, places in ((a, places_a), (b, places_b)) if not marks.strip(".") for place in places}
    missing = [
        str(place) if place in silent else f"{place} (scene {branch[place]}): It broke"
        for place in sorted(marks)
        if marks[place] == "."
    ]
    said = f"{len(missing)} of {len(marks)} scenes missing: {'; '.join(missing)}."
    assert (said in report_of(entry)) == bool(missing)
    if encode is not None:
        assert len(entry["outputs"]["6"]["images"]) == len(marks) - len(missing)


@pytest.mark.parametrize("encode", [None, {}], ids=["direct", "encoded"])
def test_fails_after_saving_with_the_places_in_the_story(
    server: ComfyServer, client: ComfyClient, encode: dict[str, Any] | None
) -> None:
    with pytest.raises(PromptFailed, match=r"2 of 6 scenes failed: 5 \(scene 3\): It broke; 6 \(scene 3\): It broke\."):
        client.run(story("ss.", ODD, "ss.", EVEN, encode=encode, on_failure="fail after saving"))
    assert greys(server) == film_of([1, 2, 3, 4])


def test_shots_of_other_packs_and_files(server: ComfyServer, client: ComfyClient) -> None:
    a, b = shots("f.f", ODD, story=False), shots("d.", [2, 4], story=False)
    entry = client.run(graph(a, ODD, b, [2, 4]))
    assert greys(server) == film_of([1, 2, 5])
    assert "2 of 5 scenes missing: 3; 4." in report_of(entry)


@pytest.mark.parametrize("name", ["a", "b"])
def test_one_branch_alone(server: ComfyServer, client: ComfyClient, name: str) -> None:
    """Nothing comes of the other: not connected, or all of its nodes are muted."""
    workflow = graph(shots("ss.", [3, 1, 2]), [3, 1, 2])
    workflow["5"]["inputs"] = {f"videos_{name}": ["1", 0], f"index_{name}": ["2", 0]}
    entry = client.run(workflow)
    assert greys(server) == film_of([1, 3])
    assert "1 of 3 scenes missing: 2 (scene 3): It broke." in report_of(entry)


@pytest.mark.parametrize("muted", ["a", "b"])
def test_a_branch_whose_shots_are_muted_is_missing(server: ComfyServer, client: ComfyClient, muted: str) -> None:
    """The editor does not send the link from a muted node; Load Story still gives the places."""
    workflow = story("s.s", ODD, "s.s", EVEN)
    del workflow["5"]["inputs"][f"videos_{muted}"]
    entry = client.run(workflow)
    assert greys(server) == film_of([2, 6] if muted == "a" else [1, 5])
    for place in ODD if muted == "a" else EVEN:
        assert f"{place}: videos_{muted} is not connected. " in report_of(entry)
    assert "4 of 6 scenes missing: " in report_of(entry)
    assert ("4 (scene 2): It broke" if muted == "a" else "3 (scene 2): It broke") in report_of(entry)


@pytest.mark.parametrize("broken", ["a", "b"])
def test_a_branch_that_ends_the_prompt_costs_no_shot_of_the_other(
    server: ComfyServer, client: ComfyClient, broken: str
) -> None:
    """A node that raises ends ComfyUI's queue. With it muted, the shots of the other are used, and made once."""
    other = {"a": "b", "b": "a"}[broken]
    workflow = story("s.s", ODD, "sss", EVEN, crf=23.0 if broken == "a" else 24.0)
    workflow["10"] = {"class_type": "StoryLater", "inputs": {"video": ["1" if other == "a" else "3", 0]}}
    workflow["11"] = {"class_type": "StoryLater", "inputs": {"video": ["1" if broken == "a" else "3", 0], "fail": True}}
    workflow["5"]["inputs"] |= {f"videos_{other}": ["10", 0], f"videos_{broken}": ["11", 0]}
    with pytest.raises(PromptFailed, match="It broke at once"):
        client.run(workflow)
    del workflow["5"]["inputs"][f"videos_{broken}"], workflow["11"]
    entry = client.run(workflow)
    assert greys(server) == film_of([2, 4, 6] if broken == "a" else [1, 5])
    assert f"videos_{broken} is not connected" in report_of(entry)
    assert (server.data / "output" / "later").read_text(encoding="utf-8") == ("xxx" if other == "b" else "xx")


@pytest.mark.parametrize("empty", ["a", "b"])
def test_an_empty_branch_is_no_branch(server: ComfyServer, client: ComfyClient, empty: str) -> None:
    branches = {"a": ("s.s", ODD), "b": ("s.s", ODD)} | {empty: ("", [])}
    entry = client.run(story(*branches["a"], *branches["b"]))
    assert greys(server) == film_of([1, 5])
    assert "1 of 3 scenes missing: 3 (scene 2): It broke." in report_of(entry)


def test_three_branches_with_two_merges(server: ComfyServer, client: ComfyClient) -> None:
    workflow = story("s.", [1, 4], "s.", [2, 5])
    workflow["10"] = {"class_type": "StoryShots", "inputs": shots(".s", [3, 6])}
    workflow["11"] = {"class_type": "TestList", "inputs": {"values": "[3, 6]"}}
    inputs = {"videos_a": ["5", 0], "index_a": ["5", 1], "videos_b": ["10", 0], "index_b": ["11", 0]}
    workflow["12"] = {"class_type": "StoryMotionMerge", "inputs": inputs}
    workflow["7"]["inputs"]["videos"] = ["12", 0]
    entry = client.run(workflow)
    assert greys(server) == film_of([1, 2, 6])
    missing = "3 (scene 1): It broke; 4 (scene 2): It broke; 5 (scene 2): It broke"
    assert f"3 of 6 scenes missing: {missing}." in report_of(entry)


def test_nothing_but_failed_scenes_is_an_error(server: ComfyServer, client: ComfyClient) -> None:
    with pytest.raises(PromptFailed, match="None of the 3 scenes of the branches has a shot") as raised:
        client.run(story("..", [1, 3], ".", [2]))
    assert raised.value.details["node_id"] == "5"
    assert names(server) == []


def test_shots_keep_what_they_carry_for_others(server: ComfyServer, client: ComfyClient) -> None:
    """The same shots go into a film of their branch: there they have the places and failures of the branch."""
    workflow = story("s.s", ODD, ".ss", EVEN)
    workflow["10"] = {"class_type": "StoryMotionJoin", "inputs": {"videos": ["1", 0], "filename_prefix": "branch"}}
    workflow["11"] = {"class_type": "PreviewAny", "inputs": {"source": ["10", 1]}}
    for change in ("first", "second"):  # whichever of both runs first
        workflow["7"]["inputs"]["filename_prefix"] = workflow["10"]["inputs"]["filename_prefix"] = change
        entry = client.run(workflow)
        assert "1 of 3 scenes missing: 2 (scene 2): It broke." in entry["outputs"]["11"]["text"][0]
        assert "2 of 6 scenes missing: 2 (scene 1): It broke; 3 (scene 2): It broke." in report_of(entry)


# --- what does not fit together


@pytest.mark.parametrize(
    ("index_a", "index_b", "said"),
    [
        (ODD, [2, 3, 5], r"more than once: 3 \(index_a, index_b\); 5 \(index_a, index_b\)\. "),
        ([1, 3, 3], EVEN, r"more than once: 3 \(index_a, index_a\)\. "),
        ([1, 0, 3], EVEN, r"index_a has the value 0, but a place in the story is a whole number from 1\. "),
        (ODD, [2, 4, "x"], r"index_b has the value x, but"),
        ([], [], r"index_a got an empty list"),
    ],
)
def test_wrong_places_are_said_before_any_shot_is_made(
    server: ComfyServer, client: ComfyClient, index_a: list[Any], index_b: list[Any], said: str
) -> None:
    workflow = graph(shots("sss", ODD), index_a, shots("sss", EVEN), index_b)
    workflow["10"] = {"class_type": "StoryLater", "inputs": {"video": ["1", 0]}}
    workflow["5"]["inputs"]["videos_a"] = ["10", 0]
    with pytest.raises(PromptFailed, match=said) as raised:
        client.run(workflow)
    assert raised.value.details["node_id"] == "5"
    assert names(server) == []


@pytest.mark.parametrize(
    ("marks", "index_b", "counted"),
    [
        ("sss", [2, 4], "3 scenes, but index_b has 2"),
        ("ss.", [2, 4], "3 scenes, but index_b has 2"),
        ("sss", [2, 4, 6, 7], "3 scenes, but index_b has 4"),
        ("s.", [2, 4, 6], "2 scenes, but index_b has 3"),
        ("s", [2, 4], "1 scenes, but index_b has 2"),
    ],
)
def test_places_must_be_as_many_as_scenes(
    server: ComfyServer, client: ComfyClient, marks: str, index_b: Places, counted: str
) -> None:
    with pytest.raises(PromptFailed, match=f"videos_b has {counted} places in the story") as raised:
        client.run(graph(shots("sss", ODD), ODD, shots(marks, EVEN), index_b))
    assert raised.value.details["node_id"] == "5"
    assert names(server) == []


@pytest.mark.parametrize(
    ("slots", "missing"),
    [
        ([("shot", "x", 2), ("failed", "x", 3), ("failed", "x", 1)], "3; 5"),
        ([("shot", "x", 1), ("failed", "x", 2), ("shot", "y", 3)], "3"),
    ],
    ids=["other order", "several nodes"],
)
def test_no_reason_is_better_than_that_of_another_scene(
    server: ComfyServer, client: ComfyClient, slots: list[tuple[str, str, int]], missing: str
) -> None:
    """Nodes of other packs can change a list so that nobody knows which slot is which scene of the node before."""
    made = [
        {"kind": kind, "story": story, "scene": scene, "shot": place, "frames": place}
        for (kind, story, scene), place in zip(slots, ODD)
    ]
    entry = client.run(graph({"slots": json.dumps(made), "story": True}, ODD, shots("s", [2]), [2]))
    there = [2] + [place for (kind, _, _), place in zip(slots, ODD) if kind == "shot"]
    assert greys(server) == film_of(sorted(there))
    assert f"of 4 scenes missing: {missing}." in report_of(entry)


def test_the_beginning_of_a_list_needs_no_more_places(server: ComfyServer, client: ComfyClient) -> None:
    """The shots say that there are 4 scenes, of which another node left the first 2."""
    entry = client.run(graph(shots("s.s.", [1, 3, 5, 7], keep=2), [1, 3], shots("s", [2]), [2]))
    assert greys(server) == film_of([1, 2])
    assert "1 of 3 scenes missing: 3 (scene 2): It broke." in report_of(entry)


@pytest.mark.parametrize(
    ("connected", "said"),
    [
        (["videos_a"], "index_a is not connected, but videos_a is"),
        (["videos_a", "index_a", "videos_b"], "index_b is not connected, but videos_b is"),
        (["index_a", "index_b"], "videos_a is not connected"),
        ([], "videos_a is not connected"),
    ],
)
def test_what_must_be_connected(server: ComfyServer, client: ComfyClient, connected: list[str], said: str) -> None:
    workflow = story("s", [1], "s", [2])
    workflow["5"]["inputs"] = {name: workflow["5"]["inputs"][name] for name in connected}
    with pytest.raises(PromptFailed, match=said) as raised:
        client.run(workflow)
    assert raised.value.details["node_id"] == "5"
    assert names(server) == []


def test_errors_speak_korean(server: ComfyServer, client: ComfyClient) -> None:
    settings = server.data / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"Comfy.Locale": "ko"}', encoding="utf-8")
    try:
        for index_b in ([1], [2, 3]):
            with pytest.raises(PromptFailed, match="\uc2a4\ud1a0\ub9ac"):
                client.run(graph(shots("s", [1]), [1], shots("s", [2]), index_b))
    finally:
        settings.unlink()


# --- queueing again


def test_queueing_again_uses_what_is_there(server: ComfyServer, client: ComfyClient) -> None:
    workflow = story("s.s", ODD, "sss", EVEN)
    client.run(workflow)
    assert set(cached(client.run(workflow))) == set(workflow)
    workflow["7"]["inputs"]["filename_prefix"] = "other"  # only Join runs again, on a list from the cache
    entry = client.run(workflow)
    assert set(workflow) - set(cached(entry)) == {"7", "8"}
    assert greys(server, "other_00001_.mp4") == film_of([1, 2, 4, 5, 6])
    assert "1 of 6 scenes missing: 3 (scene 2)" in report_of(entry)


def test_a_branch_from_the_cache_is_gathered_again(server: ComfyServer, client: ComfyClient) -> None:
    client.run(story("s.s", ODD, "s.s", EVEN))
    entry = client.run(story("s.s", ODD, "sss", EVEN, filename_prefix="again"))
    assert "1" in cached(entry) and "3" not in cached(entry) and "5" not in cached(entry)
    assert greys(server, "again_00001_.mp4") == film_of([1, 2, 4, 5, 6])
    entry = client.run(story("s.s", ODD, "sss", [7, 4, 6], filename_prefix="third"))
    assert "3 of 6" not in report_of(entry) and "1 of 6 scenes missing: 3 (scene 2)" in report_of(entry)
    assert entry["outputs"]["9"]["text"] == ["1", "3", "4", "5", "6", "7"]


@pytest.mark.parametrize("slow", ["a", "b"])
def test_an_interrupted_prompt_leaves_nothing_for_the_next(server: ComfyServer, client: ComfyClient, slow: str) -> None:
    workflow = story("s.s", ODD, ".ss", EVEN, crf=19.0 if slow == "a" else 20.0)
    workflow["10"] = {"class_type": "StoryLater", "inputs": {"video": ["1" if slow == "a" else "3", 0]}}
    workflow["5"]["inputs"][f"videos_{slow}"] = ["10", 0]
    prompt = client.queue(workflow)
    deadline = time.monotonic() + 60
    while not (server.data / "output" / "later").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    client.interrupt()
    with pytest.raises(PromptInterrupted):
        client.wait(prompt)
    assert names(server) == ["later"]
    entry = client.run(workflow)
    assert greys(server) == film_of([1, 4, 5, 6])
    assert "2 of 6 scenes missing: 2 (scene 1): It broke; 3 (scene 2): It broke." in report_of(entry)


def test_shots_are_made_once_when_comfyui_keeps_nothing(server: ComfyServer) -> None:
    workflow = story("s.s", ODD, ".ss", EVEN)
    workflow["10"] = {"class_type": "StoryLater", "inputs": {"video": ["1", 0]}}
    workflow["5"]["inputs"]["videos_a"] = ["10", 0]
    with (
        ComfyServer(server.python, server.comfyui, server.data, arguments=["--cache-none"]) as other,
        ComfyClient(other.address) as client,
    ):
        entry = client.run(workflow)
    assert (server.data / "output" / "later").read_text(encoding="utf-8") == "xx"
    assert greys(server) == film_of([1, 4, 5, 6])
    assert "2 of 6 scenes missing: 2 (scene 1): It broke; 3 (scene 2): It broke." in report_of(entry)
