"""The pictures of the sample story after the first two: from the lane to the hill, and home to bed."""

from __future__ import annotations

from PIL import Image

from .pen import Canvas, oval
from .scene_figures import draw_cat
from .scene_room import HEIGHT, WIDTH
from .story_figures import (
    draw_blanket,
    draw_child_in_bed,
    draw_child_in_coat,
    draw_lantern_arm,
    draw_pointing_child,
    draw_resting_arm,
)
from .story_places import (
    HILL_DEEP,
    NIGHT,
    draw_bedroom,
    draw_full_moon,
    draw_hilltop,
    draw_lane,
    draw_night,
    draw_shooting_star,
    draw_stone_wall,
)


def lane() -> Image.Image:
    """The child with a lantern in the lane, the cat on a wall."""
    canvas = Canvas(WIDTH, HEIGHT, NIGHT[0])
    draw_night(canvas)
    draw_full_moon(canvas, 1010, 108, 96)
    draw_lane(canvas)
    draw_stone_wall(canvas)
    with canvas.placed(right=610, down=-52):
        draw_cat(canvas, shadow="#8c8aa6")
    with canvas.placed(right=-190, down=16):
        draw_resting_arm(canvas)
        draw_child_in_coat(canvas, look=0.5, opened=0.4)
        draw_lantern_arm(canvas)
    return canvas.finished()


def hill() -> Image.Image:
    """Both on the hill, small before a large moon."""
    canvas = Canvas(WIDTH, HEIGHT, NIGHT[0])
    draw_night(canvas)
    draw_full_moon(canvas, 850, 290, 400)
    draw_hilltop(canvas)
    canvas.fill(oval(436, 646, 190, 22), HILL_DEEP)
    with canvas.placed(right=-360, down=-284, about=(796, 930), scale=0.56):
        draw_pointing_child(canvas)
    with canvas.placed(right=232, down=-4, about=(408, 656), scale=0.62):
        draw_cat(canvas, 1.0, HILL_DEEP)
    return canvas.finished()


def wish() -> Image.Image:
    """Close: both look at a shooting star."""
    canvas = Canvas(WIDTH, HEIGHT, NIGHT[0])
    draw_night(canvas, stars=1.8)
    draw_shooting_star(canvas, 150, 210)
    with canvas.placed(right=-246, down=110, about=(796, 290), scale=1.4):
        draw_child_in_coat(canvas, look=0.8, opened=1.0)
    with canvas.placed(right=604, down=120, about=(406, 450), scale=1.7):
        draw_cat(canvas, 1.0)
    return canvas.finished()


def bed() -> Image.Image:
    """Home: the child in bed, the cat on the quilt."""
    canvas = Canvas(WIDTH, HEIGHT, NIGHT[0])
    draw_bedroom(canvas)
    with canvas.placed(right=-156, down=76, about=(796, 290), turn=-4, scale=0.86):
        draw_child_in_bed(canvas)
    draw_blanket(canvas)
    with canvas.placed(right=610, down=10, about=(408, 656), scale=0.95):
        draw_cat(canvas, shadow="#2f625c")
    return canvas.finished()
