"""The demo: a shipped workflow, run by a real ComfyUI with the tiny model set, to a checked MP4.

    python -m dev.demo DATA

DATA is a ComfyUI base directory with the tiny models and the shipped pictures in it. `dev.py demo` lays it out and
runs this inside the environment. The last line is `OK <path of the MP4>`, or a sentence on what went wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from storymotion.shot import ShotPlan, exact_frame_rate, plan_shot

from .client import ComfyClient, ComfyError, NodeProgress
from .comfyui import ready_comfyui
from .console import DevError, Line, make_printing_safe
from .processes import ROOT, exit_on_terminate
from .server import ComfyServer

WORKFLOW = ROOT / "workflows" / "api" / "01_distilled_shot.json"
# The demo changes nothing else of the workflow: model names, and a size that a CPU renders in seconds.
REPLACED: dict[str, dict[str, str]] = {
    "StoryMotionLTX2Model": {
        "checkpoint": "tiny-ltx-2.3.safetensors",
        "text_encoder": "tiny-gemma",
        "spatial_upscaler": "tiny-spatial-upscaler.safetensors",
    },
    "StoryMotionTwoStage": {"distilled_lora": "tiny-distilled-lora.safetensors"},
    "StoryMotionKeyframes": {"distilled_lora": "tiny-distilled-lora.safetensors"},
    "StoryMotionICLora": {"ic_lora": "tiny-ic-lora.safetensors"},
    "StoryMotionShotPlan": {"size": "16:9 draft 448x256"},
}
NO_FILE = "none"  # the choice of a loader to load nothing
SECONDS_TO_RENDER = 1800.0


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    make_printing_safe()
    exit_on_terminate()
    parser = argparse.ArgumentParser(prog="python -m dev.demo")
    parser.add_argument("data", type=Path, help="ComfyUI base directory with the tiny models and the pictures")
    try:
        video = run_demo(parser.parse_args(arguments).data)
    except (DevError, ComfyError, TimeoutError, ConnectionError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"OK {video}")
    return 0


def run_demo(data: Path, workflow_file: Path = WORKFLOW) -> Path:
    """Render ``workflow_file`` with the tiny models on a server of its own; returns the checked MP4.

    Raises DevError, ComfyError, TimeoutError, ConnectionError.
    """
    workflow = with_tiny_models(json.loads(workflow_file.read_text(encoding="utf-8")))
    plan = planned_shot(workflow)
    started = time.monotonic()
    python = Path(sys.executable)
    with ComfyServer(python, ready_comfyui(python), data, log=data / "demo.log") as server:
        print(f"ComfyUI answers at {server.address} after {time.monotonic() - started:.1f} s, log {server.log}")
        print(f"Rendering {workflow_file.relative_to(ROOT).as_posix()}: {plan.width}x{plan.height}, ", end="")
        print(f"{plan.frames} frames at {plan.fps:g} frames per second")
        for line in nodes_of(workflow, "SafeMotionMapper"):
            print(f"Line of dialogue: {line['dialogue']}", flush=True)
        started = time.monotonic()
        with ComfyClient(server.address) as client:
            report = ProgressReport()
            try:
                entry = client.run(workflow, report.on_progress, SECONDS_TO_RENDER)
            finally:
                report.end()
        print(f"Rendered in {time.monotonic() - started:.1f} s", flush=True)
    video = server.data / "output" / saved_file(workflow, entry)
    check_video(video, plan)
    return video


def with_tiny_models(workflow: dict[str, Any]) -> dict[str, Any]:
    """``workflow`` (API format) with the model names and the size of the demo; where it loads no file, it stays so."""
    return {name: node | {"inputs": node["inputs"] | _replaced(node)} for name, node in workflow.items()}


def _replaced(node: dict[str, Any]) -> dict[str, str]:
    changes = REPLACED.get(node["class_type"], {})
    return {name: value for name, value in changes.items() if node["inputs"].get(name) != NO_FILE}


def nodes_of(workflow: dict[str, Any], class_type: str) -> list[dict[str, Any]]:
    """The inputs of every node of that class."""
    return [node["inputs"] for node in workflow.values() if node["class_type"] == class_type]


def planned_shot(workflow: dict[str, Any]) -> ShotPlan:
    """What the workflow's Shot Plan node will plan."""
    inputs = nodes_of(workflow, "StoryMotionShotPlan")[0]
    return plan_shot(inputs["seconds"], inputs["fps"], inputs["size"], inputs["stages"])


def saved_file(workflow: dict[str, Any], entry: dict[str, Any]) -> Path:
    """The MP4 that the history entry names, relative to ComfyUI's output folder; raises DevError."""
    for name, output in entry["outputs"].items():
        if workflow[name]["class_type"] == "StoryMotionAnimationEncode":
            for file in output.get("images", []):
                return Path(file["subfolder"], file["filename"])
    raise DevError("The workflow ended without an MP4 from StoryMotionAnimationEncode.")


def check_video(path: Path, plan: ShotPlan) -> None:
    """Raise DevError unless the file is what the plan and the encoder's contract say: every frame is decoded."""
    import av

    rate = exact_frame_rate(plan.fps)
    with av.open(str(path)) as container:
        if not container.streams.video or not container.streams.audio:
            raise DevError(f"{path} lacks a picture or a sound track.")
        video, audio = container.streams.video[0], container.streams.audio[0]
        colors = video.codec_context
        found = {
            "size": f"{video.width}x{video.height}",
            "frames": sum(1 for _ in container.decode(video)),
            "frame rate": Fraction(video.average_rate or 0),
            "video codec": colors.name,
            # Not pix_fmt: PyAV 17.0.1 and 17.1.0 crash on it when the format is unknown.
            "pixel format": colors.format.name if colors.format else "unknown",
            # 1 is bt709 in ITU-T H.273 for all three.
            "colour tags": (colors.color_primaries, colors.color_trc, colors.colorspace),
            "audio codec": audio.codec_context.name,
        }
    expected = {
        "size": f"{plan.width}x{plan.height}",
        "frames": plan.frames,
        "frame rate": rate,
        "video codec": "h264",
        "pixel format": "yuv420p",
        "colour tags": (1, 1, 1),
        "audio codec": "aac",
    }
    wrong = [f"{name} is {found[name]}, not {expected[name]}" for name in expected if found[name] != expected[name]]
    if wrong:
        raise DevError(f"{path} is not as planned: {'; '.join(wrong)}.")
    print(", ".join(f"{name} {value}" for name, value in found.items() if name != "colour tags") + ", bt709")


class ProgressReport:
    """A line for each node that runs: what it is doing and how far it is."""

    def __init__(self) -> None:
        self._line = Line()
        self._node = ""
        self._percent = self._text = self._shown = ""

    def on_progress(self, progress: NodeProgress) -> None:
        """Show what a node reports."""
        if progress.node != self._node:
            self.end()
            self._node = progress.node
        if progress.text:
            self._text = progress.text.replace("\n", " ")
        elif progress.done:
            self._percent = f"{100 * progress.done / progress.total:.0f} %"
        self._shown = f"  {self._percent:>5}  {progress.class_type}  {self._text}".rstrip()
        self._line.show(self._shown)

    def end(self) -> None:
        """Leave the last state of the node on the console."""
        if self._node:
            self._line.end(self._shown)
        self._node = self._percent = self._text = ""


if __name__ == "__main__":
    sys.exit(main())
