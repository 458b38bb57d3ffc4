"""The parts of either SDK generation that tests take hold of, by one name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from dev.direct_sdk import is_sdk_1_0

IS_1_0 = is_sdk_1_0()
only_1_0 = pytest.mark.skipif(not IS_1_0, reason="about a part that only SDK 1.0 has")
only_1_2 = pytest.mark.skipif(IS_1_0, reason="about what only SDK 1.2 can do (dev.py test --sdk CHECKOUT)")
# Kind of model -> the SDK's class that makes it.
CONFIGURATORS = {
    "text_encoder": "GemmaTextEncoderConfigurator",
    "gemma_embeddings_processor": "EmbeddingsProcessorConfigurator",
    "video_encoder": "VideoEncoderConfigurator",
    "transformer": "LTXModelConfigurator",
    "spatial_upsampler": "LatentUpsamplerConfigurator",
    "video_decoder": "VideoDecoderConfigurator",
    "audio_decoder": "AudioDecoderConfigurator",
    "vocoder": "VocoderConfigurator",
}


def adapter() -> Any:
    """The module of the adapter that is in use."""
    return importlib.import_module(f"storymotion.ltx.sdk_1_{0 if IS_1_0 else 2}")


def loras_by_stage(checked: Any) -> list[list[Any]]:
    """The LoRAs of both transformers of a pipeline with two, as the SDK has them."""
    import torch

    if IS_1_0:
        from storymotion.ltx.pipelines_1_0 import prepare

        return [list(ledger.loras) for ledger in prepare(checked, torch.device("cpu")).ledgers]
    from storymotion.ltx.pipelines_1_2 import prepare as prepare_1_2

    pipeline = prepare_1_2(checked, torch.device("cpu"), "none").pipeline
    return [list(stage._transformer_builder.loras) for stage in (pipeline.stage_1, pipeline.stage_2)]


def small_tiles() -> Any:
    """Tiles of 256 pixels that overlap by 64, and of 32 frames that overlap by 16."""
    from ltx_core.model import video_vae as sdk

    if IS_1_0:
        return sdk.TilingConfig(sdk.SpatialTilingConfig(256, 64), sdk.TemporalTilingConfig(32, 16))
    size = vars(sdk)["DimensionSizeConfig"]
    return vars(sdk)["TileSizeConfig"](frames=size(32, 16), height=size(256, 64), width=size(256, 64))


def decoding_of(decoder: Any) -> Callable[[Any, str], Any]:
    """How the pipelines decode a latent with ``decoder`` and a name of TILINGS: chunks in 8 bits."""
    from ltx_core.model import video_vae as sdk

    if IS_1_0:
        tiles = {"auto": sdk.TilingConfig.default(), "small": small_tiles(), "off": None}
        return lambda latent, tiling: sdk.decode_video(latent, decoder, tiles[tiling])
    from ltx_core.types import VIDEO_SCALE_FACTORS

    from storymotion.ltx import sdk_1_2

    conv_video_decoder = importlib.import_module("ltx_core.model.video_vae.conv_video_decoder")
    in_place = vars(sdk)["MEMORY_EFFICIENT_DECODE"].mutator(decoder)
    in_place._prepare_tiles = _with_numbers(in_place._prepare_tiles)
    are_complementary = _with_numbers(conv_video_decoder.masks_are_complementary)
    size = vars(sdk)["DimensionSizeConfig"]

    def decode(latent: Any, tiling: str) -> Any:
        height, width = (side * 32 for side in latent.shape[-2:])
        # As AUTO_TILING comes out for this decoder (ltx_pipelines.utils.helpers, tiling_config_for_vae).
        auto = vars(sdk)["TileSizeConfig"].from_long_side(
            long_side=size(768, 64), height=height, width=width, scale_factors=VIDEO_SCALE_FACTORS, frames=size(80, 24)
        )
        with patch.object(conv_video_decoder, "masks_are_complementary", are_complementary):
            tiles = {"auto": auto, "small": small_tiles(), "off": None}
            yield from sdk_1_2._in_8_bits(in_place.decode_video(latent, tiles[tiling]))

    return decode


def _with_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` makes and compares masks of tiles, which the meta device would leave without numbers."""
    import torch

    def on_cpu(*args: Any, **named: Any) -> Any:
        with torch.device("cpu"):
            return function(*args, **named)

    return on_cpu


def where_upsampling_is() -> Any:
    """The module in which DistilledPipeline looks up ``upsample_video``."""
    return importlib.import_module("ltx_pipelines.distilled" if IS_1_0 else "ltx_pipelines.utils.blocks")


def fail_to_load(monkeypatch: pytest.MonkeyPatch, kind: str, broken: Callable[..., Any]) -> None:
    """Let ``broken`` stand for what makes models of ``kind``."""
    if IS_1_0:
        from ltx_pipelines.utils.model_ledger import ModelLedger

        from storymotion.ltx import ledger_1_0

        if kind == "text_encoder":
            monkeypatch.setattr(ledger_1_0, "_build_text_encoder", lambda ledger, device: broken)
        else:
            monkeypatch.setattr(ModelLedger, kind, broken)
        return
    from ltx_core.loader.single_gpu_model_builder import SingleGPUModelBuilder

    build = SingleGPUModelBuilder.build

    def failing(self: Any, *args: Any, **named: Any) -> Any:
        made_by = self._model_class_configurator.__name__.split("_")[0]
        return broken() if made_by == CONFIGURATORS[kind] else build(self, *args, **named)

    monkeypatch.setattr(SingleGPUModelBuilder, "build", failing)


def class_of(kind: str) -> Any:
    """The SDK's class of a model."""
    from ltx_core.model.audio_vae.audio_vae import AudioDecoder
    from ltx_core.model.audio_vae.vocoder import VocoderWithBWE
    from ltx_core.model.transformer.model import X0Model
    from ltx_core.model.upsampler.model import LatentUpsampler
    from ltx_core.model.video_vae import video_vae
    from ltx_core.text_encoders import gemma

    return {
        "text_encoder": gemma.GemmaTextEncoder if IS_1_0 else getattr(gemma, "LTXGemmaTextEncoder", None),
        "gemma_embeddings_processor": gemma.EmbeddingsProcessor,
        "video_encoder": video_vae.VideoEncoder,
        "transformer": X0Model,
        "spatial_upsampler": LatentUpsampler,
        "video_decoder": video_vae.VideoDecoder if IS_1_0 else getattr(video_vae, "ConvVideoDecoder", None),
        "audio_decoder": AudioDecoder,
        "vocoder": VocoderWithBWE,
    }[kind]
