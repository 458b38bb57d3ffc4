"""The `config` metadata of the tiny LTX-2 files: the real architecture at the smallest size that the SDK accepts.

The SDK builds every module from this JSON alone, so a file with this header is a real LTX-2 model to it.
Each constraint names the file of ltx-core 1.0.0 that makes it one.
"""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

FLAVORS = ("2.3", "2.0")

# What the SDK's detect_params() reads (ltx_pipelines/utils/constants.py): it decides the default steps and STG block.
MODEL_VERSIONS = {"2.3": "2.3.0", "2.0": "2.0.0"}

# Channels of the transformer's video side (the real models have 4096); the audio side has half as many. Both have the
# same number of heads: SDK 1.2.0 refuses anything else, 1.0.0 does not care.
DEFAULT_WIDTH, VIDEO_HEAD_DIM, AUDIO_HEAD_DIM = 32, 16, 8

GEMMA_HIDDEN, GEMMA_LAYERS = 32, 2
# The feature extractor sees the hidden states of the embedding and of every layer (encoder_configurator.py).
TEXT_FEATURES = GEMMA_HIDDEN * (GEMMA_LAYERS + 1)


def heads_of(width: int) -> int:
    """How many heads of 16 channels make ``width``; the audio side has as many of 8."""
    return width // VIDEO_HEAD_DIM


def transformer_config(flavor: str, layers: int, width: int = DEFAULT_WIDTH) -> Config:
    """The transformer with its two embeddings connectors; ``layers`` blocks (the real models have 48)."""
    heads = heads_of(width)
    # Values that LTXModelConfigurator compares one by one (transformer/model_configurator.py, check_config_value).
    checked = {
        "dropout": 0.0,
        "attention_bias": True,
        "num_vector_embeds": None,
        "activation_fn": "gelu-approximate",
        "num_embeds_ada_norm": 1000,
        "use_linear_projection": False,
        "only_cross_attention": False,
        "cross_attention_norm": True,
        "double_self_attention": False,
        "upcast_attention": False,
        "standardization_norm": "rms_norm",
        "norm_elementwise_affine": False,
        "qk_norm": "rms_norm",
        "positional_embedding_type": "rope",
        "use_audio_video_cross_attention": True,
        "share_ff": False,
        "av_cross_ada_norm": True,
        "use_middle_indices_grid": True,
    }
    sizes = {
        "num_layers": layers,
        "num_attention_heads": heads,
        "attention_head_dim": VIDEO_HEAD_DIM,
        "in_channels": 128,  # fixed: VIDEO_LATENT_CHANNELS (ltx_pipelines/utils/constants.py)
        "out_channels": 128,
        "cross_attention_dim": width,
        "audio_num_attention_heads": heads,
        "audio_attention_head_dim": AUDIO_HEAD_DIM,
        "audio_in_channels": 128,  # fixed: 8 latent channels x 16 mel bins (ltx_core/types.py)
        "audio_out_channels": 128,
        # Also the RoPE width of the audio <-> video attention (model.py).
        "audio_cross_attention_dim": heads * AUDIO_HEAD_DIM,
        "connector_num_layers": 1,
    }
    as_released = {
        "norm_eps": 1e-6,
        "attention_type": "default",
        "positional_embedding_theta": 10000.0,
        "positional_embedding_max_pos": [20, 2048, 2048],
        "audio_positional_embedding_max_pos": [20],
        "connector_positional_embedding_max_pos": [4096],
        "timestep_scale_multiplier": 1000,
        "av_ca_timestep_scale_multiplier": 1000.0,
        "rope_type": "split",
        "frequencies_precision": "float64",
    }
    return checked | sizes | as_released | _caption_path(flavor, heads)


def _caption_path(flavor: str, heads: int) -> Config:
    """How text reaches the transformer: the one part of the transformer in which 2.0 and 2.3 differ in shape."""
    if flavor == "2.0":
        # One extractor as wide as Gemma; the projection to each modality is inside the transformer.
        return {
            "caption_channels": GEMMA_HIDDEN,
            "connector_num_attention_heads": 2,
            "connector_attention_head_dim": GEMMA_HIDDEN // 2,
        }
    return {
        # All four keys with exactly these values, else "Partial V2 config" (gemma/encoders/encoder_configurator.py).
        "caption_proj_before_connector": True,
        "caption_projection_first_linear": False,
        "caption_proj_input_norm": False,
        "caption_projection_second_linear": False,
        "apply_gated_attention": True,
        "cross_attention_adaln": True,
        "connector_apply_gated_attention": True,
        "connector_num_attention_heads": heads,
        "connector_attention_head_dim": VIDEO_HEAD_DIM,
        "audio_connector_num_attention_heads": heads,
        "audio_connector_attention_head_dim": AUDIO_HEAD_DIM,
    }


# Fixed by VIDEO_SCALE_FACTORS (ltx_core/types.py): 32 x 32 pixels and 8 frames a latent. Patches of 4 and three
# blocks of 2 x 2 x 2 make that. The encoder's first and last convolution (48 -> 128 -> 129 channels) cannot be
# narrower: they are half of the whole checkpoint.
VIDEO_VAE_CONFIG: Config = {
    "_class_name": "CausalVideoAutoencoder",
    "dims": 3,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 128,
    "patch_size": 4,
    "norm_layer": "pixel_norm",  # group_norm wants multiples of 32 channels (video_vae/video_vae.py)
    "latent_log_var": "uniform",
    "timestep_conditioning": False,
    "causal_decoder": False,
    "spatial_padding_mode": "zeros",  # torch cannot "reflect" a side of one latent: 32 px, or 64 px in stage 1
    "encoder_blocks": [["compress_all_res", {"multiplier": 1}]] * 3,
    # 1.0.0 takes 8 * base channels at the bottleneck, 1.2.0 base * product of multipliers: keep the product 8.
    "decoder_base_channels": 4,
    "decoder_blocks": [["res_x", {"num_layers": 1}]] + [["compress_all", {"multiplier": 2}]] * 3,
}

AUDIO_VAE_CONFIG: Config = {
    "model": {
        "params": {
            "sampling_rate": 16000,
            "ddconfig": {
                # `ch` is also the length of the per-channel statistics (audio_vae/audio_vae.py), 128 in the real
                # model. A length of 1 broadcasts over the 8 x 16 features; the multipliers give 8-wide layers.
                "ch": 1,
                "ch_mult": [8, 8, 8],
                "num_res_blocks": 1,
                "attn_resolutions": [],
                "resolution": 256,
                "z_channels": 8,
                "double_z": True,
                "in_channels": 2,
                "out_ch": 2,
                "mel_bins": 64,
                "norm_type": "pixel",
                "causality_axis": "height",
                "dropout": 0.0,
                "mid_block_add_attention": False,
                "resamp_with_conv": True,
                "attn_type": "vanilla",
            },
        }
    },
    "preprocessing": {
        "stft": {"hop_length": 160, "filter_length": 1024, "causal": True},
        "mel": {"n_mel_channels": 64},
    },
}


def vocoder_config(flavor: str) -> Config:
    """2.0: one generator to 24 kHz. 2.3: one to 16 kHz and a bandwidth extension to 48 kHz (audio_vae/vocoder.py).

    A generator halves its channels in each of its five upsampling layers, so it starts with 2**5 = 32. Its rates
    multiply to samples per mel frame: 160 or 240 at 100 frames per second (16 or 24 kHz), and 240 at the 200
    frames per second (16 kHz / hop 80) that the bandwidth extension sees (48 kHz).
    """
    small = {
        "stereo": True,
        "upsample_initial_channel": 32,
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 3, 5]],
    }
    if flavor == "2.0":
        return small | {
            "resblock": "1",
            "upsample_rates": [6, 5, 2, 2, 2],
            "upsample_kernel_sizes": [16, 15, 8, 4, 4],
            "output_sampling_rate": 24000,
        }
    generator = small | {
        "resblock": "AMP1",
        "activation": "snakebeta",
        "use_tanh_at_final": False,
        "use_bias_at_final": False,
    }
    return {
        "vocoder": generator | {"upsample_rates": [5, 4, 2, 2, 2], "upsample_kernel_sizes": [11, 8, 4, 4, 4]},
        "bwe": generator
        | {
            "upsample_rates": [6, 5, 2, 2, 2],
            "upsample_kernel_sizes": [12, 11, 4, 4, 4],
            "n_fft": 192,  # the least that gives each of the 64 mel bins a frequency; 512 would weigh 1 MB
            "hop_length": 80,
            "num_mels": 64,
            "input_sampling_rate": 16000,
            "output_sampling_rate": 48000,
        },
    }


# GroupNorm(32) in upsampler/res_block.py: the middle channels are a multiple of 32.
UPSCALER_CONFIG: Config = {
    "in_channels": 128,
    "mid_channels": 32,
    "num_blocks_per_stage": 1,
    "dims": 3,
    "spatial_upsample": True,
    "temporal_upsample": False,
    "spatial_scale": 2.0,
    "rational_resampler": False,
}


def checkpoint_config(flavor: str, layers: int, width: int = DEFAULT_WIDTH) -> Config:
    """The whole `config` of a checkpoint that holds the transformer, both VAEs and the vocoder in one file."""
    return {
        "transformer": transformer_config(flavor, layers, width),
        "vae": VIDEO_VAE_CONFIG,
        "audio_vae": AUDIO_VAE_CONFIG,
        "vocoder": vocoder_config(flavor),
        "scheduler": {"_class_name": "RectifiedFlowScheduler"},
    }
