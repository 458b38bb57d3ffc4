"""The editor in Korean: what nodes, inputs and categories are called, and the help that opens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dev.client import ComfyClient
from dev.processes import ROOT
from dev.server import ComfyServer

from .editor import Editor

pytestmark = pytest.mark.browser
# Everything that the editor says of a node: its title, its inputs with their tooltips, its outputs.
SAID = """() => JSON.stringify(Object.fromEntries(app.graph.nodes.map(node => [node.type, {
    title: node.title,
    category: node.constructor.nodeData.category,
    inputs: Object.fromEntries([
        ...(node.inputs ?? []).map(input => [input.name, input.label ?? input.localized_name ?? input.name]),
        ...(node.widgets ?? []).map(widget => [widget.name, widget.label ?? widget.name])]),
    outputs: (node.outputs ?? []).map(output => output.label ?? output.localized_name ?? output.name),
}])))"""


@pytest.fixture
def korean(page: Page, comfy_server: ComfyServer) -> Iterator[Editor]:
    editor = Editor(page, comfy_server.address)
    editor.open(locale="ko")
    page.evaluate("() => app.graph.clear()")
    yield editor
    page.request.post(f"{comfy_server.address}/settings", data={"Comfy.Locale": "en"})


def texts(file: str) -> dict[str, Any]:
    return json.loads((ROOT / "locales" / "ko" / file).read_text(encoding="utf-8"))


def test_every_node_input_and_output_has_its_korean_name(korean: Editor, comfy_client: ComfyClient) -> None:
    wanted = texts("nodeDefs.json")
    for place, node_id in enumerate(wanted):
        korean.add(node_id, at=(100 + 420 * (place % 7), 100 + 700 * (place // 7)))
    said = json.loads(korean.page.evaluate(SAID))
    assert set(said) == set(wanted) and len(said) >= 19
    for node_id, names in wanted.items():
        found = said[node_id]
        assert found["title"] == names["display_name"]
        inputs = {name: each["name"] for name, each in names.get("inputs", {}).items()}
        assert {name: found["inputs"].get(name) for name in inputs} == inputs, node_id
        assert found["outputs"] == [output["name"] for output in names["outputs"].values()], node_id
    assert korean.page_errors == []


def test_the_library_shows_the_korean_categories(korean: Editor, screenshot: Callable[[Page, str], Path]) -> None:
    categories = texts("main.json")["nodeCategories"]
    page = korean.page
    page.evaluate("() => { app.extensionManager.command.execute('Workspace.ToggleSidebarTab.node-library') }")
    page.get_by_text(categories["StoryMotion"], exact=True).first.click()
    screenshot(page, "library_korean")
    for name in ("Story", "Plan", "Motion", "Video"):
        expect(page.get_by_text(categories[name], exact=True).first).to_be_visible()


def test_help_opens_in_korean_with_its_picture(korean: Editor, screenshot: Callable[[Page, str], Path]) -> None:
    page = korean.page
    node = korean.add("SafeMotionMapper", at=(400, 200))
    page.evaluate("id => { app.canvas.selectItems([app.graph.getNodeById(id)]) }", node)
    page.evaluate("id => app.canvas.centerOnNode(app.graph.getNodeById(id))", node)
    button = page.get_by_test_id("info-button").first
    button.wait_for()
    button.evaluate("button => button.click()")  # it may be under the bar at the top
    title = (ROOT / "js" / "docs" / "SafeMotionMapper" / "ko.md").read_text(encoding="utf-8").splitlines()[0]
    expect(page.get_by_role("heading", name=title.removeprefix("# "))).to_be_visible()
    picture = page.locator("img[src*='gestures.png']")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('img[src*=\"gestures.png\"]').naturalWidth === 400")
    screenshot(page, "help_korean")
    assert korean.page_errors == []
