"""What of a line is said aloud: stage directions and the name of the speaker are not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .text import stripped

DIRECTION = re.compile(
    "[(\uff08][^()\uff08\uff09]*[)\uff09]"
    "|[\\[\uff3b\u3010\u3014\u3016][^\\[\\]\uff3b\uff3d\u3010\u3011\u3014\u3015\u3016\u3017]*[\\]\uff3d\u3011\u3015\u3017]"
    "|[*\uff0a](?=\\S)[^*\uff0a]+(?<=\\S)[*\uff0a]"
)
# Letters that draw eyes and mouths: in brackets, with other signs and without any other letter, they are a face.
FACE = "wovuxWOVUXTQ\u03c9\u0414\u0434\u03b5\u03c3\u30c4\u30ee\u3147\u3145\u3141\u3142\u3161\u0ca0"
# One to three words of letters, then a colon before a space, a quote or a letter that is not Latin;
# or, as in Japanese plays, a name right before the quote.
NAME = re.compile(
    "[^\\W\\d_]+(?:[ .][^\\W\\d_]+){0,2}\\s{0,3}[:\uff1a](?=[\\s\"'\u201c\u2018\u300c\u300e]|[^\x00-\x7f])"
    "|[^\\W\\d_]{1,8}(?=[\u300c\u300e].*[\u300d\u300f]$)"
)


@dataclass(frozen=True)
class Spoken:
    """``name``: who says it, as it stands before the line, with its colon ("" if nobody is named); ``text``: what
    is said; ``directions``: what stands in brackets or asterisks, brackets included."""

    name: str
    text: str
    directions: tuple[str, ...]


def spoken_of(dialogue: str) -> Spoken:
    """Split a line into who says it, what is said and what tells how; a face drawn in brackets is none of these."""
    line = stripped(dialogue)
    directions = tuple(each for each in DIRECTION.findall(line) if _has_letters(each) and not _is_face(each))
    text = DIRECTION.sub(lambda match: " " if _has_letters(match[0]) else match[0], line).strip()
    named = NAME.match(text)
    if named and _has_letters(text[named.end() :]):
        return Spoken(named[0], text[named.end() :].strip(), directions)
    return Spoken("", text, directions)


def _has_letters(text: str) -> bool:
    return any(each.isalnum() for each in text)


def _is_face(text: str) -> bool:
    return not text.isascii() and {each for each in text if each.isalnum()} <= set(FACE)
