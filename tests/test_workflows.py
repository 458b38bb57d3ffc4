"""The shipped workflow files: what can be said about them without a browser."""

from __future__ import annotations

import ast
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dev.client import ComfyClient
from dev.comfyui import chosen_comfyui
from dev.demo import nodes_of, planned_shot
from dev.processes import ROOT
from dev.workflows import definitions_of_a_server, made_workflows, stale_workflows
from storymotion.media.probe import probe
from storymotion.motion.data import styles
from storymotion.story import load_story

WORKFLOWS = ROOT / "workflows"
FILES = sorted(WORKFLOWS.glob("*.json"))
# ComfyUI's own nodes that shipped workflows may use: there in every version that the pack supports.
CORE_NODES = {"LoadImage", "LoadVideo", "MarkdownNote", "PreviewAny", "SaveVideo", "StringConcatenate"}
LOADERS = {"StoryMotionLTX2Model", "StoryMotionTwoStage", "StoryMotionKeyframes", "StoryMotionICLora"}
# Where Lightricks' files are: an IC-LoRA has a page of its own.
MODEL_PAGES = ("LTX-2.3", "LTX-2.3-22b-IC-LoRA-Union-Control")
BYPASSED = 4
GEMMA = "gemma-3-12b-it-qat-q4_0-unquantized"
PAID_NODES = {"StoryMotionSeedance", "StoryMotionSeedanceQuote"}
TITLE = 30  # pixels of a node's title, above its position
Workflow = dict[str, Any]


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def workflow(file: Path) -> Workflow:
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture
def twin(file: Path) -> Workflow:
    return json.loads((WORKFLOWS / "api" / file.name).read_text(encoding="utf-8"))


def widgets(node: dict[str, Any]) -> dict[str, Any]:
    """A node's widget values by name. What happens to a seed after a run comes behind it, without a name of its own."""
    values = list(node["widgets_values"])
    named = {}
    for name in [slot["name"] for slot in node["inputs"] if "widget" in slot]:
        named[name] = values.pop(0)
        if name == "seed" and values[0] in ("fixed", "increment", "decrement", "randomize"):
            named["seed after a run"] = values.pop(0)
    assert values == [] or node["type"] == "MarkdownNote"
    return named


def own_nodes() -> set[str]:
    """The node ids that the pack defines: the literal node_id of every schema."""
    ids: set[str] = set()
    for source in (ROOT / "nodes").glob("*.py"):
        for item in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(item, ast.keyword) and item.arg == "node_id" and isinstance(item.value, ast.Constant):
                ids.add(str(item.value.value))
    return ids


def makes_shots(node: dict[str, Any]) -> bool:
    """Whether it is a generation node: it takes a prompt and hands on a VIDEO."""
    return any(slot["name"] == "prompt" for slot in node["inputs"]) and node["outputs"][0]["type"] == "VIDEO"


def test_every_workflow_is_whole() -> None:
    names = {file.stem for file in FILES}
    assert names >= {
        "01_distilled_shot",
        "02_two_stage_shot",
        "03_aggressive_quality",
        "04_first_and_last_picture",
        "05_keyframes",
        "06_ic_lora",
        "07_one_stage",
        "08_story_distilled",
        "09_story_two_stage",
        "10_seedance_shot",
        "11_story_mixed_engines",
    }
    assert {file.stem for file in (WORKFLOWS / "api").glob("*.json")} == names
    assert {file.stem for file in WORKFLOWS.glob("*.jpg")} == names
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", name) for name in names)


def test_thumbnail_is_a_picture(file: Path) -> None:
    with Image.open(file.with_suffix(".jpg")) as picture:
        assert picture.format == "JPEG"
        picture.load()


def test_nodes_are_known(workflow: Workflow) -> None:
    assert {node["type"] for node in workflow["nodes"]} <= CORE_NODES | own_nodes()


def test_says_what_its_twin_says(workflow: Workflow, twin: Workflow) -> None:
    links = {link[0]: link for link in workflow["links"]}
    passed_by = without_bypassed(workflow)
    found = {}
    for node in workflow["nodes"]:
        if node["type"] == "MarkdownNote" or node["mode"] == BYPASSED:
            continue
        inputs = {name: value for name, value in widgets(node).items() if name not in ("upload", "seed after a run")}
        for index, slot in enumerate(node["inputs"]):
            if slot["link"] is not None:
                _, source, output, target, target_index, _ = links.pop(slot["link"])
                assert (target, target_index) == (node["id"], index)
                inputs[slot["name"]] = passed_by.get((source, output), [str(source), output])
        found[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    assert found == twin
    assert {link[3] for link in links.values()} == {source for source, _ in passed_by}, "links that lead nowhere"


def without_bypassed(workflow: Workflow) -> dict[tuple[int, int], list[Any]]:
    """For an output of a bypassed node what the editor queues instead: what comes in with the same type."""
    links = {link[0]: link for link in workflow["links"]}
    instead = {}
    for node in workflow["nodes"]:
        if node["mode"] == BYPASSED:
            comes_in = {links[slot["link"]][5]: links[slot["link"]][1:3] for slot in node["inputs"] if slot["link"]}
            for index, output in enumerate(node["outputs"]):
                if output["type"] in comes_in:
                    source, source_output = comes_in[output["type"]]
                    instead[node["id"], index] = [str(source), source_output]
    return instead


def test_a_workflow_as_shipped_pays_nothing(workflow: Workflow, twin: Workflow) -> None:
    assert {inputs["max_usd"] for inputs in nodes_of(twin, "StoryMotionSeedance")} <= {0}
    assert all(values["take"] == 1 for node in workflow["nodes"] if "take" in (values := widgets(node)))


def test_the_mixed_story_has_scenes_for_both_engines_and_each_in_one_branch() -> None:
    twin = json.loads((WORKFLOWS / "api" / "11_story_mixed_engines.json").read_text(encoding="utf-8"))
    branches = {inputs["engine"]: inputs["story"] for inputs in nodes_of(twin, "StoryMotionLoadStory")}
    assert set(branches) == {"ltx-2", "seedance"} and len(set(branches.values())) == 1
    (shot,) = nodes_of(twin, "StoryMotionSeedance")
    story = load_story(WORKFLOWS / "input" / branches["seedance"])
    engines = [scene.engine for scene in story.scenes]
    assert engines == ["ltx-2", "seedance"] * 2
    # A FLOAT of the story does not go into the INT of the node.
    assert {scene.seconds for scene in story.scenes_for("seedance")} == {shot["duration"]}


def test_aggressive_quality_is_the_creators_mode() -> None:
    name = "03_aggressive_quality.json"
    twin = json.loads((WORKFLOWS / "api" / name).read_text(encoding="utf-8"))
    nodes = {node["class_type"]: node["inputs"] for node in twin.values()}
    shot, plan = nodes["StoryMotionTwoStage"], nodes["StoryMotionShotPlan"]
    # Verbatim, and no mapper: these are the creator's words.
    assert shot["prompt"] == "Cinematic motion, natural character movement, high dynamic range, subtle motion"
    assert shot["negative_prompt"] == styles()["anime"].negative
    assert shot["steps"] == 20
    assert twin[shot["guidance"][0]]["inputs"]["preset"] == "aggressive quality"
    assert nodes["StoryMotionImageGuide"]["strength"] == 0.85
    assert (plan["seconds"], plan["fps"], plan["size"]) == (8.0, 24.0, "16:9 1280x704")
    # The LoRA slot is in the editor's file only, and off: a LoRA that is not there must not stop anybody.
    assert "StoryMotionLTX2Lora" not in nodes
    workflow = json.loads((WORKFLOWS / name).read_text(encoding="utf-8"))
    (slot,) = [node for node in workflow["nodes"] if node["type"] == "StoryMotionLTX2Lora"]
    assert slot["mode"] == BYPASSED
    assert without_bypassed(workflow) == {(slot["id"], 0): ["1", 0]}


def test_the_ic_lora_gets_a_size_that_its_reference_can_have() -> None:
    twin = json.loads((WORKFLOWS / "api" / "06_ic_lora.json").read_text(encoding="utf-8"))
    plan = planned_shot(twin)
    # 32 pixels a latent, half size in stage 1, and a reference half as large as that (ref0.5).
    assert (plan.width % 128, plan.height % 128) == (0, 0)
    reference = probe(WORKFLOWS / "input" / nodes_of(twin, "LoadVideo")[0]["file"])
    assert (reference.frames, reference.frame_rate) == (plan.frames, plan.fps)


def test_links_are_known_at_both_ends(workflow: Workflow) -> None:
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for link, source, output, target, index, kind in workflow["links"]:
        assert link in nodes[source]["outputs"][output]["links"]
        assert nodes[source]["outputs"][output]["type"] == kind
        assert nodes[target]["inputs"][index]["link"] == link
    stored = [link for node in nodes.values() for output in node["outputs"] for link in output["links"] or []]
    assert sorted(stored) == sorted(link[0] for link in workflow["links"])
    assert workflow["last_node_id"] == max(nodes)
    assert workflow["last_link_id"] == max(stored)


def test_seeds_stay_as_they_are(workflow: Workflow) -> None:
    seeds = [widgets(node) for node in workflow["nodes"] if "seed" in widgets(node)]
    assert seeds
    assert {values.get("seed after a run", "fixed") for values in seeds} == {"fixed"}
    paid = [node for node in workflow["nodes"] if node["type"] == "StoryMotionSeedance"]
    assert not any("seed after a run" in widgets(node) for node in paid), "a new seed is a new paid shot"
    assert paid or any("seed after a run" in values for values in seeds)


def test_loaders_say_where_their_files_come_from(workflow: Workflow) -> None:
    loaders = [node for node in workflow["nodes"] if node["type"] in LOADERS]
    for node in loaders:
        files = [value for value in widgets(node).values() if str(value).endswith(".safetensors")]
        models = node["properties"].get("models", [])
        assert [model["name"] for model in models] == files, node["type"]
        for model in models:
            assert set(model) == {"name", "url", "directory"}
            pages = [f"https://huggingface.co/Lightricks/{page}/resolve/main/{model['name']}" for page in MODEL_PAGES]
            assert model["url"] == pages["ic-lora" in model["name"]]
            assert model["directory"] in ("checkpoints", "latent_upscale_models", "loras")
    assert bool(loaders) != all(node["type"] in PAID_NODES for node in workflow["nodes"] if makes_shots(node))


def test_note_speaks_english_and_korean(workflow: Workflow) -> None:
    (note,) = [node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "MarkdownNote"]
    english, korean = note.split("\n---\n")
    assert re.search("[\uac00-\ud7a3]", korean) and not re.search("[\uac00-\ud7a3]", english)
    models = [model for node in workflow["nodes"] for model in node["properties"].get("models", [])]
    for text in (english, korean):
        if models:
            assert f"https://huggingface.co/google/{GEMMA})" in text
            assert f"hf download google/{GEMMA} --local-dir ComfyUI/models/text_encoders/{GEMMA}\n" in text
        for model in models:
            assert f"- `{model['directory']}`: [{model['name']}]({model['url']})" in text
        assert "{" not in text
        assert ("docs/BILLING_GATE" in text) == any(node["type"] in PAID_NODES for node in workflow["nodes"])


def test_nothing_lies_on_something_else(workflow: Workflow) -> None:
    boxes = {node["id"]: (*node["pos"], *node["size"]) for node in workflow["nodes"]}
    for (one, (x1, y1, w1, h1)), (other, (x2, y2, w2, h2)) in itertools.combinations(boxes.items(), 2):
        apart = x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 - TITLE or y2 + h2 <= y1 - TITLE
        assert apart, f"nodes {one} and {other}"
    groups = [group["bounding"] for group in workflow["groups"]]
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in itertools.combinations(groups, 2):
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1
    for x, y, w, h in boxes.values():
        top = y - TITLE
        assert any(x1 <= x and x + w <= x1 + w1 and y1 <= top and y + h <= y1 + h1 for x1, y1, w1, h1 in groups)


@pytest.mark.comfy
def test_files_are_what_the_generator_makes(comfy_client: ComfyClient) -> None:
    # Core nodes differ between versions of ComfyUI; the files are made with the default one.
    definitions = definitions_of_a_server() if chosen_comfyui() else comfy_client.get("/object_info")
    assert stale_workflows(made_workflows(definitions)) == [], "run `python -m dev.workflows`"
