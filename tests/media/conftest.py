"""A drawn clip, and a second decoder: the ffmpeg program, so that PyAV does not check itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 320, 192


class SecondDecoder:
    """The ffmpeg program from the imageio-ffmpeg wheel."""

    program = imageio_ffmpeg.get_ffmpeg_exe()

    def run(self, *arguments: str | Path) -> bytes:
        """Standard output of ffmpeg with ``arguments``; anything it complains about fails the test."""
        done = subprocess.run([self.program, "-v", "error", *map(str, arguments)], capture_output=True)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode("utf-8", errors="replace")
        return done.stdout

    def describe(self, path: Path) -> str:
        """What ffmpeg prints about the streams of a file."""
        done = subprocess.run([self.program, "-hide_banner", "-i", str(path)], capture_output=True)
        return done.stderr.decode("utf-8", errors="replace")

    def rgb(self, path: Path, width: int, height: int, matrix: str = "auto") -> np.ndarray:
        """Frames as a player shows them, uint8 ``[frames, height, width, 3]``; ``matrix`` overrules the tag."""
        scale = f"scale=in_color_matrix={matrix}:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
        raw = self.run("-i", path, "-vf", scale, "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
        return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)

    def planes(self, path: Path) -> np.ndarray:
        """The bytes that H.264 holds, without any conversion."""
        return np.frombuffer(self.run("-i", path, "-f", "rawvideo", "-"), np.uint8)

    def sound(self, path: Path, channels: int) -> np.ndarray:
        """What a player plays: float32 ``[channels, samples]``."""
        raw = self.run("-i", path, "-vn", "-f", "f32le", "-")
        return np.frombuffer(raw, np.float32).reshape(-1, channels).T


@pytest.fixture(scope="session")
def second_decoder() -> SecondDecoder:
    return SecondDecoder()


@pytest.fixture(scope="session")
def line_art() -> list[np.ndarray]:
    """24 frames, 320 x 192: a face with moving lines and flat colours, as an illustrator would draw it."""
    return [_drawing(index) for index in range(24)]


def _drawing(index: int) -> np.ndarray:
    fine = 4  # drawn large and averaged down, so that lines have smooth edges
    canvas = Image.new("RGB", (WIDTH * fine, HEIGHT * fine), (250, 240, 225))
    pen = ImageDraw.Draw(canvas)

    def at(*points: float) -> list[int]:
        return [round(point * fine) for point in points]

    left = 90 + index
    pen.rectangle(at(0, 140, WIDTH, HEIGHT), fill=(120, 170, 90))
    pen.ellipse(at(left, 40, left + 90, 150), fill=(255, 214, 186), outline=(20, 10, 30), width=2 * fine)
    pen.ellipse(at(left + 20, 80, left + 34, 94), fill=(200, 20, 40), outline=(0, 0, 0), width=fine)
    pen.ellipse(at(left + 55, 80, left + 69, 94), fill=(30, 40, 200), outline=(0, 0, 0), width=fine)
    pen.arc(at(left + 28, 108, left + 62, 124 + index % 4), 0, 180, fill=(180, 0, 20), width=2 * fine)
    for hair in range(12):
        pen.line(at(left + 6 + 7 * hair, 44, left + 8 * hair, 14 + (index + hair) % 5), (150, 30, 160), width=fine)
    for ray in range(10):
        pen.line(at(4, 20 + ray * 11, 84, 24 + ray * 12 + index % 3), (0, 60, 200) if ray % 2 else (40, 20, 20), fine)
    return np.asarray(canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX))
