"""How a node that ComfyUI maps over a list knows the whole list, although slots of it are blocked.

A story's VIDEO list has an ``ExecutionBlocker`` where a scene failed. A node that takes the list as one
input (``is_input_list``) would not run at all then: ComfyUI blocks it if any element is one. So Join and
Animation Encode are ordinary nodes: ComfyUI calls ``execute`` once for every slot (a "slice") and leaves
out the blocked ones. What such a node lacks is which slice is the last one that will run.

It learns that from ``check_lazy_status``. A node that has this method gets it called for every slice
that is not blocked, all of them before the first ``execute`` (``execute()`` in ComfyUI's execution.py,
0.3.75 and 0.33). It is meant for inputs that may not be needed; here it only counts:

    @classmethod
    def check_lazy_status(cls, **inputs):
        return announce_slice()

    @classmethod
    def execute(cls, ...):
        items = gather(item)    # None, until the last slice comes; then all of them in order

What is gathered belongs to one run of one node. It lies in a context variable: ComfyUI runs every prompt
as an ``asyncio`` task of its own and calls the methods of nodes inside that task, so it is gone with the
prompt, however that ends. There is nothing to clean up after an error or an interrupt, and a prompt that
is queued again starts from nothing.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass
class _Run:
    announced: set[int] = field(default_factory=set)
    gathered: dict[int, Any] = field(default_factory=dict)


# By node id; one dictionary for each prompt.
_runs: ContextVar[dict[str, _Run] | None] = ContextVar("storymotion_slices", default=None)


def announce_slice() -> list[str]:
    """Call it from ``check_lazy_status`` and return what it returns: no input has to be waited for."""
    node_id, index = slice_here()
    runs = _runs.get()
    if runs is None:
        _runs.set(runs := {})
    runs.setdefault(node_id, _Run()).announced.add(index)
    return []


def gather(item: Item) -> list[tuple[int, Item]] | None:
    """Keep ``item`` of the slice that runs now; the last slice gets all of them, the others None.

    Each comes with its slot in the list, from 0, in order; slots that are blocked are missing.

    Raises RuntimeError if ``announce_slice`` was not called for this slice.
    """
    node_id, index = slice_here()
    runs = _runs.get() or {}
    run = runs.get(node_id)
    if run is None or index not in run.announced:
        raise RuntimeError("This ComfyUI does not call check_lazy_status before it executes a node.")
    run.gathered[index] = item
    if run.announced - run.gathered.keys():
        return None
    del runs[node_id]
    return sorted(run.gathered.items())


def slice_here() -> tuple[str, int]:
    """The id of the node that runs now, and the slot of its slice, from 0."""
    from comfy_execution.utils import get_executing_context

    context = get_executing_context()
    assert context is not None  # ComfyUI sets it around every call
    return context.node_id, context.list_index or 0
