"""Sound and picture after ten minutes: a click at every cut of a film of many shots, found again by ffmpeg."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from storymotion.media.encode import encode_mp4
from storymotion.media.encode_shot import encode_shot, plan_shot
from storymotion.media.film import plan_film
from storymotion.media.join import write_film
from storymotion.media.parts import FilePart
from storymotion.media.settings import EncodeSettings
from storymotion.media.sound import AAC_FRAME, Sound

MINUTES = 10
SIDE = 32
# Frames of the shots, over and over: about 5 s, and no two sums of them fall on the same part of an AAC frame.
LENGTHS = (121, 113, 137, 97)
RATE = 44_100


def shot(path, count: int, fps: Fraction, dark: bool) -> FilePart:
    """A black or a white shot whose sound is a click on its first sample."""
    frame = np.full((SIDE, SIDE, 3), 20 if dark else 235, np.uint8)
    waveform = np.zeros((1, round(count / fps * RATE)), np.float32)
    waveform[0, :48] = 0.9 * np.cos(np.arange(48) * 0.6) * np.linspace(1, 0, 48)
    settings = EncodeSettings(speed="ultrafast")
    encode_mp4(path, (frame for _ in range(count)), count, SIDE, SIDE, fps, Sound(waveform, RATE), settings)
    return FilePart(path, path.name)


@pytest.mark.slow
def test_clicks_are_at_the_cuts_after_ten_minutes(tmp_path, second_decoder):
    """Join, then Animation Encode of the film with its sound copied: each cut within one AAC frame, none drifts.

    At the frame rate of which neither a frame nor a shot is a whole number of samples.
    """
    fps = Fraction(24000, 1001)
    kinds = [(count, dark) for count in LENGTHS for dark in (False, True)]
    made = {kind: shot(tmp_path / f"{kind[0]}-{kind[1]}.mp4", kind[0], fps, kind[1]) for kind in kinds}
    parts, starts, total = [], [], 0
    while total < MINUTES * 60 * fps:
        kind = LENGTHS[len(parts) % len(LENGTHS)], len(parts) % 2 == 1
        parts.append(made[kind])
        starts.append(total)
        total += kind[0]
    film, again = tmp_path / "film.mp4", tmp_path / "again.mp4"
    plan = plan_film(parts)
    write_film(film, plan)
    settings = EncodeSettings(speed="ultrafast")
    done = encode_shot(again, plan_shot(FilePart(film, "film")), settings)
    assert plan.copied and done.sound_copied and done.frames == total > 14_000
    for file in (film, again):
        raw = second_decoder.run("-i", file, "-pix_fmt", "gray", "-f", "rawvideo", "-")
        brightness = np.frombuffer(raw, np.uint8).reshape(total, -1).mean(axis=1)
        cuts = [0, *(1 + np.flatnonzero(np.abs(np.diff(brightness)) > 100))]
        assert cuts == starts
        loud = np.flatnonzero(np.abs(second_decoder.sound(file, 1)[0]) > 0.3)
        clicks = [int(loud[0]), *(int(loud[1:][index]) for index in np.flatnonzero(np.diff(loud) > RATE))]
        assert len(clicks) == len(cuts)
        late = np.array(clicks) - np.array([float(start / fps) * RATE for start in cuts])
        assert np.abs(late).max() < AAC_FRAME
        assert np.ptp(late) < 48  # compressed clicks begin up to their own length early, but do not drift
