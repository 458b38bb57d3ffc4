"""The prompt of an engine: its layout filled, within its length, cut between words only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .data import Engine, Style, default_scene

# The longest English words have about this many letters; a Korean one with its particle has as many bytes.
BYTES_OF_A_WORD = 12
# The default scene and the marks that the layout adds always fit.
RESERVE = 16
END_MARKS = "!?\uff01\uff1f\u2026"
# Where a text without spaces can be cut, too: after the marks of Japanese and Chinese.
PIECE = re.compile(
    "[^\\s\u3001\u3002\uff0c\uff01\uff1f\uff1b]*[\u3001\u3002\uff0c\uff01\uff1f\uff1b]+|\\S+?(?=[\\s\u3001\u3002\uff0c\uff01\uff1f\uff1b]|$)"
)


@dataclass(frozen=True)
class Prompt:
    """The text for the engine, and what had to be left out of it: words of the scene, the line of dialogue."""

    text: str
    scene_cut: bool
    line_left_out: bool


def prompt_words(text: str) -> int:
    """Length of ``text`` in words; a piece without spaces counts as one for each 12 bytes of UTF-8 begun."""
    return sum(-(-len(piece.encode("utf-8", "replace")) // BYTES_OF_A_WORD) for piece in text.split())


def write_prompt(engine: Engine, style: Style, scene: str, motion: str, silent_motion: str, state: str) -> Prompt:
    """Lay out a prompt of at most ``engine.most_words``.

    ``motion`` may quote a line, ``silent_motion`` is the same without it. What does not fit is left out whole:
    first the line, if not even a short scene fits beside it (a line is never cut), then the end of the scene.
    """
    seen = " ".join(scene.split()).rstrip(".\u3002 ") or default_scene(style.illustrated)
    empty = _filled(engine.layout, look=style.look, scene="", motion="", state=state)
    room = engine.most_words - prompt_words(empty) - RESERVE
    left_out = prompt_words(motion) > room
    if left_out:
        motion = silent_motion
    short = _cut(seen, room - prompt_words(motion) + RESERVE // 2)
    shown = short or default_scene(style.illustrated)
    motion = motion[:1].upper() + motion[1:]
    # A scene that ends in a mark of its own needs no full stop after it.
    layout = engine.layout.replace("{scene}.", "{scene}") if shown[-1] in END_MARKS else engine.layout
    text = _filled(layout, look=style.look, scene=shown, motion=motion, state=state)
    for sentence in engine.filler:
        state = f"{state}. {sentence}"
        longer = _filled(layout, look=style.look, scene=shown, motion=motion, state=state)
        if len(text.split()) >= engine.filler_until or prompt_words(longer) > engine.most_words:
            break
        text = longer
    return Prompt(text, short != seen, left_out)


def _filled(layout: str, **values: str) -> str:
    """``layout`` with its {names} replaced in one pass, so that braces in a value stay what they are."""
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], layout)


def _cut(text: str, most: int) -> str:
    """The beginning of ``text`` that has at most ``most`` words, cut between words, without a comma at its end."""
    if prompt_words(text) <= most:
        return text
    end = 0
    for piece in PIECE.finditer(text):
        if prompt_words(text[: piece.end()]) > most:
            break
        end = piece.end()
    return text[:end].rstrip(" ,;:.\u3001\u3002\uff0c\uff1b")
