"""The quality figures: what they are by hand, that they tell good from bad, and that they cost no memory."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storymotion.media.encode import encode_mp4
from storymotion.media.quality import LARGEST_SAMPLES, Differences, Quality, QualitySamples, decibels, edge_weights
from storymotion.media.settings import EncodeSettings

FPS = Fraction(24)


class Cancelled(BaseException):
    """Not an Exception, as ComfyUI's own interrupt may be caught by nobody on the way."""


def encoded(target, frames, samples=8, **settings):
    height, width = frames[0].shape[:2]
    chosen = EncodeSettings(**settings)
    return encode_mp4(target, frames, len(frames), width, height, FPS, settings=chosen, quality_samples=samples).quality


def test_decibels_by_hand():
    assert decibels(255**2) == 0
    assert decibels(255**2 / 1000) == pytest.approx(30)
    assert decibels(0) == decibels(1e-12) == 100


def test_edges_weigh_as_much_as_they_are_high():
    drawn = np.full((9, 9, 3), 100, np.uint8)
    drawn[:, 4, 2] = 160  # a blue line
    weights = edge_weights(drawn)
    assert (weights[:, 2:7] == 60).all() and not weights[:, :2].any() and not weights[:, 7:].any()
    assert not edge_weights(np.full((5, 5, 3), 9, np.uint8)).any()
    assert edge_weights(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1)


def test_psnr_of_known_errors():
    """2 off everywhere; then 10 off on the edge alone, which only the second figure knows."""
    drawn = np.full((64, 64, 3), 100, np.uint8)
    drawn[:, 32:] = 200
    found = Differences()
    found.add(drawn + np.uint8(2), drawn)
    assert found.quality is not None
    assert found.quality.psnr == pytest.approx(decibels(4)) == found.quality.edge_psnr
    shown = drawn.copy()
    shown[:, 31] += 10
    found = Differences()
    found.add(shown, drawn)
    assert found.quality is not None and found.quality.edge_psnr is not None
    assert found.quality.psnr == pytest.approx(decibels(100 / 64))
    assert found.quality.edge_psnr == pytest.approx(decibels(100 / 4))  # the edge is four pixels wide
    assert Differences().quality is None


def test_the_figure_is_that_of_the_second_decoder(tmp_path, line_art, second_decoder):
    target = tmp_path / "shot.mp4"
    quality = encoded(target, line_art, samples=24)
    shown = second_decoder.rgb(target, 320, 192).astype(np.float64)
    by_hand = decibels(float(np.mean((shown - np.array(line_art)) ** 2)))
    assert quality is not None and quality.frames == 24
    assert quality.psnr == pytest.approx(by_hand, abs=0.3)  # bicubic there, Lanczos here
    assert quality.edge_psnr is not None and quality.edge_psnr < quality.psnr - 3


def test_a_few_samples_stand_for_all(tmp_path, line_art):
    all_frames, few = (encoded(tmp_path / "shot.mp4", line_art, samples=count) for count in (24, 6))
    assert all_frames is not None and few is not None and few.frames == 6
    assert few.psnr == pytest.approx(all_frames.psnr, abs=0.3)


def test_better_files_have_better_figures(tmp_path, line_art):
    """Also a file of twice the size, which is compared at the size of the drawing."""
    rough, usual, double, full = (
        encoded(tmp_path / "shot.mp4", line_art, 8, **settings)
        for settings in ({"crf": 35}, {}, {"line_art_2x": True}, {"pixel_format": "yuv444p"})
    )
    assert rough is not None and usual is not None and double is not None and full is not None
    assert rough.psnr + 2 < usual.psnr < double.psnr - 3 and usual.psnr < full.psnr - 3
    assert rough.edge_psnr and usual.edge_psnr and full.edge_psnr
    assert rough.edge_psnr < usual.edge_psnr < full.edge_psnr


def test_every_sample_is_compared_with_its_own_frame(tmp_path):
    """Frames that are all different, with key frames far apart; on twos with the drawing that is shown."""
    frames = [np.full((48, 64, 3), 30 + index % 190, np.uint8) for index in range(400)]
    for settings in ({}, {"on_twos": True}):
        quality = encoded(tmp_path / "shot.mp4", frames, samples=40, crf=1, **settings)
        assert quality is not None and quality.frames == 40
        assert quality.psnr > 48 and quality.edge_psnr is None  # one frame off would be 48


def looks(path: Path, count: int, samples: int) -> tuple[Quality, int]:
    """The figures of ``count`` frames that are all different, and how many were decoded for them."""
    whats: list[str] = []
    frames = (np.full((48, 64, 3), 30 + index % 190, np.uint8) for index in range(count))
    settings = EncodeSettings(crf=1, speed="ultrafast")

    def keep(done: int, total: int, what: str) -> None:
        whats.append(what)

    done = encode_mp4(path, frames, count, 64, 48, FPS, None, settings, None, keep, samples)
    assert done.quality is not None
    return done.quality, whats.count("comparing")


def test_no_frame_is_decoded_twice_and_long_ways_are_skipped(tmp_path):
    path = tmp_path / "shot.mp4"
    quality, decoded = looks(path, 200, 8)  # one group: 8 times from its start would be 800 frames
    assert quality.frames == 8 and quality.psnr > 48 and decoded <= 200
    quality, decoded = looks(path, 1100, 2)  # samples 275 and 825, key frames every 250
    assert quality.frames == 2 and quality.psnr > 48 and decoded <= 2 * 250


@pytest.mark.parametrize("error", [Cancelled(), OSError("mine"), ValueError("mine")], ids=repr)
def test_cancel_while_frames_are_compared(tmp_path, line_art, error):
    def cancel(done: int, total: int, what: str) -> None:
        assert 0 <= done <= total
        if what == "comparing":
            raise error

    with pytest.raises(type(error)) as raised:
        encode_mp4(tmp_path / "shot.mp4", line_art, 24, 320, 192, FPS, progress=cancel, quality_samples=4)
    assert raised.value is error and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("samples", [0, -1])
def test_switched_off(tmp_path, line_art, samples):
    assert encoded(tmp_path / "shot.mp4", line_art[:2], samples=samples) is None


@pytest.mark.parametrize("given, expected", [(3, 60), (60, 3), (1, 1), (5, 1)])
def test_fewer_or_more_frames_than_expected(tmp_path, given, expected):
    frames = (np.full((48, 64, 3), 9 * index % 255, np.uint8) for index in range(given))
    done = encode_mp4(tmp_path / "shot.mp4", frames, expected, 64, 48, FPS, quality_samples=4)
    assert done.frames == given
    assert done.quality is None or 1 <= done.quality.frames <= 4


def test_decoded_frames_are_compared_as_shown(tmp_path, line_art):
    source = tmp_path / "source.mp4"
    encoded(source, line_art, crf=5)
    with av.open(str(source)) as container:
        frames = list(container.decode(video=0))
    for frame in frames:
        frame.pict_type = 0
    target = tmp_path / "shot.mp4"
    done = encode_mp4(target, frames, 24, 320, 192, FPS, None, EncodeSettings(crf=18), quality_samples=8)
    assert done.quality is not None and done.quality.psnr > 40


def test_samples_of_large_frames_are_few():
    large = LARGEST_SAMPLES // 3 + 1
    for asked, frame_bytes, kept in ((8, 1, 8), (8, large, 2), (8, LARGEST_SAMPLES * 2, 1)):
        samples = QualitySamples(asked, 100, frame_bytes)
        for index in range(100):
            samples.offer(index, np.zeros((1, 1, 3), np.uint8))
        assert len(samples._kept) == kept
