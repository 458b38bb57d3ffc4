"""Render shots: check all, plan, load every model once, hand back what came of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..errors import StoryMotionError
from ..progress import Progress, ignore_progress
from ..report import Line
from .host import Host
from .models import ModelSet
from .preflight import Checked, Preflight
from .preview import OnPreview, ignore_preview
from .render_queue import RenderQueue
from .residents import Load, Residents
from .sdk import load_sdk
from .shot_run import RenderedShot
from .shots import Shot

# Of a caller who wants nothing but the shots.
QUIET = Host()


@dataclass(frozen=True)
class Order:
    """A shot and the models to render it with."""

    models: ModelSet
    shot: Shot


@dataclass(frozen=True)
class RenderedQueue:
    """What came of each order, in their order: a shot, or why there is none. ``notes`` are about all of them.

    ``loads`` are the models that were read from disk.
    """

    outcomes: tuple[RenderedShot | StoryMotionError, ...]
    notes: tuple[Line, ...] = ()
    loads: tuple[Load, ...] = ()


def render_shot(
    models: ModelSet,
    shot: Shot,
    device: str | None = None,
    progress: Progress = ignore_progress,
    residents: Residents | None = None,
    on_preview: OnPreview = ignore_preview,
    make_room: Callable[[], None] = lambda: None,
) -> RenderedShot:
    """Render one shot, as ``render_shots`` does; ``progress`` and the rest as in ``Host``.

    Raises every error of ``preflight.check``, SdkMissing, SdkBroken, SdkUnsupported, SdkChanged, DoesNotFit,
    Fp8LoraNeedsTriton, RenderFailed.
    """
    host = Host(progress, on_preview, make_room)
    queue = render_shots([Order(models, shot)], device, residents, host)
    (outcome,) = queue.outcomes
    if isinstance(outcome, StoryMotionError):
        raise outcome
    return replace(outcome, notes=(*queue.notes, *outcome.notes))


def render_shots(
    orders: Sequence[Order | StoryMotionError],
    device: str | None = None,
    residents: Residents | None = None,
    host: Host = QUIET,
) -> RenderedQueue:
    """Render ``orders`` on ``device`` (None: CUDA when there is one, else the CPU), each model loaded once.

    Frames and sound of each are bit-identical to a direct call of the SDK's pipeline with the same arguments
    (and its default tiling), less the ``shot.tail_trim`` last frames. One that cannot be rendered does not cost the
    others: all are checked before any weight is read, and what the SDK raises ends its own shot only. An error in
    the place of an order is what came of it: the caller could not even place it. With a ``host.shelf``, orders that
    are equal are rendered once.
    ``residents`` holds models between runs as ``models.keep`` asks; without it none are kept.

    Raises SdkMissing, SdkBroken, SdkUnsupported, SdkChanged, and whatever ``host.progress`` raised.
    """
    outcomes: dict[int, RenderedShot | StoryMotionError] = {}
    preflight = Preflight()
    shots: dict[int, Checked] = {}
    for index, order in enumerate(orders):
        if isinstance(order, StoryMotionError):
            outcomes[index] = order
            continue
        try:
            checked = preflight.check(order.models, order.shot)
        except StoryMotionError as error:
            outcomes[index] = error
            continue
        nothing_kept = replace(checked, models=replace(checked.models, keep="disk"))
        shots[index] = checked if residents else nothing_kept
    notes: tuple[Line, ...] = ()
    loads: tuple[Load, ...] = ()
    if shots:
        queue = RenderQueue(load_sdk(), device, residents or Residents(), host, len(orders), outcomes)
        outcomes, notes, loads = queue.render(shots)
    return RenderedQueue(tuple(outcomes[index] for index in range(len(orders))), notes, loads)
