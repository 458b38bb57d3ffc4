"""What a node tells its user: lines by code, so that they can be said in English and in Korean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .messages import english, korean


@dataclass(frozen=True)
class Line:
    """One sentence of a report: a code of ``messages/*.json`` and the values that fill it."""

    code: str
    values: Mapping[str, object] = field(default_factory=dict)

    def speak(self, language: str = "en") -> str:
        """The sentence in English, for ``language == "ko"`` followed by the Korean."""
        sentence = english("report", self.code, self.values)
        return f"{sentence} / {korean('report', self.code, self.values)}" if language == "ko" else sentence


def line(code: str, **values: object) -> Line:
    """A report line; ``values`` fill the template of ``code``."""
    return Line(code, values)


def speak(lines: tuple[Line, ...] | list[Line], language: str = "en") -> str:
    """The lines as text, one a line."""
    return "\n".join(each.speak(language) for each in lines)
