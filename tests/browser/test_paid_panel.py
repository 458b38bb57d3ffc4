"""What SeeDANCE nodes show before a shot is paid, and how paid ones are fetched; the service is the local one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from dev.fake_seedance import FakeSeedance
from dev.processes import ROOT
from dev.server import ComfyServer
from storymotion.cost import CostSettings
from storymotion.paid.billing import read_billing
from storymotion.paid.journal_row import State
from storymotion.paid.money import krw_text, usd_text
from storymotion.paid.provider import SEEDANCE
from storymotion.paid.seedance.desk import Desk
from storymotion.paid.seedance.request import SeedanceRequest
from storymotion.paid.seedance.run import gate, quote, unfinished

from ..comfy.test_paid_routes import SMALL, left_in_doubt, left_unfinished
from .editor import Editor

pytestmark = pytest.mark.browser
Screenshot = Callable[[Page, str], Path]
TEXTS = json.loads((ROOT / "js" / "texts" / "en.json").read_text(encoding="utf-8"))


@pytest.fixture(params=["classic", "vue"])
def either(request: pytest.FixtureRequest, page: Page, comfy_server: ComfyServer) -> Editor:
    """The editor with an empty graph, in both ways of drawing nodes."""
    editor = Editor(page, comfy_server.address)
    editor.open(vue_nodes=request.param == "vue")
    page.evaluate("() => app.graph.clear()")
    return editor


def price_line(desk: Desk, currency: str = "both", **asked: Any) -> str:
    price = quote(SeedanceRequest(prompt="", **asked), desk)
    per_8s = price.usd * 8 / price.seconds
    figures = {
        "both": [both(price.usd, price.krw), both(per_8s, price.krw_per_8s)],
        "KRW": [f"{won(price.krw)} KRW", f"{won(price.krw_per_8s)} KRW"],
        "USD": [f"{usd_text(price.usd)} USD", f"{usd_text(per_8s)} USD"],
    }[currency]
    return TEXTS["quote"].format(amount=figures[0], per8s=figures[1])


def both(usd: Decimal, krw: Decimal) -> str:
    """An amount in both currencies, as the editor shows it at first."""
    return TEXTS["amount-both"].format(usd=usd_text(usd), krw=won(krw))


def won(krw: Decimal) -> str:
    """As the library writes it, its digits in groups of three."""
    return f"{int(krw_text(krw)):,}"


def test_the_quote_follows_the_inputs(either: Editor, desk: Desk) -> None:
    asked = {**SMALL, "ratio": "16:9", "service_tier": "default"}
    either.add("StoryMotionSeedanceQuote", asked)
    shown = either.panel().locator(".storymotion-price")
    expect(shown.locator(".storymotion-main")).to_have_text(price_line(desk, **asked))
    price = quote(SeedanceRequest(prompt="", **asked), desk)
    details = either.panel().locator(".storymotion-details .storymotion-row")
    expect(details).to_have_text([each.speak("en") for each in price.lines()])
    dearer = asked | {"resolution": "1080p", "duration": 10}
    either.set_widgets("StoryMotionSeedanceQuote", dearer)
    expect(shown.locator(".storymotion-main")).to_have_text(price_line(desk, **dearer))
    assert price_line(desk, **dearer) != price_line(desk, **asked)
    # In the currency that the user wants, at once.
    for currency in ("USD", "KRW", "both"):
        either.page.evaluate("chosen => app.extensionManager.setting.set('StoryMotion.Currency', chosen)", currency)
        expect(shown.locator(".storymotion-main")).to_have_text(price_line(desk, currency, **dearer))
    # What the service does not offer is said, and the editor goes on.
    either.set_widgets("StoryMotionSeedanceQuote", {"duration": 60})
    expect(shown.locator(".storymotion-problem")).to_contain_text("60")
    assert either.page_errors == []


def test_a_lock_says_why_and_the_day_what_is_left(
    either: Editor, desk: Desk, screenshot: Screenshot, request: pytest.FixtureRequest
) -> None:
    left_unfinished(desk, f"spent {len(desk.journal.rows()) if desk.journal.path.exists() else 0}")
    asked = {**SMALL, "ratio": "16:9", "service_tier": "default"}
    node = either.add("StoryMotionSeedance", {**asked, "max_usd": 0.0})
    lock = either.panel().get_by_role("button", name="Locked")
    state = gate([SeedanceRequest(prompt="", **asked)], desk, 0.0)
    shut = {name: why for name, why in state.gates.items() if why}
    assert list(shut) == ["max-usd"]
    expect(lock).to_have_text(TEXTS["lock-shut"].format(count=1, all=len(state.gates)))
    reasons = [each.speak("en") for why in shut.values() for each in why]
    assert lock.get_attribute("title") == "\n".join(reasons)
    # With the keyboard: the reasons as a list.
    lock.focus()
    either.page.keyboard.press("Enter")
    expect(either.panel().get_by_role("list").first.get_by_role("listitem")).to_have_text(reasons)
    spent = _spent_today(desk)
    assert spent > 0
    expect(either.panel().locator(".storymotion-today")).to_contain_text(f"({usd_text(spent)} USD)")
    rate = Decimal(str(CostSettings().krw_per_usd))
    cap = read_billing(SEEDANCE, desk.home, desk.environ).caps(SEEDANCE, desk.clock()).day
    assert won(cap * rate) == "1,450,000"
    today = TEXTS["today"].format(spent=both(spent, spent * rate), cap="")
    expect(either.panel().locator(".storymotion-today")).to_contain_text(f"{today}1,450,000 KRW (1,000.0000 USD)")
    screenshot(either.page, f"paid_locked_{'vue' if either.page.locator('[data-node-id]').count() else 'classic'}")
    either.set_widgets("StoryMotionSeedance", {"max_usd": 1.0})
    expect(either.panel().get_by_role("button", name=TEXTS["lock-open"])).to_be_visible()
    assert "storymotion_panel" not in either.prompt()[str(node)]["inputs"]

    # The billing latch is cleared by the user alone, who is asked whether the account was looked into.
    desk.journal.latch(SEEDANCE.id, "AccountOverdueError", "Pay first.")
    request.addfinalizer(lambda: desk.journal.clear_latch(SEEDANCE.id))
    either.set_widgets("StoryMotionSeedance", {"max_usd": 2.0})
    clear = either.panel().get_by_role("button", name=TEXTS["latch-clear"])
    expect(clear).to_be_visible()  # the list is still open
    dialog = either.page.locator("[role=dialog]")
    clear.focus()
    either.page.keyboard.press("Enter")
    expect(dialog).to_contain_text("AccountOverdueError: Pay first.")
    either.close_dialogs()
    assert desk.journal.latched(SEEDANCE.id) is not None
    clear.click()
    dialog.get_by_role("button", name="Confirm").click()
    expect(either.panel().get_by_role("button", name=TEXTS["lock-open"])).to_be_visible()
    assert desk.journal.latched(SEEDANCE.id) is None
    assert either.page_errors == []


def test_unfinished_shots_are_listed_and_fetched(either: Editor, desk: Desk, screenshot: Screenshot) -> None:
    mark = f"left behind {len(desk.journal.rows()) if desk.journal.path.exists() else 0}"
    left_unfinished(desk, mark)
    either.add("StoryMotionSeedance", dict(SMALL))
    panel = either.panel()
    waiting = len(unfinished(desk))
    expect(panel.locator(".storymotion-count")).to_have_text(TEXTS["unfinished"].format(count=waiting))
    expect(panel.locator(".storymotion-unfinished li").filter(has_text=mark)).to_be_visible()
    screenshot(either.page, "paid_unfinished")

    # The answer to the click may come after the news that all of it has ended.
    def late(route: Route) -> None:
        answer = route.fetch()
        time.sleep(1)
        route.fulfill(response=answer)

    either.page.route("**/storymotion/paid/collect", late)
    button = panel.get_by_role("button", name=TEXTS["collect"], exact=True)
    button.focus()
    with either.page.expect_response("**/storymotion/paid/collect"):
        either.page.keyboard.press("Enter")
    either.page.wait_for_timeout(300)  # for the page to take the answer
    expect(panel.locator(".storymotion-collected")).to_contain_text(".mp4", timeout=30_000)
    expect(panel.locator(".storymotion-unfinished li").filter(has_text=mark)).to_have_count(0)
    assert mark not in [row.prompt_start for row in unfinished(desk)]
    assert either.page_errors == [] and either.error_toasts() == []


def test_the_user_decides_on_lost_answers(
    either: Editor, desk: Desk, fake_seedance: FakeSeedance, screenshot: Screenshot
) -> None:
    number = len(desk.journal.rows()) if desk.journal.path.exists() else 0
    made = left_in_doubt(desk, fake_seedance, f"made {number}", made=True)
    task = fake_seedance.tasks()[-1]["id"]
    never = left_in_doubt(desk, fake_seedance, f"never made {number}", made=False)
    either.add("StoryMotionSeedance", dict(SMALL))
    page, panel = either.page, either.panel()
    dialog = page.locator("[role=dialog]")
    items = panel.locator(".storymotion-unfinished li")
    release = items.filter(has_text=never.prompt_start).get_by_role("button", name=TEXTS["release"])
    release.focus()
    screenshot(page, f"paid_in_doubt_{'vue' if page.locator('[data-node-id]').count() else 'classic'}")

    # A second thought changes nothing.
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("paid twice")
    expect(dialog).to_contain_text(never.prompt_start)
    screenshot(page, "paid_release_dialog")
    either.close_dialogs()
    assert desk.journal.get(never.id).state is State.UNKNOWN
    release.click()
    dialog.get_by_role("button", name="Confirm").click()
    expect(panel.locator(".storymotion-collected")).to_contain_text(TEXTS["released"].format(shot=""))
    expect(items.filter(has_text=never.prompt_start)).to_have_count(0)
    assert desk.journal.get(never.id).state is State.RELEASED

    adopt = items.filter(has_text=made.prompt_start).get_by_role("button", name=TEXTS["adopt"])
    for answer, said in (("cgt-20990101000000-none", "cgt-20990101000000-none"), (task, ".mp4")):
        adopt.click()
        dialog.get_by_role("textbox").fill(answer)
        page.keyboard.press("Enter")
        expect(panel.locator(".storymotion-collected")).to_contain_text(said, timeout=30_000)
    assert desk.journal.get(made.id).task_id == task
    expect(items.filter(has_text=made.prompt_start)).to_have_count(0)

    with page.expect_download() as download:
        panel.get_by_role("button", name=TEXTS["journal"]).click()
    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("\ufeffid,provider,state") and f"never made {number}" in text
    assert download.value.suggested_filename.endswith(".csv")
    assert either.page_errors == [] and either.error_toasts() == []


def _spent_today(desk: Desk) -> Decimal:
    caps = read_billing(SEEDANCE, desk.home, desk.environ).caps(SEEDANCE, desk.clock())
    return desk.journal.spend(SEEDANCE.id, caps.day_start).total
