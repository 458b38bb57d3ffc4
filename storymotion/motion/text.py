"""A copy of the line to read in: the same words, with the marks of every keyboard as plain ones."""

from __future__ import annotations

import re
import unicodedata

from .data import folding

# Characters without ink that str.strip() leaves: zero-width space, word joiner, byte order mark.
INVISIBLE = "\u200b\u2060\ufeff"
# Selects how an emoji is drawn; it stands between an emoji mark and what follows.
VARIATIONS = "\ufe0e\ufe0f"


def stripped(dialogue: str) -> str:
    """The line without white space at its ends, also the kinds that have no width."""
    before = None
    while before != dialogue:
        before, dialogue = dialogue, dialogue.strip().strip(INVISIBLE)
    return dialogue


def folded(text: str) -> str:
    """``text`` to read in: full-width ASCII forms and punctuation folded, no control characters.

    Letters stay what they are (the laughing letters of Korean too), so do capitals. Line breaks stay.
    """
    marks = text.translate(folding())
    seen = "".join(
        each
        for each in marks
        if each in "\n\t " or not (unicodedata.category(each) in ("Cc", "Cf") or each in VARIATIONS)
    )
    # What a Mac writes as parts (Hangul letters, kana with marks) is put together; letters that look alike are not.
    return unicodedata.normalize("NFC", re.sub(r"[^\S\n]+", " ", seen).strip())
