"""The real SDK, called directly, and a count of the bytes it reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from dev.tiny_models import TinyModels
from storymotion.ltx import compat
from storymotion.ltx.models import ModelSet
from storymotion.ltx.shots import DistilledShot, Guide, Shot, TwoStageShot, guide_from_pixels


@pytest.fixture
def models(tiny: TinyModels) -> ModelSet:
    """The tiny set as the library's value."""
    return model_set(tiny)


def model_set(tiny: TinyModels) -> ModelSet:
    return ModelSet(tiny.checkpoint, tiny.gemma_root, tiny.spatial_upscaler)


@pytest.fixture(scope="session")
def picture() -> numpy.ndarray:
    """A picture with edges, uint8 [96, 128, 3]."""
    rows, columns = numpy.mgrid[0:96, 0:128]
    return numpy.stack([columns * 2, rows * 2, (rows // 8 + columns // 8) % 2 * 255], -1).astype(numpy.uint8)


@pytest.fixture
def guide(picture: numpy.ndarray) -> Guide:
    return guide_from_pixels(picture, frame=0, strength=0.9)


@pytest.fixture
def distilled() -> DistilledShot:
    """A small distilled shot, to be changed with dataclasses.replace."""
    return DistilledShot("a red cat walks", 64, 64, 9, 24.0, seed=3)


@pytest.fixture
def two_stage() -> TwoStageShot:
    """A small two-stage shot, to be changed with dataclasses.replace."""
    return TwoStageShot("a red cat walks", 64, 64, 9, 24.0, seed=3, negative_prompt="blurry", steps=3)


@pytest.fixture
def weight_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every weight file that the SDK loads, in order."""
    from ltx_core.loader.sft_loader import SafetensorsStateDictLoader

    reads: list[int] = []
    load = SafetensorsStateDictLoader.load

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        state = load(self, *args, **kwargs)
        reads.append(state.size)
        return state

    monkeypatch.setattr(SafetensorsStateDictLoader, "load", counting)
    return reads


Direct = Callable[..., tuple[torch.Tensor, torch.Tensor, int]]


@pytest.fixture
def direct(tmp_path: Path) -> Direct:
    """``direct(models, shot, loras, pictures, ...)``: the SDK's own pipeline, as its command line would call it."""

    def call(
        models: ModelSet,
        shot: Shot,
        pictures: tuple[tuple[numpy.ndarray, int, float], ...] = (),
        loras: tuple[tuple[Path, float], ...] = (),
        distilled_lora: tuple[Path, float] | None = None,
        fp8: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor, int]:
        from ltx_core.loader import LTXV_LORA_COMFY_RENAMING_MAP, LoraPathStrengthAndSDOps
        from ltx_core.model.video_vae import TilingConfig
        from ltx_core.quantization import QuantizationPolicy
        from ltx_pipelines.distilled import DistilledPipeline
        from ltx_pipelines.ti2vid_two_stages import TI2VidTwoStagesPipeline
        from ltx_pipelines.utils.args import ImageConditioningInput
        from ltx_pipelines.utils.constants import detect_params
        from PIL import Image

        def as_lora(lora: tuple[Path, float]) -> LoraPathStrengthAndSDOps:
            return LoraPathStrengthAndSDOps(str(lora[0]), lora[1], LTXV_LORA_COMFY_RENAMING_MAP)

        images = []
        for pixels, frame, strength in pictures:
            path = tmp_path / f"guide-{frame}.png"
            Image.fromarray(pixels).save(path)
            images.append(ImageConditioningInput(str(path), frame, strength))
        common: dict[str, Any] = {
            "gemma_root": str(models.text_encoder),
            "spatial_upsampler_path": str(models.spatial_upscaler),
            "loras": [as_lora(lora) for lora in loras],
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
            "images": images,
            "tiling_config": TilingConfig.default(),
        }
        with torch.inference_mode(), compat.for_sdk_1_0(models.text_encoder):
            if isinstance(shot, TwoStageShot):
                pipeline: Any = TI2VidTwoStagesPipeline(
                    checkpoint_path=str(models.checkpoint),
                    distilled_lora=[as_lora(distilled_lora)] if distilled_lora else [],
                    **common,
                )
                params = detect_params(str(models.checkpoint))
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

    return call


def digest(tensor: torch.Tensor) -> str:
    """A short hash of a tensor's bytes, for messages that can be compared by eye."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()[:12]
