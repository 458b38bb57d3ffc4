"""The plan of a film: which shots in which order, at what size and rate, copied or encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..errors import NothingToJoin, ShotsDiffer
from ..progress import Progress, ignore_progress
from .parts import FilePart, Part, PartFacts, facts_of
from .settings import require_choice
from .sound import FALLBACK_RATE, LAYOUTS

# "error": every shot must have the size and the rate of the film. "fit": others are scaled, padded with
# black and brought to the film's rate by repeating and leaving out frames.
MISMATCHES = ("error", "fit")


@dataclass(frozen=True, eq=False)
class PlannedShot:
    """One part of the film: ``frames`` frames of it are shown from frame ``first`` of the film on."""

    part: Part
    facts: PartFacts
    first: int
    frames: int


@dataclass(frozen=True, eq=False)
class FilmPlan:
    """Everything about the film that is known before it is written.

    ``copied`` is whether the video packets of the files go into the film as they are. ``sound_rate``
    (Hz) and ``channels`` are 0 if no shot has sound.
    """

    shots: tuple[PlannedShot, ...]
    width: int
    height: int
    frame_rate: Fraction
    copied: bool
    pixel_format: str
    sound_rate: int
    channels: int

    @property
    def frames(self) -> int:
        """How many frames the film has."""
        return self.shots[-1].first + self.shots[-1].frames

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def left_colour(self) -> bool:
        """Whether the film's colours lie where those of its files do, on the left (see ``has_left_colour``).

        So only if all its pictures can be taken as they were decoded: what is made of RGB lies in the middle.
        """
        return all(
            shot.facts.left_colour and shot.facts.size == self.size and shot.facts.pixel_format == self.pixel_format
            for shot in self.shots
        )

    def sample_at(self, frame: int) -> int:
        """The sample of the film's sound that is heard when ``frame`` begins, rounded once from the exact time."""
        return round(frame / self.frame_rate * self.sound_rate)

    def changed(self, shot: PlannedShot) -> bool:
        """Whether the picture of ``shot`` had to be scaled, padded or brought to another rate."""
        facts = shot.facts
        same = facts.size == self.size and facts.frame_rate == self.frame_rate
        return not (same and facts.steady)


def plan_film(parts: Sequence[Part], mismatch: str = "error", progress: Progress = ignore_progress) -> FilmPlan:
    """Read the facts of all ``parts`` and decide how they become one film, in their order.

    Size and rate are those that most shots have (of equally many, the first). Video packets are copied
    if all parts are whole H.264 files of one coding; else everything is encoded once. The sound gets the
    highest rate of the shots up to 48000 Hz (48000 if AAC does not know it) and is stereo if one of them is.

    ``progress`` counts parts that were read.

    Raises ``NothingToJoin``, ``UnknownChoice``, ``UnreadableVideo`` naming the part, and, unless
    ``mismatch`` is "fit", ``ShotsDiffer`` naming every shot of another size or rate.
    """
    require_choice("mismatch", mismatch, MISMATCHES)
    if not parts:
        raise NothingToJoin()
    facts: list[PartFacts] = []
    for part in parts:
        progress(len(facts), len(parts), "reading")
        facts.append(facts_of(part))
    # A rate that varies is another one than the same rate that does not.
    kinds = [(each.size, each.frame_rate, each.steady) for each in facts]
    most = Counter(kinds).most_common(1)[0][0]
    (width, height), rate, _ = most
    differing = [
        f"{part.label}: {each.width} x {each.height}, {_fps(each)}"
        for part, each, kind in zip(parts, facts, kinds)
        if kind != most
    ]
    if differing and mismatch == "error":
        raise ShotsDiffer(width, height, f"{float(rate):.8g}", len(parts), "; ".join(differing))
    codings = {each.coding for each in facts}
    copied = len(codings) == 1 and None not in codings
    full_colour = all(isinstance(part, FilePart) and "444" in each.pixel_format for part, each in zip(parts, facts))
    pixel_format = "yuv444p" if full_colour else "yuv420p"
    if mismatch == "fit" and not copied and pixel_format == "yuv420p":
        width, height = (max(2, side // 2 * 2) for side in (width, height))
    shots: list[PlannedShot] = []
    first = 0
    for part, each in zip(parts, facts):
        shots.append(PlannedShot(part, each, first, max(1, round(each.seconds * rate))))
        first += shots[-1].frames
    sound_rate = _film_sound_rate([each.sound_rate for each in facts if each.sound_rate])
    channels = min(max(LAYOUTS), max(each.channels for each in facts))
    return FilmPlan(tuple(shots), width, height, rate, copied, pixel_format, sound_rate, channels)


def _film_sound_rate(rates: list[int]) -> int:
    import av

    if not rates:
        return 0
    highest = max(rates)
    return highest if highest < FALLBACK_RATE and highest in (av.Codec("aac", "w").audio_rates or ()) else FALLBACK_RATE


def _fps(facts: PartFacts) -> str:
    return f"{'' if facts.steady else '~'}{float(facts.frame_rate):.8g} fps"
