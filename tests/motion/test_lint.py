"""The text of a scene against the guard: whole words, denied ones, both languages, and nothing mutilated."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymotion.errors import UnknownChoice
from storymotion.motion.data import GUARDS, read
from storymotion.motion.lint import LINTS, findings, lint_scene, shows

CATEGORIES = read("lint.json")["categories"]
FORMS = {form: (each, instead) for each in CATEGORIES for form, instead in each["forms"].items()}
CASES = json.loads((Path(__file__).parent / "scenes.json").read_text(encoding="utf-8"))["scenes"]
# Scenes made of the forms, of what denies and joins them, and of anything.
JOINING = ["no", "not", "without", "never", "don't", "a", "the", "girl", "and", ",", ".", ";", "'", "-"]
PIECES = [*FORMS, *FORMS, *JOINING, "sPANNING", "camera", "run-down", "waves"]
SCENES = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=14).map(" ".join) | st.text()
WORD = re.compile(r"[\w']+")


@pytest.mark.parametrize("case", CASES, ids=[case["scene"][:40] for case in CASES])
def test_scenes(case: dict) -> None:
    guard = case.get("guard", "safe")
    found = lint_scene(case["scene"], guard).findings
    assert [each.words for each in found if not each.negated] == case.get("found", [])
    assert [each.words for each in found if each.negated] == case.get("denied", [])
    assert lint_scene(case["scene"], guard, "soften").text == case.get("softened", case["scene"])
    assert lint_scene(case["scene"], guard, "drop").text == case.get("dropped", case["scene"])


def test_the_cases_are_in_both_languages() -> None:
    assert sum(case["scene"].isascii() for case in CASES) >= 15
    assert sum(not case["scene"].isascii() for case in CASES) >= 10


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found_in_any_case_and_spacing(form: str) -> None:
    category = FORMS[form][0]["id"]
    for text in (form, form.upper(), f"a girl, {form.capitalize()}.", form.replace(" ", "  ")):
        assert [each.category for each in findings(text, (category,))] == [category], text
    assert findings(f"x{form}", (category,)) == () or " " in form
    assert findings(f"{form}x", (category,)) == () or " " in form


@pytest.mark.parametrize("form", [form for form in FORMS if FORMS[form][0]["guards"]])
def test_what_softens_contradicts_no_guard(form: str) -> None:
    category, instead = FORMS[form]
    assert instead
    for guard in category["guards"]:
        assert lint_scene(instead, guard).findings == ()


@given(SCENES, st.sampled_from(GUARDS), st.sampled_from(LINTS))
def test_a_second_pass_changes_nothing(scene: str, guard: str, lint: str) -> None:
    once = lint_scene(scene, guard, lint)
    assert lint_scene(once.text, guard, lint).text == once.text
    if lint == "keep" or all(each.negated for each in once.findings):
        assert once.text == scene
    else:
        assert [each for each in lint_scene(once.text, guard).findings if not each.negated] == []


@given(SCENES, st.sampled_from(GUARDS))
def test_no_word_is_split(scene: str, guard: str) -> None:
    words = set(WORD.findall(scene))
    places = set(read("lint.json")["after_verbs"]["words"].values())
    assert set(WORD.findall(lint_scene(scene, guard, "drop").text)) <= words | places
    softer = {word.lower() for _, instead in FORMS.values() for word in WORD.findall(instead)}
    softened = {word.lower() for word in WORD.findall(lint_scene(scene, guard, "soften").text)}
    assert softened <= {word.lower() for word in words} | softer


@given(SCENES, st.sampled_from(GUARDS))
def test_findings_tell_where_they_stand(scene: str, guard: str) -> None:
    for each in lint_scene(scene, guard).findings:
        assert scene[each.start : each.end] == each.words


def test_what_a_scene_shows_is_not_what_it_denies() -> None:
    assert shows("a boy, hands in his pockets", ("free-hand",)) == "hands in his pockets"
    assert shows("a boy without hands in his pockets", ("free-hand",)) is None
    assert shows("a boy", ("free-hand", "head")) is None


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_hangul_in_parts_is_checked_as_whole_syllables_are(form: Literal["NFC", "NFD"]) -> None:
    # "A boy runs, a move of the camera, does not dance": a verb, a noun with its particle, a denied one.
    runs, shake = "\uc18c\ub144\uc774 \ub2ec\ub9b0\ub2e4", "\uce74\uba54\ub77c \uc774\ub3d9\uc744"
    scene = f"{runs}, {shake}, \ucda4\ucd94\uc9c0 \uc54a\ub294\ub2e4"
    found = lint_scene(unicodedata.normalize(form, scene)).findings
    assert [(each.category, each.negated) for each in found] == [("body", False), ("camera", False), ("body", True)]
    assert found[1].instead == "\uace0\uc815\ub41c \uce74\uba54\ub77c\ub97c"


def test_unknown_choices() -> None:
    with pytest.raises(UnknownChoice, match="lint is 'delete'"):
        lint_scene("a girl", "safe", "delete")
    with pytest.raises(UnknownChoice, match="guard is 'loose'"):
        lint_scene("a girl", "loose")
