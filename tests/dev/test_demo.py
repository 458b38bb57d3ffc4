"""The demo: the shipped workflow on a Korean Windows console, and what it refuses to call OK."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import av
import numpy
import pytest

from dev.console import DevError
from dev.demo import WORKFLOW, check_video, planned_shot, with_tiny_models
from dev.processes import ROOT
from dev.server import ComfyServer
from storymotion.shot import ShotPlan


@pytest.mark.comfy
@pytest.mark.slow
def test_the_demo_on_a_korean_windows_console(comfy_server: ComfyServer) -> None:
    environ = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp949", "PYTHONWARNDEFAULTENCODING": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "dev.demo", comfy_server.data],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        encoding="cp949",
        errors="replace",
    )
    assert run.returncode == 0, run
    *said, last = run.stdout.splitlines()
    assert last.startswith("OK ")
    assert Path(last.removeprefix("OK ")).is_relative_to(comfy_server.data / "output")
    dialogue = planned_dialogue()
    assert not dialogue.isascii()
    assert f"Line of dialogue: {dialogue}" in said
    assert any("100 %  StoryMotionDistilled" in line for line in said)

    log = (comfy_server.data / "demo.log").read_text(encoding="utf-8", errors="replace")
    warnings = [line for line in (run.stderr + log).splitlines() if "EncodingWarning" in line]
    assert warnings  # ComfyUI's own: the switch reached the server
    pack = re.escape(str(comfy_server.data / "custom_nodes"))
    ours = rf"({re.escape(str(ROOT))}|{pack})[/\\](?!\.)"
    assert [line for line in warnings if re.match(ours, line)] == []


def planned_dialogue() -> str:
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    return next(node["inputs"]["dialogue"] for node in workflow.values() if node["class_type"] == "SafeMotionMapper")


def test_only_model_names_and_the_size_are_replaced() -> None:
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    tiny = with_tiny_models(workflow)
    changed = {
        (node["class_type"], name)
        for key, node in workflow.items()
        for name, value in node["inputs"].items()
        if tiny[key]["inputs"][name] != value
    }
    assert changed == {
        ("StoryMotionLTX2Model", "checkpoint"),
        ("StoryMotionLTX2Model", "text_encoder"),
        ("StoryMotionLTX2Model", "spatial_upscaler"),
        ("StoryMotionShotPlan", "size"),
    }
    plan = planned_shot(tiny)
    assert (plan.width, plan.height, plan.frames) == (448, 256, 193)


@pytest.mark.parametrize(
    ("width", "frames", "fps", "sound", "wrong"),
    [
        (64, 9, 24, True, "colour tags is"),
        (96, 9, 24, True, "size is 96x32, not 64x32"),
        (64, 8, 24, True, "frames is 8, not 9"),
        (64, 9, 25, True, "frame rate is 25, not 24"),
        (64, 9, 24, False, "lacks a picture or a sound track"),
    ],
)
def test_a_video_that_is_not_as_planned_is_refused(
    tmp_path: Path, width: int, frames: int, fps: int, sound: bool, wrong: str
) -> None:
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = width, 32, "yuv420p"
        audio = container.add_stream("aac", rate=48000) if sound else None
        for _ in range(frames):
            picture = av.VideoFrame.from_ndarray(numpy.zeros((32, width, 3), numpy.uint8))
            container.mux(video.encode(picture))
        container.mux(video.encode())
        if audio is not None:
            silence = av.AudioFrame.from_ndarray(numpy.zeros((2, 1024), numpy.float32), "fltp", "stereo")
            silence.sample_rate = 48000
            container.mux(audio.encode(silence))
            container.mux(audio.encode())
    with pytest.raises(DevError, match=wrong):
        check_video(path, ShotPlan(64, 32, 9, 24.0, ()))
