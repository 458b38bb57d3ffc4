"""What a node that makes shots reports: one shot in full, or a story with a row for each scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..storymotion.cost import Rate, cost_lines, shot_cost, story_lines
from ..storymotion.errors import StoryMotionError
from ..storymotion.ltx.render import RenderedShot
from ..storymotion.ltx.render_queue import LOADING
from ..storymotion.messages import Bilingual
from ..storymotion.report import Line, line
from .settings import cost_settings
from .shown import SceneRow

# Lines of a shot that say for itself what the rows of a story say shorter.
IN_ROWS = ("times", "sdk")


@dataclass
class Scene:
    """A scene while it is made: its place in the story (from 1), its name, and what came of it."""

    position: int
    name: str
    seed: int = 0
    tail_trim: int = 0
    shot: RenderedShot | None = None
    error: StoryMotionError | None = None

    @property
    def label(self) -> str:
        """What it is called in reports: "3", or "3 (bridge)"."""
        return f"{self.position} ({self.name})" if self.name else str(self.position)

    @property
    def reason(self) -> Bilingual:
        """Why there is no shot, in one line."""
        return self.error.as_value() if self.error else Bilingual("", "")


@dataclass(frozen=True)
class RunFacts:
    """What all scenes of a run have in common: notes, the forecast, how long it took (seconds), the GPU rates."""

    notes: tuple[Line, ...]
    forecast: tuple[Line, ...]
    seconds: float
    rates: tuple[Rate, ...]


def report_of_shot(scene: Scene, facts: RunFacts) -> list[Line]:
    """Everything about a single shot."""
    shot = scene.shot
    assert shot is not None
    report = [line("shot", **_size(shot), seconds=facts.seconds), *facts.notes, *shot.notes, *facts.forecast[:1]]
    seconds = len(shot.frames) / shot.fps
    report += cost_lines(shot_cost(shot.seconds, seconds, shot.device_name, cost_settings(), facts.rates))
    if scene.tail_trim:
        report.append(line("tail-trimmed", count=scene.tail_trim))
    return report


def report_of_story(scenes: Sequence[Scene], facts: RunFacts) -> list[Line]:
    """The story in figures, a row for each scene, and what was used: what all share once, the rest by scene."""
    new = [scene.shot for scene in scenes if scene.shot is not None and not scene.shot.reused]
    counts = {
        "scenes": len(scenes),
        "done": len(new),
        "reused": sum(scene.shot is not None and scene.shot.reused for scene in scenes),
        "failed": sum(scene.error is not None for scene in scenes),
    }
    report = [line("story", **counts, seconds=facts.seconds), *facts.forecast]
    report += [_row(scene, facts.rates) for scene in scenes]
    if new:
        video = sum(len(shot.frames) / shot.fps for shot in new)
        spent = {"all": facts.seconds}
        report += story_lines(len(new), video, spent, new[0].device_name, cost_settings(), facts.rates)
        sdk = next(note.values for note in new[0].notes if note.code == "sdk")
        report.append(line("scenes-sdk", version=sdk["version"], checkpoint=sdk["checkpoint"]))
    return [*report, *facts.notes, *_notes(scenes)]


def _row(scene: Scene, rates: tuple[Rate, ...]) -> Line:
    shot = scene.shot
    if shot is None:
        return line("scene-failed", scene=scene.label, reason=scene.reason)
    facts = {"scene": scene.label, "seed": scene.seed, **_size(shot)}
    if shot.reused:
        return line("scene-reused", **facts)
    facts |= {"seconds": sum(shot.seconds.values()), "loading": shot.seconds[LOADING]}
    _, krw = cost_of(scene, rates)
    if krw is None:
        return line("scene-done", **facts)
    return line("scene-done-cost", **facts, krw=f"{krw:.1f}")


def cost_of(scene: Scene, rates: tuple[Rate, ...]) -> tuple[Decimal | None, Decimal | None]:
    """USD and KRW of this run for the scene: 0 for a shot that was reused, None where no rate is known."""
    shot = scene.shot
    if shot is None:
        return None, None
    if shot.reused:
        return Decimal(0), Decimal(0)
    cost = shot_cost(shot.seconds, len(shot.frames) / shot.fps, shot.device_name, cost_settings(), rates)
    return cost.usd, cost.krw


def failed_row(scene: Scene) -> SceneRow:
    """Of a scene that has no shot."""
    return SceneRow(scene.position, "failed", scene.name)


def rendered_row(scene: Scene, usd: Decimal | None, krw: Decimal | None) -> SceneRow:
    """Of a scene that was made here, or reused for nothing; amounts as the report has them."""
    shot = scene.shot
    if shot is None:
        return failed_row(scene)
    krw_text, usd_text = "" if krw is None else f"{krw:.1f}", "" if usd is None else f"{usd:.4f}"
    state, seconds = "reused" if shot.reused else "done", len(shot.frames) / shot.fps
    return SceneRow(scene.position, state, scene.name, seconds, krw_text=krw_text, usd_text=usd_text)


def _notes(scenes: Sequence[Scene]) -> list[Line]:
    """Notes that all new shots have, once; then those of single scenes, under their name."""
    noted = {
        scene.label: [note for note in scene.shot.notes if note.code not in IN_ROWS]
        for scene in scenes
        if scene.shot is not None and not scene.shot.reused
    }
    counts = Counter(_key(note) for notes in noted.values() for note in notes)
    shared: dict[object, Line] = {}
    report: list[Line] = []
    for label, notes in noted.items():
        own = [note for note in notes if counts[_key(note)] < len(noted)]
        shared |= {_key(note): note for note in notes if counts[_key(note)] >= len(noted)}
        if own:
            report += [line("scene-notes", scene=label), *own]
    return [*shared.values(), *report]


def _key(note: Line) -> object:
    return note.code, tuple(sorted((name, str(value)) for name, value in note.values.items()))


def _size(shot: RenderedShot) -> dict[str, object]:
    frames, height, width, _ = shot.frames.shape
    return {"frames": frames, "width": width, "height": height, "fps": shot.fps}
