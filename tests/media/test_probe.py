"""probe, on files that another program wrote."""

from __future__ import annotations

from fractions import Fraction

import pytest

from storymotion import errors
from storymotion.media.probe import ColourTags, SoundFacts, probe

PICTURE = ("-f", "lavfi", "-i", "testsrc=size=96x64:rate=30000/1001:duration=2")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=1")


def test_facts_of_a_tagged_file_with_sound(tmp_path, second_decoder):
    target = tmp_path / "\uc601\uc0c1.mp4"
    tags = "format=yuv420p,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    video = ("-frames:v", "45", "-vf", tags, "-c:v", "libx264")
    second_decoder.run(*PICTURE, *SOUND, *video, "-ac", "2", "-c:a", "aac", target)
    facts = probe(target)
    assert (facts.width, facts.height, facts.frames) == (96, 64, 45)
    assert facts.frame_rate == Fraction(30000, 1001)
    assert (facts.codec, facts.pixel_format) == ("h264", "yuv420p")
    assert facts.colour == ColourTags(1, 1, 1, full_range=False)
    assert facts.sound == SoundFacts("aac", 44100, 2, Fraction(1))
    assert facts.seconds == Fraction(45 * 1001, 30000)


def test_facts_of_an_untagged_silent_file(tmp_path, second_decoder):
    target = tmp_path / "plain.mkv"
    second_decoder.run(*PICTURE, "-frames:v", "7", "-c:v", "ffv1", "-pix_fmt", "yuv444p", target)
    facts = probe(target)
    assert (facts.frames, facts.codec, facts.pixel_format) == (7, "ffv1", "yuv444p")
    assert facts.sound is None
    assert abs(facts.seconds - Fraction(7 * 1001, 30000)) < Fraction(1, 500)  # Matroska counts milliseconds


def test_full_range_and_another_matrix(tmp_path, second_decoder):
    target = tmp_path / "full.mp4"
    tags = "format=yuv420p,setparams=color_primaries=bt470bg:color_trc=smpte170m:colorspace=bt470bg:range=pc"
    second_decoder.run(*PICTURE, "-frames:v", "3", "-vf", tags, "-c:v", "libx264", target)
    assert probe(target).colour == ColourTags(5, 6, 5, full_range=True)


def test_frames_are_counted_not_believed(tmp_path, second_decoder):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    video = ("-frames:v", "40", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart")
    second_decoder.run(*PICTURE, *video, whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert probe(whole).frames == 40
    assert 0 < probe(cut).frames < 40


def test_frames_hidden_by_an_edit_list_do_not_count(tmp_path, second_decoder):
    whole, later = tmp_path / "whole.mp4", tmp_path / "later.mp4"
    second_decoder.run(*PICTURE, "-frames:v", "40", "-c:v", "libx264", "-pix_fmt", "yuv420p", whole)
    second_decoder.run("-ss", "0.5", "-i", whole, "-c", "copy", later)
    shown = second_decoder.planes(later).size // (96 * 64 * 3 // 2)
    assert probe(later).frames == shown < 40


def test_unreadable_files(tmp_path, second_decoder):
    sound_only, text, empty = tmp_path / "sound.m4a", tmp_path / "text.mp4", tmp_path / "empty.mp4"
    second_decoder.run(*SOUND, sound_only)
    text.write_text("this is no video", encoding="utf-8")
    empty.touch()
    for path in (sound_only, text, empty, tmp_path / "missing.mp4", tmp_path):
        with pytest.raises(errors.UnreadableVideo) as raised:
            probe(path)
        assert raised.value.name == path.name
