"""ltx-core / ltx-pipelines 1.2.x: the SDK in Lightricks' repository, LTX-2.0 to 2.5, which can stream weights.

Its own pipeline classes are called with keywords only. What is added sits where their blocks build a model
(``blocks_1_2``).
"""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import importlib.metadata
import inspect
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import compat
from .access import ModelAccess
from .blocks_1_2 import SharedBlocks
from .calls import DISTILLED_STEPS
from .checkpoint import gemma_layers
from .diffusion_vae import diffusion_decoder
from .meter import DECODING, READING, STAGE_1, STAGE_2, Meter, Phase, phases_of_a_shot
from .names_1_2 import as_in_1_2
from .pipelines_1_2 import predict_length, prepare
from .preflight import Checked
from .prompt_cache import Findings
from .residents import Placement
from .sdk import NewFrames, RawShot, ReadyShot, collect_frames
from .shots import GuidedShot
from .stages import FIRST, SECOND, StageResults

if TYPE_CHECKING:
    import torch

# The decoder's chunks with the default tiling: 80 frames that overlap by 24.
CHUNK_FRAMES = 56
PHASES = {FIRST: STAGE_1, SECOND: STAGE_2}


class Sdk12:
    """The adapter; see ``sdk.Sdk``."""

    def __init__(self) -> None:
        self.version = importlib.metadata.version("ltx-core")

    def phases(self, checked: Checked) -> tuple[Phase, ...]:
        """Reading the prompts (together), the stages, decoding; a tick for every layer that runs."""
        return phases_of_a_shot(
            prompt_layers=gemma_layers(checked.models.text_encoder),
            forwards=_forwards(checked),
            layers=checked.checkpoint.layers,
            two_stages=checked.shot.stages == "two",
            chunks=_decoding_ticks(checked),
        )

    @contextmanager
    def session(self, text_encoder: Path) -> Iterator[None]:
        """See ``sdk.Sdk``. Raises SdkChanged."""
        with ExitStack() as changes:
            with as_in_1_2("parts in the places of 1.2"):
                changes.enter_context(compat.for_sdk_1_2())
            yield

    def make_ready(
        self,
        checked: Checked,
        placement: Placement,
        meter: Meter,
        access: ModelAccess,
        stages: StageResults,
        new_frames: NewFrames,
    ) -> ReadyShot:
        """Build the pipeline and put the seam in; see ``sdk.Sdk``. Raises SdkChanged."""
        import torch

        findings = Findings()
        phases = {"text_encoder": READING, "video_decoder": DECODING}
        access.on_layer = lambda kind: meter.tick(phases.get(kind) or PHASES[stages.current])
        with as_in_1_2("pipelines that are made and called as those of 1.2"):
            prepared = prepare(checked, torch.device(placement.device), placement.offload)
            inspect.signature(prepared.pipeline).bind(**prepared.arguments)
        length = predict_length(checked, prepared)
        reads_prompts = length is not None or not stages.complete
        blocks = SharedBlocks(prepared.pipeline, checked, access, placement, stages, findings, reads_prompts)

        def run() -> RawShot:
            # Pipelines add to the two what else they decided.
            video, audio, *_ = prepared.pipeline(**prepared.arguments)
            shot = checked.shot
            if length is not None and length.frames is not None:
                shot = replace(shot, frames=length.frames, tail_trim=0)
            frames = collect_frames(_in_8_bits(video), shot, meter, new_frames)
            return RawShot(frames, audio.waveform.float().cpu(), audio.sampling_rate, findings)

        return ReadyShot(tuple(blocks.components), run)


def _decoding_ticks(checked: Checked) -> int:
    """Of the chunks of frames, and of the layers of a diffusion decoder."""
    shot, decoder = checked.shot, diffusion_decoder(checked.checkpoint.header)
    chunks = shot.rendered_frames // CHUNK_FRAMES + 1
    if decoder is None:
        return chunks
    width, height = shot.rendered_size
    return chunks + decoder.ticks(shot.rendered_frames, height, width, shot.tiling)


def _forwards(checked: Checked) -> int:
    """Of stage 1: passes of guidance that run together are one."""
    guidance, shot = checked.guidance, checked.shot
    if guidance is None or not isinstance(shot, GuidedShot):
        return DISTILLED_STEPS
    return math.ceil(guidance.passes / shot.guidance_batch) * guidance.steps


def _in_8_bits(chunks: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The SDK's floats 0..1 as its own files have them in RGB."""
    from ltx_core.color import rgb_uint8_converter_

    for chunk in chunks:
        yield rgb_uint8_converter_(chunk.movedim(-1, -3))
