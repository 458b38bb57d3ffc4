"""The pipeline classes of SDK 1.0.x: which one makes which shot, built and called with keywords only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import calls
from .preflight import Checked
from .prequantised import fold_scales
from .shots import ICLoraShot, KeyframesShot, OneStageShot, TwoStageShot

if TYPE_CHECKING:
    import torch


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
    return Prepared(pipeline, (pipeline.model_ledger,), calls.arguments(checked) | _tiles(checked))


def _one_stage(checked: Checked, shot: OneStageShot, device: torch.device) -> Prepared:
    from ltx_pipelines.ti2vid_one_stage import TI2VidOneStagePipeline

    pipeline = TI2VidOneStagePipeline(
        checkpoint_path=str(checked.models.checkpoint), **_of_every_pipeline(checked, device)
    )
    # This pipeline takes no tiling: it decodes the whole shot at once.
    return Prepared(pipeline, (pipeline.model_ledger,), calls.arguments(checked) | calls.guided(checked, shot))


def _two_stages(checked: Checked, shot: TwoStageShot, device: torch.device) -> Prepared:
    from ltx_pipelines.keyframe_interpolation import KeyframeInterpolationPipeline
    from ltx_pipelines.ti2vid_two_stages import TI2VidTwoStagesPipeline

    pipeline_class = KeyframeInterpolationPipeline if isinstance(shot, KeyframesShot) else TI2VidTwoStagesPipeline
    distilled_lora = calls.sdk_loras(checked, [shot.distilled_lora])
    pipeline = pipeline_class(
        checkpoint_path=str(checked.models.checkpoint),
        distilled_lora=distilled_lora,
        spatial_upsampler_path=str(checked.models.spatial_upscaler),
        **_of_every_pipeline(checked, device),
    )
    in_stage_2 = calls.loras_of_stage_2(checked)
    if in_stage_2 is not None:
        pipeline.stage_2_model_ledger = pipeline.stage_1_model_ledger.with_loras((*in_stage_2, *distilled_lora))
    arguments = calls.arguments(checked) | calls.guided(checked, shot) | _tiles(checked)
    return Prepared(pipeline, _both_ledgers(pipeline), arguments)


def _ic_lora(checked: Checked, shot: ICLoraShot, device: torch.device) -> Prepared:
    from ltx_pipelines.ic_lora import ICLoraPipeline

    common = _of_every_pipeline(checked, device)
    common["loras"] = [*common["loras"], *calls.sdk_loras(checked, [shot.ic_lora])]
    pipeline = ICLoraPipeline(
        distilled_checkpoint_path=str(checked.models.checkpoint),
        spatial_upsampler_path=str(checked.models.spatial_upscaler),
        **common,
    )
    arguments = calls.arguments(checked) | calls.reference(shot) | _tiles(checked)
    return Prepared(pipeline, _both_ledgers(pipeline), arguments)


def _both_ledgers(pipeline: Any) -> tuple[Any, ...]:
    return pipeline.stage_1_model_ledger, pipeline.stage_2_model_ledger


def _of_every_pipeline(checked: Checked, device: torch.device) -> dict[str, Any]:
    from ltx_core.quantization import QuantizationPolicy

    models = checked.models
    return {
        "gemma_root": str(models.text_encoder),
        "loras": calls.loras_of_stage_1(checked),
        "device": device,
        "quantization": QuantizationPolicy.fp8_cast() if models.precision == "fp8" else None,
    }


def _tiles(checked: Checked) -> dict[str, Any]:
    from ltx_core.model.video_vae import SpatialTilingConfig, TemporalTilingConfig, TilingConfig

    small = TilingConfig(SpatialTilingConfig(256, 64), TemporalTilingConfig(32, 16))
    # "auto" is what the SDK's own command line uses; without tiles the decoder needs the most memory.
    return {"tiling_config": {"auto": TilingConfig.default(), "small": small, "off": None}[checked.shot.tiling]}
