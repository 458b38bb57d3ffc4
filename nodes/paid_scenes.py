"""Paid shots for one scene or for a whole story: gated together, made side by side, each paid for once."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..storymotion.errors import NoSceneRendered, StoryMotionError, TaskStillRunning
from ..storymotion.media.last_frame import last_frame
from ..storymotion.paid.provider import SEEDANCE
from ..storymotion.paid.seedance.request import SeedanceRequest
from ..storymotion.paid.seedance.run import PaidShot, gate, is_sent, run_shot
from ..storymotion.report import Line, speak
from .host import NodeProgress
from .language import user_language
from .lists import slots
from .outcome import FailedScene, StoryOutcome
from .paid_desk import catalogue, open_desk, say_in_log
from .paid_report import paid_row, receipt_of_shot, receipt_of_story
from .retry import Gaps
from .scene_report import Scene, failed_row
from .shown import SceneRow, shown
from .threads import Lanes, Waiting, in_threads
from .video import SavedVideo

if TYPE_CHECKING:
    import torch

log = logging.getLogger("storymotion")

RequestOf = Callable[[dict[str, Any]], SeedanceRequest]


class PaidRuns:
    """What all paid nodes of this ComfyUI share."""

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.gaps = Gaps()


RUNS = PaidRuns()


@dataclass(frozen=True)
class Made:
    """A shot that is here, its last frame (float 0..1 [1, height, width, 3]), and what the receipt says of it."""

    shot: PaidShot
    frame: torch.Tensor
    receipt: list[Line]


async def make_paid_shots(inputs: Mapping[str, Sequence[Any]], request_of: RequestOf) -> io.NodeOutput:
    """A paid shot for every scene of ``inputs`` (socket -> list): VIDEO list, last frames, receipt.

    ``request_of`` makes a request of the single values of one scene, without ``name`` and ``max_usd``. What an
    earlier queue has sent is not sent again. All others pass the gate together before the first is sent, so that a
    cap that holds for some of them only sends none. A scene of several that fails leaves an ``ExecutionBlocker`` in
    its slots and a row in the receipt. Raises EmptyList, ListLengthsDisagree, NoSceneRendered, GateShut, CapReached,
    for a single scene what ``run_shot`` raises, and TaskStillRunning when the user cancels what cannot be cancelled.
    """
    run = _Run(slots(inputs), request_of)
    await run.look_up()
    run.pass_gate()
    await run.make()
    errors = [scene.error for scene in run.scenes if scene.error is not None]
    if len(errors) == len(run.scenes):
        if len(errors) == 1:
            raise errors[0]
        raise NoSceneRendered(len(errors), errors[0].as_value())
    if errors:
        RUNS.gaps.add()
    videos, frames = run.outputs()
    receipt = run.receipt()
    return io.NodeOutput(videos, frames, receipt, ui=shown(receipt, run.rows()))


class _Run:
    """One run of the node."""

    def __init__(self, values: Sequence[dict[str, Any]], request_of: RequestOf) -> None:
        from comfy_execution.utils import get_executing_context

        context = get_executing_context()
        self._id = context.prompt_id if context is not None else uuid.uuid4().hex
        self._progress = NodeProgress()
        self.scenes: list[Scene] = []
        # By the scene's place in the list; a scene that fails is in none of them any more.
        self._requests: dict[int, SeedanceRequest] = {}
        self._limits: dict[int, float] = {}
        self._made: dict[int, Made] = {}
        self._to_send: list[int] = []
        self._left_running: list[str] = []
        for index, scene in enumerate(values):
            self.scenes.append(Scene(index + 1, str(scene.pop("name", ""))))
            self._limits[index] = float(scene.pop("max_usd"))
            try:
                self._requests[index] = request_of(scene)
            except StoryMotionError as error:
                self._fail(index, error)

    async def look_up(self) -> None:
        """Check every request, and find out which of them an earlier queue has sent."""

        def look(request: SeedanceRequest, waiting: Waiting) -> bool:
            return is_sent(request, open_desk(waiting))

        sent = await self._of_each({index: partial(look, request) for index, request in self._requests.items()})
        self._to_send = [index for index, was_sent in sent.items() if not was_sent]

    def pass_gate(self) -> None:
        """See that all that is to be sent may be paid for. Raises GateShut, CapReached where nothing else is left."""
        if not self._to_send:
            return
        desk = open_desk()
        asked = {index: self._requests[index] for index in self._to_send}
        limits = {self._limits[index] for index in asked}
        # With one limit for all scenes everything that is shut is told at once.
        common = limits.pop() if len(limits) == 1 else None
        try:
            together = gate(list(dict.fromkeys(asked.values())), desk, common).require()
            for limit in limits:
                of_limit = [request for index, request in asked.items() if self._limits[index] == limit]
                gate(of_limit, desk, limit).require()
            together.require_room(self._id)
        except StoryMotionError as error:
            if len(asked) == len(self._requests):
                raise
            for index in asked:
                self._fail(index, error)

    async def make(self) -> None:
        """Make, or fetch, every shot that is left. Raises TaskStillRunning."""
        from comfy.model_management import InterruptProcessingException

        concurrent = {model.id: model.concurrent for model in catalogue().models}

        def make(index: int, request: SeedanceRequest, waiting: Waiting) -> Made:
            lane = RUNS.lanes.of(request.model, concurrent.get(request.model, 1))
            with waiting.in_lane(lane):
                shot = run_shot(request, open_desk(waiting, self._tell), self._limits[index], self._id)
            return Made(shot, _image(shot.path), receipt_of_shot(shot))

        try:
            self._made = await self._of_each(
                {index: partial(make, index, request) for index, request in self._requests.items()}
            )
        except InterruptProcessingException:
            if not self._left_running:
                raise
            # ComfyUI shows nothing when a prompt was cancelled; what still costs money has to be seen.
            raise TaskStillRunning(SEEDANCE.name, ", ".join(self._left_running), "running") from None

    def outputs(self) -> tuple[list[Any], list[Any]]:
        """A VIDEO and its last frame for every scene, or what keeps mapped nodes from running for it."""
        from comfy_execution.graph_utils import ExecutionBlocker

        failed = [FailedScene(scene.position, scene.name, scene.reason) for scene in self.scenes if scene.error]
        story = StoryOutcome(len(self.scenes), tuple(failed))
        videos: list[Any] = []
        frames: list[Any] = []
        for index, scene in enumerate(self.scenes):
            made = self._made.get(index)
            videos.append(SavedVideo(made.shot.path, story, scene.position) if made else ExecutionBlocker(None))
            frames.append(made.frame if made else ExecutionBlocker(None))
        return videos, frames

    def receipt(self) -> str:
        """What it cost."""
        if len(self.scenes) == 1:
            return speak(self._made[0].receipt, user_language())
        shots = {index: made.shot for index, made in self._made.items()}
        lines = receipt_of_story(self.scenes, shots, {index: made.receipt for index, made in self._made.items()})
        return speak(lines, user_language())

    def rows(self) -> list[SceneRow]:
        """Of several scenes, what became of each."""
        if len(self.scenes) == 1:
            return []
        made = [self._made.get(index) for index in range(len(self.scenes))]
        return [paid_row(scene, one.shot) if one else failed_row(scene) for scene, one in zip(self.scenes, made)]

    def _tell(self, told: Line) -> None:
        """From a thread: what the user must know now, also after a cancel, which shows no message of its own."""
        if told.code == "seedance-left-running":
            self._left_running.append(str(told.values["task"]))
        say_in_log(told)
        self._progress.say(told.speak(user_language()))

    def _fail(self, index: int, error: StoryMotionError) -> None:
        log.warning("Scene %s: %s", self.scenes[index].label, error.speak("en"))
        self.scenes[index].error = error
        self._requests.pop(index, None)

    async def _of_each(self, calls: Mapping[int, Callable[[Waiting], Any]]) -> dict[int, Any]:
        """What comes of the calls, by scene; an error of the library is that of its scene. Raises any other one."""
        futures: list[Future[Any]] = await in_threads(list(calls.values()), self._progress)
        results: dict[int, Any] = {}
        for index, future in zip(calls, futures):
            error = future.exception()
            if isinstance(error, StoryMotionError):
                self._fail(index, error)
            elif error is not None:
                raise error
            else:
                results[index] = future.result()
        return results


def _image(path: Path) -> torch.Tensor:
    """The last frame of a video as ComfyUI's IMAGE. Raises UnreadableVideo."""
    import torch

    return torch.from_numpy(last_frame(path)).float().div(255)[None]
