"""Pictures for the help pages, where one says more than a table. They have no words, so both languages share them."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

from .pen import Canvas, Point, box, curve
from .scene_figures import MIDDLE, SKIN, draw_back_hair, draw_body, draw_head
from .scene_room import CREAM, CURTAIN, TEAL, TEAL_DEEP, WALL, WALL_DEEP

# The part of the drawing that a panel shows, and how wide the panel is in the picture.
LEFT, TOP, RIGHT, BOTTOM = 546, 56, 1046, 600
PANEL = 200
NECK = (MIDDLE, 440)
CHEST = (MIDDLE, 600)
HAND = (
    "632,470! 622,448 626,424 634,412! 640,398 650,398 652,412! 660,394 672,398 670,414! 684,408 690,422 684,440! "
    "690,456 684,470!"
)


def gestures() -> Image.Image:
    """The four small gestures of Safe Motion, A to D, in two rows: the editor's help is a narrow column."""
    height = round(PANEL * (BOTTOM - TOP) / (RIGHT - LEFT))
    picture = Image.new("RGB", (2 * PANEL, 2 * height))
    for place, draw in enumerate((_head_turn, _forward_lean, _hand_raise, _micro_nod)):
        panel = _panel("ABCD"[place], draw).crop((LEFT, TOP, RIGHT, BOTTOM))
        picture.paste(panel.resize((PANEL, height), Image.Resampling.LANCZOS), (place % 2 * PANEL, place // 2 * height))
    # Flat colours: a palette makes the file a quarter as large.
    return picture.quantize(64, dither=Image.Dither.NONE)


def _panel(letter: str, draw: Callable[[Canvas], None]) -> Image.Image:
    canvas = Canvas(1280, 720, WALL if letter in "AD" else WALL_DEEP)
    draw(canvas)
    canvas.shape(box(LEFT + 22, TOP + 22, LEFT + 92, TOP + 92, 35), CREAM)
    canvas.text(letter, LEFT + 57, TOP + 58, 48)
    return canvas.finished()


def _child(canvas: Canvas, look: float = 0.0, turn: float = 0.0, down: float = 0.0) -> None:
    with canvas.placed(turn=turn, down=down, about=NECK):
        draw_back_hair(canvas)
    draw_body(canvas)
    with canvas.placed(turn=turn, down=down, about=NECK):
        draw_head(canvas, look, opened=0.0)


def _head_turn(canvas: Canvas) -> None:
    _child(canvas, look=2.2, turn=-5)
    _arrow(canvas, [(MIDDLE + 210 * math.sin(a), 292 - 210 * math.cos(a)) for a in _steps(0.9, -0.75)])


def _forward_lean(canvas: Canvas) -> None:
    with canvas.placed(down=26, scale=1.12, about=CHEST):
        _child(canvas)
    for side in (-1, 1):
        x = MIDDLE + 215 * side
        _arrow(canvas, [(x + 14 * side * step, 300 + 120 * step) for step in _steps(0, 1)])


def _hand_raise(canvas: Canvas) -> None:
    _child(canvas)
    with canvas.placed(right=-14, down=56):
        sleeve = curve("676,610! 640,560 622,520 628,486! 684,474! 700,510 720,546 742,600!")
        canvas.shape(sleeve, TEAL)
        canvas.line(curve("640,508 664,508 690,500", closed=False), TEAL_DEEP, 6)
        canvas.shape(box(620, 470, 692, 498, 12), CREAM)
        canvas.shape(curve(HAND), SKIN)
    _arrow(canvas, [(576, 580 - 130 * step) for step in _steps(0, 1)])


def _micro_nod(canvas: Canvas) -> None:
    _child(canvas, down=16)
    for side in (-1, 1):
        _arrow(canvas, [(MIDDLE + 212 * side, 210 + 90 * step) for step in _steps(0, 1)])


def _steps(start: float, end: float) -> list[float]:
    return [start + (end - start) * step / 12 for step in range(13)]


def _arrow(canvas: Canvas, path: list[Point]) -> None:
    """A line along ``path`` with a head at its end."""
    (x, y), (before_x, before_y) = path[-1], path[-3]
    way = math.atan2(y - before_y, x - before_x)
    tip = [(x + 34 * math.cos(way + turn), y + 34 * math.sin(way + turn)) for turn in (0, 2.3, -2.3)]
    canvas.line(path, CURTAIN, 15)
    canvas.shape(tip, CURTAIN, ink=CURTAIN)
