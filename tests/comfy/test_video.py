"""Our VIDEO answers ComfyUI's calls that no core node of 0.3.75 makes; in a process with ComfyUI on its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dev.comfyui import ready_comfyui

ROOT = Path(__file__).parents[2]
SCRIPT = """
import importlib.util, io, sys
sys.path.insert(0, sys.argv[1])
sys.argv = [sys.argv[0], "--cpu", sys.argv[2]]
root = sys.argv.pop()
spec = importlib.util.spec_from_file_location("pack", root + "/__init__.py", submodule_search_locations=[root])
pack = importlib.util.module_from_spec(spec)
sys.modules["pack"] = pack
spec.loader.exec_module(pack)
from fractions import Fraction
import numpy, torch
from pack.nodes.video import ShotVideo
from pack.storymotion.media.sound import Sound

frames = torch.randint(0, 255, (24, 32, 64, 3), dtype=torch.uint8)
sound = Sound(numpy.linspace(-1, 1, 48000, dtype=numpy.float32)[None], 48000)
video = ShotVideo(frames, Fraction(24), sound)
assert (video.get_dimensions(), video.get_frame_count(), video.get_frame_rate()) == ((64, 32), 24, 24)
assert (video.get_duration(), video.get_container_format()) == (1.0, "mp4")
part = video.as_trimmed(0.25, 0.5)
assert torch.equal(part.frames, frames[6:18]) and part.frames.data_ptr() == frames[6].data_ptr()
assert numpy.array_equal(part.sound.waveform, sound.waveform[:, 12000:36000])
assert video.as_trimmed(0.5).get_frame_count() == 12 and video.as_trimmed(2.0) is None
assert video.as_trimmed(0.5, 1.0).get_frame_count() == 12 and video.as_trimmed(0.5, 1.0, True) is None
fine, rough = io.BytesIO(), io.BytesIO()
video.save_to(fine, crf=1, bit_depth=8, color_space="sRGB")
video.save_to(rough, crf=45)
assert 0 < 2 * len(rough.getvalue()) < len(fine.getvalue())
try:  # not ours: ComfyUI's own encoder does it or says by name that it cannot
    video.save_to(io.BytesIO(), color_space="no such space")
except (TypeError, ValueError) as error:
    assert "color" in str(error), error
else:
    raise AssertionError("an unknown colour space was ignored")
assert video.get_components().images.dtype == torch.float32

# What other nodes may hand on as a VIDEO.
from comfy_api.latest import InputImpl, Types
from pack.nodes.video import rgb_frames_of
from pack.storymotion.errors import NoFrames, ValueOutOfRange
from pack.storymotion.media.parts import FramesPart, facts_of

def taken(images, rate=24, waveform=None):
    audio = None if waveform is None else {"waveform": waveform, "sample_rate": 48000}
    components = Types.VideoComponents(images=images, audio=audio, frame_rate=rate)
    return rgb_frames_of(InputImpl.VideoFromComponents(components))

colours = torch.tensor([[[[0.0, 0.5, 1.0], [1.5, -1.0, 0.25]]]])
wanted = [[0, 128, 255], [255, 0, 64]]
as_bytes = (colours.clamp(0, 1) * 255).round().byte()
for images in (colours, colours.double(), colours.half(), colours.bfloat16(), as_bytes):
    assert next(taken(images)[0]).tolist() == [wanted], images.dtype
assert next(taken(torch.tensor([[[[0.5]]]]))[0]).tolist() == [[[128, 128, 128]]]
assert next(taken(torch.tensor([[[[0.0, 0.0, 0.0, 0.5]]]]))[0]).tolist() == [[[128, 128, 128]]]
assert taken(colours, waveform=torch.zeros(0, 2, 9))[5] is None
assert taken(colours, waveform=torch.zeros(3, 8, 9))[5].waveform.shape[0] == 2
for rate in (0, -24, 1001, float("nan")):
    try:
        taken(colours, rate)
    except ValueOutOfRange as error:
        assert "The frame rate" in str(error)
    else:
        raise AssertionError(f"{rate} frames a second were taken")
try:
    facts_of(FramesPart("", lambda: iter(()), 0, 64, 48, Fraction(24), None))
except NoFrames:
    pass
else:
    raise AssertionError("a video of no frames was taken")
print("VIDEO OK")
"""


def test_calls_of_newer_comfyui() -> None:
    comfyui = ready_comfyui(Path(sys.executable))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(comfyui), str(ROOT)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert "VIDEO OK" in done.stdout, done.stderr
