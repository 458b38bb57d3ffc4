"""Load Story on the real server: lists in order for the nodes that follow, and readable errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from dev.client import ComfyClient, PromptFailed
from dev.server import ComfyServer

from .conftest import Graph

pytestmark = pytest.mark.comfy
OUTPUTS = ("name", "image", "dialogue", "scene", "seconds", "seed", "engine", "preset", "index", "report")
HELLO = "\uc548\ub155, \ub098\ube44\uc57c!"  # "Hello, Navi!"
SCENES = [
    {"name": "one", "image": "red.png", "dialogue": HELLO, "scene": "a room", "seconds": 2, "seed": 2**64 - 1},
    {"name": "two", "image": "green.png", "engine": "seedance", "preset": "D-micro-nod", "seconds": 3.5},
    {"name": "three", "image": "blue.png", "dialogue": "Really?", "seconds": 5, "seed": 7},
]
COLOURS = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255)}


@pytest.fixture
def folder(comfy_server: ComfyServer, tmp_path: Path) -> Iterator[Path]:
    """A folder of the server's input folder, with three pictures and a story; it goes after the test."""
    import shutil

    folder = comfy_server.data / "input" / tmp_path.name
    folder.mkdir()
    for number, (colour, value) in enumerate(COLOURS.items()):
        Image.new("RGB", (64 + 32 * number, 64), value).save(folder / f"{colour}.png")
    write(folder, SCENES)
    yield folder
    shutil.rmtree(folder)


def write(folder: Path, scenes: Any) -> None:
    (folder / "story.json").write_text(json.dumps(scenes, indent=1), encoding="utf-8")


def loading(folder: Path, *shown: str, engine: str = "all") -> Graph:
    """A graph that loads the folder's story and shows these outputs; node "1" is Load Story, "name" shows the names."""
    graph = Graph()
    graph.add("1", "StoryMotionLoadStory", story=f"{folder.name}/story.json", engine=engine)
    for output in shown:
        graph.add(output, "PreviewAny", source=["1", OUTPUTS.index(output)])
    return graph


def texts(entry: dict[str, Any], node: str) -> list[str]:
    return entry["outputs"][node]["text"]


def error_of(client: ComfyClient, graph: Graph) -> str:
    with pytest.raises(PromptFailed) as caught:
        client.run(graph)
    assert caught.value.details["node_type"] == "StoryMotionLoadStory"
    return caught.value.details["exception_message"].strip()


def test_every_output_is_a_list_in_story_order(comfy_client: ComfyClient, folder: Path) -> None:
    shown = [output for output in OUTPUTS if output != "image"]
    graph = loading(folder, *shown)
    graph.add("pictures", "SaveImage", images=["1", OUTPUTS.index("image")], filename_prefix=f"{folder.name}/a")
    entry = comfy_client.run(graph)
    assert texts(entry, "name") == ["one", "two", "three"]
    assert texts(entry, "dialogue") == [HELLO, "", "Really?"]
    assert texts(entry, "scene") == ["a room", "", ""]
    assert texts(entry, "seconds") == ["2.0", "3.5", "5.0"]
    assert texts(entry, "seed") == [str(2**64 - 1), "0", "7"]
    assert texts(entry, "engine") == ["ltx-2", "seedance", "ltx-2"]
    assert texts(entry, "preset") == ["auto", "D-micro-nod", "auto"]
    assert texts(entry, "index") == ["1", "2", "3"]
    assert texts(entry, "report") == [f"{folder.name}/story.json: 3 scenes, 10.5 s in all."]
    saved = [
        Image.open(folder.parents[1] / "output" / each["subfolder"] / each["filename"])
        for each in entry["outputs"]["pictures"]["images"]
    ]
    assert [picture.size for picture in saved] == [(64, 64), (96, 64), (128, 64)]
    assert [numpy.unique(numpy.asarray(picture).reshape(-1, 3), axis=0).tolist() for picture in saved] == [
        [list(value)] for value in COLOURS.values()
    ]


def test_the_lists_reach_the_nodes_that_plan_a_shot(comfy_client: ComfyClient, folder: Path) -> None:
    graph = loading(folder)
    place = {output: ["1", index] for index, output in enumerate(OUTPUTS)}
    graph.add(
        "2",
        "StoryMotionShotPlan",
        seconds=place["seconds"],
        fps=24.0,
        size="from image",
        stages="two",
        image=place["image"],
    )
    fed = {name: place[name] for name in ("dialogue", "scene", "preset", "engine", "seed")}
    graph.add("3", "SafeMotionMapper", style="anime", guard="safe", **fed)
    graph.add("frames", "PreviewAny", source=["2", 2])
    graph.add("motion", "PreviewAny", source=["3", 3])
    entry = comfy_client.run(graph)
    assert texts(entry, "frames") == ["49", "89", "121"]
    assert texts(entry, "motion") == ["A-head-turn", "D-micro-nod", "D-micro-nod"]


def test_an_engine_keeps_the_place_in_the_story(comfy_client: ComfyClient, folder: Path) -> None:
    entry = comfy_client.run(loading(folder, "name", "index", "report", engine="ltx-2"))
    assert texts(entry, "name") == ["one", "three"]
    assert texts(entry, "index") == ["1", "3"]
    assert "2 of the 3 scenes are for ltx-2." in texts(entry, "report")[0]
    write(folder, SCENES[::2])
    told = error_of(comfy_client, loading(folder, "name", engine="seedance"))
    assert told.startswith("No scene of the story 'story.json' is for the engine seedance; it has scenes for ltx-2.")


def test_everything_wrong_is_said_in_both_languages(comfy_client: ComfyClient, folder: Path) -> None:
    write(folder, [SCENES[0], {"image": "gone.png", "name": "one", "seconds": "eight"}])
    comfy_client.post("/settings", {"Comfy.Locale": "ko"})
    try:
        told = error_of(comfy_client, loading(folder, "name")).split("\n")
    finally:
        comfy_client.post("/settings", {"Comfy.Locale": "en"})
    assert told[:4] == [
        "The story 'story.json' cannot be used as it is. Correct this and queue it again:",
        "- Line 10, one: the scene of line 2 has the same name.",
        "- Line 10, one: seconds is 'eight', but must be a number above 0 and at most 60.",
        "- Line 10, one: the image 'gone.png' is not there.",
    ]
    assert len(told) == 8 and all(any("\uac00" <= letter <= "\ud7a3" for letter in korean) for korean in told[4:])


def test_a_damaged_picture_is_found_when_it_is_decoded(comfy_client: ComfyClient, folder: Path) -> None:
    picture = Image.effect_noise((200, 200), 50).convert("RGB")
    picture.save(folder / "blue.png")
    (folder / "blue.png").write_bytes((folder / "blue.png").read_bytes()[:5000])
    assert "- Line 17, three: the image 'blue.png' is damaged: " in error_of(comfy_client, loading(folder, "name"))


def test_a_story_reads_nothing_outside_the_input_folder(
    comfy_client: ComfyClient, comfy_server: ComfyServer, folder: Path
) -> None:
    secret = comfy_server.data / "output" / "secret.png"
    Image.new("RGB", (8, 8)).save(secret)
    (comfy_server.data / "output" / "story.json").write_text('[{"image": "secret.png"}]', encoding="utf-8")
    write(
        folder, [{"image": "../../output/secret.png"}, {"image": str(secret)}, {"image": "../storymotion_scene_01.png"}]
    )
    told = error_of(comfy_client, loading(folder, "name")).split("\n")
    assert len(told) == 3 and all("is not inside of the input folder" in each for each in told[1:])
    graph = loading(folder, "name")
    for outside in ("../output/story.json", str(comfy_server.data / "output" / "story.json"), "gone.json", "", "a\0b"):
        graph["1"]["inputs"]["story"] = outside
        assert f"The story '{outside}' was not found in {comfy_server.data / 'input'}" in error_of(comfy_client, graph)


def test_the_combo_offers_stories_and_no_workflows(comfy_client: ComfyClient, folder: Path) -> None:
    (folder / "bad story.CSV").write_text("picture\n", encoding="utf-8")
    (folder / "broken.json").write_text('{"Scenes": [', encoding="utf-8")
    (folder / "list.json").write_bytes(b"\xef\xbb\xbf\n[{")
    for workflow in ({"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}, {"nodes": [], "links": []}):
        (folder / f"workflow {len(workflow)}.json").write_text(json.dumps(workflow), encoding="utf-8")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "story.csv").write_text("image\n", encoding="utf-8")
    offered = choices(comfy_client)
    here = [name.removeprefix(f"{folder.name}/") for name in offered if name.startswith(folder.name)]
    assert here == ["bad story.CSV", "broken.json", "list.json", "story.json"]


def choices(client: ComfyClient) -> list[str]:
    node = client.get("/object_info/StoryMotionLoadStory")["StoryMotionLoadStory"]
    kind, options = node["input"]["required"]["story"]
    return kind if isinstance(kind, list) else options["options"]


@pytest.mark.parametrize("sample", ["sample_story.json", "sample_story.csv"])
def test_the_sample_story_loads(comfy_client: ComfyClient, sample: str) -> None:
    assert sample in choices(comfy_client)
    graph = Graph()
    graph.add("1", "StoryMotionLoadStory", story=sample)
    for output in ("seconds", "report"):
        graph.add(output, "PreviewAny", source=["1", OUTPUTS.index(output)])
    graph.add("pictures", "PreviewImage", images=["1", OUTPUTS.index("image")])
    entry = comfy_client.run(graph)
    assert texts(entry, "seconds") == ["3.0", "2.5", "4.0", "3.5", "3.0", "5.0"]
    assert texts(entry, "report")[0].endswith(": 6 scenes, 21 s in all.")
    assert len(entry["outputs"]["pictures"]["images"]) == 6


def test_no_story_at_all_is_said(comfy_client: ComfyClient, comfy_server: ComfyServer, tmp_path: Path) -> None:
    inputs = comfy_server.data / "input"
    stories = [each for each in inputs.iterdir() if each.suffix in (".json", ".csv")]
    for story in stories:
        story.rename(tmp_path / story.name)
    try:
        (only,) = choices(comfy_client)
        graph = Graph()
        graph.add("1", "StoryMotionLoadStory", story=only)
        graph.add("2", "PreviewAny", source=["1", 0])
        told = error_of(comfy_client, graph)
    finally:
        for story in stories:
            (tmp_path / story.name).rename(story)
    assert told.startswith(f"There is no story in {inputs}.") and "docs/STORY.md" in told


def test_it_loads_again_when_the_story_or_a_picture_changes(comfy_client: ComfyClient, folder: Path) -> None:
    graph = loading(folder, "report")

    def ran() -> bool:
        entry = comfy_client.run(graph)
        (cached,) = [data["nodes"] for kind, data in entry["status"]["messages"] if kind == "execution_cached"]
        return "1" not in cached

    assert ran() and not ran()
    Image.new("RGB", (64, 64), (254, 0, 0)).save(folder / "red.png")
    assert ran() and not ran()
    write(folder, SCENES[:2])
    assert ran() and not ran()
    write(folder, [])
    assert "There is no scene in it." in error_of(comfy_client, graph)
    write(folder, SCENES)
    assert ran() and not ran()
