"""A line of dialogue and a scene become a motion sentence, a prompt and a negative prompt."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UnknownChoice
from ..report import Line, line
from .data import Style, default_scene, styles, templates
from .rule import choose_gesture, stripped

AUTO = "auto"
GUARDS = ("safe", "still", "expressive")
ENGINES = ("ltx-2", "seedance")


@dataclass(frozen=True)
class MotionPlan:
    """What to ask of the engine. ``preset`` is the id of the gesture, or "still" for none."""

    motion: str
    prompt: str
    negative_prompt: str
    preset: str
    reasons: tuple[Line, ...]


def preset_choices() -> tuple[str, ...]:
    """Names of the gestures a user can ask for, "auto" first."""
    return (AUTO, *templates().gestures)


def map_motion(
    dialogue: str, scene: str = "", style: str = "anime", guard: str = "safe", preset: str = AUTO, engine: str = "ltx-2"
) -> MotionPlan:
    """Turn a line into motion that keeps eyes and face.

    ``guard``: "safe" adds the hold after the gesture, "still" is the hold alone, "expressive" lets
    face and voice follow the line, which is quoted word for word. ``engine``: SeeDANCE has no
    negative prompt, so it gets none. The line itself is never altered.

    Raises UnknownChoice.
    """
    for name, value, choices in (
        ("style", style, tuple(styles())),
        ("guard", guard, GUARDS),
        ("preset", preset, preset_choices()),
        ("engine", engine, ENGINES),
    ):
        if value not in choices:
            raise UnknownChoice(name, value, ", ".join(choices))
    reasons: list[Line] = []
    if guard == "still":
        chosen = None
        reasons.append(line("motion-still"))
    elif preset == AUTO:
        choice = choose_gesture(dialogue)
        chosen = choice.preset
        reasons.append(choice.reason)
    else:
        chosen = preset
        reasons.append(line("motion-asked", preset=preset))
    words = templates()
    motion = f"{words.gestures[chosen]}, then {words.hold}" if chosen else words.hold
    if guard == "expressive":
        motion = _expressive(words.gestures[chosen] if chosen else "", dialogue)
    negative = styles()[style].negative if engine == "ltx-2" else ""
    if engine != "ltx-2":
        reasons.append(line("motion-no-negative", engine=engine))
    prompt = _fill(styles()[style], scene, motion)
    return MotionPlan(motion, prompt, negative, chosen or words.no_gesture, tuple(reasons))


def _expressive(gesture: str, dialogue: str) -> str:
    words = templates()
    text = stripped(dialogue)
    # The line goes in between the halves of the template, so that braces in it stay what they are.
    before, after = words.speech.split("{line}")
    parts = (gesture, words.expressive, f"{before}{text}{after}" if text else "")
    return ", ".join(part for part in parts if part)


def _fill(style: Style, scene: str, motion: str) -> str:
    """The style's skeleton with both texts in it; a full stop that the user typed is not doubled."""
    seen = " ".join(scene.split()).rstrip(".") or default_scene()
    before, rest = style.prompt.split("{scene}")
    between, after = rest.split("{motion}")
    return before + seen + between + motion[:1].upper() + motion[1:] + after
