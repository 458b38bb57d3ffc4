"""The creator's rule, on marks of every keyboard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymotion.motion.rule import choose_gesture, stripped

CASES = json.loads((Path(__file__).parent / "lines.json").read_text(encoding="utf-8"))["lines"]


def creators_function(line: str) -> str:
    """The rule as the creator wrote it (first hit wins), for lines of plain ASCII."""
    if "!" in line:
        return "A-head-turn"
    if "?" in line:
        return "D-micro-nod"
    if len(line) >= 20:
        return "B-forward-lean"
    return "C-hand-raise"


@pytest.mark.parametrize(("dialogue", "preset"), [(case["line"], case["preset"]) for case in CASES])
def test_lines(dialogue: str, preset: str | None) -> None:
    assert choose_gesture(dialogue).preset == preset


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126) | st.just(" "), min_size=1).filter(str.strip))
def test_ascii_lines_get_exactly_the_creators_gesture(dialogue: str) -> None:
    assert choose_gesture(dialogue).preset == creators_function(dialogue.strip())


@given(st.text())
def test_any_text_is_read_without_an_error_and_always_alike(dialogue: str) -> None:
    assert choose_gesture(dialogue) == choose_gesture(dialogue)
    assert stripped(dialogue) in dialogue
