"""The SDK's own pipelines, called as their command line calls them: what our shots are compared with."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy
import torch

from storymotion.ltx import compat
from storymotion.ltx.models import ModelSet
from storymotion.ltx.shots import GuidedShot, ICLoraShot, KeyframesShot, OneStageShot, Shot, TwoStageShot

Pictures = tuple[tuple[numpy.ndarray, int, float], ...]
LoraFiles = tuple[tuple[Path, float], ...]


def call_sdk(
    models: ModelSet,
    shot: Shot,
    pictures: Pictures = (),
    loras: LoraFiles = (),
    distilled_lora: tuple[Path, float] | None = None,
    fp8: bool = False,
    video: Any = None,
    audio: Any = None,
    **changed: Any,
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Frames uint8 [n, h, w, 3], waveform float32 [channels, samples] and its rate, without any hook of ours.

    ``pictures`` are (uint8 [h, w, 3], frame, strength), ``loras`` (file, strength). Of ``shot`` only the
    numbers and the prompts are used. ``video`` and ``audio`` are the SDK's MultiModalGuiderParams,
    ``changed`` replaces arguments of the call.
    """
    from ltx_core.model.video_vae import TilingConfig
    from ltx_core.quantization import QuantizationPolicy
    from ltx_pipelines.distilled import DistilledPipeline
    from ltx_pipelines.ic_lora import ICLoraPipeline
    from ltx_pipelines.keyframe_interpolation import KeyframeInterpolationPipeline
    from ltx_pipelines.ti2vid_one_stage import TI2VidOneStagePipeline
    from ltx_pipelines.ti2vid_two_stages import TI2VidTwoStagesPipeline
    from ltx_pipelines.utils.constants import detect_params

    common: dict[str, Any] = {
        "gemma_root": str(models.text_encoder),
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
        upscaler: dict[str, Any] = {"spatial_upsampler_path": str(models.spatial_upscaler)}
        checkpoint = str(models.checkpoint)
        if isinstance(shot, GuidedShot):
            params = detect_params(checkpoint)
            arguments |= {
                "negative_prompt": shot.negative_prompt,
                "num_inference_steps": shot.steps or params.num_inference_steps,
                "video_guider_params": video or params.video_guider_params,
                "audio_guider_params": audio or params.audio_guider_params,
            }
        pipeline: Any
        if isinstance(shot, OneStageShot):
            del arguments["tiling_config"]
            pipeline = TI2VidOneStagePipeline(checkpoint_path=checkpoint, **common)
        elif isinstance(shot, TwoStageShot):
            kind = KeyframeInterpolationPipeline if isinstance(shot, KeyframesShot) else TI2VidTwoStagesPipeline
            distilled = [_lora(distilled_lora)] if distilled_lora else []
            pipeline = kind(checkpoint_path=checkpoint, distilled_lora=distilled, **common, **upscaler)
        elif isinstance(shot, ICLoraShot):
            arguments |= {"video_conditioning": [(str(shot.reference), shot.reference_strength)]}
            arguments |= {"skip_stage_2": shot.skip_stage_2}
            pipeline = ICLoraPipeline(distilled_checkpoint_path=checkpoint, **common, **upscaler)
        else:
            pipeline = DistilledPipeline(distilled_checkpoint_path=checkpoint, **common, **upscaler)
        chunks, sound = pipeline(**(arguments | changed))
        return torch.cat(list(chunks)), sound.waveform, sound.sampling_rate


def _lora(lora: tuple[Path, float]) -> Any:
    from ltx_core.loader import LTXV_LORA_COMFY_RENAMING_MAP, LoraPathStrengthAndSDOps

    return LoraPathStrengthAndSDOps(str(lora[0]), lora[1], LTXV_LORA_COMFY_RENAMING_MAP)


def _image(pixels: numpy.ndarray, frame: int, strength: float) -> Any:
    from ltx_pipelines.utils.args import ImageConditioningInput
    from PIL import Image

    file: Any = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return ImageConditioningInput(file, frame, strength)
