"""Forecasts from figures that follow a known law, from few figures and from none, and what is said of them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from storymotion.cost import CostSettings, load_rates
from storymotion.forecast import Figures, Forecast, LoadingFigure, ShotFigure, Work, forecast_lines, forecast_story

GPU = "NVIDIA H100 80GB HBM3"
WORK = Work("distilled", "bf16", GPU, 1280, 704, 193, 8)
SIZES = [(448, 256), (640, 384), (960, 512), (1280, 704), (1920, 1088)]
RATES, _ = load_rates()


def figures(shots: Iterable[tuple[Work, float]], *loadings: tuple[str, float, int]) -> Figures:
    return Figures(tuple(ShotFigure(*each) for each in shots), tuple(LoadingFigure(*each) for each in loadings))


def seconds_of(made: Figures, work: Work) -> float:
    told = forecast_story(made, [work])
    assert told.seconds is not None
    return told.seconds


# --- the amount of work --------------------------------------------------------------------------------------------


def test_units_count_passes_tokens_and_attention() -> None:
    # 22,000 tokens: 8 passes of a quarter, 3 of all, each with its attention and its prompt, and the decoding.
    quarter, whole = 5500 * (1 + 5500 / 35_000) + 150, 22_000 * (1 + 22_000 / 35_000) + 150
    assert WORK.units == pytest.approx(8 * quarter + 3 * whole + 22_000)
    assert replace(WORK, pipeline="one_stage", forwards=30).units == pytest.approx(30 * whole + 22_000)


def test_twice_the_frames_are_more_than_twice_the_work() -> None:
    assert 2.0 < replace(WORK, frames=385).units / WORK.units < 3.0


# --- from figures to seconds ---------------------------------------------------------------------------------------


def test_the_same_shape_takes_the_median_of_its_last_five() -> None:
    made = figures((WORK, seconds) for seconds in [500.0, 400.0, 30.0, 31.0, 200.0, 29.0, 32.0])
    told = forecast_story(made, [WORK, WORK])
    assert (told.seconds, told.based_on, told.shots_known) == (62.0, 5, 2)


def test_one_shape_is_scaled_by_its_work() -> None:
    larger = replace(WORK, width=1920, height=1088)
    assert seconds_of(figures([(WORK, 20.0)]), larger) == pytest.approx(20.0 * larger.units / WORK.units)


def test_shapes_that_were_not_rendered_lie_on_the_line_of_those_that_were() -> None:
    def true_seconds(work: Work) -> float:
        return 3.0 + 2e-4 * work.units

    known = [replace(WORK, width=width, height=height) for width, height in SIZES[1:4]]
    made = figures((work, true_seconds(work)) for work in known)
    for width, height in (SIZES[0], SIZES[4]):
        work = replace(WORK, width=width, height=height, frames=97)
        assert seconds_of(made, work) == pytest.approx(true_seconds(work))


def test_near_shapes_tell_more_than_far_ones() -> None:
    """On a device whose time grows faster than the work, from a fiftieth of a size to a size."""
    known = [replace(WORK, width=width, height=height) for width, height in SIZES]
    made = figures((work, work.units**1.3) for work in known)
    for width, height in ((512, 256), (1216, 704), (1856, 1088)):
        asked = replace(WORK, width=width, height=height)
        assert seconds_of(made, asked) == pytest.approx(asked.units**1.3, rel=0.1), width


def test_noise_of_a_tenth_moves_the_forecast_by_about_as_much() -> None:
    noise = random.Random(4)
    known = [replace(WORK, width=width, height=height) for width, height in SIZES]
    made = figures((work, (3 + 2e-4 * work.units) * noise.uniform(0.9, 1.1)) for work in known for _ in range(5))
    asked = replace(WORK, width=1088, height=1920, frames=121)
    assert seconds_of(made, asked) == pytest.approx(3 + 2e-4 * asked.units, rel=0.1)


@pytest.mark.parametrize("larger_takes", [10.0, 20.0, 2000.0])
def test_figures_that_contradict_the_work_still_give_a_positive_time_that_grows(larger_takes: float) -> None:
    smaller, larger = replace(WORK, width=640), replace(WORK, width=1920)
    made = figures([(smaller, 20.0), (larger, larger_takes)])
    times = [seconds_of(made, replace(WORK, width=width)) for width in (64, 1280, 4096)]
    assert 0 < times[0] < times[1] < times[2]


def test_nearly_equal_shapes_make_no_line_of_their_noise() -> None:
    made = figures([(WORK, 20.0), (replace(WORK, forwards=9), 20.1)])
    long = replace(WORK, frames=385)
    assert seconds_of(made, long) == pytest.approx(20 * long.units / WORK.units, rel=0.05)


OTHERS = [{"pipeline": "two_stage"}, {"precision": "fp8"}, {"device_name": "NVIDIA A10G"}]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_other_kinds_tell_nothing(other: dict[str, str]) -> None:
    told = forecast_story(figures([(replace(WORK, **other), 20.0)]), [WORK])
    assert told == Forecast(1, 193, 0, 0, None, 0.0, 0)


def test_what_is_known_is_told_apart_from_what_is_not() -> None:
    unknown = replace(WORK, pipeline="keyframes", frames=97)
    told = forecast_story(figures([(WORK, 20.0)]), [WORK, unknown, WORK])
    assert told == Forecast(3, 483, 2, 386, 40.0, 0.0, 1)


def test_loading_is_read_at_the_median_speed_of_this_device() -> None:
    made = figures([(WORK, 20.0)], (GPU, 10.0, 100), (GPU, 20.0, 100), (GPU, 90.0, 100), ("NVIDIA A10G", 1.0, 100))
    told = forecast_story(made, [WORK], bytes_to_read=300)
    assert (told.seconds, told.loading_seconds) == (80.0, 60.0)
    assert forecast_story(made, [WORK]).loading_seconds == 0.0
    not_measured = forecast_story(figures([(WORK, 20.0)]), [WORK], bytes_to_read=300)
    assert (not_measured.seconds, not_measured.loading_seconds) == (20.0, None)


# --- in words ------------------------------------------------------------------------------------------------------


def said(told: Forecast, shot_seconds: float, gpu: str = GPU, language: str = "en", **settings: float) -> list[str]:
    lines = forecast_lines(told, shot_seconds, gpu, CostSettings(**settings), RATES)
    return [each.speak(language) for each in lines]


def test_a_forecast_says_time_money_and_what_it_goes_by() -> None:
    told = Forecast(6, 1158, 6, 1158, 840.0, 90.0, 12)
    assert said(told, 6 * 193 / 24, gpu_usd_per_second=0.0001) == [
        "Forecast (scenes: 6, frames: 1158): about 14 min and 122 KRW, going by earlier shots on this machine: 12.",
        "Loading the models is about 1.5 min of it.",
        "20 KRW per 8 s, within the target of 54 KRW.",
    ]
    assert "over the target" in said(told, 6 * 193 / 24)[-1]
    assert "14" in said(told, 6 * 193 / 24, language="ko")[0].split(" / ")[1]


def test_the_price_of_8_seconds_counts_only_scenes_that_are_known() -> None:
    told = Forecast(4, 772, 1, 193, 80.0, None, 3)
    # 80 s at 1 KRW a second for the 8 s of one scene.
    assert said(told, 32.0, gpu_usd_per_second=0.001, krw_per_usd=1000) == [
        "Forecast (scenes: 4, frames: 772): about 1.3 min and 80 KRW, going by earlier shots on this machine: 3.",
        "Scenes that are not in it, because no shot of their kind has been measured here yet: 3.",
        "The time to load the models is not in it: it has not been measured on this machine yet.",
        "80 KRW per 8 s, over the target of 54 KRW.",
    ]


def test_without_a_rate_there_is_a_time_and_how_to_set_one() -> None:
    time, rate = said(Forecast(1, 193, 1, 193, 2.0, 0.0, 1), 8.0, gpu="the CPU")
    assert time == "Forecast (scenes: 1, frames: 193): about 0.1 min, going by earlier shots on this machine: 1."
    assert rate.startswith("No cost: no rate is known for the CPU.")


def test_without_figures_it_says_so() -> None:
    (only,) = said(forecast_story(Figures(), [WORK] * 6, 10**9), 48.0)
    assert only.startswith("No forecast (scenes: 6, frames: 1158): no shot of this kind has been measured")
    assert said(forecast_story(Figures(), []), 0.0) == []


def test_scenes_whose_length_the_model_decides_are_counted_at_their_longest() -> None:
    for told in (Forecast(6, 1158, 6, 1158, 840.0, 90.0, 12), forecast_story(Figures(), [WORK] * 6, 10**9)):
        lines = forecast_lines(told, 48.0, GPU, CostSettings(), RATES, at_most=True)
        assert [line for line in lines if line.code != "forecast-most"] == list(
            forecast_lines(told, 48.0, GPU, CostSettings(), RATES)
        )
        assert "forecast-most" in [line.code for line in lines]
