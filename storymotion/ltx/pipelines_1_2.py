"""The pipeline classes of SDK 1.2.x: which one makes which shot, built and called with keywords only."""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LengthNotPredicted, LoraNotStreamable
from . import calls
from .diffusion_vae import is_diffusion_vae
from .lora import match_lora
from .lora_rules import all_loras
from .models import ModelSet
from .preflight import Checked
from .prequantised import eight_bit_weights
from .shots import GuidedShot, ICLoraShot, KeyframesShot, OneStageShot, TwoStageShot
from .split_files import duration_head_of, is_split

if TYPE_CHECKING:
    import torch
    from ltx_core.quantization import QuantizationPolicy
    from ltx_pipelines.utils.model_paths import ModelPaths


# What a model that says how long a shot should be is allowed at the least, as the SDK has it.
SHORTEST_SECONDS = 1.0


@dataclass(frozen=True)
class Prepared:
    """A pipeline, ready to be called."""

    pipeline: Any
    arguments: dict[str, Any]


def prepare(checked: Checked, device: torch.device, offload: str) -> Prepared:
    """Make the SDK's pipeline for the shot. Nothing is loaded yet: its blocks only know paths."""
    from ltx_pipelines.distilled import DistilledPipeline
    from ltx_pipelines.ic_lora import ICLoraPipeline
    from ltx_pipelines.keyframe_interpolation import KeyframeInterpolationPipeline
    from ltx_pipelines.ti2vid_one_stage import TI2VidOneStagePipeline
    from ltx_pipelines.ti2vid_two_stages import TI2VidTwoStagesPipeline

    shot = checked.shot
    common = _of_every_pipeline(checked, device, offload)
    arguments = calls.arguments(checked) | {"tiling_config": _tiles(checked)}
    upscaler: dict[str, Any] = {"spatial_upsampler_path": str(checked.models.spatial_upscaler)}
    if isinstance(shot, GuidedShot):
        arguments |= calls.guided(checked, shot) | {"max_batch_size": shot.guidance_batch}
    if isinstance(shot, OneStageShot):
        return Prepared(TI2VidOneStagePipeline(**common), arguments)
    if isinstance(shot, ICLoraShot):
        common["loras"] = [*common["loras"], *calls.sdk_loras(checked, [shot.ic_lora])]
        return Prepared(ICLoraPipeline(**common, **upscaler), arguments | calls.reference(shot))
    if not isinstance(shot, TwoStageShot):
        return Prepared(DistilledPipeline(**common, **upscaler), arguments)
    kind = KeyframeInterpolationPipeline if isinstance(shot, KeyframesShot) else TI2VidTwoStagesPipeline
    distilled_lora = calls.sdk_loras(checked, [shot.distilled_lora])
    pipeline = kind(**common, **upscaler, distilled_lora=distilled_lora)
    in_stage_2 = calls.loras_of_stage_2(checked)
    if in_stage_2 is not None:
        pipeline.stage_2 = pipeline.stage_2.with_loras((*in_stage_2, *distilled_lora))
    return Prepared(pipeline, arguments)


def quantization(checked: Checked) -> QuantizationPolicy | None:
    """What the SDK does to the transformer's weights for the precision that was decided.

    A checkpoint that is in 8 bits already is unfolded while it loads (``prequantised``), so the SDK, which knows one
    such layout, is not asked to do it.
    """
    from ltx_core import quantization as sdk
    from ltx_core.quantization.fp8_cast import build_policy

    if checked.models.precision != "fp8":
        return None
    if not eight_bit_weights(checked.checkpoint.header):
        return build_policy(checked.models.checkpoint)
    return sdk.QuantizationPolicy(
        sd_ops=sdk.TRANSFORMER_LINEAR_DOWNCAST_MAP,
        module_ops=(sdk.UPCAST_DURING_INFERENCE,),
        fuse_rule=sdk.fp8_cast_fuse_rule,
    )


def _of_every_pipeline(checked: Checked, device: torch.device, offload: str) -> dict[str, Any]:
    from ltx_core.loader.registry import DummyRegistry
    from ltx_core.model.transformer.compiling import CompilationConfig
    from ltx_pipelines.utils.types import OffloadMode

    models = checked.models
    if offload == "disk":
        _check_streamable(checked)
    return {
        "model_paths": _paths(models),
        "loras": calls.loras_of_stage_1(checked),
        "device": device,
        "quantization": quantization(checked),
        "offload_mode": OffloadMode(offload),
        "compilation_config": CompilationConfig() if models.compile else None,
        # The SDK's own would keep models that ``Residents`` has let go of.
        "registry": DummyRegistry(),
    }


def _paths(models: ModelSet) -> ModelPaths:
    from ltx_pipelines.utils.model_paths import ModelPaths

    checkpoint, text_encoder = str(models.checkpoint), str(models.text_encoder)
    video_vae = str(models.video_vae) if models.video_vae else None
    if not is_split(models):
        paths = ModelPaths.from_monolith(checkpoint, text_encoder, video_vae_path=video_vae)
    else:
        paths = ModelPaths.from_split(
            transformer_path=checkpoint,
            text_encoder_path=text_encoder,
            video_vae_path=video_vae or checkpoint,
            audio_vae_path=str(models.audio_vae),
        )
    if models.text_encoder.is_dir():
        # A folder has no weights of the text projection, which the SDK would look for in it.
        paths = replace(paths, embeddings_weight_paths=(checkpoint,))
    # With a path for it, the model that predicts a length would be loaded now (see ``Length``).
    return replace(paths, duration_head_path=None)


class Length:
    """Stands for the pipeline's DurationPredictor: loads it when it is asked, and remembers what it said.

    ``tail``: frames to render beside those, and cut off at the end. ``frames``: both together, None until then.
    """

    def __init__(self, path: Path, pipeline: Any, tail: int) -> None:
        self._path, self._pipeline, self._tail = path, pipeline, tail
        self.frames: int | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> int:
        """As DurationPredictor's. Raises LengthNotPredicted when weights of it are missing."""
        from ltx_pipelines.utils.blocks import DurationPredictor

        predictor = DurationPredictor.from_checkpoint(str(self._path), self._pipeline.dtype, self._pipeline.device)
        if predictor is None:
            raise LengthNotPredicted(f"the duration head in {self._path.name} is not complete")
        self.frames = frames = int(predictor(*args, **kwargs)) + self._tail
        return frames


def predict_length(checked: Checked, prepared: Prepared) -> Length | None:
    """Let the pipeline decide how many frames it makes, up to those of the shot; None where that is not wanted."""
    from ltx_pipelines.utils.types import AutoDuration

    shot = checked.shot
    path = duration_head_of(checked.models) if shot.auto_duration else None
    if path is None:
        return None
    longest = shot.frames / shot.fps
    prepared.arguments["num_frames"] = AutoDuration(min(SHORTEST_SECONDS, longest), longest)
    prepared.pipeline.duration_predictor = length = Length(path, prepared.pipeline, shot.tail_trim)
    return length


def _check_streamable(checked: Checked) -> None:
    """From the file the SDK streams LoRAs as they are: what has to be translated while loading is not (LoraSource)."""
    for lora in all_loras(checked.models, checked.shot):
        if lora.strength and not match_lora(lora, checked.checkpoint).is_plain:
            raise LoraNotStreamable(lora.path.name)


def _tiles(checked: Checked) -> Any:
    from ltx_core.model.video_vae import AUTO_TILING, DimensionSizeConfig, TileSizeConfig

    if is_diffusion_vae(checked.checkpoint.header):
        return None  # its handle chooses, when the memory is known (``decoder_1_2``)
    # "auto" is what the SDK's own command line uses; without tiles the decoder needs the most memory.
    side = DimensionSizeConfig(256, 64)
    small = TileSizeConfig(frames=DimensionSizeConfig(32, 16), height=side, width=side)
    return {"auto": AUTO_TILING, "small": small, "off": None}[checked.shot.tiling]
