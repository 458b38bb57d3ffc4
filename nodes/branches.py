"""What Merge knows of the branches of a story, and how they become one list in story order again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from comfy_api.latest import Input

from ..storymotion.errors import (
    BranchNotConnected,
    EmptyList,
    NoShotsInBranches,
    PlaceInvalid,
    PlacesMiscounted,
    PlacesTaken,
)
from .outcome import FailedScene, StoryOutcome, place_of


@dataclass(eq=False)
class Branch:
    """``places`` in the story of all slots of a list, from 1, and ``shots`` by slot, from 0, as they come.

    The slot of a failed scene never comes: ComfyUI keeps it away from every node. No slot comes when nothing
    is ``connected``, as when the node that makes the shots is muted.
    """

    videos_name: str
    index_name: str
    places: list[Any]
    connected: bool = True
    shots: dict[int, Any] = field(default_factory=dict)

    def failed(self) -> list[FailedScene]:
        """The scenes without a shot, at their places in the story.

        Raises PlacesMiscounted, as far as it can be seen.
        """
        if not self.connected:
            reason = BranchNotConnected(self.videos_name).as_value()
            return [FailedScene(place, reason=reason) for place in self.places]
        seen = max(self.shots, default=-1) + 1
        if seen > len(self.places):
            raise self._miscounted(seen)
        missing = {slot: self.places[slot] for slot in range(len(self.places)) if slot not in self.shots}
        told = self._told(missing)
        return [
            FailedScene(place, told[slot].name, told[slot].reason) if slot in told else FailedScene(place)
            for slot, place in missing.items()
        ]

    def _told(self, missing: dict[int, int]) -> dict[int, FailedScene]:
        """What the shots say of the slots that are ``missing`` (slot -> place in the story); nothing if they disagree.

        Raises PlacesMiscounted: a list that ends in failed scenes is longer than what comes of it.
        """
        stories = {place_of(video).story for video in self.shots.values()}
        story = stories.pop() if len(stories) == 1 else None
        if story is None:  # no shot, or those of other packs, or of several nodes
            return {}
        failed = {scene.position: scene for scene in story.failed}
        # What comes from another Merge counts as the story does, what a generation node makes as its list does.
        if failed.keys() == set(missing.values()):
            return {slot: failed[place] for slot, place in missing.items()}
        if any(place_of(video).position != slot + 1 for slot, video in self.shots.items()):
            return {}
        # More scenes than places are right when another node took only the beginning of the list.
        places = len(self.places)
        if story.total != places and failed.keys() >= set(range(places + 1, story.total + 1)):
            raise self._miscounted(story.total)
        return {slot: failed[slot + 1] for slot in missing if slot + 1 in failed}

    def _miscounted(self, scenes: int) -> PlacesMiscounted:
        return PlacesMiscounted(self.videos_name, scenes, self.index_name, len(self.places))


def check_places(branches: Sequence[Branch]) -> None:
    """Raise BranchNotConnected or EmptyList if there is nothing to order, PlaceInvalid, PlacesTaken."""
    if not any(branch.connected for branch in branches):
        raise BranchNotConnected(branches[0].videos_name)
    if not any(branch.connected and branch.places for branch in branches):
        raise EmptyList(next(branch.index_name for branch in branches if branch.connected))
    found: dict[int, list[str]] = {}
    for branch in branches:
        for place in branch.places:
            if not isinstance(place, int) or place < 1:
                raise PlaceInvalid(branch.index_name, str(place))
            found.setdefault(place, []).append(branch.index_name)
    twice = [f"{place} ({', '.join(names)})" for place, names in sorted(found.items()) if len(names) > 1]
    if twice:
        raise PlacesTaken("; ".join(twice))


def in_story_order(branches: Sequence[Branch]) -> dict[int, Any]:
    """All slots by their place in the story, in order: the shot, or None where the scene failed.

    The shots are copies (of the objects, not of the frames) that carry what became of the scenes of all
    branches. Raises PlacesMiscounted, and NoShotsInBranches when there is no shot at all.
    """
    if not any(branch.shots for branch in branches):  # no node that follows would run, nor say so
        raise NoShotsInBranches(sum(len(branch.places) for branch in branches))
    failed = [scene for branch in branches for scene in branch.failed()]
    failed.sort(key=lambda scene: scene.position)
    story = StoryOutcome(sum(len(branch.places) for branch in branches), tuple(failed))
    slots = {
        place: _placed(branch.shots[slot], story, place) if slot in branch.shots else None
        for branch in branches
        for slot, place in enumerate(branch.places)
    }
    return dict(sorted(slots.items()))


def _placed(video: Any, story: StoryOutcome, position: int) -> Any:
    if not isinstance(video, Input.Video):
        return video
    # ComfyUI still has the original in its cache, for whatever else is connected to it.
    placed: Any = copy.copy(video)
    placed.story, placed.position = story, position
    return placed
