"""What a client sees of tasks: the task object, and the list with its filters and pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .refusal import invalid
from .tasks import Task

STATUSES = ("queued", "running", "succeeded", "failed", "expired", "cancelled")
LARGEST_PAGE = 500


def task_object(task: Task, url_of: Callable[[Task, str], str]) -> dict[str, Any]:
    """The JSON of one task. Before the end it has no content, no usage, no seed, as in the real one.

    ``url_of(task, "video" or "last_frame")`` makes the download addresses. The prompt is never echoed.
    """
    order = task.order
    shown: dict[str, Any] = {
        "id": task.id,
        "model": order.model.id,
        "status": task.status,
        "created_at": int(task.created_at),
        "updated_at": int(task.updated_at),
        "service_tier": order.service_tier,
        "execution_expires_after": order.execution_expires_after,
    }
    if task.status == "failed":
        shown["error"] = {"code": task.outcome.code, "message": task.outcome.message}
    if task.status != "succeeded":
        return shown
    shown["content"] = {"video_url": url_of(task, "video")}
    if order.return_last_frame:
        shown["content"]["last_frame_url"] = url_of(task, "last_frame")
    shown["usage"] = {"completion_tokens": task.tokens, "total_tokens": task.tokens}
    shown |= {"resolution": order.resolution, "ratio": order.ratio, "framespersecond": 24}
    shown |= {"frames": order.frames} if order.frames is not None else {"duration": order.seconds}
    echoed = ("seed", "generate_audio", "draft", "priority", "safety_identifier")
    return shown | {name: value for name in echoed if (value := getattr(order, name)) is not None}


def select(tasks: list[Task], query: dict[str, list[str]]) -> tuple[list[Task], int]:
    """The page of ``tasks`` that a list request asks for, and how many there are on all pages; raises Refusal."""
    page = _number(query, "page_num", 1)
    size = _number(query, "page_size", 10)
    status = query.get("filter.status", [None])[-1]
    if status is not None and status not in STATUSES:
        raise invalid("filter.status", f"it has to be one of {', '.join(STATUSES)}")
    # Flex tasks are not seen unless asked for.
    tier = query.get("filter.service_tier", ["default"])[-1]
    ids = query.get("filter.task_ids")
    # It is documented as the id of an inference endpoint, of which this account has none.
    endpoint = query.get("filter.model", [""])[-1]
    found = [
        task
        for task in tasks
        if task.order.service_tier == tier
        and (status is None or task.status == status)
        and (ids is None or task.id in ids)
        and not endpoint
    ]
    return found[(page - 1) * size : page * size], len(found)


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [""])[-1]
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise invalid(name, f"it has to be a whole number from 1 to {LARGEST_PAGE}")
    return int(text)
