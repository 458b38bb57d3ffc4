"""Run several shots so that every model is loaded once for all of them.

Each shot is one unmodified call of the SDK's pipeline. The calls are coroutines: every one has a thread of
its own, but exactly one of them runs at a time, handed on by the scheduler. A call that uses a model which
is not on the device stops there if another model would have to make way. When no call can go on, the
scheduler lets the next model in, once for everybody who waits for it.

Where nothing ever has to make way (all models fit on the device together) no call stops, and the shots are
made one after the other.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .residents import ALONE_OF_ITS_KIND, PHASES, Component, Placement, Residents


class Unwound(BaseException):
    """Raised inside a call when the queue ends before it; no Exception, so that the SDK cannot swallow it."""


class Turn:
    """One call and its place in the queue. ``work`` must return normally unless the whole queue is to end.

    ``transformers``: how many it has come to; a call that goes on from its last stage begins with more than 0.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        # What the host has put into its context (ComfyUI: which node runs) is there in the thread too.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._main,), name="storymotion-shot", daemon=True)
        self.done = False
        self.error: BaseException | None = None
        self.wants: Component | None = None
        self.on_build: Callable[[str], None] = lambda kind: None
        self.transformers = 0

    @property
    def started(self) -> bool:
        """Does it have a thread?"""
        return self._thread.ident is not None

    def start(self) -> None:
        """Get it a thread, which waits to be resumed. Raises RuntimeError when the system has none left."""
        self._thread.start()

    def _main(self) -> None:
        self._go.acquire()
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.done = True
            self._back.release()

    def resume(self) -> None:
        """Let it run until it stops or ends (the scheduler's side)."""
        self._go.release()
        self._back.acquire()
        if self.done:
            self._thread.join()

    def stop(self) -> None:
        """Hand over to the scheduler and wait to be resumed (the call's side)."""
        self._back.release()
        self._go.acquire()


class LoadOnce:
    """The scheduler of one run."""

    def __init__(self, residents: Residents, placement: Placement) -> None:
        self._residents, self._placement = residents, placement
        self._ends = False

    def run(self, turns: Sequence[Turn]) -> None:
        """Run all to their end. What one of them raises, or a cancel while a model loads, ends the others too."""
        waiting = list(turns)
        without_thread: list[Turn] = []
        try:
            while waiting:
                turn = next((turn for turn in waiting if self._can_go_on(turn)), None) or min(waiting, key=_urgency)
                if not turn.started:
                    try:
                        turn.start()
                    except RuntimeError:
                        waiting.remove(turn)
                        without_thread.append(turn)
                        if not any(each.started for each in waiting):
                            raise
                        continue
                self._let_in(turn)
                turn.resume()
                if turn.done:
                    waiting.remove(turn)
                    if turn.error is not None:
                        raise turn.error
                    # One thread less: there may be another one now.
                    waiting += without_thread
                    without_thread.clear()
        finally:
            self._ends = bool(waiting)
            for turn in waiting:
                while turn.started and not turn.done:
                    turn.resume()

    def use(self, turn: Turn, component: Component) -> Any:
        """The model for a call that is about to use it, who may have to wait. Raises what loading it raised."""
        if self._ends:
            raise Unwound
        if turn.wants != component:
            turn.wants = component
            turn.transformers += component.kind == ALONE_OF_ITS_KIND
        if not self._residents.has_failed(component) and not self._residents.is_ready(component):
            turn.on_build = self._residents.watch.on_build
            turn.stop()
            if self._ends:
                raise Unwound
            self._residents.watch.on_build = turn.on_build
        return self._residents.use(component, self._placement)

    def _can_go_on(self, turn: Turn) -> bool:
        wanted = turn.wants
        if wanted is None or self._residents.has_failed(wanted) or self._residents.is_ready(wanted):
            return True
        # A transformer comes only when all have got as far as they can: whoever goes on from an earlier run's stage
        # would call for stage 2's while the others have not had stage 1's.
        return wanted.kind != ALONE_OF_ITS_KIND and self._residents.has_room(wanted, self._placement)

    def _let_in(self, turn: Turn) -> None:
        """Load what ``turn`` wants, in this thread. If that fails it fails once, for all who want it, in theirs."""
        component = turn.wants
        if component is None or self._residents.has_failed(component):
            return
        # Other calls have used models since this one stopped: the progress of loading is its own again.
        self._residents.watch.on_build = turn.on_build
        try:
            self._residents.use(component, self._placement)
        except Exception:
            if not self._residents.has_failed(component):
                raise  # a cancel, before the model was read


def _urgency(turn: Turn) -> tuple[int, int]:
    """The earliest phase first, then whoever is least far: so all have come when a model is let in."""
    assert turn.wants is not None  # who has not started yet can go on
    return PHASES[turn.wants.kind], turn.transformers
