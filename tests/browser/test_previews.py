"""What nodes show while their inputs are changed: the same as the library says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from dev.processes import ROOT
from dev.server import ComfyServer
from storymotion.ltx.checkpoint import inspect_checkpoint
from storymotion.ltx.lora import match_lora
from storymotion.ltx.models import Lora
from storymotion.motion.mapper import map_motion
from storymotion.shot import plan_shot

from .editor import Editor

pytestmark = pytest.mark.browser
Screenshot = Callable[[Page, str], Path]
TINY = {
    "checkpoint": "tiny-ltx-2.3.safetensors",
    "text_encoder": "tiny-gemma",
    "spatial_upscaler": "tiny-spatial-upscaler.safetensors",
}
LINE = "Stop, don't go in there!"


@pytest.fixture(params=["classic", "vue"])
def either(request: pytest.FixtureRequest, page: Page, comfy_server: ComfyServer) -> Editor:
    """The editor with an empty graph, in both ways of drawing nodes."""
    return opened(page, comfy_server, vue_nodes=request.param == "vue")


def opened(page: Page, server: ComfyServer, **look: Any) -> Editor:
    editor = Editor(page, server.address)
    editor.open(**look)
    editor.page.evaluate("() => app.graph.clear()")
    return editor


def says(lines: Any, language: str = "en") -> list[str]:
    """Library lines, as a panel shows them."""
    english = [line.speak("en") for line in lines]
    if language == "en":
        return english
    return [line.speak("ko").removeprefix(each + " / ") for line, each in zip(lines, english)]


def texts(language: str) -> dict[str, str]:
    return json.loads((ROOT / "js" / "texts" / f"{language}.json").read_text(encoding="utf-8"))


def test_the_gesture_follows_the_typing(either: Editor, screenshot: Screenshot) -> None:
    node = either.add("SafeMotionMapper")
    either.page.evaluate("id => app.canvas.centerOnNode(app.graph.getNodeById(id))", node)
    dialogue = either.page.locator("textarea").first
    dialogue.click()
    dialogue.press_sequentially(LINE)
    wanted = map_motion(LINE)
    panel = either.panel()
    expect(panel.locator(".storymotion-main")).to_have_text(wanted.preset)
    expect(panel.locator(".storymotion-row")).to_have_text(says(wanted.reasons))
    dialogue.fill("Are you coming?")
    expect(panel.locator(".storymotion-main")).to_have_text(map_motion("Are you coming?").preset)
    assert map_motion("Are you coming?").preset != wanted.preset
    screenshot(either.page, f"preview_motion_{(either.page.locator('[data-node-id]').count() and 'vue') or 'classic'}")
    inputs = either.prompt()[str(node)]["inputs"]
    assert "storymotion_panel" not in inputs and inputs["dialogue"] == "Are you coming?"
    assert either.page_errors == []


def test_it_speaks_korean_in_the_light_theme(page: Page, comfy_server: ComfyServer, screenshot: Screenshot) -> None:
    editor = opened(page, comfy_server, locale="ko", dark=False)
    try:
        editor.add("SafeMotionMapper", {"dialogue": LINE})
        editor.add("StoryMotionLTX2Lora", at=(600, 100))
        expect(editor.panel(0).locator(".storymotion-row")).to_have_text(says(map_motion(LINE).reasons, "ko"))
        expect(editor.panel(1)).to_have_text(texts("ko")["no-model"])
        screenshot(page, "preview_korean_light")
    finally:
        editor.open()
    assert editor.page_errors == []


# Of every text in the panels: (lighter + 0.05) / (darker + 0.05) of its colour and of what is behind it (WCAG 2).
CONTRASTS = """() => {
    const rgb = colour => {
        const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d')
        context.fillStyle = colour
        context.fillRect(0, 0, 1, 1)
        return [...context.getImageData(0, 0, 1, 1).data]
    }
    const linear = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    const light = colour => rgb(colour).slice(0, 3).map(linear).reduce((sum, part, i) =>
        sum + part * [0.2126, 0.7152, 0.0722][i], 0)
    const behind = element => {
        const colour = getComputedStyle(element).backgroundColor
        return rgb(colour)[3] ? colour : behind(element.parentElement)
    }
    return [...document.querySelectorAll('.storymotion-panel *')]
        .filter(element => [...element.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
        .map(element => {
            const pair = [light(getComputedStyle(element).color), light(behind(element))]
            return [element.className, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)]
        })
}"""


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
def test_every_word_can_be_read(page: Page, comfy_server: ComfyServer, dark: bool, screenshot: Screenshot) -> None:
    editor = opened(page, comfy_server, dark=dark)
    try:
        editor.add("SafeMotionMapper", {"dialogue": LINE})
        editor.add("StoryMotionShotPlan", {"size": "from image"}, at=(520, 100))
        editor.add("StoryMotionLTX2Lora", at=(520, 500))
        editor.add("StoryMotionSeedance", at=(940, 100))
        expect(page.locator(".storymotion-main").first).to_be_visible()
        expect(page.locator(".storymotion-problem").first).to_be_visible()
        expect(page.locator(".storymotion-journal")).not_to_be_empty()
        screenshot(page, f"contrast_{'dark' if dark else 'light'}")
        found = page.evaluate(CONTRASTS)
        kinds = {kind for names, _ in found for kind in names.split()}
        assert {"storymotion-main", "storymotion-quiet", "storymotion-problem", "storymotion-button"} <= kinds
        assert [(names, contrast) for names, contrast in found if contrast < 4.5] == []
    finally:
        editor.open()


def test_seconds_become_frames(either: Editor, comfy_server: ComfyServer) -> None:
    asked = {"seconds": 3.3, "fps": 25.0, "size": "9:16 704x1280"}
    either.add("StoryMotionShotPlan", asked)
    wanted = plan_shot(**asked)
    assert len(wanted.notes) == 2, "a length that is snapped"
    expect(either.panel().locator(".storymotion-row")).to_have_text(says(wanted.notes))
    either.set_widgets("StoryMotionShotPlan", {"size": "from image"})
    expect(either.panel()).to_contain_text("image connected")
    assert "storymotion-problem" in (either.panel().inner_html())
    # A picture from Load Image is measured in the browser.
    picture = either.add("LoadImage", at=(600, 100))
    either.connect(picture, 0, 1, "image")
    expect(either.panel().locator(".storymotion-row").first).to_contain_text("frames")
    assert either.page_errors == []


def test_a_lora_tells_how_it_fits_and_the_model_what_it_needs(
    either: Editor, comfy_server: ComfyServer, screenshot: Screenshot
) -> None:
    models = comfy_server.data / "models"
    file = models / "loras" / "tiny-style-lora.safetensors"
    model = either.add("StoryMotionLTX2Model", TINY)
    lora = either.add("StoryMotionLTX2Lora", {"lora": file.name, "strength": 0.65}, at=(520, 100))
    expect(either.panel(1)).to_have_text(texts("en")["no-model"])
    either.connect(model, 0, lora, "model")
    match = match_lora(Lora(file, 0.65), inspect_checkpoint(models / "checkpoints" / TINY["checkpoint"]))
    expect(either.panel(1).locator(".storymotion-row")).to_have_text(says(match.lines()))
    expect(either.panel(0).locator(".storymotion-main")).to_have_text("1280 x 704, 193 frames")
    plan = either.add("StoryMotionShotPlan", {"seconds": 1.0, "size": "16:9 draft 448x256"}, at=(520, 400))
    shot = either.add("StoryMotionDistilled", at=(940, 100))
    either.connect(lora, 0, shot, "model")
    for output, name in enumerate(("width", "height", "frames", "fps")):
        either.connect(plan, output, shot, name)
    expect(either.panel(0).locator(".storymotion-main")).to_have_text("448 x 256, 25 frames")
    expect(either.panel(0)).to_contain_text("bf16, text encoder on cpu")
    either.set_widgets("StoryMotionLTX2Model", {"precision": "fp8"})
    expect(either.panel(0)).to_contain_text("fp8")
    either.set_widgets("StoryMotionLTX2Lora", {"strength": 9})
    expect(either.panel(1).locator(".storymotion-problem")).to_contain_text("strength")
    screenshot(either.page, "preview_models")
    assert either.page_errors == []


def test_the_editor_goes_on_when_the_server_does_not_answer(either: Editor) -> None:
    page = either.page
    broken = re.compile(r"/storymotion/motion/map")

    def fail(route: Route) -> None:
        route.fulfill(status=500, body="not JSON")

    page.route(broken, fail)
    node = either.add("SafeMotionMapper", {"dialogue": LINE})
    expect(either.panel()).to_have_text(texts("en")["no-answer"])
    assert either.prompt()[str(node)]["inputs"]["dialogue"] == LINE
    assert page.locator("[role=dialog]").count() == 0 and either.error_toasts() == []
    page.unroute(broken, fail)
    page.route(broken, lambda route: route.abort())  # as if it were being restarted
    either.set_widgets("SafeMotionMapper", {"dialogue": "..."})
    expect(either.panel()).to_have_text(texts("en")["no-answer"])
    page.unroute(broken)
    expect(either.panel().locator(".storymotion-main")).to_have_text(map_motion("...").preset, timeout=15_000)
    assert either.page_errors == []


def test_other_nodes_are_left_alone(editor: Editor) -> None:
    editor.page.evaluate("() => app.graph.clear()")
    for place, other in enumerate(("LoadImage", "PreviewAny", "KSampler")):
        editor.add(other, at=(100, 100 + 300 * place))
    editor.add("StoryMotionShotPlan", at=(800, 100))
    expect(editor.panel()).to_contain_text("frames")
    assert editor.page.locator(".storymotion-panel").count() == 1
