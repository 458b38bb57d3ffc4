"""Loading the transformer alone: what SDK 1.0.0 would read onto the device with it and throw away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .checkpoint import CONNECTORS, TRANSFORMER
from .headers import Header

if TYPE_CHECKING:
    from ltx_core.loader import SDOps


def without_connectors(builder: Any, header: Header) -> Any:
    """``ModelLedger.transformer_builder`` that leaves the text connectors in the checkpoint.

    SDK 1.0.0 reads every "model.diffusion_model." key to the device, also the two connectors, which
    are no part of the transformer: ``load_state_dict(strict=False)`` drops them once the model is
    built. In the 22B checkpoint they are 3.8 GiB, and a 24 GB card has no room for them beside the
    18.1 GiB of fp8 weights. The transformer is the same, bit for bit.
    """
    return replace(builder, model_sd_ops=transformer_operations(builder.model_sd_ops, header))


def transformer_operations(sd_ops: SDOps, header: Header) -> SDOps:
    """``sd_ops`` for the transformer alone; see ``without_connectors``. SDK 1.2.0 reads them as well."""
    return _only(sd_ops, _own_prefixes(header))


def _own_prefixes(header: Header) -> tuple[str, ...]:
    """What the keys of the transformer start with: "model.diffusion_model." and the name of a direct child."""
    prefixes = set()
    for name in header.tensors:
        if name.startswith(TRANSFORMER) and not name.startswith(CONNECTORS):
            child, dot, _ = name.removeprefix(TRANSFORMER).partition(".")
            prefixes.add(f"{TRANSFORMER}{child}{dot}")
    return tuple(sorted(prefixes))


def _only(sd_ops: SDOps, prefixes: tuple[str, ...]) -> SDOps:
    from ltx_core.loader.sd_ops import ContentMatching

    others = tuple(operation for operation in sd_ops.mapping if not isinstance(operation, ContentMatching))
    matching = tuple(ContentMatching(prefix) for prefix in prefixes)
    return replace(sd_ops, name=f"{sd_ops.name}_WITHOUT_CONNECTORS", mapping=(*matching, *others))
