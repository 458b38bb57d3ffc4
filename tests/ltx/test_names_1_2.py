"""What can be told of the adapter of SDK 1.2 on any SDK: its list of private names is complete, types are the SDK's."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import torch

from storymotion import ltx
from storymotion.ltx.blocks_1_2 import built_in
from storymotion.ltx.names_1_2 import BUILDERS, PRIVATE_NAMES

SOURCES = sorted(Path(str(ltx.__file__)).parent.glob("*.py"))
# Methods of NamedTuple, which Python itself calls public.
PUBLIC = {"_replace"}


HOUSE = SOURCES[0].parents[2]
# Whatever else knows the SDK by name.
OTHERS = [
    source
    for folder in ("dev", "nodes", "storymotion", "benchmarks")
    for source in sorted((HOUSE / folder).rglob("*.py"))
    if source not in SOURCES and re.search(r"\bltx_(core|pipelines)\b", source.read_text(encoding="utf-8"))
]


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
    assert HOUSE / "dev" / "direct_sdk.py" in OTHERS
    assert {source.name: private_names(source) for source in OTHERS} == {source.name: set() for source in OTHERS}


@pytest.mark.parametrize(
    ("kind", "streaming", "device", "dtype"),
    [
        ("vocoder", False, "mps", torch.float32),
        ("vocoder", False, "cuda:0", torch.bfloat16),
        ("video_decoder", False, "mps", torch.bfloat16),
        ("transformer", False, "mps", None),
        ("transformer", True, "mps", torch.bfloat16),
        ("text_encoder", True, "cuda", torch.bfloat16),
    ],
)
def test_types_are_those_that_the_sdks_blocks_ask_for(
    kind: str, streaming: bool, device: str, dtype: torch.dtype | None
) -> None:
    """ltx_pipelines.utils.blocks, AudioDecoder and DiffusionStage; nothing runs on MPS here."""
    assert built_in(kind, streaming, device, torch.bfloat16) == dtype


def test_every_builder_is_listed_with_its_block() -> None:
    assert {f"{block}.{name}" for block, builders in BUILDERS.items() for name in builders} <= PRIVATE_NAMES.keys()
