"""Files of which a player shows more, or otherwise, than a plain reading gives."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from storymotion import errors
from storymotion.media.colour import has_left_colour
from storymotion.media.encode import EncodedFile, encode_mp4
from storymotion.media.encode_shot import encode_shot, plan_shot
from storymotion.media.film import FilmPlan, plan_film
from storymotion.media.film_frames import film_frames
from storymotion.media.parts import FilePart
from storymotion.media.probe import probe
from storymotion.media.settings import EncodeSettings
from storymotion.media.sound import Sound, sound_of

WIDTH, HEIGHT, COUNT, FPS = 64, 48, 12, Fraction(24)


def pictures(count: int = COUNT) -> list[np.ndarray]:
    """Flat pictures, each of another grey, with a red mark in the upper left and a blue one in the upper right."""
    found = []
    for index in range(count):
        picture = np.full((HEIGHT, WIDTH, 3), 15 * index + 20, np.uint8)
        picture[:12, :12], picture[:12, -12:] = (255, 0, 0), (0, 0, 255)
        found.append(picture)
    return found


@pytest.fixture
def master(tmp_path: Path) -> Path:
    """The pictures with a tone, as Animation Encode saves them."""
    path = tmp_path / "master.mp4"
    tone = np.sin(np.arange(COUNT * 2000) / 10).astype(np.float32)[None] / 2
    encode_mp4(path, pictures(), COUNT, WIDTH, HEIGHT, FPS, Sound(tone, 48_000), EncodeSettings(crf=5))
    return path


def encode(source: Path, *stretch: float, **settings) -> tuple[FilmPlan, EncodedFile]:
    plan = plan_shot(FilePart(source, source.name, *stretch))
    return plan, encode_shot(source.parent / "shot.mp4", plan, EncodeSettings(**{"crf": 5, **settings}))


# --- which way up


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", ["", "-display_hflip", "-display_vflip"])
def test_turned_and_mirrored_files_are_shown_as_they_want(tmp_path, second_decoder, master, rotation, mirror):
    source = tmp_path / "turned.mp4"
    turn = ["-display_rotation", str(rotation), *([mirror] if mirror else [])]
    second_decoder.run(*turn, "-i", master, "-an", "-c", "copy", source)
    plan, _ = encode(source)
    size = (HEIGHT, WIDTH) if rotation % 180 else (WIDTH, HEIGHT)
    assert (plan.width, plan.height) == size
    expected = second_decoder.rgb(source, *size).astype(int)
    assert np.abs(second_decoder.rgb(tmp_path / "shot.mp4", *size) - expected).mean() < 2


# --- when


@pytest.mark.parametrize("codec, suffix", [("libx264", "h264"), ("libx265", "hevc")])
def test_a_stream_without_a_clock_keeps_its_frames(tmp_path, second_decoder, master, codec, suffix):
    """It says its rate; FFmpeg's own guess is 25."""
    source = tmp_path / f"bare.{suffix}"
    quiet = ["-x265-params", "log-level=error"] if codec == "libx265" else []
    second_decoder.run("-i", master, "-an", "-c:v", codec, *quiet, "-crf", "5", "-f", suffix, source)
    plan, done = encode(source)
    assert (done.frames, done.frame_rate, plan.shots[0].facts.steady) == (COUNT, FPS, True)
    greys = second_decoder.rgb(tmp_path / "shot.mp4", WIDTH, HEIGHT)[:, 40, 30, 0].astype(int)
    assert np.abs(greys - (15 * np.arange(COUNT) + 20)).max() <= 4
    assert encode(source, 0.25, 0.125)[1].frames == 3
    assert abs(int(second_decoder.rgb(tmp_path / "shot.mp4", WIDTH, HEIGHT)[0, 40, 30, 0]) - (15 * 6 + 20)) <= 4


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_avi_with_frames_out_of_order(tmp_path, second_decoder, master, codec):
    """It has no times, only an order, and that is not the one in which frames are shown."""
    source = tmp_path / "old.avi"
    second_decoder.run("-i", master, "-c:v", codec, "-bf", "2", "-b:v", "2M", "-c:a", "mp3", source)
    _, done = encode(source)
    assert (done.frames, done.frame_rate) == (COUNT, FPS)
    greys = second_decoder.rgb(tmp_path / "shot.mp4", WIDTH, HEIGHT)[:, 40, 30, 0].astype(int)
    assert np.abs(greys - (15 * np.arange(COUNT) + 20)).max() <= 6
    assert encode(source, 0.25, 0.125)[1].frames == 3


def test_times_that_were_rounded_to_milliseconds_once_are_a_steady_rate(tmp_path, second_decoder, master):
    """As in every recording that went from Matroska into an MP4 without being encoded."""
    between, source = tmp_path / "between.mkv", tmp_path / "again.mp4"
    second_decoder.run("-i", master, "-c", "copy", between)
    second_decoder.run("-i", between, "-c", "copy", source)
    plan, done = encode(source)
    assert plan.shots[0].facts.steady and (done.frames, done.frame_rate) == (COUNT, FPS)


def test_a_held_frame_costs_no_frame_of_what_moves(tmp_path, second_decoder, master):
    """The sixth of twelve frames is held for two seconds: on average there are five a second."""
    source = tmp_path / "held.mp4"
    held = "setpts=(N+47*gte(N\\,6))/24/TB"
    second_decoder.run("-i", master, "-an", "-vf", held, "-fps_mode", "vfr", "-c:v", "libx264", "-crf", "5", source)
    plan, done = encode(source)
    assert not plan.shots[0].facts.steady and (done.frames, done.frame_rate) == (COUNT + 47, FPS)
    greys = second_decoder.rgb(tmp_path / "shot.mp4", WIDTH, HEIGHT)[:, 40, 30, 0].astype(int)
    at = [min(index, 5) if index < 53 else index - 47 for index in range(COUNT + 47)]
    assert np.abs(greys - (15 * np.array(at) + 20)).max() <= 4


def test_of_a_stretch_no_more_is_decoded_than_is_shown(tmp_path, second_decoder, master):
    """The last pictures of the file are broken; those of an hour would take their time."""
    source = tmp_path / "photos.mov"
    second_decoder.run("-i", master, "-an", "-c:v", "mjpeg", "-q:v", "2", source)
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        last = [(packet.pos or 0, packet.size) for packet in packets[-3:]]
    content = bytearray(source.read_bytes())
    for start, size in last:
        content[start : start + size] = bytes(size)
    source.write_bytes(content)
    with pytest.raises(errors.UnreadableVideo):
        encode(source)
    assert encode(source, 0.0, 0.25)[1].frames == 6


def test_a_file_cut_off_between_two_frames(tmp_path):
    """Every frame that is there is whole; only the header knows that more belong to it."""
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    encode_mp4(whole, pictures(), COUNT, WIDTH, HEIGHT, FPS)
    with av.open(str(whole)) as container:
        starts = sorted(packet.pos or 0 for packet in container.demux(video=0) if packet.size)
    for start in starts[-3:]:
        cut.write_bytes(whole.read_bytes()[:start])
        with pytest.raises(errors.UnreadableVideo, match=f"it breaks off after [0-9]+ of {COUNT} frames"):
            encode(cut)


# --- what is beside the picture


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_the_alpha_of_webm_becomes_white_paper(tmp_path, second_decoder, codec):
    """The right half is transparent; FFmpeg's own decoders do not see it."""
    source = tmp_path / "drawing.webm"
    drawing = f"color=c=red:s={WIDTH}x{HEIGHT}:r=24:d=0.25,format=yuva420p,geq=lum=lum(X\\,Y):cb=cb(X\\,Y)"
    drawing += f":cr=cr(X\\,Y):a=255*lt(X\\,{WIDTH // 2})"
    options = ["-c:v", codec, "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-crf", "8", "-b:v", "2M"]
    second_decoder.run("-f", "lavfi", "-i", drawing, *options, source)
    plan, _ = encode(source)
    assert plan.shots[0].facts.transparent
    shown = second_decoder.rgb(tmp_path / "shot.mp4", WIDTH, HEIGHT).astype(int)
    assert np.abs(shown[:, :, :24] - (255, 0, 0)).max() <= 10 and shown[:, :, 40:].min() >= 245


def without_decoder(source: Path, target: Path, kind: bytes) -> Path:
    """The file with another code in place of ``kind``, which nobody knows."""
    content = source.read_bytes()
    assert kind in content
    target.write_bytes(content.replace(kind, b"zzzz"))
    return target


def test_tracks_that_cannot_be_decoded(tmp_path, second_decoder, master):
    """A telephone's second sound is left out; the only sound, and pictures, are asked for by name."""
    only, both = tmp_path / "only.mov", tmp_path / "both.mov"
    second_decoder.run("-i", master, "-c:v", "copy", "-c:a", "pcm_s16le", only)
    second_decoder.run("-i", only, "-i", master, "-map", "0:v", "-map", "0:a", "-map", "1:a", "-c", "copy", both)
    _, done = encode(without_decoder(both, tmp_path / "telephone.mov", b"sowt"))
    assert done.sound_copied and probe(tmp_path / "telephone.mov").sound is not None
    with pytest.raises(errors.UnreadableVideo, match="its sound is coded in a way that is not known"):
        encode(without_decoder(only, tmp_path / "strange.mov", b"sowt"))
    blind = without_decoder(master, tmp_path / "blind.mp4", b"avc1")
    for ask in (encode, probe):
        with pytest.raises(errors.UnreadableVideo, match="its pictures are coded in a way that is not known"):
            ask(blind)


@pytest.mark.parametrize(
    "codec, layout, suffix", [("flac", "7.1", "mkv"), ("aac", "7.1", "mp4"), ("pcm_s16le", "7.1.4", "mov")]
)
def test_eight_channels_and_more(tmp_path, second_decoder, master, codec, layout, suffix):
    """PyAV counts planes that are not there: the process died."""
    source = tmp_path / f"around.{suffix}"
    left_alone = f"pan={layout}|FL=c0"
    second_decoder.run(
        "-i", master, "-c:v", "copy", "-af", left_alone, "-c:a", codec, "-channel_layout", layout, source
    )
    _, done = encode(source)
    facts = probe(tmp_path / "shot.mp4").sound
    assert facts is not None and facts.channels == (8 if done.sound_copied else 2)
    if not done.sound_copied:
        played = second_decoder.sound(tmp_path / "shot.mp4", 2)
        assert np.abs(played[0]).max() > 0.1 > 0.01 > np.abs(played[1]).max()


def test_eight_channels_in_memory(tmp_path, second_decoder):
    waves = np.zeros((8, 24_000), np.float32)
    waves[0] = np.sin(np.arange(24_000) / 10) / 2
    mixed = sound_of(waves, 48_000)
    assert mixed.waveform.shape == (2, 24_000)
    assert np.abs(mixed.waveform[0]).max() > 0.1 and np.abs(mixed.waveform[1]).max() < 1e-6


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [48_000, 37_000])
def test_a_sound_of_no_samples_is_silence(tmp_path, channels, rate):
    sound = sound_of(np.zeros((channels, 0), np.float32), rate)
    encode_mp4(tmp_path / "shot.mp4", pictures(), COUNT, WIDTH, HEIGHT, FPS, sound)
    facts = probe(tmp_path / "shot.mp4").sound
    assert facts is not None and facts.seconds == COUNT / FPS


# --- where the colours lie


def first_frame(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def foreign(path: Path, line_art: list[np.ndarray], second_decoder, place: str, said: str) -> Path:
    """The drawing in H.264 with its colours at ``place``, 0 for the left; ``said`` is what the stream says."""
    raw = path.with_suffix(".rgb")
    raw.write_bytes(np.stack(line_art).tobytes())
    height, width = line_art[0].shape[:2]
    scale = f"scale=out_h_chr_pos={place}:out_v_chr_pos=128:out_color_matrix=bt709:flags=lanczos+accurate_rnd"
    second_decoder.run(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "24", "-i", raw),
        *("-vf", f"{scale}+full_chroma_inp,format=yuv420p", "-c:v", "libx264", "-crf", "8", *said.split()),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv", path),
    )
    return path


# Before FFmpeg 8 a conversion does not heed it, and nothing can be told.
heeded = pytest.mark.skipif(av.library_versions["libavcodec"] < (62,), reason="this FFmpeg takes all for the middle")


@heeded
def test_files_say_that_colours_lie_in_the_middle(tmp_path, line_art):
    """What is taken for the left half a pixel off cost 0.3 dB, and the figure in the report said so."""
    path = tmp_path / "shot.mp4"
    done = encode_mp4(path, line_art, 24, 320, 192, FPS, quality_samples=24)
    assert not has_left_colour(first_frame(path))
    assert done.quality is not None and done.quality.psnr > 33.8
    encode_mp4(path, line_art, 24, 320, 192, FPS, settings=EncodeSettings(pixel_format="yuv444p"))
    assert not has_left_colour(first_frame(path))


@heeded
@pytest.mark.parametrize("place, said, left", [("0", "", True), ("128", "-x264-params chromaloc=1", False)])
def test_a_file_taken_as_it_is_keeps_the_place_of_its_colours(tmp_path, line_art, second_decoder, place, said, left):
    source = foreign(tmp_path / "source.mp4", line_art, second_decoder, place, said)
    plan = plan_shot(FilePart(source, "source"))
    assert has_left_colour(first_frame(source)) == plan.shots[0].facts.left_colour == left
    target = tmp_path / "shot.mp4"
    done = encode_shot(target, plan, quality_samples=8)
    assert has_left_colour(first_frame(target)) == left
    assert done.quality is not None and done.quality.psnr > 45
    # What goes through RGB on its way lies in the middle, wherever it lay.
    encode_shot(target, plan, EncodeSettings(line_art_2x=True))
    assert not has_left_colour(first_frame(target))


@heeded
def test_shots_whose_colours_lie_elsewhere_are_brought_together(tmp_path, line_art, second_decoder):
    """What lies on the left is made anew where a shot of this pack is in the film too, and taken as it is without."""
    left = FilePart(foreign(tmp_path / "left.mp4", line_art, second_decoder, "0", ""), "left")
    ours = FilePart(tmp_path / "ours.mp4", "ours")
    encode_mp4(ours.path, line_art, 24, 320, 192, FPS)
    for parts, kinds, said in (
        ([left, left], [av.VideoFrame] * 2, True),
        ([left, ours], [np.ndarray, av.VideoFrame], False),
    ):
        plan = plan_film(parts)
        assert plan.left_colour == said
        assert [type(frame) for frame in list(film_frames(plan))[::24]] == kinds
