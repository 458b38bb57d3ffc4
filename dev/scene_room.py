"""The room of the pack's first scene: wall, window with an evening sky, shelf, and what stands on the table."""

from __future__ import annotations

from .pen import THIN, Canvas, box, curve, mirrored, moved, oval, symmetric

WIDTH, HEIGHT = 1280, 720

WALL, WALL_DEEP = "#f6dcb4", "#eecb9b"
WOOD, WOOD_DEEP, WOOD_PALE = "#c07f4c", "#a3653a", "#dca46c"
SKY = ("#6a6396", "#8d74a4", "#b983a2", "#e0938f", "#f5b07e", "#fcd08c")
HILL_FAR, HILL_NEAR = "#8a6a93", "#665080"
ROOF, LIT = "#4f4069", "#ffe39c"
CURTAIN, CURTAIN_DEEP = "#d9695a", "#bd5149"
CREAM, TEAL, TEAL_DEEP, MUSTARD, ROSE, LEAF = "#fff4e0", "#4c8f88", "#3a756f", "#e8ab45", "#e08a7a", "#7d9c5c"

PANE = box(104, 66, 560, 470, 18)


def draw_wall(canvas: Canvas) -> None:
    """Paper with pale stripes, the glow of the lamp, and a panel below."""
    for x in range(0, WIDTH, 80):
        canvas.fill(box(x, 0, x + 34, HEIGHT), WALL_DEEP, 0.35)
    for size in (460, 370, 290, 220):  # the glow of the lamp
        canvas.fill(oval(1160, 470, size, size * 0.86), "#fff0b8", 0.14)
    canvas.shape(box(-10, 520, WIDTH + 10, HEIGHT + 10), "#e2b582")
    canvas.shape(box(-10, 508, WIDTH + 10, 526), WOOD_PALE)


def draw_window(canvas: Canvas, moment: float = 0.0) -> None:
    """Dusk over a village, the frame, the sill and tied curtains; from ``moment`` 0 to 1 the moon rises."""
    with canvas.inside(PANE):
        canvas.fill(PANE, SKY[0])
        for band, colour in enumerate(SKY[1:]):
            y = 122 + 62 * band
            canvas.fill(curve(f"90,{y} 210,{y + 9} 330,{y - 6} 450,{y + 8} 580,{y - 2}! 580,500! 90,500!"), colour)
        moon = curve("412,108! 444,106 460,136 446,166 412,170! 434,158 441,138 433,120")
        canvas.fill(moved(moon, 20 * moment, -20 * moment), CREAM)
        for x, y, size in ((196, 112, 7), (262, 158, 5), (366, 96, 6), (386, 186, 4), (290, 92, 4), (480, 206, 5)):
            canvas.fill(curve(f"{x - size},{y}! {x},{y - size}! {x + size},{y}! {x},{y + size}!"), CREAM)
        cloud = curve("0,20! 14,6 34,8 48,-6 76,-8 94,6 118,4 140,20!")
        canvas.fill(moved(cloud, 228, 232), "#f2b4a0")
        canvas.fill(moved(cloud, 400, 282, 0.8), "#fbc79c")
        canvas.fill(curve("90,400! 160,362 240,372 320,346 420,372 500,352 580,366! 580,480! 90,480!"), HILL_FAR)
        canvas.fill(curve("90,440! 180,404 270,424 380,398 470,420 580,404! 580,480! 90,480!"), HILL_NEAR)
        for x, y, width in ((168, 416, 44), (300, 420, 52), (428, 414, 46), (356, 434, 40), (236, 440, 42)):
            _draw_house(canvas, x, y, width)
    outer = box(88, 50, 576, 486, 26)
    with canvas.inside(outer):
        for side in (box(88, 50, 106, 486), box(558, 50, 576, 486), box(88, 50, 576, 68), box(88, 468, 576, 486)):
            canvas.fill(side, WOOD_PALE)
    canvas.outline(outer)
    canvas.outline(PANE)
    canvas.shape(box(323, 66, 341, 470), WOOD_PALE)
    canvas.shape(box(104, 250, 560, 266), WOOD_PALE)
    canvas.shape(box(66, 482, 598, 508, 8), WOOD_PALE)
    _draw_curtains(canvas)


def _draw_house(canvas: Canvas, x: float, y: float, width: float) -> None:
    half = width / 2
    canvas.fill(box(x - half + 4, y, x + half - 4, y + 60), HILL_NEAR)
    canvas.fill([(x - half - 3, y + 2), (x, y - half * 0.8), (x + half + 3, y + 2)], ROOF)
    canvas.fill(box(x - half + 4, y, x + half - 4, y + 60), ROOF)
    canvas.fill(box(x - 11, y + 7, x - 3, y + 17), LIT)
    canvas.fill(box(x + 3, y + 7, x + 11, y + 17), LIT)


def _draw_curtains(canvas: Canvas) -> None:
    left = curve("50,34! 178,34! 172,120 150,220 104,300! 92,312! 108,380 118,504! 44,504! 50,280!")
    folds = ("92,40 92,160 78,296", "132,40 126,150 98,290", "82,322 76,410 70,498", "96,322 98,410 98,498")
    for turned in (False, True):
        path = mirrored(left, 332) if turned else left
        canvas.fill(path, CURTAIN)
        with canvas.inside(path):
            for fold in ("60,30 112,30! 104,180 80,300! 60,300!", "62,320! 92,320! 90,410 88,510! 60,510!"):
                shade = curve(fold)
                canvas.fill(mirrored(shade, 332) if turned else shade, CURTAIN_DEEP)
        canvas.outline(path)
        for fold in folds:
            stroke = curve(fold, closed=False)
            canvas.line(mirrored(stroke, 332) if turned else stroke, width=THIN)
        tie = curve("48,300! 76,318 112,300! 114,314! 78,334 46,316!")
        canvas.shape(mirrored(tie, 332) if turned else tie, MUSTARD)
    canvas.shape(box(26, 22, 638, 36, 7), WOOD)
    for x in (24, 640):
        canvas.shape(oval(x, 29, 24, 24), MUSTARD)


def draw_shelf(canvas: Canvas) -> None:
    """Books, a plant and a framed picture on the right."""
    canvas.shape(box(1016, 84, 1120, 200, 4), WOOD_PALE)
    canvas.shape(box(1028, 96, 1108, 188), "#f9c98f")
    with canvas.inside(box(1028, 96, 1108, 188)):
        canvas.fill(oval(1084, 132, 30, 30), CREAM)
        canvas.fill(curve("1020,170! 1050,140 1074,168 1096,150 1116,170! 1116,196! 1020,196!"), TEAL)
    canvas.outline(box(1028, 96, 1108, 188), width=THIN)
    books = (
        (1020, 30, 96, TEAL),
        (1050, 24, 108, ROSE),
        (1074, 34, 90, MUSTARD),
        (1108, 22, 104, "#8d74a4"),
        (1130, 28, 92, CREAM),
    )
    for left, width, height, colour in books:
        top = 352 - height
        canvas.shape(box(left, top, left + width, 354), colour)
        for y in (top + 14, top + 22):
            canvas.line([(left + 6, y), (left + width - 6, y)], width=THIN)
    for leaf, tilt in (((1200, 292), 0), ((1180, 302), -42), ((1220, 302), 42), ((1176, 322), -75), ((1224, 322), 75)):
        canvas.shape(oval(*leaf, 20, 50, tilt), LEAF)
    canvas.shape(curve("1174,318! 1226,318! 1218,354! 1182,354!"), "#d07d55")
    canvas.shape(box(996, 352, 1262, 370, 5), WOOD)
    for x in (1030, 1216):
        canvas.shape(curve(f"{x},370! {x + 18},370! {x + 4},398!"), WOOD_DEEP)


def draw_table(canvas: Canvas) -> None:
    """The table top, from its far edge to the lower border."""
    canvas.shape(box(-10, 588, WIDTH + 10, HEIGHT + 10), WOOD)
    canvas.fill(box(-10, 592, WIDTH + 10, 606), WOOD_PALE)
    for grain in (
        "0,648 120,640 240,650 330,644",
        "120,694 300,684 470,696",
        "930,700 1100,690 1280,700",
        "1120,640 1200,634 1290,642",
    ):
        canvas.line(curve(grain, closed=False), WOOD_DEEP, THIN)


def draw_lamp(canvas: Canvas) -> None:
    """A lit lamp at the right end of the table."""
    canvas.fill(oval(1160, 628, 150, 22), WOOD_DEEP)
    canvas.shape(curve("1150,500! 1170,500! 1172,560 1178,596! 1142,596! 1148,560"), MUSTARD)
    canvas.shape(curve("1112,622! 1116,600 1160,592 1204,600 1208,622! 1160,630"), MUSTARD)
    shade = curve("1118,424! 1202,424! 1228,506! 1160,516 1092,506!")
    canvas.fill(shade, "#ffe7a6")
    with canvas.inside(shade):
        canvas.line(curve("1090,490 1160,502 1230,490", closed=False), ROSE, 7)
    canvas.outline(shade)


def draw_mug(canvas: Canvas) -> None:
    """A steaming mug."""
    canvas.fill(oval(1018, 668, 116, 22), WOOD_DEEP)
    canvas.shape(curve("1052,612! 1090,604 1092,652 1048,650! 1048,636! 1072,638 1072,622 1052,626!"), CREAM)
    cup = curve("974,600! 1056,600! 1052,648 1044,668 1015,674 986,668 978,648")
    canvas.fill(cup, CREAM)
    with canvas.inside(cup):
        canvas.line(curve("970,631 1015,642 1060,631", closed=False), ROSE, 7)
    canvas.outline(cup)
    canvas.shape(oval(1015, 600, 82, 20), "#9a5a3a")
    for steam in ("1000,582 990,566 1004,552 994,534", "1028,578 1018,560 1032,544 1024,524"):
        canvas.line(curve(steam, closed=False), CREAM, 4)


def draw_book(canvas: Canvas) -> None:
    """An open picture book."""
    canvas.fill(oval(196, 690, 300, 30), WOOD_DEEP)
    canvas.shape(symmetric("196,704! 130,690 52,700! 82,618! 140,606 196,626!", 196), TEAL)
    page = curve("196,696! 140,676 64,688! 90,614! 144,602 196,622!")
    for path in (page, mirrored(page, 196)):
        canvas.shape(path, CREAM)
    with canvas.inside(page):
        canvas.fill(curve("84,674! 104,628! 146,620 184,632! 184,680! 140,664"), "#f9c98f")
        canvas.fill(oval(156, 636, 20, 14), CREAM)
        canvas.fill(curve("84,674! 106,646 124,662 144,644 184,664! 184,684! 140,666"), TEAL)
    for left, right, y in ((212, 290, 632), (212, 296, 645), (213, 302, 658), (214, 270, 671)):
        words = curve(f"{left},{y + 3} {(left + right) / 2},{y - 7} {right},{y - 3}", closed=False)
        canvas.line(words, WOOD_DEEP, THIN)
