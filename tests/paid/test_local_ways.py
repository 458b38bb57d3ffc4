"""The paid shot's local alternatives: forecasts of this machine's own shots, priced."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from storymotion.cost import CostSettings, Rate
from storymotion.forecast import Figures, ShotFigure, Work
from storymotion.paid.local_ways import local_ways
from storymotion.paid.money import Quote
from storymotion.report import speak

GPU = "NVIDIA L40S"
RATES = (Rate(("L40S",), Decimal("0.001"), "a price list", "2026-11-01"),)
# As the paid shot below comes out here: 1280 x 720 becomes 1280 x 704, 5 s become 121 frames.
MADE = Work("distilled", "fp8", GPU, 1280, 704, 121, 8)
SHOT = 1280, 720, Decimal(5)


def ways(*shots: ShotFigure, settings: CostSettings | None = None, rates: tuple[Rate, ...] = RATES) -> list[tuple]:
    found = local_ways(Figures(shots), *SHOT, settings or CostSettings(), rates)
    return [(way.what, way.usd, way.krw_per_8s, way.is_local) for way in found]


def test_a_shot_of_that_size_costs_what_it_took_here() -> None:
    # 50 s at $0.001 are $0.05; 1450 KRW a dollar and 8 s for 5 s.
    assert ways(ShotFigure(MADE, 50)) == [(f"LTX-2 distilled, {GPU}", Decimal("0.05"), Decimal(116), True)]


def test_other_sizes_are_forecast_and_each_pipeline_told_at_its_cheapest_the_dearest_first() -> None:
    slow = replace(MADE, pipeline="two_stage", forwards=120)
    quick = replace(slow, forwards=60)
    small = replace(MADE, width=640, height=384)
    found = ways(ShotFigure(slow, 300), ShotFigure(quick, 150), ShotFigure(small, 10))
    assert [what for what, *_ in found] == [f"LTX-2 two_stage, {GPU}", f"LTX-2 distilled, {GPU}"]
    assert found[0][1] == Decimal("0.15") and Decimal("0.02") < found[1][1] < Decimal("0.1")


def test_nothing_is_told_without_figures_or_a_price_or_of_another_gpu() -> None:
    assert ways() == []
    assert ways(ShotFigure(MADE, 50), rates=()) == []
    settings = CostSettings(gpu_usd_per_second=0.002)
    assert [usd for _, usd, *_ in ways(ShotFigure(MADE, 50), rates=(), settings=settings)] == [Decimal("0.1")]
    sold = replace(MADE, device_name="NVIDIA RTX 3060", pipeline="one_stage")
    assert [what for what, *_ in ways(ShotFigure(sold, 900), ShotFigure(MADE, 50))] == [f"LTX-2 distilled, {GPU}"]


def test_the_quote_says_that_it_is_a_forecast() -> None:
    (way,) = local_ways(Figures((ShotFigure(MADE, 50),)), *SHOT, CostSettings(), RATES)
    quote = Quote("byteplus", "m", "720p", Decimal(5), 103_818, Decimal(1), "docs", "2026-09-11", (way,))
    assert speak(quote.lines()).split("\n")[-1] == (
        f"Cheaper on this machine: LTX-2 distilled, {GPU}: about $0.0500, 116 KRW per 8 s, going by earlier shots "
        "here; loading the models comes on top."
    )
