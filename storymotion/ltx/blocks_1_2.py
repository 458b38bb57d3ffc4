"""The seam to SDK 1.2.x: pipelines of blocks, whose builders hand out models through ``ModelAccess``.

Each block of a pipeline builds a model when it is called and lets go of it. A ``SharedBuilder`` stands where the
block has its builder: ``build`` returns a handle, and the SDK's own builder below it makes the model once.
The stages are wrapped as the SDK's ``RecordingDiffusionStage`` does it, to put away what they make.
"""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import SdkChanged
from .access import Handle, ModelAccess, TransformerHandle
from .checkpoint import gemma_shards
from .fit_load import transformer_operations
from .layers import LAYERS, layers_of
from .pipelines_1_2 import quantization
from .preflight import Checked
from .prequantised import fold_builder
from .prompt_cache import BatchTextEncoder, BlockProcessor, Findings, UnreadBatch
from .residents import Component, Placement, Watch
from .stages import StageResults

# Every name of the SDK that is used here and is not public: "block.name" -> what it is for, and what to do when it
# goes. ``share_models`` raises SdkChanged with the first that is missing, before anything is loaded.
PRIVATE_NAMES = {
    "prompt_encoder._text_encoder_builder": "makes Gemma; PromptEncoder(text_encoder_builder=...) takes one",
    "prompt_encoder._enhancer_text_encoder_builder": "makes the Gemma that rewrites prompts; "
    "PromptEncoder(enhancer_text_encoder_builder=...) takes one",
    "prompt_encoder._streaming_text_encoder_builder": "makes Gemma in offload modes; nothing public takes its place, "
    "so without it the text encoder runs as without offload",
    "prompt_encoder._embeddings_processor_builder": "makes the embeddings processor; without it write the block's "
    "eight lines again: encode, then process_hidden_states for each prompt",
    "image_conditioner._encoder_builder": "makes the video encoder; the block is a callable that gets a function of "
    "the encoder, so one of our own can stand for it",
    "upsampler._encoder_builder": "as image_conditioner's; the block calls ltx_core's public upsample_video",
    "upsampler._upsampler_builder": "makes the upsampler; as above",
    "video_decoder._decoder_builder": "makes the video decoder; VideoDecoder(decoder_builder=...) takes one",
    "audio_decoder._decoder_builder": "makes the audio decoder; the block calls ltx_core's public decode_audio",
    "audio_decoder._vocoder_builder": "makes the vocoder; as above",
    "stage._transformer_builder": "makes the transformer; read only, with_builder puts ours in. Without it make the "
    "builder from public parts, as DiffusionStage.from_checkpoint does",
    "stage._prepared_builder": "the builder with quantisation and compilation in it, which is what a model is "
    "known by. Without it compute the key from the policy's names",
}
# Block -> its builders, each with the kind of model that it makes.
BUILDERS: dict[str, dict[str, str]] = {
    "prompt_encoder": {
        "_text_encoder_builder": "text_encoder",
        "_enhancer_text_encoder_builder": "text_encoder",
        "_streaming_text_encoder_builder": "text_encoder",
        "_embeddings_processor_builder": "gemma_embeddings_processor",
    },
    "image_conditioner": {"_encoder_builder": "video_encoder"},
    "upsampler": {"_encoder_builder": "video_encoder", "_upsampler_builder": "spatial_upsampler"},
    "video_decoder": {"_decoder_builder": "video_decoder"},
    "audio_decoder": {"_decoder_builder": "audio_decoder", "_vocoder_builder": "vocoder"},
}
STAGES = ("stage", "stage_1", "stage_2")


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
            if hasattr(pipeline, block):
                self._share_block(block, builders)
        for name in STAGES:
            stage = getattr(pipeline, name, None)
            if stage is not None:
                setattr(pipeline, name, SharedStage(self._share_transformer(stage), stages, access.on_prediction))

    def _share_block(self, name: str, builders: dict[str, str]) -> None:
        block = getattr(self._pipeline, name)
        # The SDK asks whether two builders are the same one.
        shared: dict[int, SharedBuilder] = {}
        for attribute, kind in builders.items():
            builder = _private(block, name, attribute)
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
        builder = self._changed(_private(stage, "stage", "_transformer_builder"), "transformer")
        shared = stage.with_builder(self._share(builder, "transformer"))
        self.components.append(_private(shared, "stage", "_prepared_builder")().component)
        return shared

    def _changed(self, builder: Any, kind: str) -> Any:
        """Only what belongs to the model is read, and 8-bit weights as what they stand for."""
        if kind == "text_encoder":
            return _with_own_shards(builder, self._checked)
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
        # As the SDK: a transformer that does not stream is not cast, its weights have types of their own.
        dtype = None if kind == "transformer" and not streaming else self._pipeline.dtype
        watch = self._access.residents.watch

        def build() -> Any:
            model = builder.build(device=torch.device(device), dtype=dtype).eval()
            if kind in LAYERS:
                _report_layers(model, kind, watch)
            return model

        offload = self._placement.offload if streaming else "none"
        return Component(kind, (*_built_from(builder), offload), device, build, offload)

    def _give(self, component: Component) -> Any:
        """What a block gets for a model."""
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


def _private(owner: Any, block: str, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        meant = PRIVATE_NAMES[f"{block}.{name}"]
        version = importlib.metadata.version("ltx-core")
        raise SdkChanged(f"{type(owner).__name__}.{name}", meant, version) from None


def _with_own_shards(builder: Any, checked: Checked) -> Any:
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


def _built_from(builder: Any) -> tuple[Hashable, ...]:
    """Whatever makes a difference to the model that ``builder`` makes."""
    paths = builder.model_path if isinstance(builder.model_path, tuple) else (builder.model_path,)
    loras = tuple((_identity(lora.path), lora.strength, lora.sd_ops.name) for lora in builder.loras if lora.strength)
    operations = builder.model_sd_ops.name if builder.model_sd_ops else None
    return (
        tuple(_identity(path) for path in paths),
        operations,
        loras,
        tuple(operation.name for operation in builder.module_ops),
    )


def _identity(path: str) -> tuple[str, int, int]:
    """Path, size and time of change: a file that is replaced is another file."""
    stat = Path(path).stat()
    return (str(path), stat.st_size, stat.st_mtime_ns)


def _report_layers(model: Any, kind: str, watch: Watch) -> None:
    """Hook ``watch`` before every layer of ``model``, which nobody but ``Residents`` has."""
    for layer in layers_of(model, LAYERS[kind]) or ():
        layer.register_forward_pre_hook(lambda layer, inputs: watch.on_layer(kind))
