"""Motion, prompt and negative prompt from a line, word for word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storymotion.errors import UnknownChoice
from storymotion.motion.data import styles, templates
from storymotion.motion.mapper import GUARDS, map_motion, preset_choices

HOLD = ", then hold still, subtle breathing"


def test_the_creators_templates_word_for_word() -> None:
    assert map_motion("Look out!").motion == "quick head turn toward the listener" + HOLD
    assert map_motion("Really?").motion == "micro nod once" + HOLD
    assert map_motion("I never thought we would meet.").motion == "slight forward lean" + HOLD
    assert map_motion("Hello.").motion == "raise one hand slightly below the chin (hand stays away from face)" + HOLD
    assert map_motion("").motion == "hold still, subtle breathing"


def test_presets_are_named_as_documented() -> None:
    assert preset_choices() == ("auto", "A-head-turn", "B-forward-lean", "C-hand-raise", "D-micro-nod")


def test_a_chosen_preset_wins_over_the_line_and_still_over_both() -> None:
    assert map_motion("Look out!", preset="D-micro-nod").preset == "D-micro-nod"
    still = map_motion("Look out!", guard="still", preset="D-micro-nod")
    assert (still.motion, still.preset) == ("hold still, subtle breathing", "still")


def test_expressive_quotes_the_line_as_it_is() -> None:
    line = "{motion}? \\1 100% {}"
    plan = map_motion(line, guard="expressive")
    assert f'"{line}"' in plan.motion
    assert f'"{line}"' in plan.prompt
    assert "says" not in map_motion(" ", guard="expressive").motion


@pytest.mark.parametrize("style", list(styles()))
def test_the_prompt_is_the_styles_skeleton_with_scene_and_motion(style: str) -> None:
    plan = map_motion("Hello!", scene="A girl at a window.", style=style)
    assert plan.prompt.startswith("Style: ")
    assert "A girl at a window. Quick head turn toward the listener" in plan.prompt
    assert ".." not in plan.prompt
    assert "{" not in plan.prompt
    assert "anime character in a clean 2D scene" in map_motion("Hello!", style=style).prompt


def test_negatives_ask_for_no_less_drawing() -> None:
    for style in styles().values():
        assert not re.search(r"cartoon|stylized|anime|drawing|illustration|exaggerated|3d", style.negative, re.I)
        assert "closed eyes" in style.negative
    assert map_motion("Hi.", engine="seedance").negative_prompt == ""
    assert map_motion("Hi.").negative_prompt == styles()["anime"].negative


def test_prompts_hold_no_negations() -> None:
    # Text encoders read the noun behind a "no": the creator's own bracket in C is kept word for word.
    for text in [*templates().gestures.values(), templates().hold, templates().expressive]:
        assert not re.search(r"\b(no|not|never|without|don't)\b", text), text
    for style in styles().values():
        assert not re.search(r"\b(no|not|never|without|don't)\b", style.prompt), style.id


@pytest.mark.parametrize("name", ["style", "guard", "preset", "engine"])
def test_unknown_choices(name: str) -> None:
    with pytest.raises(UnknownChoice, match=f"{name} is 'nonsense'"):
        map_motion("Hello.", **{name: "nonsense"})


@given(st.text(), st.text(), st.sampled_from(GUARDS))
def test_any_text_makes_a_prompt(dialogue: str, scene: str, guard: str) -> None:
    plan = map_motion(dialogue, scene, guard=guard)
    assert plan.motion and plan.prompt and plan.reasons
    assert plan == map_motion(dialogue, scene, guard=guard)
