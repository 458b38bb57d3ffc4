"""What the user sets about money is what the report counts with."""

from __future__ import annotations

import re

import pytest

from dev.client import ComfyClient

from .conftest import Graph

pytestmark = pytest.mark.comfy
DEFAULTS = {"StoryMotion.GpuUsdPerHour": 0, "StoryMotion.KrwPerUsd": 1450, "StoryMotion.TargetKrwPer8s": 54} | {
    "StoryMotion.Keep": "auto"
}


def test_the_price_of_the_gpu_the_exchange_rate_and_the_target(comfy_client: ComfyClient, distilled: Graph) -> None:
    shot = distilled.node("StoryMotionDistilled")
    shot["seed"] = 4711
    entry = comfy_client.run(distilled)
    assert "No cost: no rate is known for the CPU." in entry["outputs"]["9"]["text"][0]
    comfy_client.post(
        "/settings",
        {
            "StoryMotion.GpuUsdPerHour": 3600,
            "StoryMotion.KrwPerUsd": 1000,
            "StoryMotion.TargetKrwPer8s": 1,
            "StoryMotion.Keep": "disk",
        },
    )
    try:
        shot["seed"] = 4712
        report = comfy_client.run(distilled)["outputs"]["9"]["text"][0]
        comfy_client.post(
            "/settings",
            {"StoryMotion.KrwPerUsd": "a lot", "StoryMotion.TargetKrwPer8s": -1, "StoryMotion.Keep": "moon"},
        )
        shot["seed"] = 4713
        nonsense = comfy_client.run(distilled)["outputs"]["9"]["text"][0]
    finally:
        comfy_client.post("/settings", DEFAULTS)
    # One USD a second.
    found = re.search(r"([\d.]+) s on the CPU at \$1/s \(your setting\) = \$([\d.]+) = (\d+) KRW at 1000", report)
    # What is said is rounded, each number for itself.
    assert found and abs(float(found[2]) - float(found[1])) <= 0.05 and abs(float(found[2]) * 1000 - int(found[3])) < 1
    assert "over the target of 1 KRW" in report
    # Where models stay is read when a shot is made, and no result is made anew for it.
    assert re.search(r"keep = (vram|ram)\.", entry["outputs"]["9"]["text"][0])
    assert "keep = disk." in report
    assert "at 1450 KRW per USD" in nonsense and "over the target of 54 KRW" in nonsense
    assert re.search(r"keep = (vram|ram)\.", nonsense)
