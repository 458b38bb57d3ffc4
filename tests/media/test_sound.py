"""The sound of a video: as long as the picture to the sample, in step with it, and never broken."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from storymotion import errors
from storymotion.media.encode import encode_mp4
from storymotion.media.probe import probe
from storymotion.media.settings import EncodeSettings
from storymotion.media.sound import Sound, at_rate_for_aac


def encode(target, sound: Sound, frames: int = 24, rate: Fraction = Fraction(24), **more):
    black = np.zeros((48, 64, 3), np.uint8)
    encode_mp4(target, (black for _ in range(frames)), frames, 64, 48, rate, sound, **more)
    facts = probe(target).sound
    assert facts is not None
    return facts


def tone(hertz: float, seconds: float, rate: int, loudness: float = 0.5) -> np.ndarray:
    return (loudness * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


@pytest.mark.parametrize("channels, sample_rate", [(1, 8000), (1, 24000), (2, 44100), (2, 48000)])
@pytest.mark.parametrize("frames, rate", [(1, "24"), (33, "24000/1001"), (50, "25"), (97, "30000/1001")])
@pytest.mark.parametrize("share", [0, 0.3, 2])
def test_as_long_as_the_video_to_the_sample(tmp_path, second_decoder, channels, sample_rate, frames, rate, share):
    rate = Fraction(rate)
    wanted = round(frames / rate * sample_rate)
    target = tmp_path / "shot.mp4"
    waveform = np.tile(tone(440, float(share * frames / rate), sample_rate), (channels, 1))
    facts = encode(target, Sound(waveform, sample_rate), frames, rate)
    assert (facts.codec, facts.sample_rate, facts.channels) == ("aac", sample_rate, channels)
    assert facts.seconds == Fraction(wanted, sample_rate)
    assert second_decoder.sound(target, channels).shape == (channels, wanted)


@pytest.mark.parametrize("sample_rate", [24000, 48000, 37000, 6000])
def test_a_click_stays_at_its_time(tmp_path, second_decoder, sample_rate):
    """Priming and resampling would shift it by hundreds of samples if nobody took them back."""
    waveform = np.zeros((1, 2 * sample_rate), np.float32)
    waveform[0, sample_rate // 2 : sample_rate // 2 + sample_rate // 1000] = 0.9
    target = tmp_path / "click.mp4"
    facts = encode(target, Sound(waveform, sample_rate), 48)
    played = second_decoder.sound(target, 1)[0]
    assert abs(int(np.abs(played).argmax()) / facts.sample_rate - 0.5005) < 0.001


@pytest.mark.parametrize("sample_rate", [6000, 37000, 192000])
def test_a_rate_that_aac_does_not_know_becomes_48000(tmp_path, second_decoder, sample_rate):
    target = tmp_path / "shot.mp4"
    facts = encode(target, Sound(np.tile(tone(500, 1.5, sample_rate), (2, 1)), sample_rate))
    assert (facts.sample_rate, facts.channels, facts.seconds) == (48000, 2, 1)
    played = second_decoder.sound(target, 2)
    assert np.corrcoef(played[0], tone(500, 1, 48000))[0, 1] > 0.99


@pytest.mark.parametrize("sample_rate", [6000, 37000, 192000])
def test_resampling_keeps_the_whole_sound(sample_rate):
    resampled = at_rate_for_aac(Sound(tone(500, 1, sample_rate)[None], sample_rate)).waveform
    assert abs(resampled.shape[1] - 48000) <= 2


def test_left_stays_left(tmp_path, second_decoder):
    waveform = np.stack([tone(440, 1, 48000), tone(440, 1, 48000, loudness=0)])
    target = tmp_path / "shot.mp4"
    encode(target, Sound(waveform, 48000))
    left, right = second_decoder.sound(target, 2)
    assert loudness(left) > 0.3 and loudness(right) < 0.001


def test_shorter_sound_ends_in_silence(tmp_path, second_decoder):
    target = tmp_path / "shot.mp4"
    encode(target, Sound(tone(440, 0.25, 48000)[None], 48000))
    played = second_decoder.sound(target, 1)[0]
    assert loudness(played[2000:10000]) > 0.3
    assert loudness(played[16000:]) < 0.001


@pytest.mark.parametrize("sample_rate", [48000, 37000])
def test_broken_samples_become_silence(tmp_path, second_decoder, sample_rate):
    waveform = np.tile(tone(440, 1, sample_rate, loudness=0.1), (1, 1))
    waveform[0, 100::1000] = np.nan
    waveform[0, 200::1000] = np.inf
    waveform[0, 300::1000] = -np.inf
    target = tmp_path / "shot.mp4"
    encode(target, Sound(waveform, sample_rate))
    played = second_decoder.sound(target, 1)[0]
    assert np.isfinite(played).all()
    assert np.abs(played).max() < 0.2  # an infinity clipped to 1 would be a click
    assert 0.05 < loudness(played) < 0.09
    assert np.isnan(waveform).any()  # the caller's array is left alone


def test_too_loud_is_clipped(tmp_path, second_decoder):
    loud, target = tone(440, 1, 48000, loudness=20), tmp_path / "shot.mp4"
    encode(target, Sound(loud[None], 48000))
    played = second_decoder.sound(target, 1)[0]
    assert loudness(played) < 1.05
    assert np.corrcoef(played, loud.clip(-1, 1))[0, 1] > 0.99


def test_bit_rate_is_the_one_asked_for(tmp_path):
    noise = np.random.default_rng(20).normal(0, 0.2, (2, 4 * 48000)).astype(np.float32)
    size = {}
    for kbps in (64, 192):
        target = tmp_path / f"{kbps}.mp4"
        encode(target, Sound(noise, 48000), 96, settings=EncodeSettings(audio_kbps=kbps))
        size[kbps] = target.stat().st_size
    assert size[192] - size[64] == pytest.approx(128_000 / 8 * 4, rel=0.2)


@pytest.mark.parametrize("shape", [(100,), (0, 100), (3, 100), (6, 100), (1, 2, 100)])
def test_wrong_shape(shape):
    with pytest.raises(errors.ValueOutOfRange):
        Sound(np.zeros(shape, np.float32), 48000)


@pytest.mark.parametrize("rate", [0, -48000, 999, 384_001])
def test_wrong_rate(rate):
    with pytest.raises(errors.ValueOutOfRange):
        Sound(np.zeros((1, 100), np.float32), rate)
