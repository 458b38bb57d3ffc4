"""A pen for flat pictures: smooth shapes with an even outline, drawn large and scaled down so that edges are soft."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]
Path = Sequence[Point]

OVERSAMPLING = 4
INK = "#4a2d2a"
LINE = 4.0  # pixels of the finished picture
THIN = 2.6


def curve(data: str, closed: bool = True) -> list[Point]:
    """A smooth path (Catmull-Rom) through points written as "x,y x,y! x,y"; at those with "!" it has a corner.

    ``closed``: the last point is joined to the first.
    """
    return _smooth(_points(data), closed)


def symmetric(data: str, axis: float) -> list[Point]:
    """A closed smooth path of which ``data`` is one half, and its mirror image at x = ``axis`` the other."""
    half = _points(data)
    return _smooth([*half, *((2 * axis - x, y, corner) for x, y, corner in reversed(half) if x != axis)], closed=True)


def _points(data: str) -> list[tuple[float, float, bool]]:
    pairs = [(word.rstrip("!").split(","), word.endswith("!")) for word in data.split()]
    return [(float(x), float(y), corner) for (x, y), corner in pairs]


def _smooth(points: list[tuple[float, float, bool]], closed: bool, steps: int = 14) -> list[Point]:
    count = len(points)
    path: list[Point] = []
    for here in range(count if closed else count - 1):
        after = (here + 1) % count
        start, end = points[here], points[after]
        # A corner, or the end of an open path, does not look past itself.
        before = start if start[2] or (not closed and here == 0) else points[here - 1]
        beyond = end if end[2] or (not closed and after == count - 1) else points[(here + 2) % count]
        path += [_between(before, start, end, beyond, step / steps) for step in range(steps)]
    return path if closed else [*path, points[-1][:2]]


def _between(
    before: Sequence[float], start: Sequence[float], end: Sequence[float], beyond: Sequence[float], t: float
) -> Point:
    def blend(a: float, b: float, c: float, d: float) -> float:
        return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))

    return blend(before[0], start[0], end[0], beyond[0]), blend(before[1], start[1], end[1], beyond[1])


def oval(x: float, y: float, width: float, height: float, tilt: float = 0.0) -> list[Point]:
    """An ellipse around ``x, y``; ``tilt`` in degrees turns it clockwise."""
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    path = []
    for step in range(72):
        across = width / 2 * math.cos(math.tau * step / 72)
        down = height / 2 * math.sin(math.tau * step / 72)
        path.append((x + across * cos - down * sin, y + across * sin + down * cos))
    return path


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> list[Point]:
    """A rectangle; ``radius`` rounds its corners."""
    path = []
    for x, y, quarter in (
        (right - radius, bottom - radius, 0),
        (left + radius, bottom - radius, 1),
        (left + radius, top + radius, 2),
        (right - radius, top + radius, 3),
    ):
        for step in range(9 if radius else 1):
            angle = math.pi / 2 * (quarter + step / 8)
            path.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return path


def mirrored(path: Path, axis: float) -> list[Point]:
    """The path on the other side of the vertical line x = ``axis``."""
    return [(2 * axis - x, y) for x, y in path]


def moved(path: Path, right: float, down: float, scale: float = 1.0) -> list[Point]:
    """The path scaled about 0, 0 and then shifted."""
    return [(x * scale + right, y * scale + down) for x, y in path]


def turned(path: Path, degrees: float, about: Point) -> list[Point]:
    """The path turned clockwise around a point."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    centre_x, centre_y = about
    return [
        (centre_x + (x - centre_x) * cos - (y - centre_y) * sin, centre_y + (x - centre_x) * sin + (y - centre_y) * cos)
        for x, y in path
    ]


class Canvas:
    """A picture under the pen. Coordinates and widths are pixels of the finished picture."""

    def __init__(self, width: int, height: int, paper: str) -> None:
        self.size = (width, height)
        self._image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), paper)
        self._places: list[Callable[[Path], Path]] = []
        self._thickness = 1.0

    def fill(self, path: Path, colour: str, opacity: float = 1.0) -> None:
        """Fill a closed path; ``opacity`` 0..1."""
        if opacity >= 1:
            self._pen().polygon(self._pixels(path), fill=colour)
        else:
            mask, corner = self._mask(path, round(255 * opacity))
            self._image.paste(Image.new("RGB", mask.size, colour), corner, mask)

    def line(self, path: Path, colour: str = INK, width: float = LINE) -> None:
        """Draw an open path with round ends."""
        points, thick = self._pixels(path), round(width * self._thickness * OVERSAMPLING)
        pen, radius = self._pen(), (thick - 1) / 2
        pen.line(points, fill=colour, width=thick, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def shape(self, path: Path, colour: str, ink: str = INK, width: float = LINE) -> None:
        """Fill a closed path and draw its outline."""
        self.fill(path, colour)
        self.outline(path, ink, width)

    def outline(self, path: Path, colour: str = INK, width: float = LINE) -> None:
        """Draw a closed path."""
        self.line([*path, path[0]], colour, width)

    @contextmanager
    def inside(self, path: Path) -> Iterator[None]:
        """What is drawn in this block shows only inside the closed path."""
        drawing, self._image = self._image, self._image.copy()
        yield
        mask, (left, top) = self._mask(path, 255)
        drawing.paste(self._image.crop((left, top, left + mask.width, top + mask.height)), (left, top), mask)
        self._image = drawing

    @contextmanager
    def placed(
        self, right: float = 0.0, down: float = 0.0, turn: float = 0.0, about: Point = (0, 0), scale: float = 1.0
    ) -> Iterator[None]:
        """What this block draws is turned clockwise by ``turn`` degrees and scaled around ``about``, then shifted.

        Lines become thinner or thicker by the square root of ``scale``, so that a small figure keeps its outline.
        """

        def place(path: Path) -> Path:
            about_zero = moved(turned(path, turn, about), -about[0], -about[1])
            return moved(about_zero, about[0] + right, about[1] + down, scale)

        thickness = self._thickness
        self._places.append(place)
        self._thickness *= math.sqrt(scale)
        yield
        self._places.pop()
        self._thickness = thickness

    def paste(self, picture: Image.Image, left: float, top: float, width: float, height: float) -> None:
        """Lay a picture, scaled to ``width`` x ``height``, with its upper left corner at ``left, top``."""
        size = (round(width * OVERSAMPLING), round(height * OVERSAMPLING))
        corner = (round(left * OVERSAMPLING), round(top * OVERSAMPLING))
        self._image.paste(picture.resize(size, Image.Resampling.LANCZOS), corner)

    def text(self, words: str, x: float, y: float, size: float, colour: str = INK) -> None:
        """Write ``words`` centred on ``x, y`` in the font that Pillow brings along."""
        font = ImageFont.load_default(size=size * OVERSAMPLING)
        self._pen().text((x * OVERSAMPLING, y * OVERSAMPLING), words, fill=colour, font=font, anchor="mm")

    def finished(self) -> Image.Image:
        """The picture at its own size."""
        return self._image.reduce(OVERSAMPLING)

    def _pen(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self._image)

    def _pixels(self, path: Path) -> list[Point]:
        for place in reversed(self._places):  # what was said last is nearest to the shape
            path = place(path)
        return [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in path]

    def _mask(self, path: Path, value: int) -> tuple[Image.Image, tuple[int, int]]:
        """A mask of the size of the closed path, ``value`` inside it, and where its upper left corner belongs."""
        points = self._pixels(path)
        left, top = (math.floor(min(numbers)) for numbers in zip(*points))
        right, bottom = (math.ceil(max(numbers)) for numbers in zip(*points))
        mask = Image.new("L", (right - left + 1, bottom - top + 1))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in points], fill=value)
        return mask, (left, top)


def inked(picture: Image.Image) -> Image.Image:
    """What the pen drew of a finished picture in ``INK``, or darker than it: white on black."""
    ink = Image.new("RGB", (1, 1), INK).convert("L").getpixel((0, 0))
    assert isinstance(ink, int)
    return picture.convert("L").point([255 if level < ink + 14 else 0 for level in range(256)])
