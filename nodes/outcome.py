"""What became of the scenes of a story, carried by every VIDEO of it to the nodes that save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..storymotion.errors import StoryIncomplete
from ..storymotion.messages import Bilingual
from ..storymotion.report import Line, line

# The switch of the nodes that save. "finish": the queue ends well, and the report says what is missing.
FINISH, FAIL = "finish", "fail after saving"
ON_FAILURE = (FINISH, FAIL)


@dataclass(frozen=True)
class FailedScene:
    """``position`` in the story, from 1; ``name`` may be empty; ``reason`` is one sentence, or empty if unknown."""

    position: int
    name: str = ""
    reason: str | Bilingual = ""

    @property
    def said(self) -> Bilingual:
        """For example "3 (bridge): the picture is missing"."""
        name = f"{self.position} ({self.name})" if self.name else str(self.position)
        reason = self.reason if isinstance(self.reason, Bilingual) else Bilingual(self.reason, self.reason)
        both = (f"{name}: {said.rstrip('.')}" if said else name for said in (reason.english, reason.korean))
        return Bilingual(*both)


@dataclass(frozen=True)
class StoryOutcome:
    """``total`` scenes were asked for; ``failed`` are those of them that have no shot, in story order.

    The node that makes the shots sets it as ``story`` on each VIDEO of its list, and ``position``
    (from 1) beside it. Nodes that save read both with ``getattr``: the VIDEO of another pack has neither.
    """

    total: int
    failed: tuple[FailedScene, ...] = ()

    @property
    def scenes(self) -> Bilingual:
        """The failed scenes in one line."""
        said = [scene.said for scene in self.failed]
        return Bilingual("; ".join(each.english for each in said), "; ".join(each.korean for each in said))

    def report(self) -> list[Line]:
        """A line that names what is missing, if anything is."""
        if not self.failed:
            return []
        return [line("scenes-missing", missing=len(self.failed), total=self.total, scenes=self.scenes)]

    def raise_if_asked(self, on_failure: str, saved: str) -> None:
        """Raise ``StoryIncomplete`` if scenes failed and ``on_failure`` says so; ``saved`` names the files."""
        if self.failed and on_failure == FAIL:
            raise StoryIncomplete(len(self.failed), self.total, self.scenes, saved)


@dataclass(frozen=True)
class Place:
    """Where a VIDEO belongs, as far as it says so."""

    story: StoryOutcome | None
    position: int | None


def place_of(video: Any) -> Place:
    """What ``video`` carries; nothing is known of a VIDEO that another pack made."""
    story, position = getattr(video, "story", None), getattr(video, "position", None)
    return Place(story if isinstance(story, StoryOutcome) else None, position if isinstance(position, int) else None)


def outcome_of(places: Sequence[tuple[int, Place]]) -> StoryOutcome:
    """What is missing in a list, from the slots (from 0) that have a VIDEO and what each of those says.

    Every VIDEO carries what its story lost. Slots that were blocked without being named there, as a
    node of another pack may do, show as gaps between the others: they are missing too, by number only.
    After the last VIDEO of a list without a story they cannot be seen.
    """
    stories = list(dict.fromkeys(place.story for _, place in places if place.story is not None))
    failed = [scene for story in stories for scene in story.failed]
    slots = places[-1][0] + 1
    if all(place.position in (None, index + 1) for index, place in places):
        known = {scene.position for scene in failed} | {index + 1 for index, _ in places}
        failed += [FailedScene(slot) for slot in range(1, slots + 1) if slot not in known]
    total = sum(story.total for story in stories) if stories else slots
    return StoryOutcome(max(total, slots), tuple(sorted(failed, key=lambda scene: scene.position)))
