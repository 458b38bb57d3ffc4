"""What helps the editor to show a node, where the installed ComfyUI knows such a thing.

Search aliases came with ComfyUI 0.10, essentials categories with 0.14.1 (comfy_api/latest/_io.py of those releases).
Inputs that most shots leave alone are folded away by every frontend of ours, whichever ComfyUI it comes with.

ComfyUI's price badge is left out on purpose: it is drawn only on nodes of comfy.org's own paid service, which are
handed the user's comfy.org key, and calls the price credits. js/badges.js puts the quote there as a badge of text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any

from comfy_api.latest import io

HINTS = Path(__file__).with_name("editor_hints.json")


def with_editor_hints(define_schema: Callable[..., io.Schema]) -> Callable[..., io.Schema]:
    """Put what ``editor_hints.json`` says about the node into the schema that ``define_schema`` makes."""

    @wraps(define_schema)
    def hinted(cls: type[io.ComfyNode]) -> io.Schema:
        schema = define_schema(cls)
        hints = _hints()[schema.node_id]
        for field in ("search_aliases", "essentials_category"):
            if field in hints and hasattr(schema, field):
                setattr(schema, field, hints[field])
        for each in schema.inputs:
            if each.id in hints.get("advanced", ()):
                # Not the argument ``advanced``, which ComfyUI has since 0.9.2: both end in the same place.
                each.extra_dict["advanced"] = True
        return schema

    return hinted


@cache
def _hints() -> dict[str, dict[str, Any]]:
    return json.loads(HINTS.read_text(encoding="utf-8"))["nodes"]
