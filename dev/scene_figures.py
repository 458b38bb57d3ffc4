"""The child and the cat of the pack's first scene."""

from __future__ import annotations

import math

from .pen import INK, THIN, Canvas, box, curve, mirrored, oval, symmetric
from .scene_room import CREAM, MUSTARD, ROSE, TEAL, TEAL_DEEP, WOOD_DEEP

SKIN, SKIN_DEEP, BLUSH = "#ffe0c7", "#f6b999", "#f49c88"
HAIR, HAIR_DEEP, HAIR_SHINE = "#9a5236", "#7a3c2a", "#c47a4c"
GINGER, GINGER_DEEP, CREAM_DEEP = "#eba253", "#cf7f38", "#f1d9b8"
MIDDLE = 796.0  # the child's face is symmetrical about this line
FEATURES = -8  # pixels that eyes and mouth move to the right while the head turns

FACE = "796,160 700,200 688,262 692,322 716,372 756,403 796,413"
BACK_HAIR = "796,104 718,116 656,168 634,250 636,340 622,394 630,436 672,458! 730,466 796,470!"
FRINGE = (
    "664,392! 640,336 634,250 656,168 718,116 796,104 874,116 936,168 958,250 952,336 928,392! "
    "926,330 914,284 896,238! 892,262 878,286! 862,262 848,224! 838,254 816,278! 806,250 796,214! "
    "782,254 758,280! 748,252 742,222! 728,258 712,288! 700,262 696,238! 678,284 666,330"
)
SHINE = "672,206! 706,168 760,150 830,150 886,170 920,208! 884,190 850,196 830,176 806,188 770,176 744,196 712,190"
TORSO = "796,430! 740,438 692,452 654,478 638,520 634,600!"
ARM = "643,499! 616,552 598,612 606,644 640,664 720,670 840,666! 840,594! 780,588 716,580! 705,556 704,530 710,500"


def draw_child(canvas: Canvas, moment: float = 0.0) -> None:
    """Head and shoulders above the table; the arms come with ``draw_arms``, after the table.

    ``moment`` 0..1: from talking to us to looking at the window with a closed smile.
    """
    neck = {"right": -8 * moment, "turn": -5 * moment, "about": (MIDDLE, 440)}
    with canvas.placed(**neck):
        draw_back_hair(canvas)
    draw_body(canvas)
    with canvas.placed(**neck):
        draw_head(canvas, moment, opened=1 - moment)


def draw_back_hair(canvas: Canvas) -> None:
    """What of the hair is behind the body."""
    canvas.shape(curve("780,112! 784,86 806,68 832,76! 814,82 806,94 806,112!"), HAIR)
    canvas.shape(symmetric(BACK_HAIR, MIDDLE), HAIR_DEEP)


def draw_head(canvas: Canvas, look: float = 0.0, opened: float = 1.0) -> None:
    """Face and fringe, 413 at the chin; ``look`` -1..1 from our right to our left, the mouth is ``opened`` 0..1."""
    _draw_face(canvas, look, opened)
    with canvas.placed(right=FEATURES * look):
        for is_mirrored in (False, True):
            _draw_eye(canvas, is_mirrored, look)
    _draw_fringe(canvas)
    brow = curve("716,276 738,266 762,270", closed=False)
    with canvas.placed(right=FEATURES * look):
        for path in (brow, mirrored(brow, MIDDLE)):
            canvas.line(path, INK, 5)


def draw_body(canvas: Canvas) -> None:
    """Neck and shoulders, down to the table's edge at 600."""
    torso = symmetric(TORSO, MIDDLE)
    canvas.fill(torso, TEAL)
    with canvas.inside(torso):
        for y in (510, 556):
            canvas.line(curve(f"620,{y} 796,{y + 20} 972,{y}", closed=False), MUSTARD, 9)
        canvas.fill(symmetric("796,456! 756,460 716,466! 706,486 724,506 762,506 796,486!", MIDDLE), TEAL_DEEP)
    canvas.outline(torso)
    neck = curve("766,384! 826,384! 826,440 796,468 766,440")
    canvas.fill(neck, SKIN)
    with canvas.inside(neck):
        canvas.fill(curve("760,380! 832,380! 832,412 796,432 760,412"), SKIN_DEEP)
    canvas.outline(neck)
    collar = curve("796,470! 768,438 744,428! 714,446 704,470 722,490 758,492!")
    for path in (collar, mirrored(collar, MIDDLE)):
        canvas.shape(path, CREAM)
    canvas.shape(oval(MIDDLE, 476, 20, 20), ROSE)


def _draw_face(canvas: Canvas, look: float, opened: float) -> None:
    ear = oval(686, 322, 34, 46, -8)
    for path in (ear, mirrored(ear, MIDDLE)):
        canvas.shape(path, SKIN)
    face = symmetric(FACE, MIDDLE)
    canvas.fill(face, SKIN)
    with canvas.inside(face):
        # The shadow of the fringe on the forehead.
        shadow = curve("680,180! 912,180! 912,268 880,296 850,262 818,292 796,256 760,294 742,258 712,300 680,268")
        canvas.fill(shadow, SKIN_DEEP)
        cheek = oval(724, 364, 48, 26, -6)
        with canvas.placed(right=FEATURES * look):
            for path in (cheek, mirrored(cheek, MIDDLE)):
                canvas.fill(path, BLUSH, 0.6)
    canvas.outline(face)
    with canvas.placed(right=FEATURES * look):
        canvas.line(curve("791,350 796,354 801,350", closed=False), width=3)
        _draw_mouth(canvas, opened)


def _draw_mouth(canvas: Canvas, opened: float) -> None:
    if opened < 0.1:
        canvas.line(curve("776,375! 796,385 816,375!", closed=False), width=3)
        return
    low, corner = 379 + 17 * opened, 376 + 14 * opened
    mouth = curve(f"778,374! 796,379 814,374! 810,{corner} 796,{low} 782,{corner}")
    canvas.fill(mouth, "#a9433f")
    with canvas.inside(mouth):
        canvas.fill(oval(796, low + 1, 24, 16), ROSE)
    canvas.outline(mouth, width=3)


def _draw_eye(canvas: Canvas, is_mirrored: bool, look: float) -> None:
    def side(path: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return mirrored(path, MIDDLE) if is_mirrored else path

    across = (2 * MIDDLE - 744 if is_mirrored else 744) - 7 * look
    white = side(curve("714,322! 720,298 742,286 764,296 774,318! 768,340 746,350 724,342"))
    canvas.fill(white, "#fffdf8")
    with canvas.inside(white):
        canvas.fill(oval(across, 318, 44, 60), "#6e3b22")
        canvas.fill(oval(across, 330, 38, 40), "#b8712f")
        canvas.fill(oval(across, 338, 24, 20), "#e3a54e")
        canvas.fill(oval(across, 317, 20, 30), "#34191a")
        canvas.fill(side(curve("710,300! 744,284 778,300! 776,306 744,296 712,308")), "#5a3426", 0.35)
    # Light falls from one side, so the highlights are not mirrored.
    canvas.fill(oval(across + 8, 304, 17, 19), "#ffffff")
    canvas.fill(oval(across - 10, 333, 9, 10), "#ffffff")
    canvas.fill(side(curve("777,321! 767,292 742,278 717,289 698,303! 708,308 714,320! 724,303 743,293 762,302")), INK)
    canvas.line(side(curve("724,343 746,351 766,342", closed=False)), width=THIN)


def _draw_fringe(canvas: Canvas) -> None:
    fringe = curve(FRINGE)
    canvas.shape(fringe, HAIR)
    with canvas.inside(fringe):
        canvas.fill(curve(SHINE), HAIR_SHINE)
    for strand in (
        "742,222 746,190 760,160",
        "796,214 796,180 800,150",
        "848,224 846,194 836,164",
        "668,250 674,214 690,186",
        "924,250 918,214 902,186",
    ):
        canvas.line(curve(strand, closed=False), HAIR_DEEP, THIN)
    for petal in range(5):
        turn = math.tau * petal / 5
        canvas.shape(oval(906 + 13 * math.sin(turn), 204 - 13 * math.cos(turn), 20, 20), ROSE, width=THIN)
    canvas.shape(oval(906, 204, 16, 16), MUSTARD, width=THIN)


def draw_arms(canvas: Canvas) -> None:
    """Folded arms on the table, the child's left one on top."""
    canvas.fill(oval(796, 668, 420, 34), WOOD_DEEP)
    arm = curve(ARM, closed=False)
    for path in (arm, mirrored(arm, MIDDLE)):
        canvas.fill(path, TEAL)
        with canvas.inside(path):
            canvas.fill(oval(796, 672, 420, 34), TEAL_DEEP)
        canvas.line(path)  # open at the shoulder: sleeve and body are one piece
    canvas.line(curve("876,580 892,594 898,612", closed=False), width=THIN)
    canvas.line(curve("716,580 700,590 694,600", closed=False), width=THIN)
    canvas.shape(box(738, 590, 764, 668, 9), CREAM)
    hand = curve("738,600! 708,594 680,604 668,628 680,652 708,660 738,658!")
    canvas.shape(hand, SKIN)
    for finger in ("669,626 684,626 698,628", "673,640 688,641 700,642", "680,612 694,613 704,616"):
        canvas.line(curve(finger, closed=False), width=THIN)


def draw_cat(canvas: Canvas, moment: float = 0.0, shadow: str = WOOD_DEEP) -> None:
    """A cream cat with ginger patches, sitting, 655 at its paws; from ``moment`` 0 to 1 it looks up."""
    canvas.fill(oval(408, 652, 210, 30), shadow)
    tail = curve("470,628! 520,632 556,600 540,566 520,560 512,576 528,590 520,610 470,606!")
    with canvas.placed(turn=-12 * moment, about=(470, 620)):
        canvas.shape(tail, GINGER)
    body = curve("366,500! 338,548 328,610 344,646 408,654 474,646 488,606 474,548 446,500!")
    canvas.shape(body, CREAM)
    with canvas.inside(body):
        canvas.fill(curve("446,490! 430,540 452,600 500,640! 500,500!"), GINGER)
        canvas.fill(curve("376,504! 408,528 440,504! 436,540 408,556 380,540"), CREAM_DEEP)
    canvas.outline(body)
    for leg in ("392,592 390,622 394,648", "424,592 426,622 422,648"):
        canvas.line(curve(leg, closed=False))
    for paw in (oval(380, 646, 44, 24), oval(436, 646, 44, 24)):
        canvas.shape(paw, CREAM)
    for x in (376, 386, 430, 440):
        canvas.line([(x, 648), (x, 655)], width=THIN)
    with canvas.placed(turn=9 * moment, about=(406, 510)):
        draw_cat_head(canvas, moment)
    canvas.shape(curve("362,506! 406,524 450,506! 446,520 406,538 366,520"), TEAL)
    canvas.shape(oval(406, 536, 20, 20), MUSTARD)


def draw_cat_head(canvas: Canvas, moment: float) -> None:
    """The cat's head around 406, 450; ``moment`` as in ``draw_cat``."""
    head = curve(
        "406,410 436,410 452,404! 468,384 484,372! 488,400 486,426! 494,450 484,488 446,510 406,514 "
        "366,510 328,488 318,450 326,426! 324,400 328,372! 344,384 360,404! 376,410"
    )
    canvas.shape(head, CREAM)
    with canvas.inside(head):
        canvas.fill(curve("420,400! 440,430 470,462 510,460! 500,360! 440,380!"), GINGER)
        canvas.fill(curve("392,400! 372,424 340,440 310,440! 310,360! 370,380!"), GINGER)
        canvas.fill(curve("474,390! 478,406 478,418! 464,408 462,402!"), ROSE)
        canvas.fill(curve("338,390! 334,406 334,418! 348,408 350,402!"), ROSE)
        for stripe in ("406,408 406,428", "392,410 394,424", "420,410 418,424"):
            canvas.line(curve(stripe, closed=False), GINGER_DEEP, 4)
    canvas.outline(head)
    with canvas.placed(right=2 * moment, down=-9 * moment):
        for x in (368, 444):
            canvas.fill(oval(x, 452, 28, 34), INK)
            canvas.fill(oval(x + 4, 444, 9, 11), "#ffffff")
            canvas.fill(oval(x - 5, 460, 5, 6), "#ffffff")
        for x in (346, 466):
            canvas.fill(oval(x, 480, 24, 13), BLUSH, 0.6)
        canvas.fill(curve("398,470! 414,470! 406,480!"), "#c8605a")
        canvas.line(curve("388,484 398,492 406,482! 414,492 424,484", closed=False), width=3)
        for whisker in ("336,470 310,464", "336,480 310,484", "476,470 502,464", "476,480 502,484"):
            canvas.line(curve(whisker, closed=False), width=THIN)
