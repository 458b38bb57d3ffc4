"""The SDK's own pipelines, called as their command line calls them: what our shots are compared with."""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import importlib.util
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


def is_sdk_1_0() -> bool:
    """Is it that of the package index?"""
    return importlib.util.find_spec("ltx_pipelines.utils.model_ledger") is not None


def call_sdk(
    models: ModelSet,
    shot: Shot,
    pictures: Pictures = (),
    loras: LoraFiles = (),
    distilled_lora: tuple[Path, float] | None = None,
    fp8: bool = False,
    video: Any = None,
    audio: Any = None,
    constructor: dict[str, Any] | None = None,
    **changed: Any,
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Frames uint8 [n, h, w, 3], waveform float32 [channels, samples] and its rate, without any hook of ours.

    ``pictures`` are (uint8 [h, w, 3], frame, strength), ``loras`` (file, strength). Of ``shot`` only the
    numbers and the prompts are used. ``video`` and ``audio`` are the SDK's MultiModalGuiderParams,
    ``changed`` replaces arguments of the call, ``constructor`` those with which the pipeline is made.
    """
    sdk = _Sdk10(models, fp8) if is_sdk_1_0() else _Sdk12(models, fp8)
    common: dict[str, Any] = {
        "loras": [_lora(lora) for lora in loras],
        "device": torch.device("cpu"),
        **sdk.constructor,
    }
    arguments: dict[str, Any] = {
        "prompt": shot.prompt,
        "seed": shot.seed,
        "height": shot.height,
        "width": shot.width,
        "num_frames": shot.frames,
        "frame_rate": shot.fps,
        "images": [_image(*picture) for picture in pictures],
        **sdk.tiling,
    }
    with torch.inference_mode(), sdk.compat():
        pipeline = _pipeline(shot, models, common | (constructor or {}), sdk, distilled_lora, arguments, video, audio)
        chunks, sound, *_ = pipeline(**(arguments | changed))
        return torch.cat([sdk.in_8_bits(chunk) for chunk in chunks]), sound.waveform, sound.sampling_rate


def _pipeline(
    shot: Shot,
    models: ModelSet,
    common: dict[str, Any],
    sdk: _Sdk10 | _Sdk12,
    distilled_lora: tuple[Path, float] | None,
    arguments: dict[str, Any],
    video: Any,
    audio: Any,
) -> Any:
    """The pipeline of ``shot``; what its call takes besides goes into ``arguments``."""
    from ltx_pipelines.distilled import DistilledPipeline
    from ltx_pipelines.ic_lora import ICLoraPipeline
    from ltx_pipelines.keyframe_interpolation import KeyframeInterpolationPipeline
    from ltx_pipelines.ti2vid_one_stage import TI2VidOneStagePipeline
    from ltx_pipelines.ti2vid_two_stages import TI2VidTwoStagesPipeline
    from ltx_pipelines.utils.constants import detect_params

    upscaler: dict[str, Any] = {"spatial_upsampler_path": str(models.spatial_upscaler)}
    if isinstance(shot, GuidedShot):
        params = detect_params(str(models.checkpoint))
        arguments |= {
            "negative_prompt": shot.negative_prompt,
            "num_inference_steps": shot.steps or params.num_inference_steps,
            "video_guider_params": video or params.video_guider_params,
            "audio_guider_params": audio or params.audio_guider_params,
        }
    if isinstance(shot, OneStageShot):
        if not sdk.one_stage_tiles:
            del arguments["tiling_config"]
        return TI2VidOneStagePipeline(**common, **sdk.checkpoint("checkpoint_path"))
    if isinstance(shot, TwoStageShot):
        kind: Any = KeyframeInterpolationPipeline if isinstance(shot, KeyframesShot) else TI2VidTwoStagesPipeline
        distilled = [_lora(distilled_lora)] if distilled_lora else []
        return kind(**common, **upscaler, **sdk.checkpoint("checkpoint_path"), distilled_lora=distilled)
    if isinstance(shot, ICLoraShot):
        arguments |= {"video_conditioning": [(str(shot.reference), shot.reference_strength)]}
        arguments |= {"skip_stage_2": shot.skip_stage_2}
        return ICLoraPipeline(**common, **upscaler, **sdk.checkpoint("distilled_checkpoint_path"))
    return DistilledPipeline(**common, **upscaler, **sdk.checkpoint("distilled_checkpoint_path"))


class _Sdk10:
    """How SDK 1.0 is called."""

    one_stage_tiles = False

    def __init__(self, models: ModelSet, fp8: bool) -> None:
        from ltx_core.model.video_vae import TilingConfig
        from ltx_core.quantization import QuantizationPolicy

        self._models = models
        self.constructor: dict[str, Any] = {
            "gemma_root": str(models.text_encoder),
            "quantization": QuantizationPolicy.fp8_cast() if fp8 else None,
        }
        self.tiling: dict[str, Any] = {"tiling_config": TilingConfig.default()}

    def checkpoint(self, name: str) -> dict[str, Any]:
        return {name: str(self._models.checkpoint)}

    def compat(self) -> Any:
        return compat.for_sdk_1_0(self._models.text_encoder)

    def in_8_bits(self, chunk: torch.Tensor) -> torch.Tensor:
        return chunk


class _Sdk12:
    """How SDK 1.2 is called; what it does not need to be told, it is not told."""

    one_stage_tiles = True
    tiling: dict[str, Any] = {}

    def __init__(self, models: ModelSet, fp8: bool) -> None:
        from ltx_core.quantization.fp8_cast import build_policy
        from ltx_pipelines.utils.model_paths import ModelPaths

        self.constructor: dict[str, Any] = {
            "model_paths": ModelPaths.from_monolith(str(models.checkpoint), str(models.text_encoder)),
            "quantization": build_policy(models.checkpoint) if fp8 else None,
        }

    def checkpoint(self, name: str) -> dict[str, Any]:
        return {}

    def compat(self) -> Any:
        return compat.for_sdk_1_2()

    def in_8_bits(self, chunk: torch.Tensor) -> torch.Tensor:
        from ltx_core.color import rgb_uint8_converter_

        return rgb_uint8_converter_(chunk.movedim(-1, -3))


def _lora(lora: tuple[Path, float]) -> Any:
    from ltx_core.loader import LTXV_LORA_COMFY_RENAMING_MAP, LoraPathStrengthAndSDOps

    return LoraPathStrengthAndSDOps(str(lora[0]), lora[1], LTXV_LORA_COMFY_RENAMING_MAP)


def _image(pixels: numpy.ndarray, frame: int, strength: float) -> Any:
    from ltx_pipelines.utils.args import ImageConditioningInput
    from PIL import Image

    file: Any = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return ImageConditioningInput(file, frame, strength)
