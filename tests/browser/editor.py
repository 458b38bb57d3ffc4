"""ComfyUI's editor in a real browser, as a person sees it: open a workflow, press Run, read what the page says."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page, Request, Route, expect

SECONDS_TO_OPEN = 60
# The page as a returning user has it: no welcome dialog over it, and nothing left from the test before.
SETTINGS = {
    "Comfy.Minimap.Visible": False,
    "Comfy.TutorialCompleted": True,
    "Comfy.VueNodes.Enabled": False,
    "Comfy.Workflow.Persist": False,
}
# The first workflow comes last: what is done to the page before it is undone. The editor 1.33 opens none.
READY = """() => Boolean(window.app?.graph && app.canvas && LiteGraph.registered_node_types['SafeMotionMapper']
    && (app.extensionManager.workflow.activeWorkflow || __COMFYUI_FRONTEND_VERSION__.startsWith("1.33.")))"""
# Values travel as JSON text: playwright would turn `undefined` into null, which the editor takes for a broken workflow.
SUMMARY = """() => JSON.stringify({
    types: app.graph.nodes.map(node => node.type),
    unregistered: app.graph.nodes.map(node => node.type).filter(type => !LiteGraph.registered_node_types[type]),
    boxes: app.graph.nodes.map(node => [Number(node.id), [...node.pos], [...node.size]]),
    links: [...app.graph.links.values()].length,
    groups: app.graph.groups.map(group => group.title),
})"""


class Editor:
    """A browser page with the editor of the ComfyUI at ``address`` ("http://127.0.0.1:8188") in it.

    ``page_errors`` collects what the page's own scripts raise. The page reaches nothing but that server.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.page_errors: list[str] = []
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        page.route("**/*", self._keep_on_this_machine)

    def open(self, locale: str = "en", vue_nodes: bool = False, dark: bool = True) -> None:
        """Load the editor in the language ``locale``; wait until the pack's nodes are registered in it.

        ``vue_nodes``: nodes are drawn as parts of the page, not on the canvas.
        """
        # The server keeps the settings; ours have to be there before the page reads them.
        look = {"Comfy.VueNodes.Enabled": vue_nodes, "Comfy.ColorPalette": "dark" if dark else "light"}
        answer = self.page.request.post(f"{self.address}/settings", data=SETTINGS | look | {"Comfy.Locale": locale})
        assert answer.ok, answer.status
        self.page.goto(self.address)
        self.page.wait_for_function(READY, timeout=SECONDS_TO_OPEN * 1000)

    def load(self, workflow: dict[str, Any]) -> None:
        """Open a workflow (editor's format) in a new tab."""
        text = json.dumps(workflow)
        self.page.evaluate("async text => { await app.loadGraphData(JSON.parse(text), true, true, 'test') }", text)

    def summary(self) -> dict[str, Any]:
        """Types, boxes, links and groups of the open workflow, and the types that nobody registered."""
        return json.loads(self.page.evaluate(SUMMARY))

    def prompt(self) -> dict[str, Any]:
        """What the editor would queue (API format), without its own "_meta"."""
        text = self.page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)")
        return {key: {"class_type": n["class_type"], "inputs": n["inputs"]} for key, n in json.loads(text).items()}

    def add(self, class_type: str, values: dict[str, Any] | None = None, at: tuple[int, int] = (100, 100)) -> int:
        """Put a node of that class on the canvas; its id."""
        return self.page.evaluate(
            """text => {
                const [type, values, position] = JSON.parse(text)
                const node = LiteGraph.createNode(type)
                node.pos = position
                app.graph.add(node)
                for (const [name, value] of Object.entries(values))
                    node.widgets.find(widget => widget.name === name).value = value
                return Number(node.id)
            }""",
            json.dumps([class_type, values or {}, at]),
        )

    def connect(self, source: int, output: int, target: int, name: str) -> None:
        """Link an output (by number) of one node to an input (by name) of another."""
        self.page.evaluate(
            """([source, output, target, name]) => {
                const node = app.graph.getNodeById(target)
                const slot = node.inputs.findIndex(input => input.name === name)
                app.graph.getNodeById(source).connect(output, node, slot)
            }""",
            [source, output, target, name],
        )

    def told(self, node: int) -> list[str]:
        """The rows that StoryMotion shows on that node; they are hidden while the canvas is zoomed out."""
        return self.page.evaluate(
            """id => [...app.graph.getNodeById(id).widgets.find(widget => widget.name === 'storymotion_panel')
                .element.children].map(row => row.textContent)""",
            node,
        )

    def panel(self, number: int = 0) -> Locator:
        """What StoryMotion shows on its nodes: the panel that was put on the page as ``number``."""
        return self.page.locator(".storymotion-panel").nth(number)

    def set_widgets(self, class_type: str, values: dict[str, Any]) -> None:
        """Set widgets of every node of that class, as typing into them would."""
        self.page.evaluate(
            """text => {
                const [type, values] = JSON.parse(text)
                for (const node of app.graph.nodes.filter(node => node.type === type))
                    for (const [name, value] of Object.entries(values))
                        node.widgets.find(widget => widget.name === name).value = value
            }""",
            json.dumps([class_type, values]),
        )

    def run(self) -> None:
        """Press the Run button."""
        self.page.click('[data-testid="queue-button"]')

    def complaints(self) -> Locator:
        """Where the editor lists what is wrong, opened: a dialog (1.33) or the panel behind "View details" (1.49)."""
        dialog = self.page.locator("[role=dialog]")
        details = self.page.get_by_text("View details", exact=True)
        expect(dialog.or_(details).first).to_be_visible()
        if not details.is_visible():
            return dialog
        details.click()
        return self.page.get_by_test_id("properties-panel")

    def close_dialogs(self) -> None:
        """Press Escape until no dialog is left."""
        dialogs = self.page.locator("[role=dialog]")
        while dialogs.count():
            self.page.keyboard.press("Escape")
            dialogs.first.wait_for(state="detached")

    def error_toasts(self) -> list[str]:
        """The error messages that pop up at the edge of the page and are there now."""
        return self.page.locator(".p-toast-message-error").all_inner_texts()

    def _keep_on_this_machine(self, route: Route, request: Request) -> None:
        if request.url.startswith((self.address, "blob:", "data:")):
            route.continue_()
        else:
            route.abort()
