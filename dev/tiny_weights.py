"""Random numbers for the tiny LTX-2 files, in the shapes that the SDK's own module classes ask for.

Names and shapes come from the modules that the SDK builds from ``tiny_configs``, so they cannot drift from what its
loader expects. All tensors are bfloat16, as in the released files: SDK 1.2.0 never casts the transformer, and 1.0.0
refuses to fuse a LoRA into anything else.

What a render with these weights shows is noise: coloured blots, in which the outlines of a guide image can be made out.
The scales below only keep it presentable: nearly nothing is clipped, the sound is quiet (0.04 to 0.07 RMS of full
scale), and prompt, seed, guide image and LoRA each change the result.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any

from .tiny_configs import (
    AUDIO_HEAD_DIM,
    GEMMA_HIDDEN,
    TEXT_FEATURES,
    UPSCALER_CONFIG,
    Config,
    checkpoint_config,
    heads_of,
)

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

TRANSFORMER = "model.diffusion_model."
LORA_LAYERS = 2  # the LoRAs cover the first two blocks: every key of theirs fits any checkpoint made here
LORA_RANK = 4

# Convolutions whose output channels are laid out as pixels, and how many pixels each value becomes. Neighbours start
# equal (ICNR, Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution"): without it every pixel of the
# decoded picture would be an independent random number, and nothing of a guide image could be seen in it.
_PIXELS_OF_A_VALUE = (
    (re.compile(r"vae\.decoder\.up_blocks\.\d+\.conv\.conv\.weight"), 8),  # 2 x 2 x 2 (video_vae/sampling.py)
    (re.compile(r"vae\.decoder\.conv_out\.conv\.weight"), 16),  # 4 x 4 patch (video_vae/ops.py)
    (re.compile(r"upsampler\.0\.weight"), 4),  # 2 x 2 (upsampler/pixel_shuffle.py)
)

# Gain over the variance-keeping 1/sqrt(fan-in). Chosen by looking and listening.
_GAINS = (
    # An encoded guide is stronger than the noise around it, so that its outlines show through.
    (re.compile(r"vae\.encoder\.conv_out\.conv\.weight"), 3.0),
    # The decoded picture is clipped at -1 and 1: keep nearly all of it inside.
    (re.compile(r"vae\.decoder\.conv_out\.conv\.weight"), 0.5),
    # Nothing inside the two 2.3 vocoders is normalised: without these the sound is a full-scale square wave.
    (re.compile(r"vocoder\.vocoder\.conv_post\.weight"), 0.01),
    (re.compile(r"vocoder\.bwe_generator\.conv_post\.weight"), 0.0005),
)

# A prompt is a few of the 1024 text tokens that the transformer sees; the rest are the same for every prompt. Sharper
# attention lets those few be seen: at 1.0 another prompt changes a pixel by 0.4 of 255 on average, at 3.0 by 4.
_ATTENTION_NORM = 3.0


def checkpoint_tensors(flavor: str, layers: int, width: int, seed: int) -> Tensors:
    """Transformer, connectors, text projection, both VAEs and vocoder, named as in the released checkpoints."""
    import torch
    from ltx_core.model.audio_vae import AudioDecoderConfigurator, AudioEncoderConfigurator, VocoderConfigurator
    from ltx_core.model.transformer import LTXModelConfigurator
    from ltx_core.model.video_vae import VideoDecoderConfigurator, VideoEncoderConfigurator
    from ltx_core.text_encoders.gemma.embeddings_connector import (
        AudioEmbeddings1DConnectorConfigurator,
        Embeddings1DConnectorConfigurator,
    )

    config = checkpoint_config(flavor, layers, width)
    shapes: Tensors = {}
    for prefix, configurator in (
        (TRANSFORMER, LTXModelConfigurator),
        (f"{TRANSFORMER}video_embeddings_connector.", Embeddings1DConnectorConfigurator),
        (f"{TRANSFORMER}audio_embeddings_connector.", AudioEmbeddings1DConnectorConfigurator),
        ("vae.encoder.", VideoEncoderConfigurator),
        ("vae.decoder.", VideoDecoderConfigurator),
        ("audio_vae.encoder.", AudioEncoderConfigurator),
        ("audio_vae.decoder.", AudioDecoderConfigurator),
    ):
        for name, tensor in _state(configurator, config).items():
            # Encoder and decoder share one set of statistics, stored beside them.
            shared = name.startswith("per_channel_statistics.")
            shapes[(prefix.split(".")[0] + "." if shared else prefix) + name] = tensor
    with torch.device("meta"):
        shapes |= _text_projection(flavor, width)
    tensors = random_tensors(shapes, seed)

    # With values: the vocoder computes its low-pass filters, which are not random.
    vocoder = _state(VocoderConfigurator, config, device="cpu")
    tensors |= random_tensors({f"vocoder.{name}": tensor for name, tensor in vocoder.items()}, seed)
    if flavor == "2.3":
        tensors |= _spectrogram_bases(config["vocoder"]["bwe"])
    return tensors


def _text_projection(flavor: str, width: int) -> Tensors:
    """Gemma's hidden states to what the connectors take (text_encoders/gemma/encoders/encoder_configurator.py)."""
    import torch

    if flavor == "2.0":
        return {"text_embedding_projection.aggregate_embed.weight": torch.empty(GEMMA_HIDDEN, TEXT_FEATURES)}
    shapes: Tensors = {}
    for modality, channels in (("video", width), ("audio", heads_of(width) * AUDIO_HEAD_DIM)):
        name = f"text_embedding_projection.{modality}_aggregate_embed"
        shapes |= {f"{name}.weight": torch.empty(channels, TEXT_FEATURES), f"{name}.bias": torch.empty(channels)}
    return shapes


def _spectrogram_bases(bwe: Config) -> Tensors:
    """Fourier and mel bases of the 2.3 vocoder: buffers of the checkpoint which are mathematics, not weights."""
    import torch
    import torchaudio

    size, bins, rate = bwe["n_fft"], bwe["n_fft"] // 2 + 1, bwe["input_sampling_rate"]
    angles = 2 * math.pi * torch.arange(bins)[:, None] * torch.arange(size)[None, :] / size
    fourier = torch.cat([torch.cos(angles), -torch.sin(angles)]) * torch.hann_window(size)
    mel = torchaudio.functional.melscale_fbanks(
        bins, 0.0, rate / 2, bwe["num_mels"], rate, norm="slaney", mel_scale="slaney"
    )
    bases = {
        "vocoder.mel_stft.stft_fn.forward_basis": fourier[:, None, :],
        "vocoder.mel_stft.stft_fn.inverse_basis": fourier[:, None, :],
        "vocoder.mel_stft.mel_basis": mel.T,
    }
    return {name: basis.to(torch.bfloat16).contiguous() for name, basis in bases.items()}


def upscaler_tensors(seed: int) -> Tensors:
    """The spatial latent upscaler of the two-stage pipelines; its keys have no prefix."""
    from ltx_core.model.upsampler import LatentUpsamplerConfigurator

    return random_tensors(_state(LatentUpsamplerConfigurator, UPSCALER_CONFIG), seed)


def lora_tensors(name: str, width: int, seed: int) -> Tensors:
    """A LoRA of rank 4 over the attention layers, in ComfyUI's key naming; ``name`` makes each file's numbers its own.

    The attention layers of 2.0 and 2.3 have the same shapes, so one file fits both flavours.
    """
    import torch
    from ltx_core.model.transformer import LTXModelConfigurator

    tensors: Tensors = {}
    for key, weight in _state(LTXModelConfigurator, checkpoint_config("2.3", LORA_LAYERS, width)).items():
        if not re.fullmatch(r"transformer_blocks\..*\.(to_q|to_v|to_out\.0)\.weight", key):
            continue
        layer = f"diffusion_model.{key.removesuffix('.weight')}"
        rows, columns = weight.shape
        # The product has the size of the weights themselves: at strength 1 the LoRA is easy to see.
        for half, shape in (("lora_A", (LORA_RANK, columns)), ("lora_B", (rows, LORA_RANK))):
            random = torch.randn(shape, generator=generator_for(f"{name} {layer} {half}", seed))
            tensors[f"{layer}.{half}.weight"] = (random / math.sqrt(shape[1])).to(torch.bfloat16)
    return tensors


def _state(configurator: Any, config: Config, device: str = "meta") -> Tensors:
    """What the SDK's module for ``config`` wants to be loaded with; on the meta device shapes without values.

    ``configurator`` is Any because the SDK annotates the class argument of from_config as the model's class.
    """
    import torch

    with torch.device(device):
        return module_of(configurator, config).state_dict()


def module_of(configurator: Any, config: Config) -> Any:
    """The SDK's module for ``config``, which SDK 1.2 takes as part of a file's whole metadata."""
    if hasattr(configurator, "from_config"):
        return configurator.from_config(config)
    return configurator.from_metadata({"config": config})


def random_tensors(shapes: Tensors, seed: int) -> Tensors:
    """One bfloat16 tensor for each of ``shapes``; equal name, shape and seed give equal numbers."""
    import torch

    return {name: _random(name, like, seed).to(torch.bfloat16).contiguous() for name, like in shapes.items()}


def _random(name: str, like: torch.Tensor, seed: int) -> torch.Tensor:
    import torch

    shape, leaf, generator = tuple(like.shape), name.rpartition(".")[2], generator_for(name, seed)
    if leaf == "filter" or name.startswith("vocoder.mel_stft."):
        return like.float()  # signal processing, computed
    if leaf == "std-of-means" or (leaf == "weight" and "norm" in name and like.ndim == 1):
        return torch.full(shape, _ATTENTION_NORM if re.search(r"\.[qk]_norm\.", name) else 1.0)
    if leaf in ("mean-of-means", "bias", "alpha", "beta"):
        return torch.zeros(shape)
    if leaf == "learnable_registers":  # as the SDK itself draws them (text_encoders/gemma/embeddings_connector.py)
        return torch.rand(shape, generator=generator) * 2 - 1
    if "scale_shift_table" in leaf:
        return torch.randn(shape, generator=generator) * 0.1
    if like.ndim < 2:
        raise ValueError(f"No rule says how to draw '{name}' of shape {shape}.")
    pixels = next((count for pattern, count in _PIXELS_OF_A_VALUE if pattern.fullmatch(name)), 1)
    gain = next((gain for pattern, gain in _GAINS if pattern.fullmatch(name)), 1.0)
    random = torch.randn((shape[0] // pixels, *shape[1:]), generator=generator)
    return (random * gain / math.sqrt(math.prod(shape[1:]))).repeat_interleave(pixels, dim=0)


def generator_for(name: str, seed: int) -> torch.Generator:
    """A stream of its own for each tensor, so that a tensor does not depend on which others were drawn before."""
    import torch

    digest = hashlib.sha256(json.dumps([seed, name]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
