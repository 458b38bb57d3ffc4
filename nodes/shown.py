"""What the editor gets of a run: the report, and as data a row for each scene of a list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comfy_api.latest import ui

ROWS = "storymotion"


@dataclass(frozen=True)
class SceneRow:
    """A scene, ``position`` from 1. ``state``: done, reused, earlier (paid earlier) or failed; of a check its verdict.

    ``seconds`` of video; ``score`` of a check, 0 to 1; ``file`` as ComfyUI's "/view" takes it. None, and "" for the
    texts of an amount: not known, or not of this node.
    """

    position: int
    state: str = ""
    name: str = ""
    seconds: float | None = None
    score: float | None = None
    krw_text: str = ""
    usd_text: str = ""
    file: dict[str, str] | None = None


def shown(report: str, rows: Sequence[SceneRow] = ()) -> dict[str, Any]:
    """For ``ui=``. Rows are JSON text: ComfyUI's list of jobs takes objects for files that were made."""
    return {**ui.PreviewText(report).as_dict(), ROWS: [_json(row) for row in rows]}


def _json(row: SceneRow) -> str:
    known = {name: value for name, value in vars(row).items() if value not in (None, "")}
    return json.dumps(known, ensure_ascii=False)
