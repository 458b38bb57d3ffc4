"""A good guest in ComfyUI's memory: what is kept is reused, and given back when ComfyUI asks."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from dev.client import ComfyClient, NodeProgress, PromptFailed, PromptInterrupted
from dev.server import ComfyServer

from .conftest import Graph, shipped
from .test_workflows_run import frames, save_frames

pytestmark = pytest.mark.comfy


def models_read(entry: dict[str, Any]) -> int:
    """How many models the shot's report says were read from disk."""
    (report,) = entry["outputs"]["9"]["text"]
    found = re.search(r"(\d+) models read from disk", report)
    return int(found[1]) if found else 0


def with_seed(graph: Graph, seed: int, keep: str) -> Graph:
    graph.node("StoryMotionDistilled")["seed"] = seed
    graph.node("StoryMotionLTX2Model")["keep"] = keep
    return graph


@pytest.mark.parametrize("keep", ["ram", "vram"])
def test_another_seed_reads_nothing(comfy_client: ComfyClient, keep: str) -> None:
    comfy_client.run(with_seed(shipped("01_distilled_shot"), 1, keep))
    assert models_read(comfy_client.run(with_seed(shipped("01_distilled_shot"), 2, keep))) == 0


def test_disk_reads_everything_but_the_prompts(comfy_client: ComfyClient) -> None:
    comfy_client.run(with_seed(shipped("01_distilled_shot"), 1, "disk"))
    # Transformer, video encoder, upsampler, two decoders, vocoder.
    assert models_read(comfy_client.run(with_seed(shipped("01_distilled_shot"), 2, "disk"))) == 6


def test_unload_models_reaches_what_is_kept(comfy_client: ComfyClient) -> None:
    comfy_client.run(with_seed(shipped("01_distilled_shot"), 3, "ram"))
    comfy_client.post("/free", {"unload_models": True})
    wait_until_flags_are_handled(comfy_client)
    assert models_read(comfy_client.run(with_seed(shipped("01_distilled_shot"), 4, "ram"))) == 8
    assert models_read(comfy_client.run(with_seed(shipped("01_distilled_shot"), 5, "ram"))) == 0


def wait_until_flags_are_handled(client: ComfyClient) -> None:
    """ComfyUI's main loop looks at its flags between prompts: one more prompt later they are done."""
    graph = Graph()
    graph.add("1", "StoryMotionShotPlan", seconds=1.0, fps=24.0, size="1:1 768x768")
    for _ in range(2):
        client.run(graph)


@pytest.mark.slow
def test_thirty_runs_good_failing_and_cancelled(comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    """Memory at the end within 3 % of that after three rounds, and frames as from a fresh run."""
    reference = None
    after_three = 0
    for round_number in range(10):
        good = save_frames(with_seed(shipped("01_distilled_shot"), 100 + round_number % 2, "ram"))
        made = frames(comfy_server, comfy_client.run(good))
        if round_number % 2 == 0:
            assert made == (reference or made)
            reference = made
        broken = with_seed(shipped("01_distilled_shot"), 7, "ram")
        broken.node("StoryMotionDistilled")["frames"] = 24
        with pytest.raises(PromptFailed):
            comfy_client.run(broken)
        asked: list[bool] = []

        def interrupt(progress: NodeProgress, asked: list[bool] = asked) -> None:
            if progress.text == "stage 2" and not asked:
                asked.append(True)
                comfy_client.interrupt()

        with pytest.raises(PromptInterrupted):
            comfy_client.run(with_seed(shipped("01_distilled_shot"), 200 + round_number, "ram"), interrupt)
        if round_number == 2:
            after_three = resident_memory(comfy_server)
    assert resident_memory(comfy_server) < after_three * 1.03


def resident_memory(server: ComfyServer) -> int:
    """Bytes of main memory that the server process holds (Linux)."""
    pages = Path(f"/proc/{server.process_id}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
