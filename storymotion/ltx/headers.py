"""Headers of safetensors files: names, shapes and metadata, without reading a single weight."""

from __future__ import annotations

import json
import operator
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelFileMissing, NotSafetensors

# The header of a 22B checkpoint is below 2 MB; a larger "header" is another file format.
LARGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class TensorFacts:
    """What the header says of one tensor: the safetensors name of its type ("BF16") and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """The header of one safetensors file."""

    path: Path
    tensors: Mapping[str, TensorFacts]
    metadata: Mapping[str, str]

    def has_prefix(self, prefix: str) -> bool:
        """Does any tensor's name start with ``prefix``?"""
        return any(name.startswith(prefix) for name in self.tensors)


def read_header(path: Path, role: str) -> Header:
    """Read the header of ``path``; ``role`` says in errors what the file was chosen as.

    The file's size is compared with what the header promises, so a download that broke off is
    noticed here and not in the middle of a load. Raises ModelFileMissing, NotSafetensors.
    """
    if not path.is_file():
        raise ModelFileMissing(role, path.name, str(path.parent))
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if len(start) < 8:
                raise NotSafetensors(path.name, "it is empty or nearly so")
            (length,) = struct.unpack("<Q", start)
            size = path.stat().st_size
            if length > min(LARGEST_HEADER, size):
                raise NotSafetensors(path.name, "it does not start with a safetensors header")
            entries = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise NotSafetensors(path.name, str(error) or type(error).__name__) from None
    try:
        # Texts only, as safetensors has it.
        metadata = {name: "" + text for name, text in entries.pop("__metadata__", {}).items()}
        tensors = {
            name: TensorFacts(str(entry["dtype"]), tuple(operator.index(side) for side in entry["shape"]))
            for name, entry in entries.items()
        }
        end = max((operator.index(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (AttributeError, KeyError, TypeError, IndexError):
        raise NotSafetensors(path.name, "its header does not describe tensors") from None
    if 8 + length + end != size:
        reason = f"it has {size:,} bytes, but its header promises {8 + length + end:,}"
        raise NotSafetensors(path.name, reason)
    return Header(path, tensors, metadata)
