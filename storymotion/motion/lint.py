"""Words in the text of a scene that contradict the guard: found by whole words, and kept, softened or dropped."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from ..errors import UnknownChoice
from .data import GUARDS, read
from .dropping import dropped, with_parts

KEEP, SOFTEN, DROP = "keep", "soften", "drop"
LINTS = (KEEP, SOFTEN, DROP)
# Softening twice is enough unless two replacements together make a new contradiction; then it is dropped.
SOFTENINGS = 2
# Characters in front of a finding in which what denies it is looked for.
NEGATION_WINDOW = 120
# How Unicode numbers Hangul syllables: 28 of them, 27 with a final consonant, for each beginning.
HANGUL_START, HANGUL_SYLLABLES, FINALS, FINAL_L = 0xAC00, 11172, 28, 8


@dataclass(frozen=True)
class Finding:
    """A contradiction in the text: its words as they stand there (``text[start:end]``), its category, and
    what would be said instead, and what is ``left`` of them when they are dropped (where somebody runs is where
    somebody is). ``negated``: the text denies it ("no camera shake"), so it is left alone."""

    category: str
    words: str
    start: int
    end: int
    negated: bool
    instead: str
    left: str = ""


@dataclass(frozen=True)
class Lint:
    """The text of a scene after the check, and what was found in it as it was given."""

    text: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Words:
    """All forms of some categories in one pattern, each with its category and what it becomes; for the categories
    that are ``going`` somewhere, what the word for where becomes."""

    pattern: re.Pattern[str]
    meaning: Mapping[str, tuple[str, str]]
    places: Mapping[str, str]
    going: tuple[str, ...]


def lint_scene(text: str, guard: str = "safe", lint: str = KEEP) -> Lint:
    """Check ``text`` against ``guard`` ("safe", "still", "expressive").

    ``lint``: "keep" only reports, "soften" puts the milder words of lint.json in their place, "drop" takes the
    words out, with the "and", the "is" or the "with her" that would be left over. Whole words only, in any case
    and spacing; what the text itself denies stays. A text in which nothing is found stays as it is to the byte,
    and a second pass changes nothing.

    Raises UnknownChoice.
    """
    for name, value, choices in (("guard", guard, GUARDS), ("lint", lint, LINTS)):
        if value not in choices:
            raise UnknownChoice(name, value, ", ".join(choices))
    found = findings(text, _of_guard(guard))
    if lint == KEEP:
        return Lint(text, found)
    softenings = 0
    rest = [each for each in found if not each.negated]
    while rest:
        soften = lint == SOFTEN and softenings < SOFTENINGS
        for each in reversed(rest):
            spot = (each.start, each.end)
            text = _put(text, *spot, each.instead) if soften else dropped(text, *spot, each.left)
        text = _tidy(text)
        softenings += 1
        rest = [each for each in findings(text, _of_guard(guard)) if not each.negated]
    return Lint(text, found)


def shows(text: str, names: tuple[str, ...]) -> str | None:
    """The first words of ``text`` that belong to ``names`` (categories or needs of lint.json), not denied there."""
    return next((each.words for each in findings(text, names) if not each.negated), None)


def findings(text: str, names: tuple[str, ...]) -> tuple[Finding, ...]:
    """What ``text`` holds of the categories or needs ``names``, in the order of the text."""
    if not names:
        return ()
    words = _words(names)
    spared = [match.span() for match in _exceptions().finditer(text)]
    ends = [until for _, until in spared]
    found = []
    for match in words.pattern.finditer(text):
        start, end = match.span()
        # The first name of a thing that ends behind the beginning of the match: does it begin before its end?
        after = bisect_right(ends, start)
        if after < len(spared) and spared[after][0] < end:
            continue
        category, instead = words.meaning[_key(match["form"])]
        instead += _particle(_key(match["particle"] or ""), instead)
        left = ""
        if match["where"]:
            if category in words.going:
                left = words.places[_key(match["where"])]
                instead = f"{instead} {left}"
            else:
                end = match.end("form")
        if match[0][:1].isupper():
            instead = instead[:1].upper() + instead[1:]
        found.append(Finding(category, text[start:end], start, end, _negated(text, start, end), instead, left))
    return tuple(found)


def _negated(text: str, start: int, end: int) -> bool:
    before, after = _negations()
    # A few words back are enough; a word that the window cuts is no word.
    back = max(0, start - NEGATION_WINDOW)
    words = text[back:start] if back == 0 else text[back:start].partition(" ")[2]
    return bool(before.search(words) or after.match(text, end))


def _put(text: str, start: int, end: int, instead: str) -> str:
    return text[:start] + instead + text[end:]


def _particle(particle: str, word: str) -> str:
    """A Korean particle in the form that goes with the last syllable of ``word``."""
    last = ord(word[-1]) - HANGUL_START if word else -1
    if not (particle and 0 <= last < HANGUL_SYLLABLES):
        return particle
    final = last % FINALS
    for after_consonant, after_vowel in _pairs():
        if particle in (after_consonant, after_vowel):
            # The one of direction takes its short form after a final L, too.
            short = final == 0 or (len(after_consonant) > 1 and final == FINAL_L)
            return after_vowel if short else after_consonant
    return particle


def _tidy(text: str) -> str:
    """The white space and commas that are left over where words were taken out."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" +([,.;:!?])", r"\1", text)
    text = re.sub(r"([,;:])(?: ?[,;:])+", r"\1", text)
    text = re.sub(r"[,;:]+(?=[.!?])", "", text)
    return re.sub(r"^[\s,;:]+|[\s,;:]+$", "", text)


def _key(form: str) -> str:
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFC", form)).lower()


def _pattern(forms: list[str]) -> str:
    # Hangul as it is typed, and in the parts that a Mac may write. The longest first, so that "waves her hand" is
    # not read as "waves".
    ordered = sorted(
        {*forms, *(unicodedata.normalize("NFD", form) for form in forms)}, key=lambda each: (-len(each), each)
    )
    return "|".join(r"[\s_-]+".join(map(re.escape, form.split(" "))) for form in ordered)


@cache
def _words(names: tuple[str, ...]) -> _Words:
    data = read("lint.json")
    meaning = {}
    for category in data["categories"]:
        if category["id"] in names:
            meaning |= {_key(form): (category["id"], instead) for form, instead in category["forms"].items()}
    for need, forms in data["needs"].items():
        if need in names:
            meaning |= {_key(form): (need, "") for form in forms}
    # Where somebody goes is where somebody stands: "runs through a wood" becomes "stands in a wood".
    going = data["after_verbs"]
    where = rf"(?:(?<=[a-z])\s+(?P<where>{_pattern(list(going['words']))})(?=\s+\w))?"
    pattern = rf"(?<!\w)(?P<form>{_pattern(list(meaning))}){_clinging()}(?!\w){where}"
    return _Words(re.compile(pattern, re.IGNORECASE), meaning, going["words"], tuple(going["categories"]))


@lru_cache(maxsize=1)
def _pairs() -> list[tuple[str, str]]:
    """Korean particles with one form after a consonant and one after a vowel."""
    return read("lint.json")["korean_particles"]["pairs"]


def _clinging() -> str:
    """A particle that clings to a Korean noun belongs to its word."""
    data = read("lint.json")["korean_particles"]
    particles = _pattern([each for pair in data["pairs"] for each in pair] + data["others"])
    return rf"(?:(?<=[\u1100-\u11ff\uac00-\ud7a3])(?P<particle>{particles}))?"


@lru_cache(maxsize=1)
def _exceptions() -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_pattern(read('lint.json')['exceptions'])}){_clinging()}(?!\w)", re.IGNORECASE)


@lru_cache(maxsize=1)
def _negations() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What denies the words after it (with at most a few words between), and what denies those before it."""
    data = read("lint.json")["negations"]
    ko_before, ko_after = (with_parts(data[each]) for each in ("ko_before", "ko_after"))
    between = rf"(?:[^\S\n]+(?!(?:{data['not_between']})\b)[^\s,.;:!?]+){{0,{data['words_between']}}}"
    before = rf"(?:\b(?:{data['en_before']}){between}[^\S\n]+|(?<!\w)(?:{ko_before})\s+)$"
    after = rf"\s*(?:{ko_after})"
    return re.compile(before, re.IGNORECASE), re.compile(after)


@cache
def _of_guard(guard: str) -> tuple[str, ...]:
    """The categories that contradict ``guard``."""
    return tuple(each["id"] for each in read("lint.json")["categories"] if guard in each["guards"])
