"""encode_mp4: the picture, the clock, the file and everything that can go wrong with it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storymotion import errors
from storymotion.media.encode import encode_mp4
from storymotion.media.probe import probe
from storymotion.media.settings import EncodeSettings
from storymotion.media.sound import Sound

FPS = Fraction(24)
FIXED_SEED = 20
# "I am home!" and a folder and file named in Korean
KOREAN_LINE = "\ub2e4\ub140\uc654\uc2b5\ub2c8\ub2e4!"
KOREAN_PATH = "\uc774\uc57c\uae30 1\ud654/\uc7a5\uba74 03.mp4"


class Cancelled(BaseException):
    """Not an Exception, as ComfyUI's own interrupt may be caught by nobody on the way."""


def grey_frames(count: int, width: int = 64, height: int = 48):
    return (np.full((height, width, 3), 10 * index % 256, np.uint8) for index in range(count))


def noise_sound(seconds: float, rate: int = 48_000, channels: int = 2) -> Sound:
    waves = np.random.default_rng(FIXED_SEED).normal(0, 0.1, (channels, round(seconds * rate)))
    return Sound(waves.astype(np.float32), rate)


def decibels(shown: np.ndarray, drawn: np.ndarray) -> float:
    """PSNR of 8-bit pictures."""
    return float(10 * np.log10(255**2 / np.mean((shown.astype(np.float64) - drawn) ** 2)))


def bt709(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, Cb, Cr in studio range by the formula of ITU-R BT.709, unrounded."""
    red, green, blue = np.moveaxis(rgb.astype(np.float64) / 255, -1, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748


def x264_options(path: Path) -> str:
    """The options x264 writes into its first frame, e.g. ``... crf=18.0 ...``."""
    text = path.read_bytes().split(b"options: ", 1)[1]
    return text.split(b"\x80", 1)[0].decode("ascii", errors="replace")


# --- the picture


def test_default_file_is_h264_420_tagged_bt709(tmp_path, line_art, second_decoder):
    target = tmp_path / "shot.mp4"
    done = encode_mp4(target, iter(line_art), 24, 320, 192, FPS)
    facts = probe(target)
    assert (facts.codec, facts.pixel_format) == ("h264", "yuv420p")
    assert (facts.width, facts.height, facts.frames, facts.frame_rate) == (320, 192, 24, 24)
    assert (facts.colour.primaries, facts.colour.transfer, facts.colour.matrix) == (1, 1, 1)
    assert facts.colour.full_range is False
    assert facts.sound is None
    assert "yuv420p(tv, bt709, progressive)" in second_decoder.describe(target)
    assert (done.path, done.width, done.height, done.frames, done.frame_rate) == (target, 320, 192, 24, 24)
    assert done.bytes == target.stat().st_size
    assert done.seconds > 0


def test_defaults_reach_x264(tmp_path, line_art):
    target = tmp_path / "shot.mp4"
    encode_mp4(target, line_art, 24, 320, 192, FPS)
    options = x264_options(target)
    assert "crf=18.0" in options
    assert "rc_lookahead=30" in options and "subme=6" in options  # preset fast
    assert "deblock=1:1:1" in options and "aq=1:0.60" in options  # tune animation
    assert "sliced_threads=0" in options


def test_settings_reach_x264(tmp_path, line_art):
    target = tmp_path / "shot.mp4"
    settings = EncodeSettings(crf=23.5, speed="veryfast", tune="none", pixel_format="yuv444p")
    encode_mp4(target, line_art[:4], 4, 320, 192, FPS, settings=settings)
    options = x264_options(target)
    assert "crf=23.5" in options
    assert "rc_lookahead=10" in options and "subme=2" in options  # preset veryfast
    assert "deblock=1:0:0" in options and "aq=1:1.00" in options  # no tune
    assert probe(target).pixel_format == "yuv444p"


def test_line_art_survives_the_default_settings(tmp_path, line_art, second_decoder):
    """33.8 dB measured; the same file shown with the matrix of BT.601 has 31.9, one with crf 40 has 28.9."""
    floor = 33.4
    target, coarse = tmp_path / "shot.mp4", tmp_path / "coarse.mp4"
    encode_mp4(target, line_art, 24, 320, 192, FPS)
    encode_mp4(coarse, line_art, 24, 320, 192, FPS, settings=EncodeSettings(crf=40))
    drawn = np.array(line_art)
    assert decibels(second_decoder.rgb(target, 320, 192), drawn) > floor
    assert decibels(second_decoder.rgb(coarse, 320, 192), drawn) < floor
    assert decibels(second_decoder.rgb(target, 320, 192, matrix="bt601"), drawn) < floor


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_colour_chart_comes_back_within_2_of_255(tmp_path, second_decoder, pixel_format):
    levels = (0, 64, 128, 192, 255)
    patches = np.array([(r, g, b) for r in levels for g in levels for b in levels] + [(40, 90, 200)] * 3, np.uint8)
    chart = patches.reshape(8, 16, 3).repeat(48, axis=0).repeat(48, axis=1)
    target = tmp_path / "chart.mp4"
    encode_mp4(target, [chart] * 3, 3, 768, 384, FPS, settings=EncodeSettings(pixel_format=pixel_format))
    shown = second_decoder.rgb(target, 768, 384).astype(int)
    inside = np.abs(shown - chart).reshape(3, 8, 48, 16, 48, 3)[:, :, 16:32, :, 16:32]
    assert inside.max() <= 2


@pytest.mark.parametrize("line_art_2x", [False, True])
def test_conversion_is_bt709_to_half_a_step(tmp_path, second_decoder, line_art_2x):
    """x264 at crf 0 is lossless, so the file holds exactly what the conversion gave."""
    patches = np.random.default_rng(FIXED_SEED).integers(0, 256, (16, 16, 3), np.uint8)
    target = tmp_path / "patches.mp4"
    settings = EncodeSettings(crf=0, line_art_2x=line_art_2x)
    encode_mp4(target, [patches.repeat(16, axis=0).repeat(16, axis=1)], 1, 256, 256, FPS, settings=settings)
    side = 512 if line_art_2x else 256
    planes = second_decoder.planes(target)
    luma, chroma = planes[: side**2].reshape(side, side), planes[side**2 :].reshape(2, side // 2, side // 2)
    step = side // 16
    held = (luma, *chroma)
    steps = (step, step // 2, step // 2)
    for plane, step, exact in zip(held, steps, bt709(patches)):
        assert np.abs(plane[step // 2 :: step, step // 2 :: step] - exact).max() < 0.75


def test_every_column_counts_for_the_colour(tmp_path, second_decoder):
    """Red lines of one pixel, odd columns: a conversion that averages pairs first is off by 22, not 15."""
    stripes = np.full((64, 64, 3), 255, np.uint8)
    stripes[:, 1::4] = (200, 0, 0)
    stripes[:, 2::8] = (0, 0, 220)
    target = tmp_path / "stripes.mp4"
    encode_mp4(target, [stripes], 1, 64, 64, FPS, settings=EncodeSettings(crf=0))
    held = second_decoder.planes(target)[-32 * 32 :].reshape(32, 32)
    exact = np.pad(bt709(stripes)[2], ((0, 0), (1, 1)), "edge")
    # Chroma sits on the even columns and between the rows (H.264's default, "left").
    sited = (exact[:, :-2] + 2 * exact[:, 1:-1] + exact[:, 2:])[:, ::2] / 4
    assert np.abs(held - (sited[::2] + sited[1::2]) / 2).mean() < 18


def test_line_art_2x_keeps_more_of_the_drawing(tmp_path, line_art, second_decoder):
    once, twice = tmp_path / "once.mp4", tmp_path / "twice.mp4"
    encode_mp4(once, line_art, 24, 320, 192, FPS)
    done = encode_mp4(twice, line_art, 24, 320, 192, FPS, settings=EncodeSettings(line_art_2x=True))
    assert (done.width, done.height) == (probe(twice).width, probe(twice).height) == (640, 384)
    large = second_decoder.rgb(twice, 640, 384)
    back = large.reshape(24, 192, 2, 320, 2, 3).mean(axis=(2, 4))
    drawn = np.array(line_art)
    assert decibels(back, drawn) > decibels(second_decoder.rgb(once, 320, 192), drawn) + 3


def test_444_takes_odd_sizes_and_2x_makes_sizes_even(tmp_path):
    for settings, size in (
        (EncodeSettings(pixel_format="yuv444p"), (65, 47)),
        (EncodeSettings(line_art_2x=True), (130, 94)),
    ):
        target = tmp_path / "odd.mp4"
        encode_mp4(target, grey_frames(3, 65, 47), 3, 65, 47, FPS, settings=settings)
        assert (probe(target).width, probe(target).height) == size


def test_a_mirrored_view_is_encoded_as_it_looks(tmp_path, line_art, second_decoder):
    target = tmp_path / "mirror.mp4"
    mirrored = [frame[:, ::-1] for frame in line_art[:2]]
    encode_mp4(target, mirrored, 2, 320, 192, FPS)
    assert decibels(second_decoder.rgb(target, 320, 192), np.array(mirrored)) > 25


# --- the clock


@pytest.mark.parametrize("rate", ["24", "25", "12", "24000/1001", "30000/1001", "2997/125", "1"])
def test_frame_rate_and_every_time_stamp_are_exact(tmp_path, rate):
    rate = Fraction(rate)
    target = tmp_path / "clock.mp4"
    count = 1200  # enough for a clock that is off by a thousandth to slip by a frame
    encode_mp4(target, grey_frames(count, 16, 16), count, 16, 16, rate, settings=EncodeSettings(speed="ultrafast"))
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == rate
        shown = [packet.pts * stream.time_base for packet in container.demux(stream) if packet.pts is not None]
    assert sorted(shown) == [n / rate for n in range(count)]
    assert probe(target).seconds == count / rate


def test_a_rate_that_came_through_float_stays_within_a_millionth(tmp_path):
    target = tmp_path / "float.mp4"
    done = encode_mp4(target, grey_frames(3), 3, 64, 48, Fraction(23.976))
    assert done.frame_rate == probe(target).frame_rate == Fraction(2997, 125)


@pytest.mark.parametrize("given", [3, 50])
@pytest.mark.parametrize("expected", [1, 10, 60])
def test_the_file_follows_the_frames_that_came(tmp_path, given, expected):
    target = tmp_path / "count.mp4"
    calls = []
    done = encode_mp4(
        target,
        grey_frames(given),
        expected,
        64,
        48,
        FPS,
        noise_sound(5),
        progress=lambda done, total, what: calls.append((done, total)),
    )
    assert done.frames == probe(target).frames == given
    sound = probe(target).sound
    assert sound is not None and sound.seconds == Fraction(given, 24)
    assert all(0 <= done <= total for done, total in calls)
    assert calls[0] == (0, expected) and calls[-1] == (given, given)


# --- the file


def boxes(data: bytes) -> list[str]:
    """The names of the top-level boxes of an MP4 file, in order."""
    names, position = [], 0
    while position < len(data):
        names.append(data[position + 4 : position + 8].decode("ascii"))
        position += int.from_bytes(data[position : position + 4], "big")
    return names


def test_index_comes_before_the_frames(tmp_path):
    target, memory = tmp_path / "shot.mp4", io.BytesIO()
    for place in (target, memory):
        encode_mp4(place, grey_frames(30), 30, 64, 48, FPS, noise_sound(1))
    for data in (target.read_bytes(), memory.getvalue()):
        assert boxes(data).index("moov") < boxes(data).index("mdat")


def test_memory_holds_the_same_file(tmp_path):
    memory = io.BytesIO(b"before")
    memory.seek(6)
    done = encode_mp4(memory, grey_frames(30), 30, 64, 48, FPS, noise_sound(1))
    target = tmp_path / "from memory.mp4"
    target.write_bytes(memory.getvalue()[6:])
    assert memory.getvalue().startswith(b"before")
    assert done.path is None and done.bytes == target.stat().st_size
    facts = probe(target)
    assert (facts.frames, facts.width, facts.height) == (30, 64, 48)
    assert facts.sound is not None and facts.sound.seconds == Fraction(30, 24)


def test_metadata_comes_back_as_comfyui_reads_it(tmp_path):
    written = {
        "prompt": json.dumps({"1": {"class_type": "StoryMotionDistilled", "inputs": {"prompt": KOREAN_LINE}}}),
        "workflow": json.dumps(
            {"nodes": [{"id": n, "note": KOREAN_LINE * 10} for n in range(300)]}, ensure_ascii=False
        ),
    }
    target = tmp_path / "shot.mp4"
    encode_mp4(target, grey_frames(2), 2, 64, 48, FPS, metadata=written)
    with av.open(str(target)) as container:
        read = dict(container.metadata)
    assert {key: read.get(key) for key in written} == written


@pytest.mark.parametrize("name", [KOREAN_PATH, "a" * 251 + ".mp4", "take:1/shot.mp4"])
def test_names_of_every_kind(tmp_path, name, monkeypatch):
    if ":" in name and sys.platform == "win32":
        pytest.skip("Windows has no colon in names")
    monkeypatch.chdir(tmp_path)
    target = Path(name)
    target.parent.mkdir(exist_ok=True)
    encode_mp4(name, grey_frames(3), 3, 64, 48, FPS)
    assert probe(target).frames == 3
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_frames_are_taken_one_by_one(tmp_path):
    alive: list[weakref.ref] = []
    most = 0

    def counted():
        nonlocal most
        for frame in grey_frames(60):
            alive.append(weakref.ref(frame))
            most = max(most, sum(reference() is not None for reference in alive))
            yield frame

    encode_mp4(tmp_path / "shot.mp4", counted(), 60, 64, 48, FPS)
    assert most <= 3  # the one in hand, the one before it and the generator's own


def test_two_encodes_of_one_name_at_once_leave_one_whole_file(tmp_path):
    target = tmp_path / "shot.mp4"
    threads = [
        threading.Thread(target=encode_mp4, args=(target, grey_frames(count), count, 64, 48, FPS)) for count in (40, 60)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert probe(target).frames in (40, 60)
    assert list(tmp_path.iterdir()) == [target]


def test_sound_and_picture_lie_side_by_side(tmp_path):
    """A player that loads the file from a server needs both at about the same place.

    The muxer itself puts up to 10 s in order, so this video is longer.
    """
    target = tmp_path / "shot.mp4"
    settings = EncodeSettings(speed="ultrafast")
    encode_mp4(target, grey_frames(600), 600, 64, 48, FPS, noise_sound(25), settings)
    latest = {"video": Fraction(0), "audio": Fraction(0)}
    apart = Fraction(0)
    with av.open(str(target)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.pos):
            latest[packet.stream.type] = packet.dts * packet.time_base
            apart = max(apart, abs(latest["video"] - latest["audio"]))
    assert apart < 1


# --- what can go wrong

OLD = b"an older file of this name"


def refuse_after(calls: int, error: BaseException):
    """A progress that raises ``error`` on the given call."""
    seen = 0

    def progress(done: int, total: int, what: str) -> None:
        nonlocal seen
        seen += 1
        if seen == calls:
            raise error

    return progress


# 60 frames: call 1 is before the file is opened, 10 while x264 still collects, 70 while it is emptied.
@pytest.mark.parametrize("call", [1, 2, 10, 61, 70])
@pytest.mark.parametrize("error", [Cancelled(), OSError("mine"), ValueError("mine")], ids=repr)
def test_cancel_passes_unchanged_and_leaves_the_old_file(tmp_path, call, error):
    target, memory = tmp_path / "shot.mp4", io.BytesIO(OLD)
    target.write_bytes(OLD)
    for place in (target, memory):
        with pytest.raises(type(error)) as raised:
            encode_mp4(place, grey_frames(60), 60, 64, 48, FPS, noise_sound(2.5), progress=refuse_after(call, error))
        assert raised.value is error
    assert target.read_bytes() == memory.getvalue() == OLD
    assert list(tmp_path.iterdir()) == [target]


def test_cancel_before_anything_is_done(tmp_path):
    frames = grey_frames(2)
    with pytest.raises(Cancelled):
        encode_mp4(tmp_path / "missing" / "shot.mp4", frames, 2, 64, 48, FPS, progress=refuse_after(1, Cancelled()))
    assert len(list(frames)) == 2


def test_an_error_of_the_frames_passes_unchanged(tmp_path):
    def broken():
        yield from grey_frames(5)
        raise OSError("the decoder of the source broke")

    with pytest.raises(OSError, match="the decoder of the source broke"):
        encode_mp4(tmp_path / "shot.mp4", broken(), 10, 64, 48, FPS)
    assert list(tmp_path.iterdir()) == []


def test_encoding_works_again_after_a_cancel(tmp_path):
    target = tmp_path / "shot.mp4"
    with pytest.raises(Cancelled):
        encode_mp4(target, grey_frames(60), 60, 64, 48, FPS, progress=refuse_after(30, Cancelled()))
    encode_mp4(target, grey_frames(60), 60, 64, 48, FPS)
    assert probe(target).frames == 60


@pytest.mark.parametrize("frames, expected", [([], 0), ([], 5), (list(grey_frames(2)), 0)])
def test_no_frames(tmp_path, frames, expected):
    with pytest.raises(errors.NoFrames):
        encode_mp4(tmp_path / "shot.mp4", frames, expected, 64, 48, FPS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width, height", [(65, 48), (64, 47), (1, 1)])
def test_odd_size_is_refused_before_a_frame_is_taken(tmp_path, width, height):
    frames = grey_frames(2, width, height)
    with pytest.raises(errors.OddSize) as raised:
        encode_mp4(tmp_path / "shot.mp4", frames, 2, width, height, FPS)
    assert (raised.value.width, raised.value.height, raised.value.pixel_format) == (width, height, "yuv420p")
    assert raised.value.even_width % 2 == raised.value.even_height % 2 == 0 < raised.value.even_width
    assert len(list(frames)) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((48, 64, 3), np.float32),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64), np.uint8),
        np.zeros((64, 48, 3), np.uint8),
        np.zeros((3, 48, 64), np.uint8),
        np.zeros((1, 48, 64, 3), np.uint8),
        "a path",
        None,
    ],
    ids=lambda wrong: f"{wrong.dtype}{wrong.shape}" if isinstance(wrong, np.ndarray) else repr(wrong),
)
def test_a_wrong_frame_is_named(tmp_path, wrong):
    frames = [*grey_frames(3), wrong]
    with pytest.raises(errors.WrongFrame) as raised:
        encode_mp4(tmp_path / "shot.mp4", frames, 4, 64, 48, FPS)
    assert raised.value.index == 3
    assert raised.value.wanted == "uint8 (48, 64, 3)"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("crf", [-0.1, 51.1, float("nan"), float("inf")])
def test_crf_out_of_range(crf):
    with pytest.raises(errors.ValueOutOfRange):
        EncodeSettings(crf=crf)


@pytest.mark.parametrize("kbps", [0, 31, 321, -128])
def test_audio_rate_out_of_range(kbps):
    with pytest.raises(errors.ValueOutOfRange):
        EncodeSettings(audio_kbps=kbps)


@pytest.mark.parametrize("knob", ["speed", "tune", "pixel_format"])
@pytest.mark.parametrize("value", ["", "quick", "FAST", "yuv420p10le"])
def test_unknown_choice(knob, value):
    with pytest.raises(errors.UnknownChoice) as raised:
        EncodeSettings(**{knob: value})
    assert raised.value.name == knob


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(-24), Fraction(1, 2), Fraction(1001), float("nan")])
def test_frame_rate_out_of_range(tmp_path, rate):
    with pytest.raises(errors.ValueOutOfRange):
        encode_mp4(tmp_path / "shot.mp4", grey_frames(2), 2, 64, 48, rate)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width, height", [(0, 48), (64, -2), (16386, 48)])
def test_size_out_of_range(tmp_path, width, height):
    with pytest.raises(errors.ValueOutOfRange):
        encode_mp4(tmp_path / "shot.mp4", grey_frames(2), 2, width, height, FPS)


def test_folder_that_is_not_there(tmp_path):
    frames = grey_frames(2)
    with pytest.raises(errors.EncodeFailed) as raised:
        encode_mp4(tmp_path / "missing" / "shot.mp4", frames, 2, 64, 48, FPS)
    assert (raised.value.name, raised.value.reason) == ("shot.mp4", "No such file or directory")
    assert len(list(frames)) == 2  # found out before the first frame was asked for


@pytest.mark.parametrize("name", ["shot.mp4", "a" * 300 + ".mp4"])
def test_a_name_that_no_file_can_have(tmp_path, name):
    """That of a folder, and one that is too long: found out before the first frame was asked for."""
    (tmp_path / "shot.mp4").mkdir()
    frames = grey_frames(2)
    with pytest.raises(errors.EncodeFailed):
        encode_mp4(tmp_path / name, frames, 2, 64, 48, FPS)
    assert [path.name for path in tmp_path.iterdir()] == ["shot.mp4"] and len(list(frames)) == 2


@pytest.mark.parametrize("kilobytes", [0, 4, 40])
def test_full_disk(tmp_path, kilobytes):
    """A limit on the size of files stands in for the end of the disk: both refuse the write."""
    resource = pytest.importorskip("resource")
    target = tmp_path / "shot.mp4"
    target.write_bytes(OLD)
    generator = np.random.default_rng(FIXED_SEED)
    frames = (generator.integers(0, 256, (192, 320, 3), np.uint8) for _ in range(60))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, before[1]))
    try:
        with pytest.raises(errors.EncodeFailed) as raised:
            encode_mp4(target, frames, 60, 320, 192, FPS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.reason == "File too large"
    assert target.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [target]


def test_stream_that_refuses():
    class Full(io.BytesIO):
        def write(self, data) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(errors.EncodeFailed, match="No space left on device"):
        encode_mp4(Full(), grey_frames(2), 2, 64, 48, FPS)


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys, storymotion.media.encode, storymotion.media.probe\n"
        "sys.exit(', '.join({'av', 'numpy', 'torch'} & set(sys.modules)) or 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
