"""Draw the pack's own pictures: the first scene, the icon and the thumbnails of the workflows.

    python -m dev.drawings [DIR]

DIR is the repository by default. Nothing is random, so the pictures are changed and reviewed like any other source.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from .pen import Canvas, box, curve, moved, symmetric
from .scene_figures import draw_arms, draw_cat, draw_child
from .scene_room import (
    CREAM,
    CURTAIN,
    HEIGHT,
    MUSTARD,
    SKY,
    TEAL,
    WALL,
    WALL_DEEP,
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
SCENE = Path("workflows/input/storymotion_scene_01.png")
ICON = Path("docs/icon.png")
DISTILLED = Path("workflows/01_distilled_shot.jpg")
TWO_STAGE = Path("workflows/02_two_stage_shot.jpg")

FILM, PERFORATION = "#3b2a33", "#d9c7ae"
# What the frames of a film strip show: parts of the scene, as if the camera came nearer. Left, top, width; all 16:9.
NEARER = ((240, 0, 1040), (360, 20, 880), (480, 40, 720))


def scene() -> Image.Image:
    """A child, a cat and a window at evening, 1280 x 720: the picture that the shipped workflows animate."""
    canvas = Canvas(WIDTH, HEIGHT, WALL)
    for draw in (
        draw_wall,
        draw_window,
        draw_shelf,
        draw_child,
        draw_table,
        draw_lamp,
        draw_cat,
        draw_book,
        draw_arms,
        draw_mug,
    ):
        draw(canvas)
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


def distilled_thumbnail(picture: Image.Image) -> Image.Image:
    """One picture becomes one strip of film, 512 x 512."""
    canvas = Canvas(512, 512, WALL)
    for x in range(0, 512, 64):
        canvas.fill(box(x, 0, x + 28, 512), WALL_DEEP, 0.4)
    _photo(canvas, picture, 96, 34, 320)
    _arrow(canvas, 256, 256, TEAL)
    _film(canvas, [picture.crop(_part(*part)) for part in NEARER], 306, 88)
    canvas.text("8 + 3 steps", 256, 468, 38)
    return canvas.finished()


def two_stage_thumbnail(picture: Image.Image) -> Image.Image:
    """One picture becomes a small strip of film and then a large one, 512 x 512."""
    canvas = Canvas(512, 512, SKY[1])
    for band, colour in enumerate(SKY[2:]):
        y = 130 + 110 * band
        canvas.fill(curve(f"-10,{y} 120,{y + 14} 256,{y - 10} 400,{y + 12} 522,{y - 4}! 522,522! -10,522!"), colour)
    _photo(canvas, picture, 22, 28, 190)
    _arrow(canvas, 250, 84, MUSTARD, turn=True)
    parts = [picture.crop(_part(*part)) for part in NEARER]
    _film(canvas, [part.resize((24, 14)) for part in parts], 52, 40, left=292)
    _arrow(canvas, 400, 172, MUSTARD)
    _film(canvas, parts[:2], 226, 136)
    canvas.text("two stages", 256, 460, 42)
    return canvas.finished()


def _part(left: int, top: int, width: int) -> tuple[int, int, int, int]:
    return left, top, left + width, top + width * 9 // 16


def _photo(canvas: Canvas, picture: Image.Image, left: float, top: float, width: float) -> None:
    height = width * 9 / 16
    canvas.shape(box(left - 12, top - 12, left + width + 12, top + height + 12, 6), CREAM)
    canvas.paste(picture, left, top, width, height)
    canvas.outline(box(left, top, left + width, top + height))


def _arrow(canvas: Canvas, x: float, y: float, colour: str, turn: bool = False) -> None:
    """A thick arrow down, or with ``turn`` to the right, centred on ``x, y``."""
    right = curve("-24,-10! 0,-10! 0,-24! 28,0! 0,24! 0,10! -24,10!")
    canvas.shape(moved(right if turn else [(down, along) for along, down in right], x, y), colour)


def _film(canvas: Canvas, frames: Sequence[Image.Image], top: float, height: float, left: float = -20) -> None:
    """A strip of film from ``left`` to beyond the right border, its frames ``height`` high."""
    edge = max(12.0, height * 0.2)
    bottom, width = top + height + 2 * edge, height * 16 / 9
    canvas.shape(box(left, top, 540, bottom, 4), FILM)
    hole, x = edge * 0.5, left + edge * 0.4
    while x < 540:
        for y in (top + edge / 2, bottom - edge / 2):
            canvas.fill(box(x, y - hole / 2, x + hole, y + hole / 2, hole / 4), PERFORATION)
        x += 2 * hole
    gap = height * 0.09
    start = max(left + gap, (512 - len(frames) * (width + gap) + gap) / 2)
    for number, frame in enumerate(frames):
        canvas.paste(frame, start + number * (width + gap), top + edge, width, height)


def draw_pictures(folder: Path) -> list[Path]:
    """Draw every picture into ``folder`` at its place in the repository and return the files' paths."""
    picture = scene()
    pictures = {
        SCENE: picture,
        ICON: icon(),
        DISTILLED: distilled_thumbnail(picture),
        TWO_STAGE: two_stage_thumbnail(picture),
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
