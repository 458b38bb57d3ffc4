"""The seam to SDK 1.2.x: pipelines of blocks, whose builders hand out models through ``ModelAccess``.

Each block of a pipeline builds a model when it is called and lets go of it. A ``SharedBuilder`` stands where the
block has its builder: ``build`` returns a handle, and the SDK's own builder below it makes the model once.
The stages are wrapped as the SDK's ``RecordingDiffusionStage`` does it, to put away what they make.
"""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from . import compat
from .access import ModelAccess, TransformerHandle
from .builders_1_2 import BlockHandle, SharedBuilder, built_from, streams, with_own_shards
from .checkpoint import gemma_settings
from .decoder_1_2 import DiffusionDecoderHandle, report_tiles
from .diffusion_vae import diffusion_decoder
from .fit_load import transformer_operations
from .layers import LAYERS, layers_of
from .names_1_2 import BUILDERS, changed, private
from .pipelines_1_2 import quantization
from .preflight import Checked
from .prequantised import fold_builder
from .prompt_cache import BatchTextEncoder, BlockProcessor, Findings, UnreadBatch
from .residents import Component, Placement, Watch
from .stages import StageResults

if TYPE_CHECKING:
    import torch

STAGES = ("stage", "stage_1", "stage_2")
# By which a DiffusionStage calls its loop.
LOOP_KEYWORDS = {"sigmas", "video_state", "audio_state", "stepper", "transformer"}


class SharedStage:
    """Stands for a DiffusionStage, whose denoising goes through the ``StageResults`` of the shot."""

    def __init__(self, stage: Any, stages: StageResults, on_prediction: Callable[[Any], None]) -> None:
        self._stage, self._stages, self._on_prediction = stage, stages, on_prediction

    def __call__(self, *args: Any, loop: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
        """As DiffusionStage's."""
        from ltx_pipelines.utils.samplers import euler_denoising_loop

        return self._stage(*args, loop=partial(self._denoise, loop or euler_denoising_loop), **kwargs)

    def _denoise(
        self,
        loop: Callable[..., Any],
        *,
        sigmas: Any,
        video_state: Any,
        audio_state: Any,
        stepper: Any,
        transformer: Any,
        **others: Any,
    ) -> Any:
        watched = TransformerHandle(transformer, self._on_prediction)

        def run(sigmas: Any, video: Any, audio: Any, stepper: Any) -> Any:
            return loop(
                sigmas=sigmas,
                video_state=video,
                audio_state=audio,
                stepper=stepper,
                transformer=watched,
                **others,
            )

        return self._stages.denoise(run, sigmas, video_state, audio_state, stepper)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)


class SharedBlocks:
    """Stands before the blocks of one pipeline of one run; ``components`` are the models that they may ask for.

    ``findings`` collects what comes to light about the prompts; ``reads_prompts`` is False when nobody will look at
    what becomes of them. Raises SdkChanged.
    """

    def __init__(
        self,
        pipeline: Any,
        checked: Checked,
        access: ModelAccess,
        placement: Placement,
        stages: StageResults,
        findings: Findings,
        reads_prompts: bool,
    ) -> None:
        self._pipeline, self._checked, self._access, self._placement = pipeline, checked, access, placement
        self._findings, self._reads_prompts = findings, reads_prompts
        self.components: list[Component] = []
        for block, builders in BUILDERS.items():
            if block != "upsampler" or checked.shot.stages == "two":
                self._share_block(block, builders)
        own_stages = {name: getattr(pipeline, name) for name in STAGES if hasattr(pipeline, name)}
        if not own_stages:
            raise changed(f"{type(pipeline).__name__}.stage", "runs the transformer, which is loaded and watched there")
        for name, stage in own_stages.items():
            _check_loop(stage)
            setattr(pipeline, name, SharedStage(self._share_transformer(stage), stages, access.on_prediction))

    def _share_block(self, name: str, builders: dict[str, str]) -> None:
        block = getattr(self._pipeline, name, None)
        if block is None:
            kinds = ", ".join(dict.fromkeys(kind.replace("_", " ") for kind in builders.values()))
            raise changed(f"{type(self._pipeline).__name__}.{name}", f"makes the {kinds}")
        # The SDK asks whether two builders are the same one.
        shared: dict[int, SharedBuilder] = {}
        for attribute, kind in builders.items():
            builder = private(block, name, attribute)
            if builder is None:
                continue
            if id(builder) not in shared:
                shared[id(builder)] = self._share(self._changed(builder, kind), kind)
            setattr(block, attribute, shared[id(builder)])
            if not self._is_idle(attribute):
                self.components.append(shared[id(builder)].component)

    def _is_idle(self, attribute: str) -> bool:
        """PromptEncoder has a builder for either mode, and one for another Gemma that we do not give it."""
        if self._placement.offload == "none":
            return attribute == "_streaming_text_encoder_builder"
        return attribute in ("_text_encoder_builder", "_enhancer_text_encoder_builder")

    def _share_transformer(self, stage: Any) -> Any:
        builder = self._changed(private(stage, "stage", "_transformer_builder"), "transformer")
        shared = stage.with_builder(self._share(builder, "transformer"))
        self.components.append(private(shared, "stage", "_prepared_builder")().component)
        return shared

    def _changed(self, builder: Any, kind: str) -> Any:
        """Only what belongs to the model is read, and 8-bit weights as what they stand for."""
        if kind == "text_encoder":
            return with_own_shards(builder, self._checked)
        if kind == "spatial_upsampler":
            return builder
        if kind == "transformer":
            builder = builder.with_sd_ops(transformer_operations(builder.model_sd_ops, self._checked.checkpoint.header))
        policy = quantization(self._checked) if kind == "transformer" else None
        return fold_builder(builder, self._checked.checkpoint.header, policy.sd_ops if policy else None)

    def _share(self, builder: Any, kind: str) -> SharedBuilder:
        return SharedBuilder(builder, partial(self._component, kind), self._give)

    def _component(self, kind: str, builder: Any) -> Component:
        import torch

        streaming = streams(builder)
        device = self._placement.device
        if kind == "text_encoder" and not streaming:
            device = self._placement.text_encoder_device
        dtype = built_in(kind, streaming, device, self._pipeline.dtype)
        watch = self._access.residents.watch

        def build() -> Any:
            with compat.no_reader_left_behind() if streaming else nullcontext():
                model = builder.build(device=torch.device(device), dtype=dtype).eval()
            if kind in LAYERS:
                _report_layers(model, kind, watch)
            elif kind == "video_decoder":
                report_tiles(model, kind, watch)
            return model

        offload = self._placement.offload if streaming else "none"
        settings = gemma_settings(self._checked.models.text_encoder) if kind == "text_encoder" else ()
        return Component(kind, (*built_from(builder, settings), offload), device, build, offload)

    def _give(self, component: Component) -> Any:
        """What a block gets for a model."""
        decoder = diffusion_decoder(self._checked.checkpoint.header) if component.kind == "video_decoder" else None
        if decoder is not None:
            path = self._pipeline.video_decoder.checkpoint_path
            return self._access.handle(
                component,
                partial(DiffusionDecoderHandle, path=path, decoder=decoder, tiling=self._checked.shot.tiling),
            )
        handle = self._access.handle(component, BlockHandle)
        if component.kind not in ("text_encoder", "gemma_embeddings_processor"):
            return handle
        if not self._reads_prompts:
            return UnreadBatch()
        cache = self._access.residents.prompts
        if component.kind == "gemma_embeddings_processor":
            return BlockProcessor(handle, cache, self._pipeline.device)
        return BatchTextEncoder(handle, cache, self._made_by(component), self._findings, self._access.waits)

    def _made_by(self, text_encoder: Component) -> Hashable:
        """What makes a difference to an encoded prompt; with the devices, which change the last bits."""
        processors = [each for each in self.components if each.kind == "gemma_embeddings_processor"]
        return tuple((each.key, each.device.split(":")[0]) for each in (text_encoder, *processors))


def _check_loop(stage: Any) -> None:
    """``SharedStage`` puts itself between a stage and the loop that denoises. Raises SdkChanged."""
    from ltx_pipelines.utils.samplers import euler_denoising_loop

    for function, keywords in ((stage, {"loop"}), (euler_denoising_loop, LOOP_KEYWORDS)):
        missing = keywords - inspect.signature(function).parameters.keys()
        if missing:
            name = f"{getattr(function, '__name__', type(function).__name__)}({', '.join(sorted(missing))}=...)"
            raise changed(name, "is what denoises, and what it made is put away there")


def built_in(kind: str, streaming: bool, device: str, dtype: torch.dtype) -> torch.dtype | None:
    """The type that a model is cast to when it is built, in a pipeline that computes in ``dtype``: as the SDK does it.

    A transformer that does not stream is not cast (None), its weights have types of their own. The vocoder computes
    in float32, which MPS has no autocast to.
    """
    import torch

    if kind == "vocoder" and device.startswith("mps"):
        return torch.float32
    return None if kind == "transformer" and not streaming else dtype


def _report_layers(model: Any, kind: str, watch: Watch) -> None:
    """Hook ``watch`` before every layer of ``model``, which nobody but ``Residents`` has."""
    for layer in layers_of(model, LAYERS[kind]) or ():
        layer.register_forward_pre_hook(lambda layer, inputs: watch.on_layer(kind))
