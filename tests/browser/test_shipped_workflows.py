"""The shipped workflows in ComfyUI's editor: they open clean, queue what their API twins say, and end in a film."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dev.client import ComfyClient
from dev.comfyui import ready_comfyui
from dev.demo import REPLACED
from dev.server import ComfyServer, lay_out_data, lay_out_samples

from ..comfy.stories import Story
from .conftest import shipped, shipped_names, twin
from .editor import Editor

pytestmark = pytest.mark.browser
TITLE = 30  # pixels of a node's title, above its position
Screenshot = Callable[[Page, str], Path]


@pytest.mark.parametrize("name", shipped_names())
def test_opens_clean_and_queues_what_its_twin_says(
    editor: Editor, comfy_client: ComfyClient, screenshot: Screenshot, name: str
) -> None:
    workflow = shipped(name)
    editor.load(workflow)

    # Of the models only the public ones are offered, each with its folder; nothing else is complained about.
    offered = [model for node in workflow["nodes"] for model in node["properties"].get("models", [])]
    if offered:
        missing = editor.complaints()
        expect(missing).to_contain_text("Missing Models")
        for model in offered:
            expect(missing).to_contain_text(model["name"])
            expect(missing).to_contain_text(model["directory"])
        assert missing.inner_text().count(".safetensors") == len(offered)
        editor.close_dialogs()
    screenshot(editor.page, name)

    opened = editor.summary()
    assert opened["unregistered"] == []
    assert sorted(opened["types"]) == sorted(node["type"] for node in workflow["nodes"])
    assert opened["links"] == len(workflow["links"])
    assert opened["groups"] == [group["title"] for group in workflow["groups"]]
    assert overlaps(opened["boxes"]) == []
    # A node that needs more room than the file gives it is enlarged, and would cover the next one. Some nodes of
    # ComfyUI itself are smaller until they show something (Save Video in 1.49); that covers nothing.
    sizes = {node["id"]: node["size"] for node in workflow["nodes"]}
    enlarged = {key: size for key, _, size in opened["boxes"] if any(a > b for a, b in zip(size, sizes[key]))}
    assert enlarged == {}

    assert without_the_editors_own(editor.prompt(), comfy_client.get("/object_info")) == twin(name)
    assert editor.page_errors == []
    assert editor.error_toasts() == []


def overlaps(boxes: list[list[Any]]) -> list[tuple[int, int]]:
    """The pairs of nodes whose rectangles, titles included, share a place."""
    return [
        (one, other)
        for (one, (left, top), (width, height)), (other, (x, y), (w, h)) in itertools.combinations(boxes, 2)
        if left < x + w and x < left + width and top - TITLE < y + h and y - TITLE < top + height
    ]


def without_the_editors_own(prompt: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A prompt without inputs that no server knows, such as the text that the editor's preview node shows."""

    def known(class_type: str) -> set[str]:
        return {name for group in definitions[class_type]["input"].values() for name in group}

    return {
        key: node | {"inputs": {name: v for name, v in node["inputs"].items() if name in known(node["class_type"])}}
        for key, node in prompt.items()
    }


def test_the_lora_slot_works_once_it_is_switched_on_as_the_note_says(editor: Editor) -> None:
    editor.load(shipped("03_aggressive_quality"))
    editor.complaints()
    editor.close_dialogs()
    assert "11" not in editor.prompt()
    editor.page.evaluate("() => { app.canvas.selectNode(app.graph.getNodeById(11)); app.canvas.canvas.focus() }")
    editor.page.keyboard.press("Control+b")
    prompt = editor.prompt()
    assert prompt["11"]["class_type"] == "StoryMotionLTX2Lora"
    assert prompt["11"]["inputs"]["model"] == ["1", 0]
    assert prompt["6"]["inputs"]["model"] == ["11", 0]
    assert editor.page_errors == []


def test_templates_offer_them_with_pictures(editor: Editor, screenshot: Screenshot) -> None:
    page = editor.page
    page.evaluate("() => { app.extensionManager.command.execute('Comfy.BrowseTemplates') }")
    dialog = page.locator("[role=dialog]")
    dialog.get_by_text("storymotion", exact=True).click()
    # The pictures are shown from blobs, so their addresses say nothing: a missing one is a grey default.
    loaded = "card => [...card.querySelectorAll('img')].some(each => each.src.startsWith('blob:') && each.naturalWidth)"
    for name in shipped_names():
        title = dialog.get_by_text(name, exact=True)
        card = title.locator("xpath=ancestor::*[.//img][1]")
        # The page may draw its cards anew at any time.
        for _ in range(300):
            card.scroll_into_view_if_needed()  # which makes the page load the picture
            if card.evaluate(loaded):
                break
            page.wait_for_timeout(100)
        assert card.evaluate(loaded), name
        expect(title).to_be_visible()
    screenshot(page, "templates")

    dialog.get_by_text("01_distilled_shot", exact=True).click()
    count = len(shipped("01_distilled_shot")["nodes"])
    page.wait_for_function(f"() => app.graph.nodes.length === {count}")
    assert editor.page_errors == []


def test_run_button_ends_in_a_playing_film(editor: Editor, comfy_client: ComfyClient, screenshot: Screenshot) -> None:
    editor.load(shipped("01_distilled_shot"))
    editor.complaints()  # about the missing models, which the next lines replace
    editor.close_dialogs()
    for class_type, values in REPLACED.items():
        editor.set_widgets(class_type, values)
    editor.set_widgets("StoryMotionShotPlan", {"seconds": 1.0})
    # A shot that ComfyUI has in its cache is not made, and says nothing.
    editor.set_widgets("StoryMotionDistilled", {"seed": 1202})
    before = set(comfy_client.get("/history"))
    editor.run()

    # The editor draws the film when the server says that node 7, Animation Encode, has saved its file.
    film = "app.graph.getNodeById(7).widgets.map(widget => widget.element?.querySelector?.('video')).find(Boolean)"
    editor.page.wait_for_function(f"() => Boolean({film}?.videoWidth)", timeout=90_000)
    assert editor.page.evaluate(f"() => [{film}.videoWidth, {film}.videoHeight]") == [448, 256]
    expect(editor.page.locator("video")).to_be_visible()
    editor.page.evaluate(f"() => {film}.play()")
    editor.page.wait_for_function(f"() => {film}.currentTime > 0")
    (entry,) = [entry for key, entry in comfy_client.get("/history").items() if key not in before]
    assert entry["status"]["status_str"] == "success", entry["status"]
    shown = "document.body.innerText + [...document.querySelectorAll('textarea')].map(area => area.value)"
    editor.page.wait_for_function(f"() => ({shown}).includes('25 frames of 448 x 256')")  # the report
    editor.page.wait_for_function(f"() => ({shown}).includes('A-head-turn')")  # the reason
    # What Preview Any shows of the reports is on the nodes themselves, too.
    outputs = entry["outputs"]
    assert editor.told(6) == outputs["9"]["text"][0].splitlines() == outputs["6"]["text"][0].splitlines()
    assert editor.told(7) == outputs["7"]["text"][0].splitlines()
    screenshot(editor.page, "01_distilled_shot_done")
    assert overlaps(editor.summary()["boxes"]) == []  # a node grows while it shows progress as text
    assert editor.page_errors == []
    assert editor.error_toasts() == []


def test_a_story_ends_in_a_playing_film_and_a_report_of_every_scene(
    editor: Editor, comfy_client: ComfyClient, comfy_server: ComfyServer, screenshot: Screenshot
) -> None:
    story = Story(comfy_server, "browser", (70, 71))
    editor.load(shipped("08_story_distilled"))
    editor.complaints()
    editor.close_dialogs()
    for class_type, values in REPLACED.items():
        editor.set_widgets(class_type, values)
    editor.set_widgets("StoryMotionLoadStory", {"story": story.file.name})
    check = editor.add("StoryMotionCheckShot", at=(2700, 0))
    editor.connect(6, 0, check, "video")
    editor.run()

    film = "app.graph.getNodeById(16).widgets.map(widget => widget.element?.querySelector?.('video')).find(Boolean)"
    editor.page.wait_for_function(f"() => Boolean({film}?.videoWidth)", timeout=90_000)
    editor.page.evaluate(f"() => {film}.play()")
    editor.page.wait_for_function(f"() => {film}.currentTime > 0")
    shown = "document.body.innerText + [...document.querySelectorAll('textarea')].map(area => area.value)"
    for text in ("Scene 1 (one): ", "Scene 2 (two): ", "2 shots, 448 x 256, 26 frames"):
        editor.page.wait_for_function(f"() => ({shown}).includes({text!r})")
    (report,) = editor.page.evaluate("() => app.nodeOutputs[16].text")
    assert editor.told(16)[1:] == report.splitlines()
    # Of lists a row for each scene, then the report.
    (report,) = editor.page.evaluate("() => app.nodeOutputs[6].text")
    assert editor.told(6)[1:] == report.splitlines()
    assert sum(row.startswith("Scene ") for row in editor.told(6)) >= 2
    names, lengths = ("1 one", "2 two"), ("0.38 s", "0.71 s")
    assert table(editor, 2) == [["Scene", "Length"], ["1 one", "0.30 s"], ["2 two", "0.60 s"]]
    done = [[name, "\u2713done", length] for name, length in zip(names, lengths)]
    assert table(editor, 6) == [["Scene", "Result", "Length"], *done]
    assert table(editor, 16) == [["Scene", "Result", "Length"], *([name[:1], *rest] for name, *rest in done)]
    judged = table(editor, check)
    assert judged[0] == ["Scene", "Result", "Length", "Score"]
    assert [(row[0], row[2]) for row in judged[1:]] == [("1", lengths[0]), ("2", lengths[1])]
    marks = {"\u2713pass", "?look", "\u2717retake"}
    assert all(row[1] in marks and 0 <= float(row[3]) <= 1 for row in judged[1:])
    files = [file["filename"] for file in editor.page.evaluate("() => app.nodeOutputs[7].images")]
    rows = [[str(place + 1), lengths[place], f"\u25b6 {file}"] for place, file in enumerate(files)]
    assert table(editor, 7) == [["Scene", "Length", "Video"], *rows]
    # Every saved shot plays, not only the first: with the keyboard, in its row.
    editor.page.evaluate("() => { app.canvas.ds.scale = 1; app.canvas.centerOnNode(app.graph.getNodeById(7)) }")
    button = editor.page.get_by_role("button", name=files[1])
    button.focus()
    editor.page.keyboard.press("Enter")
    video = editor.page.locator(".storymotion-player video")
    expect(video).to_have_attribute("src", re.compile(re.escape(files[1])))
    editor.page.wait_for_function("() => document.querySelector('.storymotion-player video').videoWidth === 448")
    screenshot(editor.page, "08_story_rows")
    editor.page.keyboard.press("Enter")
    expect(video).to_have_count(0)
    editor.page.evaluate("id => app.canvas.centerOnNode(app.graph.getNodeById(id))", check)
    screenshot(editor.page, "08_story_checked")
    # Dialogue comes over a link: known now that it has run.
    first, *rest = editor.told(5)
    assert first.startswith("Known when it runs: dialogue")
    assert any("because" in row for row in rest)
    screenshot(editor.page, "08_story_distilled_done")
    assert overlaps(editor.summary()["boxes"]) == []
    assert editor.page_errors == []
    assert editor.error_toasts() == []


def table(editor: Editor, node: int) -> list[list[str]]:
    """The cells of the rows that StoryMotion shows on that node, as soon as there are some."""
    found = editor.page.wait_for_function(
        """id => {
            const widget = app.graph.getNodeById(id).widgets.find(widget => widget.name === 'storymotion_panel')
            const table = widget.element.querySelector('table')
            return table && [...table.rows].map(row => [...row.cells].map(cell => cell.textContent))
        }""",
        arg=node,
    )
    return found.json_value()


@pytest.fixture(scope="module")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A server as it is after the pack was installed: no model file anywhere. Tests may restart it."""
    data = tmp_path_factory.mktemp("empty")
    lay_out_data(data)
    lay_out_samples(data)
    python = Path(sys.executable)
    with ComfyServer(python, ready_comfyui(python), data) as server:
        yield server


def test_without_models_the_page_says_which_file_goes_where(
    page: Page, empty_server: ComfyServer, screenshot: Screenshot
) -> None:
    editor = Editor(page, empty_server.address)
    editor.open()
    editor.load(shipped("01_distilled_shot"))
    editor.complaints()
    editor.close_dialogs()
    editor.run()
    # Not what stands on the node before it runs.
    elsewhere = page.locator(":not(.storymotion-problem)")
    sentence = page.get_by_text("There is no LTX-2 checkpoint in").and_(elsewhere).first
    expect(sentence).to_be_visible(timeout=20_000)
    expect(sentence).to_contain_text(str(empty_server.data / "models" / "checkpoints"))
    screenshot(page, "no_models")
    assert editor.page_errors == []


def test_an_open_page_goes_on_after_the_server_was_restarted(page: Page, empty_server: ComfyServer) -> None:
    editor = Editor(page, empty_server.address)
    editor.open()
    page.evaluate("() => app.graph.clear()")
    mapper = editor.add("SafeMotionMapper", {"dialogue": "Before!"})
    editor.connect(mapper, 3, editor.add("PreviewAny", at=(600, 100)), "source")
    gesture = editor.panel().locator(".storymotion-main")
    expect(gesture).to_have_text("A-head-turn")
    empty_server.kill()
    editor.set_widgets("SafeMotionMapper", {"dialogue": "Are you there?"})
    expect(gesture).to_have_count(0)  # it says that the server does not answer
    assert editor.prompt()[str(mapper)]["inputs"]["dialogue"] == "Are you there?"
    empty_server.start()
    # Nobody touches the node: the same question is asked again.
    expect(gesture).to_have_text("D-micro-nod", timeout=20_000)
    editor.run()
    preview = "document.body.innerText + [...document.querySelectorAll('textarea')].map(area => area.value)"
    page.wait_for_function(f"() => ({preview}).includes('D-micro-nod')", timeout=30_000)
    with ComfyClient(empty_server.address) as client:
        (entry,) = client.get("/history").values()
    assert entry["status"]["status_str"] == "success", entry["status"]
    assert editor.page_errors == []
