"""ltx-core / ltx-pipelines 1.0.x: the SDK on the package index, LTX-2.0 and 2.3.

Its own pipeline classes are called with keywords only. What is added sits where they ask for a model
(``ledger_1_0``).
"""

from __future__ import annotations

import importlib.metadata
import json
from contextlib import AbstractContextManager
from pathlib import Path

from . import compat
from .access import ModelAccess
from .ledger_1_0 import SharedLedger
from .meter import READING, STAGE_1, STAGE_2, Meter, Phase, phases_of_a_shot
from .pipelines_1_0 import DISTILLED_STEPS, prepare
from .preflight import Checked
from .prompt_cache import Findings
from .residents import Placement
from .sdk import NewFrames, RawShot, ReadyShot, collect_frames
from .stages import FIRST, SECOND, StageResults

# The decoder's chunks with the default tiling: 64 frames that overlap by 24.
CHUNK_FRAMES = 40
PHASES = {FIRST: STAGE_1, SECOND: STAGE_2}


class Sdk10:
    """The adapter; see ``sdk.Sdk``."""

    def __init__(self) -> None:
        self.version = importlib.metadata.version("ltx-core")

    def phases(self, checked: Checked) -> tuple[Phase, ...]:
        """Reading the prompt, the stages, decoding; a tick for every layer that runs."""
        gemma = json.loads((checked.models.text_encoder / "config.json").read_text(encoding="utf-8"))
        gemma_layers = gemma.get("text_config", {}).get("num_hidden_layers", 48)
        guidance = checked.guidance
        return phases_of_a_shot(
            prompt_layers=gemma_layers * (2 if guidance else 1),
            forwards=guidance.passes * guidance.steps if guidance else DISTILLED_STEPS,
            layers=checked.checkpoint.layers,
            two_stages=checked.shot.stages == "two",
            chunks=checked.shot.rendered_frames // CHUNK_FRAMES + 1,
        )

    def session(self, text_encoder: Path) -> AbstractContextManager[None]:
        """See ``sdk.Sdk``."""
        return compat.for_sdk_1_0(text_encoder)

    def make_ready(
        self,
        checked: Checked,
        placement: Placement,
        meter: Meter,
        access: ModelAccess,
        stages: StageResults,
        new_frames: NewFrames,
    ) -> ReadyShot:
        """Build the pipeline and put the seam in; see ``sdk.Sdk``."""
        import torch

        findings = Findings()
        access.on_layer = lambda kind: meter.tick(READING if kind == "text_encoder" else PHASES[stages.current])
        prepared = prepare(checked, torch.device(placement.device))
        setattr(prepared.pipeline.pipeline_components, compat.STAGES, stages)
        header, reads_prompts = checked.checkpoint.header, not stages.complete
        ledgers = [
            SharedLedger(ledger, access, placement, findings, header, reads_prompts) for ledger in prepared.ledgers
        ]

        def run() -> RawShot:
            video, audio = prepared.pipeline(**prepared.arguments)
            frames = collect_frames(video, checked.shot, meter, new_frames)
            return RawShot(frames, audio.waveform.float().cpu(), audio.sampling_rate, findings)

        return ReadyShot(tuple(each for ledger in ledgers for each in ledger.components.values()), run)
