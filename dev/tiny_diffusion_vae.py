"""A tiny video VAE with the diffusion decoder of LTX-2.5, as a file of ComfyUI's ``vae`` folder: SDK 1.2 only.

The real architecture (``DiffusionVideoDecoder`` of ltx-core 1.2.0), the released files' key names (bare, with fused
"qkv", "t_embedder.mlp" and static gates, which the SDK's loader takes apart), random weights, and the smallest sizes
that it decodes with. Without natten and Triton it attends by eager SDPA, which any CPU can.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .tiny_configs import VIDEO_VAE_CONFIG, Config
from .tiny_weights import generator_for, module_of, random_tensors

if TYPE_CHECKING:
    import torch

# Kept by the SDK's own rules: channels are multiples of head_dim, 16 is the least that its RoPE splits into three, and
# each upsampling divides the channels as the released ones do. The fourth stage makes tiles overlap by 96 pixels and 8
# frames, as the fifth one does with the SDK's default sizes (eight blocks of 3 x 7 x 7), where it takes longer.
DIFFUSION_VAE_CONFIG: Config = {
    "_class_name": "CausalDiffusionVAE",
    "latent_channels": 128,
    "model_output_type": "v",
    "encoder": {
        name: VIDEO_VAE_CONFIG[name]
        for name in ("dims", "in_channels", "patch_size", "norm_layer", "latent_log_var", "spatial_padding_mode")
    }
    | {"out_channels": 128, "blocks": VIDEO_VAE_CONFIG["encoder_blocks"]},
    "decoder": {
        "in_channels": 128,
        "out_channels": 3,
        "patch_size": 4,
        "head_dim": 16,
        "t_emb_dim": 32,
        "stage_channels": [128, 64, 32, 32, 16],
        "stage_depths": [1, 1, 1, 3, 2],
        "stage_kernels": [[3, 3, 3]] * 3 + [[3, 7, 7], [3, 3, 3]],
        "upsamples": [[[1, 2, 2], 2], [[2, 1, 1], 2], [[2, 2, 2], 1], [[2, 2, 2], 2]],
        "stage5_kernel": [3, 3, 3],
        "default_num_inference_steps": 2,
        "timestep_scale_multiplier": 1.0,
    },
}
_QKV = re.compile(r"\.qkv\.to_[qkv]\.")
_GATES = {"gate_msa": "attn.proj.weight", "gate_mlp": "mlp.w_down.weight", "gate_ctx": "context_proj.weight"}


def make_diffusion_vae(path: Path, seed: int = 0, version: str = "2.3.0") -> Path:
    """Write the VAE to ``path`` and return it. ``version``: the model version in its header; 0.4 MB.

    Raises OSError when the disk refuses, AttributeError or KeyError on SDK 1.0, which has no such decoder.
    """
    from safetensors.torch import save_file

    metadata = {"config": json.dumps({"vae": DIFFUSION_VAE_CONFIG}), "model_version": version}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(diffusion_vae_tensors(seed), path, metadata)
    return path


def diffusion_vae_tensors(seed: int) -> dict[str, torch.Tensor]:
    """Encoder, decoder and statistics, named as in a released VAE alone."""
    from ltx_core.model.video_vae import VideoDecoderConfigurator, VideoEncoderConfigurator

    shapes = {}
    for prefix, configurator in (("encoder.", VideoEncoderConfigurator), ("decoder.", VideoDecoderConfigurator)):
        for name, tensor in _state(configurator).items():
            shared = name.startswith("per_channel_statistics.")
            shapes[name if shared else prefix + _released_name(name)] = tensor
    return random_tensors(_fused(shapes), seed) | _gates(shapes, seed)


def _state(configurator: object) -> dict[str, torch.Tensor]:
    import torch

    with torch.device("meta"):
        return module_of(configurator, {"vae": DIFFUSION_VAE_CONFIG}).state_dict()


def _released_name(name: str) -> str:
    """What the SDK's loader renames to ``name`` (its ``model_configurator``)."""
    for ours, released in (("linear_1", "mlp.0"), ("linear_2", "mlp.2")):
        name = name.replace(f"t_embedder.timestep_embedder.{ours}.", f"t_embedder.{released}.")
    return name


def _fused(shapes: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """One projection to queries, keys and values where the modules have three."""
    import torch

    fused = {name: tensor for name, tensor in shapes.items() if not _QKV.search(name)}
    for name, tensor in shapes.items():
        if ".qkv.to_q." in name:
            whole = torch.empty(3 * tensor.shape[0], *tensor.shape[1:], device="meta")
            fused[name.replace(".to_q.", ".")] = whole
    return fused


def _gates(shapes: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Static gates of the diffusion blocks, 0.5 to 1.5: the loader multiplies them into the layers."""
    import torch

    gates = {}
    for gate, layer in _GATES.items():
        for name, tensor in shapes.items():
            if name.startswith("decoder.diff_blocks.") and name.endswith(f".{layer}"):
                key = name.removesuffix(layer) + gate
                random = torch.rand(tensor.shape[0], generator=generator_for(key, seed))
                gates[key] = (0.5 + random).to(torch.bfloat16)
    return gates
