"""Lines of dialogue and scenes become motion sentences, prompts and negative prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UnknownChoice
from ..messages import Bilingual
from ..report import Line, line
from .compose import write_prompt
from .data import GUARDS, Gesture, engines, styles, templates
from .lint import DROP, KEEP, LINTS, Finding, lint_scene, shows
from .reading import Reading, read_line
from .rule import choose_gesture
from .text import stripped

AUTO = "auto"
# Who renders a scene of a story; prompts can also be written for LTX-2.5 (see prompt_engines).
ENGINES = ("ltx-2", "seedance")
STILL = "still"
STILL_BLINK = "still-blink"
# A gesture may follow itself once, not twice.
IN_A_ROW = 2


@dataclass(frozen=True)
class MotionRequest:
    """One scene. ``seconds`` is the length of its shot (0: unknown), ``seed`` (>= 0) that of its story."""

    dialogue: str
    scene: str = ""
    style: str = "anime"
    guard: str = "safe"
    preset: str = AUTO
    engine: str = "ltx-2"
    seconds: float = 0.0
    seed: int = 0
    lint: str = KEEP


@dataclass(frozen=True)
class MotionPlan:
    """What to ask of the engine. ``preset`` is the id of the gesture, "still" or "still-blink" for none.

    ``reasons``: why this gesture, in one line, then what else there is to know. ``reading``: what was read in
    the line. ``findings``: what in the scene contradicts the guard. ``seconds``: about how long the gesture and
    the hold after it take at least.
    """

    motion: str
    prompt: str
    negative_prompt: str
    preset: str
    reasons: tuple[Line, ...]
    reading: Reading
    findings: tuple[Finding, ...]
    seconds: float


def preset_choices() -> tuple[str, ...]:
    """Names of the gestures a user can ask for, "auto" first: the creator's four."""
    return (AUTO, *(each.id for each in templates().gestures.values() if each.creator))


def prompt_engines() -> tuple[str, ...]:
    """Names of the engines a prompt can be written for."""
    return tuple(engines())


def map_motion(
    dialogue: str,
    scene: str = "",
    style: str = "anime",
    guard: str = "safe",
    preset: str = AUTO,
    engine: str = "ltx-2",
    seconds: float = 0.0,
    seed: int = 0,
    lint: str = KEEP,
) -> MotionPlan:
    """Turn one line into motion that keeps eyes and face: ``map_story`` for a story of one scene.

    Raises UnknownChoice.
    """
    return map_story([MotionRequest(dialogue, scene, style, guard, preset, engine, seconds, seed, lint)])[0]


def map_story(scenes: Sequence[MotionRequest]) -> list[MotionPlan]:
    """The motion of each scene, in story order.

    ``guard``: "safe" makes one small gesture by the creator's rule, then holds; "still" only breathes and
    blinks; "expressive" shows the feeling in face and body and quotes the line word for word. What is left
    open is decided by a hash of (seed, index of the scene, intent), the same on every machine, and no gesture
    is chosen for three scenes in a row. Lines are never altered; the scene is, if ``lint`` says so.

    Raises UnknownChoice.
    """
    plans: list[MotionPlan] = []
    for index, each in enumerate(scenes):
        plans.append(_mapped(each, index, tuple(plan.preset for plan in plans[-IN_A_ROW:])))
    return plans


def _mapped(asked: MotionRequest, index: int, before: tuple[str, ...]) -> MotionPlan:
    for name, value, choices in (
        ("style", asked.style, tuple(styles())),
        ("guard", asked.guard, GUARDS),
        ("preset", asked.preset, preset_choices()),
        ("engine", asked.engine, prompt_engines()),
        ("lint", asked.lint, LINTS),
    ):
        if value not in choices:
            raise UnknownChoice(name, value, ", ".join(choices))
    reading = read_line(asked.dialogue)
    gesture, reasons = _gesture(asked, reading, index, before)
    style, engine, words = styles()[asked.style], engines()[asked.engine], templates()
    quoted = asked.guard == "expressive" and reading.voiced and reading.speech.syllables > 0
    silent_motion = _motion(asked, gesture, reading)
    motion = f"{silent_motion}, {_speech(asked, reading)}" if quoted else silent_motion
    linted = lint_scene(asked.scene, asked.guard, asked.lint)
    prompt = write_prompt(engine, style, linted.text, motion, silent_motion, words.states[asked.guard][engine.id])
    reasons += _notes(asked, linted.findings)
    if quoted and 0 < asked.seconds < reading.speech.seconds:
        reasons.append(line("motion-speech-long", needed=reading.speech.seconds, seconds=asked.seconds))
    if prompt.line_left_out:
        reasons.append(line("motion-line-left-out", engine=engine.id, most=engine.most_words))
    if prompt.scene_cut:
        reasons.append(line("motion-scene-cut", engine=engine.id, most=engine.most_words))
    if not engine.negative:
        reasons.append(line("motion-no-negative", engine=engine.id))
    negative = style.negative if engine.negative else ""
    seconds = gesture.seconds + words.hold_seconds
    return MotionPlan(motion, prompt.text, negative, gesture.id, tuple(reasons), reading, linted.findings, seconds)


def _gesture(asked: MotionRequest, reading: Reading, index: int, before: tuple[str, ...]) -> tuple[Gesture, list[Line]]:
    """The gesture of a scene and the one sentence on why."""
    gestures = templates().gestures
    if asked.guard == "still":
        chosen, reason = gestures[STILL], line("motion-still")
    elif asked.preset != AUTO:
        chosen, reason = gestures[asked.preset], line("motion-asked", preset=asked.preset)
    elif asked.guard == "safe" or not reading.voiced:
        choice = choose_gesture(asked.dialogue, reading)
        chosen, reason = gestures[choice.preset or STILL], choice.reason
    else:
        fitting = [each for each in _candidates(asked, reading) if not each.id.startswith(STILL)]
        chosen = _picked(fitting, asked, index, reading) or gestures[STILL]
        if reading.evidence:
            intent = Bilingual(reading.intent, templates().intents_ko[reading.intent])
            reason = line("motion-expressive", preset=chosen.id, intent=intent, evidence=reading.evidence)
        else:
            reason = line("motion-expressive-plain", preset=chosen.id)
    free = asked.preset == AUTO or asked.guard == "still"
    obstacle = _obstacle(chosen, asked.scene)
    if free and obstacle:
        chosen = _picked(_candidates(asked, reading), asked, index, reading) or gestures[STILL]
        reason = line("motion-obstacle", preset=chosen.id, words=obstacle)
    if not _fits(chosen, asked.seconds):
        needed = chosen.seconds + templates().hold_seconds
        reason = line("motion-no-time", preset=chosen.id, needed=needed, seconds=asked.seconds)
        chosen = gestures[STILL]
    if free and before == (chosen.id,) * IN_A_ROW:
        others = [each for each in _candidates(asked, reading) if each.id != chosen.id]
        quiet = gestures[STILL_BLINK if chosen.id == STILL else STILL]
        repeated, chosen = chosen.id, _picked(others, asked, index, reading) or quiet
        reason = line("motion-varied", preset=chosen.id, repeated=repeated)
    return chosen, [reason]


def _candidates(asked: MotionRequest, reading: Reading) -> list[Gesture]:
    """What the guard, the intent, the scene and the seconds allow; standing still is one only where nothing is said."""
    return [
        each
        for each in templates().gestures.values()
        if asked.guard in each.guards
        and reading.intent in each.intents
        and each.id.startswith(STILL) == (asked.guard == "still" or not reading.voiced)
        and not _obstacle(each, asked.scene)
        and _fits(each, asked.seconds)
    ]


def _picked(candidates: list[Gesture], asked: MotionRequest, index: int, reading: Reading) -> Gesture | None:
    """The one with the lowest hash: the same on every machine, and another gesture in the data moves few choices."""

    def rank(each: Gesture) -> bytes:
        return hashlib.sha256(f"{asked.seed}|{index}|{reading.intent}|{each.id}".encode()).digest()

    return min(candidates, key=rank, default=None)


def _obstacle(gesture: Gesture, scene: str) -> str | None:
    """The words of the scene that take away what the gesture needs, or show what it forbids."""
    return shows(scene, gesture.needs + gesture.forbids)


def _fits(gesture: Gesture, seconds: float) -> bool:
    """Whether the gesture and the hold after it fit the shot (0 seconds: its length is not known)."""
    return gesture.id.startswith(STILL) or seconds <= 0 or gesture.seconds + templates().hold_seconds <= seconds


def _motion(asked: MotionRequest, gesture: Gesture, reading: Reading) -> str:
    """The motion sentence without the line."""
    words, engine = templates(), asked.engine
    still = gesture.id.startswith(STILL)
    if asked.guard == "expressive" and reading.voiced:
        return ", ".join([gesture.text[engine], words.expressive[engine]])
    motion = gesture.text[engine] if still else f"{gesture.text[engine]}, then {words.hold[engine]}"
    beat = asked.seconds > words.second_beat_from and gesture.body != "eyes"
    return f"{motion}, {words.second_beat[engine]}" if beat else motion


def _speech(asked: MotionRequest, reading: Reading) -> str:
    words = templates()
    spoken = words.speech[asked.engine].replace("{in_language}", words.languages[reading.speech.language])
    # The line goes in between the halves of the template, so that braces in it stay what they are.
    before, after = spoken.split("{line}")
    return f"{before}{stripped(asked.dialogue)}{after}"


def _notes(asked: MotionRequest, findings: tuple[Finding, ...]) -> list[Line]:
    """What the check of the scene has to say, each thing once."""
    notes: dict[str, Line] = {}
    for each in findings:
        if each.negated:
            note = line("motion-lint-negated", words=each.words, instead=each.instead)
        elif asked.lint == KEEP:
            note = line("motion-lint-kept", words=each.words, guard=asked.guard, instead=each.instead)
        elif asked.lint == DROP:
            note = line("motion-lint-dropped", words=each.words, guard=asked.guard)
        else:
            note = line("motion-lint-softened", words=each.words, guard=asked.guard, instead=each.instead)
        notes.setdefault(each.words.lower(), note)
    return list(notes.values())
