"""What the nodes render on the server is what the SDK renders when it is called directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy
import pytest
import torch
from PIL import Image

from dev.client import ComfyClient
from dev.direct_sdk import call_sdk
from dev.server import ComfyServer
from storymotion.ltx.models import ModelSet
from storymotion.ltx.shots import DistilledShot, TwoStageShot

from .conftest import FRAMES, Graph
from .test_workflows_run import save_frames

pytestmark = pytest.mark.comfy
STYLE, DISTILLED = "tiny-style-lora.safetensors", "tiny-distilled-lora.safetensors"


def saved_frames(server: ComfyServer, entry: dict[str, Any]) -> torch.Tensor:
    files = [server.data / "output" / file["subfolder"] / file["filename"] for file in entry["outputs"]["31"]["images"]]
    return torch.from_numpy(numpy.stack([numpy.asarray(Image.open(file)) for file in files]))


def saved_sound(server: ComfyServer, entry: dict[str, Any]) -> numpy.ndarray:
    """The FLAC that SaveAudio wrote, as 16 bit integers [channels, samples]."""
    (file,) = entry["outputs"]["32"]["audio"]
    with av.open(str(server.data / "output" / file["subfolder"] / file["filename"])) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
        channels = container.streams.audio[0].channels
    return numpy.concatenate([block.reshape(-1, channels).T for block in blocks], axis=1)


def with_lora_and_everything_saved(graph: Graph, node: str) -> Graph:
    graph.add("20", "StoryMotionLTX2Lora", model=["1", 0], lora=STYLE, strength=0.7)
    graph.node(node)["model"] = ["20", 0]
    graph.node("StoryMotionImageGuide")["strength"] = 0.9
    save_frames(graph)
    graph.add("32", "SaveAudio", audio=["30", 1], filename_prefix="sound")
    return graph


@pytest.fixture
def on_disk(comfy_server: ComfyServer) -> ModelSet:
    models = comfy_server.data / "models"
    return ModelSet(
        models / "checkpoints" / "tiny-ltx-2.3.safetensors",
        models / "text_encoders" / "tiny-gemma",
        models / "latent_upscale_models" / "tiny-spatial-upscaler.safetensors",
    )


@pytest.fixture
def drawing() -> numpy.ndarray:
    path = Path(__file__).parents[2] / "workflows" / "input" / "storymotion_scene_01.png"
    return numpy.asarray(Image.open(path).convert("RGB"))


def assert_same(server: ComfyServer, entry: dict[str, Any], theirs: tuple[torch.Tensor, torch.Tensor, int]) -> None:
    frames, waveform, _ = theirs
    assert torch.equal(saved_frames(server, entry), frames)
    heard = saved_sound(server, entry)
    assert heard.shape == tuple(waveform.shape)
    # FLAC stores 16 bits: the floats are equal up to its rounding.
    assert numpy.abs(heard / 32768 - waveform.numpy().clip(-1, 1)).max() <= 1.5 / 32768


def test_distilled_node(
    comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph, on_disk: ModelSet, drawing: numpy.ndarray
) -> None:
    entry = comfy_client.run(with_lora_and_everything_saved(distilled, "StoryMotionDistilled"))
    shot = DistilledShot(prompt_of(comfy_client, distilled), 448, 256, FRAMES, 24.0, 42)
    loras = ((on_disk.checkpoint.parents[1] / "loras" / STYLE, 0.7),)
    assert_same(comfy_server, entry, call_sdk(on_disk, shot, ((drawing, 0, 0.9),), loras))


def test_two_stage_node(
    comfy_client: ComfyClient, comfy_server: ComfyServer, two_stage: Graph, on_disk: ModelSet, drawing: numpy.ndarray
) -> None:
    entry = comfy_client.run(with_lora_and_everything_saved(two_stage, "StoryMotionTwoStage"))
    folder = on_disk.checkpoint.parents[1] / "loras"
    shot = TwoStageShot(
        prompt_of(comfy_client, two_stage),
        448,
        256,
        FRAMES,
        24.0,
        42,
        negative_prompt=prompt_of(comfy_client, two_stage, output=2),
        steps=3,
    )
    loras = ((folder / STYLE, 0.7),)
    assert_same(comfy_server, entry, call_sdk(on_disk, shot, ((drawing, 0, 0.9),), loras, (folder / DISTILLED, 0.6)))


def prompt_of(client: ComfyClient, graph: Graph, output: int = 1) -> str:
    """What the mapper node of ``graph`` says on one of its outputs."""
    mapper = Graph({"5": graph["5"]})
    mapper.add("1", "PreviewAny", source=["5", output])
    (text,) = client.run(mapper)["outputs"]["1"]["text"]
    return text
