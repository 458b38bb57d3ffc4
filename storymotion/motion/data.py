"""Gestures, styles and punctuation: read once from the JSON files beside this one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Style:
    """How a prompt is built for one look: a skeleton with {scene} and {motion}, and what to keep away from."""

    id: str
    prompt: str
    negative: str


@dataclass(frozen=True)
class Templates:
    """The words motion is made of. ``gestures`` maps a preset's id to its sentence."""

    hold: str
    gestures: dict[str, str]
    no_gesture: str
    expressive: str
    speech: str


def read(name: str) -> dict:
    """The content of one of the JSON files beside this one."""
    return json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def templates() -> Templates:
    """The creator's gestures and the words around them."""
    data = read("templates.json")
    return Templates(
        hold=data["hold"],
        gestures={gesture["id"]: gesture["text"] for gesture in data["gestures"]},
        no_gesture=data["no_gesture"],
        expressive=data["expressive"],
        speech=data["speech"],
    )


@lru_cache(maxsize=1)
def styles() -> dict[str, Style]:
    """All styles by id, in the order in which they are offered."""
    return {each["id"]: Style(**each) for each in read("styles.json")["styles"]}


@lru_cache(maxsize=1)
def default_scene() -> str:
    """What is seen when the user says nothing about the scene."""
    return read("styles.json")["default_scene"]


@lru_cache(maxsize=1)
def folding() -> dict[int, str]:
    """A ``str.translate`` table: full-width ASCII forms and punctuation to plain ASCII, nothing else."""
    full_width = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    return full_width | {ord(mark): plain for mark, plain in read("punctuation.json")["fold"].items()}
