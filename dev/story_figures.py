"""The child and the cat of the sample story outside of their room: in a coat, on a hill, under a blanket."""

from __future__ import annotations

from .pen import THIN, Canvas, box, curve, mirrored, oval, symmetric
from .scene_figures import MIDDLE, SKIN, draw_back_hair, draw_head
from .scene_room import CREAM, CURTAIN, CURTAIN_DEEP, MUSTARD, ROSE, TEAL, TEAL_DEEP, WOOD_DEEP

GOLD, FLAME, SCARF_DEEP = "#f2c14e", "#fff3b8", "#c98a2e"
COAT = "796,424! 742,432 692,450 650,482 626,548 612,650 604,800! 796,800!"
LONG_COAT = "796,424! 744,432 706,450 682,494 668,600 640,780! 716,796 796,800!"


def draw_child_in_coat(canvas: Canvas, look: float = 0.0, opened: float = 1.0) -> None:
    """From the waist up, without arms; the head is where ``scene_figures`` draws it."""
    draw_back_hair(canvas)
    coat = symmetric(COAT, MIDDLE)
    canvas.shape(coat, CURTAIN)
    canvas.line(curve("796,490 798,620 796,740", closed=False), width=THIN)
    for y in (560, 640):
        _draw_toggle(canvas, y)
    _draw_scarf(canvas)
    draw_head(canvas, look, opened)


def _draw_toggle(canvas: Canvas, y: float) -> None:
    canvas.line([(766, y), (826, y)], CREAM, 5)
    canvas.shape(oval(776, y, 26, 14, -12), WOOD_DEEP, width=THIN)


def _draw_scarf(canvas: Canvas) -> None:
    tail = curve("824,470! 866,468 884,540 876,612! 836,618! 838,556 818,500!")
    canvas.fill(tail, MUSTARD)
    with canvas.inside(tail):
        for y in (560, 584):
            canvas.line([(820, y), (900, y - 6)], CREAM, 8)
    canvas.outline(tail)
    canvas.fill(curve("704,408! 748,414 796,416 844,414 888,408! 872,450 796,462 720,450!"), SCARF_DEEP)
    wrap = curve("704,408! 744,440 796,448 848,440 888,408! 902,446 868,482 796,492 724,482 690,446!")
    canvas.fill(wrap, MUSTARD)
    with canvas.inside(wrap):
        canvas.fill(curve("690,460! 740,478 796,482 852,478 902,460! 902,500! 690,500!"), SCARF_DEEP)
    canvas.outline(wrap)
    for fold in ("738,446 746,462 744,478", "806,456 812,470 806,486", "864,438 862,454 850,470"):
        canvas.line(curve(fold, closed=False), width=THIN)


def draw_lantern_arm(canvas: Canvas) -> None:
    """The child's right arm, held out, with a lantern below its hand."""
    sleeve = curve("680,466! 640,500 596,528 548,520 494,452! 458,500! 506,570 580,604 640,590 672,570!")
    canvas.fill(sleeve, CURTAIN)
    with canvas.inside(sleeve):
        canvas.fill(curve("460,506! 516,560 580,584 664,580! 600,640! 440,640!"), CURTAIN_DEEP, 0.5)
    canvas.line(curve("664,478 632,506 596,528 548,520 494,452", closed=False))
    canvas.line(curve("458,500 506,570 580,604 640,590 664,572", closed=False))
    _draw_lantern(canvas, 428, 474)
    canvas.shape(curve("478,438! 506,456! 470,508! 442,488!"), CREAM)
    canvas.shape(curve("484,444! 464,424 434,428 416,450 414,474 428,490 448,490!"), SKIN)
    for finger in ("420,452 436,452 448,460", "416,468 430,468 442,475"):
        canvas.line(curve(finger, closed=False), width=THIN)


def _draw_lantern(canvas: Canvas, x: float, y: float) -> None:
    for size in (330, 250, 180):
        canvas.fill(oval(x, y + 86, size, size), FLAME, 0.16)
    canvas.line(
        curve(f"{x - 30},{y + 40} {x - 24},{y + 8} {x},{y - 4} {x + 24},{y + 8} {x + 30},{y + 40}", closed=False)
    )
    canvas.shape(curve(f"{x - 44},{y + 52}! {x - 20},{y + 28}! {x + 20},{y + 28}! {x + 44},{y + 52}!"), TEAL_DEEP)
    canvas.shape(box(x - 38, y + 52, x + 38, y + 122, 6), FLAME)
    flame = curve(
        f"{x},{y + 64}! {x + 16},{y + 92} {x + 10},{y + 114} {x},{y + 118} {x - 10},{y + 114} {x - 16},{y + 92}"
    )
    canvas.fill(flame, GOLD)
    for post in (-38, 38):
        canvas.line([(x + post, y + 52), (x + post, y + 122)])
    canvas.shape(box(x - 46, y + 122, x + 46, y + 138, 5), TEAL_DEEP)


def draw_resting_arm(canvas: Canvas) -> None:
    """The child's left arm beside the body."""
    sleeve = curve("920,478! 958,510 984,590 990,700! 990,800! 918,800! 918,700 912,610 900,560!")
    canvas.fill(sleeve, CURTAIN)
    canvas.line(curve("926,482 958,510 984,590 990,700 990,800", closed=False))
    canvas.line(curve("904,560 914,640 918,720 918,800", closed=False))


def draw_pointing_child(canvas: Canvas) -> None:
    """The whole child, 930 at the feet, pointing up to our right."""
    draw_back_hair(canvas)
    for x in (766, 826):
        canvas.shape(box(x - 20, 770, x + 20, 880), TEAL_DEEP)
        boot = f"{x - 28},860! {x + 26},860! {x + 28},900 {x + 30},930! {x - 40},930! {x - 40},906 {x - 28},896"
        canvas.shape(curve(boot), WOOD_DEEP)
    still = curve("712,456! 676,480 648,560 634,660! 676,672! 700,600 716,560!")
    canvas.shape(oval(652, 684, 44, 48), SKIN)
    canvas.shape(still, CURTAIN)
    pointing = curve("884,458! 924,500 976,486 1024,420! 1062,452! 1024,536 956,574 884,560!")
    hand = curve("1036,430! 1030,404 1046,388! 1080,344 1094,352 1070,396! 1088,402 1086,430 1066,450!")
    canvas.shape(hand, SKIN)
    canvas.shape(pointing, CURTAIN)
    canvas.shape(curve("1022,412! 1070,450! 1056,468! 1008,428!"), CREAM)
    coat = symmetric(LONG_COAT, MIDDLE)
    canvas.fill(coat, CURTAIN)
    with canvas.inside(coat):
        canvas.fill(curve("630,700! 720,730 796,734 960,700! 960,820! 630,820!"), CURTAIN_DEEP, 0.5)
    canvas.outline(coat)
    canvas.line(curve("796,490 798,640 796,796", closed=False), width=THIN)
    for y in (560, 640):
        _draw_toggle(canvas, y)
    _draw_scarf(canvas)
    draw_head(canvas, -0.7, 1.0)


def draw_child_in_bed(canvas: Canvas) -> None:
    """Head and shoulders of the child lying down; the blanket comes over it."""
    draw_back_hair(canvas)
    shoulders = symmetric("796,424! 748,430 706,444 676,470 660,540! 796,560!", MIDDLE)
    canvas.fill(shoulders, ROSE)
    with canvas.inside(shoulders):
        for x, y in ((700, 476), (740, 510), (790, 520), (850, 506), (894, 480), (690, 520), (910, 520)):
            canvas.fill(oval(x, y, 14, 14), CREAM)
    canvas.outline(shoulders)
    collar = curve("796,458! 772,430 748,424! 730,446 742,462 772,474!")
    for path in (collar, mirrored(collar, MIDDLE)):
        canvas.shape(path, CREAM)
    draw_head(canvas, 0.0, 0.0)


def draw_blanket(canvas: Canvas) -> None:
    """A quilt over the lower half of the picture, folded back under two hands."""
    quilt = curve("-20,560! 200,520 500,500 640,496 800,500 1080,520 1300,560! 1300,760! -20,760!")
    canvas.fill(quilt, TEAL)
    with canvas.inside(quilt):
        for row in range(3):
            for column in range(9):
                if (row + column) % 2:
                    canvas.fill(box(column * 150 - 30, 560 + row * 80, column * 150 + 120, 640 + row * 80), TEAL_DEEP)
        for x in range(120, 1300, 300):
            canvas.fill(oval(x - 75, 600, 34, 34), MUSTARD)
            canvas.fill(oval(x + 75, 680, 34, 34), ROSE)
    canvas.outline(quilt)
    fold = symmetric("640,484! 500,488 200,508 -20,548! -20,604! 200,564 500,542 640,538!", 640)
    canvas.shape(fold, CREAM)
    canvas.line(curve("-20,590 200,550 500,528 640,524 800,528 1080,550 1300,590", closed=False), ROSE, 5)
    for x in (560, 720):
        canvas.shape(oval(x, 512, 62, 50), SKIN)
        for step in (-14, 0, 14):
            canvas.line([(x + step, 516), (x + step, 534)], width=THIN)
