"""ltx-core / ltx-pipelines 1.0.x: the SDK on the package index, LTX-2.0 and 2.3.

Its pipelines ask a ``ModelLedger`` for every model. The SDK's own classes are called with keywords
only; what is added is added to the ledger's builders before the call: hooks that report progress
(a ``ModuleOps``, which composes with fp8) and the exact weight files of Gemma.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import compat
from .checkpoint import gemma_shards
from .meter import READING, STAGE_1, STAGE_2, Meter, Phase, phases_of_two_stages
from .models import Lora
from .preflight import Checked
from .sdk import RawShot, collect_frames
from .shots import Guide, TwoStageShot

if TYPE_CHECKING:
    import torch
    from ltx_core.loader import LoraPathStrengthAndSDOps
    from ltx_core.loader.module_ops import ModuleOps
    from ltx_pipelines.utils.args import ImageConditioningInput

# The length of constants.DISTILLED_SIGMA_VALUES, less its end.
DISTILLED_STEPS = 8
# The decoder's chunks with the default tiling: 64 frames that overlap by 24.
CHUNK_FRAMES = 40


class Sdk10:
    """The adapter; see ``sdk.Sdk``."""

    def __init__(self) -> None:
        self.version = importlib.metadata.version("ltx-core")

    def phases(self, checked: Checked) -> tuple[Phase, ...]:
        """Reading the prompt, two stages, decoding; a tick for every layer that runs."""
        gemma = json.loads((checked.models.text_encoder / "config.json").read_text(encoding="utf-8"))
        gemma_layers = gemma.get("text_config", {}).get("num_hidden_layers", 48)
        shot = checked.shot
        guided = isinstance(shot, TwoStageShot)
        return phases_of_two_stages(
            prompt_layers=gemma_layers * (2 if guided else 1),
            passes=_passes(_params(checked)) if guided else 1,
            steps=_steps(checked, shot) if guided else DISTILLED_STEPS,
            layers=checked.checkpoint.layers,
            chunks=shot.rendered_frames // CHUNK_FRAMES + 1,
        )

    def run(self, checked: Checked, device: torch.device, meter: Meter) -> RawShot:
        """Build the pipeline, hook it, call it and drain it; see ``sdk.Sdk``."""
        from ltx_core.model.video_vae import TilingConfig

        shot = checked.shot
        arguments: dict[str, Any] = {
            "prompt": shot.prompt,
            "seed": shot.seed,
            "height": shot.height,
            "width": shot.width,
            "num_frames": shot.rendered_frames,
            "frame_rate": float(shot.fps),
            "images": [_conditioning(guide) for guide in shot.guides],
            # What the SDK's own command line uses; without tiles the decoder needs the most memory.
            "tiling_config": TilingConfig.default(),
            "enhance_prompt": shot.enhance_prompt,
        }
        with compat.for_sdk_1_0(checked.models.text_encoder):
            if isinstance(shot, TwoStageShot):
                pipeline = _two_stages(checked, shot, device, meter)
                params = _params(checked)
                arguments |= {
                    "negative_prompt": shot.negative_prompt,
                    "num_inference_steps": _steps(checked, shot),
                    "video_guider_params": params.video_guider_params,
                    "audio_guider_params": params.audio_guider_params,
                }
            else:
                pipeline = _distilled(checked, device, meter)
            video, audio = pipeline(**arguments)
            frames = collect_frames(video, shot, meter)
        return RawShot(frames, audio.waveform.float().cpu(), audio.sampling_rate)


def _distilled(checked: Checked, device: torch.device, meter: Meter) -> Any:
    from ltx_pipelines.distilled import DistilledPipeline

    models = checked.models
    pipeline = DistilledPipeline(
        distilled_checkpoint_path=str(models.checkpoint),
        gemma_root=str(models.text_encoder),
        spatial_upsampler_path=str(models.spatial_upscaler),
        loras=[_lora(lora) for lora in models.loras],
        device=device,
        quantization=_quantization(models.precision),
    )
    # One transformer serves both stages: its first 8 steps are stage 1.
    stage_1_ticks = DISTILLED_STEPS * checked.checkpoint.layers
    ticks = iter(range(stage_1_ticks))
    _hook(pipeline.model_ledger, checked, meter, lambda: STAGE_2 if next(ticks, None) is None else STAGE_1)
    return pipeline


def _two_stages(checked: Checked, shot: TwoStageShot, device: torch.device, meter: Meter) -> Any:
    from ltx_pipelines.ti2vid_two_stages import TI2VidTwoStagesPipeline

    models = checked.models
    pipeline = TI2VidTwoStagesPipeline(
        checkpoint_path=str(models.checkpoint),
        distilled_lora=[_lora(shot.distilled_lora)] if shot.distilled_lora else [],
        spatial_upsampler_path=str(models.spatial_upscaler),
        gemma_root=str(models.text_encoder),
        loras=[_lora(lora) for lora in models.loras],
        device=device,
        quantization=_quantization(models.precision),
    )
    _hook(pipeline.stage_1_model_ledger, checked, meter, lambda: STAGE_1)
    _hook(pipeline.stage_2_model_ledger, checked, meter, lambda: STAGE_2)
    return pipeline


def _hook(ledger: Any, checked: Checked, meter: Meter, stage: Callable[[], str]) -> None:
    """Report a tick before each layer of the transformer and of Gemma, and load only Gemma's own shards."""
    transformer = _before_each_layer("transformer_blocks", lambda: meter.tick(stage()))
    ledger.transformer_builder = replace(
        ledger.transformer_builder, module_ops=(*ledger.transformer_builder.module_ops, transformer)
    )
    text_encoder = _before_each_layer("model.model.language_model.layers", lambda: meter.tick(READING))
    ledger.text_encoder_builder = replace(
        ledger.text_encoder_builder,
        model_path=tuple(str(shard) for shard in gemma_shards(Path(ledger.gemma_root_path))),
        module_ops=(*ledger.text_encoder_builder.module_ops, text_encoder),
    )


def _before_each_layer(layers: str, tick: Callable[[], None]) -> ModuleOps:
    """A module operation that calls ``tick`` before every forward of every layer in ``module.<layers>``."""
    from ltx_core.loader.module_ops import ModuleOps

    def layers_of(module: Any) -> Any:
        for name in layers.split("."):
            module = getattr(module, name, None)
        return module

    def install(module: Any) -> Any:
        for layer in layers_of(module):
            layer.register_forward_pre_hook(lambda layer, inputs: tick())
        return module

    return ModuleOps("storymotion_progress", lambda module: layers_of(module) is not None, install)


def _conditioning(guide: Guide) -> ImageConditioningInput:
    from ltx_pipelines.utils.args import ImageConditioningInput

    # The SDK only opens the path with Pillow, which takes a file in memory as well.
    picture: Any = io.BytesIO(guide.png)
    return ImageConditioningInput(
        path=picture, frame_idx=guide.frame, strength=float(guide.strength), crf=guide.compression
    )


def _lora(lora: Lora) -> LoraPathStrengthAndSDOps:
    from ltx_core.loader import LTXV_LORA_COMFY_RENAMING_MAP, LoraPathStrengthAndSDOps

    return LoraPathStrengthAndSDOps(str(lora.path), float(lora.strength), LTXV_LORA_COMFY_RENAMING_MAP)


def _quantization(precision: str) -> Any:
    from ltx_core.quantization import QuantizationPolicy

    return QuantizationPolicy.fp8_cast() if precision == "fp8" else None


def _params(checked: Checked) -> Any:
    """Steps and guidance that the SDK has for the checkpoint's version."""
    from ltx_pipelines.utils.constants import detect_params

    return detect_params(str(checked.models.checkpoint))


def _steps(checked: Checked, shot: TwoStageShot) -> int:
    return shot.steps or _params(checked).num_inference_steps


def _passes(params: Any) -> int:
    """Forwards per guided step: one, and one more for each kind of guidance that is on for video or sound."""
    guiders = (params.video_guider_params, params.audio_guider_params)
    return (
        1
        + any(guider.cfg_scale != 1 for guider in guiders)
        + any(guider.stg_scale != 0 for guider in guiders)
        + any(guider.modality_scale != 1 for guider in guiders)
    )
