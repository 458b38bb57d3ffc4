"""The names of SDK 1.2.x that are not public and that the seam takes hold of: all of them are here."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import SdkChanged

# Every name of the SDK that is used here and is not public: "block.name" -> what it is for, and what to do when it
# goes. ``private`` raises SdkChanged with the first that is missing, before anything is loaded.
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


def private(owner: Any, block: str, name: str) -> Any:
    """``owner.name``, where ``owner`` is a pipeline's ``block``. Raises SdkChanged."""
    try:
        return getattr(owner, name)
    except AttributeError:
        raise changed(f"{type(owner).__name__}.{name}", PRIVATE_NAMES[f"{block}.{name}"]) from None


def changed(name: str, purpose: str) -> SdkChanged:
    """The error that says that ``name`` is gone."""
    return SdkChanged(name, purpose, importlib.metadata.version("ltx-core"))


@contextmanager
def as_in_1_2(what: str) -> Iterator[None]:
    """For calls of the SDK that read nothing: a name or a keyword that they do not find is gone. Raises SdkChanged."""
    try:
        yield
    except (ImportError, AttributeError, TypeError) as error:
        raise changed(what, f"{type(error).__name__}: {error}") from error
