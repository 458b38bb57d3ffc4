"""The shipped workflows as ComfyUI's editor opens them, made from their twins in API format.

    python -m dev.workflows [--check]

workflows/api/NN_name.json says what runs; workflow_layout.json where its nodes stand and which are there but bypassed,
workflow_notes.json what its note says. Together with the node definitions of a real ComfyUI server they make
workflows/NN_name.json. --check writes nothing and fails when a file is not what would be made.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from .client import ComfyClient
from .comfyui import default_comfyui
from .console import DevError, make_printing_safe
from .processes import CACHE, ROOT, exit_on_terminate
from .server import ComfyServer
from .workflow_graph import BYPASSED, nodes_and_links, with_bypassed
from .workflow_layout import lay_out
from .workflow_notes import downloads, note_node, note_text

FOLDER = ROOT / "workflows"
LAYOUT = Path(__file__).with_name("workflow_layout.json")
NOTES = Path(__file__).with_name("workflow_notes.json")
NOTE = "note"


def main(arguments: list[str] | None = None) -> int:
    """Make or check the workflows; returns the exit code."""
    make_printing_safe()
    exit_on_terminate()
    parser = argparse.ArgumentParser(prog="python -m dev.workflows")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")
    check = parser.parse_args(arguments).check
    try:
        made = made_workflows(definitions_of_a_server())
    except DevError as error:
        print(f"workflows: {error}", file=sys.stderr)
        return 1
    stale = stale_workflows(made)
    for file in stale:
        if not check:
            file.write_text(made[file], encoding="utf-8", newline="\n")
        print(f"{file.relative_to(ROOT).as_posix()} {'is out of date' if check else 'written'}")
    return 1 if check and stale else 0


def definitions_of_a_server() -> dict[str, Any]:
    """/object_info of the default ComfyUI with this pack and no models. Raises DevError."""
    python = Path(sys.executable)
    comfyui = default_comfyui(python)
    (CACHE / "tmp").mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=CACHE / "tmp") as data,
        ComfyServer(python, comfyui, Path(data)) as server,
        ComfyClient(server.address) as client,
    ):
        return client.get("/object_info")


def made_workflows(definitions: dict[str, Any]) -> dict[Path, str]:
    """The text of every workflow file, by its path. Raises DevError as made_workflow()."""
    twins = sorted((FOLDER / "api").glob("*.json"))
    return {FOLDER / twin.name: as_text(made_workflow(twin, definitions)) for twin in twins}


def stale_workflows(made: dict[Path, str]) -> list[Path]:
    """The files that are not there or hold something else than what was ``made``."""
    return [file for file, text in made.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]


def made_workflow(twin: Path, definitions: dict[str, Any]) -> dict[str, Any]:
    """One workflow in the editor's format 0.4, from its twin in API format and the server's ``definitions``.

    Raises DevError when the twin names a node or an input that the server does not know, or is not described here.
    """
    graph = json.loads(twin.read_text(encoding="utf-8"))
    layouts = json.loads(LAYOUT.read_text(encoding="utf-8"))
    notes = json.loads(NOTES.read_text(encoding="utf-8"))
    for described, file in ((layouts, LAYOUT), (notes, NOTES)):
        if twin.stem not in described["workflows"]:
            raise DevError(f"{file.relative_to(ROOT).as_posix()} does not describe {twin.stem}.")
    layout = layouts["workflows"][twin.stem]
    bypassed = layout.get("bypassed", {})
    graph = with_bypassed(graph, bypassed)
    nodes, links = nodes_and_links(graph, definitions)
    for key, node in nodes.items():
        if key in bypassed:
            node["mode"] = BYPASSED
        if key in layout["titles"]:
            node["title"] = layout["titles"][key]
        offered = downloads(graph[key]["inputs"], notes["models"])
        if offered:
            node["properties"]["models"] = offered
    note_id = max(node["id"] for node in nodes.values()) + 1
    nodes[NOTE] = note_node(note_id, note_text(graph, notes["workflows"][twin.stem], notes))
    groups = lay_out(layout["columns"], nodes, layouts["room"] | layout.get("room", {}))
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"storymotion/workflows/{twin.name}")),
        "revision": 0,
        "last_node_id": note_id,
        "last_link_id": len(links),
        "nodes": list(nodes.values()),
        "links": links,
        "groups": groups,
        "config": {},
        # Without "ds" the editor fits the workflow into its window; "LG" says whose pixels the places are.
        "extra": {"workflowRendererVersion": "LG"},
        "version": 0.4,
    }


def as_text(workflow: dict[str, Any]) -> str:
    """A workflow as its file holds it."""
    return json.dumps(workflow, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
