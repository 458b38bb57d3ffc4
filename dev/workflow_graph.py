"""A graph in API format as the nodes and links that ComfyUI's editor stores (workflow format 0.4).

The editor keeps the values of a node's widgets as a list without names, so their order has to be the editor's own:
that of the node's definition in /object_info, with one more value after a seed (what happens to it after a run).
Measured with `app.loadApiJson` and `app.graph.serialize` of frontend 1.33.13; tests/browser proves it on every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .console import DevError

WIDGET_TYPES = ("BOOLEAN", "COMBO", "FLOAT", "IMAGEUPLOAD", "INT", "STRING")
SEEDS = ("seed", "noise_seed")
AFTER_A_RUN = "fixed"
OPTIONAL_SHAPE = 7  # a hollow dot
BYPASSED = 4  # the mode of a node that hands on what comes in, as if it were a wire
# Litegraph's heights in pixels; a node with room to spare gives it to its texts and its preview.
SLOT, WIDGET, TEXT_BOX, WIDGET_MARGIN, BOTTOM = 20, 24, 54, 8, 6


@dataclass(frozen=True)
class Entry:
    """One input of a node as /object_info defines it."""

    name: str
    type: str
    options: dict[str, Any]
    optional: bool

    @property
    def is_widget(self) -> bool:
        """Whether the editor shows a field for it, into which a link may go too."""
        return self.type in WIDGET_TYPES and not self.options.get("forceInput")

    @property
    def has_control(self) -> bool:
        """Whether the editor adds a choice of what happens to the value after a run."""
        return bool(self.options.get("control_after_generate", self.type == "INT" and self.name in SEEDS))

    def slot(self) -> dict[str, Any]:
        """The input as a node stores it."""
        shape = {"shape": OPTIONAL_SHAPE} if self.optional else {}
        widget = {"widget": {"name": self.name}} if self.is_widget else {}
        return {"name": self.name, "type": self.type} | shape | widget | {"link": None}

    def values(self, given: Any) -> list[Any]:
        """What the node stores for it when its value is ``given``: a value, a link, or None for neither."""
        value = self.options.get("default") if given is None or isinstance(given, list) else given
        return [value, AFTER_A_RUN] if self.has_control else [value]


def entries_of(definition: dict[str, Any]) -> list[Entry]:
    """The inputs of a node in the editor's order: sockets first, then widgets."""
    entries: list[Entry] = []
    for kind in ("required", "optional"):
        for name in definition["input_order"].get(kind, ()):
            type_, *rest = definition["input"][kind][name]
            options = rest[0] if rest else {}
            entries.append(Entry(name, "COMBO" if isinstance(type_, list) else type_, options, kind == "optional"))
            if options.get("image_upload") or options.get("video_upload"):
                entries.append(Entry("upload", "IMAGEUPLOAD", {"default": "image"}, False))
    return sorted(entries, key=lambda entry: entry.is_widget)


def with_bypassed(graph: dict[str, Any], bypassed: dict[str, Any]) -> dict[str, Any]:
    """``graph`` with the nodes that only the editor's file has, each in the way of the link that it has itself.

    The editor leaves them out of what it queues, so that the result queues ``graph`` again.
    """
    for key, node in bypassed.items():
        (source,) = [given for given in node["inputs"].values() if isinstance(given, list)]
        graph = {
            name: each | {"inputs": {n: [key, 0] if v == source else v for n, v in each["inputs"].items()}}
            for name, each in graph.items()
        } | {key: node}
    return graph


def nodes_and_links(
    graph: dict[str, Any], definitions: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], list[list[Any]]]:
    """The nodes by their id in ``graph``, without places, and the links between them.

    ``graph`` is in API format, ``definitions`` what /object_info answers. Raises DevError for a node or an input
    that the server does not know.
    """
    strange = {each["class_type"] for each in graph.values()} - definitions.keys()
    if strange:
        raise DevError(f"The server has no node {', '.join(sorted(strange))}.")
    nodes = {key: _node(key, each, definitions[each["class_type"]]) for key, each in graph.items()}
    links: list[list[Any]] = []
    for order, (key, node) in enumerate(nodes.items()):
        node["order"] = order
        for index, slot in enumerate(node["inputs"]):
            given = graph[key]["inputs"].get(slot["name"])
            if isinstance(given, list):
                source, output = given[0], nodes[given[0]]["outputs"][given[1]]
                links.append([len(links) + 1, int(source), given[1], int(key), index, output["type"]])
                slot["link"] = len(links)
                output["links"] = [*(output["links"] or []), len(links)]
    return nodes, links


def _node(key: str, given: dict[str, Any], definition: dict[str, Any]) -> dict[str, Any]:
    entries = entries_of(definition)
    unknown = given["inputs"].keys() - {entry.name for entry in entries}
    if unknown:
        raise DevError(f"Node {key}, {given['class_type']}, has no input {', '.join(sorted(unknown))}.")
    pack = definition["python_module"].removeprefix("custom_nodes.")
    is_core = pack == definition["python_module"]
    return {
        "id": int(key),
        "type": given["class_type"],
        "pos": [0, 0],
        "size": [0, least_height(entries, definition)],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [entry.slot() for entry in entries],
        "outputs": [
            {"name": name, "type": type_, "links": None}
            for name, type_ in zip(definition["output_name"], definition["output"])
        ],
        "properties": {
            "cnr_id": "comfy-core" if is_core else pack,
            "Node name for S&R": given["class_type"],
        },
        "widgets_values": [
            value for entry in entries if entry.is_widget for value in entry.values(given["inputs"].get(entry.name))
        ],
    }


def least_height(entries: list[Entry], definition: dict[str, Any]) -> int:
    """The height in pixels, without the title, that the editor gives a node at least."""
    widgets = [entry for entry in entries if entry.is_widget]
    texts = sum(1 for entry in widgets if entry.options.get("multiline"))
    fields = len(widgets) - texts + sum(1 for entry in widgets if entry.has_control)
    slots = max(len(entries) - len(widgets), len(definition["output"]), 1)
    margin = WIDGET_MARGIN if widgets else 0
    return SLOT * slots + WIDGET * fields + TEXT_BOX * texts + margin + BOTTOM
