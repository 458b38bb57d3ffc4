"""The committed pictures are what dev/drawings.py draws, and fit where they are shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

REPOSITORY = Path(__file__).parents[2]
# Place, size in pixels, most bytes.
PICTURES = (
    ("workflows/input/storymotion_scene_01.png", (1280, 720), 250_000),
    ("docs/icon.png", (400, 400), 50_000),
    ("workflows/01_distilled_shot.jpg", (512, 512), 60_000),
    ("workflows/02_two_stage_shot.jpg", (512, 512), 60_000),
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawings")
    subprocess.run([sys.executable, "-m", "dev.drawings", folder], cwd=REPOSITORY, check=True, capture_output=True)
    return folder


def difference(first: Path, second: Path) -> Image.Image:
    """Where and how much two pictures differ, in levels of 255."""
    with Image.open(first) as one, Image.open(second) as other:
        return ImageChops.difference(one.convert("RGB"), other.convert("RGB"))


@pytest.mark.parametrize("place, size, most_bytes", PICTURES)
def test_the_committed_picture_is_what_the_script_draws(drawn: Path, place: str, size: tuple, most_bytes: int):
    committed = REPOSITORY / place
    with Image.open(committed) as picture:
        assert (picture.size, picture.mode) == (size, "RGB")
    assert committed.stat().st_size < most_bytes
    # Not zero: another Pillow may round an edge differently. A line moved by a pixel or two is above this.
    most = max(highest for _, highest in ImageStat.Stat(difference(committed, drawn / place)).extrema)
    assert most <= 96, f"{place} is out of date. Run: python -m dev.drawings"


def test_nothing_else_is_drawn(drawn: Path):
    files = {file.relative_to(drawn).as_posix() for file in drawn.rglob("*") if file.is_file()}
    assert files == {place for place, _, _ in PICTURES}


def test_the_two_thumbnails_can_be_told_apart(drawn: Path):
    assert min(ImageStat.Stat(difference(drawn / PICTURES[2][0], drawn / PICTURES[3][0])).mean) > 30
