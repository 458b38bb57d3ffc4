"""How many bytes of weights each model of a run has: exact, from the headers of its files alone."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import CONNECTORS, TRANSFORMER, CheckpointFacts, gemma_shards
from .headers import Header, TensorFacts, read_header
from .scales import NEEDLESS_ENDINGS, weight_of_scale

# Component (named as ModelLedger's factory methods are) -> the keys that SDK 1.0.0 builds it from.
CHECKPOINT_PARTS = {
    "gemma_embeddings_processor": (*CONNECTORS, "text_embedding_projection."),
    "video_encoder": ("vae.encoder.", "vae.per_channel_statistics."),
    "video_decoder": ("vae.decoder.", "vae.per_channel_statistics."),
    "audio_decoder": ("audio_vae.decoder.", "audio_vae.per_channel_statistics."),
    "vocoder": ("vocoder.",),
}
# ltx_core GEMMA_LLM_KEY_OPS; lm_head is not read, it shares the token embedding.
# Gemma 4 has all below "model.", and in ComfyUI's single file its towers beside it (SDK 1.2).
GEMMA_PARTS = (
    "language_model.model.",
    "vision_tower.",
    "multi_modal_projector.",
    "model.",
    "vision_model.",
    "audio_projector.",
)
# Of a diffusion decoder: the loader drops the first, and multiplies the others into layers.
COARSE_HEAD = "vae.decoder.coarse_"
GATES = (".gate_msa", ".gate_mlp", ".gate_ctx")
LANGUAGE_LAYERS = ("language_model.model.layers.", "model.language_model.layers.", "model.layers.")
# ltx_core.quantization.fp8_cast TRANSFORMER_LINEAR_DOWNCAST_MAP: weights and biases of these layers in the
# transformer's blocks (video, audio and between them) become 8-bit; norms, gates and tables stay.
FP8_BLOCKS = f"{TRANSFORMER}transformer_blocks."
FP8_LAYERS = tuple(
    f"{layer}.{part}"
    for layer in (".to_q", ".to_k", ".to_v", ".to_out.0", "ff.net.0.proj", "ff.net.2")
    for part in ("weight", "bias")
)
# safetensors' names of types by bytes an element.
ELEMENT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
HALF, EIGHT_BIT = 2, 1


@dataclass(frozen=True)
class ModelHeaders:
    """The headers of all files of a run but its LoRAs; ``upscaler`` None where the pipeline has no second stage."""

    checkpoint: Header
    text_encoder: tuple[Header, ...]
    upscaler: Header | None = None


def read_headers(checkpoint: CheckpointFacts, text_encoder: Path, upscaler: Path | None) -> ModelHeaders:
    """Read the headers that are missing. Raises ModelFileMissing, TextEncoderIncomplete, NotSafetensors."""
    return ModelHeaders(
        checkpoint=checkpoint.header,
        text_encoder=tuple(read_header(shard, "text encoder") for shard in gemma_shards(text_encoder)),
        upscaler=read_header(upscaler, "spatial upscaler") if upscaler else None,
    )


def component_sizes(
    checkpoint: CheckpointFacts, text_encoder: Path, upscaler: Path | None, precision: str
) -> dict[str, int]:
    """Bytes of weights of every component as SDK 1.0.0 holds it, by its factory's name in ModelLedger.

    ``precision`` is "bf16" (everything is cast to 16 bits at load) or "fp8" (``fp8_cast``: the linear
    layers of the transformer's blocks 8 bits, what else is in the transformer as it is stored). No
    file's weights are read. Raises ModelFileMissing, TextEncoderIncomplete, NotSafetensors.
    """
    return weigh(read_headers(checkpoint, text_encoder, upscaler), precision)


def weigh(headers: ModelHeaders, precision: str) -> dict[str, int]:
    """``component_sizes`` from headers that were read already."""
    sizes = {"transformer": transformer_size(headers.checkpoint, precision)}
    sizes["text_encoder"] = sum(_half(header, GEMMA_PARTS) for header in headers.text_encoder)
    sizes |= {component: _half(headers.checkpoint, prefixes) for component, prefixes in CHECKPOINT_PARTS.items()}
    if headers.upscaler:
        sizes["spatial_upsampler"] = _half(headers.upscaler, ("",))
    return sizes


# Layers that are streamed are there in two places in turn (ltx_core.block_streaming, _DEFAULT_GPU_SLOTS), and from
# the file they come through four more in main memory (DISK_CPU_SLOTS + _PREFETCH_DEPTH).
STREAMING_SLOTS = 2
READING_SLOTS = 4
LAYER_NUMBER = re.compile(r"\.(?:transformer_blocks|layers)\.(\d+)\.")


@dataclass(frozen=True)
class Layers:
    """Bytes of a model that can be streamed: its largest layer, and all that is in no layer."""

    largest: int
    around: int

    @property
    def streamed(self) -> int:
        """What is on the device when the layers come one by one."""
        return self.around + STREAMING_SLOTS * self.largest

    @property
    def read_ahead(self) -> int:
        """What is in main memory when they come from the file."""
        return READING_SLOTS * self.largest


def layers_of_files(headers: ModelHeaders, precision: str) -> dict[str, Layers]:
    """Those of text encoder and transformer."""
    transformer = {
        name: _in_transformer(name, tensor, precision)
        for name, tensor in headers.checkpoint.tensors.items()
        if _is_in_transformer(name)
    }
    text_encoder = {
        name: HALF * math.prod(tensor.shape)
        for header in headers.text_encoder
        for name, tensor in header.tensors.items()
        if name.startswith(GEMMA_PARTS) and not name.startswith(TRANSFORMER) and not _is_scale(name)
    }
    return {
        "transformer": _layers(transformer, f"{TRANSFORMER}transformer_blocks."),
        "text_encoder": _layers(text_encoder, LANGUAGE_LAYERS),
    }


def _layers(sizes: dict[str, int], prefixes: str | tuple[str, ...]) -> Layers:
    by_layer: dict[str, int] = {}
    around = 0
    for name, size in sizes.items():
        number = LAYER_NUMBER.search(name) if name.startswith(prefixes) else None
        if number is None:
            around += size
        else:
            by_layer[number[1]] = by_layer.get(number[1], 0) + size
    return Layers(max(by_layer.values(), default=0), around)


def _is_in_transformer(name: str) -> bool:
    return name.startswith(TRANSFORMER) and not name.startswith(CONNECTORS) and not _is_scale(name)


def transformer_size(checkpoint: Header, precision: str) -> int:
    """Bytes of the transformer without the text connectors; of all components the only one that fp8 changes."""
    return sum(
        _in_transformer(name, tensor, precision)
        for name, tensor in checkpoint.tensors.items()
        if _is_in_transformer(name)
    )


def _is_scale(name: str) -> bool:
    """Scales of 8-bit weights are multiplied in while loading and not kept (``prequantised``)."""
    return weight_of_scale(name) is not None or name.endswith(NEEDLESS_ENDINGS)


def _half(header: Header, prefixes: tuple[str, ...]) -> int:
    return sum(
        HALF * math.prod(tensor.shape)
        for name, tensor in header.tensors.items()
        if name.startswith(prefixes)
        and not _is_scale(name)
        and not name.startswith(COARSE_HEAD)
        and not name.endswith(GATES)
        # A single file of Gemma has the text connectors beside it.
        and not (prefixes == GEMMA_PARTS and name.startswith(TRANSFORMER))
    )


def _in_transformer(name: str, tensor: TensorFacts, precision: str) -> int:
    elements = math.prod(tensor.shape)
    if precision == "bf16":
        return HALF * elements
    if name.startswith(FP8_BLOCKS) and name.endswith(FP8_LAYERS):
        return EIGHT_BIT * elements
    # fp8_cast does not cast the rest; 8-bit weights with scales come back as 16 bits when those are multiplied in.
    return max(HALF, ELEMENT_BYTES.get(tensor.dtype, HALF)) * elements
