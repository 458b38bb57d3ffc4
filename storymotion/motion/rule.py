"""The creator's rule: which gesture goes with a line of dialogue."""

from __future__ import annotations

from dataclasses import dataclass

from ..report import Line, line
from .data import folding

LONG_LINE = 20
# Characters without ink that str.strip() leaves: zero-width space, word joiner, byte order mark.
INVISIBLE = "\u200b\u2060\ufeff"


@dataclass(frozen=True)
class Choice:
    """The preset chosen for a line (None: no gesture, only the hold) and why."""

    preset: str | None
    reason: Line


def stripped(dialogue: str) -> str:
    """The line without white space at its ends, also the kinds that have no width."""
    before = None
    while before != dialogue:
        before, dialogue = dialogue, dialogue.strip().strip(INVISIBLE)
    return dialogue


def choose_gesture(dialogue: str) -> Choice:
    """The creator's rule, first hit wins: "!" turns the head, "?" nods, a long line leans, else a hand.

    It reads a copy of the line in which full-width forms and punctuation are folded, so that the
    marks of a Korean or Japanese keyboard count. The length is that of the line as it was written
    (an ellipsis is one character). An empty line gets no gesture: the origin raised a hand at silence.
    """
    text = stripped(dialogue)
    if not text:
        return Choice(None, line("motion-empty-line"))
    marks = text.translate(folding())
    if "!" in marks:
        return Choice("A-head-turn", line("motion-exclamation"))
    if "?" in marks:
        return Choice("D-micro-nod", line("motion-question"))
    if len(text) >= LONG_LINE:
        return Choice("B-forward-lean", line("motion-long-line", length=len(text), limit=LONG_LINE))
    return Choice("C-hand-raise", line("motion-short-line", length=len(text), limit=LONG_LINE))
