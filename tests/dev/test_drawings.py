"""The committed pictures are what dev/drawings.py draws, and fit where they are shown."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageColor, ImageStat

from dev.reference_video import FRAME_RATE, FRAMES, HEIGHT, REFERENCE, WIDTH, moment_of, reference_frame
from dev.scene_figures import GINGER, HAIR, SKIN
from storymotion.media.probe import probe

REPOSITORY = Path(__file__).parents[2]
# Place, size in pixels, most bytes.
PICTURES = (
    ("workflows/input/storymotion_scene_01.png", (1280, 720), 250_000),
    ("workflows/input/storymotion_scene_02.png", (1280, 720), 250_000),
    ("workflows/input/storymotion_scene_03.png", (1280, 720), 150_000),
    ("workflows/input/storymotion_scene_04.png", (1280, 720), 150_000),
    ("workflows/input/storymotion_scene_05.png", (1280, 720), 150_000),
    ("workflows/input/storymotion_scene_06.png", (1280, 720), 150_000),
    ("docs/icon.png", (400, 400), 50_000),
    ("js/docs/SafeMotionMapper/gestures.png", (400, 436), 40_000),
    ("workflows/01_distilled_shot.jpg", (512, 512), 70_000),
    ("workflows/02_two_stage_shot.jpg", (512, 512), 70_000),
    ("workflows/03_aggressive_quality.jpg", (512, 512), 70_000),
    ("workflows/04_first_and_last_picture.jpg", (512, 512), 70_000),
    ("workflows/05_keyframes.jpg", (512, 512), 70_000),
    ("workflows/06_ic_lora.jpg", (512, 512), 70_000),
    ("workflows/07_one_stage.jpg", (512, 512), 70_000),
    ("workflows/08_story_distilled.jpg", (512, 512), 70_000),
    ("workflows/09_story_two_stage.jpg", (512, 512), 70_000),
    ("workflows/10_seedance_shot.jpg", (512, 512), 70_000),
    ("workflows/11_story_mixed_engines.jpg", (512, 512), 70_000),
)
SCENES = [place for place, _, _ in PICTURES if "scene" in place]
THUMBNAILS = [place for place, _, _ in PICTURES if place.endswith(".jpg")]


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
        assert picture.size == size and picture.mode in ("RGB", "P")
    assert committed.stat().st_size < most_bytes
    # Not zero: another Pillow may round an edge differently. A line moved by a pixel or two is above this.
    most = max(highest for _, highest in ImageStat.Stat(difference(committed, drawn / place)).extrema)
    assert most <= 96, f"{place} is out of date. Run: python -m dev.drawings"


def test_nothing_else_is_drawn(drawn: Path):
    files = {file.relative_to(drawn).as_posix() for file in drawn.rglob("*") if file.is_file()}
    assert files == {place for place, _, _ in PICTURES}


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(THUMBNAILS, 2)])
def test_thumbnails_can_be_told_apart(drawn: Path, one: str, other: str):
    assert min(ImageStat.Stat(difference(drawn / one, drawn / other)).mean) > 30


def test_the_two_moments_are_the_same_room(drawn: Path):
    moved = (
        difference(drawn / SCENES[0], drawn / SCENES[1])
        .convert("L")
        .point([255 if level > 30 else 0 for level in range(256)])
    )
    share = ImageStat.Stat(moved).mean[0] / 255
    assert 0.02 < share < 0.2
    left, top, right, bottom = moved.getbbox() or (0, 0, 0, 0)
    assert (left, top) > (300, 60) and (right, bottom) < (1000, 640), "more than the moon, the cat and the child moved"


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(SCENES[1:], 2)])
def test_the_scenes_of_the_story_are_different_places(drawn: Path, one: str, other: str):
    assert sum(ImageStat.Stat(difference(drawn / one, drawn / other)).mean) > 60


@pytest.mark.parametrize("place", SCENES)
def test_the_child_and_the_cat_are_in_every_scene(drawn: Path, place: str):
    with Image.open(drawn / place) as picture:
        colours = {colour: count for count, colour in picture.getcolors(picture.width * picture.height) or []}
    for name, hair_or_eyes in (("hair", HAIR), ("skin", SKIN), ("eyes", "#b8712f"), ("cat", GINGER)):
        assert colours.get(ImageColor.getrgb(hair_or_eyes), 0) > 100, f"no {name}"


def test_the_reference_video_shows_the_outlines_of_the_scene():
    facts = probe(REFERENCE)
    assert (facts.width, facts.height, facts.frames, facts.frame_rate) == (WIDTH, HEIGHT, FRAMES, FRAME_RATE)
    assert REFERENCE.stat().st_size < 300_000
    with av.open(str(REFERENCE)) as container:
        shown = [frame.to_image() for frame in container.decode(video=0)]
    for frame in (0, FRAMES // 2, FRAMES - 1):
        drawn = reference_frame(moment_of(frame))
        # Compressed, so not equal; an outline moved by some pixels is above this.
        assert max(ImageStat.Stat(ImageChops.difference(drawn, shown[frame])).mean) < 4, "python -m dev.reference_video"
