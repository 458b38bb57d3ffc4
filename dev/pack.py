"""The nodes as ComfyUI shows them, without a server: what the tests of locales and help pages compare with."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from .console import DevError
from .processes import ROOT, local_environment

# One node as ComfyUI's /object_info has it.
NodeInfo = dict[str, Any]


@lru_cache(maxsize=1)
def schemas(comfyui: Path) -> dict[str, NodeInfo]:
    """Every node of the pack by its id, in the pack's order, as the ComfyUI in the folder ``comfyui`` describes it.

    Without the nodes that the editor hides: they are parts of others and need no texts.

    They are read in a process of their own, because ComfyUI's modules have names like ``nodes`` and
    ``server``. It sees no model files, and combos of files keep only what the pack itself adds to them.

    Raises DevError when the pack does not import.
    """
    with tempfile.TemporaryDirectory() as base:
        told = subprocess.run(
            [sys.executable, "-m", "dev.pack", comfyui, base],
            cwd=ROOT,
            env=local_environment(),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if told.returncode != 0:
        raise DevError(f"The pack's nodes could not be read:\n{told.stderr}")
    return json.loads(told.stdout)


def inputs_of(info: NodeInfo) -> dict[str, tuple[Any, dict[str, Any]]]:
    """All inputs of a node in the editor's order: id -> (type, options of the input)."""
    return {
        name: (spec[0], spec[1] if len(spec) > 1 else {})
        for group, names in info["input_order"].items()
        if group != "hidden"
        for name in names
        for spec in [info["input"][group][name]]
    }


def choices_of(kind: Any, options: dict[str, Any]) -> list[str] | None:
    """What a combo offers; None when the input is not a combo. 0.3.75 and later write it in two ways."""
    if isinstance(kind, list):
        return kind
    return options["options"] if kind == "COMBO" else None


def main() -> None:
    """Print the nodes of this pack as JSON; runs in the process that ``schemas`` starts."""
    parser = argparse.ArgumentParser(prog="python -m dev.pack", description=__doc__)
    parser.add_argument("comfyui", type=Path, help="a ComfyUI checkout")
    parser.add_argument("base", type=Path, help="an empty folder, taken for ComfyUI's base directory")
    arguments = parser.parse_args()
    # Python put this repository there; its top-level `nodes` would be taken for ComfyUI's.
    sys.path[0] = str(arguments.comfyui)
    with contextlib.redirect_stdout(sys.stderr):
        told = _describe(arguments.base)
    print(json.dumps(told))


def _describe(base: Path) -> dict[str, NodeInfo]:
    comfy_options: Any = importlib.import_module("comfy.options")
    comfy_options.enable_args_parsing()
    sys.argv = ["main.py", "--cpu", "--base-directory", str(base)]
    # Under another name than `storymotion`, which is the library inside of it.
    spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None and spec.loader is not None
    pack: Any = importlib.util.module_from_spec(spec)
    sys.modules["pack"] = pack
    spec.loader.exec_module(pack)

    async def nodes() -> list[Any]:
        return await (await pack.comfy_entrypoint()).get_node_list()

    told = {node.GET_SCHEMA().node_id: node.GET_NODE_INFO_V1() for node in asyncio.run(nodes())}
    told = {node_id: info for node_id, info in told.items() if not info["deprecated"]}
    folders: Any = importlib.import_module("pack.nodes.folders")
    story: Any = importlib.import_module("pack.nodes.story")
    no_files = {choice for folder in folders.ROLES for choice in folders.choices(folder)} | set(story.story_choices())
    for info in told.values():
        for kind, options in inputs_of(info).values():
            choices = choices_of(kind, options)
            if choices is not None:
                choices[:] = [choice for choice in choices if choice not in no_files]
    return told


if __name__ == "__main__":
    main()
