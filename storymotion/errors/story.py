"""Errors in a story: the manifest and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..messages import Bilingual, english, korean
from ..report import Line, line
from .base import StoryMotionError

MOST_PROBLEMS_SHOWN = 30


class StoryError(StoryMotionError):
    """A story cannot be used."""


@dataclass(eq=False)
class StoryMissing(StoryError):
    """The chosen story is not in ComfyUI's input folder."""

    code = "story-missing"
    problem = "The story '{name}' was not found in {folder}."
    remedy = "Choose one from the list, or put the file and its pictures there and press R to refresh."
    name: str
    folder: str


@dataclass(eq=False)
class NoStories(StoryError):
    """ComfyUI's input folder has no story to choose."""

    code = "no-stories"
    problem = "There is no story in {folder}."
    remedy = "Put a .json or .csv file and its pictures there, as docs/STORY.md says, and press R to refresh."
    folder: str


@dataclass(eq=False)
class NoScenesForEngine(StoryError):
    """No scene of the story is for the chosen engine."""

    code = "no-scenes-for-engine"
    problem = "No scene of the story '{name}' is for the engine {engine}; it has scenes for {found}."
    remedy = "Choose all or another engine, or write {engine} into the engine column."
    name: str
    engine: str
    found: str


@dataclass(eq=False)
class StoryInvalid(StoryError):
    """Everything that is wrong with a story, at once: one report line for each problem, in the order of the file."""

    code = "story-invalid"
    problem = "The story '{name}' cannot be used as it is."
    remedy = "Correct this and queue it again:\n{problems}"
    name: str
    problems: tuple[Line, ...]

    def speak(self, language: str) -> str:
        """One sentence, then the problems, one a line; for ``language == "ko"`` all of it once more in Korean."""
        shown = list(self.problems[:MOST_PROBLEMS_SHOWN])
        if len(self.problems) > len(shown):
            shown.append(line("story-more", count=len(self.problems) - len(shown)))

        def values(say: Callable[[str, str, Mapping[str, object]], str]) -> dict[str, object]:
            told = "\n".join(f"- {say('report', each.code, each.values)}" for each in shown)
            return {"name": self.name, "problems": told}

        text = f"{self.problem} {self.remedy}".format(**values(english))
        return f"{text}\n{korean('errors', self.code, values(korean))}" if language == "ko" else text


@dataclass(eq=False)
class BranchNotConnected(StoryError):
    """The shots of a branch are not connected, or the node that makes them is muted."""

    code = "branch-not-connected"
    problem = "{videos} is not connected."
    remedy = "Connect the shots of its branch; if the node that makes them is muted, turn it on."
    videos: str


@dataclass(eq=False)
class PlacesNotConnected(StoryError):
    """The shots of a branch came without their places in the story."""

    code = "places-not-connected"
    problem = "{index} is not connected, but {videos} is."
    remedy = "Connect the index of the Load Story that the shots of {videos} are made from."
    index: str
    videos: str


@dataclass(eq=False)
class PlaceInvalid(StoryError):
    """Something else came where a place in the story belongs."""

    code = "place-invalid"
    problem = "{name} has the value {value}, but a place in the story is a whole number from 1."
    remedy = "Connect the index of Load Story to it."
    name: str
    value: str


@dataclass(eq=False)
class PlacesTaken(StoryError):
    """Branches of a story have the same scene; ``places``: "3 (index_a, index_b)"."""

    code = "places-taken"
    problem = "Scenes of the story come more than once: {places}."
    remedy = "A scene goes through one branch: choose another engine in the Load Story of each."
    places: str


@dataclass(eq=False)
class PlacesMiscounted(StoryError):
    """A branch has not as many places in the story as scenes."""

    code = "places-miscounted"
    problem = "{videos} has {scenes} scenes, but {index} has {places} places in the story."
    remedy = "Connect the index of the same Load Story that the shots of {videos} are made from."
    videos: str
    scenes: int
    index: str
    places: int


@dataclass(eq=False)
class NoShotsInBranches(StoryError):
    """Every scene of every branch failed."""

    code = "no-shots-in-branches"
    problem = "None of the {scenes} scenes of the branches has a shot."
    remedy = "The reports of the nodes that make the shots have the reasons."
    scenes: int


@dataclass(eq=False)
class NoSceneRendered(StoryError):
    """None of several scenes could be rendered; ``reason`` is that of the first."""

    code = "no-scene-rendered"
    problem = "None of the {scenes} scenes could be rendered. The first one: {reason}"
    remedy = "The log has the reasons of the others."
    scenes: int
    reason: str | Bilingual
