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
    assert "seed does nothing" in told["reason"][1] and "seed" not in told["reason"][0]


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
