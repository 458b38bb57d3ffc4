"""What a shot costs: the field's worked rows, rounding, names of GPUs, the user's own prices."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from storymotion.cost import Cost, CostSettings, cost_lines, find_rate, load_rates, shot_cost, story_lines
from storymotion.errors import ValueOutOfRange

SETTINGS = CostSettings()
RATES, _ = load_rates()


def cost(seconds: float, gpu: str = "NVIDIA A10G", shot: float = 8.0, settings: CostSettings = SETTINGS) -> Cost:
    return shot_cost({"loading": seconds / 4, "denoising": seconds * 3 / 4}, shot, gpu, settings, RATES)


def said(made: Cost, language: str = "en") -> list[str]:
    return [line.speak(language) for line in cost_lines(made)]


def test_the_worked_row_of_the_creator() -> None:
    """84 s on an A10G at $0.000306/s and 1450 KRW per USD are 37 KRW, not the 54 of the creator's own table."""
    made = cost(84)
    assert made.usd == Decimal("0.025704")
    assert made.krw == made.krw_per_8s == Decimal("37.2708")
    assert made.over_target is False
    assert said(made) == [
        "84.0 s on NVIDIA A10G at $0.000306/s (Modal list price, 2026-03-25) = $0.0257 = 37 KRW at 1450 KRW per USD.",
        "37 KRW per 8 s, within the target of 54 KRW.",
    ]
    korean = said(made, "ko")[1].split(" / ")[1]
    assert "37" in korean and "54" in korean


@pytest.mark.parametrize(
    ("gpu", "within", "over"),
    [
        ("NVIDIA H100 80GB HBM3", 33, 34),
        ("NVIDIA A100-SXM4-80GB", 53, 54),
        ("NVIDIA L40S", 68, 69),
        ("NVIDIA A10G", 121, 122),
    ],
)
def test_how_long_each_gpu_may_take_within_the_target(gpu: str, within: int, over: int) -> None:
    """54 KRW buy 34 s of an H100, 54 s of an A100, 69 s of an L40S, 122 s of an A10G, each less a fraction."""
    assert cost(within, gpu).over_target is False
    assert cost(over, gpu).over_target is True
    assert "over the target of 54 KRW" in said(cost(over, gpu))[1]


def test_the_target_counts_8_seconds_of_video() -> None:
    assert cost(84, shot=4.0).krw_per_8s == Decimal("74.5416")
    assert cost(84, shot=4.0).over_target is True
    # 193 frames at 24 fps.
    assert said(cost(84, shot=193 / 24))[1].startswith("37 KRW per 8 s")


def test_exactly_the_target_is_within_it() -> None:
    settings = CostSettings(krw_per_usd=1000, target_krw_per_8s=54, gpu_usd_per_second=0.001)
    assert cost(54, settings=settings).krw_per_8s == 54
    assert cost(54, settings=settings).over_target is False


def test_halves_round_up() -> None:
    settings = CostSettings(krw_per_usd=1000, gpu_usd_per_second=0.0005)
    assert said(cost(73, settings=settings))[0].endswith("= $0.0365 = 37 KRW at 1000 KRW per USD.")
    assert "$0.0001 = 0 KRW" in said(cost(0.1, settings=settings))[0]
    assert said(cost(0, settings=settings))[0].startswith("0.0 s on NVIDIA A10G at $0.0005/s (your setting) = $0.0000")


NAMES = [
    ("NVIDIA A10G", "0.000306"),
    ("NVIDIA H100 80GB HBM3", "0.001097"),
    ("NVIDIA H100 PCIe", "0.001097"),
    ("NVIDIA A100-SXM4-80GB", "0.000694"),
    ("NVIDIA A100 80GB PCIe", "0.000694"),
    ("NVIDIA L40S", "0.000542"),
    ("NVIDIA L4", "0.000222"),
    ("Tesla T4", "0.000164"),
    ("NVIDIA A100-SXM4-40GB", None),
    ("NVIDIA A10", None),
    ("NVIDIA L40", None),
    ("NVIDIA H200", None),
    ("NVIDIA GH200 480GB", None),
    ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
    ("NVIDIA GeForce RTX 4090", None),
    ("NVIDIA T400 4GB", None),
    ("cpu", None),
    ("", None),
]


@pytest.mark.parametrize(("name", "price"), NAMES, ids=lambda value: str(value))
def test_rates_are_found_by_the_name_that_torch_gives(name: str, price: str | None) -> None:
    rate = find_rate(name, RATES)
    assert (rate and rate.usd_per_second) == (price and Decimal(price))


def test_an_unknown_gpu_has_no_price_and_is_told_how_to_get_one() -> None:
    made = cost(84, "NVIDIA GeForce RTX 4090")
    assert (made.usd, made.krw, made.krw_per_8s, made.over_target, made.rate) == (None, None, None, None, None)
    (line,) = said(made)
    assert "no rate is known for NVIDIA GeForce RTX 4090" in line and "gpu_rates.json" in line


def test_the_users_own_price_comes_before_every_rate() -> None:
    made = cost(100, settings=CostSettings(gpu_usd_per_second=0.0001))
    assert (made.usd, made.source, made.date) == (Decimal("0.01"), "", "")
    assert "(your setting)" in said(made)[0]
    assert cost(100, "my own card", settings=CostSettings(gpu_usd_per_second=0.0)).krw == 0


def test_every_shipped_rate_has_a_source_and_a_date() -> None:
    for rate in RATES:
        assert rate.source and len(rate.date) == 10 and rate.usd_per_second > 0


# --- a whole story -----------------------------------------------------------------------------------------------


def story(shots: int, video: float, gpu: str = "NVIDIA A10G") -> list[str]:
    seconds = {"loading": 90.0, "scene 1": 84.0, "scene 2": 84.5}
    return [line.speak() for line in story_lines(shots, video, seconds, gpu, SETTINGS, RATES)]


def test_a_story_is_charged_with_its_loading_and_averaged_over_its_video() -> None:
    # 258.5 s x $0.000306 x 1450 KRW are 114.7 KRW, for twice 193 frames at 24 fps.
    assert story(2, 2 * 193 / 24) == [
        "2 shots rendered, 16.08 s of video, in 258.5 s with all loading.",
        "258.5 s on NVIDIA A10G at $0.000306/s (Modal list price, 2026-03-25) = $0.0791 = 115 KRW at 1450 KRW per USD.",
        "57 KRW per 8 s, over the target of 54 KRW.",
    ]


def test_a_story_without_a_finished_shot_has_a_price_and_no_average() -> None:
    total, spent = story(0, 0.0)
    assert total.startswith("0 shots rendered")
    assert "115 KRW" in spent


def test_a_story_on_a_gpu_without_a_rate_says_how_long_it_took() -> None:
    total, unknown = story(2, 16.0, "the CPU")
    assert "258.5 s" in total and unknown.startswith("No cost")


# --- the user's file ---------------------------------------------------------------------------------------------


def write(folder: Path, **entry: object) -> Path:
    file = folder / "gpu_rates.json"
    usual = {"words": ["RTX", "4090"], "usd_per_hour": 0.36, "source": "my electricity", "date": "2026-11-01"}
    file.write_text(json.dumps({"rates": [usual | entry]}), encoding="utf-8")
    return file


def test_rates_of_the_user_come_first(tmp_path: Path) -> None:
    rates, notes = load_rates(write(tmp_path))
    made = shot_cost({"all": 100.0}, 8.0, "NVIDIA GeForce RTX 4090", SETTINGS, rates)
    assert (made.usd, made.source, notes) == (Decimal("0.01"), "my electricity", ())
    rates, _ = load_rates(write(tmp_path, words=["A10G"], usd_per_hour=3.6))
    assert shot_cost({"all": 1.0}, 8.0, "NVIDIA A10G", SETTINGS, rates).rate == Decimal("0.001")
    assert len(rates) == len(RATES) + 1


def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert load_rates(tmp_path / "gpu_rates.json") == load_rates(None) == (RATES, ())


BAD = [
    {"usd_per_hour": "cheap"},
    {"usd_per_hour": -1},
    {"usd_per_hour": float("nan")},
    {"usd_per_second": 1e9},
    {"words": []},
    {"words": "A10G"},
    {"words": [4090]},
    {"date": "last week"},
    {"date": None},
]


@pytest.mark.parametrize("entry", BAD, ids=str)
def test_a_bad_entry_is_told_and_the_shipped_rates_count(entry: dict[str, object], tmp_path: Path) -> None:
    rates, (note,) = load_rates(write(tmp_path, **entry))
    assert rates == RATES
    assert note.speak().startswith("The file of GPU rates gpu_rates.json is not used: ")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"rates": 1}', b'{"rates": [1]}', b'{"rates": [{}]}', b"\xff"])
def test_a_bad_file_is_told_and_the_shipped_rates_count(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "gpu_rates.json"
    file.write_bytes(content)
    rates, notes = load_rates(file)
    assert (rates, len(notes)) == (RATES, 1)


# --- bad numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["krw_per_usd", "target_krw_per_8s", "gpu_usd_per_second"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_settings_are_checked(name: str, value: float) -> None:
    with pytest.raises(ValueOutOfRange) as caught:
        replace(SETTINGS, **{name: value})
    assert caught.value.name == name


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_times_are_checked(seconds: float) -> None:
    with pytest.raises(ValueOutOfRange):
        shot_cost({"loading": seconds}, 8.0, "NVIDIA A10G", SETTINGS, RATES)


@pytest.mark.parametrize("seconds", [0.0, -8.0, float("nan"), float("inf")])
def test_a_shot_without_length_has_no_price_per_8_seconds(seconds: float) -> None:
    with pytest.raises(ValueOutOfRange):
        shot_cost({"loading": 1.0}, seconds, "NVIDIA A10G", SETTINGS, RATES)
