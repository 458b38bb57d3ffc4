"""What a shot will cost: the worked table row by row, the dearest ratio, cheaper ways, the user's own models."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from storymotion.cost import CostSettings
from storymotion.errors import NoPrice, SeedanceModelRetired, UnknownModel
from storymotion.paid.money import usd_of_tokens, video_tokens
from storymotion.paid.seedance.models import RATIOS, Catalogue, load_catalogue
from storymotion.paid.seedance.quote import Shape, quote_shape, video_size

CATALOGUE, _ = load_catalogue()
# As if nothing were retired: the table has rows of models that were on offer when it was made.
ALL_MODELS = Catalogue(tuple(replace(model, retired=None) for model in CATALOGUE.models), CATALOGUE.prices)
FAST = "seedance-1-0-pro-fast-251015"
IDS = {model.prices: model.id for model in CATALOGUE.models}
ROWS = [
    [cell.strip() for cell in row.split("|")]
    for row in (Path(__file__).parent / "worked_quotes.txt").read_text(encoding="utf-8").splitlines()
    if not row.startswith("#")
]


def shape(**changes: object) -> Shape:
    return replace(Shape(FAST, "720p", "16:9", 5, "default", False), **changes)  # type: ignore[arg-type]


def rounded(value: Decimal, step: str) -> Decimal:
    return value.quantize(Decimal(step), rounding=ROUND_HALF_UP)


def test_the_whole_table_is_there() -> None:
    assert len(ROWS) == 52


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row[:3]))
def test_the_worked_rows(row: list[str]) -> None:
    model, resolution, seconds, pixels, tokens, usd, krw = row
    family, _, kind = model.partition(" ")
    tier = "flex" if kind == "flex" else "default"
    asked = Shape(IDS[family], resolution, "16:9", int(seconds.rstrip("s")), tier, kind == "audio")
    width, height = video_size(asked, ALL_MODELS.model(asked.model))
    assert f"{width}x{height}" == pixels
    exact = Fraction(width * height * (24 * asked.duration + 1), 1024)
    made = quote_shape(asked, ALL_MODELS)
    # The table cuts the fraction of a token off, a quote rounds it up.
    assert int(exact) == int(tokens) and exact <= made.tokens < exact + 1
    assert made.seconds == asked.duration
    assert abs(made.usd - Decimal(usd)) <= Decimal("0.00005")
    assert rounded(made.usd * 1450, "0.1") == Decimal(krw)


@pytest.mark.parametrize(
    ("resolution", "by_ratio"),
    [
        ("480p", {"16:9": 49005, "9:16": 49005, "4:3": 47311, "3:4": 47311, "1:1": 48400, "21:9": 47190}),
        ("720p", {"16:9": 103818, "9:16": 103818, "4:3": 110110, "3:4": 110110, "1:1": 108900, "21:9": 113740}),
        ("1080p", {"16:9": 246840, "9:16": 246840, "4:3": 245388, "3:4": 245388, "1:1": 245025, "21:9": 238612}),
    ],
)
def test_every_ratio_of_the_default_model_and_the_dearest_for_adaptive(
    resolution: str, by_ratio: dict[str, int]
) -> None:
    for ratio, tokens in by_ratio.items():
        assert quote_shape(shape(resolution=resolution, ratio=ratio), CATALOGUE).tokens - tokens in (0, 1)
    adaptive = quote_shape(shape(resolution=resolution, ratio="adaptive"), CATALOGUE).tokens
    assert adaptive == max(quote_shape(shape(resolution=resolution, ratio=each), CATALOGUE).tokens for each in RATIOS)


def test_a_shot_that_is_as_long_as_the_model_likes_is_priced_at_the_longest() -> None:
    free = quote_shape(shape(model="dreamina-seedance-2-5-260628", duration=-1), CATALOGUE)
    assert free.usd == quote_shape(shape(model="dreamina-seedance-2-5-260628", duration=30), CATALOGUE).usd


def test_no_quote_is_below_what_is_settled() -> None:
    """For every model, resolution, ratio, length and tier, with the usage rounded any way."""
    counted = 0
    for model in ALL_MODELS.models:
        for resolution in model.resolutions:
            for ratio in (*RATIOS, "adaptive"):
                for seconds in range(model.seconds[0], model.seconds[1] + 1):
                    for tier in model.service_tiers:
                        made = quote_shape(Shape(model.id, resolution, ratio, seconds, tier, True), ALL_MODELS)
                        for width, height in (
                            model.pixels[resolution].values()
                            if ratio == "adaptive"
                            else [model.pixels[resolution][ratio]]
                        ):
                            used = round(width * height * (24 * seconds + 1) / 1024)
                            assert usd_of_tokens(used, made.usd_per_million) <= made.usd
                        counted += 1
    assert counted > 1000


def test_cheaper_ways_are_of_the_same_model_the_dearest_first() -> None:
    made = quote_shape(shape(resolution="1080p"), CATALOGUE)
    assert [way.what for way in made.alternatives] == [
        "1080p 16:9, 5 s, flex",
        "720p 16:9, 5 s, default",
        "720p 16:9, 5 s, flex",
        "480p 16:9, 5 s, default",
        "480p 16:9, 5 s, flex",
    ]
    usd = [way.usd for way in made.alternatives]
    assert usd == sorted(usd, reverse=True) and usd[0] < made.usd
    # The flex tier of 1080p costs more than 720p: the order is that of the money.
    assert quote_shape(shape(resolution="480p", service_tier="flex"), CATALOGUE).alternatives == ()


def test_4k_is_dearer_than_1080p_though_its_tokens_are_cheaper() -> None:
    dear = quote_shape(shape(model="dreamina-seedance-2-0-260128", resolution="4k"), CATALOGUE)
    assert dear.alternatives[0].what.startswith("1080p")


def test_a_quote_over_the_target_names_the_cheaper_ways() -> None:
    """720p costs 240 KRW per 8 s; 5 s at 480p in the flex tier are 56.8 KRW per 8 s, over 54 as well."""
    settings = CostSettings(krw_per_usd=1450, target_krw_per_8s=54)
    made = quote_shape(shape(), CATALOGUE, settings)
    said = [line.speak() for line in made.lines()]
    assert "103818" in said[0] and "2026-09-15" in said[0] and "over the target" in said[1]
    assert len(said) == 2 + len(made.alternatives) == 5
    assert quote_shape(shape(), CATALOGUE, replace(settings, target_krw_per_8s=500)).over_target is False


def test_every_offered_shot_has_a_price_and_its_source() -> None:
    for model in CATALOGUE.models:
        for resolution in model.resolutions:
            for tier in model.service_tiers:
                price = CATALOGUE.price(model, resolution, tier, model.sound)
                assert price is not None and price.source and price.date == "2026-09-15"


def test_the_default_is_the_cheapest_and_retired_models_are_not_offered() -> None:
    assert CATALOGUE.offered()[0] == FAST
    assert "seedance-1-5-pro-251215" not in CATALOGUE.offered()
    with pytest.raises(SeedanceModelRetired, match="2026-11-11"):
        quote_shape(shape(model="seedance-1-5-pro-251215"), CATALOGUE)
    with pytest.raises(UnknownModel, match=FAST):
        quote_shape(shape(model="seedance-1-0-pro-251015"), CATALOGUE)


OWN = {
    "id": "seedance-9-0",
    "name": "Seedance 9",
    "prices": "9.0",
    "pixels": "2.0",
    "resolutions": ["480p"],
    "seconds": [2, 6],
    "automatic_seconds": False,
    "service_tiers": ["default"],
    "last_frame": True,
    "seed": True,
    "camera_fixed": True,
    "sound": False,
    "adaptive_from_text": True,
}
OWN_PRICES = {
    "currency": "USD",
    "per_tokens": 1_000_000,
    "source": "my contract",
    "date": "2026-11-01",
    "prices": [{"prices": "9.0", "service_tier": "default", "price": "3"}],
}


def test_the_user_adds_a_model_and_its_price(tmp_path: Path) -> None:
    file = tmp_path / "seedance.json"
    file.write_text(json.dumps({"models": [OWN], **OWN_PRICES}), encoding="utf-8")
    catalogue, notes = load_catalogue(file)
    assert notes == () and catalogue.offered() == (*CATALOGUE.offered(), "seedance-9-0")
    made = quote_shape(shape(model="seedance-9-0", resolution="480p"), catalogue)
    assert (made.source, made.date, made.usd) == ("my contract", "2026-11-01", Decimal("0.151917"))


def test_a_model_without_a_price_has_no_quote(tmp_path: Path) -> None:
    file = tmp_path / "seedance.json"
    file.write_text(json.dumps({"models": [OWN]}), encoding="utf-8")
    catalogue, _ = load_catalogue(file)
    with pytest.raises(NoPrice, match="480p default"):
        quote_shape(shape(model="seedance-9-0", resolution="480p"), catalogue)


def test_a_users_entry_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    file = tmp_path / "seedance.json"
    file.write_text(json.dumps({"models": [{**OWN, "id": FAST}], **OWN_PRICES}), encoding="utf-8")
    catalogue, _ = load_catalogue(file)
    assert catalogue.offered()[0] == FAST and catalogue.model(FAST).name == "Seedance 9"
    assert len(catalogue.models) == len(CATALOGUE.models)


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        json.dumps({"models": [{**OWN, "pixels": "7.0"}]}),
        json.dumps({"models": [{**OWN, "seed": 1}]}),
        json.dumps({"models": [{**OWN, "resolutions": ["8k"]}]}),
        json.dumps({**OWN_PRICES, "currency": "CNY"}),
        json.dumps({**OWN_PRICES, "prices": [{"prices": "9.0", "service_tier": "default", "price": "0"}]}),
        json.dumps({**OWN_PRICES, "prices": [{"prices": "9.0", "service_tier": "default", "price": "NaN"}]}),
    ],
)
def test_a_broken_file_of_the_user_adds_nothing_and_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "seedance.json"
    file.write_text(text, encoding="utf-8")
    catalogue, notes = load_catalogue(file)
    assert catalogue == CATALOGUE
    assert "seedance.json" in notes[0].speak()


def test_the_smallest_shot_of_all() -> None:
    """864 x 480, 2 s: what a first paid trial costs."""
    assert video_tokens(864, 480, 49) == 19845
    assert quote_shape(shape(resolution="480p", duration=2), CATALOGUE).usd == Decimal("0.019845")
