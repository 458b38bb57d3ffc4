"""Drawn shots, good ones and bad ones, through the pack's own encode into the check."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from storymotion import errors
from storymotion.check.head import DEFAULT_HEAD, HeadRegion
from storymotion.check.limits import LOOK, PASS, RETAKE, Limits, limits
from storymotion.check.pixels import covering
from storymotion.check.plot import SAID, WIDTH, draw_plot
from storymotion.check.shot import MOST_PIXELS, ShotCheck, check_shot
from storymotion.check.told import report_of, report_of_list, scores_of
from storymotion.media.encode import encode_mp4
from storymotion.media.parts import FilePart, FramesPart
from storymotion.media.settings import EncodeSettings
from storymotion.media.small import small_shot, small_size
from storymotion.report import speak

sys.path.insert(0, str(Path(__file__).parent))
from drawn_shots import FAULTS, SEEN_BY, Drawn

# Small and short, small and slow, wide with grain, tall with much of it: (what is drawn, crf).
WAYS: list[tuple[dict, int]] = [
    ({"seed": 1, "width": 320, "height": 192, "seconds": 1.0, "gesture": "turn"}, 18),
    (
        {"seed": 2, "width": 320, "height": 192, "seconds": 1.5, "fps": Fraction(12), "noise": 2.0, "gesture": "hand"},
        10,
    ),
    ({"seed": 3, "width": 512, "height": 288, "seconds": 0.8, "fps": Fraction(24000, 1001), "noise": 5.0}, 18),
    ({"seed": 4, "width": 256, "height": 448, "seconds": 1.0, "noise": 9.0, "gesture": "lean", "twos": True}, 26),
    ({"seed": 5, "width": 320, "height": 320, "seconds": 0.6, "fps": Fraction(48), "gesture": "nod"}, 23),
]


class Cancelled(BaseException):
    """Not an Exception, as nobody on the way shall catch it."""


def checked(drawn: Drawn, folder: Path, crf: float = 18, guide: bool = True, **how) -> ShotCheck:
    """The check of a drawn shot, saved by the pack's own encode."""
    path = folder / "shot.mp4"
    settings = EncodeSettings(crf=crf)
    encode_mp4(path, drawn.frames(), drawn.count, drawn.width, drawn.height, drawn.fps, settings=settings)
    return check_file(path, drawn.guide() if guide else None, **how)


def check_file(path: Path, guide: np.ndarray | None = None, **how) -> ShotCheck:
    shot = small_shot(FilePart(path, path.name), MOST_PIXELS)
    picture = None if guide is None else covering(guide, shot.width, shot.height)
    return check_shot(shot.pictures, shot.frames, shot.frame_rate, picture, **{"head": DEFAULT_HEAD, **how})


def squares(count: int, width: int = 96, height: int = 64) -> Iterator[np.ndarray]:
    """A square that walks to and fro, drawn at no cost."""
    for index in range(count):
        picture = np.full((height, width, 3), 200, np.uint8)
        left = abs(index % 60 - 30)
        picture[20:40, 10 + left : 30 + left] = (40, 60, 90)
        yield picture


def verdicts(check: ShotCheck) -> dict[str, str]:
    return {each.name: each.verdict for each in check.measures}


# --- good and bad shots


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"seed{way[0]['seed']}")
def test_a_good_shot_passes(tmp_path: Path, way: tuple[dict, int]) -> None:
    check = checked(Drawn(**way[0]), tmp_path, way[1], guide=way[0]["seed"] % 2 == 1)
    assert verdicts(check) == dict.fromkeys(limits(), PASS)
    assert check.verdict == PASS and check.score > 2 / 3 and check.tail_frames == 0


@pytest.mark.parametrize("way", [*WAYS[:2], WAYS[3]], ids=lambda way: f"seed{way[0]['seed']}")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_measure(tmp_path: Path, way: tuple[dict, int], fault: str) -> None:
    drawn = Drawn(fault, **way[0])
    check = checked(drawn, tmp_path, way[1], guide=way[0]["seed"] % 2 == 0)
    found = verdicts(check)
    assert found[SEEN_BY[fault]] != PASS
    assert check.verdict != PASS and check.score < 2 / 3
    # What this fault has nothing to do with stays clean.
    if fault in ("still", "head"):
        assert [name for name in found if found[name] != PASS] == [SEEN_BY[fault]]
    if fault not in ("flash", "tail flash", "drift"):  # a room of another colour within a second is both
        assert found["flash"] == PASS
    if fault not in ("flicker", "wobble"):
        assert found["flicker"] == PASS
    at = next(each.at for each in check.measures if each.name == SEEN_BY[fault])
    if fault == "flash":
        assert at == pytest.approx(drawn.count // 2 / float(drawn.fps), abs=0.2)
    if fault == "tail flash":
        assert at is not None and at > check.seconds - 0.3 and 0 < check.tail_frames <= max(4, round(drawn.fps / 5))
    elif fault != "drift":
        assert check.tail_frames == 0


def test_a_still_shot_may_be_wanted(tmp_path: Path) -> None:
    drawn = Drawn("still", seed=1, width=320, height=192, seconds=1.5)
    assert checked(drawn, tmp_path).verdict == RETAKE
    check = checked(drawn, tmp_path, may_be_still=True)
    assert check.verdict == PASS and "may be still" in speak(report_of(check))


def test_a_shot_that_is_not_of_its_picture_has_drifted_from_the_start(tmp_path: Path) -> None:
    drawn = Drawn(seed=1, width=320, height=192, seconds=0.6)
    encode_mp4(tmp_path / "shot.mp4", drawn.frames(), drawn.count, drawn.width, drawn.height, drawn.fps)
    check = check_file(tmp_path / "shot.mp4", Drawn(seed=77, width=640, height=640).guide())
    assert verdicts(check)["structure"] == RETAKE
    structure = check.measure("structure")
    assert structure is not None and structure.curve[0] is not None and structure.curve[0] > 0.5


def test_the_head_is_where_the_user_says(tmp_path: Path) -> None:
    """The head becomes another one; a rectangle in the corner does not see it, and none at all says so."""
    drawn = Drawn("head", seed=2, width=320, height=192, seconds=1.0)
    corner = checked(drawn, tmp_path, head=HeadRegion(0.75, 0.6, 0.2, 0.3))
    assert verdicts(corner)["head"] == PASS
    nowhere = checked(drawn, tmp_path, head=None)
    assert nowhere.measure("head") is None and "No head was compared" in speak(report_of(nowhere))


def test_a_head_under_a_flash_is_not_compared_and_that_is_said() -> None:
    """Nothing but light in the middle, and a second later still the same."""
    frames = list(squares(48))
    frames[15:36] = [np.full_like(frames[0], 20)] * 21
    check = check_shot(frames, 48, Fraction(24), head=DEFAULT_HEAD)
    assert check.measure("head") is None
    assert "No head was compared, because the middle of the shot flashes" in speak(report_of(check))


def test_a_shot_that_waits_before_it_moves() -> None:
    frames = list(squares(30))
    check = check_shot([frames[0]] * 36 + frames, 66, Fraction(24), head=None)
    assert check.waits == pytest.approx(1.5, abs=0.1)
    assert f"Nothing moves in the first {check.waits:.1f} s." in speak(report_of(check))
    assert "Nothing moves" not in speak(report_of(check_shot(frames, 30, Fraction(24), head=None)))


def test_frames_in_memory_and_a_file_of_them_say_the_same(tmp_path: Path) -> None:
    drawn = Drawn(seed=2, width=320, height=192, seconds=0.6)
    frames = list(drawn.frames())
    part = FramesPart("1", lambda: iter(frames), drawn.count, 320, 192, drawn.fps, None)
    shot = small_shot(part, MOST_PIXELS)
    check = check_shot(shot.pictures, shot.frames, shot.frame_rate, drawn.guide(), DEFAULT_HEAD)
    saved = checked(drawn, tmp_path, crf=10)
    assert verdicts(check) == verdicts(saved)
    for one, other in zip(check.measures, saved.measures):
        assert one.value == pytest.approx(other.value, abs=0.03)


# --- memory, cancel, bad input


def test_memory_does_not_grow_with_the_shot() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        check_shot(squares(count), count, Fraction(1000))  # so fast that it is seldom looked at for drift
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # From 480 frames on the curves have all their points. Keeping frames would show: one has 18 kB.
    assert peak(1100) < peak(500) + 100_000


def test_cancel_stops_at_once_and_closes_the_file(tmp_path: Path) -> None:
    drawn = Drawn(seed=1, width=320, height=192, seconds=0.6)
    path = tmp_path / "shot.mp4"
    encode_mp4(path, drawn.frames(), drawn.count, drawn.width, drawn.height, drawn.fps)
    seen: list[tuple[int, int, str]] = []

    def progress(done: int, total: int, what: str) -> None:
        seen.append((done, total, what))
        if done == 3:
            raise Cancelled()

    with pytest.raises(Cancelled):
        check_file(path, progress=progress)
    assert seen == [(done, drawn.count, "checking") for done in range(4)]
    path.rename(tmp_path / "free.mp4")  # Windows would refuse while it is open


@pytest.mark.parametrize(("count", "width", "height"), [(0, 96, 64), (1, 96, 64), (4, 96, 64), (9, 31, 64), (9, 64, 8)])
def test_too_little_to_check(count: int, width: int, height: int) -> None:
    with pytest.raises(errors.ShotUncheckable, match=f"{count} frames"):
        check_shot(
            squares(count, width, height)
            if width > 60 < height
            else iter([np.zeros((height, width, 3), np.uint8)] * 9),
            count,
            Fraction(24),
        )


def test_fewer_frames_than_promised() -> None:
    with pytest.raises(errors.ShotUncheckable, match="3 frames of 96 x 64"):
        check_shot(squares(3), 24, Fraction(24))


def test_frames_of_another_size_are_named() -> None:
    frames = [*squares(6), *squares(1, 128)]
    with pytest.raises(errors.WrongFrame, match=r"Frame 6 is uint8 \(64, 128, 3\)"):
        check_shot(frames, 7, Fraction(24))


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shot.mp4"
    encode_mp4(path, squares(48), 48, 96, 64, Fraction(24))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(errors.UnreadableVideo, match=r"shot\.mp4"):
        check_file(path)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((-0.1, 0, 0.5, 0.5), "head_left is -0.1"),
        ((0, 0.7, 0.5, 0.5), "head_top \\+ head_height is 1.2"),
        ((0, 0, 0.01, 0.5), "head_width is 0.01"),
        ((0, 0, 0.5, float("nan")), "head_height is nan"),
    ],
)
def test_a_rectangle_outside_of_the_frame(values: tuple[float, ...], named: str) -> None:
    with pytest.raises(errors.ValueOutOfRange, match=named):
        HeadRegion(*values)


@pytest.mark.parametrize("region", [HeadRegion(0, 0, 1, 1), HeadRegion(0.98, 0.98, 0.02, 0.02), DEFAULT_HEAD])
@pytest.mark.parametrize(("width", "height"), [(32, 32), (97, 41)])
def test_any_rectangle_and_size_can_be_measured(region: HeadRegion, width: int, height: int) -> None:
    dice = np.random.default_rng(3)
    frames = [dice.integers(0, 255, (height, width, 3), np.uint8) for _ in range(6)]
    check = check_shot(frames, 6, Fraction(1000), head=region)
    assert all(0 <= each.value <= 1 and 0 <= each.score <= 1 for each in check.measures)


@pytest.mark.parametrize("colour", [0, 255])
def test_empty_frames_are_still_and_nothing_else(colour: int) -> None:
    check = check_shot([np.full((64, 64, 3), colour, np.uint8)] * 12, 12, Fraction(24), head=DEFAULT_HEAD)
    assert verdicts(check) == dict.fromkeys(limits(), PASS) | {"movement": RETAKE}


@pytest.mark.parametrize(("width", "height"), [(1280, 704), (704, 1280), (1280, 718), (333, 2001), (16, 16), (1, 9)])
def test_a_small_picture_fills_its_frame(width: int, height: int) -> None:
    small = small_size(width, height, MOST_PIXELS)
    assert small[0] * small[1] <= MOST_PIXELS * 1.02 and small[0] <= width and small[1] <= height
    frame = np.full((height, width, 3), 200, np.uint8)
    part = FramesPart("1", lambda: iter([frame]), 1, width, height, Fraction(24), None)
    (picture,) = small_shot(part, MOST_PIXELS).pictures
    assert picture.shape == (small[1], small[0], 3) and abs(picture.astype(int) - 200).max() <= 1


# --- what is told


def test_limits_have_a_source_and_agree_with_the_measures() -> None:
    assert set(limits()) == set(SAID)
    text = (Path(errors.__file__).parents[1] / "check" / "thresholds.json").read_text(encoding="utf-8")
    assert '"source": "Measured' in text and '"date": "20' in text


@pytest.mark.parametrize(
    ("bounds", "value", "score", "verdict"),
    [
        (Limits(0.2, 0.4), 0.0, 1.0, PASS),
        (Limits(0.2, 0.4), 0.1, 5 / 6, PASS),
        (Limits(0.2, 0.4), 0.2, 2 / 3, LOOK),
        (Limits(0.2, 0.4), 0.4, 1 / 3, RETAKE),
        (Limits(0.2, 0.4), 0.9, 0.0, RETAKE),
        (Limits(0.2, 0.1), 0.7, 1.0, PASS),
        (Limits(0.2, 0.1), 0.4, 5 / 6, PASS),
        (Limits(0.2, 0.1), 0.15, 0.5, LOOK),
        (Limits(0.2, 0.1), 0.0, 0.0, RETAKE),
    ],
)
def test_scores_and_verdicts_agree(bounds: Limits, value: float, score: float, verdict: str) -> None:
    assert bounds.score(value) == pytest.approx(score) and bounds.verdict(value) == verdict


def test_report_data_and_plot() -> None:
    check = check_shot(squares(48), 48, Fraction(24), head=DEFAULT_HEAD)
    korean = speak(report_of(check), "ko")
    assert all(sentence.count(" / ") >= 1 for sentence in korean.split("\n"))
    assert "finds no faces" in korean and "drift is measured from the first frame" in korean
    assert f'"verdict": "{check.verdict}"' in scores_of(check)
    plot = draw_plot(check)
    assert plot.dtype == np.uint8 and plot.shape[1:] == (WIDTH, 3)
    moving = check_shot(squares(48), 48, Fraction(24), may_be_still=True)
    assert draw_plot(moving).shape[0] < plot.shape[0]  # one strip less: no head


def test_a_list_is_summed_up() -> None:
    assert report_of_list([(1, PASS)]) == []
    (said,) = report_of_list([(1, PASS), (2, RETAKE), (4, LOOK), (5, RETAKE)])
    assert said.speak() == "1 of 4 shots pass; to look at: 4; to retake: 2, 5."
