"""Shots drawn for the check: good ones, and the same with one thing wrong, as a video model gets it wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from PIL import Image, ImageDraw

FAULTS = ("still", "drift", "flicker", "wobble", "flash", "tail flash", "tail blur", "head")
# Which measure must see which fault.
SEEN_BY = {
    "still": "movement",
    "drift": "structure",
    "flicker": "flicker",
    "wobble": "flicker",
    "flash": "flash",
    "tail flash": "flash",
    "tail blur": "edges",
    "head": "head",
}
GESTURES = ("turn", "nod", "lean", "hand")
INK = (30, 18, 24)
Design = dict[str, np.ndarray]


@dataclass(frozen=True)
class Drawn:
    """``seed`` decides about the drawing; ``noise`` is the standard deviation of its grain, in levels."""

    fault: str = ""
    seed: int = 1
    width: int = 512
    height: int = 288
    seconds: float = 3.0
    fps: Fraction = Fraction(24)
    noise: float = 0.0
    gesture: str = "nod"
    twos: bool = False

    @property
    def count(self) -> int:
        return max(9, round(self.seconds * self.fps))

    def guide(self) -> np.ndarray:
        """The picture that the shot is made from: without grain, and of the shot's shape."""
        return draw(design(self.seed), {}, self.width, self.height)

    def frames(self) -> Iterator[np.ndarray]:
        """The frames one by one, uint8 ``[height, width, 3]``."""
        first, other = design(self.seed), design(self.seed + 1000)
        grain = np.random.default_rng(self.seed)
        picture, drawn_at = self.guide(), -1
        for index in range(self.count):
            if not (self.twos and index % 2 and drawn_at >= 0):
                picture, drawn_at = self._picture(index, first, other), index
            noisy = picture
            if self.noise:
                noisy = np.clip(picture + grain.normal(0, self.noise, picture.shape), 0, 255).round().astype(np.uint8)
            yield noisy

    def _picture(self, index: int, first: Design, other: Design) -> np.ndarray:
        done = index / (self.count - 1)
        time = float(index / self.fps)
        lines = np.random.default_rng([self.seed, index])
        shown = dict(first)
        if self.fault == "drift":
            shown = {name: (1 - done) * value + done * other[name] for name, value in first.items()}
        if self.fault == "head":
            part = min(1.0, 2 * done)
            shown |= {name: (1 - part) * first[name] + part * other[name] for name in first if name.startswith("head")}
        how = {} if self.fault == "still" else pose(self.gesture, time, done)
        if self.fault in ("flicker", "wobble"):
            how |= {self.fault: lines}
        picture = draw(shown, how, self.width, self.height)
        left = self.count - 1 - index
        if self.fault == "flash" and abs(index - self.count // 2) <= 1:
            picture = np.clip(picture * 1.1 + 45, 0, 255).astype(np.uint8)
        tail = max(4, round(float(self.fps) / 5))
        if self.fault == "tail flash" and left < tail:
            strength = 1 - left / tail
            picture = np.clip(picture + strength * np.array([60, 55, 40]), 0, 255).astype(np.uint8)
        if self.fault == "tail blur" and left < tail + round(float(self.fps) / 6):
            small = Image.fromarray(picture).resize((self.width // 10, self.height // 10), Image.Resampling.BOX)
            picture = np.asarray(small.resize((self.width, self.height), Image.Resampling.BICUBIC))
        return picture


def design(seed: int) -> Design:
    """Everything about a room and a figure in it, as numbers, so that one can become another."""
    dice = np.random.default_rng(seed)

    def colour(lowest: int = 90, highest: int = 245) -> np.ndarray:
        return dice.uniform(lowest, highest, 3)

    return {
        "wall": colour(150, 245),
        "floor": colour(90, 200),
        "window": np.append(dice.uniform([0.05, 0.08], [0.2, 0.2]), dice.uniform(0.25, 0.4, 2)),
        "sky": colour(),
        "shelf": np.array([dice.uniform(0.68, 0.8), dice.uniform(0.15, 0.45)]),
        "books": dice.uniform(0.08, 0.2, 9),
        "book colours": dice.uniform(60, 240, (9, 3)),
        "rug": np.append(dice.uniform(0.1, 0.6), dice.uniform(0.15, 0.3)),
        "rug colour": colour(),
        "at": np.array([dice.uniform(0.44, 0.56)]),
        "shirt": colour(60, 220),
        "skin": np.array([245.0, 215, 190]) - dice.uniform(0, 40, 3),
        "head face": np.array([dice.uniform(0.1, 0.14), dice.uniform(0.13, 0.17)]),
        "head hair": colour(20, 200),
        "head spikes": dice.uniform(0.02, 0.1, 9),
        "head fringe": dice.uniform(0.02, 0.09, 5),
        "head eyes": np.array([dice.uniform(0.03, 0.06), dice.uniform(-0.03, 0.02), dice.uniform(0.014, 0.03)]),
        "head iris": colour(20, 200),
        "head brows": dice.uniform(-0.02, 0.02, 2),
        "head mouth": np.array([dice.uniform(0.02, 0.05), dice.uniform(0.06, 0.085)]),
        "head ears": dice.uniform(0.01, 0.05, 2),
    }


def pose(gesture: str, time: float, done: float) -> dict:
    """A gesture in the first half, then a hold; blinks, breath, speech and swaying hair all the time."""
    peak = math.sin(math.pi * min(1.0, done * 1.6)) ** 2
    return {
        "turn": 0.025 * peak if gesture == "turn" else 0.0,
        "nod": 0.03 * peak if gesture == "nod" else 0.0,
        "lean": 0.06 * peak if gesture == "lean" else 0.0,
        "hand": peak if gesture == "hand" else 0.0,
        "breath": 0.004 * math.sin(2 * math.pi * time / 3),
        "sway": 0.012 * math.sin(2 * math.pi * time / 1.7),
        "mouth": 0.012 * (1 + math.sin(2 * math.pi * time * 4)),
        "blink": 0.9 < (time % 2.3) < 1.05,
    }


def draw(shown: Design, how: dict, width: int, height: int) -> np.ndarray:
    """A frame, uint8 RGB ``[height, width, 3]``. Lengths in a design are fractions of the height, of x of the width."""
    fine = 3  # drawn large and averaged down, so that lines have smooth edges
    canvas = Image.new("RGB", (width * fine, height * fine), tint(shown["wall"]))
    pen = ImageDraw.Draw(canvas)
    pixel = height * fine
    flicker, wobble = how.get("flicker"), how.get("wobble")
    stroke = max(fine, round(0.0085 * pixel))

    def place(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(x * pixel, y * pixel) for x, y in points]

    def line(points: list[tuple[float, float]]) -> None:
        thick = stroke
        if flicker is not None:  # the line is drawn anew for every frame, and not always whole
            thick = round(stroke * flicker.choice([0, 0.4, 1, 1.5]))
        if wobble is not None:
            shift = wobble.normal(0, 0.005, (len(points), 2))
            points = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(points, shift)]
        if thick:
            pen.line(place(points), fill=INK, width=thick, joint="curve")

    def shape(points: list[tuple[float, float]], colour: np.ndarray) -> None:
        pen.polygon(place(points), fill=tint(colour))
        line([*points, points[0]])

    def oval(x: float, y: float, across: float, down: float, colour: np.ndarray) -> None:
        shape([(x + across * math.cos(a), y + down * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 25)], colour)

    wide = width / height
    shape([(-1, 0.72), (3, 0.72), (3, 1.5), (-1, 1.5)], shown["floor"])
    for board in range(1, 9):
        line([(wide * board / 9, 0.72), (wide * (board * 1.6 / 9 - 0.3), 1)])
    left, top, across, down = shown["window"]
    left *= wide
    shape([(left, top), (left + across, top), (left + across, top + down), (left, top + down)], shown["sky"])
    line([(left + across / 2, top), (left + across / 2, top + down)])
    line([(left, top + down / 2), (left + across, top + down / 2)])
    start, board = shown["shelf"]
    x = start * wide
    for tall, colour in zip(shown["books"], shown["book colours"]):
        shape([(x, board), (x, board - tall), (x + 0.035, board - tall), (x + 0.035, board)], colour)
        x += 0.04
    line([(start * wide - 0.05, board), (x + 0.05, board)])
    spot, size = shown["rug"]
    oval(spot * wide, 0.87, size, size / 4, shown["rug colour"])

    close = 1 + how.get("lean", 0.0)
    middle = shown["at"][0] * wide
    shoulder = 0.6 + how.get("breath", 0.0)
    body = [(-0.2, 1.1), (-0.17, shoulder + 0.05), (-0.06, shoulder), (0.06, shoulder)]
    body += [(0.17, shoulder + 0.05), (0.2, 1.1)]
    shape([(middle + x * close, 1.1 - (1.1 - y) * close) for x, y in body], shown["shirt"])
    raised = how.get("hand", 0.0)
    elbow, hand = (middle + 0.27, 0.86), (middle + 0.2 + 0.03 * raised, 1.02 - 0.42 * raised)
    shape([(middle + 0.15, 0.68), elbow, hand, (hand[0] - 0.06, hand[1]), (middle + 0.14, 0.84)], shown["shirt"])
    oval(hand[0] - 0.03, hand[1] - 0.03, 0.035, 0.04, shown["skin"])

    broad, tall = shown["head face"] * close
    x, y = middle + how.get("turn", 0.0) * 0.5, 0.6 - tall + how.get("nod", 0.0) - how.get("lean", 0.0) * 0.4
    sway = how.get("sway", 0.0)
    around = np.linspace(-0.15 * math.pi, 1.15 * math.pi, 9)
    crown = []
    for angle, spike in zip(around, shown["head spikes"]):
        crown += [(x + (broad + 0.01) * math.cos(angle + 0.12), y - (tall + 0.01) * math.sin(angle + 0.12))]
        crown += [(x + (broad + spike) * math.cos(angle) + sway, y - (tall + spike) * math.sin(angle))]
    shape(crown, shown["head hair"])
    for side, ear in zip((-1, 1), shown["head ears"]):
        oval(x + side * broad, y + 0.02, ear, ear * 1.3, shown["skin"])
    oval(x, y, broad, tall, shown["skin"])
    turn = how.get("turn", 0.0)
    apart, high, big = shown["head eyes"] * close
    for side, brow in zip((-1, 1), shown["head brows"]):
        eye = x + side * apart + turn, y + high
        if how.get("blink"):
            line([(eye[0] - big, eye[1]), (eye[0] + big, eye[1])])
        else:
            oval(*eye, big, big * 1.3, np.array([250.0, 250, 250]))
            oval(*eye, big * 0.5, big * 0.7, shown["head iris"])
        line([(eye[0] - big, eye[1] - big * 2 + brow * side), (eye[0] + big, eye[1] - big * 2 - brow * side)])
    smile, low = shown["head mouth"] * close
    oval(x + turn, y + low, smile, 0.004 + how.get("mouth", 0.0), np.array([150.0, 40, 50]))
    tips = np.linspace(-0.8, 0.8, 5)
    fringe = [(x - broad, y - tall * 0.55)]
    for tip, long in zip(tips, shown["head fringe"]):
        fringe += [(x + tip * broad + sway / 2, y - tall * 0.6 + long), (x + (tip + 0.2) * broad, y - tall * 0.6)]
    fringe += [(x + broad * 0.9, y - tall * 0.55), (x + broad * 0.5, y - tall), (x - broad * 0.5, y - tall)]
    shape(fringe, shown["head hair"])
    return np.array(canvas.resize((width, height), Image.Resampling.BOX))


def tint(colour: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(each) for each in np.clip(colour, 0, 255).round())
    return red, green, blue
