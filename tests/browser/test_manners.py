"""Manners: the editor works without the pack's scripts and answers, nobody else is asked, and everyone can read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dev.client import ComfyClient
from dev.processes import ROOT
from dev.server import ComfyServer

from .editor import Editor

pytestmark = pytest.mark.browser
Screenshot = Callable[[Page, str], Path]
SCRIPTS = "/extensions/storymotion/"
# Where the pack's texts have to be read from: WCAG 2.2, success criterion 1.4.3.
LEAST_CONTRAST = 4.5
# The contrast of every text that a panel shows, by the text's class, with what is behind it blended in.
CONTRASTS = """() => {
    // Any notation of a colour, as the browser paints it: red, green, blue, and how much it covers.
    const brush = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
    const parse = text => {
        brush.clearRect(0, 0, 1, 1)
        brush.fillStyle = text
        brush.fillRect(0, 0, 1, 1)
        const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data
        return [r, g, b, a / 255]
    }
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1)
    const luminance = color => {
        const [r, g, b] = color.slice(0, 3).map(each => each / 255)
            .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const background = element => {
        const layers = []
        for (let each = element; each; each = each.parentElement) {
            const color = parse(getComputedStyle(each).backgroundColor)
            if (color[3] > 0) layers.push(color)
            if (color[3] === 1) break
        }
        return layers.reduceRight((below, top) => over(top, below), [128, 128, 128, 1])
    }
    const found = {}
    for (const element of document.querySelectorAll('.storymotion-panel *')) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
        if (!own || !element.getClientRects().length || element.closest('button:disabled')) continue
        const behind = background(element)
        const [one, other] = [luminance(over(parse(getComputedStyle(element).color), behind)), luminance(behind)]
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
        found[element.className] = Math.min(found[element.className] ?? 21, contrast)
    }
    return JSON.stringify(found)
}"""


def texts(language: str) -> dict[str, str]:
    return json.loads((ROOT / "js" / "texts" / f"{language}.json").read_text(encoding="utf-8"))


@pytest.fixture(params=["classic", "vue"])
def vue_nodes(request: pytest.FixtureRequest) -> bool:
    return request.param == "vue"


@pytest.fixture
def settled(page: Page, comfy_server: ComfyServer) -> Iterator[Editor]:
    """An editor that is not open yet; afterwards the server's settings are as other tests know them."""
    yield Editor(page, comfy_server.address)
    page.request.post(f"{comfy_server.address}/settings", data={"Comfy.ColorPalette": "dark", "Comfy.Locale": "en"})


def add_every_node(editor: Editor, client: ComfyClient) -> list[str]:
    """Put one node of each class of the pack on an empty canvas."""
    editor.page.evaluate("() => app.graph.clear()")
    known = client.get("/object_info")
    ours = [name for name, info in known.items() if info["python_module"] == "custom_nodes.storymotion"]
    for place, name in enumerate(ours):
        editor.add(name, at=(100 + 420 * (place % 7), 100 + 700 * (place // 7)))
    assert len(ours) >= 19
    return ours


def queue_a_gesture(editor: Editor, client: ComfyClient, line: str) -> str:
    """Press Run on Safe Motion Mapper and Preview Any; what the server says of the run, with what was shown."""
    editor.page.evaluate("() => app.graph.clear()")
    mapper = editor.add("SafeMotionMapper", {"dialogue": line})
    shown = editor.add("PreviewAny", at=(600, 100))
    editor.connect(mapper, 3, shown, "source")
    before = set(client.get("/history"))
    editor.run()
    for _ in range(300):
        new = [entry for key, entry in client.get("/history").items() if key not in before]
        if new:
            assert new[0]["status"]["status_str"] == "success", new[0]["status"]
            return new[0]["outputs"][str(shown)]["text"][0]
        editor.page.wait_for_timeout(100)
    raise AssertionError("the run did not end")


def test_without_its_scripts_the_editor_works_and_nodes_run(
    settled: Editor, comfy_client: ComfyClient, vue_nodes: bool
) -> None:
    settled.page.route(f"**{SCRIPTS}**", lambda route: route.abort())
    settled.open(vue_nodes=vue_nodes)
    add_every_node(settled, comfy_client)
    assert settled.page.locator(".storymotion-panel").count() == 0
    assert queue_a_gesture(settled, comfy_client, "Without scripts!") == "A-head-turn"
    assert settled.page_errors == []
    assert settled.error_toasts() == []


def test_when_every_answer_fails_the_editor_works_and_nodes_run(
    settled: Editor, comfy_client: ComfyClient, vue_nodes: bool
) -> None:
    asked: set[str] = set()

    def fail(route: Any) -> None:
        asked.add(re.sub(r".*/storymotion/|\?.*", "", route.request.url))
        route.fulfill(status=500, body="<html>not JSON")

    settled.page.route(re.compile(r"/api/storymotion/"), fail)
    settled.open(vue_nodes=vue_nodes)
    add_every_node(settled, comfy_client)
    silent = texts("en")["no-answer"]
    expect(settled.page.locator(".storymotion-panel").filter(has_text=silent).first).to_be_attached()
    for _ in range(50):
        if asked >= {"motion/map", "shot/plan", "paid/quote", "paid/gate", "paid/spend", "paid/tasks"}:
            break
        settled.page.wait_for_timeout(100)
    assert asked >= {"motion/map", "shot/plan", "paid/quote", "paid/gate", "paid/spend", "paid/tasks"}
    assert queue_a_gesture(settled, comfy_client, "All routes are broken?") == "D-micro-nod"
    assert settled.page_errors == []
    assert settled.error_toasts() == [] and settled.page.locator("[role=dialog]").count() == 0


def test_its_scripts_ask_nobody_but_the_server(
    chromium: Browser, comfy_server: ComfyServer, comfy_client: ComfyClient
) -> None:
    # The test's server forbids the page to ask others, which would hide that it tries.
    context = chromium.new_context(bypass_csp=True)
    page = context.new_page()
    editor = Editor(page, comfy_server.address)
    started: list[dict[str, Any]] = []
    session = context.new_cdp_session(page)
    session.on("Network.requestWillBeSent", lambda event: started.append(event))
    session.send("Network.enable")
    editor.open()
    add_every_node(editor, comfy_client)
    expect(editor.panel()).not_to_be_empty()
    page.wait_for_timeout(1500)  # for the questions of all other nodes
    context.close()
    assert any(not event["request"]["url"].startswith(editor.address) for event in started), "the editor asks others"
    ours = [event["request"]["url"] for event in started if SCRIPTS in json.dumps(event["initiator"])]
    assert any("/storymotion/motion/map" in url for url in ours), "the check sees what the scripts ask"
    assert any("/storymotion/paid/quote" in url for url in ours)
    assert [url for url in ours if not url.startswith((f"{editor.address}/", "data:", "blob:"))] == []


@pytest.mark.parametrize("dark", [True, False], ids=["dark", "light"])
def test_every_text_can_be_read(
    settled: Editor, comfy_client: ComfyClient, vue_nodes: bool, dark: bool, screenshot: Screenshot
) -> None:
    settled.open(vue_nodes=vue_nodes, dark=dark)
    settled.page.evaluate("() => app.graph.clear()")
    settled.add("SafeMotionMapper", {"dialogue": "Readable!"})  # main and rows
    settled.add("StoryMotionLTX2Lora", at=(520, 100))  # quiet
    settled.add("StoryMotionShotPlan", {"size": "from image"}, at=(520, 500))  # problem
    settled.add("StoryMotionSeedance", {"max_usd": 0.0}, at=(940, 100))  # buttons
    for shown in (".storymotion-main", ".storymotion-quiet", ".storymotion-problem", ".storymotion-label"):
        expect(settled.page.locator(shown).first).not_to_be_empty()
    expect(settled.page.locator(".storymotion-panel [hidden]").filter(visible=True)).to_have_count(0)
    found = json.loads(settled.page.evaluate(CONTRASTS))
    screenshot(settled.page, f"manners_{'vue' if vue_nodes else 'classic'}_{'dark' if dark else 'light'}")
    assert {"storymotion-main", "storymotion-row", "storymotion-quiet", "storymotion-problem"} <= set(found)
    assert {name: round(ratio, 2) for name, ratio in found.items() if ratio < LEAST_CONTRAST} == {}


def test_panels_and_buttons_are_reached_with_the_tab_key(settled: Editor, vue_nodes: bool) -> None:
    settled.open(vue_nodes=vue_nodes)
    settled.page.evaluate("() => app.graph.clear()")
    settled.add("StoryMotionSeedance", {"max_usd": 0.0})
    expect(settled.panel().get_by_role("button", name="Locked")).to_be_visible()
    wanted = {"storymotion-panel", "storymotion-lock"}
    reached: set[str] = set()
    for _ in range(150):
        settled.page.keyboard.press("Tab")
        reached |= set(settled.page.evaluate("() => [...document.activeElement.classList]"))
        if reached >= wanted:
            break
    assert reached >= wanted
    # Names for those who hear the page.
    expect(settled.page.get_by_role("status", name="StoryMotion")).to_be_visible()
