"""The SDK's own pipelines, called as their command line calls them: what our shots are compared with."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy
import torch

from storymotion.ltx import compat
from storymotion.ltx.models import ModelSet
from storymotion.ltx.shots import Shot, TwoStageShot

Pictures = tuple[tuple[numpy.ndarray, int, float], ...]
LoraFiles = tuple[tuple[Path, float], ...]


def call_sdk(
    models: ModelSet,
    shot: Shot,
    pictures: Pictures = (),
    loras: LoraFiles = (),
    distilled_lora: tuple[Path, float] | None = None,
    fp8: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Frames uint8 [n, h, w, 3], waveform float32 [channels, samples] and its rate, without any hook of ours.

    ``pictures`` are (uint8 [h, w, 3], frame, strength), ``loras`` (file, strength). Of ``shot`` only the
    numbers and the prompts are used.
    """
    from ltx_core.model.video_vae import TilingConfig
    from ltx_core.quantization import QuantizationPolicy
    from ltx_pipelines.distilled import DistilledPipeline
    from ltx_pipelines.ti2vid_two_stages import TI2VidTwoStagesPipeline
    from ltx_pipelines.utils.constants import detect_params

    common: dict[str, Any] = {
        "gemma_root": str(models.text_encoder),
        "spatial_upsampler_path": str(models.spatial_upscaler),
        "loras": [_lora(lora) for lora in loras],
        "device": torch.device("cpu"),
        "quantization": QuantizationPolicy.fp8_cast() if fp8 else None,
    }
    arguments: dict[str, Any] = {
        "prompt": shot.prompt,
        "seed": shot.seed,
        "height": shot.height,
        "width": shot.width,
        "num_frames": shot.frames,
        "frame_rate": shot.fps,
        "images": [_image(*picture) for picture in pictures],
        "tiling_config": TilingConfig.default(),
    }
    with torch.inference_mode(), compat.for_sdk_1_0(models.text_encoder):
        if isinstance(shot, TwoStageShot):
            params = detect_params(str(models.checkpoint))
            distilled = [_lora(distilled_lora)] if distilled_lora else []
            pipeline: Any = TI2VidTwoStagesPipeline(
                checkpoint_path=str(models.checkpoint), distilled_lora=distilled, **common
            )
            arguments |= {
                "negative_prompt": shot.negative_prompt,
                "num_inference_steps": shot.steps or params.num_inference_steps,
                "video_guider_params": params.video_guider_params,
                "audio_guider_params": params.audio_guider_params,
            }
        else:
            pipeline = DistilledPipeline(distilled_checkpoint_path=str(models.checkpoint), **common)
        video, audio = pipeline(**arguments)
        return torch.cat(list(video)), audio.waveform, audio.sampling_rate


def _lora(lora: tuple[Path, float]) -> Any:
    from ltx_core.loader import LTXV_LORA_COMFY_RENAMING_MAP, LoraPathStrengthAndSDOps

    return LoraPathStrengthAndSDOps(str(lora[0]), lora[1], LTXV_LORA_COMFY_RENAMING_MAP)


def _image(pixels: numpy.ndarray, frame: int, strength: float) -> Any:
    from ltx_pipelines.utils.args import ImageConditioningInput
    from PIL import Image

    file: Any = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return ImageConditioningInput(file, frame, strength)
