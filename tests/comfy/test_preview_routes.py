"""What the editor asks while inputs are changed, on the real server: the library's answers, and clear errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from dev.server import ComfyServer
from storymotion.ltx.checkpoint import inspect_checkpoint
from storymotion.ltx.fit import plan_memory
from storymotion.ltx.machine import this_machine
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.residents import Residents
from storymotion.ltx.shots import TwoStageShot
from storymotion.motion.mapper import map_motion

pytestmark = pytest.mark.comfy
TINY = {
    "checkpoint": "tiny-ltx-2.3.safetensors",
    "text_encoder": "tiny-gemma",
    "spatial_upscaler": "tiny-spatial-upscaler.safetensors",
}
STYLE, DISTILLED = "tiny-style-lora.safetensors", "tiny-distilled-lora.safetensors"


def get(server: ComfyServer, path: str, status: int = 200, **query: Any) -> Any:
    answer = requests.get(f"{server.address}/storymotion/{path}", query, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def mapped(server: ComfyServer, status: int = 200, **body: Any) -> Any:
    answer = requests.post(f"{server.address}/storymotion/motion/map", json=body, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_motion_is_the_librarys_whatever_the_length_of_the_line(comfy_server: ComfyServer) -> None:
    asked = {"dialogue": "\uac00\uc790! " * 3000, "guard": "expressive", "seconds": 4.5, "seed": 2**64 - 1}
    told, plan = mapped(comfy_server, **asked), map_motion(**asked)
    assert (told["preset"], told["prompt"], told["motion"]) == (plan.preset, plan.prompt, plan.motion)
    assert [each["en"] for each in told["report"]] == [line.speak("en") for line in plan.reasons]
    assert all(each["ko"] for each in told["report"])


def test_memory_is_planned_for_the_shot_that_the_graph_makes(comfy_server: ComfyServer) -> None:
    models = comfy_server.data / "models"
    own, style = Lora(models / "loras" / DISTILLED, 0.6), Lora(models / "loras" / STYLE, 0.5)
    size = {"width": 448, "height": 256, "frames": 25}
    told = get(
        comfy_server,
        "ltx/fit",
        **TINY,
        **size,
        fps=24,
        node="StoryMotionTwoStage",
        loras=json.dumps([[STYLE, 0.5, "both"]]),
        own_lora=DISTILLED,
        own_lora_strength=0.6,
    )
    files = ModelSet(
        models / "checkpoints" / TINY["checkpoint"],
        models / "text_encoders" / TINY["text_encoder"],
        models / "latent_upscale_models" / TINY["spatial_upscaler"],
        loras=(style,),
    )
    shot = TwoStageShot("", 448, 256, 25, 24.0, seed=0, distilled_lora=own)
    plan = plan_memory(files, inspect_checkpoint(files.checkpoint), shot, this_machine("cpu", Residents()))
    assert (told["precision"], told["keep"], told["peak_bytes"]) == (plan.precision, plan.keep, plan.peak.peak)
    assert len(told["report"]) == len(plan.lines)


def test_without_models_it_says_where_they_go(story_server: ComfyServer) -> None:
    told = get(story_server, "ltx/fit", 422, checkpoint="x", text_encoder="y")
    assert "There is no LTX-2 checkpoint in" in told["error"]["en"] and told["error"]["ko"]


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("shot/plan", {"seconds": "long", "size": "16:9 1280x704"}, "not-a-number"),
        ("shot/plan", {"seconds": "nan", "size": "16:9 1280x704"}, "not-a-number"),
        ("shot/plan", {"seconds": 3}, "unknown-choice"),
        ("ltx/lora", {**TINY, "lora": STYLE, "strength": 9}, "value-out-of-range"),
        ("ltx/lora", {**TINY, "lora": "../../secret.safetensors"}, "model-file-missing"),
        ("ltx/fit", {**TINY, "loras": "[["}, "request-not-json"),
        ("ltx/fit", {**TINY, "node": "KSampler"}, "unknown-choice"),
        ("ltx/fit", {**TINY, "precision": "fp1"}, "unknown-choice"),
        ("ltx/fit", {**TINY, "offload": "moon"}, "unknown-choice"),
        ("ltx/fit", {**TINY, "audio_vae": "gone.safetensors"}, "no-model-files"),
        ("ltx/fit", {**TINY, "frames": 10**9 + 1}, "value-out-of-range"),
        ("ltx/fit", {**TINY, "width": 0}, "size-not-multiple"),
    ],
)
def test_what_cannot_be_answered_is_said(
    comfy_server: ComfyServer, path: str, query: dict[str, Any], code: str
) -> None:
    told = get(comfy_server, path, 415 if code == "request-not-json" else 422, **query)
    assert told["error"]["code"] == code and told["error"]["en"] and told["error"]["ko"]


def test_a_choice_that_is_none_is_named(comfy_server: ComfyServer) -> None:
    assert "'loud'" in mapped(comfy_server, 422, dialogue="Hm.", guard="loud")["error"]["en"]
    assert mapped(comfy_server, 422, dialogue="Hm.", seed="x")["error"]["code"] == "not-a-number"
