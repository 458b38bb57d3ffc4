"""Each gate shut in turn, all at once, and what opens them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from storymotion.errors import CapReached, GateShut, JournalUnusable, NoPrice, UnknownModel
from storymotion.messages import catalogue
from storymotion.paid.billing import JOURNAL_FILE, paid_home, read_billing
from storymotion.paid.checklist import SHIPPED_CHECKLIST, TOPICS, read_checklist
from storymotion.paid.day import day_start, time_zone
from storymotion.paid.gate import GATES, GateState, examine_gate
from storymotion.paid.journal import Journal
from storymotion.paid.journal_row import Shot
from storymotion.paid.money import Quote
from storymotion.paid.provider import SEEDANCE
from storymotion.report import speak

NOW = datetime(2026, 12, 1, 3, tzinfo=timezone.utc)  # noon in Seoul
QUOTE = Quote(
    "BytePlus", "model-1", "720p 16:9, 5 s, default", Decimal(5), 100_000, Decimal("1.0"), "docs 1544106", "2026-09-11"
)
OPEN = {
    "SEEDANCE_ENABLED": "true",
    "SEEDANCE_TERMS_READ": "2026-11-23",
    "SEEDANCE_MAX_USD_PER_RUN": "0.50",
    "SEEDANCE_MAX_USD_PER_DAY": "1",
    "ARK_API_KEY": "test-key-of-the-gate",
    "ARK_BASE_URL": "http://127.0.0.1:8123",
}


@pytest.fixture
def user_folder(tmp_path: Path) -> Path:
    (tmp_path / "storymotion").mkdir()
    return tmp_path


def examine(
    user_folder: Path, quotes: tuple[Quote, ...] = (QUOTE,), max_usd: float | None = 0.1, **changes
) -> GateState:
    environ = {name: value for name, value in (OPEN | changes).items() if value is not None}
    return examine_gate(SEEDANCE, user_folder, quotes, max_usd, environ=environ, now=NOW)


def codes(state: GateState) -> list[str]:
    return [each.code for each in state.shut]


def a_shot(name: str) -> Shot:
    return Shot(SEEDANCE.id, name, 1, "model-1", "http", "01234567", {}, "prompt")


def test_with_every_gate_open_shots_can_be_reserved(user_folder: Path) -> None:
    clearance = examine(user_folder).require()
    assert clearance.key.reveal() == "test-key-of-the-gate"
    assert clearance.address.base == "http://127.0.0.1:8123/api/v3"
    assert (clearance.caps.run, clearance.caps.day) == (Decimal("0.50"), Decimal(1))
    assert clearance.caps.day_start == datetime(2026, 11, 30, 15, tzinfo=timezone.utc)
    assert clearance.reserve(a_shot("a"), QUOTE, "run").mine
    with pytest.raises(ValueError, match="not seen"):
        clearance.reserve(a_shot("b"), replace(QUOTE, tokens=99_999), "run")
    for name in "bcde":
        clearance.reserve(a_shot(name), QUOTE, "run")
    with pytest.raises(CapReached, match="SEEDANCE_MAX_USD_PER_RUN"):
        clearance.reserve(a_shot("f"), QUOTE, "run")


def test_looking_at_the_gate_makes_no_file(user_folder: Path) -> None:
    examine(user_folder)
    assert list((user_folder / "storymotion").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "shut"),
    [
        ({"SEEDANCE_ENABLED": None}, "gate-disabled"),
        ({"SEEDANCE_ENABLED": ""}, "gate-disabled"),
        ({"SEEDANCE_ENABLED": "0"}, "gate-disabled"),
        ({"SEEDANCE_ENABLED": "True"}, "gate-disabled"),
        ({"SEEDANCE_ENABLED": "yes"}, "gate-disabled"),
        ({"SEEDANCE_ENABLED": " 1"}, "gate-disabled"),
        ({"SEEDANCE_TERMS_READ": None}, "gate-terms-none"),
        ({"SEEDANCE_TERMS_READ": " "}, "gate-terms-none"),
        ({"SEEDANCE_TERMS_READ": "yes"}, "gate-terms-unusable"),
        ({"SEEDANCE_TERMS_READ": "20261123"}, "gate-terms-unusable"),
        ({"SEEDANCE_TERMS_READ": "2026-11-31"}, "gate-terms-unusable"),
        ({"SEEDANCE_TERMS_READ": "2026-12-03"}, "gate-terms-unusable"),
        ({"SEEDANCE_TERMS_READ": "2099-01-01"}, "gate-terms-unusable"),
        ({"SEEDANCE_TERMS_READ": "2026-11-22"}, "gate-terms-old"),
        ({"SEEDANCE_MAX_USD_PER_RUN": None}, "gate-cap-none"),
        ({"SEEDANCE_MAX_USD_PER_RUN": "0"}, "gate-cap-none"),
        ({"SEEDANCE_MAX_USD_PER_RUN": "0.0999"}, "gate-cap-run"),
        ({"SEEDANCE_MAX_USD_PER_DAY": None}, "gate-cap-none"),
        ({"SEEDANCE_MAX_USD_PER_DAY": "0.0999"}, "gate-cap-day"),
        ({"max_usd": 0}, "gate-max-usd"),
        ({"max_usd": 0.0999}, "gate-max-usd"),
        ({"max_usd": float("nan")}, "gate-max-usd"),
        ({"max_usd": float("inf")}, "gate-max-usd"),
        ({"max_usd": -1}, "gate-max-usd"),
        ({"ARK_API_KEY": None}, "gate-key-missing"),
        ({"ARK_API_KEY": "test-two words"}, "key-not-a-key"),
        ({"ARK_API_KEY": "test-line\nbreak"}, "key-not-a-key"),
        ({"ARK_API_KEY": "test-" + "x" * 508}, "key-not-a-key"),
        ({"ARK_API_KEY": "a-real-key-1234"}, "address-needs-test-key"),
        ({"ARK_BASE_URL": None}, "address-refuses-test-key"),
        ({"ARK_BASE_URL": "https://example.com/api/v3"}, "address-refused"),
        ({"STORYMOTION_HOME": "relative"}, "gate-journal"),
        ({"STORYMOTION_HOME": "/does/not/exist"}, "gate-journal"),
    ],
)
def test_each_gate_shut_in_turn(user_folder: Path, changes: dict, shut: str) -> None:
    state = examine(user_folder, **changes)
    assert codes(state) == [shut] and state.clearance is None
    with pytest.raises(GateShut) as caught:
        state.require()
    told = caught.value.speak("ko")
    assert told.count("$0.1000 = 145 KRW") == 1 and told.count("$0.1000 = 145") == 2  # English and Korean
    assert told.count("- ") >= 2 * (1 + 2 + 8) and speak(state.shut) in told
    assert "real-key" not in told and "test-line" not in told


@pytest.mark.parametrize("value", ["-1", "+1", "1e3", "NaN", "nan", "inf", "Infinity", "", " ", "1,5", "$1", "1 USD",
                                   "1_0", chr(0xFF11), "0x1", "99999999", "1.0000000001", "true"])  # fmt: skip
@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_cap_that_is_no_plain_amount_counts_as_nothing(user_folder: Path, value: str, where: str) -> None:
    changes: dict = {"SEEDANCE_MAX_USD_PER_DAY": value}
    if where == "file":
        (user_folder / "storymotion" / "billing.json").write_text(json.dumps(changes), encoding="utf-8")
        changes["SEEDANCE_MAX_USD_PER_DAY"] = None
    state = examine(user_folder, **changes)
    assert codes(state) == ["gate-cap-none", "billing-cap-unusable"]


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ('{"SEEDANCE_MAX_USD_PER_DAY": 2.5}', "2.5"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": "2.50"}', "2.50"),
        ('\ufeff{"SEEDANCE_MAX_USD_PER_DAY": 3}', "3"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": 0.1}', "0.1"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": NaN}', "0"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": Infinity}', "0"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": -1}', "0"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": true}', "0"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": [1]}', "0"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": null}', "0"),
        ('{"SEEDANCE_MAX_USD_PER_DAY": 1, "SEEDANCE_MAX_USD_PER_DAY": 9}', "0"),
        ('{"seedance_max_usd_per_day": 1}', "0"),
        ("[1]", "0"),
        ("{", "0"),
        ("", "0"),
        ("\x00\xff", "0"),
        ("[" * 50_000, "0"),
        ("{}" + " " * 200_000, "0"),
    ],
)
def test_caps_in_the_file(user_folder: Path, text: str, cap: str) -> None:
    (user_folder / "storymotion" / "billing.json").write_text(text, encoding="utf-8")
    billing = read_billing(SEEDANCE, user_folder / "storymotion", {})
    assert billing.day_cap == Decimal(cap)


def test_the_environment_comes_before_the_file(user_folder: Path) -> None:
    home = user_folder / "storymotion"
    stored = {"SEEDANCE_MAX_USD_PER_RUN": 5, "SEEDANCE_MAX_USD_PER_DAY": 9, "SEEDANCE_ENABLED": "true"}
    (home / "billing.json").write_text(json.dumps(stored), encoding="utf-8")
    billing = read_billing(SEEDANCE, home, {"SEEDANCE_MAX_USD_PER_RUN": "1"})
    assert (billing.run_cap, billing.day_cap) == (Decimal(1), Decimal(9))
    # Set but wrong or empty is not the same as not set.
    for value in ("junk", ""):
        assert read_billing(SEEDANCE, home, {"SEEDANCE_MAX_USD_PER_DAY": value}).day_cap == 0
    # The switch is not read from the file.
    assert codes(examine(user_folder, SEEDANCE_ENABLED=None)) == ["gate-disabled"]


def test_a_file_that_cannot_be_read_is_said_and_matters_only_where_it_is_needed(user_folder: Path) -> None:
    (user_folder / "storymotion" / "billing.json").mkdir()
    state = examine(user_folder)
    assert codes(state) == [] and [each.code for each in state.notes] == ["billing-file-unreadable"]
    assert codes(examine(user_folder, SEEDANCE_MAX_USD_PER_RUN=None)) == ["gate-cap-none", "billing-file-unreadable"]


def test_all_shut_gates_are_told_at_once_with_all_seven_facts(tmp_path: Path) -> None:
    state = examine_gate(SEEDANCE, tmp_path, [QUOTE], 0, environ={}, now=NOW)
    assert codes(state) == [
        "gate-disabled",
        "gate-terms-none",
        "gate-cap-none",
        "gate-cap-none",
        "gate-max-usd",
        "gate-key-missing",
    ]
    assert len(state.facts) == 8
    assert list(tmp_path.iterdir()) == []
    unpriced = NoPrice("BytePlus", "model-1", "4k, flex")
    state = examine_gate(SEEDANCE, tmp_path, [], 1, unpriced, OPEN, NOW)
    assert codes(state) == ["gate-no-price"] and state.quote == ()
    assert "\n\n" not in GateShut("x", state.shut, state.quote, state.facts).speak("ko")
    said = GateShut("x", state.shut, state.quote, state.facts).as_value()
    assert said.english.endswith("the billing gate is shut.") and "\n" not in said.english + said.korean
    assert said.korean.endswith("\uc5c6\uc5c8\uc2b5\ub2c8\ub2e4.")  # "... there was none."
    unknown = UnknownModel("BytePlus", "model-9", "model-1")
    assert codes(examine_gate(SEEDANCE, tmp_path, [], 1, unknown, OPEN, NOW)) == ["gate-unknown-model"]


def test_each_gate_is_told_by_name(user_folder: Path, tmp_path: Path) -> None:
    state = examine(user_folder)
    assert tuple(state.gates) == GATES and not any(state.gates.values())
    state = examine(user_folder, SEEDANCE_ENABLED=None, SEEDANCE_MAX_USD_PER_DAY="junk", ARK_API_KEY="x")
    shut = {name: [each.code for each in lines] for name, lines in state.gates.items() if lines}
    assert shut == {
        "enabled": ["gate-disabled"],
        "day-cap": ["gate-cap-none", "billing-cap-unusable"],
        "key": ["key-not-a-key"],
    }
    # Without a shot nobody asks for its price; without a journal nobody knows what was spent.
    assert set(GATES) - set(examine(user_folder, ()).gates) == {"price", "max-usd"}
    assert set(GATES) - set(examine(user_folder, max_usd=None).gates) == {"max-usd"}
    assert set(GATES) - set(examine(user_folder, STORYMOTION_HOME="relative").gates) == {"run-cap", "day-cap", "latch"}
    unknown = UnknownModel("BytePlus", "model-9", "model-1")
    state = examine_gate(SEEDANCE, tmp_path, [], 1, unknown, OPEN, NOW)
    assert [each.code for each in state.gates["price"]] == ["gate-unknown-model"] and "max-usd" not in state.gates


def test_several_shots_count_together_for_the_caps_and_singly_for_max_usd(user_folder: Path) -> None:
    assert codes(examine(user_folder, (QUOTE,) * 5)) == []
    assert codes(examine(user_folder, (QUOTE,) * 6)) == ["gate-cap-run"]
    assert codes(examine(user_folder, (QUOTE,) * 6, SEEDANCE_MAX_USD_PER_DAY="0.5")) == ["gate-cap-run", "gate-cap-day"]
    dearer = replace(QUOTE, tokens=100_001)
    assert codes(examine(user_folder, (QUOTE, dearer))) == ["gate-max-usd"]


def test_what_the_journal_knows_shuts_the_gate(user_folder: Path) -> None:
    clearance = examine(user_folder, (QUOTE,) * 5).require()
    journal = Journal(paid_home(user_folder, {}) / JOURNAL_FILE)
    for name in "abcde":
        row = clearance.reserve(a_shot(name), QUOTE, "run").row
    assert codes(examine(user_folder, SEEDANCE_MAX_USD_PER_DAY="0.5")) == ["gate-cap-day"]
    journal.mark_refused(row, "AccountOverdueError", "no", latches=True)
    assert codes(examine(user_folder, SEEDANCE_MAX_USD_PER_DAY="0.5")) == ["gate-latched"]
    journal.path.write_bytes(b"garbage" * 99)
    assert codes(examine(user_folder)) == ["gate-journal"]


def test_a_journal_that_is_gone_is_not_begun_anew_beside_paid_videos(user_folder: Path) -> None:
    videos = user_folder / "storymotion" / SEEDANCE.video_folder
    videos.mkdir()
    assert codes(examine(user_folder)) == []
    (videos / "cgt-1.mp4").write_bytes(b"a paid video")
    assert codes(examine(user_folder)) == ["gate-journal"]
    Journal(paid_home(user_folder, {}) / JOURNAL_FILE).rows()
    assert codes(examine(user_folder)) == []


def test_the_home_can_be_another_existing_folder(user_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "billing.json").write_text('{"SEEDANCE_MAX_USD_PER_RUN": 0.2}', encoding="utf-8")
    clearance = examine(user_folder, STORYMOTION_HOME=str(home), SEEDANCE_MAX_USD_PER_RUN=None).require()
    assert clearance.journal.path == home / "journal.sqlite3" and clearance.caps.run == Decimal("0.2")
    with pytest.raises(JournalUnusable, match="STORYMOTION_HOME"):
        paid_home(user_folder, {"STORYMOTION_HOME": str(home / "gone")})


# The day


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Asia/Seoul", "2026-11-30T15:00"),
        ("+09:00", "2026-11-30T15:00"),
        ("UTC+9", "2026-11-30T15:00"),
        ("UTC", "2026-12-01T00:00"),
        ("-0330", "2026-11-30T03:30"),
        ("America/New_York", "2026-11-30T05:00"),
    ],
)
def test_when_the_day_began(user_folder: Path, zone: str, start: str) -> None:
    environ = {"STORYMOTION_TIME_ZONE": zone}
    billing = read_billing(SEEDANCE, user_folder, environ)
    assert billing.caps(SEEDANCE, NOW).day_start == datetime.fromisoformat(f"{start}+00:00") and billing.notes == ()
    (user_folder / "billing.json").write_text(json.dumps(environ), encoding="utf-8")
    assert read_billing(SEEDANCE, user_folder, {}).caps(SEEDANCE, NOW).day_start.isoformat()[:16] == start


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "+25:00", "x" * 999, "\x00", "+9:99"])
def test_an_unknown_time_zone_is_korean_time_and_says_so(user_folder: Path, zone: str) -> None:
    billing = read_billing(SEEDANCE, user_folder, {"STORYMOTION_TIME_ZONE": zone})
    assert [each.code for each in billing.notes] == ["billing-zone-unknown"]
    assert billing.caps(SEEDANCE, NOW).day_start.isoformat()[:16] == "2026-11-30T15:00"


def test_korean_time_needs_no_time_zone_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storymotion.paid.day._from_zone_data", lambda name: None)
    zone = time_zone("Asia/Seoul")
    assert zone is not None and NOW.astimezone(zone).utcoffset() == timedelta(hours=9)
    assert time_zone("Europe/Berlin") is None


def test_a_day_with_a_change_of_clocks_begins_at_midnight() -> None:
    berlin = time_zone("Europe/Berlin")
    assert berlin is not None
    summer_ends = datetime(2026, 10, 25, 12, tzinfo=timezone.utc)
    assert day_start(summer_ends, berlin).isoformat() == "2026-10-24T22:00:00+00:00"


# The checklist


@pytest.mark.parametrize("provider", ["byteplus", "runware"])
def test_the_checklist_has_seven_facts_and_says_what_is_unverified(provider: str) -> None:
    checklist = read_checklist(provider)
    assert [fact.code for fact in checklist.facts] == [f"fact-{provider}-{topic}" for topic in TOPICS]
    for fact in checklist.facts:
        told = fact.line().speak("ko")
        assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", fact.date) and told.count(fact.source) == 2
        assert ("Unverified, check first" in told) == (not fact.verified)
        assert (_korean_unverified() in told) == (not fact.verified)
    assert checklist.date.isoformat() == json.loads(SHIPPED_CHECKLIST.read_text(encoding="utf-8"))["date"]


def _korean_unverified() -> str:
    """The Korean for "unverified, check first", from a fact that is."""
    return catalogue("ko")["report"]["fact-runware-refunds"].split(". ")[-1].split("(")[0]
