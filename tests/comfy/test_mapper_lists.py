"""A whole story on the sockets of the Safe Motion Mapper, on the real server: one motion for each scene."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from dev.client import ComfyClient, PromptFailed

from .conftest import Graph

pytestmark = pytest.mark.comfy
OUTPUTS = ("motion", "prompt", "negative_prompt", "preset", "reason")
LINES = ["Look out!", "Really?", "Hello."]


def mapped(comfy_client: ComfyClient, lists: dict[str, Sequence[Any]], **single: Any) -> dict[str, list[str]]:
    """What the mapper's outputs hand to a mapped node, for ``lists`` and ``single`` values on its sockets."""
    graph = Graph()
    inputs: dict[str, Any] = dict(single)
    for name, values in lists.items():
        graph.add(name, "TestList", values=json.dumps(values))
        inputs[name] = [name, 1 if name in ("preset", "engine") else 0]
    graph.add("mapper", "SafeMotionMapper", **inputs)
    for index, name in enumerate(OUTPUTS):
        graph.add(f"show {name}", "PreviewAny", source=["mapper", index])
    shown = comfy_client.run(graph)["outputs"]
    return {name: shown[f"show {name}"]["text"] for name in OUTPUTS}


def failure(comfy_client: ComfyClient, lists: dict[str, Sequence[Any]]) -> str:
    with pytest.raises(PromptFailed) as caught:
        mapped(comfy_client, lists)
    return caught.value.details["exception_message"].strip()


def test_every_line_gets_its_motion_in_story_order(comfy_client: ComfyClient) -> None:
    told = mapped(comfy_client, {"dialogue": LINES, "scene": ["A", "B", "C"]}, style="webtoon")
    assert told["preset"] == ["A-head-turn", "D-micro-nod", "C-hand-raise"]
    assert [len(values) for values in told.values()] == [3] * len(OUTPUTS)
    for scene, motion, prompt in zip("ABC", told["motion"], told["prompt"]):
        assert f" {scene}. {motion[:1].upper()}{motion[1:]}" in prompt
    assert told["reason"][1] == "D-micro-nod, because the line has a question mark."
    # The style, a single value, is every scene's.
    assert len(set(told["negative_prompt"])) == 1
    alone = [mapped(comfy_client, {}, dialogue=text, scene=scene, style="webtoon") for text, scene in zip(LINES, "ABC")]
    assert told == {name: [each[name][0] for each in alone] for name in OUTPUTS}


def test_choices_of_every_scene_come_as_a_list(comfy_client: ComfyClient) -> None:
    asked = {"preset": ["auto", "B-forward-lean"], "engine": ["ltx-2", "seedance"], "seed": [0, 7]}
    told = mapped(comfy_client, asked, dialogue="Look out!")
    assert told["preset"] == ["A-head-turn", "B-forward-lean"]
    assert told["negative_prompt"][0] and not told["negative_prompt"][1]
    assert told["reason"][1].startswith("B-forward-lean, because it was chosen.\nseedance has no negative prompt")


def test_a_story_is_read_as_one(comfy_client: ComfyClient) -> None:
    lines = ["\uc870\uc2ec\ud574\uff01", "\ube68\ub9ac \uc640!", "\uac00\uc790!", "\u2026", "\uc5b4\ub514 \uac00\ub2c8"]
    scenes = ["A boy runs", "A boy", "A boy, no zooming", "A boy", "A boy"]
    told = mapped(comfy_client, {"dialogue": lines, "scene": scenes}, lint="soften", seconds=8.0, seed=3)
    assert told["preset"][:2] == ["A-head-turn"] * 2
    assert told["preset"][2] != "A-head-turn"
    assert told["preset"][3:] == ["still", "D-micro-nod"]
    assert "because A-head-turn was the gesture of the two scenes before." in told["reason"][2]
    assert "denies 'zooming'" in told["reason"][2]
    assert " A boy stands. Quick head turn" in told["prompt"][0]
    assert all("one slow natural blink near the end" in motion for motion in told["motion"])


def test_a_feeling_is_shown_and_the_line_is_quoted_for_each_engine(comfy_client: ComfyClient) -> None:
    line = "\uac00\uc9c0 \ub9c8 \u3160\u3160"
    engines: dict[str, Sequence[Any]] = {"engine": ["ltx-2", "ltx-2.5", "seedance"]}
    told = mapped(comfy_client, engines, dialogue=line, guard="expressive", style="korean-ink")
    assert all(f'"{line}"' in prompt and "ink wash painting" in prompt for prompt in told["prompt"])
    assert len(set(told["prompt"])) == 3 and len(told["prompt"][1]) > 2 * len(told["prompt"][0])
    assert all("was read as sob" in reason for reason in told["reason"][:2])
    assert "swimming paper grain" in told["negative_prompt"][1] and not told["negative_prompt"][2]


def test_lists_that_do_not_agree_are_named_with_their_lengths(comfy_client: ComfyClient) -> None:
    said = failure(comfy_client, {"dialogue": LINES, "scene": ["A", "B"], "seed": [1], "seconds": [8, 8, 8]})
    assert said == (
        "The inputs have different numbers of values: dialogue 3, scene 2, seconds 3. "
        "Give each of them one value for every scene, or a single value for all scenes."
    )


def test_an_empty_list_is_named(comfy_client: ComfyClient) -> None:
    assert failure(comfy_client, {"dialogue": LINES, "scene": []}).startswith("The input scene got an empty list.")


def test_a_wrong_choice_of_one_scene_is_named(comfy_client: ComfyClient) -> None:
    said = failure(comfy_client, {"dialogue": LINES, "preset": ["auto", "E-backflip", "auto"]})
    assert said.startswith("preset is 'E-backflip', which is not one of the choices.")
