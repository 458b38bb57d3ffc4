"""The price of a shot as a badge of its node, where the editor has badges."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dev.processes import ROOT
from dev.server import ComfyServer
from storymotion.paid.money import usd_text
from storymotion.paid.seedance.desk import Desk
from storymotion.paid.seedance.request import SeedanceRequest
from storymotion.paid.seedance.run import quote

from ..comfy.test_paid_routes import SMALL
from .editor import Editor
from .test_paid_panel import TEXTS, price_line, won

pytestmark = pytest.mark.browser
ASKED = {**SMALL, "ratio": "16:9", "service_tier": "default"}
TEXTS_KO = json.loads((ROOT / "js" / "texts" / "ko.json").read_text(encoding="utf-8"))
DEARER = ASKED | {"resolution": "1080p", "duration": 10}
# The texts of a whole drawing of the canvas.
NOTE_WHAT_IS_DRAWN = """() => {
    const drawn = []
    const fillText = CanvasRenderingContext2D.prototype.fillText
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        drawn.push(text)
        return fillText.call(this, text, ...rest)
    }
    window.drawnNow = () => {
        drawn.length = 0
        app.canvas.draw(true, true)
        return drawn
    }
}"""


def badge_text(desk: Desk, language: str = "en", **asked: Any) -> str:
    price = quote(SeedanceRequest(prompt="", **asked), desk)
    texts = {"en": TEXTS, "ko": TEXTS_KO}[language]
    return texts["badge"].format(amount=texts["amount-both"].format(usd=usd_text(price.usd), krw=won(price.krw)))


def has_badges_below(editor: Editor) -> bool:
    """Whether badges of nodes that are parts of the page stand below: 1.49 does that, 1.33 puts them over titles."""
    version = editor.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__")
    return tuple(map(int, version.split(".")[:2])) >= (1, 49)


@pytest.fixture
def editors(page: Page, comfy_server: ComfyServer) -> Iterator[Callable[[str], Editor]]:
    """Opens the editor in a language, with an empty graph; afterwards it is English again."""
    editor = Editor(page, comfy_server.address)

    def open_in(language: str) -> Editor:
        editor.open(language)
        page.evaluate("() => app.graph.clear()")
        page.evaluate(NOTE_WHAT_IS_DRAWN)
        return editor

    yield open_in
    page.request.post(f"{comfy_server.address}/settings", data={"Comfy.Locale": "en"})


@pytest.mark.parametrize(("language", "collapsed"), [("en", False), ("ko", True)])
def test_the_price_stands_at_the_head_of_the_node(
    editors: Callable[[str], Editor], desk: Desk, language: str, collapsed: bool
) -> None:
    editor = editors(language)
    usual, dearer = badge_text(desk, language, **ASKED), badge_text(desk, language, **DEARER)
    shot = editor.add("StoryMotionSeedance", {**ASKED, "max_usd": 0.0})
    if collapsed:
        editor.page.evaluate("id => app.graph.getNodeById(id).collapse()", shot)
    wait_until_drawn(editor, usual)
    editor.set_widgets("StoryMotionSeedance", DEARER)
    wait_until_drawn(editor, dearer, instead_of=usual)
    # Not a word of a price where there is none, or where it is known only when it runs.
    editor.set_widgets("StoryMotionSeedance", {"duration": 60})
    wait_until_drawn(editor, "", instead_of=dearer)
    editor.set_widgets("StoryMotionSeedance", ASKED)
    wait_until_drawn(editor, usual)
    assert usual not in editor.page.evaluate("() => JSON.stringify(app.graph.serialize())")
    source = editor.add("PrimitiveInt", at=(-400, 100))
    editor.connect(source, 0, shot, "duration")
    wait_until_drawn(editor, "", instead_of=usual)
    assert editor.page_errors == []


def test_the_price_stands_on_a_node_that_is_part_of_the_page(page: Page, comfy_server: ComfyServer, desk: Desk) -> None:
    editor = Editor(page, comfy_server.address)
    editor.open(vue_nodes=True)
    page.evaluate("() => app.graph.clear()")
    shot = editor.add("StoryMotionSeedance", {**ASKED, "max_usd": 0.0})
    node = page.locator(f"[data-node-id='{shot}']").first
    expect(editor.panel().locator(".storymotion-main")).to_have_text(price_line(desk, **ASKED))
    if has_badges_below(editor):
        expect(node.get_by_text(badge_text(desk, **ASKED), exact=True)).to_be_visible()
        editor.set_widgets("StoryMotionSeedance", DEARER)
        expect(node.get_by_text(badge_text(desk, **DEARER), exact=True)).to_be_visible()
        # The editor's list of inputs has nothing of it.
        if not page.get_by_test_id("properties-panel").is_visible():  # the server knows how it was left
            page.locator('[aria-label*="properties panel" i]').first.click()
        page.evaluate("id => app.canvas.selectItems([app.graph.getNodeById(id)])", shot)
        expect(page.get_by_test_id("properties-panel")).to_contain_text("take")
        assert not re.search("a shot|storymotion_panel", page.get_by_test_id("properties-panel").inner_text())
        editor.set_widgets("StoryMotionSeedance", {"duration": 60})
        expect(node).not_to_contain_text("a shot")
    else:
        page.evaluate("id => { app.graph.getNodeById(id).title = 'Drawn again' }", shot)
        expect(node).to_contain_text("Drawn again")
        expect(node).not_to_contain_text("a shot")
    assert editor.page_errors == []


def test_an_editor_without_badges_shows_the_panel_alone(editor: Editor, desk: Desk) -> None:
    editor.page.evaluate("() => { app.graph.clear(); delete window.LGraphBadge }")
    shot = editor.add("StoryMotionSeedanceQuote", ASKED)
    expect(editor.panel().locator(".storymotion-main")).to_have_text(price_line(desk, **ASKED))
    assert editor.page.evaluate("id => app.graph.getNodeById(id).badges.length", shot) == 1  # the editor's own
    assert editor.page_errors == []


def wait_until_drawn(editor: Editor, text: str, instead_of: str = "") -> None:
    """Until the canvas is drawn with ``text``, and without ``instead_of``."""
    editor.page.wait_for_function(
        """([text, former]) => {
            const drawn = window.drawnNow()
            return drawn.length && (!text || drawn.includes(text)) && (!former || !drawn.includes(former))
        }""",
        arg=[text, instead_of],
    )
