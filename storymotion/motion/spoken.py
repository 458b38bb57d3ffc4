"""What of a line is said aloud: stage directions, the name of the speaker and the quotes around it are not."""

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
# One to three words of letters and a colon that is followed by a space, a quote or a letter that is not Latin;
# or, as in Japanese plays, a name right before the quote.
NAME = re.compile(
    "(?P<name>[^\\W\\d_]+(?:[ .][^\\W\\d_]+){0,2})\\s{0,3}[:\uff1a]\\s?(?=[\\s\"'\u201c\u2018\u300c\u300e]|[^\x00-\x7f])"
    "|[^\\W\\d_]{1,8}(?=[\u300c\u300e].*[\u300d\u300f]$)"
)
QUOTES = ('""', "''", "\u201c\u201d", "\u2018\u2019", "\u300c\u300d", "\u300e\u300f", "\u00ab\u00bb")


@dataclass(frozen=True)
class Spoken:
    """``text`` is what is said, character for character as it stands in the line; ``name`` who says it, as it
    stands before it; ``directions`` what stands in brackets or asterisks, brackets included."""

    text: str
    name: str
    directions: tuple[str, ...]


def spoken_of(dialogue: str) -> Spoken:
    """Split a line into what is said and what tells how. Nothing is said where ``text`` holds no letter."""
    line = stripped(dialogue)
    found = DIRECTION.findall(line)
    directions = tuple(each for each in found if _has_letters(each) and not _face(each))
    text = DIRECTION.sub(lambda match: " " if _has_letters(match[0]) or _face(match[0]) else match[0], line).strip()
    match = NAME.match(text)
    name = ""
    if match and _has_letters(text[match.end() :]):
        name, text = match[0].strip(), text[match.end() :].strip()
    for opening, closing in QUOTES:
        inside = text[1:-1]
        if text[:1] == opening and text[-1:] == closing and not {opening, closing} & set(inside) and inside.strip():
            text = inside.strip()
    return Spoken(text, name, directions)


def _has_letters(text: str) -> bool:
    return any(each.isalnum() for each in text)


def _face(text: str) -> bool:
    letters = {each for each in text if each.isalnum()}
    return not text.isascii() and bool(letters) and letters <= set(FACE)
