"""Join, Animation Encode and Check Shot on the real server, with lists in which scenes failed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dev.client import ComfyClient, PromptFailed, PromptInterrupted
from dev.server import ComfyServer
from storymotion.media.probe import probe

pytestmark = pytest.mark.comfy
Slots = list[dict[str, Any]]


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


def shots(marks: str) -> Slots:
    """One slot a letter, each with as many frames as its place: "s.s" is a shot, a failed scene, a shot of 3 frames."""
    kinds = {"s": "shot", "f": "foreign", ".": "failed", "n": "stream", "d": "file", "w": "slow"}
    return [{"kind": kinds[mark]} for mark in marks]


def graph(slots: Slots, story: bool = True, encode: dict[str, Any] | None = None, **join: Any) -> dict[str, Any]:
    """The list into Join, by way of Animation Encode if ``encode`` has inputs for it; then ComfyUI's own nodes."""
    nodes: dict[str, Any] = {
        "1": ("StoryShots", {"slots": json.dumps(slots), "story": story}),
        "3": ("StoryMotionJoin", {"videos": ["1", 0], "filename_prefix": "film", **join}),
        "4": ("SaveVideo", {"video": ["3", 0], "filename_prefix": "again", "format": "auto", "codec": "auto"}),
        "5": ("PreviewAny", {"source": ["3", 1]}),
    }
    if encode is not None:
        nodes["2"] = ("StoryMotionAnimationEncode", {"video": ["1", 0], "filename_prefix": "shot", **encode})
        nodes["6"] = ("PreviewAny", {"source": ["2", 1]})
        nodes["3"][1]["videos"] = ["2", 0]
    return {name: {"class_type": class_type, "inputs": inputs} for name, (class_type, inputs) in nodes.items()}


def names(server: ComfyServer) -> list[str]:
    """What is in the output folder."""
    return sorted(file.name for file in (server.data / "output").iterdir())


def film_of(server: ComfyServer, entry: dict[str, Any]) -> Path:
    """The one film that Join shows."""
    (file,) = entry["outputs"]["3"]["images"]
    return server.data / "output" / file["subfolder"] / file["filename"]


def report_of(entry: dict[str, Any], node: str = "5") -> str:
    (text,) = entry["outputs"][node]["text"]
    return text


def greys(film: Path) -> list[int]:
    """Which shot each frame is of."""
    with av.open(str(film)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [round((float(np.median(frame)) - 20) / 30) for frame in frames]


def expected(marks: str) -> list[int]:
    return [place for place, mark in enumerate(marks, 1) if mark != "." for _ in range(place)]


# --- failed scenes


@pytest.mark.parametrize("encode", [None, {}], ids=["direct", "encoded"])
@pytest.mark.parametrize("marks", ["s", "sss", "s.s", "ss.", ".ss", ".s..s.", "..s"])
def test_one_film_of_the_scenes_that_did_not_fail(
    server: ComfyServer, client: ComfyClient, marks: str, encode: dict[str, Any] | None
) -> None:
    entry = client.run(graph(shots(marks), encode=encode))
    film = film_of(server, entry)
    assert greys(film) == expected(marks)
    # Exactly one film reaches what follows, wherever the failed scenes were.
    assert len(entry["outputs"]["4"]["images"]) == 1
    assert [name for name in names(server) if not name.startswith("shot")] == ["again_00001_.mp4", "film_00001_.mp4"]
    report = report_of(entry)
    good, failed = len(marks) - marks.count("."), marks.count(".")
    assert f"film_00001_.mp4: {good} shots" in report
    assert ("copied" in report) == (encode is not None)
    rows = [json.loads(row) for row in entry["outputs"]["3"]["storymotion"]]
    states = {".": "failed", "s": "done"}
    assert [(row["position"], row["state"]) for row in rows] == [(n, states[mark]) for n, mark in enumerate(marks, 1)]
    # The shot of scene n has n frames, at 24 a second.
    assert all(round(row["seconds"] * 24) == row["position"] for row in rows if row["state"] == "done")
    missing = [f"{place} (scene {place}): It broke" for place, mark in enumerate(marks, 1) if mark == "."]
    assert (f"{failed} of {len(marks)} scenes missing: {'; '.join(missing)}." in report) == (failed > 0)


@pytest.mark.parametrize("encode", [None, {}], ids=["direct", "encoded"])
def test_nothing_is_saved_when_every_scene_failed(
    server: ComfyServer, client: ComfyClient, encode: dict[str, Any] | None
) -> None:
    entry = client.run(graph(shots("..."), encode=encode))
    assert names(server) == [] and "3" not in entry["outputs"]


def test_animation_encode_says_after_its_last_shot_what_is_missing(server: ComfyServer, client: ComfyClient) -> None:
    entry = client.run(graph(shots("s.ss."), encode={}))
    reports = entry["outputs"]["6"]["text"]
    assert ["missing" in report for report in reports] == [False, False, True]
    assert "2 of 5 scenes missing: 2 (scene 2): It broke; 5 (scene 5): It broke." in reports[-1]
    assert len(entry["outputs"]["2"]["images"]) == 3


@pytest.mark.parametrize("marks", ["s.s", ".ss", "ss."])
def test_join_fails_after_the_film_is_saved(server: ComfyServer, client: ComfyClient, marks: str) -> None:
    with pytest.raises(PromptFailed) as raised:
        client.run(graph(shots(marks), on_failure="fail after saving"))
    place = marks.index(".") + 1
    message = raised.value.details["exception_message"]
    assert f"1 of 3 scenes failed: {place} (scene {place}): It broke." in message
    assert "film_00001_.mp4" in message and raised.value.details["node_id"] == "3"
    assert raised.value.details["exception_type"].endswith("StoryIncomplete")
    assert greys(server.data / "output" / "film_00001_.mp4") == expected(marks)


@pytest.mark.parametrize("marks", ["s.s", "ss."])
def test_animation_encode_fails_after_every_shot_is_saved(server: ComfyServer, client: ComfyClient, marks: str) -> None:
    with pytest.raises(PromptFailed) as raised:
        client.run(graph(shots(marks), encode={"on_failure": "fail after saving"}))
    place = marks.index(".") + 1
    message = raised.value.details["exception_message"]
    assert f"1 of 3 scenes failed: {place} (scene {place}): It broke." in message
    assert "shot_00001_.mp4, shot_00002_.mp4" in message and raised.value.details["node_id"] == "2"
    assert names(server) == ["shot_00001_.mp4", "shot_00002_.mp4"]


@pytest.mark.parametrize("encode", [None, {"on_failure": "fail after saving"}], ids=["direct", "encoded"])
def test_failing_is_for_failed_scenes_only(
    server: ComfyServer, client: ComfyClient, encode: dict[str, Any] | None
) -> None:
    entry = client.run(graph(shots("sss"), encode=encode, on_failure="fail after saving"))
    assert greys(film_of(server, entry)) == expected("sss")


@pytest.mark.parametrize("encode", [None, {}], ids=["direct", "encoded"])
def test_a_list_of_another_pack_has_gaps_only(
    server: ComfyServer, client: ComfyClient, encode: dict[str, Any] | None
) -> None:
    entry = client.run(graph(shots("f..f"), story=False, encode=encode))
    assert greys(film_of(server, entry)) == expected("f..f")
    assert "2 of 4 scenes missing: 2; 3." in report_of(entry)
    with pytest.raises(PromptFailed, match=r"2 of 4 scenes failed: 2; 3\."):
        client.run(graph(shots("f..f"), story=False, encode=encode, on_failure="fail after saving"))


def test_shots_of_two_stories_in_one_list(server: ComfyServer, client: ComfyClient) -> None:
    """The second story counts from 1 again, so a gap in the list is no scene of that number."""
    slots = [slot | {"story": name} for slot, name in zip(shots("s.s.s"), "aaabb")]
    entry = client.run(graph(slots, encode={}))
    assert greys(film_of(server, entry)) == expected("s.s.s")
    assert "2 of 5 scenes missing: 1 (scene 1): It broke; 2 (scene 2): It broke." in report_of(entry)


# --- running again


@pytest.mark.parametrize("encode", [None, {}], ids=["direct", "encoded"])
def test_queueing_again_uses_the_film_that_is_there(
    server: ComfyServer, client: ComfyClient, encode: dict[str, Any] | None
) -> None:
    workflow = graph(shots("s.s"), encode=encode)
    first, second = client.run(workflow), client.run(workflow)
    assert film_of(server, first) == film_of(server, second)
    workflow["3"]["inputs"]["filename_prefix"] = "other"  # only Join runs again, on a list from the cache
    third = client.run(workflow)
    assert film_of(server, third).name == "other_00001_.mp4" and greys(film_of(server, third)) == expected("s.s")
    assert "1 of 3 scenes missing: 2 (scene 2)" in report_of(third)


@pytest.mark.parametrize("on_failure", ["finish", "fail after saving"])
def test_an_interrupted_prompt_leaves_nothing_for_the_next(
    server: ComfyServer, client: ComfyClient, on_failure: str
) -> None:
    """Interrupted between the shots of Animation Encode; what it had gathered must not count again."""
    workflow = graph(shots("swww"), story=False, encode={"on_failure": on_failure, "crf": len(on_failure)})
    interrupt_while_reading(server, client, workflow)
    assert names(server) == ["reading", "shot_00001_.mp4"]
    entry = client.run(workflow)
    assert len(entry["outputs"]["2"]["images"]) == 4
    assert greys(film_of(server, entry)) == expected("ssss") and "missing" not in report_of(entry)


def test_an_interrupted_join_leaves_no_film(server: ComfyServer, client: ComfyClient) -> None:
    workflow = graph(shots("wsw"), story=False)
    interrupt_while_reading(server, client, workflow)
    assert names(server) == ["reading"]
    entry = client.run(workflow)
    assert film_of(server, entry).name == "film_00001_.mp4" and greys(film_of(server, entry)) == expected("sss")


def test_after_an_error_the_next_prompt_starts_from_nothing(server: ComfyServer, client: ComfyClient) -> None:
    slots = shots("sss")
    slots[1]["width"] = 96
    with pytest.raises(PromptFailed):
        client.run(graph(slots))
    entry = client.run(graph(slots, mismatch="fit"))
    assert probe(film_of(server, entry)).frames == 6


def interrupt_while_reading(server: ComfyServer, client: ComfyClient, workflow: dict[str, Any]) -> None:
    prompt = client.queue(workflow)
    deadline = time.monotonic() + 60
    while not (server.data / "output" / "reading").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.interrupt()
    with pytest.raises(PromptInterrupted):
        client.wait(prompt)


# --- what the shots are


def test_shots_that_differ_are_named_or_fitted(server: ComfyServer, client: ComfyClient) -> None:
    slots = shots("ss.ss")
    slots[3] |= {"width": 96, "fps": "25", "frames": 5}
    with pytest.raises(PromptFailed, match=r"not all are: 4: 96 x 48, 25 fps\. "):
        client.run(graph(slots))
    with pytest.raises(PromptFailed, match=r"not all are: 4 \(shot_00003_\.mp4\): 96 x 48, 25 fps\. "):
        client.run(graph(slots, encode={}))
    assert not any(name.startswith("film") for name in names(server))
    entry = client.run(graph(slots, mismatch="fit"))
    facts = probe(film_of(server, entry))
    assert (facts.width, facts.height, facts.frame_rate, facts.frames) == (64, 48, 24, 1 + 2 + 5 + 5)
    assert "Shot 4 is 96 x 48 at 25 fps and was fitted" in report_of(entry)


def test_files_streams_and_frames_in_one_film(server: ComfyServer, client: ComfyClient) -> None:
    entry = client.run(graph(shots("dnfs"), story=False, crf=10.0))
    assert greys(film_of(server, entry)) == expected("ssss")
    assert "one coding: 1 (foreign_1_1.mp4), 2." in report_of(entry)
    assert "crf 10 " in report_of(entry)
    assert list((server.data / "temp").glob("*.mp4")) == []


def test_a_file_that_is_gone_is_named(server: ComfyServer, client: ComfyClient) -> None:
    slots: Slots = [{"kind": "file"}, {"kind": "gone"}, {"kind": "file"}]
    with pytest.raises(PromptFailed, match=r"The video '2 \(foreign_2_2\.mp4\)' cannot be read"):
        client.run(graph(slots, story=False))
    assert not any(name.startswith("film") for name in names(server))


def test_a_list_of_names_is_refused(server: ComfyServer, client: ComfyClient) -> None:
    """The names of the scenes belong on Animation Encode: here ComfyUI would run with the last one."""
    workflow = graph(shots("sss"))
    workflow["7"] = {"class_type": "StoryNames", "inputs": {"names": '["a", "b", "c"]'}}
    workflow["3"]["inputs"]["filename_prefix"] = ["7", 0]
    with pytest.raises(PromptFailed, match="filename_prefix has 3 different values, but there is one film"):
        client.run(workflow)
    assert names(server) == []


def test_a_trimmed_video_is_joined_as_trimmed(server: ComfyServer, client: ComfyClient) -> None:
    """From 0.25 s on for 0.5 s; ComfyUI 0.3.75 cannot trim."""
    interface = server.comfyui / "comfy_api" / "latest" / "_input" / "video_types.py"
    if "get_active_trim_window" not in interface.read_text(encoding="utf-8"):
        pytest.skip("this ComfyUI has no trimmed VIDEO")
    slots: Slots = [{"kind": "trimmed", "frames": 24}, {"kind": "file", "frames": 3}]
    entry = client.run(graph(slots, story=False))
    assert greys(film_of(server, entry)) == [1] * 12 + [2] * 3


@pytest.mark.parametrize("embed", [True, False])
def test_the_workflow_is_in_the_film_unless_it_shall_not(server: ComfyServer, client: ComfyClient, embed: bool) -> None:
    encode = {"embed_workflow": False, "filename_prefix": f"for-{embed}"}
    workflow = graph(shots("ss"), encode=encode, embed_workflow=embed)
    film = film_of(server, client.run(workflow))
    with av.open(str(film)) as container:
        prompt = container.metadata.get("prompt")
    embedded = json.loads(prompt) if prompt else {}
    for node in embedded.values():
        node.pop("is_changed", None)  # ComfyUI's own note on nodes with fingerprint_inputs
    assert embedded == (workflow if embed else {})


# --- Check Shot


def check_graph(slots: Slots, story: bool = True, **check: Any) -> dict[str, Any]:
    """The list into Check Shot, and what comes out of it shown."""
    nodes: dict[str, Any] = {
        "1": ("StoryShots", {"slots": json.dumps(slots), "story": story}),
        "2": ("StoryMotionCheckShot", {"video": ["1", 0], **check}),
    }
    nodes |= {f"out{slot}": ("PreviewAny", {"source": ["2", slot]}) for slot in (0, 1, 3, 4)}
    nodes["plot"] = ("PreviewImage", {"images": ["2", 2]})
    return {name: {"class_type": class_type, "inputs": inputs} for name, (class_type, inputs) in nodes.items()}


def test_a_list_of_shots_becomes_a_list_of_verdicts(server: ComfyServer, client: ComfyClient) -> None:
    """Frames, a failed scene, a file and a stream; what moves is fine, what does not is to be made again."""
    slots = [{"kind": kind, "frames": 24, "moves": kind != "file"} for kind in ("shot", "failed", "file", "stream")]
    entry = client.run(check_graph(slots, head_width=0.0))
    outputs = entry["outputs"]
    assert outputs["out0"]["text"] == ["pass", "retake", "pass"]
    scores = [float(text) for text in outputs["out1"]["text"]]
    assert scores[0] > 2 / 3 > 1 / 3 > scores[1] and scores[2] > 2 / 3
    assert [json.loads(text)["verdict"] for text in outputs["out4"]["text"]] == ["pass", "retake", "pass"]
    # A plot a shot: on the node itself, and for nodes that follow.
    assert len(outputs["2"]["images"]) == len(outputs["plot"]["images"]) == 3
    reports = outputs["out3"]["text"]
    assert all("No head was compared" in report and "drift is measured from" in report for report in reports)
    assert ["2 of 3 shots pass; to look at: -; to retake: 3." in report for report in reports] == [False, False, True]
    assert ["1 of 4 scenes missing: 2 (scene 2): It broke." in report for report in reports] == [False, False, True]
    assert list((server.data / "temp").glob("*.mp4")) == []


def test_a_check_that_cannot_be_made_says_why(server: ComfyServer, client: ComfyClient) -> None:
    with pytest.raises(PromptFailed, match="The shot has 1 frames of 64 x 48 pixels"):
        client.run(check_graph(shots("s")))
    with pytest.raises(PromptFailed, match=r"head_left \+ head_width is 1\.5"):
        client.run(check_graph([{"kind": "shot", "frames": 9}], head_left=0.6, head_width=0.9))
    with pytest.raises(PromptFailed, match=r"The video '1 \(foreign_1_9\.mp4\)' cannot be read"):
        client.run(check_graph([{"kind": "gone", "frames": 9}], story=False))


def test_an_interrupted_check_leaves_nothing_for_the_next(server: ComfyServer, client: ComfyClient) -> None:
    workflow = check_graph([{"kind": "slow", "frames": 9 + more, "moves": True} for more in range(3)], story=False)
    interrupt_while_reading(server, client, workflow)
    reports = client.run(workflow)["outputs"]["out3"]["text"]
    assert ["3 of 3 shots pass" in report for report in reports] == [False, False, True]


# --- Animation Encode by itself


def test_a_file_is_encoded_with_the_users_preset(server: ComfyServer, client: ComfyClient) -> None:
    presets = server.data / "user" / "storymotion" / "encode_presets.json"
    presets.parent.mkdir(parents=True, exist_ok=True)
    presets.write_text('{"presets": [{"name": "mine", "crf": 33, "on_twos": true}]}', encoding="utf-8")
    try:
        choices = client.get("/object_info/StoryMotionAnimationEncode")["StoryMotionAnimationEncode"]["input"]
        assert "mine" in json.dumps(choices["optional"]["preset"])
        slots: Slots = [{"kind": "file", "frames": 24}]
        report = report_of(client.run(graph(slots, story=False, encode={"preset": "mine"})), "6")
        assert "Preset: mine." in report and "crf 33 " in report and "On twos: 12 drawings" in report
        assert "PSNR" in report and "8 frames compared" in report and "No sound track" in report
        presets.write_text('{"presets": [{"name": "mine", "crf": 99}]}', encoding="utf-8")
        report = report_of(client.run(graph(slots, story=False, encode={"measure_quality": False})), "6")
        assert "encode_presets.json is not used: mine: crf is 99" in report and "PSNR" not in report
        with pytest.raises(PromptFailed, match="preset is 'mine', which is not one of the choices"):
            client.run(graph(slots, story=False, encode={"preset": "mine"}))
    finally:
        presets.unlink()
    assert probe(server.data / "output" / "shot_00001_.mp4").frames == 24


def test_an_odd_width_is_padded_unless_it_shall_not(server: ComfyServer, client: ComfyClient) -> None:
    slots: Slots = [{"kind": "foreign", "frames": 3, "width": 65}]
    report = report_of(client.run(graph(slots, story=False, encode={})), "6")
    assert "65 x 48 has an odd side" in report and "66 x 48, 3 frames" in report
    with pytest.raises(PromptFailed, match="65 x 48 pixels, but yuv420p needs even sides"):
        client.run(graph(slots, story=False, encode={"odd_size": "error"}))


def test_errors_and_report_speak_korean(server: ComfyServer, client: ComfyClient) -> None:
    settings = server.data / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"Comfy.Locale": "ko"}', encoding="utf-8")
    try:
        assert "\uc7a5\uba74" in report_of(client.run(graph(shots("s.s"))))
        with pytest.raises(PromptFailed, match="\uc7a5\uba74"):
            client.run(graph(shots("s.s"), on_failure="fail after saving"))
        entry = client.run(check_graph([{"kind": "shot", "frames": 9}], head_width=0.0))
        assert "\uc5bc\uad74" in report_of(entry, "out3")
    finally:
        settings.unlink()
