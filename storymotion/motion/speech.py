"""How long a line takes to say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from .data import read

HANGUL = re.compile("[\uac00-\ud7a3]")
JAMO = re.compile("[\u3131-\u318e]")
# Small kana join the one before; the long vowel mark is one more.
KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc\uff66-\uff9d]")
SMALL_KANA = re.compile(
    "[\u3041\u3043\u3045\u3047\u3049\u3083\u3085\u3087\u30a1\u30a3\u30a5\u30a7\u30a9\u30e3\u30e5\u30e7]"
)
HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f']+")
VOWELS = re.compile("[aeiouy\u00e0-\u00e6\u00e8-\u00ef\u00f2-\u00f6\u00f9-\u00fd]+", re.IGNORECASE)
PAUSE = re.compile(r"[,.!?~\n-]+")


@dataclass(frozen=True)
class Speech:
    """What is said: its language ("ko", "ja", "zh" or "other"), syllables (Japanese: morae) and seconds."""

    language: str
    syllables: float
    seconds: float


@lru_cache(maxsize=1)
def _figures() -> Mapping:
    return read("speech.json")


def language_of(text: str) -> str:
    """The language that the script tells: Hangul, then kana, then Chinese characters, else "other"."""
    if HANGUL.search(text) or JAMO.search(text):
        return "ko"
    if KANA.search(text):
        return "ja"
    return "zh" if HAN.search(text) else "other"


def speech_of(spoken: str) -> Speech:
    """How long ``spoken`` (folded text) takes to say at the pace of its language, pauses included; >= 0."""
    figures = _figures()
    language = language_of(spoken)
    of_han = figures["syllables_of_a_han_character"].get(language, 1.0)
    syllables = 0.0
    for word in LATIN_WORD.findall(spoken):
        syllables += max(1, len(VOWELS.findall(word)))
    for each in LATIN_WORD.sub("", spoken):
        if HANGUL.match(each):
            syllables += 1
        elif JAMO.match(each):
            syllables += figures["syllables_of_a_jamo"]
        elif KANA.match(each):
            syllables += 0 if SMALL_KANA.match(each) else 1
        elif HAN.match(each):
            syllables += of_han
        elif each.isdigit():
            syllables += figures["syllables_of_a_digit"]
        elif each.isalpha():
            syllables += figures["syllables_of_other_letters"]
    pauses = 0.0
    for marks in PAUSE.findall(spoken.strip(" ,.!?~\n-")):
        pauses += min(sum(figures["pauses"][mark] for mark in marks), figures["longest_pause"])
    seconds = syllables / figures["rates"][language] + (pauses if syllables else 0.0)
    return Speech(language, syllables, seconds)
