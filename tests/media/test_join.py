"""A film of shots: every picture in its place, every sound at its sample, and bad parts named."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storymotion import errors
from storymotion.media.encode import encode_mp4
from storymotion.media.film import plan_film
from storymotion.media.film_sound import film_sound
from storymotion.media.join import write_film
from storymotion.media.parts import FilePart, FramesPart, Part
from storymotion.media.probe import probe
from storymotion.media.settings import EncodeSettings
from storymotion.media.sound import Sound

FPS, NTSC = Fraction(24), Fraction(24000, 1001)
# Frames of the shots, over and over: some shorter than x264 looks ahead, one of a single frame.
LENGTHS = (9, 17, 1, 11, 2, 13)
BURST = 300  # samples
BURST_AT = 500  # of the shot's sound; the shortest shot at 24000 Hz has 1000 samples


class Cancelled(BaseException):
    """Not an Exception, as ComfyUI's own interrupt may be caught by nobody on the way."""


def pictures(shot: int, count: int, width: int = 64, height: int = 48) -> Iterator[np.ndarray]:
    """Flat pictures whose grey says which shot and which frame it is, with a mark in the corner."""
    for index in range(count):
        picture = np.full((height, width, 3), (37 * shot + 5 * index) % 200 + 20, np.uint8)
        picture[:8, :8] = (255, 0, 0)
        yield picture


def burst(shot: int) -> np.ndarray:
    """A noise that no other shot has, so that its place can be found to the sample."""
    return np.random.default_rng(shot).uniform(-0.6, 0.6, BURST).astype(np.float32)


def sound_of(shot: int, frames: int, fps: Fraction, sample_rate: int, channels: int = 1) -> Sound:
    """Silence with the burst of the shot. It is longer than the picture, as a shot of LTX-2 may be."""
    waveform = np.zeros((channels, round(frames / fps * sample_rate) + 777), np.float32)
    waveform[:, BURST_AT : BURST_AT + BURST] = burst(shot)
    return Sound(waveform, sample_rate)


def label(shot: int) -> str:
    return f"{shot + 1} (shot_{shot + 1:05}_.mp4)"


def in_memory(shot: int, count: int, fps: Fraction = FPS, sound: Sound | None = None, size=(64, 48)) -> FramesPart:
    return FramesPart(label(shot), lambda: pictures(shot, count, *size), count, size[0], size[1], fps, sound)


@pytest.fixture
def on_disk(tmp_path) -> Callable[..., FilePart]:
    """Make a shot as Animation Encode saves it."""

    def make(shot: int, count: int, fps: Fraction = FPS, sound: Sound | None = None, size=(64, 48), **settings):
        path = tmp_path / f"shot_{shot + 1:05}_.mp4"
        frames = pictures(shot, count, *size)
        encode_mp4(path, frames, count, size[0], size[1], fps, sound, EncodeSettings(**settings))
        return FilePart(path, label(shot))

    return make


def join(target: Path, parts: Sequence[Part], mismatch: str = "error", **more):
    plan = plan_film(parts, mismatch)
    return plan, write_film(target, plan, **more)


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def lag(played: np.ndarray, wanted: np.ndarray, place: int, reach: int = 400) -> int:
    """By how many samples ``wanted`` is heard after ``place``: where the correlation is strongest."""
    start = max(0, place - reach)
    heard = played[start : place + len(wanted) + reach]
    return start + int(np.correlate(heard, wanted, mode="valid").argmax()) - place


def frame_counts(count: int) -> list[int]:
    return [LENGTHS[index % len(LENGTHS)] for index in range(count)]


# --- sound, to the sample


@pytest.mark.parametrize("fps", [FPS, NTSC], ids=["24", "23.976"])
@pytest.mark.parametrize("sample_rate", [48_000, 44_100, 24_000])
@pytest.mark.parametrize("copied", [True, False], ids=["copied", "encoded"])
def test_every_sound_is_at_its_sample(tmp_path, second_decoder, on_disk, fps, sample_rate, copied):
    """After 3, 10 and 60 shots. Copied packet by packet it would be off by up to 1024 samples a shot."""
    lengths = frame_counts(60)
    make = on_disk if copied else in_memory
    shots = [make(i, n, fps, sound_of(i, n, fps, sample_rate)) for i, n in enumerate(lengths)]
    for count in (3, 10, 60):
        film = tmp_path / "film.mp4"
        plan, done = join(film, shots[:count])
        assert plan.copied == copied
        played = second_decoder.sound(film, 1)[0]
        total = sum(lengths[:count])
        assert (done.frames, probe(film).frames, probe(film).frame_rate) == (total, total, fps)
        assert len(played) == round(total / fps * sample_rate)
        for shot in range(count):
            start = round(sum(lengths[:shot]) / fps * sample_rate)
            assert lag(played, burst(shot), start + BURST_AT) == 0, f"shot {shot + 1} of {count}"


def hump(times: np.ndarray) -> np.ndarray:
    """A rounded pulse from 0.1 s to 0.12 s, known at every time and not only at samples."""
    since = times - 0.1
    return np.where((since > 0) & (since < 0.02), 0.4 - 0.4 * np.cos(2 * np.pi * since / 0.02), 0).astype(np.float32)


@pytest.mark.parametrize("film_rate, shot_rate", [(48_000, 44_100), (48_000, 24_000), (44_100, 24_000)])
def test_other_sample_rates_are_converted_in_place(tmp_path, second_decoder, on_disk, film_rate, shot_rate):
    pulse = Sound(hump(np.arange(shot_rate) / shot_rate)[None], shot_rate)
    parts = [
        on_disk(0, 13, NTSC, sound_of(0, 13, NTSC, film_rate)),
        on_disk(1, 11, NTSC, pulse),
        in_memory(2, 11, NTSC, pulse),
        on_disk(3, 9, NTSC, sound_of(3, 9, NTSC, film_rate)),
    ]
    film = tmp_path / "film.mp4"
    plan, _ = join(film, parts)
    start, middle, end, last = (round(frames / NTSC * film_rate) for frames in (13, 24, 35, 44))
    exact = hump(np.arange(end - middle) / film_rate)
    with film_sound(plan) as before_the_encoder:
        assert before_the_encoder is not None
        converted = before_the_encoder.samples(0, last)[0]
    assert np.abs(converted[middle:end] - exact).max() < 1e-4  # one sample late would be 0.003
    played = second_decoder.sound(film, 1)[0]
    facts = probe(film).sound
    assert facts is not None and (facts.sample_rate, len(played)) == (film_rate, last)
    for place in (start, middle):  # AAC rounds a smooth pulse: where it is strongest is not sharp
        assert abs(lag(played, exact[: film_rate // 4], place)) <= 1
    assert lag(played, burst(3), end + BURST_AT) == 0


def test_mono_becomes_stereo_and_no_sound_becomes_silence(tmp_path, second_decoder, on_disk):
    left_only = sound_of(1, 12, FPS, 48_000, channels=2)
    left_only.waveform[1] = 0
    parts = [
        on_disk(0, 12, FPS, sound_of(0, 12, FPS, 48_000)),
        on_disk(1, 12, FPS, left_only),
        on_disk(2, 12, FPS),
        in_memory(3, 12, FPS),
        on_disk(4, 12, FPS, sound_of(4, 12, FPS, 48_000)),
    ]
    film = tmp_path / "film.mp4"
    plan, _ = join(film, parts)
    assert not plan.copied
    left, right = second_decoder.sound(film, 2)
    assert len(left) == 5 * 24_000
    assert np.abs(left[:24_000] - right[:24_000]).max() < 0.05 and np.abs(left[:24_000]).max() > 0.3
    assert np.abs(left[24_000:48_000]).max() > 0.3 > 0.02 > np.abs(right[24_200:46_000]).max()
    assert np.abs(left[49_500:95_000]).max() < 0.001
    for place, shot in ((0, 0), (24_000, 1), (96_000, 4)):
        assert lag(left, burst(shot), place + BURST_AT) == 0


def test_no_sound_at_all_makes_no_track(tmp_path, on_disk):
    film = tmp_path / "film.mp4"
    plan, _ = join(film, [on_disk(0, 9), on_disk(1, 9)])
    assert plan.copied and probe(film).sound is None


def test_sound_that_is_too_short_ends_in_silence_and_does_not_pull_the_next_one_forward(tmp_path, second_decoder):
    short = Sound(np.full((1, 1000), 0.3, np.float32), 48_000)
    film = tmp_path / "film.mp4"
    join(film, [in_memory(0, 24, FPS, short), in_memory(1, 24, FPS, sound_of(1, 24, FPS, 48_000))])
    played = second_decoder.sound(film, 1)[0]
    assert np.abs(played[4000:46_000]).max() < 0.001
    assert lag(played, burst(1), 48_000 + BURST_AT) == 0


@pytest.mark.parametrize("container", ["mkv", "mov"])
def test_sound_that_starts_after_the_picture(tmp_path, second_decoder, on_disk, container):
    """Another program's file, where the first sample is heard 0.25 s after the first picture."""
    clean, late = on_disk(0, 24, FPS, sound_of(0, 24, FPS, 48_000)), tmp_path / f"late.{container}"
    second_decoder.run(
        "-i", clean.path, "-itsoffset", "0.25", "-i", clean.path, "-map", "0:v", "-map", "1:a", "-c", "copy", late
    )
    film = tmp_path / "film.mp4"
    join(film, [clean, FilePart(late, "2"), clean])
    played = second_decoder.sound(film, 1)[0]
    assert lag(played, burst(0), BURST_AT) == 0
    # A clock of whole milliseconds (Matroska) is 48 samples wide.
    assert abs(lag(played, burst(0), 48_000 + 12_000 + BURST_AT)) <= (48 if container == "mkv" else 0)
    assert lag(played, burst(0), 96_000 + BURST_AT) == 0


# --- pictures


@pytest.mark.parametrize("fps", [FPS, NTSC, Fraction(30000, 1001)], ids=["24", "23.976", "29.97"])
def test_files_of_one_coding_are_copied(tmp_path, second_decoder, on_disk, fps):
    parts = [on_disk(i, n, fps) for i, n in enumerate(LENGTHS)]
    film = tmp_path / "film.mp4"
    plan, done = join(film, parts)
    assert plan.copied
    assert packets(film) == [packet for part in parts for packet in packets(part.path)]
    decoded = second_decoder.planes(film)
    assert np.array_equal(decoded, np.concatenate([second_decoder.planes(part.path) for part in parts]))
    facts = probe(film)
    assert (facts.frames, facts.frame_rate, facts.seconds) == (sum(LENGTHS), fps, sum(LENGTHS) / fps)
    assert (facts.colour.matrix, facts.colour.full_range) == (1, False)
    assert (done.path, done.bytes, done.width, done.height) == (film, film.stat().st_size, 64, 48)
    with av.open(str(film)) as container:
        shown = sorted(packet.pts for packet in container.demux(video=0) if packet.size)
        assert shown[0] == 0 and len(set(np.diff(shown))) == 1


def test_lossless_and_444_masters_are_copied_too(tmp_path, second_decoder, on_disk):
    parts = [on_disk(i, 9, crf=0, pixel_format="yuv444p", size=(63, 47)) for i in range(3)]
    film = tmp_path / "film.mp4"
    plan, _ = join(film, parts)
    assert plan.copied
    assert np.array_equal(
        second_decoder.planes(film), np.concatenate([second_decoder.planes(part.path) for part in parts])
    )


@pytest.mark.parametrize(
    "other",
    [{"crf": 30.0}, {"speed": "ultrafast"}, {"pixel_format": "yuv444p"}, {"tune": "none"}],
    ids=lambda each: next(iter(each)),
)
def test_what_is_coded_in_another_way_is_encoded_once(tmp_path, second_decoder, on_disk, other):
    """One track has one set of parameters: packets of another coding would be decoded wrongly."""
    parts = [on_disk(0, 9), on_disk(1, 9, **other), on_disk(2, 9)]
    film = tmp_path / "film.mp4"
    plan, _ = join(film, parts)
    assert not plan.copied
    expected = np.concatenate([second_decoder.rgb(part.path, 64, 48) for part in parts]).astype(int)
    assert np.abs(second_decoder.rgb(film, 64, 48) - expected).mean() < 1.5


def test_all_444_is_encoded_as_444(tmp_path, on_disk):
    film = tmp_path / "film.mp4"
    plan, _ = join(film, [on_disk(0, 5, pixel_format="yuv444p"), on_disk(1, 5, pixel_format="yuv444p", crf=30)])
    assert plan.pixel_format == probe(film).pixel_format == "yuv444p"


def test_files_and_frames_are_encoded_together(tmp_path, second_decoder, on_disk):
    film = tmp_path / "film.mp4"
    plan, _ = join(film, [on_disk(0, 9), in_memory(1, 7), on_disk(2, 5)], settings=EncodeSettings(crf=10))
    assert not plan.copied
    shown = second_decoder.rgb(film, 64, 48).astype(int)
    drawn = np.array([each for shot, n in enumerate((9, 7, 5)) for each in pictures(shot, n)]).astype(int)
    assert np.abs(shown - drawn)[:, 12:, 12:].max() <= 4
    assert np.abs(shown[:, 3, 3] - (255, 0, 0)).max() < 25  # the matrix of BT.709 both ways


def test_line_art_of_a_file_is_not_softened_when_it_is_encoded_again(tmp_path, second_decoder, line_art):
    """0.06 dB below the frames measured; by way of RGB it was 0.9 dB, with the matrix of BT.601 more."""
    source, film = tmp_path / "shot.mp4", tmp_path / "film.mp4"
    encode_mp4(source, line_art, 24, 320, 192, FPS)
    join(film, [FilePart(source, "1"), FramesPart("2", lambda: iter(line_art), 24, 320, 192, FPS, None)])
    shown = second_decoder.rgb(film, 320, 192).astype(float)
    from_file, from_frames = (np.mean((half - np.array(line_art)) ** 2) for half in (shown[:24], shown[24:]))
    assert 10 * np.log10(from_file / from_frames) < 0.4


def test_a_file_of_key_frames_only_does_not_make_such_a_film(tmp_path, second_decoder, on_disk):
    """x264 takes over the kind of a decoded frame unless it is told not to."""
    intra = tmp_path / "intra.mp4"
    second_decoder.run("-i", on_disk(0, 24).path, "-c:v", "libx264", "-g", "1", "-crf", "10", intra)
    film = tmp_path / "film.mp4"
    join(film, [FilePart(intra, "1"), in_memory(1, 24)])
    with av.open(str(film)) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert len(keys) == 48 and sum(keys) < 12


# --- sizes and rates that differ


def test_the_shots_that_differ_are_named(tmp_path, on_disk):
    parts = [
        on_disk(0, 5),
        on_disk(1, 5, size=(96, 48)),
        in_memory(2, 5, NTSC),
        on_disk(3, 5),
    ]
    with pytest.raises(errors.ShotsDiffer) as raised:
        plan_film(parts)
    message = str(raised.value)
    assert "64 x 48 at 24 fps" in message
    assert f"{label(1)}: 96 x 48, 24 fps; {label(2)}: 64 x 48, 23.976024 fps" in message
    assert label(0) not in message and label(3) not in message


def test_other_sizes_are_scaled_and_padded_when_asked(tmp_path, second_decoder):
    def white(width, height):
        return FramesPart(
            "2", lambda: iter([np.full((height, width, 3), 255, np.uint8)] * 2), 2, width, height, FPS, None
        )

    film = tmp_path / "film.mp4"
    parts = [in_memory(0, 2), white(128, 48), white(30, 60), white(32, 24), in_memory(4, 2)]
    plan, _ = join(film, parts, "fit")
    assert [plan.changed(shot) for shot in plan.shots] == [False, True, True, True, False]
    shown = second_decoder.rgb(film, 64, 48)
    wide, tall, small = shown[2], shown[4], shown[6]
    assert wide[14:34].min() > 240 and wide[:10].max() < 16 and wide[38:].max() < 16  # 64 x 24 in the middle
    assert tall[:, 22:42].min() > 240 and tall[:, :18].max() < 16 and tall[:, 46:].max() < 16  # 24 x 48
    assert small.min() > 240  # enlarged as a whole


def test_a_file_is_scaled_with_its_own_colours(tmp_path, second_decoder, on_disk):
    film = tmp_path / "film.mp4"
    plan, _ = join(film, [in_memory(0, 3), in_memory(1, 3), on_disk(2, 3, size=(128, 96))], "fit")
    assert plan.changed(plan.shots[2])
    shown = second_decoder.rgb(film, 64, 48).astype(int)
    assert np.abs(shown[6, 2, 2] - (255, 0, 0)).max() < 30
    drawn = np.array([each[-1, -1] for each in pictures(2, 3)]).astype(int)
    assert np.abs(shown[6:, 40, 50] - drawn).max() <= 3


@pytest.mark.parametrize("rate", ["12", "24000/1001", "25", "30", "60", "2997/125"])
def test_other_rates_repeat_or_leave_out_frames(tmp_path, second_decoder, on_disk, rate):
    """What is shown is the frame nearest in time, and the shot keeps its length to half a frame."""
    rate, count = Fraction(rate), 30
    for other in (in_memory(1, count, rate), on_disk(1, count, rate)):
        film = tmp_path / "film.mp4"
        _, done = join(film, [in_memory(0, 3), in_memory(0, 3), other], "fit", settings=EncodeSettings(crf=5))
        frames = round(count / rate * 24)
        assert (done.frame_rate, done.frames, probe(film).frames) == (24, 6 + frames, 6 + frames)
        drawn = [int(each[-1, -1, 0]) for each in pictures(1, count)]
        nearest = [min(count - 1, int((index + Fraction(1, 2)) / 24 * rate)) for index in range(frames)]
        shown = second_decoder.rgb(film, 64, 48)[6:, 40, 50, 0].astype(int)
        assert np.abs(shown - [drawn[index] for index in nearest]).max() <= 2


def test_sound_stays_with_a_shot_of_another_rate(tmp_path, second_decoder, on_disk):
    parts = [
        on_disk(0, 7, FPS, sound_of(0, 7, FPS, 48_000)),
        on_disk(1, 11, Fraction(25), sound_of(1, 11, Fraction(25), 48_000)),
        on_disk(2, 7, FPS, sound_of(2, 7, FPS, 48_000)),
    ]
    film = tmp_path / "film.mp4"
    join(film, parts, "fit")
    played = second_decoder.sound(film, 1)[0]
    frames = [7, round(Fraction(11, 25) * 24), 7]
    assert len(played) == sum(frames) * 2000
    for shot in range(3):
        assert lag(played, burst(shot), sum(frames[:shot]) * 2000 + BURST_AT) == 0


@pytest.fixture
def unsteady(tmp_path, second_decoder, on_disk) -> Path:
    """12 frames, of which every third is shown twice as long, as phones and screen recorders make them."""
    path = tmp_path / "unsteady.mp4"
    times = "setpts=(N+floor(N/3))/24/TB"
    second_decoder.run(
        *("-i", on_disk(1, 12).path, "-vf", times, "-fps_mode", "vfr", "-c:v", "libx264", "-crf", "5", path)
    )
    return path


def test_frames_at_uneven_times_are_shown_at_their_times(tmp_path, second_decoder, unsteady):
    parts = [in_memory(0, 3), in_memory(0, 3), FilePart(unsteady, "3 (unsteady)")]
    with pytest.raises(errors.ShotsDiffer, match=r"3 \(unsteady\): 64 x 48, ~24 fps"):
        plan_film(parts)
    film = tmp_path / "film.mp4"
    join(film, parts, "fit", settings=EncodeSettings(crf=5))
    drawn = [int(each[-1, -1, 0]) for each in pictures(1, 12)]
    expected = [drawn[index] for index in (0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11)]
    shown = second_decoder.rgb(film, 64, 48)[6:, 40, 50, 0].astype(int)
    assert len(shown) in (15, 16) and np.abs(shown[:15] - expected).max() <= 2


def test_a_film_of_unsteady_files_has_a_steady_rate(tmp_path, unsteady):
    film = tmp_path / "film.mp4"
    plan, _ = join(film, [FilePart(unsteady, "1"), FilePart(unsteady, "2")])
    assert not plan.copied and all(plan.changed(shot) for shot in plan.shots)
    with av.open(str(film)) as container:
        shown = sorted(packet.pts for packet in container.demux(video=0) if packet.size)
    assert len(set(np.diff(shown))) == 1


# --- files of other programs


def test_a_clock_of_milliseconds_is_still_a_steady_rate(tmp_path, second_decoder, on_disk):
    """Matroska rounds 1/24 s to 42, 41 or 42 ms; the H.264 in it is copied."""
    parts = []
    for shot, count in enumerate((13, 11)):
        path = tmp_path / f"{shot}.mkv"
        second_decoder.run("-i", on_disk(shot, count).path, "-c", "copy", path)
        parts.append(FilePart(path, str(shot + 1)))
    film = tmp_path / "film.mp4"
    plan, _ = join(film, parts)
    assert plan.copied and (plan.frame_rate, plan.frames) == (24, 24)
    assert np.array_equal(
        second_decoder.planes(film), np.concatenate([second_decoder.planes(part.path) for part in parts])
    )


@pytest.mark.parametrize("codec, name", [("mpeg4", "old.avi"), ("libvpx-vp9", "web.webm"), ("mjpeg", "photos.mov")])
def test_other_codecs_are_encoded(tmp_path, second_decoder, on_disk, codec, name):
    path = tmp_path / name
    second_decoder.run("-i", on_disk(0, 12).path, "-c:v", codec, "-q:v", "2", "-b:v", "2M", path)
    film = tmp_path / "film.mp4"
    plan, done = join(film, [FilePart(path, "1"), FilePart(path, "2")])
    assert not plan.copied and (done.frames, done.frame_rate) == (24, 24)
    drawn = np.array([each[-1, -1, 0] for each in pictures(0, 12)] * 2).astype(int)
    assert np.abs(second_decoder.rgb(film, 64, 48)[:, 40, 50, 0] - drawn).max() <= 6


def test_a_turned_file_is_shown_as_it_wants(tmp_path, second_decoder, on_disk):
    """A phone held upright: the packets are 64 x 48, the picture is 48 x 64."""
    upright = tmp_path / "upright.mp4"
    second_decoder.run("-display_rotation", "90", "-i", on_disk(0, 6).path, "-c", "copy", upright)
    film = tmp_path / "film.mp4"
    part = FilePart(upright, "1")
    plan, _ = join(film, [part, in_memory(1, 6, size=(48, 64))])
    expected = second_decoder.rgb(upright, 48, 64).astype(int)
    assert (plan.width, plan.height) == (48, 64)
    assert np.abs(second_decoder.rgb(film, 48, 64)[:6] - expected).mean() < 2
    assert join(film, [part, part])[0].copied
    assert np.array_equal(second_decoder.rgb(film, 48, 64)[:6], second_decoder.rgb(upright, 48, 64))


def test_pixels_that_are_not_square(tmp_path, second_decoder, on_disk):
    """Every pixel twice as wide as high: 64 x 48 of them are shown as 128 x 48."""
    wide, film = tmp_path / "wide.mp4", tmp_path / "film.mp4"
    second_decoder.run("-i", on_disk(0, 5).path, "-vf", "setsar=2", "-c:v", "libx264", "-crf", "10", wide)
    plan, _ = join(film, [FilePart(wide, "1"), in_memory(1, 5, size=(128, 48))])
    assert not plan.copied and (probe(film).width, probe(film).height) == (128, 48)
    red = second_decoder.rgb(film, 128, 48)[2, 4].astype(int)
    assert red[2:12, 1].max() < 60 and red[24:, 1].min() > 15 and np.ptp(red[24:]) < 12  # the mark is 16 wide
    plan, _ = join(film, [FilePart(wide, "1"), FilePart(wide, "2")])
    with av.open(str(film)) as container:
        assert plan.copied and container.streams.video[0].sample_aspect_ratio == 2


def test_a_file_that_is_trimmed_by_its_own_header_loses_what_it_hides(tmp_path, second_decoder, on_disk):
    """Cut without encoding: the packets from the last key frame on are there, but not to be shown."""
    whole, cut = on_disk(0, 20, FPS, sound_of(0, 20, FPS, 48_000)), tmp_path / "cut.mp4"
    second_decoder.run("-ss", "0.2", "-i", whole.path, "-c", "copy", cut)
    film = tmp_path / "film.mp4"
    _, done = join(film, [FilePart(cut, "1"), FilePart(cut, "2")])
    shown = second_decoder.rgb(cut, 64, 48).astype(int)
    assert 0 < len(shown) < 20 and done.frames == 2 * len(shown)
    assert np.abs(second_decoder.rgb(film, 64, 48) - np.concatenate([shown, shown])).mean() < 2


def test_a_stretch_of_a_file(tmp_path, second_decoder, on_disk):
    """As ComfyUI's newer VIDEO names one: from 0.25 s on, for 0.5 s."""
    whole = on_disk(0, 24, FPS, sound_of(0, 24, FPS, 48_000))
    waveform = np.zeros((1, 48_000), np.float32)
    waveform[0, 12_000 + BURST_AT : 12_000 + BURST_AT + BURST] = burst(7)
    whole = on_disk(0, 24, FPS, Sound(waveform, 48_000))
    film = tmp_path / "film.mp4"
    stretch = FilePart(whole.path, "1", 0.25, 0.5)
    plan, done = join(film, [whole, stretch, FilePart(whole.path, "3", 0.25)])
    assert not plan.copied and done.frames == 24 + 12 + 18
    drawn = [int(each[-1, -1, 0]) for each in pictures(0, 24)]
    shown = second_decoder.rgb(film, 64, 48)[:, 40, 50, 0].astype(int)
    assert np.abs(shown - [*drawn, *drawn[6:18], *drawn[6:]]).max() <= 3
    played = second_decoder.sound(film, 1)[0]
    for place in (12_000, 48_000, 72_000):
        assert lag(played, burst(7), place + BURST_AT) == 0


def test_more_than_two_channels_are_mixed_down(tmp_path, second_decoder, on_disk):
    surround = tmp_path / "surround.mp4"
    second_decoder.run(
        *("-i", on_disk(0, 24, FPS, sound_of(0, 24, FPS, 48_000)).path, "-ac", "6", "-c:v", "copy", surround)
    )
    film = tmp_path / "film.mp4"
    join(film, [FilePart(surround, "1"), FilePart(surround, "2")])
    facts = probe(film).sound
    assert facts is not None and (facts.channels, facts.sample_rate) == (2, 48_000)
    assert lag(second_decoder.sound(film, 2)[0], burst(0), 48_000 + BURST_AT) == 0


def test_odd_sizes(tmp_path, on_disk):
    """4:2:0 has none; fitted, the film is one pixel smaller."""
    parts = [in_memory(0, 3, size=(65, 49)), in_memory(1, 3, size=(65, 49))]
    with pytest.raises(errors.OddSize):
        join(tmp_path / "film.mp4", parts)
    assert not (tmp_path / "film.mp4").exists()
    _, done = join(tmp_path / "film.mp4", parts, "fit")
    assert (done.width, done.height) == (64, 48)


# --- what can go wrong


def test_nothing_to_join():
    with pytest.raises(errors.NothingToJoin):
        plan_film([])


def test_unknown_mismatch(on_disk):
    with pytest.raises(errors.UnknownChoice, match="squeeze"):
        plan_film([on_disk(0, 3)], "squeeze")


@pytest.mark.parametrize("content", [b"", b"this is no video", None], ids=["empty", "text", "missing"])
def test_a_part_that_is_no_video(tmp_path, on_disk, content):
    bad = tmp_path / "bad.mp4"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(errors.UnreadableVideo, match=r"'2 \(bad.mp4\)'"):
        plan_film([on_disk(0, 3), FilePart(bad, "2 (bad.mp4)")])


def test_a_part_with_sound_only(tmp_path, second_decoder, on_disk):
    sound = tmp_path / "sound.m4a"
    second_decoder.run("-i", on_disk(0, 9, FPS, sound_of(0, 9, FPS, 48_000)).path, "-vn", "-c", "copy", sound)
    with pytest.raises(errors.UnreadableVideo, match="holds no video"):
        plan_film([FilePart(sound, "1")])


@pytest.mark.parametrize("lost", [0.2, 0.001])
def test_a_part_that_breaks_off(on_disk, lost):
    """Whole frames are missing, or only the end of the last one."""
    whole = on_disk(0, 24, crf=1)
    content = whole.path.read_bytes()
    whole.path.write_bytes(content[: -max(1, int(len(content) * lost))])
    with pytest.raises(errors.UnreadableVideo, match="breaks off"):
        plan_film([whole])


def test_a_part_whose_pictures_are_damaged(tmp_path, on_disk):
    """The index is whole, but the last quarter of the pictures is not: found when it is decoded."""
    first, whole = in_memory(0, 24), on_disk(1, 24, crf=1)
    content = bytearray(whole.path.read_bytes())
    data = content.index(b"mdat")
    quarter = (len(content) - data) // 4
    content[-quarter:] = bytes(quarter)
    whole.path.write_bytes(content)
    with pytest.raises(errors.UnreadableVideo) as raised:
        join(tmp_path / "film.mp4", [first, whole])
    assert raised.value.name == label(1)
    assert list(tmp_path.iterdir()) == [whole.path]


@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("damage", ["gone", "shorter"])
def test_a_part_that_changes_after_it_was_planned(tmp_path, on_disk, copied, damage):
    parts = [on_disk(0, 9), on_disk(1, 9), on_disk(2, 9) if copied else in_memory(2, 9)]
    plan = plan_film(parts)
    if damage == "gone":
        parts[1].path.unlink()
    else:
        on_disk(1, 4)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(errors.UnreadableVideo) as raised:
        write_film(tmp_path / "film.mp4", plan)
    assert raised.value.name == label(1)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("given", [2, 0])
def test_a_shot_in_memory_that_has_fewer_frames_than_it_said(tmp_path, given):
    short = FramesPart("2", lambda: pictures(1, given), 5, 64, 48, FPS, None)
    with pytest.raises(errors.UnreadableVideo, match=f"'2'.*{given} frames instead of 5"):
        join(tmp_path / "film.mp4", [in_memory(0, 5), short])
    assert list(tmp_path.iterdir()) == []


def test_a_shot_in_memory_with_a_frame_of_another_size(tmp_path):
    wrong = FramesPart("2", lambda: pictures(1, 5, 32, 32), 5, 64, 48, FPS, None)
    with pytest.raises(errors.WrongFrame):
        join(tmp_path / "film.mp4", [in_memory(0, 5), wrong])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("copied", [True, False])
def test_a_folder_that_is_gone(tmp_path, on_disk, copied):
    plan = plan_film([on_disk(0, 5) if copied else in_memory(0, 5)])
    with pytest.raises(errors.EncodeFailed, match=r"film\.mp4"):
        write_film(tmp_path / "no such folder" / "film.mp4", plan)


@pytest.mark.parametrize("copied", [True, False])
def test_cancelling_leaves_nothing_and_keeps_the_old_film(tmp_path, on_disk, copied):
    parts = [on_disk(i, 9, FPS, sound_of(i, 9, FPS, 48_000)) for i in range(3)]
    plan = plan_film(parts if copied else [*parts, in_memory(3, 9)])
    film = tmp_path / "film.mp4"
    film.write_bytes(b"the old film")
    threads = threading.active_count()

    def cancel(done, total, what):
        if done > 12:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_film(film, plan, progress=cancel)
    assert film.read_bytes() == b"the old film"
    assert sorted(tmp_path.iterdir()) == sorted([film, *(part.path for part in parts)])
    assert threading.active_count() == threads


@pytest.mark.parametrize("copied", [True, False])
def test_progress_counts_every_frame(tmp_path, on_disk, copied):
    parts = [on_disk(0, 9), on_disk(1, 5) if copied else in_memory(1, 5)]
    steps = []
    join(tmp_path / "film.mp4", parts, progress=lambda *step: steps.append(step))
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)
    assert steps[-1] == (14, 14, "joining" if copied else "encoding")
    steps.clear()
    plan_film(parts, progress=lambda done, total, what: steps.append((done, total, what)))
    assert steps == [(0, 2, "reading"), (1, 2, "reading")]


def test_metadata_is_stored_under_its_own_keys(tmp_path, on_disk):
    for parts in ([on_disk(0, 5)], [in_memory(0, 5)]):
        film = tmp_path / "film.mp4"
        join(film, parts, metadata={"workflow": '{"nodes": []}'})
        with av.open(str(film)) as container:
            assert container.metadata["workflow"] == '{"nodes": []}'


@pytest.mark.parametrize("copied", [True, False])
def test_memory_does_not_grow_with_the_film(tmp_path, on_disk, copied):
    """No shot's frames and no shot's sound are held once they are written."""
    tracemalloc.start()
    try:
        peaks = []
        sound = sound_of(0, 48, FPS, 48_000, channels=2)
        shot = on_disk(0, 48, FPS, sound) if copied else in_memory(0, 48, FPS, sound)
        for count in (2, 20):
            plan = plan_film([shot] * count)
            tracemalloc.reset_peak()
            held = tracemalloc.get_traced_memory()[0]
            write_film(tmp_path / "film.mp4", plan)
            peaks.append(tracemalloc.get_traced_memory()[1] - held)
    finally:
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 300_000  # 18 shots of sound alone are 14 MB
