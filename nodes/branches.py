"""What Merge knows of the branches of a story, and how they become one list in story order again."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from comfy_api.latest import Input

from ..storymotion.errors import EmptyList, PlaceInvalid, PlacesMiscounted, PlacesTaken
from .outcome import FailedScene, StoryOutcome, place_of


@dataclass(eq=False)
class Branch:
    """``places`` in the story of all slots of a list, from 1, and ``shots`` by slot, from 0, as they come.

    A slot whose scene failed never comes: ComfyUI keeps it away from every node.
    """

    videos_name: str
    index_name: str
    places: list[Any]
    shots: dict[int, Any] = field(default_factory=dict)

    def failed(self) -> list[FailedScene]:
        """The scenes without a shot, at their places in the story.

        Raises PlacesMiscounted, as far as it can be seen.
        """
        missing = [slot for slot in range(len(self.places)) if slot not in self.shots]
        told = self._told()
        self._require_one_place_each(told)
        scenes = {scene.position: scene for scene in told.failed} if told else {}
        # A generation node counts the slots of its list. What comes from another Merge has places in the story.
        by_slot = scenes.keys() <= {slot + 1 for slot in missing}
        failed = []
        for slot in missing:
            place = self.places[slot]
            scene = scenes.get(slot + 1 if by_slot else place)
            failed.append(FailedScene(place, scene.name, scene.reason) if scene else FailedScene(place))
        return failed

    def _told(self) -> StoryOutcome | None:
        """What the shots say of their list; None if they do not agree, as shots of several nodes do not."""
        stories = {place_of(video).story for video in self.shots.values()}
        return stories.pop() if len(stories) == 1 else None

    def _require_one_place_each(self, told: StoryOutcome | None) -> None:
        """The length of a list that ends in failed scenes is not visible: only its shots can tell it."""
        seen, places = max(self.shots, default=-1) + 1, len(self.places)
        if seen > places:
            raise PlacesMiscounted(self.videos_name, seen, self.index_name, places)
        whole = all(place_of(video).position == slot + 1 for slot, video in self.shots.items())
        if told is None or not whole or told.total < seen:
            return
        failed = {scene.position for scene in told.failed}
        # More scenes than places are right when another node took only the beginning of the list.
        if told.total != places and failed.issuperset(range(places + 1, told.total + 1)):
            raise PlacesMiscounted(self.videos_name, told.total, self.index_name, places)


def check_places(branches: Sequence[Branch]) -> None:
    """Raise EmptyList, PlaceInvalid or PlacesTaken unless the branches have every place once."""
    if not any(branch.places for branch in branches):
        raise EmptyList(branches[0].index_name)
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
    branches. Raises PlacesMiscounted.
    """
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
