"""What rendering wants from whoever asks for it, each with a default that does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..progress import Progress, ignore_progress
from .fit_queue import QueuePlan
from .preview import OnPreview, ignore_preview
from .sdk import NewFrames, in_main_memory
from .shelf import Shelf


@dataclass(frozen=True)
class Host:
    """Callbacks of a run.

    ``progress`` is called before every layer that runs; what it raises ends the run inside the step and comes out
    unchanged. ``on_preview`` is shown a latent frame now and then. ``make_room`` is called when all checks have
    passed, before memory is measured: shots that cannot be rendered, or that the shelf has, cost nobody else his
    models. ``new_frames`` makes the memory that finished frames go to. ``shelf`` has shots of earlier runs.
    ``on_plan`` hears what will be rendered, before anything is loaded: the plan without the shots that the shelf has.
    """

    progress: Progress = ignore_progress
    on_preview: OnPreview = ignore_preview
    make_room: Callable[[], None] = lambda: None
    new_frames: NewFrames = in_main_memory
    shelf: Shelf | None = None
    on_plan: Callable[[QueuePlan], None] = lambda plan: None
