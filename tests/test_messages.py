"""Every error and every report line can be said in both languages, with the same values in it."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from storymotion.errors import RenderFailed, StoryMotionError, WrongKindOfModel
from storymotion.ltx.checkpoint import CHECKPOINTS, PARTS
from storymotion.ltx.meter import DECODING, READING, STAGE_1, STAGE_2
from storymotion.ltx.names_1_2 import BUILDERS
from storymotion.messages import OWN_WORDS, catalogue, korean_value
from storymotion.report import line

ROOT = Path(__file__).parents[1]
SAMPLES = {
    "int": 7,
    "float": 0.5,
    "str": "sample",
    "str | Bilingual": "sample",
    "tuple[Line, ...]": (line("story-empty"), line("story-key-twice", line=3, name="image")),
}


def error_classes(base: type[StoryMotionError] = StoryMotionError) -> list[type[StoryMotionError]]:
    """All classes that say something of their own; the others only group them."""
    below = [each for child in base.__subclasses__() for each in error_classes(child)]
    return [base, *below] if "code" in vars(base) else below


def placeholders(template: str) -> set[tuple[str, str]]:
    """What is filled in, with its format: "{fps:g}" -> ("fps", "g")."""
    return {(name, spec or "") for _, name, spec, _ in string.Formatter().parse(template) if name is not None}


def report_lines() -> Iterator[tuple[str, ast.Call]]:
    """Every ``line("code", ...)`` in the pack, with where it is."""
    for folder in ("nodes", "storymotion"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "line":
                    yield f"{file.relative_to(ROOT).as_posix()}:{call.lineno}", call


def test_every_error_has_its_korean_and_no_korean_is_left_over() -> None:
    codes = [each.code for each in error_classes()]
    assert len(codes) == len(set(codes)) > 20
    assert set(catalogue("ko")["errors"]) == set(codes)


@pytest.mark.parametrize("error_class", error_classes(), ids=lambda each: each.code)
def test_an_error_says_the_same_values_in_both_languages(error_class: type[StoryMotionError]) -> None:
    english = placeholders(f"{error_class.problem} {error_class.remedy}")
    assert placeholders(catalogue("ko")["errors"][error_class.code]) == english
    names = {field.name for field in fields(error_class)} if is_dataclass(error_class) else set()
    assert {name for name, _ in english} == names


@pytest.mark.parametrize("error_class", error_classes(), ids=lambda each: each.code)
def test_an_error_speaks(error_class: type[StoryMotionError]) -> None:
    error = error_class(**{field.name: SAMPLES[str(field.type)] for field in fields(error_class)})
    english = error.speak("en")
    assert str(error) == english
    assert error.speak("ko").startswith(f"{english}\n")
    korean = error.speak("ko").removeprefix(f"{english}\n")
    # One line, and one more for each line of a report that the error holds: said in both languages.
    held = [each for value in error.values().values() if isinstance(value, tuple) for each in value]
    assert english.count("\n") == korean.count("\n") == len(held)
    assert all(each.speak("en") in english for each in held)
    assert all(
        each.speak("ko") == f"{each.speak('en')} / {said[2:]}" for each, said in zip(held, korean.split("\n")[1:])
    )
    for sentence in (english, korean):
        assert "{" not in sentence and "}" not in sentence
    error.language = "ko"
    assert str(error) == f"{english}\n{korean}"


def test_report_lines_have_the_same_codes_in_both_languages() -> None:
    assert set(catalogue("ko")["report"]) == set(catalogue("en")["report"])


@pytest.mark.parametrize("code", catalogue("en")["report"])
def test_a_report_line_says_the_same_values_in_both_languages(code: str) -> None:
    assert placeholders(catalogue("ko")["report"][code]) == placeholders(catalogue("en")["report"][code])


def test_report_lines_are_called_with_what_they_need() -> None:
    checked = 0
    for where, call in report_lines():
        code = call.args[0]
        if not isinstance(code, ast.Constant):
            continue
        assert code.value in catalogue("en")["report"], f"{where}: no report line has the code {code.value}"
        given = {keyword.arg for keyword in call.keywords}
        needed = {name for name, _ in placeholders(catalogue("en")["report"][code.value])}
        if None in given:  # **values: known only when it runs
            assert given - {None} <= needed, f"{where}: {code.value} does not say {given - needed}"
        else:
            assert given == needed, f"{where}: {code.value} needs {needed}, not {given}"
        checked += 1
    assert checked > 15


def filled_in() -> Iterator[tuple[str, str]]:
    """Every text of ours that fills a gap of an error where it is raised, with a number in the text's own gaps."""
    classes = {each.__name__: each for each in error_classes()}
    for folder in ("nodes", "storymotion"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in classes):
                    continue
                given = dict(zip([field.name for field in fields(classes[call.func.id])], call.args))
                for name, value in given.items():
                    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
                    gaps = {"role": "video VAE"}
                    said = "".join(
                        str(part.value) if isinstance(part, ast.Constant) else gaps.get(ast.unparse(part)[1:-1], "7")
                        for part in parts
                    )
                    # More than one word: what is one word is the name of an input, or of a state.
                    if name in OWN_WORDS and re.search("[a-z].* ", said):
                        yield f"{file.relative_to(ROOT).as_posix()}:{value.lineno}", said


def test_what_an_error_is_filled_with_is_korean_in_korean() -> None:
    texts = dict(filled_in())
    assert len(texts) > 40
    assert [f"{where} {text}" for where, text in texts.items() if korean_value(text) == text] == []
    kinds = [*PARTS.values(), *CHECKPOINTS]
    assert [text for text in kinds if korean_value(text) == text] == []


def test_every_phase_and_model_that_can_fail_is_korean_in_korean() -> None:
    kinds = {kind for builders in BUILDERS.values() for kind in builders.values()} | {"transformer"}
    doing = [READING, STAGE_1, STAGE_2, DECODING, *(f"loading the {kind.replace('_', ' ')}" for kind in kinds)]
    said = [RenderFailed(each, "x").speak("ko").splitlines()[1] for each in doing]
    assert len(kinds) > 6 and not [text for text in said if any(english in text for english in doing)]
    assert not [text for text in said if re.search("loading|encoder|decoder", text)]


def test_gaps_and_lists_are_filled_in_order() -> None:
    assert korean_value("it breaks off after 5 of 9 frames").index("9") == 0
    layer, more, vocoder = korean_value("layer 3: to_q.weight, 4 more weights, the vocoder").split(", ")
    assert layer.endswith(" 3: to_q.weight") and "4" in more and (layer + more + vocoder).count("weight") == 1


def test_names_that_a_user_gave_stay_as_they_are() -> None:
    error = WrongKindOfModel("a LoRA", "the checkpoint", "a LoRA", "an LTX-2 checkpoint")
    said = error.speak("ko").splitlines()[1]
    assert said.count("a LoRA") == 1 and "an LTX-2 checkpoint" not in said
