"""The seam to SDK 1.0.x: a ModelLedger whose models come through ``ModelAccess``.

Its pipelines ask a ``ModelLedger`` for every model by public factory methods. They are replaced on
the instance; the SDK's builders below them stay what they are, but for two public fields of theirs:
``module_ops`` gets the hooks that report each layer, ``model_path`` the exact weight files of Gemma.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .access import Handle, ModelAccess, TransformerHandle
from .checkpoint import gemma_settings, gemma_shards
from .fit_load import without_connectors
from .headers import Header
from .layers import LAYERS, layers_of
from .prompt_cache import CachingProcessor, CachingTextEncoder, Findings, UnreadPrompts
from .residents import PHASES, Component, Placement, Watch

if TYPE_CHECKING:
    from ltx_core.loader.module_ops import ModuleOps


class SharedLedger:
    """Stands before one ModelLedger of one run.

    ``findings`` collects what comes to light about the prompts; ``header`` is the checkpoint's.
    ``reads_prompts`` is False when all stages are known, and nobody will look at what becomes of the prompts.
    """

    def __init__(
        self,
        ledger: Any,
        access: ModelAccess,
        placement: Placement,
        findings: Findings,
        header: Header,
        reads_prompts: bool,
    ) -> None:
        self._header = header
        self._ledger, self._access = ledger, access
        self.components = {kind: self._component(kind, placement.text_encoder_device) for kind in _kinds(ledger)}
        for kind, make in self._factories(findings, reads_prompts).items():
            setattr(ledger, kind, make)

    def _factories(self, findings: Findings, reads_prompts: bool) -> dict[str, Callable[[], Any]]:
        """A stand-in for each factory method of the ledger."""
        # With the devices, which change the last bits.
        made_by = tuple(
            (each.key, each.device.split(":")[0])
            for each in (self.components["text_encoder"], self.components["gemma_embeddings_processor"])
        )
        cache, device = self._access.residents.prompts, self._ledger.device

        def text_encoder() -> Any:
            return CachingTextEncoder(self._handle("text_encoder"), cache, made_by, findings, self._access.waits)

        def processor() -> Any:
            return CachingProcessor(self._handle("gemma_embeddings_processor"), cache, device)

        def transformer() -> Any:
            return TransformerHandle(self._handle("transformer"), self._access.on_prediction)

        others = {kind: partial(self._handle, kind) for kind in self.components}
        return others | {
            "text_encoder": text_encoder if reads_prompts else UnreadPrompts,
            "gemma_embeddings_processor": processor if reads_prompts else UnreadPrompts,
            "transformer": transformer,
        }

    def _handle(self, kind: str) -> Handle:
        return self._access.handle(self.components[kind])

    def _component(self, kind: str, text_encoder_device: str) -> Component:
        ledger = self._ledger
        device = str(ledger.device)
        build: Callable[[], Any] = getattr(ledger, kind)
        if kind == "text_encoder":
            _load_own_shards(ledger)
            device = text_encoder_device
            build = _build_text_encoder(ledger, device)
        if kind == "transformer":
            ledger.transformer_builder = without_connectors(ledger.transformer_builder, self._header)
        if kind in LAYERS:
            _report_layers(ledger, kind, self._access.residents.watch)
        return Component(kind, _built_from(ledger, kind), device, build)


def _kinds(ledger: Any) -> list[str]:
    return [kind for kind in PHASES if kind != "spatial_upsampler" or ledger.spatial_upsampler_path]


def _built_from(ledger: Any, kind: str) -> Hashable:
    """Whatever makes a difference to the model of that kind."""
    if kind == "text_encoder":
        settings = gemma_settings(Path(ledger.gemma_root_path))
        return tuple(_identity(path) for path in (*ledger.text_encoder_builder.model_path, *settings))
    if kind == "spatial_upsampler":
        return _identity(ledger.spatial_upsampler_path)
    if kind == "transformer":
        loras = tuple((_identity(lora.path), lora.strength, lora.sd_ops.name) for lora in ledger.loras if lora.strength)
        policy = ledger.quantization
        precision = tuple(op.name for op in policy.module_ops) if policy else None
        return (_identity(ledger.checkpoint_path), loras, precision)
    return _identity(ledger.checkpoint_path)


def _identity(path: str | Path) -> tuple[str, int, int]:
    """Path, size and time of change: a file that is replaced is another file."""
    stat = Path(path).stat()
    return (str(path), stat.st_size, stat.st_mtime_ns)


def _load_own_shards(ledger: Any) -> None:
    """The SDK would load every safetensors file below Gemma's folder."""
    shards = tuple(str(shard) for shard in gemma_shards(Path(ledger.gemma_root_path)))
    ledger.text_encoder_builder = replace(ledger.text_encoder_builder, model_path=shards)


def _build_text_encoder(ledger: Any, device: str) -> Callable[[], Any]:
    def build() -> Any:
        import torch

        return ledger.text_encoder_builder.build(device=torch.device(device), dtype=ledger.dtype).eval()

    return build


def _report_layers(ledger: Any, kind: str, watch: Watch) -> None:
    """Hook ``watch`` before every layer of the model of that kind."""
    builder_name = f"{kind}_builder"
    builder = getattr(ledger, builder_name)
    hook = _before_each_layer(LAYERS[kind], lambda: watch.on_layer(kind))
    setattr(ledger, builder_name, replace(builder, module_ops=(*builder.module_ops, hook)))


def _before_each_layer(layers: str, report: Callable[[], None]) -> ModuleOps:
    """A module operation that calls ``report`` before every forward of every layer in ``module.<layers>``."""
    from ltx_core.loader.module_ops import ModuleOps

    def install(module: Any) -> Any:
        for layer in layers_of(module, layers):
            layer.register_forward_pre_hook(lambda layer, inputs: report())
        return module

    return ModuleOps("storymotion_progress", lambda module: layers_of(module, layers) is not None, install)
