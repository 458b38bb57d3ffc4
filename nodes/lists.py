"""Lists on the sockets of a node that sees them whole (``is_input_list``): what belongs to which scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..storymotion.errors import EmptyList, ListLengthsDisagree


def slots(inputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """One dict of single values for each scene, in story order; ``inputs``: socket -> its list.

    A list of length 1 applies to all scenes; the others have one length, which is the number of scenes.
    ComfyUI's own rule for mapped nodes, repeating the last value of a shorter list, would hide a mistake
    in the graph. Raises EmptyList, ListLengthsDisagree.
    """
    for name, values in inputs.items():
        if not values:
            raise EmptyList(name)
    lengths = {name: len(values) for name, values in inputs.items() if len(values) > 1}
    if len(set(lengths.values())) > 1:
        raise ListLengthsDisagree(", ".join(f"{name} {length}" for name, length in lengths.items()))
    scenes = max(lengths.values(), default=1)
    return [
        {name: values[scene] if name in lengths else values[0] for name, values in inputs.items()}
        for scene in range(scenes)
    ]
