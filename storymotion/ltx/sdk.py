"""Which SDK is installed, and the small interface behind which its generations differ."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..errors import SdkMissing, SdkUnsupported
from .meter import DECODING, Meter, Phase
from .preflight import Checked
from .prompt_cache import Findings
from .residents import Placement, Residents
from .shots import Shot

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class RawShot:
    """What a pipeline made: uint8 frames [n, height, width, 3] on the CPU, sound [channels, samples] and its rate.

    ``findings``: what came to light about the prompts.
    """

    frames: torch.Tensor
    waveform: torch.Tensor
    sample_rate: int
    findings: Findings


class Sdk(Protocol):
    """One generation of the SDK. Everything above this interface is ignorant of the version."""

    version: str

    def phases(self, checked: Checked) -> tuple[Phase, ...]:
        """What the run will consist of, for the progress bar."""
        ...

    def run(self, checked: Checked, placement: Placement, meter: Meter, residents: Residents) -> RawShot:
        """Call the SDK's pipeline and drain it. The caller has entered ``torch.inference_mode()``."""
        ...


def load_sdk() -> Sdk:
    """The adapter for the SDK that is installed, found by its shape. Raises SdkMissing, SdkUnsupported."""
    try:
        importlib.import_module("ltx_core")
        importlib.import_module("ltx_pipelines")
    except ImportError as error:
        raise SdkMissing(str(error), sys.executable) from None
    if importlib.util.find_spec("ltx_pipelines.utils.model_ledger"):
        from .sdk_1_0 import Sdk10

        return Sdk10()
    raise SdkUnsupported(importlib.metadata.version("ltx-core"), sys.executable)


def collect_frames(chunks: Iterable[torch.Tensor], shot: Shot, meter: Meter) -> torch.Tensor:
    """Take the decoder's uint8 chunks [f, h, w, 3] off the device into one tensor, one chunk at a time."""
    import torch

    width, height = shot.rendered_size
    frames = torch.empty((shot.rendered_frames, height, width, 3), dtype=torch.uint8)
    done = 0
    for chunk in chunks:
        frames[done : done + len(chunk)] = chunk.cpu()
        done += len(chunk)
        meter.tick(DECODING)
    if done != len(frames):
        raise RuntimeError(f"the decoder made {done} frames instead of {len(frames)}")
    return frames
