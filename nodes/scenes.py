"""One shot or a whole story: lists in, a shot for every scene out, and a report with a row for each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from comfy_api.latest import io

from ..storymotion.cost import USER_RATES, load_rates
from ..storymotion.errors import NoRoomForFrames, NoSceneRendered, RenderFailed, StoryMotionError
from ..storymotion.forecast import Work, forecast_lines
from ..storymotion.ltx.fit_budget import STREAMED
from ..storymotion.ltx.fit_phases import models_of
from ..storymotion.ltx.fit_plan import MemoryPlan
from ..storymotion.ltx.fit_queue import QueuePlan
from ..storymotion.ltx.fit_said import way_of_computing
from ..storymotion.ltx.host import Host
from ..storymotion.ltx.models import ModelSet
from ..storymotion.ltx.preflight import Checked
from ..storymotion.ltx.render import Order, RenderedQueue, RenderedShot, render_shots
from ..storymotion.ltx.render_queue import LOADING
from ..storymotion.ltx.shots import DistilledShot, ICLoraShot, KeyframesShot, OneStageShot, Shot, TwoStageShot
from ..storymotion.media.sound import Sound
from ..storymotion.report import Line, speak
from ..storymotion.shot import exact_frame_rate
from .host import NodeProgress
from .language import user_language
from .lists import slots
from .memory import Guest
from .models import fingerprint_choices
from .outcome import FailedScene, StoryOutcome
from .retry import Gaps
from .scene_report import RunFacts, Scene, cost_of, rendered_row, report_of_shot, report_of_story
from .settings import cost_settings, keep_setting
from .shown import SceneRow, shown
from .stores import StoredShots, frame_buffers, timings, user_file
from .video import ShotVideo

log = logging.getLogger("storymotion")

# What stays loaded between shots, whichever node makes them.
GUEST = Guest()
GAPS = Gaps()
# Why a scene can fail today and not tomorrow: memory, the disk, a driver.
NOT_THE_INPUTS = (RenderFailed, NoRoomForFrames)
PIPELINES: dict[type[Shot], str] = {
    DistilledShot: "distilled",
    OneStageShot: "one_stage",
    TwoStageShot: "two_stage",
    KeyframesShot: "keyframes",
    ICLoraShot: "ic_lora",
}
DISTILLED_STEPS = 8


def fingerprint_of_shots(*chosen: tuple[str, Any]) -> Any:
    """For ``fingerprint_inputs`` of a node that makes shots; ``chosen``: combos of files, as (folder, choice)."""
    return (*fingerprint_choices(*chosen), GAPS.count)


def make_shots(inputs: Mapping[str, Sequence[Any]], order_of: Callable[[dict[str, Any]], Order]) -> io.NodeOutput:
    """Render a shot for every scene of ``inputs`` (socket -> list) and hand them on as a VIDEO list, with a report.

    ``order_of`` makes an order of the single values of one scene. A scene of several that fails leaves an
    ``ExecutionBlocker`` in its slot and a row in the report; the error of a single scene is raised. Raises
    EmptyList, ListLengthsDisagree, NoSceneRendered, and what ``render_shots`` raises.
    """
    scenes = slots(inputs)
    made: list[Scene] = []
    orders: dict[int, Order] = {}
    for index, scene in enumerate(scenes):
        made.append(Scene(index + 1, str(scene.pop("name", ""))))
        try:
            orders[index] = order_of(scene)
        except StoryMotionError as error:
            made[index].error = error
    run = _Run(several=len(scenes) > 1)
    if orders:
        run.render(orders, made)
    errors = [scene.error for scene in made if scene.error is not None]
    if len(errors) == len(scenes):
        if len(scenes) == 1:
            raise errors[0]
        raise NoSceneRendered(len(scenes), errors[0].as_value())
    if any(isinstance(error, NOT_THE_INPUTS) for error in errors):
        GAPS.add()
    videos = _videos(made)
    facts = run.facts()
    if len(scenes) == 1:
        return _with_report(videos, report_of_shot(made[0], facts), [])
    report = report_of_story(made, facts)
    # On the node too: if a node that saves ends the queue in an error, ComfyUI may not come to show the report.
    NodeProgress().say(speak(report[:1], user_language()))
    return _with_report(videos, report, [rendered_row(scene, *cost_of(scene, facts.rates)) for scene in made])


def _with_report(videos: list[Any], report: list[Line], rows: list[SceneRow]) -> io.NodeOutput:
    """The report is an output, and what the editor shows on the node."""
    text = speak(report, user_language())
    return io.NodeOutput(videos, text, ui=shown(text, rows))


def _videos(scenes: Sequence[Scene]) -> list[Any]:
    """A slot for every scene: its VIDEO, or what keeps mapped nodes from running for it."""
    from comfy_execution.graph_utils import ExecutionBlocker

    failed = tuple(FailedScene(scene.position, scene.name, scene.reason) for scene in scenes if scene.error is not None)
    story = StoryOutcome(len(scenes), failed)
    videos: list[Any] = []
    for scene in scenes:
        shot = scene.shot
        if shot is None:
            videos.append(ExecutionBlocker(None))
            continue
        sound = Sound(shot.waveform.numpy(), shot.sample_rate)
        video = ShotVideo(shot.frames, exact_frame_rate(shot.fps), sound)
        video.story, video.position = story, scene.position
        videos.append(video)
    return videos


class _Run:
    """One run of a node: what ComfyUI lends to the library, and what is remembered of it."""

    def __init__(self, several: bool) -> None:
        self._several = several
        self._queue = RenderedQueue(())
        self._works: dict[int, Work] = {}
        self._forecast: tuple[Line, ...] = ()
        self._rates = load_rates(user_file(USER_RATES))
        self._seconds = 0.0

    def facts(self) -> RunFacts:
        """What the report says beside the scenes."""
        rates, notes = self._rates
        return RunFacts((*self._queue.notes, *notes), self._forecast, self._seconds, rates)

    def render(self, orders: Mapping[int, Order], scenes: Sequence[Scene]) -> None:
        """Render ``orders`` (by scene) and put what comes of each into its scene."""
        import comfy.model_management

        device = comfy.model_management.get_torch_device()
        progress = NodeProgress()
        host = Host(
            progress=progress,
            on_preview=progress.preview,
            make_room=partial(GUEST.make_room, device),
            new_frames=frame_buffers().empty,
            # A single shot is made anew whenever it is asked for; a story goes on where it stopped.
            shelf=StoredShots(progress) if self._several else None,
            on_plan=partial(self._announce, progress, list(orders)),
        )
        started = time.monotonic()
        try:
            ordered = [replace(order, models=_kept(order.models)) for order in orders.values()]
            self._queue = render_shots(ordered, str(device), GUEST.residents, host)
        finally:
            GUEST.register(device)
        self._seconds = time.monotonic() - started
        for index, outcome in zip(orders, self._queue.outcomes):
            scene = scenes[index]
            scene.seed = orders[index].shot.seed
            scene.tail_trim = orders[index].shot.tail_trim
            if isinstance(outcome, RenderedShot):
                scene.shot = outcome
            else:
                scene.error = outcome
        self._remember(scenes)

    def _announce(self, progress: NodeProgress, indices: list[int], plan: QueuePlan) -> None:
        """What is to come, before anything is loaded: in the log, and on the node."""
        self._works = {indices[place]: _work(checked, plan.plan) for place, checked in plan.shots.items()}
        machine, works = plan.plan.machine, list(self._works.values())
        seconds = sum(checked.shot.frames / checked.shot.fps for checked in plan.shots.values())
        rates, _ = self._rates
        forecast = timings().forecast(works, _bytes_to_read(plan))
        at_most = any(checked.shot.auto_duration for checked in plan.shots.values())
        self._forecast = forecast_lines(forecast, seconds, machine.name, cost_settings(), rates, at_most)
        if self._forecast:
            log.info("%s", speak(self._forecast, "en"))
            progress.say(speak(self._forecast[:1], user_language()))

    def _remember(self, scenes: Sequence[Scene]) -> None:
        """Keep the figures of this run for the next forecast."""
        figures, loads = timings(), self._queue.loads
        device_name = ""
        for index, work in self._works.items():
            shot = scenes[index].shot
            if shot is not None and not shot.reused:
                device_name = shot.device_name
                # Of a shot whose length the model decided, what it came to.
                work = replace(work, frames=len(shot.frames) + scenes[index].tail_trim)
                figures.record(work, sum(shot.seconds.values()) - shot.seconds[LOADING])
        if device_name and loads:
            size = sum(load.size for load in loads)
            figures.record_loading(device_name, sum(load.seconds for load in loads), size)


def _kept(models: ModelSet) -> ModelSet:
    return replace(models, keep=keep_setting(models.keep))


def _work(checked: Checked, plan: MemoryPlan) -> Work:
    """What shapes how long the shot takes. Streamed or compiled ones are compared with their like."""
    shot, guidance = checked.shot, checked.guidance
    width, height = shot.width, shot.height
    pipeline = PIPELINES[type(shot)]
    if isinstance(shot, ICLoraShot) and shot.skip_stage_2:
        pipeline, (width, height) = "ic_lora_stage_1", shot.rendered_size
    forwards = guidance.steps * guidance.passes if guidance else DISTILLED_STEPS
    way = way_of_computing(checked.models, plan)
    return Work(pipeline, way, plan.machine.name, width, height, shot.rendered_frames, forwards)


def _bytes_to_read(plan: QueuePlan) -> int:
    """Weights that are not in memory yet."""
    if not plan.shots:
        return 0
    # What is streamed from the file is read while the shot is made.
    streamed = STREAMED if plan.plan.offload == "disk" else ()
    sizes = {**plan.plan.sizes, **dict.fromkeys(streamed, 0)}
    kinds = {kind for checked in plan.shots.values() for kind in models_of(checked.shot)}
    whole = sum(sizes[kind] for kind in kinds) + (plan.plan.transformers - 1) * sizes["transformer"]
    return max(0, whole - GUEST.residents.bytes_held())
