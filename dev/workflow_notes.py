"""The note of a shipped workflow in English and Korean, and the model files that its loaders name."""

from __future__ import annotations

from typing import Any

COLORS = {"color": "#432", "bgcolor": "#000"}  # a title like the editor's own notes, links readable on black


def model_files(inputs: dict[str, Any], models: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Those of the known ``models`` that the inputs of a node (or of several) choose, by file name."""
    return {value: models[value] for value in inputs.values() if isinstance(value, str) and value in models}


def downloads(inputs: dict[str, Any], models: dict[str, dict[str, str]]) -> list[dict[str, str]]:
    """What the editor's missing-models dialog offers for a node: the public files, not the gated ones."""
    chosen = model_files(inputs, models).items()
    return [
        {"name": name, "url": model["url"], "directory": model["directory"]} for name, model in chosen if "url" in model
    ]


def note_node(node_id: int, text: str) -> dict[str, Any]:
    """The editor's own note with Markdown in it; it is not part of what is queued."""
    return {
        "id": node_id,
        "type": "MarkdownNote",
        "pos": [0, 0],
        "size": [0, 0],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "title": "StoryMotion",
        "properties": {},
        "widgets_values": [text],
        **COLORS,
    }


def note_text(graph: dict[str, Any], own: dict[str, Any], notes: dict[str, Any]) -> str:
    """The note's Markdown: what the workflow does (``own``), and from ``notes`` where its files go, per language."""
    used: dict[str, dict[str, str]] = {}
    for node in graph.values():
        used |= model_files(node["inputs"], notes["models"])
    languages = [_in_one_language(own[code], words, used) for code, words in notes["languages"].items()]
    return "\n\n---\n\n".join(languages)


def _in_one_language(own: dict[str, Any], words: dict[str, Any], used: dict[str, dict[str, str]]) -> str:
    lines = [f"## {own['title']}", "", own["about"], "", words["first"], "", *(f"- {each}" for each in own["first"])]
    if used:
        lines += ["", words["files"], ""]
    for name, model in used.items():
        link = f"[{name}]({model['url']})" if "url" in model else f"{name} ({words['whole_folder']})"
        lines.append(f"- `{model['directory']}`: {link}")
    for name, model in used.items():
        if "gated" in model:
            gated = [line.format(repository=model["gated"], name=name, **model) for line in words["gated"]]
            lines += ["", *gated]
    return "\n".join(lines)
