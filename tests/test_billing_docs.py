"""docs/BILLING_GATE.md in both languages: the facts, prices and settings on it are those of the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from storymotion.messages import english, korean
from storymotion.paid.billing import HOME_VARIABLE, ZONE_VARIABLE, read_billing
from storymotion.paid.checklist import SHIPPED_CHECKLIST, TOPICS, read_checklist
from storymotion.paid.gate import examine_gate
from storymotion.paid.journal import Journal
from storymotion.paid.money import krw_text, usd_text
from storymotion.paid.provider import SEEDANCE
from storymotion.paid.seedance.models import RATIOS, Catalogue, load_catalogue
from storymotion.paid.seedance.quote import Shape, quote_shape

ROOT = Path(__file__).parents[1]
LANGUAGES = {"en": "BILLING_GATE.md", "ko": "BILLING_GATE.ko.md"}
SAY = {"en": english, "ko": korean}
CHECKLIST_DATE = json.loads(SHIPPED_CHECKLIST.read_text(encoding="utf-8"))["date"]
PROVIDERS = {"byteplus": "BytePlus", "runware": "Runware"}
# To advise anybody to pay something in is what the page must not do. "Top-up", the noun, is in the list of facts.
ADVICE = re.compile(
    r"\btop(ping|ped)? up\b|\brecharg|\badd (credit|money|funds)|\bdeposit|\ucda9\uc804\ud558", re.IGNORECASE
)
UNVERIFIED = {
    "en": "unverified, check first",
    "ko": "\ud655\uc778\ub418\uc9c0 \uc54a\uc74c, \uba3c\uc800 \ud655\uc778\ud558\uc138\uc694",
}
PRICE = re.compile(
    r"^\| `([\w-]+)` \| (\w+) \| (\w+) \| ([\d.]+) \| (\d+) \| ([\d.]+) \| (\d+) \| (\d+) \|$", re.MULTILINE
)


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def page(language: str) -> str:
    return (ROOT / "docs" / LANGUAGES[language]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()[0]


def sections(page: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def fenced(page: str, language: str) -> list[str]:
    """The blocks of code in that language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [text for found, text in blocks if found == language]


def unwrapped(text: str) -> str:
    """Without line breaks and bold type."""
    return " ".join(text.replace("**", "").split())


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_seven_points_are_those_of_the_checklist(page: str, language: str, provider: str) -> None:
    (section,) = [text for title, text in sections(page).items() if title.startswith(PROVIDERS[provider])]
    found = [unwrapped(item) for item in re.findall(r"^- (.*(?:\n  .*)*)", section, re.MULTILINE)]
    facts = read_checklist(provider).facts
    said = [SAY[language]("report", fact.code, {"source": fact.source, "date": fact.date}) for fact in facts]
    assert found == said
    assert [fact.code for fact in facts] == [f"fact-{provider}-{topic}" for topic in TOPICS]
    for fact, item in zip(facts, found):
        assert (UNVERIFIED[language] in item.lower()) is not fact.verified, fact.code
        assert fact.source in item and fact.date in item


def test_the_list_has_its_date_and_the_examples_use_it(page: str) -> None:
    assert f"{CHECKLIST_DATE}" in next(text for title, text in sections(page).items() if title.startswith("BytePlus"))
    examples = re.findall(rf"{SEEDANCE.terms_variable}=(\S+)", page)
    assert examples == [CHECKLIST_DATE] * 2


def test_nothing_on_it_tells_anybody_to_pay_in(page: str) -> None:
    assert ADVICE.findall(page) == []


def test_prices_are_those_of_the_quotes(page: str, catalogue: Catalogue) -> None:
    rows = PRICE.findall(page)
    wanted = []
    for model in (catalogue.model(each) for each in catalogue.offered()):
        for tier in model.service_tiers:
            for resolution in model.resolutions:
                quote = quote_shape(Shape(model.id, resolution, "16:9", 5, tier, model.sound), catalogue)
                money = (usd_text(quote.usd), krw_text(quote.krw), krw_text(quote.krw_per_8s))
                wanted.append((model.id, tier, resolution, str(quote.usd_per_million), str(quote.tokens), *money))
                assert (quote.source in page, quote.date in page, quote.settings.krw_per_usd) == (True, True, 1450)
    assert rows == wanted
    assert len(rows) > 20


def test_the_cheapest_shot_is_the_one_that_it_names(page: str, catalogue: Catalogue) -> None:
    shapes = [
        Shape(model.id, resolution, ratio, seconds, tier, model.sound)
        for model in (catalogue.model(each) for each in catalogue.offered())
        for resolution in model.resolutions
        for ratio in RATIOS
        for seconds in range(model.seconds[0], model.seconds[1] + 1)
        for tier in model.service_tiers
    ]
    quote, shape = min(((quote_shape(each, catalogue), each) for each in shapes), key=lambda pair: pair[0].krw_per_8s)
    assert (shape.model, shape.service_tier) == ("seedance-1-0-pro-fast-251015", "flex")
    assert (shape.resolution, shape.ratio, shape.duration) == ("480p", "21:9", 12)
    assert krw_text(quote.krw_per_8s) == "55" and quote.over_target
    (sentence,) = re.findall(r"[^.]*480p, 21:9[^.]*\.", unwrapped(page))
    for said in (shape.model, "flex", "12", "55"):
        assert said in sentence


def test_the_smoke_test_costs_what_it_says_and_fits_its_caps(page: str, catalogue: Catalogue, tmp_path: Path) -> None:
    shape = Shape(catalogue.offered()[0], "480p", "16:9", 2, "default", False)
    quote = quote_shape(shape, catalogue)
    text = unwrapped(page)
    for figure in (str(quote.tokens), usd_text(quote.usd), krw_text(quote.krw)):
        assert figure in text
    cap = Decimal("0.02")
    assert "0.02 " in text.replace("0.02\ub85c", "0.02 ") and quote.usd <= cap < 2 * quote.usd
    environ = {
        "SEEDANCE_ENABLED": "1",
        "SEEDANCE_TERMS_READ": CHECKLIST_DATE,
        "SEEDANCE_MAX_USD_PER_RUN": str(cap),
        "SEEDANCE_MAX_USD_PER_DAY": str(cap),
        "ARK_API_KEY": "not-a-real-key",
    }
    now = datetime.fromisoformat(f"{CHECKLIST_DATE}T12:00:00+00:00")
    assert examine_gate(SEEDANCE, tmp_path, [quote], 0.02, environ=environ, now=now).shut == ()
    assert examine_gate(SEEDANCE, tmp_path, [quote, quote], 0.02, environ=environ, now=now).shut != ()


def test_the_settings_of_the_examples_open_the_gate(page: str, catalogue: Catalogue, tmp_path: Path) -> None:
    quote = quote_shape(Shape(catalogue.offered()[0], "720p", "16:9", 4, "default", False), catalogue)
    key = tmp_path / "key"
    key.write_text("not-a-real-key\n", encoding="utf-8")
    key.chmod(0o600)
    now = datetime.fromisoformat(f"{CHECKLIST_DATE}T12:00:00+00:00")
    (linux,), (windows,) = fenced(page, "sh"), fenced(page, "bat")
    for text, command in ((linux, "export"), (windows, "set")):
        environ = dict(re.findall(rf"^{command} (\w+)=(.+)$", text, re.MULTILINE))
        assert set(environ) == {
            SEEDANCE.enabled_variable,
            SEEDANCE.terms_variable,
            SEEDANCE.run_cap_variable,
            SEEDANCE.day_cap_variable,
            SEEDANCE.key_file_variable,
        }
        # Where the key is does not matter here; on Windows it would have to be in the profile.
        environ.pop(SEEDANCE.key_file_variable)
        where = {SEEDANCE.key_variable: "not-a-real-key"} if os.name == "nt" else {SEEDANCE.key_file_variable: str(key)}
        state = examine_gate(SEEDANCE, tmp_path, [quote], 0.1, environ=environ | where, now=now)
        assert state.shut == () and state.clearance is not None
        for name in environ:
            less = {other: value for other, value in environ.items() if other != name} | where
            assert examine_gate(SEEDANCE, tmp_path, [quote], 0.1, environ=less, now=now).shut != (), name


def test_billing_json_is_read_as_printed(page: str, tmp_path: Path) -> None:
    (text,) = fenced(page, "json")
    (tmp_path / "billing.json").write_text(text, encoding="utf-8")
    billing = read_billing(SEEDANCE, tmp_path, {})
    assert (billing.run_cap, billing.day_cap, billing.notes) == (Decimal("0.50"), Decimal("2.00"), ())
    assert ZONE_VARIABLE in json.loads(text)


def test_every_setting_is_explained(page: str) -> None:
    names = (SEEDANCE.key_variable, SEEDANCE.key_file_variable, SEEDANCE.address_variable, HOME_VARIABLE, ZONE_VARIABLE)
    for name in (*names, *SEEDANCE.addresses, "max_usd", "python3 dev.py comfy --fake-seedance"):
        assert name in page, name
    table = re.findall(r"^\| `(SEEDANCE_\w+)` \|", page, re.MULTILINE)
    assert table == [
        SEEDANCE.enabled_variable,
        SEEDANCE.terms_variable,
        SEEDANCE.run_cap_variable,
        SEEDANCE.day_cap_variable,
    ]


def test_the_scripts_run(page: str, tmp_path: Path) -> None:
    export, clear = fenced(page, "python")
    environ = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(script: str) -> None:
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environ, check=True)

    run(export)
    run(clear)
    assert list(tmp_path.iterdir()) == []  # a wrong path makes no journal
    journal = Journal(tmp_path / "ComfyUI" / "user" / "storymotion" / "journal.sqlite3")
    journal.latch(SEEDANCE.id, "AccountOverdueError", "")
    run(export)
    run(clear)
    assert journal.latched(SEEDANCE.id) is None
    assert (tmp_path / "paid_shots.csv").read_text(encoding="utf-8-sig").startswith("id,provider,state,")


def test_there_is_nothing_of_runware_to_turn_on() -> None:
    """What the page says: no code, no setting. Only the checklist and its sentences know the name."""
    files = [file for folder in ("storymotion", "nodes", "js") for file in (ROOT / folder).rglob("*")]
    code = [file for file in files if file.suffix in (".py", ".js")]
    assert [file for file in code if "runware" in file.read_text(encoding="utf-8").lower()] == []
