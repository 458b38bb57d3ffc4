"""The creator's rule: which gesture goes with a line of dialogue, and what the fuller reading decides instead."""

from __future__ import annotations

from dataclasses import dataclass

from ..report import Line, line
from .reading import Reading, read_line
from .text import stripped

LONG_LINE = 20
# What 20 characters of English take to say at 150 words a minute: 1.4 s, or 8 syllables of Korean.
LONG_SECONDS = 1.4


@dataclass(frozen=True)
class Choice:
    """The preset chosen for a line (None: no gesture, only the hold) and why."""

    preset: str | None
    reason: Line


def choose_gesture(dialogue: str, reading: Reading | None = None) -> Choice:
    """The creator's rule, first hit wins: "!" turns the head, "?" nods, a long line leans, else a hand.

    The marks of every keyboard count. The fuller reading decides where the rule has nothing to go by:
    nobody in the picture says anything (empty line, only dots, narration, a line in brackets) -> no
    gesture, where the origin raised a hand at silence; a line that is not plain ASCII asks, exclaims or
    commands by its ending; a line in Korean, Japanese or Chinese is long when it takes long to say. For
    lines of plain ASCII that are said by somebody it is the creator's rule to the letter.
    """
    text = stripped(dialogue)
    read = reading or read_line(dialogue)
    if not text:
        return Choice(None, line("motion-empty-line"))
    if read.intent == "narrate":
        return Choice(None, line("motion-narration"))
    if not read.voiced:
        return Choice(None, line("motion-no-words"))
    if "!" in read.marks:
        return Choice("A-head-turn", line("motion-exclamation"))
    if "?" in read.marks:
        return Choice("D-micro-nod", line("motion-question"))
    if not text.isascii():
        if read.intent == "ask":
            return Choice("D-micro-nod", line("motion-asks", evidence=read.evidence))
        if read.intent in ("exclaim", "command"):
            return Choice("A-head-turn", line("motion-exclaims", evidence=read.evidence))
    if read.speech.language != "other":
        seconds = read.speech.seconds
        if seconds >= LONG_SECONDS:
            return Choice("B-forward-lean", line("motion-long-speech", seconds=seconds, limit=LONG_SECONDS))
        return Choice("C-hand-raise", line("motion-short-speech", seconds=seconds, limit=LONG_SECONDS))
    if len(text) >= LONG_LINE:
        return Choice("B-forward-lean", line("motion-long-line", length=len(text), limit=LONG_LINE))
    return Choice("C-hand-raise", line("motion-short-line", length=len(text), limit=LONG_LINE))
