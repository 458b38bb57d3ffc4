"""Stand-ins for the builders with which the blocks of SDK 1.2.x make models, and what is told from a builder."""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any

from .access import Handle
from .checkpoint import gemma_shards
from .preflight import Checked
from .residents import Component


class BlockHandle(Handle):
    """A handle that a block may put away when it is done: the model itself stays where ``Residents`` has it."""

    def to(self, *_: Any, **__: Any) -> BlockHandle:
        """As torch's; it is where it has to be."""
        return self

    def eval(self) -> BlockHandle:
        """As torch's; it was built so."""
        return self

    def dispose(self) -> None:
        """The SDK would let go of the weights here."""

    def teardown(self) -> None:
        """The SDK would end the streaming of weights here."""


class SharedBuilder:
    """Stands for one of the SDK's builders, which are immutable: ``with_...`` returns another one."""

    def __init__(self, inner: Any, component: Callable[[Any], Component], give: Callable[[Component], Any]) -> None:
        self._inner, self._component, self._give = inner, component, give

    @property
    def component(self) -> Component:
        """What ``build`` hands out."""
        return self._component(self._inner)

    def build(self, *_: Any, **__: Any) -> Any:
        """As the SDK's, on the device and in the type that were decided before."""
        return self._give(self.component)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not name.startswith("with_"):
            return value
        return lambda *args, **kwargs: SharedBuilder(value(*args, **kwargs), self._component, self._give)


def with_own_shards(builder: Any, checked: Checked) -> Any:
    """The SDK would load every safetensors file below Gemma's folder; its builders take paths only when made."""
    from ltx_core.text_encoders.gemma import GemmaTextEncoderConfigurator

    root = checked.models.text_encoder
    streaming = {
        name: getattr(builder, name) for name in ("blocks_attr", "blocks_prefix", "cpu_slots_count") if streams(builder)
    }
    return type(builder)(
        model_path=tuple(str(shard) for shard in gemma_shards(root)),
        model_class_configurator=GemmaTextEncoderConfigurator.with_gemma_model_path(str(root)),
        model_sd_ops=builder.model_sd_ops,
        module_ops=builder.module_ops,
        registry=builder.registry,
        **streaming,
    )


def streams(builder: Any) -> bool:
    """Does it make a model whose layers come to the device one by one?"""
    from ltx_core.block_streaming import StreamingModelBuilder

    return isinstance(builder, StreamingModelBuilder)


def built_from(builder: Any, settings: Iterable[Path] = ()) -> tuple[Hashable, ...]:
    """Whatever makes a difference to the model that ``builder`` makes; ``settings``: files that it is made with."""
    paths = builder.model_path if isinstance(builder.model_path, tuple) else (builder.model_path,)
    loras = tuple((_identity(lora.path), lora.strength, lora.sd_ops.name) for lora in builder.loras if lora.strength)
    operations = builder.model_sd_ops.name if builder.model_sd_ops else None
    return (
        tuple(_identity(path) for path in (*paths, *settings)),
        operations,
        loras,
        tuple(operation.name for operation in builder.module_ops),
    )


def _identity(path: str | Path) -> tuple[str, int, int]:
    """Path, size and time of change: a file that is replaced is another file."""
    stat = Path(path).stat()
    return (str(path), stat.st_size, stat.st_mtime_ns)
