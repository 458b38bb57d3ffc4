"""The released models without their weights: headers and modules at full size, on torch's "meta" device.

The SDK itself builds every module from its `config`, so names and shapes are those that it loads. The
configs are those of LTX-2 19B ("2.0") and LTX-2.3 22B ("2.3").
"""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

from dev import tiny_configs
from dev.tiny_gemma import gemma_text_files
from dev.tiny_weights import module_of
from storymotion.ltx.checkpoint import TRANSFORMER
from storymotion.ltx.fit_sizes import ModelHeaders
from storymotion.ltx.headers import Header, TensorFacts

VIDEO, SOUND = {"heads": 32, "dim": 128}, {"heads": 32, "dim": 64}


def _blocks(*layers: int, kinds: tuple[tuple[str, int], ...]) -> list[list[Any]]:
    """res_x blocks of so many layers with resampling blocks (name, multiplier) between them."""
    blocks: list[list[Any]] = []
    for index, count in enumerate(layers):
        blocks.append(["res_x", {"num_layers": count}])
        if index < len(kinds):
            name, multiplier = kinds[index]
            blocks.append([name, {"multiplier": multiplier, "residual": name == "compress_all" and len(kinds) == 3}])
    return blocks


def transformer_config(flavor: str, layers: int = 48) -> dict[str, Any]:
    """`config.transformer`."""
    sizes = {
        "num_attention_heads": VIDEO["heads"],
        "attention_head_dim": VIDEO["dim"],
        "cross_attention_dim": 4096,
        "audio_num_attention_heads": SOUND["heads"],
        "audio_attention_head_dim": SOUND["dim"],
        "audio_cross_attention_dim": 2048,
    }
    if flavor == "2.0":
        text = {
            "caption_channels": 3840,
            "connector_num_attention_heads": 30,
            "connector_attention_head_dim": 128,
            "connector_num_layers": 2,
        }
    else:
        text = {
            "connector_num_attention_heads": 32,
            "connector_attention_head_dim": 128,
            "audio_connector_num_attention_heads": 32,
            "audio_connector_attention_head_dim": 64,
            "connector_num_layers": 8,
        }
    return tiny_configs.transformer_config(flavor, layers) | sizes | text


def vae_config(flavor: str) -> dict[str, Any]:
    """`config.vae`; 2.0 names no padding, so the decoder pads by reflection."""
    shared = tiny_configs.VIDEO_VAE_CONFIG | {"decoder_base_channels": 128}
    if flavor == "2.0":
        shared.pop("spatial_padding_mode")
        down = (("compress_space_res", 2), ("compress_time_res", 2), ("compress_all_res", 2), ("compress_all_res", 2))
        return shared | {
            "encoder_blocks": _blocks(4, 6, 6, 2, 2, kinds=down),
            "decoder_blocks": _blocks(5, 5, 5, 5, kinds=(("compress_all", 2),) * 3),
        }
    down = (("compress_space_res", 2), ("compress_time_res", 2), ("compress_all_res", 2), ("compress_all_res", 1))
    up = (("compress_space", 2), ("compress_time", 2), ("compress_all", 1), ("compress_all", 2))
    return shared | {
        "encoder_blocks": _blocks(4, 6, 4, 2, 2, kinds=down),
        "decoder_blocks": _blocks(4, 6, 4, 2, 2, kinds=up),
    }


def config(flavor: str, layers: int = 48) -> dict[str, Any]:
    """The `config` metadata of the checkpoint."""
    sound = json.loads(json.dumps(tiny_configs.AUDIO_VAE_CONFIG))
    sound["model"]["params"]["ddconfig"] |= {"ch": 128, "ch_mult": [1, 2, 4], "num_res_blocks": 2}
    vocoder = tiny_configs.vocoder_config(flavor)
    kernels = {"resblock_kernel_sizes": [3, 7, 11], "resblock_dilation_sizes": [[1, 3, 5]] * 3}
    if flavor == "2.0":
        vocoder |= kernels | {"upsample_initial_channel": 1024}
    else:
        rates = {"upsample_rates": [5, 2, 2, 2, 2, 2], "upsample_kernel_sizes": [11, 4, 4, 4, 4, 4]}
        vocoder["vocoder"] |= kernels | rates | {"upsample_initial_channel": 1536}
        vocoder["bwe"] |= kernels | {"upsample_initial_channel": 512, "n_fft": 512}
    return {
        "transformer": transformer_config(flavor, layers),
        "vae": vae_config(flavor),
        "audio_vae": sound,
        "vocoder": vocoder,
    }


UPSCALER = tiny_configs.UPSCALER_CONFIG | {"mid_channels": 1024, "num_blocks_per_stage": 4}


@functools.cache
def module(part: str, flavor: str, layers: int = 48) -> Any:
    """One of the SDK's modules in bf16 on the meta device."""
    import torch
    from ltx_core.model.audio_vae import AudioDecoderConfigurator, VocoderConfigurator
    from ltx_core.model.transformer import LTXModelConfigurator
    from ltx_core.model.upsampler import LatentUpsamplerConfigurator
    from ltx_core.model.video_vae import VideoDecoderConfigurator, VideoEncoderConfigurator
    from ltx_core.text_encoders.gemma import EmbeddingsProcessorConfigurator, GemmaTextEncoderConfigurator

    configurators: dict[str, Any] = {
        "transformer": LTXModelConfigurator,
        "processor": EmbeddingsProcessorConfigurator,
        "vae.encoder.": VideoEncoderConfigurator,
        "vae.decoder.": VideoDecoderConfigurator,
        "audio_vae.decoder.": AudioDecoderConfigurator,
        "vocoder.": VocoderConfigurator,
        "upscaler": LatentUpsamplerConfigurator,
        "gemma": GemmaTextEncoderConfigurator,
    }
    of = UPSCALER if part == "upscaler" else config(flavor, layers)
    configurator = configurators[part]
    if hasattr(configurator, "with_gemma_model_path"):
        configurator = configurator.with_gemma_model_path(_gemma_folder().name)
    with torch.device("meta"):
        return module_of(configurator, of).to(torch.bfloat16).eval()


@functools.cache
def _gemma_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder with the sizes of Gemma 3 12B, from which SDK 1.2 takes them, and no weights."""
    folder = tempfile.TemporaryDirectory(prefix="gemma-3-12b-")
    texts = gemma_text_files()
    sizes = json.loads(texts["config.json"])
    sizes["text_config"] |= {
        "hidden_size": 3840,
        "intermediate_size": 15360,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "vocab_size": 262208,
    }
    sizes["text_config"].pop("layer_types", None)
    sizes["vision_config"] |= {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 896,
        "patch_size": 14,
    }
    for name, text in (texts | {"config.json": json.dumps(sizes), "model.safetensors": ""}).items():
        (Path(folder.name) / name).write_text(text, encoding="utf-8")
    return folder


@functools.cache
def headers(flavor: str) -> ModelHeaders:
    """The headers of the released files."""
    tensors = _facts(module("transformer", flavor), TRANSFORMER)
    for name, facts in _facts(module("processor", flavor), "").items():
        renamed = name.replace("feature_extractor.", "text_embedding_projection.")
        for modality in ("video", "audio"):
            renamed = renamed.replace(f"{modality}_connector.", f"{TRANSFORMER}{modality}_embeddings_connector.")
        tensors[renamed] = facts
    for prefix in ("vae.encoder.", "vae.decoder.", "audio_vae.decoder.", "vocoder."):
        for name, facts in _facts(module(prefix, flavor), prefix).items():
            tensors[name.replace(f"{prefix}per_channel", f"{prefix.split('.')[0]}.per_channel")] = facts
    metadata = {"config": json.dumps(config(flavor)), "model_version": tiny_configs.MODEL_VERSIONS[flavor]}
    upscaler = Header(Path("upscaler.safetensors"), _facts(module("upscaler", flavor), ""), {})
    return ModelHeaders(Header(Path("ltx.safetensors"), tensors, metadata), (_gemma_header(),), upscaler)


def _facts(module: Any, prefix: str) -> dict[str, TensorFacts]:
    return {prefix + name: TensorFacts("BF16", tuple(each.shape)) for name, each in module.state_dict().items()}


def _gemma_header() -> Header:
    """As the folder on the hub has it: no lm_head, the vision tower under its older name."""
    tensors = {}
    for name, parameter in module("gemma", "2.3").model.named_parameters():
        if name.startswith("model.language_model."):
            name = name.replace("model.language_model.", "language_model.model.")
        else:
            name = name.removeprefix("model.")
        if not name.startswith("lm_head"):
            tensors[name] = TensorFacts("BF16", tuple(parameter.shape))
    return Header(Path("model-00001-of-00005.safetensors"), tensors, {})
