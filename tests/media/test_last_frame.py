"""The last frame of files that another program wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from storymotion import errors
from storymotion.media.last_frame import last_frame


def test_the_last_of_all_frames_not_a_key_frame(tmp_path, second_decoder):
    target = tmp_path / "film.mp4"
    grey = "nullsrc=size=96x64:rate=24,geq=lum='16+5*N':cb=128:cr=128"
    second_decoder.run("-f", "lavfi", "-i", grey, "-frames:v", "40", "-c:v", "libx264", "-bf", "2", "-crf", "1", target)
    frame = last_frame(target)
    assert frame.shape == (64, 96, 3) and str(frame.dtype) == "uint8"
    # Luma 16 + 5 * 39 of 16 to 235.
    assert abs(float(frame.mean()) - 5 * 39 * 255 / 219) < 2


def test_what_is_no_video_is_said(tmp_path: Path, second_decoder):
    sound, text = tmp_path / "sound.mp4", tmp_path / "text.mp4"
    second_decoder.run("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", sound)
    text.write_text("no video", encoding="utf-8")
    for file in (sound, text, tmp_path / "gone.mp4"):
        with pytest.raises(errors.UnreadableVideo, match=file.name):
            last_frame(file)
