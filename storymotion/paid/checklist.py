"""What everybody should know about an account before paying: seven facts for each provider, as data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from ..report import Line, line

SHIPPED_CHECKLIST = Path(__file__).parent / "checklist.json"
TOPICS = ("minimum-balance", "minimum-top-up", "free-credit", "refunds", "expiry", "rounding", "usage")


@dataclass(frozen=True)
class Fact:
    """One of ``TOPICS``. ``verified``: an official source says so; else its sentence says "unverified, check first"."""

    code: str
    source: str
    date: str
    verified: bool

    def line(self) -> Line:
        """The fact in words, with its source and date."""
        return line(self.code, source=self.source, date=self.date)


@dataclass(frozen=True)
class Checklist:
    """The facts of ``provider`` (its id). Whoever read it before ``date`` has to read it again."""

    provider: str
    date: date
    facts: tuple[Fact, ...]

    def lines(self, name: str) -> tuple[Line, ...]:
        """A heading and the facts; ``name`` is the provider's."""
        heading = line("checklist", provider=name, date=self.date.isoformat())
        return heading, *(fact.line() for fact in self.facts)


@cache
def read_checklist(provider: str) -> Checklist:
    """The checklist of the provider with this id. Raises KeyError when there is none."""
    stored = json.loads(SHIPPED_CHECKLIST.read_text(encoding="utf-8"))
    facts = tuple(Fact(**entry) for entry in stored["providers"][provider])
    return Checklist(provider, date.fromisoformat(stored["date"]), facts)
