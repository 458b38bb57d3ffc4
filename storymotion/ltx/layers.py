"""The layers of the two models that take most of the time: where they are, and their names when they are compiled."""

from __future__ import annotations

import re
from typing import Any

# Kind of model -> where its list of layers is.
LAYERS = {"transformer": "transformer_blocks", "text_encoder": "model.model.language_model.layers"}


# torch.compile puts each layer into another module, where it has this name.
_COMPILED = "._orig_mod."


def as_compiled(key: str) -> str:
    """The name of a tensor of the transformer when its layers are compiled, as SDK 1.2 reads it."""
    return re.sub(r"^(transformer_blocks\.\d+)\.", rf"\1{_COMPILED}", key)


def as_not_compiled(key: str) -> str:
    """The name without that: SDK 1.2 renames the keys of files that name layers as it does, before anything else."""
    return key.replace(_COMPILED, ".")


def layers_of(module: Any, path: str) -> Any:
    """The list of layers at ``path`` ("a.b.c") in ``module``; None where there is none."""
    for name in path.split("."):
        module = getattr(module, name, None)
    return module
