"""A shot that is a file of whatever kind: shown as a player shows it, its sound copied or placed to the sample."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storymotion import errors
from storymotion.media.encode import EncodedFile, encode_mp4
from storymotion.media.encode_shot import encode_shot, plan_shot
from storymotion.media.film import FilmPlan
from storymotion.media.parts import FilePart, FramesPart, Part
from storymotion.media.probe import probe
from storymotion.media.settings import EncodeSettings
from storymotion.media.sound import Sound

FPS, NTSC = Fraction(24), Fraction(24000, 1001)
# Long enough that every kind of AAC packet is in it, short enough for many of them.
COUNT = 30


class Cancelled(BaseException):
    """Not an Exception, as ComfyUI's own interrupt may be caught by nobody on the way."""


def pictures(count: int = COUNT, width: int = 64, height: int = 48) -> Iterator[np.ndarray]:
    """Flat pictures, each of another grey, with a red mark in the upper left corner."""
    for index in range(count):
        picture = np.full((height, width, 3), 7 * index + 20, np.uint8)
        picture[:8, :8] = (255, 0, 0)
        yield picture


def greys(count: int = COUNT) -> np.ndarray:
    return 7 * np.arange(count) + 20


def noise(seconds: Fraction | float, rate: int = 48_000, channels: int = 2) -> Sound:
    waves = np.random.default_rng(5).normal(0, 0.1, (channels, round(seconds * rate)))
    return Sound(waves.astype(np.float32), rate)


@pytest.fixture
def saved(tmp_path) -> Callable[..., Path]:
    """Make a file as Animation Encode saves it."""

    def make(sound: Sound | None = None, count: int = COUNT, fps: Fraction = FPS, **settings) -> Path:
        path = tmp_path / "source.mp4"
        encode_mp4(path, pictures(count), count, 64, 48, fps, sound, EncodeSettings(crf=5, **settings))
        return path

    return make


def encode(target: Path, source: Path | Part, *stretch, **more) -> tuple[FilmPlan, EncodedFile]:
    part = FilePart(source, source.name, *stretch) if isinstance(source, Path) else source
    plan = plan_shot(part)
    return plan, encode_shot(target, plan, **more)


def aac_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


# --- the picture


@pytest.mark.parametrize("fps", [FPS, NTSC, Fraction(2997, 125)], ids=str)
def test_a_file_of_our_own_keeps_frames_and_clock(tmp_path, second_decoder, saved, fps):
    target = tmp_path / "shot.mp4"
    _, done = encode(target, saved(fps=fps), settings=EncodeSettings(crf=5))
    assert (done.frames, done.frame_rate) == (COUNT, fps)
    assert np.abs(second_decoder.rgb(target, 64, 48)[:, 40, 50, 0].astype(int) - greys()).max() <= 2


KINDS = {
    "hevc": ("mp4", ["-c:v", "libx265", "-x265-params", "log-level=error", "-crf", "8", "-pix_fmt", "yuv420p"]),
    "hevc-10-bit": (
        "mp4",
        ["-c:v", "libx265", "-x265-params", "log-level=error", "-crf", "8", "-pix_fmt", "yuv420p10le"],
    ),
    "vp9": ("webm", ["-c:v", "libvpx-vp9", "-crf", "8", "-b:v", "0"]),
    "prores-10-bit": ("mov", ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"]),
    "full-range": ("mov", ["-c:v", "mjpeg", "-q:v", "2"]),
    "mpeg4": ("avi", ["-c:v", "mpeg4", "-q:v", "2"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_looks_the_same(tmp_path, second_decoder, saved, kind):
    suffix, options = KINDS[kind]
    source, target = tmp_path / f"other.{suffix}", tmp_path / "shot.mp4"
    second_decoder.run("-i", saved(), *options, source)
    plan, done = encode(target, source, settings=EncodeSettings(crf=5))
    assert (done.frames, done.frame_rate) == (COUNT, FPS)
    assert (plan.shots[0].facts.bits > 8) == ("10-bit" in kind)
    facts = probe(target)
    assert (facts.codec, facts.pixel_format, facts.colour.matrix) == ("h264", "yuv420p", 1)
    assert np.abs(second_decoder.rgb(target, 64, 48)[:, 40, 50, 0].astype(int) - greys()).max() <= 4


def test_transparent_parts_become_white_paper(tmp_path, second_decoder):
    """The lower half is transparent, and black behind that, as drawing programs leave it."""
    source, target = tmp_path / "drawing.mov", tmp_path / "shot.mp4"
    drawing = "color=c=0x4060C0:s=64x48:r=24:d=0.25,format=rgba,geq=r='r(X,Y)*lt(Y,24)':g='g(X,Y)*lt(Y,24)'"
    drawing += ":b='b(X,Y)*lt(Y,24)':a='255*lt(Y,24)'"
    second_decoder.run("-f", "lavfi", "-i", drawing, "-c:v", "qtrle", source)
    plan, _ = encode(target, source, settings=EncodeSettings(crf=5))
    assert plan.shots[0].facts.transparent
    shown = second_decoder.rgb(target, 64, 48).astype(int)
    assert np.abs(shown[:, 4:20] - (0x40, 0x60, 0xC0)).max() <= 3
    assert shown[:, 28:].min() >= 252


def test_a_phone_held_upright(tmp_path, second_decoder, saved):
    upright, target = tmp_path / "upright.mp4", tmp_path / "shot.mp4"
    second_decoder.run("-display_rotation", "90", "-i", saved(), "-c", "copy", upright)
    encode(target, upright, settings=EncodeSettings(crf=5))
    assert (probe(target).width, probe(target).height) == (48, 64)
    expected = second_decoder.rgb(upright, 48, 64).astype(int)
    assert np.abs(second_decoder.rgb(target, 48, 64) - expected).mean() < 2


def test_a_rate_that_varies_becomes_constant_and_stays_in_time(tmp_path, second_decoder, saved):
    source, target = tmp_path / "unsteady.mp4", tmp_path / "shot.mp4"
    times = "setpts=(N+floor(N/3))/24/TB"  # every third frame is shown twice as long
    second_decoder.run("-i", saved(), "-vf", times, "-fps_mode", "vfr", "-c:v", "libx264", "-crf", "5", source)
    plan, done = encode(target, source, settings=EncodeSettings(crf=5))
    assert not plan.shots[0].facts.steady
    with av.open(str(target)) as container:
        shown = sorted(packet.pts for packet in container.demux(video=0) if packet.size)
    assert len(set(np.diff(shown))) == 1
    at = [index + index // 3 for index in range(COUNT)]  # in 24ths of a second
    wanted = [
        greys()[max(n for n in range(COUNT) if at[n] / 24 <= (k + 0.5) / done.frame_rate)] for k in range(done.frames)
    ]
    seen = second_decoder.rgb(target, 64, 48)[:, 40, 50, 0].astype(int)
    assert np.abs(seen - wanted).max() <= 7 + 2  # a frame early or late where the times lie in the middle


@pytest.mark.parametrize("odd_size, size", [("pad", (66, 48)), ("crop", (64, 46))])
def test_odd_sizes_are_padded_or_cropped(tmp_path, second_decoder, odd_size, size):
    """65 x 47 with a bright last column and row: repeated, or cut off."""
    width, height = 65, 47
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[:, -1] = picture[-1] = 200
    settings = EncodeSettings(crf=1, odd_size=odd_size)
    drawn, source = tmp_path / "drawn.mp4", tmp_path / "lossless.mkv"
    done = encode_mp4(drawn, [picture] * 3, 3, width, height, FPS, settings=settings, quality_samples=3)
    assert done.quality is not None and done.quality.psnr > 40
    master = tmp_path / "master.mp4"
    encode_mp4(master, [picture] * 3, 3, width, height, FPS, settings=EncodeSettings(crf=1, pixel_format="yuv444p"))
    second_decoder.run("-i", master, "-c:v", "ffv1", source)
    _, of_file = encode(tmp_path / "file.mp4", source, settings=settings)
    for file in (drawn, tmp_path / "file.mp4"):
        shown = second_decoder.rgb(file, *size)[0].astype(int)
        assert np.abs(shown[4:40, 4:60] - 60).max() <= 3
        assert abs(shown[20, -1, 1] - (200 if odd_size == "pad" else 60)) <= 25
        assert abs(shown[-1, 20, 1] - (200 if odd_size == "pad" else 60)) <= 25
    assert (of_file.width, of_file.height) == (done.width, done.height) == size


@pytest.mark.parametrize("odd_size", ["pad", "crop"])
@pytest.mark.parametrize("size", [(1, 1), (1, 48), (65, 1)])
def test_a_single_row_or_column_cannot_be_cut_off(tmp_path, odd_size, size):
    settings = EncodeSettings(odd_size=odd_size)
    width, height = size
    done = encode_mp4(tmp_path / "shot.mp4", pictures(2, width, height), 2, width, height, FPS, settings=settings)
    assert done.width % 2 == done.height % 2 == 0 and min(done.width, done.height) >= 2


def test_odd_sizes_can_still_be_refused_and_masters_keep_them(tmp_path):
    part = FramesPart("1", lambda: pictures(2, 65, 47), 2, 65, 47, FPS, None)
    with pytest.raises(errors.OddSize):
        encode(tmp_path / "shot.mp4", part)
    settings = EncodeSettings(pixel_format="yuv444p", odd_size="pad")
    assert encode(tmp_path / "shot.mp4", part, settings=settings)[1].width == 65


@pytest.mark.parametrize("count", [1, 2, 7, 30])
@pytest.mark.parametrize("of_file", [True, False])
def test_on_twos_holds_every_other_frame(tmp_path, second_decoder, saved, count, of_file):
    target = tmp_path / "shot.mp4"
    frames = FramesPart("1", lambda: pictures(count), count, 64, 48, FPS, None)
    source = saved(count=count) if of_file else frames
    _, done = encode(target, source, settings=EncodeSettings(crf=5, on_twos=True))
    assert (done.frames, done.frame_rate, probe(target).seconds) == (count, FPS, count / FPS)
    shown = second_decoder.rgb(target, 64, 48)[:, 40, 50, 0].astype(int)
    assert np.abs(shown - greys(count)[np.arange(count) // 2 * 2]).max() <= 2


def test_line_art_2x_of_a_file(tmp_path, second_decoder, saved):
    target = tmp_path / "shot.mp4"
    encode(target, saved(), settings=EncodeSettings(crf=5, line_art_2x=True))
    shown = second_decoder.rgb(target, 128, 96)
    assert np.abs(shown[:, 80, 100, 0].astype(int) - greys()).max() <= 2
    assert shown[3, 4, 4, 0] > 240 > 40 > shown[3, 4, 4, 1]


# --- the sound


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [48_000, 44_100, 24_000])
@pytest.mark.parametrize("fps", [FPS, NTSC], ids=["24", "23.976"])
def test_aac_is_copied_to_the_sample(tmp_path, second_decoder, saved, channels, rate, fps):
    """Other packets would sound otherwise, and another place would be other samples."""
    source, target = saved(noise(COUNT / fps, rate, channels), fps=fps), tmp_path / "shot.mp4"
    _, done = encode(target, source)
    assert done.sound_copied
    facts = probe(target).sound
    assert facts is not None and facts.seconds == Fraction(round(COUNT / fps * rate), rate)
    assert set(aac_packets(target)) <= set(aac_packets(source))
    played, wanted = second_decoder.sound(target, channels), second_decoder.sound(source, channels)
    assert np.array_equal(played, wanted[:, : played.shape[1]]) and played.shape[1] >= COUNT / fps * rate - 1


def test_copied_sound_that_ends_early_is_padded_with_silence(tmp_path, second_decoder, saved):
    master, source, target = saved(noise(COUNT / FPS)), tmp_path / "short.mp4", tmp_path / "shot.mp4"
    second_decoder.run(*("-i", master, "-t", "0.6", "-i", master, "-map", "0:v", "-map", "1:a", "-c", "copy", source))
    _, done = encode(target, source)
    facts = probe(target).sound
    assert done.sound_copied and facts is not None and facts.seconds == COUNT / FPS
    played, wanted = second_decoder.sound(target, 2), second_decoder.sound(source, 2)
    settled = wanted.shape[1] - 1024  # the packets at the seam fade into each other
    assert 20_000 < settled < 0.6 * 48_000 < played.shape[1]
    assert np.array_equal(played[:, :settled], wanted[:, :settled])
    assert played.shape[1] == COUNT / FPS * 48_000 and np.abs(played[:, settled + 3072 :]).max() < 1e-4


def test_copied_sound_of_a_stretch(tmp_path, second_decoder, saved):
    """From 0.5 s on: the first samples are those of the middle of the file, decoded with the packet before them.

    A tone that rises, because the decoder makes the noise in AAC up as it goes.
    """
    times = np.arange(round(COUNT / FPS * 48_000)) / 48_000
    tone = 0.5 * np.sin(2 * np.pi * (200 + 900 * times) * times)
    source, target = saved(Sound(np.stack([tone, tone]).astype(np.float32), 48_000)), tmp_path / "shot.mp4"
    _, done = encode(target, source, 0.5, 0.5)
    played, whole = second_decoder.sound(target, 2), second_decoder.sound(source, 2)
    assert done.sound_copied and done.frames == 12 and len(aac_packets(target)) < len(aac_packets(source))
    assert played.shape[1] == 24_000 and np.abs(played - whole[:, 24_000:48_000]).max() < 1e-4


def test_sound_in_matroska_is_in_time(tmp_path, second_decoder, saved):
    """Its clock has milliseconds: copied or not, the sound is off by no more than that."""
    master, source, target = saved(noise(COUNT / FPS)), tmp_path / "source.mkv", tmp_path / "shot.mp4"
    second_decoder.run("-i", master, "-c", "copy", source)
    encode(target, source, settings=EncodeSettings(audio_kbps=320))
    played, wanted = second_decoder.sound(target, 2)[0], second_decoder.sound(master, 2)[0]
    piece = wanted[20_000:30_000]
    place = int(np.correlate(played[19_500:30_500], piece, "valid").argmax()) + 19_500
    assert abs(place - 20_000) <= 48


OTHERS = {
    "pcm": ("mov", ["-c:a", "pcm_s16le"], 2),
    "mp3": ("mkv", ["-c:a", "libmp3lame", "-b:a", "320k"], 2),
    "5.1-ac3": ("mp4", ["-c:a", "ac3", "-ac", "6", "-b:a", "448k"], 6),
    "adts": ("ts", ["-c:a", "aac", "-b:a", "256k"], 2),
    "96-khz": ("mkv", ["-c:a", "flac", "-ar", "96000"], 2),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_sound_is_encoded_to_the_sample(tmp_path, second_decoder, saved, kind):
    suffix, options, channels = OTHERS[kind]
    source, target = tmp_path / f"other.{suffix}", tmp_path / "shot.mp4"
    second_decoder.run("-i", saved(noise(COUNT / FPS)), "-c:v", "copy", *options, source)
    plan, done = encode(target, source, settings=EncodeSettings(audio_kbps=320))
    facts = probe(target).sound
    assert not done.sound_copied and facts is not None
    assert (plan.shots[0].facts.channels, facts.channels, facts.sample_rate) == (channels, 2, 48_000)
    assert facts.seconds == COUNT / FPS
    played, wanted = second_decoder.sound(target, 2)[0], noise(COUNT / FPS).waveform[0]
    piece = wanted[20_000:30_000]
    place = int(np.correlate(played[18_000:32_000], piece, "valid").argmax()) + 18_000
    # AC-3 and MP3 have a delay that their files do not all state.
    assert abs(place - 20_000) <= (1200 if kind in ("mp3", "5.1-ac3", "adts") else 2)


def test_5_1_aac_is_copied_with_all_its_channels(tmp_path, second_decoder, saved):
    source, target = tmp_path / "surround.mp4", tmp_path / "shot.mp4"
    second_decoder.run("-i", saved(noise(COUNT / FPS)), "-c:v", "copy", "-c:a", "aac", "-ac", "6", source)
    _, done = encode(target, source)
    facts = probe(target).sound
    assert done.sound_copied and facts is not None and facts.channels == 6
    assert set(aac_packets(target)) <= set(aac_packets(source))


def test_sound_that_begins_after_the_picture_is_encoded_in_its_place(tmp_path, second_decoder, saved):
    master, source, target = saved(noise(COUNT / FPS)), tmp_path / "late.mp4", tmp_path / "shot.mp4"
    second_decoder.run(
        *("-i", master, "-itsoffset", "0.3", "-i", master, "-map", "0:v", "-map", "1:a", "-c", "copy", source)
    )
    _, done = encode(target, source)
    played = second_decoder.sound(target, 2)
    assert not done.sound_copied and np.abs(played[:, :13_000]).max() < 0.01
    piece = second_decoder.sound(master, 2)[0, 10_000:20_000]
    place = int(np.correlate(played[0, 20_000:40_000], piece, "valid").argmax()) + 20_000
    assert abs(place - 10_000 - 0.3 * 48_000) <= 1


def test_no_sound_makes_no_track(tmp_path, saved):
    encode(tmp_path / "shot.mp4", saved())
    assert probe(tmp_path / "shot.mp4").sound is None


# --- what can go wrong


@pytest.mark.parametrize("curve, primaries", [("smpte2084", "bt2020"), ("arib-std-b67", "bt2020"), ("bt709", "bt2020")])
def test_hdr_is_refused_by_name(tmp_path, second_decoder, saved, curve, primaries):
    source = tmp_path / "hdr.mp4"
    tags = f"colorprim={primaries}:transfer={curve}:colormatrix=bt2020nc:log-level=error"
    tagged = ["-color_primaries", primaries, "-color_trc", curve, "-colorspace", "bt2020nc"]
    second_decoder.run(
        *("-i", saved(), "-vf", f"setparams=color_primaries={primaries}:color_trc={curve}:colorspace=bt2020nc"),
        *("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", tags, *tagged, source),
    )
    with pytest.raises(errors.WideColour) as raised:
        plan_shot(FilePart(source, "hdr.mp4"))
    assert raised.value.name == "hdr.mp4"
    assert raised.value.kind == {"smpte2084": "HDR (PQ)", "arib-std-b67": "HDR (HLG)", "bt709": "BT.2020"}[curve]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_file_that_breaks_off(tmp_path, second_decoder, saved, suffix):
    """An MP4 says how many frames it should have. The others do not: what is there is encoded, whole frames only."""
    source, target = tmp_path / f"broken.{suffix}", tmp_path / "shot.mp4"
    second_decoder.run("-i", saved(noise(COUNT / FPS)), "-c", "copy", source)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 2 // 3])
    try:
        _, done = encode(target, source)
    except errors.UnreadableVideo as error:
        assert error.name == source.name and not target.exists()
        return
    assert suffix != "mp4" and 0 < done.frames < COUNT == len(list(pictures()))
    assert probe(target).frames == done.frames and len(second_decoder.rgb(target, 64, 48)) == done.frames


@pytest.mark.parametrize("content", [b"", b"no video at all", None], ids=["empty", "text", "missing"])
def test_what_is_no_video(tmp_path, content):
    source = tmp_path / "film.mp4"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(errors.UnreadableVideo, match=r"film\.mp4"):
        plan_shot(FilePart(source, source.name))


def test_sound_alone_is_no_video(tmp_path, second_decoder, saved):
    source = tmp_path / "sound.m4a"
    second_decoder.run("-i", saved(noise(1)), "-vn", "-c", "copy", source)
    with pytest.raises(errors.UnreadableVideo, match="it holds no video"):
        plan_shot(FilePart(source, source.name))


@pytest.mark.parametrize("call", [1, 5, 20])
def test_cancel_leaves_nothing_and_keeps_the_old_file(tmp_path, saved, call):
    source, target = saved(noise(COUNT / FPS)), tmp_path / "shot.mp4"
    target.write_bytes(b"older")
    calls = 0

    def cancel(done: int, total: int, what: str) -> None:
        nonlocal calls
        calls += 1
        assert 0 <= done <= total
        if calls == call:
            raise Cancelled

    with pytest.raises(Cancelled):
        encode(target, source, progress=cancel, quality_samples=4)
    assert target.read_bytes() == b"older" and sorted(tmp_path.iterdir()) == sorted([source, target])


def test_memory_does_not_grow_with_the_length(tmp_path, saved):
    """Python's own memory: frames, sound and packets of a file of 2 s and one of 20 s."""
    peaks = []
    tracemalloc.start()
    try:
        for count in (48, 480):
            path = tmp_path / f"{count}.mp4"
            frames = (np.full((48, 64, 3), index % 200, np.uint8) for index in range(count))
            encode_mp4(path, frames, count, 64, 48, FPS, noise(count / FPS), EncodeSettings(speed="ultrafast"))
            tracemalloc.reset_peak()
            held = tracemalloc.get_traced_memory()[0]
            encode(tmp_path / "shot.mp4", path, settings=EncodeSettings(speed="ultrafast"), quality_samples=4)
            peaks.append(tracemalloc.get_traced_memory()[1] - held)
    finally:
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000  # 18 s of sound alone are 6.9 MB
