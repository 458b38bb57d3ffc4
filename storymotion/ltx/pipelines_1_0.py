"""The pipeline classes of SDK 1.0.x: which one makes which shot, built and called with keywords only."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .guidance import Guider
from .lora import sdk_lora
from .meter import STAGE_1, STAGE_2
from .models import BOTH_STAGES, Lora
from .preflight import Checked
from .prequantised import fold_scales
from .shots import Guide, GuidedShot, ICLoraShot, KeyframesShot, OneStageShot, TwoStageShot

if TYPE_CHECKING:
    import torch
    from ltx_core.components.guiders import MultiModalGuiderParams
    from ltx_core.loader import LoraPathStrengthAndSDOps
    from ltx_pipelines.utils.args import ImageConditioningInput

# The length of constants.DISTILLED_SIGMA_VALUES, less its end.
DISTILLED_STEPS = 8


@dataclass(frozen=True)
class Prepared:
    """A pipeline, ready to be called, with its ModelLedgers."""

    pipeline: Any
    ledgers: tuple[Any, ...]
    arguments: dict[str, Any]


def prepare(checked: Checked, device: torch.device) -> Prepared:
    """Make the SDK's pipeline for the shot. Nothing is loaded yet: a ModelLedger only knows paths."""
    prepared = _prepare(checked, device)
    for ledger in prepared.ledgers:
        fold_scales(ledger, checked.checkpoint.header)
    return prepared


def _prepare(checked: Checked, device: torch.device) -> Prepared:
    shot = checked.shot
    if isinstance(shot, OneStageShot):
        return _one_stage(checked, shot, device)
    if isinstance(shot, TwoStageShot):
        return _two_stages(checked, shot, device)
    if isinstance(shot, ICLoraShot):
        return _ic_lora(checked, shot, device)
    return _distilled(checked, device)


def _distilled(checked: Checked, device: torch.device) -> Prepared:
    from ltx_pipelines.distilled import DistilledPipeline

    pipeline = DistilledPipeline(
        distilled_checkpoint_path=str(checked.models.checkpoint),
        spatial_upsampler_path=str(checked.models.spatial_upscaler),
        **_of_every_pipeline(checked, device),
    )
    return Prepared(pipeline, (pipeline.model_ledger,), _arguments(checked) | _tiles(checked))


def _one_stage(checked: Checked, shot: OneStageShot, device: torch.device) -> Prepared:
    from ltx_pipelines.ti2vid_one_stage import TI2VidOneStagePipeline

    pipeline = TI2VidOneStagePipeline(
        checkpoint_path=str(checked.models.checkpoint), **_of_every_pipeline(checked, device)
    )
    # This pipeline takes no tiling: it decodes the whole shot at once.
    return Prepared(pipeline, (pipeline.model_ledger,), _arguments(checked) | _guided(checked, shot))


def _two_stages(checked: Checked, shot: TwoStageShot, device: torch.device) -> Prepared:
    from ltx_pipelines.keyframe_interpolation import KeyframeInterpolationPipeline
    from ltx_pipelines.ti2vid_two_stages import TI2VidTwoStagesPipeline

    pipeline_class = KeyframeInterpolationPipeline if isinstance(shot, KeyframesShot) else TI2VidTwoStagesPipeline
    distilled_lora = _loras(checked, [shot.distilled_lora] if shot.distilled_lora else [])
    pipeline = pipeline_class(
        checkpoint_path=str(checked.models.checkpoint),
        distilled_lora=distilled_lora,
        spatial_upsampler_path=str(checked.models.spatial_upscaler),
        **_of_every_pipeline(checked, device),
    )
    if any(lora.stages != BOTH_STAGES for lora in checked.models.loras):
        # The pipeline gives stage 2 what it gives stage 1; it knows no LoRAs for one stage.
        in_stage_2 = _loras(checked, [lora for lora in checked.models.loras if lora.stages in (BOTH_STAGES, STAGE_2)])
        pipeline.stage_2_model_ledger = pipeline.stage_1_model_ledger.with_loras((*in_stage_2, *distilled_lora))
    return Prepared(pipeline, _both_ledgers(pipeline), _arguments(checked) | _guided(checked, shot) | _tiles(checked))


def _ic_lora(checked: Checked, shot: ICLoraShot, device: torch.device) -> Prepared:
    from ltx_pipelines.ic_lora import ICLoraPipeline

    common = _of_every_pipeline(checked, device)
    if shot.ic_lora:
        common["loras"] = [*common["loras"], *_loras(checked, [shot.ic_lora])]
    pipeline = ICLoraPipeline(
        distilled_checkpoint_path=str(checked.models.checkpoint),
        spatial_upsampler_path=str(checked.models.spatial_upscaler),
        **common,
    )
    reference = {
        "video_conditioning": [(str(shot.reference), float(shot.reference_strength))],
        "skip_stage_2": shot.skip_stage_2,
    }
    return Prepared(pipeline, _both_ledgers(pipeline), _arguments(checked) | reference | _tiles(checked))


def _both_ledgers(pipeline: Any) -> tuple[Any, ...]:
    return pipeline.stage_1_model_ledger, pipeline.stage_2_model_ledger


def _of_every_pipeline(checked: Checked, device: torch.device) -> dict[str, Any]:
    from ltx_core.quantization import QuantizationPolicy

    models = checked.models
    return {
        "gemma_root": str(models.text_encoder),
        "loras": _loras(checked, [lora for lora in models.loras if lora.stages in (BOTH_STAGES, STAGE_1)]),
        "device": device,
        "quantization": QuantizationPolicy.fp8_cast() if models.precision == "fp8" else None,
    }


def _arguments(checked: Checked) -> dict[str, Any]:
    shot = checked.shot
    return {
        "prompt": shot.prompt,
        "seed": shot.seed,
        "height": shot.height,
        "width": shot.width,
        "num_frames": shot.rendered_frames,
        "frame_rate": float(shot.fps),
        "images": [_conditioning(guide) for guide in shot.guides],
        "enhance_prompt": shot.enhance_prompt,
    }


def _tiles(checked: Checked) -> dict[str, Any]:
    from ltx_core.model.video_vae import SpatialTilingConfig, TemporalTilingConfig, TilingConfig

    small = TilingConfig(SpatialTilingConfig(256, 64), TemporalTilingConfig(32, 16))
    # "auto" is what the SDK's own command line uses; without tiles the decoder needs the most memory.
    return {"tiling_config": {"auto": TilingConfig.default(), "small": small, "off": None}[checked.shot.tiling]}


def _guided(checked: Checked, shot: GuidedShot) -> dict[str, Any]:
    guidance = checked.guidance
    assert guidance is not None
    return {
        "negative_prompt": shot.negative_prompt,
        "num_inference_steps": guidance.steps,
        "video_guider_params": _guider(guidance.video),
        "audio_guider_params": _guider(guidance.audio),
    }


def _guider(guider: Guider) -> MultiModalGuiderParams:
    from ltx_core.components.guiders import MultiModalGuiderParams

    return MultiModalGuiderParams(
        cfg_scale=float(guider.cfg),
        stg_scale=float(guider.stg),
        stg_blocks=list(guider.stg_blocks or ()),
        rescale_scale=float(guider.rescale),
        modality_scale=float(guider.modality),
        skip_step=guider.skip_step,
    )


def _conditioning(guide: Guide) -> ImageConditioningInput:
    from ltx_pipelines.utils.args import ImageConditioningInput

    # The SDK only opens the path with Pillow, which takes a file in memory as well.
    picture: Any = io.BytesIO(guide.png)
    return ImageConditioningInput(
        path=picture, frame_idx=guide.frame, strength=float(guide.strength), crf=guide.compression
    )


def _loras(checked: Checked, loras: Iterable[Lora]) -> list[LoraPathStrengthAndSDOps]:
    """Those that change anything: the SDK would read a file of strength 0 as well."""
    return [sdk_lora(lora, checked.checkpoint) for lora in loras if lora.strength]
