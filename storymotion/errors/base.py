"""What every error has, and errors that any input can have."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from ..messages import Bilingual, korean


@dataclass(eq=False)
class StoryMotionError(Exception):
    """Base of the tree. Subclasses are dataclasses whose fields fill the two sentences."""

    code: ClassVar[str] = "storymotion"
    problem: ClassVar[str] = "StoryMotion could not do this."
    remedy: ClassVar[str] = "See the log above for the reason."
    language = "en"  # of ``str(error)``; set on the error by whoever shows it

    def __post_init__(self) -> None:
        super().__init__()

    def values(self) -> dict[str, object]:
        """The fields that fill the sentences, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def speak(self, language: str) -> str:
        """Both sentences in English, for ``language == "ko"`` followed by the Korean on a new line."""
        english = f"{self.problem} {self.remedy}".format(**self.values())
        return f"{english}\n{korean('errors', self.code, self.values())}" if language == "ko" else english

    def as_value(self) -> Bilingual:
        """Both sentences in one line, to be told within another sentence."""
        return Bilingual(StoryMotionError.speak(self, "en"), korean("errors", self.code, self.values()))

    def __str__(self) -> str:
        return self.speak(self.language)


@dataclass(eq=False)
class ValueOutOfRange(StoryMotionError):
    """A number is outside its range; NaN and infinities are outside every range."""

    code = "value-out-of-range"
    problem = "{name} is {value}."
    remedy = "Set it to a number from {lowest} to {highest}."
    name: str
    value: float
    lowest: float
    highest: float


@dataclass(eq=False)
class UnknownChoice(StoryMotionError):
    """A name is not one of the offered ones."""

    code = "unknown-choice"
    problem = "{name} is '{value}', which is not one of the choices."
    remedy = "Choose one of: {choices}."
    name: str
    value: str
    choices: str
