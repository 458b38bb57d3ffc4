"""The intent of lines in four languages, as written down before the code, and how long they take to say."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymotion.motion.reading import INTENTS, read_line
from storymotion.motion.speech import speech_of
from storymotion.motion.spoken import Spoken, spoken_of
from storymotion.motion.text import folded, stripped

HERE = Path(__file__).parent
TABLE = json.loads((HERE / "intents.json").read_text(encoding="utf-8"))


def misses(lines: list[dict[str, str]]) -> dict[str, str]:
    """The lines that are read in another way than expected, each with how."""
    read = {each["line"]: read_line(each["line"]).intent for each in lines}
    return {each["line"]: read[each["line"]] for each in lines if read[each["line"]] != each["intent"]}


def test_every_line_of_the_table_is_read_as_expected() -> None:
    assert misses(TABLE["lines"]) == {}


def test_the_table_is_large_and_has_every_intent_in_every_language() -> None:
    assert len(TABLE["lines"]) >= 300
    counts = Counter((each["intent"], each["language"]) for each in TABLE["lines"])
    spoken = [intent for intent in INTENTS if intent != "silent"]
    assert [(intent, each) for intent in spoken for each in ("ko", "ja", "zh", "en") if not counts[intent, each]] == []
    assert max(len(each["line"]) for each in TABLE["lines"]) >= 500


@pytest.mark.parametrize(
    ("table", "lines", "share"),
    [("intents_unseen", 120, 0.08), ("intents_review", 350, 0.02), ("intents_review_unseen", 140, 0.15)],
)
def test_lines_of_other_tables_are_mostly_read_as_expected(table: str, lines: int, share: float) -> None:
    other = json.loads((HERE / f"{table}.json").read_text(encoding="utf-8"))
    assert misses(other["lines"]) == other["misses"]
    assert len(other["lines"]) >= lines
    assert len(other["misses"]) / len(other["lines"]) < share


def test_words_that_only_look_like_cues_are_plain() -> None:
    review = json.loads((HERE / "intents_review.json").read_text(encoding="utf-8"))
    assert {line: read_line(line).intent for line in review["plain"] if read_line(line).intent != "plain"} == {}
    assert len(review["plain"]) > 90


def test_the_highest_score_decides_and_the_evidence_is_told() -> None:
    reading = read_line("\uac00\uc9c0 \ub9c8! \u3160\u3160")
    assert (reading.intent, reading.evidence) == ("sob", "\u3160\u3160")
    assert list(reading.scores) == ["sob", "command", "exclaim", "plain"]
    assert reading.scores["sob"] > reading.scores["command"] > reading.scores["exclaim"] > reading.scores["plain"]
    assert read_line("No!!!").scores["exclaim"] > read_line("No!").scores["exclaim"]


@pytest.mark.parametrize(
    ("line", "marks"),
    [
        ("\uff37\uff4f\uff57\uff01\uff1f", "Wow!?"),
        ("\u314b\u314b \u3160\u3160\u2026", "\u314b\u314b \u3160\u3160..."),
        ("\u300c\u672c\u5f53\u3067\u3059\u304b\u300d", '"\u672c\u5f53\u3067\u3059\u304b"'),
        ("\u202ea\u200bb\x07c\u202c", "abc"),
        ("\u2757\ufe0f", "!"),
        ("\ufb01n \u2460 \u00bd", "\ufb01n \u2460 \u00bd"),
    ],
)
def test_only_marks_and_full_width_forms_are_folded(line: str, marks: str) -> None:
    assert folded(line) == marks


def test_speech_takes_as_long_as_the_language_needs() -> None:
    assert speech_of("\uac00" * 11).seconds == pytest.approx(2.0)
    assert speech_of("\u5929" * 10).seconds == pytest.approx(10 / 5.18)
    # With kana the same characters are Japanese, where one has two morae.
    assert speech_of("\u5929" * 10 + "\u306e").seconds == pytest.approx(21 / 7.84)
    assert speech_of("").seconds == 0
    words = " ".join(["morning"] * 150)
    assert speech_of(words).seconds == pytest.approx(150 * 2 / 3.75)
    assert speech_of("\uac00, \uac00").seconds == pytest.approx(speech_of("\uac00 \uac00").seconds + 0.2)


@pytest.mark.parametrize("line", ["\uc5b4\ub514 \uac00\ub2c8", "\uc870\uc2ec\ud574!", "\u3060\u308c\u3067\u3059\u304b"])
def test_letters_that_a_mac_writes_in_parts_are_read_as_whole_ones(line: str) -> None:
    parts = unicodedata.normalize("NFD", line)
    assert parts != line
    assert read_line(parts) == read_line(line)


@pytest.mark.parametrize(
    ("line", "name", "text", "directions"),
    [
        ("\ubbfc\uc218: \uc5b4\ub514 \uac00?", "\ubbfc\uc218:", "\uc5b4\ub514 \uac00?", ()),
        (
            "\u592a\u90ce\u300c\u9003\u3052\u308d\uff01\u300d",
            "\u592a\u90ce",
            "\u300c\u9003\u3052\u308d\uff01\u300d",
            (),
        ),
        ("\uc5c4\ub9c8\uff1a\ubc25", "\uc5c4\ub9c8\uff1a", "\ubc25", ()),
        ("Tom(softly): Go", "Tom :", "Go", ("(softly)",)),
        ("*sobs* no", "", "no", ("*sobs*",)),
        ("(\xb4\u30fb\u03c9\u30fb`)", "", "", ()),
        ("10:30", "", "10:30", ()),
        ("http://example.com", "", "http://example.com", ()),
        ("Tom:", "", "Tom:", ()),
    ],
)
def test_who_says_it_and_how_are_told_apart_from_what_is_said(
    line: str, name: str, text: str, directions: tuple[str, ...]
) -> None:
    assert spoken_of(line) == Spoken(name, text, directions)


def test_a_name_takes_no_time_to_say_hides_no_order_and_tells_no_tale() -> None:
    said = read_line("\uc5b4\ub514 \uac00?").speech
    assert read_line("\ubbfc\uc218: \uc5b4\ub514 \uac00?").speech == said
    assert read_line("Look: a bird").intent == "command"
    assert read_line("That night, the wolf came.").intent == "narrate"
    assert read_line("Grandpa: That night, the wolf came.").intent == "plain"


def test_marks_in_an_address_are_no_question() -> None:
    assert read_line("It is on https://example.com/?page=2").intent == "plain"
    assert read_line("Is it on https://example.com/?page=2 ?").intent == "ask"


def test_long_lines_made_to_be_hard_to_match_are_read_all_the_same() -> None:
    # A pattern that takes the square of the length needs minutes for these; a process can be stopped.
    code = (
        "from storymotion.motion.reading import read_line\n"
        "read_line('-' * 200_000 + 'a'), read_line('\\ud1a0\\ub07c\\uac00 ' * 50_000 + '\\ud588\\uc5b4')"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=root)


def test_only_what_is_said_is_measured() -> None:
    assert read_line("(\ucc9c\ucc9c\ud788 \ub4e4\uc5b4\uc624\uba70) \ub124").speech.syllables == 1


@given(st.text())
def test_any_text_is_read_alike_every_time(line: str) -> None:
    reading = read_line(line)
    assert reading == read_line(line)
    assert reading.intent in INTENTS
    assert reading.scores[reading.intent] == max(reading.scores.values())
    assert reading.speech.seconds >= 0
    assert folded(reading.marks) == reading.marks
    assert stripped(line) in line
