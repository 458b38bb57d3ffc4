"""The places of the sample story: a lane, a hill, the night sky and a bedroom."""

from __future__ import annotations

import math

from .pen import THIN, Canvas, box, curve, oval
from .scene_room import CREAM, HEIGHT, LIT, MUSTARD, ROSE, TEAL, WIDTH, WOOD, WOOD_DEEP, WOOD_PALE

NIGHT = ("#3a3f73", "#464c84", "#565a95", "#6b69a4", "#8579b0", "#a38bb8")
MOON, MOON_DEEP = "#fff3cf", "#f3dfae"
HILL, HILL_DEEP, GRASS = "#4f6f63", "#3c5650", "#6d8f6b"
STARS = (
    (70, 60, 8), (168, 140, 5), (262, 48, 6), (356, 118, 5), (452, 66, 7), (548, 150, 4), (640, 40, 6), (742, 104, 5),
    (838, 54, 7), (936, 140, 5), (1030, 66, 6), (1124, 128, 8), (1218, 58, 5), (110, 236, 5), (300, 222, 4),
    (1180, 232, 6), (1010, 214, 4), (500, 236, 5),
)  # fmt: skip


def draw_night(canvas: Canvas, stars: float = 1.0) -> None:
    """The sky in bands, lighter below, with ``stars`` of some size."""
    canvas.fill(box(0, 0, WIDTH, HEIGHT), NIGHT[0])
    for band, colour in enumerate(NIGHT[1:]):
        y = 150 + 92 * band
        edge = f"-10,{y} 200,{y + 16} 430,{y - 12} 660,{y + 14} 900,{y - 10} 1120,{y + 12} 1290,{y}!"
        canvas.fill(curve(f"{edge} 1290,730! -10,730!"), colour)
    for x, y, size in STARS:
        draw_star(canvas, x, y, size * stars)


def draw_star(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A star with four points."""
    inner = size * 0.32
    points = []
    for step in range(8):
        reach, angle = (inner if step % 2 else size), math.tau * step / 8
        points.append((x + reach * math.sin(angle), y - reach * math.cos(angle)))
    canvas.fill(points, CREAM)


def draw_full_moon(canvas: Canvas, x: float, y: float, size: float) -> None:
    """The full moon with its glow."""
    for glow in (1.5, 1.3, 1.14):
        canvas.fill(oval(x, y, size * glow, size * glow), MOON, 0.13)
    disc = oval(x, y, size, size)
    canvas.fill(disc, MOON)
    with canvas.inside(disc):
        for across, down, part in ((-0.2, -0.16, 0.2), (0.16, 0.1, 0.26), (-0.1, 0.24, 0.14), (0.24, -0.24, 0.12)):
            canvas.fill(oval(x + across * size, y + down * size, part * size, part * size), MOON_DEEP)
    canvas.outline(disc)


def draw_lane(canvas: Canvas) -> None:
    """Houses on both sides of a cobbled lane, their windows lit."""
    canvas.fill(curve("-10,520! 300,470 640,456 980,470 1290,520! 1290,730! -10,730!"), HILL_DEEP)
    for left, width, top, wall, roof in (
        (300, 150, 380, "#77659a", "#4f4069"),
        (820, 150, 392, "#77659a", "#4f4069"),
        (96, 210, 300, "#8d74a4", "#5a4877"),
        (960, 200, 312, "#8d74a4", "#5a4877"),
        (-90, 200, 236, "#a286b0", "#665080"),
        (1140, 220, 226, "#a286b0", "#665080"),
    ):
        _draw_lane_house(canvas, left, width, top, wall, roof)
    canvas.shape(curve("520,470! 760,470! 980,730! 220,730!"), "#9a86a8")
    for row, y in enumerate((500, 540, 590, 650, 710)):
        half = (y - 380) * 1.05
        for stone in range(-3, 4):
            x = 634 + (stone + 0.5 * (row % 2)) * half / 3.4
            canvas.fill(oval(x, y, half / 4.6, (y - 430) / 7), "#8675a0")


def _draw_lane_house(canvas: Canvas, left: float, width: float, top: float, wall: str, roof: str) -> None:
    right, bottom = left + width, 600
    canvas.shape(box(left, top + 60, right, bottom), wall)
    canvas.shape(curve(f"{left - 18},{top + 70}! {left + width / 2},{top - 30}! {right + 18},{top + 70}!"), roof)
    size = width * 0.2
    for across in (0.28, 0.72):
        for y in (top + 100, top + 100 + size * 1.9):
            x = left + width * across
            canvas.shape(box(x - size / 2, y, x + size / 2, y + size * 1.25, 4), LIT, width=THIN)
            canvas.line([(x, y), (x, y + size * 1.25)], width=THIN)


def draw_stone_wall(canvas: Canvas) -> None:
    """A low wall on the right, its top at 588."""
    wall = box(820, 606, WIDTH + 20, HEIGHT + 20)
    canvas.shape(wall, "#8c8aa6")
    for row, y in enumerate((640, 684)):
        canvas.line([(820, y), (WIDTH + 20, y)], width=THIN)
        for x in range(860 + 50 * (row % 2), WIDTH, 110):
            canvas.line([(x, y), (x, y - 34 if row == 0 else y - 44)], width=THIN)
    canvas.shape(box(802, 584, WIDTH + 20, 610, 8), "#a9a6c0")


def draw_hilltop(canvas: Canvas) -> None:
    """Hills with a sleeping village, and the meadow in front."""
    canvas.fill(curve("-10,560! 160,500 340,540 560,490 800,548 1040,498 1290,552! 1290,730! -10,730!"), "#6a5f95")
    houses = "930,550,40 990,556,50 1056,552,42 1120,552,48 1180,540,40 70,552,44 130,538,38"
    for x, y, width in (map(int, house.split(",")) for house in houses.split()):
        half = width / 2
        canvas.fill([(x - half - 3, y + 2), (x, y - half * 0.8), (x + half + 3, y + 2)], "#3a3560")
        canvas.fill(box(x - half + 4, y, x + half - 4, y + 40), "#3a3560")
        for window in (-11, 3):
            canvas.fill(box(x + window, y + 7, x + window + 8, y + 16), LIT)
    canvas.fill(curve("-10,600! 240,560 480,600 760,570 1040,588 1290,566! 1290,730! -10,730!"), "#544f80")
    meadow = curve("-10,648! 200,616 460,600 720,618 1000,660 1290,676! 1290,740! -10,740!")
    canvas.shape(meadow, HILL)
    with canvas.inside(meadow):
        canvas.fill(curve("-10,690! 300,660 700,672 1290,706! 1290,740! -10,740!"), HILL_DEEP)
    tufts = "60,664 180,646 300,634 560,650 760,650 880,668 1010,690 1150,694 1240,700"
    for x, y in (map(int, tuft.split(",")) for tuft in tufts.split()):
        for lean in (-9, 0, 9):
            canvas.line(curve(f"{x},{y} {x + lean * 0.4},{y - 14} {x + lean},{y - 24}", closed=False), GRASS, 4)
    for x, y, colour in (
        (120, 690, ROSE),
        (250, 668, CREAM),
        (330, 700, MUSTARD),
        (820, 690, MUSTARD),
        (960, 696, CREAM),
        (1080, 706, ROSE),
    ):
        canvas.line([(x, y), (x, y + 20)], GRASS, 4)
        for petal in range(5):
            turn = math.tau * petal / 5
            canvas.fill(oval(x + 8 * math.sin(turn), y - 8 * math.cos(turn), 11, 11), colour)
        canvas.fill(oval(x, y, 8, 8), "#7a3c2a")


def draw_shooting_star(canvas: Canvas, x: float, y: float) -> None:
    """A star with a long tail to the upper right."""
    for reach, width, opacity in ((300, 26, 0.25), (230, 16, 0.4), (150, 8, 0.9)):
        tail = [(x, y - width / 2), (x + reach, y - reach * 0.42), (x + 4, y + width / 2)]
        canvas.fill(tail, CREAM, opacity)
    draw_star(canvas, x, y, 30)


def draw_bedroom(canvas: Canvas) -> None:
    """A wall at night, a string of lights, a window with the moon, and the head of a bed."""
    canvas.fill(box(0, 0, WIDTH, HEIGHT), "#9a90bd")
    for x in range(0, WIDTH, 80):
        canvas.fill(box(x, 0, x + 34, HEIGHT), "#8b82b2", 0.6)
    pane = box(976, 44, 1216, 196, 12)
    canvas.shape(box(960, 28, 1232, 212, 18), WOOD_PALE)
    with canvas.inside(pane):
        canvas.fill(pane, NIGHT[0])
        canvas.fill(curve("960,110! 1040,120 1120,104 1230,114! 1230,210! 960,210!"), NIGHT[1])
        canvas.fill(curve("960,160! 1040,150 1120,166 1230,154! 1230,210! 960,210!"), NIGHT[3])
        canvas.fill(oval(1160, 106, 76, 76), MOON)
        canvas.fill(oval(1172, 116, 20, 20), MOON_DEEP)
        canvas.fill(oval(1146, 92, 14, 14), MOON_DEEP)
        for x, y, size in ((1006, 76, 8), (1056, 120, 6), (1012, 150, 5), (1200, 60, 5), (1070, 66, 5)):
            draw_star(canvas, x, y, size)
    canvas.outline(pane)
    canvas.shape(box(1089, 44, 1103, 196), WOOD_PALE)
    canvas.shape(box(944, 208, 1248, 228, 8), WOOD_PALE)
    wire = curve("-10,60 120,116 260,128 400,96 520,50", closed=False)
    canvas.line(wire, width=THIN)
    for x, y, colour in (
        (50, 92, MUSTARD),
        (130, 122, ROSE),
        (215, 132, CREAM),
        (300, 126, TEAL),
        (385, 104, MUSTARD),
        (460, 76, ROSE),
    ):
        canvas.fill(oval(x, y + 16, 70, 70), "#fff0b8", 0.22)
        canvas.shape(curve(f"{x},{y}! {x + 12},{y + 18} {x},{y + 34} {x - 12},{y + 18}"), colour, width=THIN)
    head = curve("90,620! 90,330 160,250 400,216 640,206 880,216 1120,250 1190,330 1190,620!")
    canvas.shape(head, WOOD)
    with canvas.inside(head):
        canvas.fill(curve("130,620! 130,350 190,290 400,258 640,248 880,258 1090,290 1150,350 1150,620!"), WOOD_DEEP)
        canvas.fill(curve("146,620! 146,360 200,304 400,272 640,262 880,272 1080,304 1134,360 1134,620!"), WOOD)
    pillow = curve("300,330! 470,286 640,280 810,286 980,330! 1010,430 990,540! 640,560 290,540! 270,430")
    canvas.shape(pillow, CREAM)
    for crease in ("320,350 356,372 372,404", "960,350 924,372 908,404", "304,520 350,500 380,500"):
        canvas.line(curve(crease, closed=False), "#d9c7ae", THIN)
