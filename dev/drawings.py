"""Draw the pack's own pictures: the sample story, the icon, the thumbnails of the workflows, and one for a help page.

    python -m dev.drawings [DIR]

DIR is the repository by default. Nothing is random, so the pictures are changed and reviewed like any other source.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from . import help_pictures, story_scenes, thumbnails
from .pen import Canvas, curve, symmetric
from .scene_figures import draw_arms, draw_cat, draw_child
from .scene_room import (
    CREAM,
    CURTAIN,
    HEIGHT,
    SKY,
    TEAL,
    WALL,
    WIDTH,
    draw_book,
    draw_lamp,
    draw_mug,
    draw_shelf,
    draw_table,
    draw_wall,
    draw_window,
)

REPOSITORY = Path(__file__).parents[1]


def scene(moment: float = 0.0) -> Image.Image:
    """A child, a cat and a window at evening, 1280 x 720: what the shipped workflows animate.

    ``moment`` 0..1: 0 is the first picture, 1 the second one, a little later.
    """
    canvas = Canvas(WIDTH, HEIGHT, WALL)
    draw_wall(canvas)
    draw_window(canvas, moment)
    draw_shelf(canvas)
    draw_child(canvas, moment)
    draw_table(canvas)
    draw_lamp(canvas)
    draw_cat(canvas, moment)
    draw_book(canvas)
    draw_arms(canvas)
    draw_mug(canvas)
    return canvas.finished()


def icon() -> Image.Image:
    """An open book with a play triangle before an evening sky, 400 x 400."""
    canvas = Canvas(400, 400, SKY[0])
    for band, colour in enumerate(SKY[1:]):
        y = 62 + 56 * band
        canvas.fill(curve(f"-10,{y} 90,{y + 12} 200,{y - 10} 310,{y + 10} 410,{y - 4}! 410,410! -10,410!"), colour)
    for x, y, size in ((64, 70, 11), (330, 52, 9), (216, 40, 7)):
        canvas.fill(curve(f"{x - size},{y}! {x},{y - size}! {x + size},{y}! {x},{y + size}!"), CREAM)
    width = 9
    canvas.shape(symmetric("200,338! 140,312 22,326! 34,120! 140,106 200,130!", 200), TEAL, width=width)
    canvas.shape(symmetric("200,318! 146,290 48,302! 58,102! 144,86 200,116!", 200), CREAM, width=width)
    canvas.line([(200, 116), (200, 318)], width=width)
    canvas.shape([(154, 146), (262, 206), (154, 266)], CURTAIN, width=width)
    return canvas.finished()


def draw_pictures(folder: Path) -> list[Path]:
    """Draw every picture into ``folder`` at its place in the repository and return the files' paths."""
    moments = [scene(step / 3) for step in range(4)]
    first = moments[0]
    story = [first, moments[-1], story_scenes.lane(), story_scenes.hill(), story_scenes.wish(), story_scenes.bed()]
    pictures = {
        Path(f"workflows/input/storymotion_scene_{number:02}.png"): drawn for number, drawn in enumerate(story, 1)
    } | {
        Path("docs/icon.png"): icon(),
        Path("js/docs/SafeMotionMapper/gestures.png"): help_pictures.gestures(),
        Path("workflows/01_distilled_shot.jpg"): thumbnails.distilled(first),
        Path("workflows/02_two_stage_shot.jpg"): thumbnails.two_stage(first),
        Path("workflows/03_aggressive_quality.jpg"): thumbnails.aggressive_quality(first),
        Path("workflows/04_first_and_last_picture.jpg"): thumbnails.first_and_last_picture(moments),
        Path("workflows/05_keyframes.jpg"): thumbnails.keyframes(moments),
        Path("workflows/06_ic_lora.jpg"): thumbnails.ic_lora(moments),
        Path("workflows/07_one_stage.jpg"): thumbnails.one_stage(first),
        Path("workflows/08_story_distilled.jpg"): thumbnails.story_distilled(story),
        Path("workflows/09_story_two_stage.jpg"): thumbnails.story_two_stage(story),
        Path("workflows/10_seedance_shot.jpg"): thumbnails.seedance_shot(story[0]),
        Path("workflows/11_story_mixed_engines.jpg"): thumbnails.story_mixed_engines([story[0], *story[3:]]),
    }
    for place, drawn in pictures.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        drawn.save(folder / place, optimize=True, quality=85)  # quality is for the JPEGs, PNG has none
    return [folder / place for place in pictures]


def main() -> None:
    """Draw the pictures and print the size of each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?", default=REPOSITORY)
    folder = parser.parse_args().folder
    for file in draw_pictures(folder):
        print(f"{file.stat().st_size:>8,}  {file.relative_to(folder).as_posix()}")


if __name__ == "__main__":
    main()
