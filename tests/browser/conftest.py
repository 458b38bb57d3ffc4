"""A real Chromium for the whole run, and a fresh editor page for each test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from dev.browser import find_chromium
from dev.fake_seedance import FakeSeedance
from dev.fake_seedance_process import wiring
from dev.processes import ROOT
from dev.server import ComfyServer
from storymotion.paid.seedance.desk import Desk

from .editor import Editor

WORKFLOWS = ROOT / "workflows"
# Nothing that calls home or needs a GPU; the sandbox does not work for root in a container.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def shipped(name: str) -> dict[str, Any]:
    """A shipped workflow in the editor's format."""
    return json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))


def twin(name: str) -> dict[str, Any]:
    """The same workflow in API format."""
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))


def shipped_names() -> list[str]:
    """All shipped workflows."""
    return sorted(file.stem for file in WORKFLOWS.glob("*.json"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The installed Chromium. Without one the tests are skipped, in CI they fail."""
    executable = find_chromium()
    if executable is None:
        reason = "no Chromium: install one or name it in STORYMOTION_CHROMIUM"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a fresh browser profile."""
    context = chromium.new_context(viewport={"width": 1600, "height": 950})
    yield context.new_page()
    context.close()


@pytest.fixture
def editor(page: Page, comfy_server: ComfyServer) -> Editor:
    """The editor of the server with the tiny models."""
    editor = Editor(page, comfy_server.address)
    editor.open()
    return editor


@pytest.fixture
def desk(comfy_server: ComfyServer, fake_seedance: FakeSeedance) -> Desk:
    """The server's own journal, from this process."""
    return Desk(comfy_server.data / "user", environ=wiring(fake_seedance.base_url, comfy_server.data))


@pytest.fixture(scope="session")
def screenshot() -> Callable[[Page, str], Path]:
    """Saves what a page shows under .cache/screenshots, for people to look at."""
    folder = ROOT / ".cache" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)

    def save(page: Page, name: str) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path=path)
        return path

    return save
