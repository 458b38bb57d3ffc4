"""Write locales/en/nodeDefs.json: the English that ComfyUI's editor looks up, taken from the nodes themselves.

    python -m dev.locales

Run it after changing a node's texts; the Korean beside it is written by hand. The tests compare both with the nodes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .comfyui import ready_comfyui
from .pack import NodeInfo, choices_of, inputs_of, schemas
from .processes import ROOT

LOCALES = ROOT / "locales"


def locale_key(name: str) -> str:
    """``name`` as the editor looks it up: its paths have dots between their parts (normalizeI18nKey)."""
    return name.replace(".", "_")


def node_definitions(nodes: Mapping[str, NodeInfo]) -> dict[str, Any]:
    """What nodeDefs.json holds of ``nodes`` (see ``dev.pack.schemas``), in English.

    ComfyUI documents texts for the options of a combo, but its editor (looked at 1.33 and 1.58)
    shows the options as they are.
    """
    return {locale_key(node_id): _node(info) for node_id, info in nodes.items()}


def _node(info: NodeInfo) -> dict[str, Any]:
    outputs = zip(info["output_name"], info["output_tooltips"])
    return {
        "display_name": info["display_name"],
        "description": info["description"],
        "inputs": {locale_key(name): _input(name, *spec) for name, spec in inputs_of(info).items()},
        "outputs": {str(index): {"name": name, "tooltip": tooltip} for index, (name, tooltip) in enumerate(outputs)},
    }


def _input(name: str, kind: Any, options: dict[str, Any]) -> dict[str, Any]:
    texts: dict[str, Any] = {"name": options.get("display_name") or name, "tooltip": options.get("tooltip")}
    choices = choices_of(kind, options)
    if choices:
        texts["options"] = {locale_key(choice): choice for choice in choices}
    return texts


def main() -> None:
    """Write the file and say where it is."""
    argparse.ArgumentParser(
        prog="python -m dev.locales", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    english = node_definitions(schemas(ready_comfyui(Path(sys.executable))))
    target = LOCALES / "en" / "nodeDefs.json"
    text = json.dumps(english, indent=2, ensure_ascii=False) + "\n"
    target.write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(english)} nodes in {target.relative_to(ROOT).as_posix()}")


if __name__ == "__main__":
    main()
