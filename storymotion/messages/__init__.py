"""Sentences as data: ``en.json`` and ``ko.json`` beside this file, looked up by code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
# Values that hold our own words, or what another program said. Others may be names that a user gave, and stay.
OWN_WORDS = ("found", "kind", "layer", "missing", "phase", "reason", "role", "wanted", "what")


@dataclass(frozen=True)
class Bilingual:
    """A value that is itself a sentence: ``korean`` in a Korean one, ``english`` everywhere else."""

    english: str
    korean: str

    def __str__(self) -> str:
        return self.english


@cache
def catalogue(language: str) -> dict[str, dict[str, str]]:
    """All sentences of ``language`` ("en" or "ko"): ``{section: {code: template}}``."""
    return json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))


def korean(section: str, code: str, values: Mapping[str, object]) -> str:
    """The Korean sentence for ``code`` with ``values`` filled in. KeyError if there is none."""
    said = {name: _as_korean(name, value) for name, value in values.items()}
    return catalogue("ko")[section][code].format(**said)


def korean_value(text: str) -> str:
    """What an English sentence was filled with, in Korean: the whole, the parts of a list, or a pattern with gaps.

    ``text`` itself where the section "values" has none of them: a name, a number, what another program said.
    """
    if text in catalogue("ko")["values"]:
        return catalogue("ko")["values"][text]
    parts = {part: korean_value(part) for part in text.split(", ") if part != text}
    if parts and all(part != said for part, said in parts.items()):
        return ", ".join(parts.values())
    for pattern, template in _patterns():
        found = pattern.fullmatch(text)
        if found:
            return template.format(*map(korean_value, found.groups()))
    return text


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The values with gaps, those with the most words of their own first."""
    gaps = {text: said for text, said in catalogue("ko")["values"].items() if "{}" in text}
    ordered = sorted(gaps, key=lambda text: len(text.replace("{}", "")), reverse=True)
    return tuple((re.compile("(.+)".join(map(re.escape, text.split("{}")))), gaps[text]) for text in ordered)


def _as_korean(name: str, value: object) -> object:
    if isinstance(value, Bilingual):
        return value.korean
    return korean_value(value) if name in OWN_WORDS and isinstance(value, str) else value


def english(section: str, code: str, values: Mapping[str, object]) -> str:
    """The English sentence for ``code`` with ``values`` filled in. KeyError if there is none."""
    return catalogue("en")[section][code].format(**values)
