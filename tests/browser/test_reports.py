"""What nodes say after they ran, where nodes are parts of the page; on the canvas test_shipped_workflows.py looks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dev.client import ComfyClient
from dev.demo import REPLACED
from dev.processes import ROOT
from dev.server import ComfyServer

from .conftest import shipped
from .editor import Editor

pytestmark = pytest.mark.browser
SHOT, ENCODE = 6, 7
TEXTS = json.loads((ROOT / "js" / "texts" / "en.json").read_text(encoding="utf-8"))


def test_reports_and_video_stand_on_the_nodes(
    page: Page, comfy_server: ComfyServer, comfy_client: ComfyClient, screenshot: Callable[[Page, str], Path]
) -> None:
    editor = Editor(page, comfy_server.address)
    editor.open(vue_nodes=True)
    editor.load(shipped("01_distilled_shot"))
    editor.complaints()
    editor.close_dialogs()
    for class_type, values in REPLACED.items():
        editor.set_widgets(class_type, values)
    editor.set_widgets("StoryMotionShotPlan", {"seconds": 1.0})
    # A shot that ComfyUI has in its cache is not made, and says nothing.
    editor.set_widgets("StoryMotionDistilled", {"seed": 1201})
    before = set(comfy_client.get("/history"))
    encoded = page.locator(f"[data-node-id='{ENCODE}']")
    expect(encoded.locator(".storymotion-panel")).to_have_text(TEXTS["report-later"])
    editor.run()
    expect(encoded.locator(".storymotion-panel")).to_contain_text("448 x 256", timeout=90_000)
    expect(encoded.locator("video")).to_have_count(1)
    page.wait_for_function(f"() => document.querySelector(\"[data-node-id='{ENCODE}'] video\").videoWidth === 448")
    (entry,) = [entry for key, entry in comfy_client.get("/history").items() if key not in before]
    for node in (SHOT, ENCODE):
        (report,) = entry["outputs"][str(node)]["text"]
        assert editor.told(node) == report.splitlines()
    page.evaluate(
        """id => {
            app.canvas.ds.scale = 1
            app.canvas.centerOnNode(app.graph.getNodeById(id))
            app.canvas.setDirty(true, true)
        }""",
        SHOT,
    )
    expect(page.locator(f"[data-node-id='{SHOT}'] .storymotion-panel")).to_contain_text("25 frames")
    # A long report is scrolled, and does not push the node over the next one.
    height = "document.querySelector(\"[data-node-id='6'] .storymotion-panel\").clientHeight"
    assert page.evaluate(f"() => {height}") < 200
    screenshot(page, "reports_vue")

    # What ComfyUI has in its cache is told as it was made: the shot, when only the file is made anew.
    told = editor.told(SHOT)
    editor.set_widgets("StoryMotionAnimationEncode", {"crf": 20.5})
    editor.run()
    expect(encoded.locator(".storymotion-panel")).to_contain_text("crf 20.5", timeout=60_000)
    earlier = re.compile(TEXTS["report-earlier"].format(time=".*"))
    expect(page.locator(f"[data-node-id='{SHOT}'] .storymotion-quiet")).to_have_text(earlier)
    assert editor.told(SHOT)[1:] == told
    saved = editor.told(ENCODE)

    # And so it is after the page was loaded anew, with the video.
    workflow = json.loads(page.evaluate("() => JSON.stringify(app.graph.serialize())"))
    editor.open(vue_nodes=True)
    editor.load(workflow)
    expect(encoded.locator(".storymotion-panel")).to_contain_text("crf 20.5")
    page.wait_for_function(f"() => document.querySelector(\"[data-node-id='{ENCODE}'] video\").videoWidth === 448")
    assert editor.told(SHOT)[1:] == told and editor.told(ENCODE)[1:] == saved
    assert earlier.fullmatch(editor.told(ENCODE)[0])
    screenshot(page, "reports_again_vue")
    # Other inputs, other results: nothing is claimed of them.
    next(node for node in workflow["nodes"] if node["id"] == 5)["widgets_values"][0] = "Another line."
    editor.close_dialogs()
    editor.load(workflow)
    expect(encoded.locator(".storymotion-panel")).to_have_text(TEXTS["report-later"])
    assert editor.page_errors == []
    assert editor.error_toasts() == []


def test_a_verdict_is_a_word_with_a_mark(
    page: Page, comfy_server: ComfyServer, comfy_client: ComfyClient, screenshot: Callable[[Page, str], Path]
) -> None:
    editor = Editor(page, comfy_server.address)
    editor.open(locale="ko", vue_nodes=True, dark=False)
    try:
        editor.load({"version": 0.4, "last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "groups": []})
        source = editor.add("LoadVideo", {"file": "storymotion_reference.mp4"})
        check = editor.add("StoryMotionCheckShot", at=(520, 100))
        editor.connect(source, 0, check, "video")
        editor.run()
        words = json.loads((ROOT / "js" / "texts" / "ko.json").read_text(encoding="utf-8"))
        verdict = page.locator(f"[data-node-id='{check}'] .storymotion-main")
        expect(verdict).to_be_visible(timeout=60_000)
        report, row = page.evaluate("id => [app.nodeOutputs[id].text[0], app.nodeOutputs[id].storymotion[0]]", check)
        judged = json.loads(row)
        mark = {"pass": "\u2713", "look": "?", "retake": "\u2717"}[judged["state"]]
        word = words["verdict-" + judged["state"]]
        expect(verdict).to_have_text(f"{mark}{word} ({judged['score']:.2f})")
        assert word in report and editor.told(check)[1:] == report.splitlines()
        expect(page.locator(f"[data-node-id='{check}'] img").first).to_be_visible()  # the plot, and no broken video
        screenshot(page, "check_korean_light_vue")
    finally:
        comfy_client.post("/settings", {"Comfy.Locale": "en", "Comfy.ColorPalette": "dark"})
    assert editor.page_errors == []
