"""Quotes and receipts: never rounded down, always with currency, source and date."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymotion.cost import CostSettings
from storymotion.paid.journal_row import Row, State
from storymotion.paid.money import (
    Quote,
    Receipt,
    Way,
    from_nano,
    krw_text,
    quote_lines,
    to_nano,
    usd_of_tokens,
    usd_text,
    video_tokens,
)
from storymotion.report import speak

# Section 3.4 of the research: width, height, seconds, USD per million, tokens, USD, KRW (at 1450, halves up).
WORKED = [
    (864, 480, 5, "1.0", 49005, "0.0490", "71.1"),
    (1248, 704, 5, "1.0", 103818, "0.1038", "150.5"),
    (1248, 704, 10, "1.0", 206778, "0.2068", "299.8"),
    (1920, 1088, 5, "1.0", 246840, "0.2468", "357.9"),
    (1920, 1088, 10, "0.5", 491640, "0.2458", "356.4"),
    (1248, 704, 5, "0.5", 103818, "0.0519", "75.3"),
    (1920, 1088, 10, "2.5", 491640, "1.2291", "1782.2"),
    (3840, 2160, 10, "4.0", 1952100, "7.8084", "11322.2"),
    (1280, 720, 5, "10.7", 108900, "1.1652", "1689.6"),
    (1920, 1080, 10, "11.7", 488025, "5.7099", "8279.3"),
]
QUOTE = Quote(
    "BytePlus", "model-1", "720p 16:9, 5 s, default", Decimal(5), 103818, Decimal("1.0"), "docs 1544106", "2026-09-11"
)


@pytest.mark.parametrize(("width", "height", "seconds", "price", "tokens", "usd", "krw"), WORKED)
def test_the_worked_table(width: int, height: int, seconds: int, price: str, tokens: int, usd: str, krw: str) -> None:
    found = video_tokens(width, height, 24 * seconds + 1)
    assert found == tokens
    quote = replace(QUOTE, tokens=found, seconds=Decimal(seconds), usd_per_million=Decimal(price))
    # The table rounds some halves to even and some up.
    assert abs(quote.usd - Decimal(usd)) <= Decimal("0.00005")
    assert abs(quote.krw - Decimal(krw)) <= Decimal("0.05")


def test_tokens_round_up() -> None:
    assert video_tokens(864, 496, 121) == 50639  # 50638.5
    assert video_tokens(32, 32, 1) == 1 and video_tokens(1, 1, 1) == 1


@given(st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=12))
def test_no_amount_is_rounded_down(usd: Decimal) -> None:
    assert usd <= from_nano(to_nano(usd)) < usd + Decimal("1e-9")
    assert usd <= Decimal(usd_text(usd)) < usd + Decimal("1e-6")
    assert usd <= Decimal(krw_text(usd)) < usd + 1


@given(
    tokens=st.integers(1, 10**9),
    price=st.decimals("0.001", 100, places=3),
    used=st.floats(0.001, 1),
)
def test_what_is_settled_is_never_above_the_quote(tokens: int, price: Decimal, used: float) -> None:
    quote = replace(QUOTE, tokens=tokens, usd_per_million=price)
    settled = usd_of_tokens(int(tokens * used), price)
    assert to_nano(settled) <= to_nano(quote.usd) and from_nano(to_nano(quote.usd)) == quote.usd


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-0.01"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="amount of money"):
        to_nano(Decimal(amount))


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd_per_million": Decimal(0)},
        {"usd_per_million": Decimal("NaN")},
        {"usd_per_million": Decimal("-1")},
        {"tokens": 0},
        {"seconds": Decimal(0)},
        {"seconds": Decimal("Infinity")},
    ],
)
def test_a_quote_for_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="of a paid shot is"):
        replace(QUOTE, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("usd", "text"), [("0.1", "0.1000"), ("0.103818", "0.103818"), ("0.00000001", "0.000001"), ("12", "12.0000")]
)
def test_dollars_are_shown_with_four_to_six_places(usd: str, text: str) -> None:
    assert usd_text(Decimal(usd)) == text


def test_a_quote_over_the_target_tells_cheaper_ways() -> None:
    flex = replace(QUOTE, what="720p 16:9, 5 s, flex", usd_per_million=Decimal("0.5"))
    local = Way("LTX-2 on NVIDIA L40S", Decimal("0.01"), Decimal("23.2"))
    quote = replace(QUOTE, alternatives=(flex.way(), local))
    assert quote.over_target and quote.krw_per_8s == Decimal("240.857760")
    assert speak(quote.lines()).split("\n") == [
        "model-1, 720p 16:9, 5 s, default: at most $0.103818 = 151 KRW at 1450 KRW per USD "
        "(103818 tokens at $1 per million; docs 1544106, 2026-09-11).",
        "241 KRW per 8 s, over the target of 54 KRW.",
        "Cheaper: 720p 16:9, 5 s, flex: $0.051909, 121 KRW per 8 s.",
        "Cheaper: LTX-2 on NVIDIA L40S: $0.0100, 24 KRW per 8 s.",
    ]


def test_quotes_of_several_shots_are_summed_and_equal_ones_told_once() -> None:
    other = replace(QUOTE, tokens=2 * QUOTE.tokens)
    told = quote_lines([QUOTE, other, QUOTE])
    assert told[0].values["shots"] == 3 and told[0].values["usd"] == usd_text(4 * QUOTE.usd)
    assert [each.code for each in told].count("paid-quote") == 2
    assert quote_lines([QUOTE]) == QUOTE.lines() and quote_lines([]) == ()


def test_a_quote_within_the_target_tells_none() -> None:
    settings = CostSettings(krw_per_usd=1000, target_krw_per_8s=200)
    quote = replace(QUOTE, settings=settings, alternatives=(QUOTE.way(),))
    assert quote.krw == Decimal("103.818") and not quote.over_target
    assert speak(quote.lines()).split("\n")[1:] == ["167 KRW per 8 s, within the target of 200 KRW."]
    exactly = replace(quote, settings=CostSettings(1000, float(quote.krw_per_8s)))
    assert not exactly.over_target


def row(**changes: Any) -> Row:
    now = datetime(2026, 11, 23, tzinfo=timezone.utc)
    values: dict[str, Any] = dict.fromkeys(Row.__dataclass_fields__)
    values |= {
        "id": 1,
        "model": "model-1",
        "take": 2,
        "task_id": "cgt-1",
        "state": State.DOWNLOADED,
        "quoted": QUOTE.usd,
    }
    values |= {"settled": Decimal("0.1"), "tokens": 100_000, "reserved_at": now, "heartbeat_at": now}
    return Row(**values | changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {},
            "Task cgt-1 (model-1, take 2): 100000 tokens, $0.1000 = 145 KRW at 1450 KRW per USD; "
            "quoted at most $0.103818.",
        ),
        (
            {"tokens": None, "settled": QUOTE.usd},
            "Task cgt-1 (model-1, take 2): the provider told no tokens, so the quote counts: $0.103818 = 151 KRW at "
            "1450 KRW per USD; quoted at most $0.103818.",
        ),
        (
            {"settled": Decimal("0.2")},
            "Task cgt-1 (model-1, take 2): 100000 tokens, $0.2000 = 290 KRW at 1450 KRW per USD; "
            "quoted at most $0.103818.\nIt cost more than quoted: $0.2000 instead of at most $0.103818. The caps "
            "count what it cost; the prices here may be out of date.",
        ),
        (
            {"settled": None, "tokens": None},
            "Task cgt-1 (model-1, take 2): not settled yet; at most $0.103818 are reserved.",
        ),
    ],
)
def test_receipts(changes: dict[str, object], told: str) -> None:
    assert speak(Receipt.of(row(**changes)).lines()) == told


def test_a_receipt_says_when_this_queue_paid_nothing() -> None:
    assert speak(Receipt.of(row()).lines(paid_earlier=True)).endswith(
        "\nIt was paid earlier: this queue paid nothing for it."
    )
