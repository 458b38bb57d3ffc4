"""The pack's settings in the editor's dialog, as a person finds and changes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from dev.client import ComfyClient
from dev.processes import ROOT
from dev.server import ComfyServer

from .editor import Editor

pytestmark = pytest.mark.browser
SHOT_STORE = "StoryMotion.ShotStoreGB"


def setting_texts(language: str) -> dict[str, Any]:
    """What the pack's settings are called."""
    return json.loads((ROOT / "locales" / language / "settings.json").read_text(encoding="utf-8"))


def open_settings(page: Page) -> Locator:
    """The settings dialog, with the pack's page in it."""
    page.evaluate("() => { app.extensionManager.command.execute('Comfy.ShowSettingsDialog') }")
    dialog = page.locator("[role=dialog]")
    dialog.get_by_text("StoryMotion", exact=True).first.click()
    return dialog


def test_room_for_finished_shots(
    editor: Editor, comfy_client: ComfyClient, comfy_server: ComfyServer, screenshot: Callable[[Page, str], Path]
) -> None:
    texts = setting_texts("en")["StoryMotion_ShotStoreGB"]
    dialog = open_settings(editor.page)
    expect(dialog.get_by_text(texts["name"])).to_be_visible()
    field = dialog.locator(".setting-item").filter(has_text=texts["name"]).get_by_role("spinbutton")
    expect(field).to_have_value("30")
    screenshot(editor.page, "settings")
    try:
        field.click(click_count=3)
        field.press_sequentially("12")
        field.press("Tab")
        for _ in range(50):
            if comfy_client.get("/settings").get(SHOT_STORE) == 12:
                break
            editor.page.wait_for_timeout(100)
        # This is the file that the nodes read.
        stored = comfy_server.data / "user" / "default" / "comfy.settings.json"
        assert json.loads(stored.read_text(encoding="utf-8"))[SHOT_STORE] == 12
    finally:
        comfy_client.post("/settings", {SHOT_STORE: 30})
    assert editor.page_errors == []


@pytest.mark.parametrize("locale", ["en", "ko"])
def test_all_settings_are_there(
    page: Page,
    comfy_client: ComfyClient,
    comfy_server: ComfyServer,
    screenshot: Callable[[Page, str], Path],
    locale: str,
) -> None:
    editor = Editor(page, comfy_server.address)
    editor.open(locale=locale, dark=locale == "en")
    try:
        dialog = open_settings(page)
        texts = setting_texts(locale)
        for text in texts.values():
            expect(dialog.get_by_text(text["name"], exact=True)).to_have_count(1)
        # The time zone of the billing day is the gate's, and nothing here can change it.
        day = dialog.locator(".storymotion-zone")
        expect(day).to_contain_text("Asia/Seoul")
        expect(day).to_contain_text("billing.json")
        item = dialog.locator(".setting-item").filter(has_text=texts["StoryMotion_BillingDay"]["name"])
        expect(item.locator("input, select, button, [role=combobox]")).to_have_count(0)
        screenshot(page, f"settings_{locale}")
        # Options are shown in the user's language.
        field = dialog.locator(".setting-item").filter(has_text=texts["StoryMotion_Currency"]["name"])
        field.get_by_role("combobox").click()
        for option in texts["StoryMotion_Currency"]["options"].values():
            expect(page.get_by_role("option", name=option, exact=True)).to_be_visible()
        page.get_by_role("option", name=texts["StoryMotion_Currency"]["options"]["USD"], exact=True).click()
        page.wait_for_function("() => app.extensionManager.setting.get('StoryMotion.Currency') === 'USD'")
    finally:
        comfy_client.post("/settings", {"Comfy.Locale": "en", "StoryMotion.Currency": "both"})
    assert editor.page_errors == []


def test_it_speaks_korean(page: Page, comfy_client: ComfyClient, comfy_server: ComfyServer) -> None:
    editor = Editor(page, comfy_server.address)
    editor.open(locale="ko")
    try:
        dialog = open_settings(page)
        expect(dialog.get_by_text(setting_texts("ko")["StoryMotion_ShotStoreGB"]["name"])).to_be_visible()
        expect(dialog.get_by_text("\uc2a4\ud1a0\ub9ac", exact=True).first).to_be_visible()  # "Stories"
    finally:
        comfy_client.post("/settings", {"Comfy.Locale": "en"})
