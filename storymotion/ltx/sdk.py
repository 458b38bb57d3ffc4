"""Which SDK is installed, and the small interface behind which its generations differ."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import SdkBroken, SdkMissing, SdkUnsupported
from .access import ModelAccess
from .meter import DECODING, Meter, Phase
from .preflight import Checked
from .prompt_cache import Findings
from .residents import Component, Placement
from .shots import Shot
from .stages import StageResults

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


# Makes the tensor that finished frames go to: uint8 [frames, height, width, 3].
NewFrames = Callable[[tuple[int, int, int, int]], "torch.Tensor"]


def in_main_memory(shape: tuple[int, int, int, int]) -> torch.Tensor:
    """The simplest ``NewFrames``."""
    import torch

    return torch.empty(shape, dtype=torch.uint8)


@dataclass(frozen=True)
class ReadyShot:
    """A shot whose pipeline has been made: the ``components`` that it may use, and ``run`` to call and drain it."""

    components: tuple[Component, ...]
    run: Callable[[], RawShot]


class Sdk(Protocol):
    """One generation of the SDK. Everything above this interface is ignorant of the version."""

    version: str

    def phases(self, checked: Checked) -> tuple[Phase, ...]:
        """What the run will consist of, for the progress bar."""
        ...

    def session(self, text_encoder: Path) -> AbstractContextManager[None]:
        """What has to be in force while shots with that Gemma folder are made ready and run."""
        ...

    def make_ready(
        self,
        checked: Checked,
        placement: Placement,
        meter: Meter,
        access: ModelAccess,
        stages: StageResults,
        new_frames: NewFrames,
    ) -> ReadyShot:
        """Make the SDK's pipeline, with models from ``access``. Reads no weights; run it in inference mode."""
        ...


# They import whatever else of the SDK a shot needs.
PIPELINES = ("distilled", "ic_lora", "keyframe_interpolation", "ti2vid_one_stage", "ti2vid_two_stages")


def load_sdk() -> Sdk:
    """The adapter for the SDK that is installed, found by its shape; the SDK is imported then.

    Raises SdkMissing, SdkBroken, SdkUnsupported.
    """
    try:
        importlib.import_module("ltx_core")
        importlib.import_module("ltx_pipelines")
        sdk = _adapter()
        for name in PIPELINES if sdk else ():
            importlib.import_module(f"ltx_pipelines.{name}")
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and "." not in (error.name or ""):
            raise SdkMissing(str(error), sys.executable) from None
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        raise SdkBroken(_version("ltx-core"), _version("ltx-pipelines"), reason, sys.executable) from error
    if sdk is None:
        raise SdkUnsupported(_version("ltx-core"), sys.executable)
    return sdk


def _adapter() -> Sdk | None:
    if _has("model_ledger"):
        from .sdk_1_0 import Sdk10

        return Sdk10()
    if _has("blocks") and _has("model_paths"):
        from .sdk_1_2 import Sdk12

        return Sdk12()
    return None


def _has(module: str) -> bool:
    """Looking for it imports the package that it is in, and what that imports."""
    try:
        return importlib.util.find_spec(f"ltx_pipelines.utils.{module}") is not None
    except ModuleNotFoundError as error:
        if error.name == "ltx_pipelines.utils":
            return False
        raise


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of an unknown version"


def collect_frames(chunks: Iterable[torch.Tensor], shot: Shot, meter: Meter, new_frames: NewFrames) -> torch.Tensor:
    """Take the decoder's uint8 chunks [f, h, w, 3] off the device into one tensor, one chunk at a time."""
    width, height = shot.rendered_size
    frames = new_frames((shot.rendered_frames, height, width, 3))
    done = 0
    for chunk in chunks:
        frames[done : done + len(chunk)] = chunk.cpu()
        done += len(chunk)
        meter.tick(DECODING)
    if done != len(frames):
        raise RuntimeError(f"the decoder made {done} frames instead of {len(frames)}")
    return frames
