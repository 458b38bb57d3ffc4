"""What nodes showed in earlier runs, for the browser.

Of what ComfyUI takes from its cache it tells only nodes that save, and when a page is loaded nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...storymotion.errors import RequestNotJson
from .json_route import JsonRoute

# A prompt in ComfyUI's API format: the id of a node -> {"class_type", "inputs"}.
Graph = Mapping[str, Mapping[str, Any]]
# Where ComfyUI's queue and history have it in what belongs to a prompt.
PROMPT_ID, GRAPH = 1, 2
SHOWN_FILES = ("images", "animated")


def result_routes() -> list[JsonRoute]:
    """It changes nothing; POST because a graph is longer than an address may be."""
    return [JsonRoute("POST", "runs/results", last_results)]


def last_results(values: Mapping[str, Any]) -> dict[str, Any]:
    """What each of the ``nodes`` (ids) showed in the last run in which it and all before it had the same inputs.

    The inputs are those of the prompt ``prompt_id``, which runs or has run, or those of ``graph``. An ``output`` has
    no pictures and videos where a file of them is gone; ``ended``: when the run ended, in ms. Raises RequestNotJson.
    """
    nodes = values.get("nodes")
    if not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes):
        raise RequestNotJson("it has no list of ids of nodes")
    graph = _checked(values["graph"]) if "graph" in values else _graph_of(str(values.get("prompt_id")))
    results: dict[str, Any] = {}
    for prompt_id, entry in _history():
        ran, outputs = entry["prompt"][GRAPH], entry["outputs"]
        for node in nodes:
            if node not in results and node in outputs and same_inputs(node, graph, ran):
                results[node] = {"prompt_id": prompt_id, "ended": _ended(entry), "output": _with_files(outputs[node])}
    return {"results": results}


def same_inputs(node: str, asked: Graph, ran: Graph) -> bool:
    """Whether ``node`` and all that it depends on are of the same classes with the same values and links in both.

    ``asked`` may have more values: an editor has widgets that are not sent.
    """
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node not in asked or node not in ran or asked[node]["class_type"] != ran[node]["class_type"]:
            return False
        wanted, used = asked[node]["inputs"], ran[node]["inputs"]
        links = {name: value for name, value in used.items() if _is_link(value)}
        if links != {name: value for name, value in wanted.items() if _is_link(value)}:
            return False
        if any(name not in wanted or wanted[name] != value for name, value in used.items()):
            return False
        waiting += [source for source, _ in links.values()]
    return True


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _checked(graph: Any) -> Graph:
    whole = isinstance(graph, dict) and all(
        isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)
        for node in graph.values()
    )
    if not whole:
        raise RequestNotJson("its graph is not in ComfyUI's API format")
    return graph


def _queue() -> Any:
    from server import PromptServer

    return PromptServer.instance.prompt_queue


def _graph_of(prompt_id: str) -> Graph:
    running, _ = _queue().get_current_queue_volatile()
    known = [each[GRAPH] for each in running if each[PROMPT_ID] == prompt_id]
    known += [entry["prompt"][GRAPH] for key, entry in _history() if key == prompt_id]
    return known[0] if known else {}


def _history() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The newest first. Without the copy that ComfyUI makes of every entry: what has run is not changed any more."""
    yield from reversed(_queue().get_history(map_function=lambda entry: entry).items())


def _ended(entry: Mapping[str, Any]) -> int | None:
    messages = (entry.get("status") or {}).get("messages") or []
    return max((told["timestamp"] for _, told in messages if "timestamp" in told), default=None)


def _with_files(output: Mapping[str, Any]) -> Mapping[str, Any]:
    if all(_is_there(file) for file in output.get("images", [])):
        return output
    return {name: value for name, value in output.items() if name not in SHOWN_FILES}


def _is_there(file: Mapping[str, str]) -> bool:
    import folder_paths

    folder = folder_paths.get_directory_by_type(file["type"])
    return folder is not None and (Path(folder) / file["subfolder"] / file["filename"]).is_file()
