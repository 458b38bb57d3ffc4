"""Sentences as data: ``en.json`` and ``ko.json`` beside this file, looked up by code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


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
    said = {name: value.korean if isinstance(value, Bilingual) else value for name, value in values.items()}
    return catalogue("ko")[section][code].format(**said)


def english(section: str, code: str, values: Mapping[str, object]) -> str:
    """The English sentence for ``code`` with ``values`` filled in. KeyError if there is none."""
    return catalogue("en")[section][code].format(**values)
