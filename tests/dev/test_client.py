"""The client against a real ComfyUI server, with nodes that every ComfyUI has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from dev.client import ComfyClient, NodeProgress, PromptFailed, PromptInterrupted, PromptRejected
from dev.console import DevError
from dev.server import ComfyServer

pytestmark = pytest.mark.comfy


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def video(color: int) -> dict[str, Any]:
    return {
        "1": node("EmptyImage", width=64, height=32, batch_size=5, color=color),
        "2": node("CreateVideo", images=["1", 0], fps=5.0),
        "3": node("SaveVideo", video=["2", 0], filename_prefix="client/one", format="mp4", codec="h264"),
    }


def blurs(count: int, color: int) -> dict[str, Any]:
    """A chain of nodes that each keep the CPU busy for a moment."""
    chain = {"0": node("EmptyImage", width=1024, height=1024, batch_size=2, color=color)}
    for number in range(count):
        chain[str(number + 1)] = node("ImageBlur", image=[str(number), 0], blur_radius=5, sigma=1.0)
    return chain | {"preview": node("PreviewImage", images=[str(count), 0])}


def test_a_workflow_runs_and_its_file_comes_back(comfy_client: ComfyClient, tmp_path: Path) -> None:
    seen: list[NodeProgress] = []
    entry = comfy_client.run(video(color=1), seen.append)
    assert {progress.class_type for progress in seen} >= {"EmptyImage", "CreateVideo", "SaveVideo"}
    (file,) = entry["outputs"]["3"]["images"]
    comfy_client.download(file, tmp_path / "video.mp4")
    with av.open(str(tmp_path / "video.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_a_finished_workflow_is_known_without_messages(comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    prompt_id = comfy_client.queue(video(color=2))
    comfy_client.wait(prompt_id)
    with ComfyClient(comfy_server.address) as other:
        assert other.wait(prompt_id, timeout=5)["status"]["completed"]


def test_a_refused_workflow_says_which_node_and_why(comfy_client: ComfyClient) -> None:
    broken = video(color=3)
    broken["1"]["inputs"]["width"] = -1
    with pytest.raises(PromptRejected, match=r"node 1 \(EmptyImage\): .*-1 smaller than min") as refused:
        comfy_client.run(broken)
    assert refused.value.details["node_errors"]["1"]["class_type"] == "EmptyImage"
    with pytest.raises(PromptRejected):
        comfy_client.run({"1": node("NoSuchNode")})


def test_a_workflow_that_would_run_in_part_is_refused(comfy_client: ComfyClient) -> None:
    half_broken = video(color=4) | {"4": node("PreviewImage", images=["5", 0]), "5": node("EmptyImage", width="wide")}
    with pytest.raises(PromptRejected, match=r"node 5 \(EmptyImage\)"):
        comfy_client.run(half_broken)


def test_a_node_that_raises_is_named_and_the_next_workflow_runs(comfy_client: ComfyClient) -> None:
    crop = node("ImageCrop", image=["1", 0], width=1, height=1, x=0, y=0)
    mismatch = {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=5),
        "2": crop,
        "3": node("SaveVideo", video=["4", 0], filename_prefix="client/odd", format="mp4", codec="h264"),
        "4": node("CreateVideo", images=["2", 0], fps=5.0),
    }
    with pytest.raises(PromptFailed, match=r"node 3 \(SaveVideo\) raised ") as failed:
        comfy_client.run(mismatch)
    assert failed.value.details["traceback"]
    assert comfy_client.run(video(color=5))["status"]["completed"]


def test_an_interrupted_workflow_ends(comfy_client: ComfyClient) -> None:
    def interrupt(progress: NodeProgress) -> None:
        if progress.class_type == "ImageBlur":
            comfy_client.interrupt()

    with pytest.raises(PromptInterrupted, match="ImageBlur"):
        comfy_client.run(blurs(count=20, color=6), interrupt)
    assert comfy_client.run(video(color=6))["status"]["completed"]


def test_waiting_ends(comfy_client: ComfyClient) -> None:
    prompt_id = comfy_client.queue(blurs(count=20, color=7))
    with pytest.raises(TimeoutError):
        comfy_client.wait(prompt_id, timeout=0.1)
    comfy_client.interrupt()
    with pytest.raises(PromptInterrupted):
        comfy_client.wait(prompt_id)


@pytest.mark.slow
def test_a_server_that_goes_away_is_said(comfy_server: ComfyServer, tmp_path: Path) -> None:
    other = ComfyServer(comfy_server.python, comfy_server.comfyui, tmp_path)
    with other, ComfyClient(other.address) as client:
        prompt_id = client.queue(blurs(count=50, color=8))
        other.stop()
        with pytest.raises(ConnectionError):
            client.wait(prompt_id, timeout=30)


def test_a_server_that_cannot_start_says_why(comfy_server: ComfyServer, tmp_path: Path) -> None:
    broken = ComfyServer(comfy_server.python, comfy_server.comfyui, tmp_path, arguments=["--no-such-option"])
    with pytest.raises(DevError, match=r"(?s)ended while starting, with code 2.*arguments: --no-such-option"):
        broken.start()


def test_a_strangers_pack_is_not_replaced(comfy_server: ComfyServer, tmp_path: Path) -> None:
    (tmp_path / "custom_nodes" / "storymotion").mkdir(parents=True)
    with pytest.raises(DevError, match="in the way"):
        ComfyServer(comfy_server.python, comfy_server.comfyui, tmp_path).start()
