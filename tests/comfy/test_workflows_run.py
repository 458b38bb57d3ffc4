"""The shipped workflows, and ComfyUI's own video nodes, on the real server."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from dev.client import ComfyClient, NodeProgress
from dev.server import ComfyServer
from storymotion.media.probe import VideoFacts, probe

from .conftest import FRAMES, Graph

pytestmark = pytest.mark.comfy
# A folder and a name in Hangul, as a Korean creator would type them.
HANGUL = "\ud55c\uae00/\uc7a5\uba74"
NODES = {
    "StoryMotionLTX2Model",
    "StoryMotionLTX2Lora",
    "StoryMotionImageGuide",
    "StoryMotionShotPlan",
    "StoryMotionDistilled",
    "StoryMotionTwoStage",
    "StoryMotionOneStage",
    "StoryMotionKeyframes",
    "StoryMotionICLora",
    "StoryMotionGuidance",
    "SafeMotionMapper",
    "StoryMotionAnimationEncode",
    "StoryMotionJoin",
}


def saved(server: ComfyServer, entry: dict[str, Any], node: str = "7") -> Path:
    (file,) = entry["outputs"][node]["images"]
    return server.data / "output" / file["subfolder"] / file["filename"]


def save_frames(graph: Graph) -> Graph:
    """Add nodes that save every frame as PNG, before it is compressed.

    The MP4 is no measure of equality: x264's AVX-512 code with macroblock trees does not give the same
    bytes twice in one process (PyAV 18.1; asm=AVX2 or mbtree=0 does).
    """
    graph.add("30", "GetVideoComponents", video=["6", 0])
    graph.add("31", "SaveImage", images=["30", 0], filename_prefix="frames/frame")
    return graph


def frames(server: ComfyServer, entry: dict[str, Any]) -> str:
    """A hash of the frames that save_frames() saved."""
    digest = hashlib.sha256()
    for file in entry["outputs"]["31"]["images"]:
        with Image.open(server.data / "output" / file["subfolder"] / file["filename"]) as image:
            digest.update(image.tobytes())
    return digest.hexdigest()


def assert_delivery_file(facts: VideoFacts) -> None:
    assert (facts.width, facts.height, facts.frames) == (448, 256, FRAMES)
    assert facts.frame_rate == Fraction(24)
    assert (facts.codec, facts.pixel_format) == ("h264", "yuv420p")
    assert (facts.colour.primaries, facts.colour.transfer, facts.colour.matrix) == (1, 1, 1)
    assert facts.sound is not None and facts.sound.codec == "aac"
    assert abs(facts.sound.seconds - Fraction(FRAMES, 24)) < Fraction(1, 1000)


def test_every_node_is_there_with_tooltips(comfy_client: ComfyClient) -> None:
    info = comfy_client.get("/object_info")
    ours = {name: node for name, node in info.items() if node["python_module"] == "custom_nodes.storymotion"}
    assert set(ours) >= NODES
    for name, node in ours.items():
        if node["deprecated"]:  # a part of another node, which the editor does not offer
            continue
        assert node["category"].startswith("StoryMotion/"), name
        assert node["description"], name
        for group in ("required", "optional"):
            for input_name, (_, options) in node["input"].get(group, {}).items():
                assert options.get("tooltip"), f"{name}.{input_name}"
        assert all(node["output_tooltips"]), name
        assert all(label != kind for label, kind in zip(node["output_name"], node["output"])), name


def test_distilled_workflow(comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph) -> None:
    seen: list[NodeProgress] = []
    entry = comfy_client.run(distilled, seen.append)
    path = saved(comfy_server, entry)
    assert_delivery_file(probe(path))
    assert entry["outputs"]["8"]["text"] == ["A-head-turn, because the line has an exclamation mark."]
    (report,) = entry["outputs"]["9"]["text"]
    sdk = importlib.metadata.version("ltx-core")
    assert f"LTX-2 SDK {sdk}, checkpoint version 2.3.0, seed 42." in report
    shot = [each for each in seen if each.class_type == "StoryMotionDistilled"]
    done = [each.done for each in shot if not each.text]
    # Newer servers send a message every so often, not one for each step.
    assert done == sorted(done) and len(set(done)) > 3, "the node's progress bar jumps"
    # Between them the forecast, and what is loaded where no test before has done it.
    known = ["reading the prompt", "stage 1", "stage 2", "decoding"]
    assert [text for text in dict.fromkeys(each.text for each in shot) if text in known] == known


def test_two_stage_workflow(comfy_client: ComfyClient, comfy_server: ComfyServer, two_stage: Graph) -> None:
    entry = comfy_client.run(two_stage)
    assert_delivery_file(probe(saved(comfy_server, entry)))
    (report,) = entry["outputs"]["9"]["text"]
    assert "LoRA tiny-distilled-lora.safetensors: 72 of 72 keys fit 36 layers, rank 4, strength 0.6." in report


def test_graph_is_stored_in_the_file(comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph) -> None:
    path = saved(comfy_server, comfy_client.run(distilled))
    with av.open(str(path)) as container:
        stored = json.loads(container.metadata["prompt"])
    assert stored["5"]["inputs"]["dialogue"] == distilled["5"]["inputs"]["dialogue"]
    distilled.node("StoryMotionAnimationEncode")["embed_workflow"] = False
    path = saved(comfy_server, comfy_client.run(distilled))
    with av.open(str(path)) as container:
        assert "prompt" not in container.metadata


def test_lora_node(comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph) -> None:
    plain = frames(comfy_server, comfy_client.run(save_frames(distilled)))
    distilled.add("20", "StoryMotionLTX2Lora", model=["1", 0], lora="tiny-style-lora.safetensors", strength=1.0)
    distilled.add("21", "PreviewAny", source=["20", 1])
    distilled.node("StoryMotionDistilled")["model"] = ["20", 0]
    entry = comfy_client.run(distilled)
    assert entry["outputs"]["21"]["text"][0].startswith("LoRA tiny-style-lora.safetensors: 72 of 72 keys fit")
    assert frames(comfy_server, entry) != plain


def test_comfyui_saves_and_takes_apart_our_video(
    comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph
) -> None:
    distilled.add("20", "SaveVideo", video=["6", 0], filename_prefix="theirs", format="auto", codec="auto")
    distilled.add("21", "GetVideoComponents", video=["6", 0])
    distilled.add("22", "SaveImage", images=["21", 0], filename_prefix="frame")
    distilled.add("23", "SaveAudio", audio=["21", 1], filename_prefix="sound")
    distilled.add("24", "PreviewAny", source=["21", 2])
    entry = comfy_client.run(distilled)
    facts = probe(saved(comfy_server, entry, "20"))
    assert (facts.width, facts.height, facts.frames) == (448, 256, FRAMES)
    assert facts.sound is not None
    assert len(entry["outputs"]["22"]["images"]) == FRAMES
    assert len(entry["outputs"]["23"]["audio"]) == 1
    assert entry["outputs"]["24"]["text"] == ["24.0"]


def test_encode_node_takes_comfyuis_own_video(comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    graph = Graph()
    graph.add("1", "EmptyImage", width=64, height=48, batch_size=10, color=0xFF8000)
    graph.add("2", "EmptyAudio", duration=1.0, sample_rate=44100, channels=2)
    graph.add("3", "CreateVideo", images=["1", 0], fps=12.0, audio=["2", 0])
    graph.add("7", "StoryMotionAnimationEncode", video=["3", 0], filename_prefix=HANGUL, crf=10.0)
    graph.add("8", "StoryMotionAnimationEncode", video=["7", 0], filename_prefix="again", line_art_2x=True)
    entry = comfy_client.run(graph)
    first = probe(saved(comfy_server, entry))
    assert (first.width, first.height, first.frames, first.frame_rate) == (64, 48, 10, 12)
    assert saved(comfy_server, entry).parent.name == HANGUL.split("/")[0]
    again = probe(saved(comfy_server, entry, "8"))
    assert (again.width, again.height, again.frames) == (128, 96, 10)


def test_replaced_model_file_renders_again(
    comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph
) -> None:
    def cached(entry: dict[str, Any]) -> set[str]:
        messages = entry["status"]["messages"]
        return {node for kind, data in messages if kind == "execution_cached" for node in data["nodes"]}

    comfy_client.run(distilled)
    assert "6" in cached(comfy_client.run(distilled)), "nothing changed, and still it rendered"
    checkpoint = comfy_server.data / "models" / "checkpoints" / "tiny-ltx-2.3.safetensors"
    times = checkpoint.stat()
    os.utime(checkpoint, ns=(times.st_atime_ns, times.st_mtime_ns + 1_000_000))
    assert "6" not in cached(comfy_client.run(distilled)), "the checkpoint changed on disk, and the old shot came back"


def test_every_pipeline_node(comfy_client: ComfyClient, comfy_server: ComfyServer, two_stage: Graph) -> None:
    graph = two_stage
    shot = dict(graph.pop("6")["inputs"])
    common = {name: shot[name] for name in ("model", "prompt", "width", "height", "frames", "fps", "seed", "guides")}
    lora = {"distilled_lora": shot["distilled_lora"]}
    graph.add("40", "StoryMotionGuidance", preset="custom", video_cfg=2.0, video_stg_blocks="0,1")
    guided = {"negative_prompt": "blurry", "steps": 2, "guidance": ["40", 0]}
    graph.add("6", "StoryMotionOneStage", **common, **guided)
    graph.add("50", "StoryMotionKeyframes", **common, **guided, **lora)
    ic_lora = {"reference": ["6", 0], "ic_lora": "tiny-ic-lora.safetensors", "skip_stage_2": True}
    graph.add("60", "StoryMotionICLora", **common, **ic_lora)
    graph.add("51", "StoryMotionAnimationEncode", video=["50", 0], filename_prefix="keyframes")
    graph.add("61", "StoryMotionAnimationEncode", video=["60", 0], filename_prefix="ic-lora")
    entry = comfy_client.run(graph)
    assert_delivery_file(probe(saved(comfy_server, entry)))
    assert_delivery_file(probe(saved(comfy_server, entry, "51")))
    (report,) = entry["outputs"]["9"]["text"]
    assert "not used: this pipeline has one stage" in report and "does not use" not in report
    half = probe(saved(comfy_server, entry, "61"))
    assert (half.width, half.height, half.frames) == (224, 128, FRAMES)
    assert not list((comfy_server.data / "temp").glob("storymotion-*")), "the reference was left in the temp folder"
    graph.node("StoryMotionGuidance")["preset"] = "official"
    (report,) = comfy_client.run(graph)["outputs"]["9"]["text"]
    assert "Guidance preset official does not use video_cfg, video_stg_blocks" in report
