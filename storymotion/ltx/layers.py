"""Which layers of the two models that take most of the time report that they run."""

from __future__ import annotations

from typing import Any

# Kind of model -> where its list of layers is.
LAYERS = {"transformer": "transformer_blocks", "text_encoder": "model.model.language_model.layers"}


def layers_of(module: Any, path: str) -> Any:
    """The list of layers at ``path`` ("a.b.c") in ``module``; None where there is none."""
    for name in path.split("."):
        module = getattr(module, name, None)
    return module
