"""The list of SDK 1.2's private names is complete: read off the sources, so on any SDK."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from storymotion import ltx
from storymotion.ltx.names_1_2 import BUILDERS, PRIVATE_NAMES

SOURCES = sorted(Path(str(ltx.__file__)).parent.glob("*.py"))
# Methods of NamedTuple, which Python itself calls public.
PUBLIC = {"_replace"}


def private_names(source: Path) -> set[str]:
    """Names with a leading underscore that are somebody else's: attributes, imports, and strings of the 1.2 adapter."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and source.stem.endswith("_1_2"):
            names.add(node.value)
    return {name for name in names if re.fullmatch(r"_[a-z]\w*", name)} - PUBLIC


def test_every_private_name_of_sdk_1_2_is_listed() -> None:
    listed = {name.partition(".")[2] for name in PRIVATE_NAMES}
    used = {source.name: names for source in SOURCES if (names := private_names(source))}
    assert used.keys() <= {"names_1_2.py", "blocks_1_2.py"}, used
    assert set().union(*used.values()) == listed


def test_every_builder_is_listed_with_its_block() -> None:
    assert {f"{block}.{name}" for block, builders in BUILDERS.items() for name in builders} <= PRIVATE_NAMES.keys()
