"""Plans land on LTX-2's grid and say what they changed."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymotion import errors
from storymotion.shot import (
    FROM_IMAGE,
    check_frames,
    check_size,
    exact_frame_rate,
    frames_for,
    plan_shot,
    size_choices,
    size_presets,
)


def test_eight_seconds_of_the_creator() -> None:
    plan = plan_shot(8, 24, "16:9 1280x704")
    assert (plan.width, plan.height, plan.frames, plan.fps) == (1280, 704, 193, 24)
    assert [note.code for note in plan.notes] == ["plan", "plan-frames-snapped"]
    assert "193" in plan.notes[1].speak()


def test_what_is_on_the_grid_is_not_changed() -> None:
    assert [note.code for note in plan_shot(193 / 24, 24, "16:9 1280x704").notes] == ["plan"]


@given(st.floats(0.1, 60), st.sampled_from([12, 23.976, 24, 25, 29.97, 30, 50]))
def test_frames_never_cut_the_line_short(seconds: float, fps: float) -> None:
    frames = frames_for(seconds, fps)
    assert frames % 8 == 1
    assert frames / fps >= seconds - 0.5 / fps - 1e-9
    assert frames == 1 or (frames - 8) / fps < seconds


@pytest.mark.parametrize("preset", size_presets())
def test_presets_can_be_rendered_in_two_stages(preset: object) -> None:
    check_size(preset.width, preset.height, "two")  # type: ignore[attr-defined]


def test_names_of_presets_are_unique_and_true() -> None:
    names = [preset.name for preset in size_presets()]
    assert len(set(names)) == len(names)
    assert all(preset.name.endswith(f"{preset.width}x{preset.height}") for preset in size_presets())
    assert size_choices()[-1] == FROM_IMAGE


@given(st.integers(2, 8000), st.integers(2, 8000), st.sampled_from(["one", "two"]))
def test_any_picture_gets_a_size_that_can_be_rendered(width: int, height: int, stages: str) -> None:
    plan = plan_shot(1, 24, FROM_IMAGE, stages, (width, height))
    check_size(plan.width, plan.height, stages)
    assert 0.8 < plan.width * plan.height / (1280 * 704) < 1.25
    if 1 / 3 < width / height < 3:
        assert abs(math.log(plan.width / plan.height / (width / height))) < 0.12


def test_cropping_is_reported() -> None:
    (crop,) = [note for note in plan_shot(1, 24, "1:1 768x768", "two", (1600, 800)).notes if "crops" in note.code]
    assert (crop.code, crop.values["percent"]) == ("plan-crops-width", 50)
    (crop,) = [note for note in plan_shot(1, 24, "1:1 768x768", "two", (800, 1600)).notes if "crops" in note.code]
    assert crop.code == "plan-crops-height"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0, 24, "16:9 1280x704"), errors.ValueOutOfRange),
        ((math.nan, 24, "16:9 1280x704"), errors.ValueOutOfRange),
        ((61, 24, "16:9 1280x704"), errors.ValueOutOfRange),
        ((8, 0, "16:9 1280x704"), errors.ValueOutOfRange),
        ((8, math.inf, "16:9 1280x704"), errors.ValueOutOfRange),
        ((8, 24, "4K"), errors.UnknownChoice),
        ((8, 24, FROM_IMAGE), errors.UnknownChoice),
        ((8, 24, "16:9 1280x704", "three"), errors.UnknownChoice),
    ],
)
def test_wrong_plans(arguments: tuple, error: type[Exception]) -> None:
    with pytest.raises(error):
        plan_shot(*arguments)


def test_grid_errors_name_the_neighbours() -> None:
    with pytest.raises(errors.SizeNotMultiple, match="Use 704 or 768"):
        check_size(1280, 720, "two")
    check_size(1280, 736, "one")
    with pytest.raises(errors.FramesNotOnGrid, match="Use 185 or 193"):
        check_frames(192, 24)


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (23.976, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (24.0, Fraction(24)),
        (12.5, Fraction(25, 2)),
        (59.94, Fraction(60000, 1001)),
    ],
)
def test_exact_rates(fps: float, exact: Fraction) -> None:
    assert exact_frame_rate(fps) == exact
