"""The pictures that ComfyUI's template browser shows for the shipped workflows: what goes in, what comes out."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from .pen import INK, Canvas, box, curve, inked, moved, oval
from .scene_room import CREAM, CURTAIN, MUSTARD, ROSE, SKY, TEAL, TEAL_DEEP, WALL, WALL_DEEP

SIDE = 512
FILM, PERFORATION, NIGHT = "#3b2a33", "#d9c7ae", "#2f2a45"
# Parts of the scene: left, top, width; all 16:9. In a film strip it looks as if the camera came nearer.
FACE = (470, 60, 660)
NEARER = ((240, 0, 1040), (360, 20, 880), (480, 40, 720))


def distilled(picture: Image.Image) -> Image.Image:
    """One picture becomes one strip of film."""
    canvas = _striped(WALL, WALL_DEEP)
    _photo(canvas, picture, 96, 34, 320)
    _arrow(canvas, 256, 256, TEAL)
    _film(canvas, [picture.crop(_part(*part)) for part in NEARER], 306, 88)
    canvas.text("8 + 3 steps", 256, 468, 38)
    return canvas.finished()


def two_stage(picture: Image.Image) -> Image.Image:
    """One picture becomes a small strip of film and then a large one."""
    canvas = Canvas(SIDE, SIDE, SKY[1])
    for band, colour in enumerate(SKY[2:]):
        y = 130 + 110 * band
        canvas.fill(curve(f"-10,{y} 120,{y + 14} 256,{y - 10} 400,{y + 12} 522,{y - 4}! 522,522! -10,522!"), colour)
    _photo(canvas, picture, 22, 28, 190)
    _arrow(canvas, 250, 84, MUSTARD, to_the_right=True)
    parts = [picture.crop(_part(*part)) for part in NEARER]
    _film(canvas, [part.resize((24, 14)) for part in parts], 52, 40, left=292)
    _arrow(canvas, 400, 172, MUSTARD)
    _film(canvas, parts[:2], 226, 136)
    canvas.text("two stages", 256, 460, 42)
    return canvas.finished()


def aggressive_quality(picture: Image.Image) -> Image.Image:
    """One large frame of film, and the knobs of the creator's mode."""
    canvas = Canvas(SIDE, SIDE, NIGHT)
    for size in (900, 700, 520, 360):
        canvas.fill(_circle(256, 190, size), CURTAIN, 0.22)
    _film(canvas, [picture.crop(_part(430, 50, 720))], 24, 200)
    for y, name, share in ((350, "steps 20", 0.5), (404, "cfg 3.0", 0.62), (458, "image 0.85", 0.85)):
        canvas.text(name, 128, y, 34, CREAM)
        canvas.shape(box(250, y - 7, 482, y + 7, 7), FILM)
        canvas.shape(box(250, y - 7, 250 + 232 * share, y + 7, 7), MUSTARD)
        canvas.shape(_circle(250 + 232 * share, y, 30), CREAM)
    return canvas.finished()


def first_and_last_picture(moments: Sequence[Image.Image]) -> Image.Image:
    """Two pictures, and the film that leads from the one to the other; ``moments`` in order."""
    canvas = _striped("#cfe3d4", "#b9d6c2")
    _photo(canvas, moments[0], 26, 40, 206)
    _photo(canvas, moments[-1], 280, 40, 206)
    for x in (129, 383):
        _arrow(canvas, x, 222, CURTAIN)
    canvas.text("first", 66, 222, 30)
    canvas.text("last", 446, 222, 30)
    _film(canvas, [moments[at].crop(_part(*FACE)) for at in (0, len(moments) // 2, -1)], 272, 88)
    canvas.text("2 pictures, 1 shot", 256, 452, 38)
    return canvas.finished()


def keyframes(moments: Sequence[Image.Image]) -> Image.Image:
    """Pictures pinned to a time line, and the curve that passes through them; ``moments`` in order."""
    canvas = Canvas(SIDE, SIDE, "#f3c9a9")
    for x in range(32, SIDE, 56):
        canvas.line([(x, 0), (x, SIDE)], "#eab995", 3)
    _film(canvas, [moments[at].crop(_part(*FACE)) for at in (0, len(moments) // 2, -1)], 20, 84)
    path = curve("107,356 180,356 226,300 272,240 320,196 405,196", closed=False)
    canvas.line(path, INK, 14)
    canvas.line(path, TEAL, 7)
    canvas.shape(box(30, 412, 482, 424, 6), FILM)
    for x, y in ((107, 356), (405, 196)):
        canvas.line([(x, y), (x, 418)], INK, 4)
        for at, size in ((y, 26), (418, 20)):
            canvas.shape([(x - size, at), (x, at - size), (x + size, at), (x, at + size)], MUSTARD)
    _photo(canvas, moments[0], 37, 200, 140)
    _photo(canvas, moments[-1], 335, 268, 140)
    canvas.text("keyframes", 256, 470, 42)
    return canvas.finished()


def ic_lora(moments: Sequence[Image.Image]) -> Image.Image:
    """A film of outlines leads a film in colour; ``moments`` in order."""
    canvas = Canvas(SIDE, SIDE, TEAL_DEEP)
    for x in range(-200, SIDE, 48):
        canvas.fill([(x, SIDE), (x + 22, SIDE), (x + 222, 0), (x + 200, 0)], TEAL, 0.5)
    shown = (moments[0], moments[-1])
    _film(canvas, [inked(picture).crop(_part(300, 0, 800)) for picture in shown], 22, 130)
    _arrow(canvas, 256, 228, ROSE)
    _film(canvas, [picture.crop(_part(300, 0, 800)) for picture in shown], 262, 130)
    canvas.text("IC-LoRA", 256, 476, 42, CREAM)
    return canvas.finished()


def one_stage(picture: Image.Image) -> Image.Image:
    """One picture becomes film at full size at once."""
    canvas = _striped("#d8d3ea", "#c8c1e0")
    _photo(canvas, picture, 26, 34, 150)
    _arrow(canvas, 226, 78, CURTAIN, to_the_right=True)
    canvas.text("1024 x 576", 372, 64, 40)
    canvas.text("in one go", 372, 108, 34)
    _film(canvas, [picture], 146, 202)
    canvas.text("one stage", 256, 478, 40)
    return canvas.finished()


def story_distilled(pictures: Sequence[Image.Image]) -> Image.Image:
    """The six pictures of a story become one strip of film."""
    canvas = _striped(WALL, WALL_DEEP)
    for number, picture in enumerate(pictures):
        _photo(canvas, picture, 33 + 160 * (number % 3), 30 + 106 * (number // 3), 126)
    _arrow(canvas, 256, 268, TEAL)
    _film(canvas, pictures[2:5], 312, 84)
    canvas.text("a whole story", 256, 468, 40)
    return canvas.finished()


def story_two_stage(pictures: Sequence[Image.Image]) -> Image.Image:
    """The six pictures of a story become a small strip of film and then a large one."""
    canvas = Canvas(SIDE, SIDE, NIGHT)
    for size in (900, 700, 520, 360):
        canvas.fill(_circle(256, 210, size), TEAL_DEEP, 0.22)
    for number, picture in enumerate(pictures):
        _photo(canvas, picture, 24 + 118 * (number % 2), 26 + 78 * (number // 2), 86)
    _arrow(canvas, 266, 126, MUSTARD, to_the_right=True)
    _film(canvas, [picture.resize((24, 14)) for picture in pictures[2:5]], 96, 40, left=308)
    _arrow(canvas, 404, 212, MUSTARD)
    _film(canvas, pictures[2:4], 266, 116)
    canvas.text("a story, two stages", 256, 472, 38, CREAM)
    return canvas.finished()


def seedance_shot(picture: Image.Image) -> Image.Image:
    """One picture and a coin go up into a cloud, and a film comes down."""
    canvas = Canvas(SIDE, SIDE, "#8fb3d9")
    for x in range(24, SIDE, 72):
        canvas.line([(x, 0), (x, SIDE)], "#84a8cf", 6)
    for x, y, size in ((150, 84, 130), (256, 62, 170), (360, 86, 140), (256, 106, 240)):
        canvas.fill(_circle(x, y, size), "#f7f9fc")
    canvas.text("BytePlus", 256, 84, 40)
    _arrow(canvas, 388, 214, TEAL_DEEP)
    for x in range(2):
        canvas.shape(_circle(150 + 62 * x, 214, 54), MUSTARD)
        canvas.text("$", 150 + 62 * x, 214, 36)
    _photo(canvas, picture, 30, 270, 170)
    _film(canvas, [picture.crop(_part(*part)) for part in NEARER[1:]], 262, 116, left=246)
    canvas.text("paid once", 256, 466, 44)
    return canvas.finished()


def story_mixed_engines(pictures: Sequence[Image.Image]) -> Image.Image:
    """The pictures of a story take two ways and become one strip of film in order."""
    canvas = Canvas(SIDE, SIDE, "#e7b7b0")
    canvas.fill(box(0, 0, 256, SIDE), "#d99a92")
    for number, picture in enumerate(pictures):
        _photo(canvas, picture, 28 + 256 * (number % 2), 34 + 104 * (number // 2), 128)
    for x, name in ((110, "GPU"), (366, "$")):
        canvas.text(name, x + 110, 66, 34)
        _arrow(canvas, x + 110, 190, TEAL if name == "GPU" else MUSTARD)
    _film(canvas, list(pictures), 272, 92)
    canvas.text("two engines", 256, 452, 46)
    return canvas.finished()


def _circle(x: float, y: float, size: float) -> list[tuple[float, float]]:
    return oval(x, y, size, size)


def _striped(paper: str, stripe: str) -> Canvas:
    canvas = Canvas(SIDE, SIDE, paper)
    for x in range(0, SIDE, 64):
        canvas.fill(box(x, 0, x + 28, SIDE), stripe, 0.4)
    return canvas


def _part(left: int, top: int, width: int) -> tuple[int, int, int, int]:
    return left, top, left + width, top + width * 9 // 16


def _photo(canvas: Canvas, picture: Image.Image, left: float, top: float, width: float) -> None:
    height = width * 9 / 16
    canvas.shape(box(left - 12, top - 12, left + width + 12, top + height + 12, 6), CREAM)
    canvas.paste(picture, left, top, width, height)
    canvas.outline(box(left, top, left + width, top + height))


def _arrow(canvas: Canvas, x: float, y: float, colour: str, to_the_right: bool = False) -> None:
    """A thick arrow down, or to the right, centred on ``x, y``."""
    right = curve("-24,-10! 0,-10! 0,-24! 28,0! 0,24! 0,10! -24,10!")
    canvas.shape(moved(right if to_the_right else [(down, along) for along, down in right], x, y), colour)


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
    start = max(left + gap, (SIDE - len(frames) * (width + gap) + gap) / 2)
    for number, frame in enumerate(frames):
        canvas.paste(frame, start + number * (width + gap), top + edge, width, height)
