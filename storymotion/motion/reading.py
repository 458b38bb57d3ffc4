"""What a line of dialogue wants: its intent, from marks, endings, sounds and stage directions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .data import read
from .speech import Speech, speech_of
from .spoken import spoken_of
from .text import folded, stripped

# In this order when two have the same score.
INTENTS = ("silent", "narrate", "whisper", "sob", "laugh", "ask", "command", "exclaim", "hesitate", "plain")
# A mark of exclamation anywhere outweighs one of question, as in the creator's rule; sounds and stage
# directions (3 and more, see cues.json) outweigh marks, and marks what has none (1.7 and less).
EXCLAMATION = 2.0
QUESTION = 1.75
EACH_MORE = 0.1
MORE_AT_MOST = 0.4
SHOUTED_COMMAND = 1.0
SHOUTED_CAPITALS = 1.5
NOTHING_SAID = 5.0
IN_BRACKETS = 4.0
PLAIN = 0.5

ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
# Eyes and mouths drawn with Korean letters.
KOREAN_FACE = re.compile(
    "(?<![\u3131-\u318e])(?:\u3161[._,]?\u3161+|\u3147[_.\u3145\u3141\u3142]\u3147)(?![\u3131-\u318e])"
)
# A Korean syllable drawn out: the vowel of its end twice or more ("gajaaa").
DRAWN_OUT = re.compile(
    "([\uac00-\ud7a3])([\uc544\uc5b4\uc624\uc6b0\uc774\uc73c\uc560\uc5d0\uc57c\uc5ec\uc694\uc720\uc640\uc6cc])\\2+"
)
KATAKANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
HALF_WIDTH_KANA = re.compile("[\uff66-\uff9f]+")
CLAUSES = re.compile(r"[,.!?~;:\n\"]+")
# In the order in which Unicode composes them (Hangul syllables, final consonants 1 to 27).
FINAL_CONSONANTS = (
    "\u3131\u3132\u3133\u3134\u3135\u3136\u3137\u3139\u313a\u313b\u313c\u313d\u313e\u313f"
    "\u3140\u3141\u3142\u3144\u3145\u3146\u3147\u3148\u314a\u314b\u314c\u314d\u314e"
)


@dataclass(frozen=True)
class Reading:
    """What was read in a line.

    ``intent``: one of INTENTS, the one with the highest of ``scores`` (0..5, only those above 0).
    ``evidence``: the words or marks that decided, as they stand in the folded copy; empty for plain.
    ``marks``: the folded copy. ``voiced``: something is said by somebody in the picture. ``speech``: how long it
    takes to say, without directions and without the name of who says it.
    """

    intent: str
    scores: Mapping[str, float]
    evidence: str
    marks: str
    voiced: bool
    speech: Speech


@dataclass(frozen=True)
class _Cue:
    intent: str
    where: str
    score: float
    form: re.Pattern[str]
    refused: re.Pattern[str] | None = None
    language: str = ""
    story_only: bool = False
    without_marks: bool = False
    only_with: str = ""
    min_syllables: float = 0.0
    unless_end: tuple[str, ...] = ()


def read_line(dialogue: str) -> Reading:
    """Read a line in any language. Deterministic, raises nothing, and the line itself is never altered."""
    marks = folded(stripped(dialogue))
    spoken = spoken_of(dialogue)
    directions = [folded(each) for each in spoken.directions]
    core = KOREAN_FACE.sub(" ", folded(spoken.text)).strip(" \"'")
    name = folded(spoken.name).lower()
    label = next((cue for cue in _cues() if cue.where == "line start" and cue.score >= IN_BRACKETS), None)
    labelled = label is not None and label.form.match(f"{name} {core.lower()}".lstrip()) is not None
    speech = speech_of(core)
    words = _says_something(core)
    found: dict[str, tuple[float, str]] = {}

    def add(intent: str, score: float, evidence: str) -> None:
        if score > found.get(intent, (0.0, ""))[0]:
            found[intent] = (score, evidence)

    for intent, score, evidence in _evidence(core.lower(), name, " ".join(directions).lower(), speech, marks):
        add(intent, score, evidence)
    if not words and directions:
        add("narrate", IN_BRACKETS, directions[0])
    told = ADDRESS.sub(" ", marks)
    shouted = found.get("exclaim", (0.0, ""))[0] > EXCLAMATION
    if "!" in told:
        more = min(EACH_MORE * (marks.count("!") - 1), MORE_AT_MOST)
        add("exclaim", EXCLAMATION + more, "!")
    if ("!" in told or shouted) and "command" in found:
        add("command", found["command"][0] + SHOUTED_COMMAND, found["command"][1])
    if "?" in told:
        add("ask", QUESTION, "?")
    if _capitals(core):
        add("exclaim", SHOUTED_CAPITALS, core.split()[0])
    if words:
        add("plain", PLAIN, "")
    elif max((score for score, _ in found.values()), default=0.0) < QUESTION:
        add("silent", NOTHING_SAID, "")
    intent = max(found, key=lambda each: (found[each][0], -INTENTS.index(each)))
    scores = {each: round(found[each][0], 3) for each in INTENTS if each in found}
    voiced = bool(core) and intent not in ("silent", "narrate") and not labelled
    return Reading(intent, scores, found[intent][1], marks, voiced, speech)


def _evidence(said: str, name: str, aside: str, speech: Speech, marks: str) -> Iterator[tuple[str, float, str]]:
    """What the cues find: intent, score and the words. All texts in small letters: what is ``said``, the ``name``
    before it and what stands ``aside`` in brackets."""
    for text in _spellings(said, speech.language):
        yield from _found(text, name, aside, speech, marks)


def _spellings(lines: str, language: str) -> list[str]:
    """``lines``, and what they are without drawn out syllables, or in hiragana."""
    plain = lines
    if language == "ko":
        plain = DRAWN_OUT.sub(r"\1", lines)
    elif language == "ja":
        wide = HALF_WIDTH_KANA.sub(lambda match: unicodedata.normalize("NFKC", match[0]), lines)
        plain = wide.translate(KATAKANA)
    return [lines] if plain == lines else [lines, plain]


def _found(said: str, name: str, aside: str, speech: Speech, marks: str) -> Iterator[tuple[str, float, str]]:
    lines = f"{name} {said}".lstrip()
    clauses = [clause.strip() for clause in CLAUSES.split(_fillers().sub("", lines)) if clause.strip()]
    # Whoever is named before the line is no teller of a tale.
    somebody = bool(name) or any(each.search(lines) for each in _persons())
    for cue in _cues():
        if cue.language not in ("", speech.language) or cue.only_with not in marks:
            continue
        if (cue.story_only and somebody) or (cue.without_marks and set("!?") & set(marks)):
            continue
        if speech.syllables < cue.min_syllables or (clauses and clauses[-1].endswith(cue.unless_end)):
            continue
        for text, match in _places(cue, lines, said, clauses, aside):
            found = match(text)
            if found and not (cue.refused and cue.refused.search(text)):
                yield cue.intent, cue.score, found[0].strip()
                break


def _places(cue: _Cue, lines: str, said: str, clauses: list[str], aside: str) -> Iterator:
    """The texts in which a cue is looked for, each with how."""
    if cue.where in ("anywhere", "direction"):
        yield (lines if cue.where == "anywhere" else aside), cue.form.search
    elif cue.where == "line start":
        yield from ((text, cue.form.match) for text in (lines, said))
    elif cue.where == "clause start":
        yield from ((clause, cue.form.match) for clause in clauses)
    else:
        yield from ((clause, cue.form.search) for clause in clauses)


def _says_something(text: str) -> bool:
    """Whether there is a letter or a digit in ``text``."""
    return any(each.isalnum() for each in text)


def _capitals(text: str) -> bool:
    """Whether two words or more are shouted in capitals."""
    letters = [each for each in text if each.isalpha()]
    return len(letters) >= 6 and len(text.split()) > 1 and all("A" <= each <= "Z" for each in letters)


@lru_cache(maxsize=1)
def _persons() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(each) for each in read("cues.json")["first_and_second_person"])


@lru_cache(maxsize=1)
def _fillers() -> re.Pattern[str]:
    """Question words that stand alone before what is said, where they ask nothing."""
    return re.compile(read("cues.json")["fillers"])


@lru_cache(maxsize=1)
def _cues() -> tuple[_Cue, ...]:
    return tuple(_cue(**each) for each in read("cues.json")["cues"])


def _cue(intent: str, where: str, score: float, forms: list[str], **more) -> _Cue:
    end = "$" if where == "clause end" else ""
    refused = [f"(?:{each})$" for each in more.pop("except", [])] + [
        f"^{each}" for each in more.pop("except_start", [])
    ]
    return _Cue(
        intent,
        where,
        score,
        re.compile(f"(?:{'|'.join(map(_expanded, forms))}){end}"),
        re.compile("|".join(map(_expanded, refused))) if refused else None,
        unless_end=tuple(more.pop("unless_end", ())),
        **more,
    )


def _expanded(form: str) -> str:
    """``form`` with every "<consonant>" replaced by the syllables that end in that consonant."""

    def syllables(match: re.Match[str]) -> str:
        final = FINAL_CONSONANTS.index(match[1]) + 1
        return "[" + "".join(chr(0xAC00 + initial * 28 + final) for initial in range(399)) + "]"

    return re.sub("<([\u3131-\u314e])>", syllables, form)
