"""Gestures, engines, styles and punctuation: read once from the JSON files beside this one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# How much may move, from one small gesture to all that the line feels.
GUARDS = ("safe", "still", "expressive")


@dataclass(frozen=True)
class Gesture:
    """One movement, and when it fits.

    ``guards`` and ``intents``: those it may be used with. ``body``: the part that moves. ``seconds``: about
    how long it takes. ``needs`` and ``forbids``: keys of lint.json; it is not chosen for a scene that takes
    away a need or shows what it forbids. ``text``: its words for each engine, visible states only.
    ``creator``: one of the creator's four, which can be asked for by name.
    """

    id: str
    label_ko: str
    creator: bool
    guards: tuple[str, ...]
    intents: tuple[str, ...]
    body: str
    seconds: float
    needs: tuple[str, ...]
    forbids: tuple[str, ...]
    text: Mapping[str, str]


@dataclass(frozen=True)
class Templates:
    """The words motion is made of; every mapping without another key is from engine to words.

    ``languages``: what ``speech`` calls the language of a line, by the language that is read (see speech.py).

    ``gestures``: by id. ``hold`` follows a gesture and takes ``hold_seconds``. ``second_beat`` is added when
    the shot lasts more than ``second_beat_from`` seconds. ``states``: guard -> engine -> what stays as it is.
    ``intents_ko``: intent -> what a line with it is called in Korean.
    """

    gestures: Mapping[str, Gesture]
    hold: Mapping[str, str]
    hold_seconds: float
    second_beat: Mapping[str, str]
    second_beat_from: float
    expressive: Mapping[str, str]
    speech: Mapping[str, str]
    languages: Mapping[str, str]
    states: Mapping[str, Mapping[str, str]]
    intents_ko: Mapping[str, str]


@dataclass(frozen=True)
class Engine:
    """Who renders: how its prompt is laid out, how long it may be, and whether it has a negative prompt.

    ``filler`` sentences are added to the prompt until it has ``filler_until`` words.
    """

    id: str
    most_words: int
    negative: bool
    layout: str
    filler: tuple[str, ...]
    filler_until: int


@dataclass(frozen=True)
class Style:
    """A look of the picture: its words, its family, and what to keep away from."""

    id: str
    family: str
    illustrated: bool
    look: str
    negative: str
    label_ko: str


def read(name: str) -> dict:
    """The content of one of the JSON files beside this one."""
    return json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def templates() -> Templates:
    """All gestures in the order in which they are tried, and the words around them."""
    data = read("templates.json")
    lists = ("guards", "intents", "needs", "forbids")
    gestures = [Gesture(**{**each, **{name: tuple(each[name]) for name in lists}}) for each in data["gestures"]]
    return Templates(
        gestures={each.id: each for each in gestures},
        hold=data["hold"]["text"],
        hold_seconds=data["hold"]["seconds"],
        second_beat=data["second_beat"]["text"],
        second_beat_from=data["second_beat"]["from_seconds"],
        expressive=data["expressive"],
        speech=data["speech"],
        languages=data["languages"],
        states=data["states"],
        intents_ko=data["intents_ko"],
    )


@lru_cache(maxsize=1)
def engines() -> Mapping[str, Engine]:
    """All engines by id, in the order in which they are offered."""
    data = read("engines.json")["engines"]
    return {each["id"]: Engine(**{**each, "filler": tuple(each["filler"])}) for each in data}


@lru_cache(maxsize=1)
def styles() -> Mapping[str, Style]:
    """All styles by id, in the order in which they are offered. A style without a negative has its family's."""
    data = read("styles.json")
    families = {each["id"]: each for each in data["families"]}
    found = {}
    for each in data["styles"]:
        family = families[each["family"]]
        found[each["id"]] = Style(**{"negative": family["negative"], "illustrated": family["illustrated"], **each})
    return found


@lru_cache(maxsize=2)
def default_scene(illustrated: bool = True) -> str:
    """What is seen when the user says nothing about the scene."""
    return read("styles.json")["default_scene" if illustrated else "default_live_scene"]


@lru_cache(maxsize=1)
def folding() -> Mapping[int, str]:
    """A ``str.translate`` table: full-width ASCII forms and punctuation to plain ASCII, nothing else."""
    full_width = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    return full_width | {ord(mark): plain for mark, plain in read("punctuation.json")["fold"].items()}
