"""Paid shots for one scene or for a whole story: gated together, made side by side, each paid for once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..storymotion.errors import NoSceneRendered, StoryMotionError
from ..storymotion.media.last_frame import last_frame
from ..storymotion.paid.seedance.request import SeedanceRequest
from ..storymotion.paid.seedance.run import PaidShot, gate, is_sent, run_shot
from ..storymotion.report import Line, speak
from .host import NodeProgress
from .language import user_language
from .lists import slots
from .outcome import FailedScene, StoryOutcome
from .paid_desk import catalogue, open_desk, say_in_log
from .paid_report import receipt_of_shot, receipt_of_story
from .scene_report import Scene
from .threads import Lanes, Waiting, in_threads
from .video import SavedVideo

if TYPE_CHECKING:
    import torch

LANES = Lanes()


async def make_paid_shots(
    inputs: Mapping[str, Sequence[Any]], request_of: Callable[[dict[str, Any]], SeedanceRequest]
) -> io.NodeOutput:
    """A paid shot for every scene of ``inputs`` (socket -> list): VIDEO list, last frames, receipt.

    ``request_of`` makes a request of the single values of one scene, without ``name`` and ``max_usd``. What an
    earlier queue has sent is not sent again. All others pass the gate together before the first is sent, so that a
    cap that holds for some of them only sends none. A scene of several that fails leaves an ``ExecutionBlocker`` in
    its slots and a row in the receipt. Raises EmptyList, ListLengthsDisagree, NoSceneRendered, GateShut, and for a
    single scene what ``run_shot`` raises.
    """
    run = _Run(slots(inputs), request_of)
    await run.look_up()
    run.pass_gate()
    await run.make()
    errors = [scene.error for scene in run.scenes if scene.error is not None]
    if len(errors) == len(run.scenes):
        if len(errors) == 1:
            raise errors[0]
        raise NoSceneRendered(len(errors), str(errors[0]))
    videos, frames = run.outputs()
    return io.NodeOutput(videos, frames, run.receipt())


class _Run:
    """One run of the node."""

    def __init__(
        self, values: Sequence[dict[str, Any]], request_of: Callable[[dict[str, Any]], SeedanceRequest]
    ) -> None:
        self.scenes: list[Scene] = []
        self._requests: dict[int, SeedanceRequest] = {}
        self._limits: dict[int, float] = {}
        self._shots: dict[int, PaidShot] = {}
        self._to_send: list[int] = []
        self._progress = NodeProgress()
        for index, scene in enumerate(values):
            self.scenes.append(Scene(index + 1, str(scene.pop("name", ""))))
            self._limits[index] = float(scene.pop("max_usd"))
            try:
                self._requests[index] = request_of(scene)
            except StoryMotionError as error:
                self.scenes[index].error = error

    async def look_up(self) -> None:
        """Check every request, and find out which of them an earlier queue has sent."""

        def look(request: SeedanceRequest, waiting: Waiting) -> bool:
            return is_sent(request, open_desk(waiting))

        calls = {index: partial(look, request) for index, request in self._requests.items()}
        futures = await in_threads(list(calls.values()), self._progress)
        sent = self._results(dict(zip(calls, futures)))
        self._requests = {index: self._requests[index] for index in sent}
        self._to_send = [index for index, was_sent in sent.items() if not was_sent]

    def pass_gate(self) -> None:
        """See that all that is to be sent may be paid for. Raises GateShut when there is nothing else to hand on."""
        if not self._to_send:
            return
        desk = open_desk()
        try:
            limits = sorted({self._limits[index] for index in self._to_send})
            if len(limits) > 1:
                gate([self._requests[index] for index in self._to_send], desk).require()
            for limit in limits:
                of_limit = [self._requests[index] for index in self._to_send if self._limits[index] == limit]
                gate(of_limit, desk, limit).require()
        except StoryMotionError as error:
            if len(self._to_send) == len(self._requests):
                raise
            for index in self._to_send:
                self.scenes[index].error = error
                del self._requests[index]

    async def make(self) -> None:
        """Make, or fetch, every shot that is left."""
        from comfy_execution.utils import get_executing_context

        context = get_executing_context()
        run_id = context.prompt_id if context is not None else uuid.uuid4().hex
        concurrent = {model.id: model.concurrent for model in catalogue().models}

        def make(index: int, request: SeedanceRequest, waiting: Waiting) -> PaidShot:
            lane = LANES.of(request.model, concurrent.get(request.model, 1))
            waiting.enter(lane)
            try:
                return run_shot(request, open_desk(waiting, self._tell), self._limits[index], run_id)
            finally:
                lane.release()

        calls = {index: partial(make, index, request) for index, request in self._requests.items()}
        futures = await in_threads(list(calls.values()), self._progress)
        self._shots = self._results(dict(zip(calls, futures)))

    def outputs(self) -> tuple[list[Any], list[Any]]:
        """A VIDEO and its last frame for every scene, or what keeps mapped nodes from running for it."""
        from comfy_execution.graph_utils import ExecutionBlocker

        failed = [FailedScene(scene.position, scene.name, scene.reason) for scene in self.scenes if scene.error]
        story = StoryOutcome(len(self.scenes), tuple(failed))
        videos: list[Any] = []
        frames: list[Any] = []
        for index, scene in enumerate(self.scenes):
            shot = self._shots.get(index)
            videos.append(SavedVideo(shot.path, story, scene.position) if shot else ExecutionBlocker(None))
            frames.append(_image(shot) if shot else ExecutionBlocker(None))
        return videos, frames

    def receipt(self) -> str:
        """What it cost."""
        if len(self.scenes) == 1:
            lines = receipt_of_shot(self._shots[0])
        else:
            lines = receipt_of_story(self.scenes, self._shots)
        return speak(lines, user_language())

    def _tell(self, told: Line) -> None:
        """From a thread: what the user must know now, also after a cancel, which shows no message of its own."""
        say_in_log(told)
        self._progress.say(told.speak(user_language()))

    def _results(self, futures: Mapping[int, Future[Any]]) -> dict[int, Any]:
        """What came of the calls; an error of the library is that of its scene. Raises any other one."""
        results: dict[int, Any] = {}
        for index, future in futures.items():
            error = future.exception()
            if isinstance(error, StoryMotionError):
                self.scenes[index].error = error
            elif error is not None:
                raise error
            else:
                results[index] = future.result()
        return results


def _image(shot: PaidShot) -> torch.Tensor:
    """The last frame as ComfyUI's IMAGE: float 0..1 [1, height, width, 3]."""
    import torch

    return torch.from_numpy(last_frame(shot.path)).float().div(255)[None]
