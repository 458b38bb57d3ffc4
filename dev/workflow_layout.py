"""Where the nodes of a shipped workflow stand: columns from left to right, in each the groups from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Pixels of the editor's canvas. A node's position is below its title.
TITLE, GROUP_TITLE, PADDING, BETWEEN_NODES, BETWEEN_GROUPS, BETWEEN_COLUMNS = 30, 42, 16, 20, 28, 36
GROUP_COLOR, GROUP_FONT_SIZE = "#3f789e", 24


def lay_out(
    columns: list[dict[str, Any]], nodes: Mapping[str, dict[str, Any]], room: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Set "pos" and "size" of every node and return the groups.

    A column is {"width", "groups": {title: [key of a node, ...]}, "drop"}: "drop" lowers its first node, so that a
    link can pass above. Every node comes as high as it has to be. ``room`` says for a node type how much it gets on
    top of that. The last node of every column is stretched so that all columns end at one height.
    """
    for node in nodes.values():
        node["size"][1] += room.get(node["type"], 0)
    height = max(_height(column, nodes) for column in columns)
    groups: list[dict[str, Any]] = []
    left = 0
    for column in columns:
        last = nodes[list(column["groups"].values())[-1][-1]]
        last["size"][1] += height - _height(column, nodes)
        _place(column, nodes, left, groups)
        left += column["width"] + 2 * PADDING + BETWEEN_COLUMNS
    return groups


def _height(column: dict[str, Any], nodes: Mapping[str, dict[str, Any]]) -> int:
    return _place(column, nodes, 0, [])


def _place(column: dict[str, Any], nodes: Mapping[str, dict[str, Any]], left: int, groups: list[dict[str, Any]]) -> int:
    """Place the nodes of a column, add its groups to ``groups``, and return where it ends."""
    width, drop, bottom = column["width"], column.get("drop", 0), 0
    for title, keys in column["groups"].items():
        top = bottom + BETWEEN_GROUPS if bottom else 0
        bottom = top + GROUP_TITLE + drop
        for key in keys:
            node = nodes[key]
            node["pos"] = [left + PADDING, bottom + TITLE]
            node["size"][0] = width
            bottom += TITLE + node["size"][1] + BETWEEN_NODES
        bottom += PADDING - BETWEEN_NODES
        drop = 0
        groups.append(
            {
                "id": len(groups) + 1,
                "title": title,
                "bounding": [left, top, width + 2 * PADDING, bottom - top],
                "color": GROUP_COLOR,
                "font_size": GROUP_FONT_SIZE,
                "flags": {},
            }
        )
    return bottom
