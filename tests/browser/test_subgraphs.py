"""Nodes inside a subgraph: what stands on the subgraph's own node is what they are asked about."""

from __future__ import annotations

import pytest

from storymotion.motion.mapper import map_motion
from storymotion.paid.seedance.desk import Desk

from .editor import Editor
from .test_paid_panel import TEXTS, price_line
from .test_price_badge import ASKED

pytestmark = pytest.mark.browser
# Turns nodes into a subgraph whose node has the inputs `taken`: id of a node -> name of its input.
INTO_A_SUBGRAPH = """taken => {
    const nodes = Object.keys(taken).map(id => app.graph.getNodeById(Number(id)))
    const names = Object.fromEntries(nodes.map(node => [node.type, taken[node.id]]))
    const { node } = app.graph.convertToSubgraph(new Set(nodes))
    for (const inner of node.subgraph.nodes) {
        const slot = inner.inputs.find(input => input.name === names[inner.type])
        node.subgraph.addInput(slot.name, slot.type).connect(slot, inner)
    }
    window.outer = node
}"""
TOLD_INSIDE = """() => Object.fromEntries(outer.subgraph.nodes.map(node => [
    node.type, node.widgets.find(widget => widget.name === 'storymotion_panel').element.firstChild?.textContent]))"""
SET_OUTSIDE = """values => {
    for (const [name, value] of Object.entries(values)) outer.widgets.find(widget => widget.name === name).value = value
}"""


def test_widgets_of_the_subgraphs_node_are_followed(editor: Editor, desk: Desk) -> None:
    page = editor.page
    page.evaluate("() => app.graph.clear()")
    mapper = editor.add("SafeMotionMapper", {"dialogue": "Hello there!"})
    quote = editor.add("StoryMotionSeedanceQuote", ASKED, at=(600, 100))
    page.evaluate(INTO_A_SUBGRAPH, {str(mapper): "dialogue", str(quote): "duration"})
    wait_until_told(editor, map_motion("Hello there!").preset, price_line(desk, **ASKED))
    page.evaluate(SET_OUTSIDE, {"dialogue": "Are you coming?", "duration": 10})
    gesture, price = map_motion("Are you coming?").preset, price_line(desk, **{**ASKED, "duration": 10})
    assert gesture != map_motion("Hello there!").preset
    wait_until_told(editor, gesture, price)
    queued = {node["class_type"]: node["inputs"] for node in editor.prompt().values()}
    assert queued["StoryMotionSeedanceQuote"]["duration"] == 10  # what is quoted is what would be sent
    # Where two nodes share the subgraph, the one inside stands for both.
    page.evaluate("() => app.graph.add(LiteGraph.createNode(outer.subgraph.id))")
    later = TEXTS["known-when-it-runs"]
    # Newer editors have taken the seed out as well.
    outside = page.evaluate("() => outer.inputs.map(input => input.name)")
    inputs = ", ".join(name for name in ("dialogue", "seed") if name in outside)
    wait_until_told(editor, later.format(inputs=inputs), later.format(inputs="duration"))
    assert editor.page_errors == []


def wait_until_told(editor: Editor, gesture: str, price: str) -> None:
    """Until the panels of the two nodes begin with that."""
    wanted = {"SafeMotionMapper": gesture, "StoryMotionSeedanceQuote": price}
    for _ in range(100):
        if (told := editor.page.evaluate(TOLD_INSIDE)) == wanted:
            return
        editor.page.wait_for_timeout(100)
    assert told == wanted
