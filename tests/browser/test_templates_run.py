"""Every template, opened and queued with the Run button, ends in a playing film.

01_distilled_shot and 08_story_distilled are in test_shipped_workflows.py, which also reads what is shown.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from dev.client import ComfyClient
from dev.demo import REPLACED
from dev.server import ComfyServer

from ..comfy.stories import Story
from .conftest import shipped, shipped_names
from .editor import Editor

pytestmark = pytest.mark.browser
SEEN_ELSEWHERE = {"01_distilled_shot", "08_story_distilled"}
GUIDED = ("StoryMotionTwoStage", "StoryMotionOneStage", "StoryMotionKeyframes")
# The cheapest paid shot that there is, in a take that no other test asks for; the service is the local one.
PAID = {"resolution": "480p", "duration": 2, "max_usd": 0.05, "take": 9}


class MixedStory(Story):
    """Its scenes are for the two engines in turn."""

    def scenes(self) -> list[dict[str, Any]]:
        """What the file holds."""
        engines = ("ltx-2", "seedance")
        return [scene | {"engine": engines[place % 2]} for place, scene in enumerate(super().scenes())]


def make_small(editor: Editor, server: ComfyServer, name: str) -> None:
    """Tiny models, shots of a third of a second and two guided steps; of a story two scenes."""
    for class_type, values in REPLACED.items():
        editor.set_widgets(class_type, values)
    editor.set_widgets("StoryMotionShotPlan", {"seconds": 0.3})
    for class_type in GUIDED:
        editor.set_widgets(class_type, {"steps": 2})
    editor.set_widgets("StoryMotionSeedance", PAID)
    editor.set_widgets("StoryMotionSeedanceQuote", {key: PAID[key] for key in ("resolution", "duration")})
    kind = MixedStory if "mixed" in name else Story
    story = kind(server, f"template_{name}", range(40, 42))
    editor.set_widgets("StoryMotionLoadStory", {"story": story.file.name})


@pytest.mark.parametrize("name", sorted(set(shipped_names()) - SEEN_ELSEWHERE))
def test_the_run_button_ends_in_a_playing_film(
    editor: Editor, comfy_client: ComfyClient, comfy_server: ComfyServer, name: str
) -> None:
    workflow = shipped(name)
    editor.load(workflow)
    if any(node["properties"].get("models") for node in workflow["nodes"]):
        editor.complaints()  # about the missing models, which the next line replaces
        editor.close_dialogs()
    make_small(editor, comfy_server, name)
    before = set(comfy_client.get("/history"))
    editor.run()

    films = "[...document.querySelectorAll('video')].filter(film => film.src.includes('type=output'))"
    editor.page.wait_for_function(f"() => {films}.some(film => film.videoWidth > 0)", timeout=120_000)
    expect(editor.page.get_by_test_id("queue-button")).to_be_visible()
    for _ in range(600):
        new = [entry for key, entry in comfy_client.get("/history").items() if key not in before]
        if new:
            break
        editor.page.wait_for_timeout(200)
    assert new[0]["status"]["status_str"] == "success", new[0]["status"]
    assert editor.page.evaluate(f"async () => {{ const [film] = {films}; await film.play(); return film.videoWidth }}")
    editor.page.wait_for_function(f"() => {films}[0].currentTime > 0")
    if "story" in name:
        told = ["".join(output.get("text", [])) for output in new[0]["outputs"].values() if "images" in output]
        assert any("2 shots" in text for text in told), told  # Join Shots
    assert editor.page_errors == []
    assert editor.error_toasts() == []
