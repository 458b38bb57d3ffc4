"""The check of a shot as one picture: a few of its frames, and every measure over time with its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .limits import LOOK, PASS, RETAKE, limits
from .shot import Measure, ShotCheck

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

WIDTH = 960
MARGIN, TITLE, STILLS, STRIP, AXIS = 16, 40, 150, 78, 24
LABEL = 210  # pixels left of the curves
PAPER, INK, GRID = (252, 250, 246), (45, 40, 48), (214, 208, 200)
COLOURS = {PASS: (46, 125, 74), LOOK: (196, 130, 20), RETAKE: (190, 50, 46)}
# The font that comes with Pillow has no Korean, so the picture says little and the report says the rest.
SAID = {
    "structure": "shapes lost",
    "edges": "lines lost or new",
    "movement": "movement",
    "flicker": "line flicker",
    "flash": "flash",
    "head": "head changed",
}


def draw_plot(check: ShotCheck) -> np.ndarray:
    """The picture, uint8 RGB ``[height, 960, 3]``; all checks with as many measures have the same height."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    height = MARGIN + TITLE + STILLS + STRIP * len(check.measures) + AXIS
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    font, large = ImageFont.load_default(14), ImageFont.load_default(24)
    pen.text((MARGIN, MARGIN), check.verdict, COLOURS[check.verdict], large)
    summary = f"score {check.score:.2f}   {check.frames} frames, {check.seconds:.2f} s"
    pen.text((LABEL, MARGIN + 8), summary, INK, font)
    _draw_stills(canvas, pen, font, check)
    top = MARGIN + TITLE + STILLS
    for measure in check.measures:
        judged = measure in check.judged
        _draw_strip(pen, font, measure, judged, top)
        top += STRIP
    for part in range(5):
        x = LABEL + (WIDTH - MARGIN - LABEL) * part / 4
        anchor = "ra" if part == 4 else "la" if part == 0 else "ma"
        pen.text((x, top + 2), f"{check.seconds * part / 4:.1f} s", INK, font, anchor)
    return np.array(canvas)


def _draw_stills(
    canvas: Image.Image, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, check: ShotCheck
) -> None:
    from PIL import Image

    across = (WIDTH - 2 * MARGIN) // 4
    names = [name for name in ("guide", "first", "middle", "last") if name in check.stills]
    for place, name in enumerate(names):
        still = Image.fromarray(check.stills[name])
        still.thumbnail((across - 12, STILLS - 36))
        left, top = MARGIN + place * across, MARGIN + TITLE
        canvas.paste(still, (left, top))
        if check.head is not None and name != "guide":
            box = check.head.box(still.width - 1, still.height - 1)
            pen.rectangle([left + box[0], top + box[1], left + box[2], top + box[3]], outline=COLOURS[RETAKE])
        pen.text((left, top + still.height + 3), name, INK, font)


def _draw_strip(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    measure: Measure,
    judged: bool,
    top: int,
) -> None:
    colour = COLOURS[measure.verdict] if judged else INK
    pen.text((MARGIN, top + 12), SAID[measure.name], INK, font)
    pen.text((MARGIN, top + 32), f"{measure.value:.1%}  {measure.verdict if judged else 'not judged'}", colour, font)
    left, right, low, high = LABEL, WIDTH - MARGIN, top + STRIP - 10, top + 6
    bounds = limits()[measure.name]
    known = [(place, value) for place, value in enumerate(measure.curve) if value is not None]
    most = max([1.2 * bounds.look, 1.2 * bounds.retake, *(value for _, value in known)])

    def y(value: float) -> float:
        return low - (low - high) * value / most

    pen.rectangle([left, high, right, low], outline=GRID)
    for name, limit in ((LOOK, bounds.look), (RETAKE, bounds.retake)):
        pen.line([(left, y(limit)), (right, y(limit))], fill=COLOURS[name])
    parts = max(1, len(measure.curve) - 1)
    pen.line([(left + (right - left) * place / parts, y(value)) for place, value in known], fill=INK, width=2)
