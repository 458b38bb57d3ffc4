"""The creator's rule, on marks of every keyboard, and where the fuller reading decides instead."""

from __future__ import annotations

import json
import random
import re
import string
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymotion.motion.mapper import map_motion
from storymotion.motion.rule import choose_gesture

CASES = json.loads((Path(__file__).parent / "lines.json").read_text(encoding="utf-8"))["lines"]
# The creator's templates and rule as they are in modal-server/main_official.py.
TEMPLATES = {
    "A": "quick head turn toward the listener",
    "B": "slight forward lean",
    "C": "raise one hand slightly below the chin (hand stays away from face)",
    "D": "micro nod once",
}
STILL = "hold still, subtle breathing"
IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\*(?=\S)[^*]+(?<=\S)\*")
TOLD = ("Narrator: ", "Once upon a time, ", "Meanwhile, ", "That night, ")
OPENING = re.compile(r"(Once upon a time|Meanwhile|That night)\b")
WORDS = "the cat bread window I you we Anna morning stay never home laughed haha um wait run what is who 42 T_T o'clock"
MARKS = ["", "", ".", "...", ",", "!", "?", "?!", "!!", "-", "--", "~", ";"]


def creators_function(line: str) -> str:
    """What the creator's function makes of a line: first hit wins."""
    if "!" in line:
        key = "A"
    elif "?" in line:
        key = "D"
    elif len(line) >= 20:
        key = "B"
    else:
        key = "C"
    return f"{TEMPLATES[key]}, then {STILL}"


def documented_difference(line: str) -> str | None:
    """Why a line of ASCII does not get what the creator's function makes of it; this is all there is."""
    text = line.strip()
    outside = IN_BRACKETS.sub("", text)
    if not any(map(str.isalnum, outside)):
        if any(map(str.isalnum, text)):
            return "all of it stands in brackets or asterisks"
        if not set("!?") & set(text):
            return "no word is said"
    if text.startswith("Narrator:"):
        return "narration"
    if OPENING.match(text) and not re.search(r"\b(i|you|we)\b", outside.lower()):
        return "narration"
    return None


def generated(number: int) -> str:
    """An ASCII line of words or of any printable characters, some of them spaced, bracketed or told."""
    chance = random.Random(number)
    if chance.random() < 0.3:
        line = "".join(chance.choices(string.printable[:95], k=chance.randrange(40)))
    else:
        words = chance.choices(WORDS.split(), k=chance.randrange(9))
        line = " ".join(word + chance.choice(MARKS) for word in words)
    kind = chance.random()
    if kind < 0.04:
        line = f"({line})"
    elif kind < 0.06:
        line = f"[{line}]"
    elif kind < 0.1:
        line = chance.choice(TOLD) + line
    elif kind < 0.15:
        line = f"  {line}\t"
    return line


def test_ten_thousand_lines_of_ascii_get_what_the_creators_function_makes() -> None:
    differences: Counter[str] = Counter()
    for number in range(10_000):
        line = generated(number)
        difference = documented_difference(line)
        # White space at the ends is no part of the line: the third difference.
        wanted = STILL if difference else creators_function(line.strip())
        if difference is None and wanted != creators_function(line):
            difference = "white space at the ends"
        assert map_motion(line).motion == wanted, (line, difference)
        differences[difference or "none"] += 1
    assert differences["none"] > 8000
    assert min(differences.values()) > 10
    assert set(differences) == {
        "none",
        "no word is said",
        "all of it stands in brackets or asterisks",
        "narration",
        "white space at the ends",
    }


@pytest.mark.parametrize(("dialogue", "preset"), [(case["line"], case["preset"]) for case in CASES])
def test_lines(dialogue: str, preset: str | None) -> None:
    assert choose_gesture(dialogue).preset == preset


def test_why_there_is_no_gesture_is_told_apart() -> None:
    reasons = [choose_gesture(line).reason.code for line in ("", "...", "[The door closes.]", "Narrator: Hello!")]
    assert reasons == ["motion-empty-line", "motion-no-words", "motion-narration", "motion-narration"]


@given(st.text())
def test_any_text_gets_a_choice_and_always_the_same(dialogue: str) -> None:
    assert choose_gesture(dialogue) == choose_gesture(dialogue)
