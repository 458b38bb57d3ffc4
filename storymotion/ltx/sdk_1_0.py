"""ltx-core / ltx-pipelines 1.0.x: the SDK on the package index, LTX-2.0 and 2.3.

Its pipelines ask a ``ModelLedger`` for every model. What is added is added to the ledger's builders
before the call: hooks that report progress (a ``ModuleOps``, which composes with fp8) and the exact
weight files of Gemma.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import compat
from .checkpoint import gemma_shards
from .meter import READING, Meter, Phase, phases_of_a_shot
from .pipelines_1_0 import DISTILLED_STEPS, prepare
from .preflight import Checked
from .sdk import RawShot, collect_frames

if TYPE_CHECKING:
    import torch
    from ltx_core.loader.module_ops import ModuleOps

# The decoder's chunks with the default tiling: 64 frames that overlap by 24.
CHUNK_FRAMES = 40


class Sdk10:
    """The adapter; see ``sdk.Sdk``."""

    def __init__(self) -> None:
        self.version = importlib.metadata.version("ltx-core")

    def phases(self, checked: Checked) -> tuple[Phase, ...]:
        """Reading the prompt, the stages, decoding; a tick for every layer that runs."""
        gemma = json.loads((checked.models.text_encoder / "config.json").read_text(encoding="utf-8"))
        gemma_layers = gemma.get("text_config", {}).get("num_hidden_layers", 48)
        guidance = checked.guidance
        return phases_of_a_shot(
            prompt_layers=gemma_layers * (2 if guidance else 1),
            forwards=guidance.passes * guidance.steps if guidance else DISTILLED_STEPS,
            layers=checked.checkpoint.layers,
            two_stages=checked.shot.stages == "two",
            chunks=checked.shot.rendered_frames // CHUNK_FRAMES + 1,
        )

    def run(self, checked: Checked, device: torch.device, meter: Meter) -> RawShot:
        """Build the pipeline, hook it, call it and drain it; see ``sdk.Sdk``."""
        with compat.for_sdk_1_0(checked.models.text_encoder):
            prepared = prepare(checked, device)
            for ledger, stage in prepared.ledgers:
                _hook(ledger, meter, stage)
            video, audio = prepared.pipeline(**prepared.arguments)
            frames = collect_frames(video, checked.shot, meter)
        return RawShot(frames, audio.waveform.float().cpu(), audio.sampling_rate)


def _hook(ledger: Any, meter: Meter, stage: Callable[[], str]) -> None:
    """Report a tick before each layer of the transformer and of Gemma, and load only Gemma's own shards."""
    transformer = _before_each_layer("transformer_blocks", lambda: meter.tick(stage()))
    ledger.transformer_builder = replace(
        ledger.transformer_builder, module_ops=(*ledger.transformer_builder.module_ops, transformer)
    )
    text_encoder = _before_each_layer("model.model.language_model.layers", lambda: meter.tick(READING))
    ledger.text_encoder_builder = replace(
        ledger.text_encoder_builder,
        model_path=tuple(str(shard) for shard in gemma_shards(Path(ledger.gemma_root_path))),
        module_ops=(*ledger.text_encoder_builder.module_ops, text_encoder),
    )


def _before_each_layer(layers: str, tick: Callable[[], None]) -> ModuleOps:
    """A module operation that calls ``tick`` before every forward of every layer in ``module.<layers>``."""
    from ltx_core.loader.module_ops import ModuleOps

    def layers_of(module: Any) -> Any:
        for name in layers.split("."):
            module = getattr(module, name, None)
        return module

    def install(module: Any) -> Any:
        for layer in layers_of(module):
            layer.register_forward_pre_hook(lambda layer, inputs: tick())
        return module

    return ModuleOps("storymotion_progress", lambda module: layers_of(module) is not None, install)
