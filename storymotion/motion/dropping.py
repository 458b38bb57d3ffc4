"""Words are taken out of a scene together with what would be left over: an "and", an "is", a "with her", brackets."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from .data import read

# Characters on either side in which it is looked for.
WINDOW = 80
EMPTY_PAIRS = ("()", "[]", '""', "\u201c\u201d", "\u300c\u300d", "\uff08\uff09")


@dataclass(frozen=True)
class _LeftOver:
    """What may stand beside words that are dropped: see ``dropped_with`` of lint.json."""

    joined_after: re.Pattern[str]
    joined_before: re.Pattern[str]
    cannot_join: re.Pattern[str]
    helping: re.Pattern[str]
    owning: re.Pattern[str]
    ends: re.Pattern[str]
    sentence_begins: re.Pattern[str]
    ko_after: re.Pattern[str]


def dropped(text: str, start: int, end: int, left: str) -> str:
    """``text`` with ``left`` in the place of ``text[start:end]``, and without what belongs to nothing then."""
    near = _left_over()
    begin, until = max(0, start - WINDOW), end + WINDOW
    before, after = text[begin:start], text[end:until]
    joined = near.joined_after.match(after)
    helping = near.helping.search(before)
    if left:
        before = near.joined_before.sub(" ", before[: helping.start()] if helping else before)
    elif joined and near.cannot_join.search(before):
        after = after[joined.end() :]
    else:
        # "runs and dances", "is dancing", "a dance in the hall": the same word cannot be two of these.
        before = near.joined_before.sub("", before)
        after = near.ko_after.sub("", after)
        if helping and len(helping.string) == len(before):
            before = before[: helping.start()]
        elif near.ends.match(after):
            before = near.owning.sub("", before)
    if not left and (before.rstrip()[-1:] + after.lstrip()[:1]) in EMPTY_PAIRS:
        before, after = before.rstrip()[:-1], after.lstrip()[1:]
    elif not left and near.sentence_begins.search(before):
        after = after.lstrip(" .!?\u3002")
    return text[:begin] + before + left + after + text[until:]


def with_parts(korean: str) -> str:
    """A pattern of Korean words, and the same in the parts that a Mac may write."""
    return f"{korean}|{unicodedata.normalize('NFD', korean)}"


@lru_cache(maxsize=1)
def _left_over() -> _LeftOver:
    data = read("lint.json")["dropped_with"]
    return _LeftOver(
        joined_after=re.compile(rf"\s+(?:{data['joining']})(?=\s+\w)", re.IGNORECASE),
        joined_before=re.compile(rf",?\s+(?:{data['joining']})\s+$", re.IGNORECASE),
        cannot_join=re.compile(rf"(?:^|[,.;:!?]|\b(?:{data['before_joined']}))\s*$", re.IGNORECASE),
        helping=re.compile(rf"(?:(?<=\s)|^)(?:{data['helping']})\s+$", re.IGNORECASE),
        owning=re.compile(rf"(?:(?<=\s)|^)(?:{data['owning']})\s+$", re.IGNORECASE),
        ends=re.compile(rf"\s*(?:[,.;:!?)]|$|(?:{data['prepositions']})\b)", re.IGNORECASE),
        sentence_begins=re.compile(r"(?:^|[.!?\u3002])\s*$"),
        ko_after=re.compile(rf"^\s*(?:{with_parts(data['ko_after'])})(?!\w)"),
    )
