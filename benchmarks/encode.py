"""Encoding line art: ours against the ffmpeg program, the origin's double encode and the SDK's encode_video.

    python -m benchmarks.encode

Ten seconds of 960 x 544 at 24 fps, drawn here: moving lines, flat colours, text. Every arm reads the same raw frames
and runs in a process of its own, three times, the arms in turn. Seconds are of the encode alone, in Python of the
second one in its process; those of the program include its start, some hundredths. Figures are of every fourth frame
as the program decodes it, each file with the matrix it was made with: what a player does to files without tags comes
on top. A second table has the peak memory of our encode for ten seconds and for ten minutes, with the program beside
it: what grows with the length is the index that an MP4 file ends with, which the muxer keeps in memory.

The lines are mostly ink. Where thin lines have strong colours, 4:2:0 sets the limit (31.0 dB once, 30.8 encoded twice,
with such a drawing): line_art_2x and yuv444p are for those.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ltx import _peak_memory

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT, FRAMES, FPS = 960, 544, 240, 24
ROUNDS = 3
# Of the second table: small, or ten minutes would take too long.
SMALL = (320, 192)
LENGTHS = {"10 s": 240, "10 min": 14_400}
RATE = 48_000
PROGRAM = "file, by the ffmpeg program"

RAW = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS), "-i"]
# The same filter, matrix and x264 options as ours.
SAME = [
    *("-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=lanczos+accurate_rnd+full_chroma_inp"),
    *("-c:v", "libx264", "-preset", "fast", "-crf", "18", "-tune", "animation", "-pix_fmt", "yuv420p"),
    *("-x264-params", "chromaloc=1"),
    *("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-movflags", "+faststart"),
]
# The origin: a file of x264's defaults, then this over it (research/field.md, C.3).
FIRST = ["-c:v", "libx264", "-pix_fmt", "yuv420p"]
SECOND = ["-c:v", "libx264", "-preset", "fast", "-crf", "18", "-tune", "animation", "-pix_fmt", "yuv420p"]


def main() -> None:
    """Measure and print the tables; with arguments (a step and its own) do one step in this process."""
    if len(sys.argv) > 1:
        step, *rest = sys.argv[1:]
        print(json.dumps(STEPS[step](*rest)))
        return
    with tempfile.TemporaryDirectory() as folder:
        _in_own_process("draw", folder)
        _print_arms(folder)
        _print_lengths(folder)


def _print_arms(folder: str) -> None:
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for number in range(ROUNDS):
        for arm in list(ARMS)[:: -1 if number % 2 else 1]:
            found[arm].append(_in_own_process("encode", arm, folder))
    print(f"{FRAMES} frames of {WIDTH} x {HEIGHT}, medians of {ROUNDS}, {os.cpu_count()} cores\n")
    print("| arm | s | CPU s | bytes | PSNR dB | along lines dB | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for arm, rounds in found.items():
        seconds, processor = (statistics.median(each[key] for each in rounds) for key in ("wall", "cpu"))
        peak = max(each["peak"] for each in rounds) / 1e6
        judged = _in_own_process("judge", arm, folder)
        figures = f"{judged['bytes']} | {judged['psnr']:.2f} | {judged['edges']:.2f} | {peak:.0f}"
        print(f"| {arm} | {seconds:.2f} | {processor:.2f} | {figures} |", flush=True)


def _print_lengths(folder: str) -> None:
    width, height = SMALL
    print(f"\nPeak memory of an encode, {width} x {height}, with sound, MB\n")
    print(f"| from | {' | '.join(LENGTHS)} |")
    print("|---|---|---|")
    for source in ("frames", "file, sound copied", "file, sound encoded", PROGRAM):
        peaks = [_in_own_process("length", source, str(count), folder)["peak"] / 1e6 for count in LENGTHS.values()]
        print(f"| {source} | {' | '.join(f'{peak:.1f}' for peak in peaks)} |", flush=True)


def _in_own_process(*arguments: str) -> dict[str, Any]:
    # This process stays small: another one starts with the peak of the one that started it.
    command = [sys.executable, "-m", "benchmarks.encode", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", errors="replace", check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def draw(folder: str) -> dict[str, Any]:
    """Write the frames as raw RGB."""
    import numpy as np

    with (Path(folder) / "drawn.rgb").open("wb") as file:
        for index in range(FRAMES):
            file.write(np.asarray(_drawing(index)).tobytes())
    return {}


def _drawing(index: int) -> Any:
    """One frame: a figure that breathes and turns its head, hair in the wind, moving rain, a line of text.

    Ink on flat colours, as illustrators draw: most lines are dark, some (mouth, ribbon, pattern) have a colour.
    """
    import math

    from PIL import Image, ImageDraw, ImageFont

    fine = 2  # drawn large and averaged down, so that lines have soft edges
    image = Image.new("RGB", (WIDTH * fine, HEIGHT * fine), (244, 232, 214))
    pen = ImageDraw.Draw(image)
    ink = (44, 30, 38)
    turn, breath, wind = (math.sin(index / period) for period in (40, 18, 7))

    def at(*points: float) -> list[float]:
        return [point * fine for point in points]

    pen.rectangle(at(0, 400, WIDTH, HEIGHT), fill=(150, 176, 132), outline=ink, width=2 * fine)
    pen.rectangle(at(560, 60, 900, 330), fill=(150, 186, 206), outline=ink, width=3 * fine)
    for drop in range(24):
        x, y = 575 + (drop * 37) % 310, 66 + (drop * 53 + index * 9) % 230
        pen.line(at(x, y, x - 6, y + 30), fill=(70, 96, 122), width=2 * fine)
    pen.line(at(730, 60, 730, 330), fill=ink, width=4 * fine)
    body, left, top = 330 + 5 * breath, 190 + 26 * turn, 130 + 5 * breath
    pen.rounded_rectangle(at(190, body, 420, 600), 60 * fine, fill=(176, 84, 84), outline=ink, width=3 * fine)
    for stripe in range(6):
        pen.line(at(200, body + 70 + 22 * stripe, 410, body + 70 + 22 * stripe), fill=(222, 190, 150), width=2 * fine)
    pen.ellipse(at(left, top, left + 210, top + 240), fill=(250, 218, 194), outline=ink, width=3 * fine)
    for side in (58, 128):
        x, y, lid = left + side + 10 * turn, top + 100, 24 if index % 60 > 4 else 4
        pen.ellipse(at(x, y, x + 26, y + lid), fill=(70, 90, 140), outline=ink, width=2 * fine)
    mouth = left + 75 + 10 * turn, top + 160, left + 145 + 10 * turn, top + 190
    pen.arc(at(*mouth), 10, 170, fill=(160, 50, 60), width=3 * fine)
    for hair in range(26):
        root = left + 6 + hair * 8
        tip = root + 26 * wind * math.sin(hair)
        pen.line(at(root, top + 24 + abs(hair - 13) * 3, tip, top - 70), fill=ink, width=2 * fine)
    words = "The wind is warm tonight, is it not?"
    pen.text((440 * fine, 450 * fine), words[: index // 4 + 1], font=ImageFont.load_default(26 * fine), fill=ink)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def frames_of(folder: str) -> Iterator[np.ndarray]:
    """The drawn frames one by one, uint8 ``[height, width, 3]``; the file is not mapped, so it counts for no memory."""
    import numpy as np

    with (Path(folder) / "drawn.rgb").open("rb") as file:
        for _ in range(FRAMES):
            yield np.frombuffer(file.read(WIDTH * HEIGHT * 3), np.uint8).reshape(HEIGHT, WIDTH, 3)


def _ours(**settings: Any) -> Callable[[str, Path], None]:
    def encode(folder: str, target: Path) -> None:
        from storymotion.media.encode import encode_mp4
        from storymotion.media.settings import EncodeSettings

        chosen = EncodeSettings(**settings)
        encode_mp4(target, frames_of(folder), FRAMES, WIDTH, HEIGHT, Fraction(FPS), settings=chosen)

    return encode


def _program(folder: str, target: Path) -> None:
    _ffmpeg(*RAW, f"{folder}/drawn.rgb", *SAME, str(target))


def _double(folder: str, target: Path) -> None:
    first = target.with_suffix(".first.mp4")
    _ffmpeg(*RAW, f"{folder}/drawn.rgb", *FIRST, str(first))
    _ffmpeg("-i", str(first), *SECOND, "-movflags", "+faststart", str(target))


def _sdk(folder: str, target: Path) -> None:
    import numpy as np
    import torch
    from ltx_pipelines.utils.media_io import encode_video

    # In chunks of one frame, as far as its way of taking frames allows: it holds one chunk.
    chunks = (torch.from_numpy(np.array(frame))[None] for frame in frames_of(folder))
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        encode_video(chunks, FPS, None, str(target), FRAMES)


# For each arm: how, and the matrix of its file. The SDK and the origin leave libswscale its default, BT.601.
ARMS: dict[str, tuple[Callable[[str, Path], None], str]] = {
    "ours": (_ours(), "bt709"),
    "ffmpeg program, same options": (_program, "bt709"),
    "origin: encoded twice": (_double, "bt601"),
    "SDK encode_video": (_sdk, "bt601"),
    "ours, line_art_2x": (_ours(line_art_2x=True), "bt709"),
    "ours, yuv444p": (_ours(pixel_format="yuv444p"), "bt709"),
    "ours, on twos": (_ours(on_twos=True), "bt709"),
}


def _ffmpeg(*arguments: str) -> None:
    import imageio_ffmpeg

    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments], check=True)


def _file_of(arm: str, folder: str) -> Path:
    return Path(folder) / f"{list(ARMS).index(arm)}.mp4"


def encode(arm: str, folder: str) -> dict[str, Any]:
    """Encode once: seconds, seconds of the processor with all threads, peak memory of who encodes."""
    how, _ = ARMS[arm]
    target = _file_of(arm, folder)
    if how in (_program, _double):
        import imageio_ffmpeg  # noqa: F401  (not counted)
    elif how is _sdk:
        import ltx_pipelines.utils.media_io  # noqa: F401
    else:
        import av
        import numpy  # noqa: F401

        import storymotion.media.encode  # noqa: F401

        assert av.Codec("libx264", "w")
    peak = 0
    if how not in (_program, _double):
        how(folder, target)  # what only the first call of a process costs; ComfyUI's is a long one
        peak = _peak_memory()
    wall, processor = time.perf_counter(), _processor_seconds()
    how(folder, target)
    wall, processor = time.perf_counter() - wall, _processor_seconds() - processor
    peak = peak or _peak_of_children()
    return {"wall": wall, "cpu": processor, "peak": peak}


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_of_children() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def judge(arm: str, folder: str) -> dict[str, Any]:
    """Bytes and figures of an arm's file."""
    import imageio_ffmpeg
    import numpy as np

    from storymotion.media.quality import Differences

    target = _file_of(arm, folder)
    # A file of twice the size is averaged down.
    filtered = "area" if "2x" in arm else "bicubic"
    picked = f"select=not(mod(n\\,4)),scale={WIDTH}:{HEIGHT}:in_color_matrix={ARMS[arm][1]}:in_range=tv:"
    picked += f"flags={filtered}+accurate_rnd+full_chroma_int+full_chroma_inp"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(target), "-vf", picked]
    command += ["-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    found = Differences()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        for index, drawn in enumerate(frames_of(folder)):
            if index % 4 == 0:
                shown = np.frombuffer(program.stdout.read(WIDTH * HEIGHT * 3), np.uint8)
                found.add(shown.reshape(HEIGHT, WIDTH, 3), drawn)
    quality = found.quality
    assert quality is not None and quality.edge_psnr is not None and program.returncode == 0
    return {"bytes": target.stat().st_size, "psnr": quality.psnr, "edges": quality.edge_psnr}


def length(source: str, count: str, folder: str) -> dict[str, Any]:
    """Encode ``count`` frames from where ``source`` says; peak memory of this process."""
    from storymotion.media.encode import encode_mp4
    from storymotion.media.encode_shot import encode_shot, plan_shot
    from storymotion.media.parts import FilePart

    file = Path(folder) / f"{count}.mp4"
    frames = int(count)
    if source == PROGRAM:
        _ffmpeg("-i", str(file), *SAME, "-c:a", "copy", str(file.with_suffix(".program.mp4")))
        return {"peak": _peak_of_children()}
    if source == "frames":
        encode_mp4(file, _moving(frames), frames, *SMALL, Fraction(FPS), _Tone())
    else:
        if source == "file, sound encoded":
            other = file.with_suffix(".mkv")
            _ffmpeg("-i", str(file), "-c:v", "copy", "-c:a", "flac", str(other))
            file = other
        done = encode_shot(Path(folder) / "again.mp4", plan_shot(FilePart(file, file.name)), quality_samples=8)
        assert done.frames == frames and done.sound_copied == (source == "file, sound copied")
    return {"peak": _peak_memory()}


def _moving(count: int) -> Iterator[np.ndarray]:
    """A drawing that moves to the left."""
    import numpy as np
    from PIL import Image

    picture = np.asarray(_drawing(100).resize(SMALL, Image.Resampling.BOX))
    for index in range(count):
        yield np.roll(picture, -2 * index, axis=1)


class _Tone:
    """A sound of any length that is in no memory."""

    sample_rate = RATE
    layout = "stereo"

    def samples(self, start: int, stop: int) -> np.ndarray:
        """See ``SoundSource``."""
        import numpy as np

        tone = 0.3 * np.sin(np.arange(start, stop) * 0.05)
        return np.stack([tone, tone]).astype(np.float32)


STEPS: dict[str, Callable[..., dict[str, Any]]] = {"draw": draw, "encode": encode, "judge": judge, "length": length}

if __name__ == "__main__":
    main()
