"""Shots that were rendered before: under which name they are kept, and what keeps them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .abilities import installed
from .checkpoint import gemma_settings
from .models import Lora
from .preflight import Checked
from .residents import Placement
from .sdk import NewFrames
from .shots import Guide, ICLoraShot

if TYPE_CHECKING:
    import torch

    from .shot_run import RenderedShot

# Goes up when the pack itself changes what it makes of the same inputs.
RECIPE = 1
# They run Gemma and compress guides as the model's training videos were.
PACKAGES = ("transformers", "av")


class Shelf(Protocol):
    """Where shots are kept between runs; its methods may take long and may raise only a cancel."""

    def find(self, key: str, new_frames: NewFrames) -> RenderedShot | None:
        """The shot that was put here under ``key``, frame for frame; None if there is none or it is damaged."""
        ...

    def put(self, key: str, shot: RenderedShot) -> None:
        """Keep ``shot``, if possible; what was kept of its stages is not needed any more."""
        ...

    def find_stage(self, key: str, stage: str) -> Mapping[str, torch.Tensor] | None:
        """The latents of a stage of an unfinished shot, on the CPU."""
        ...

    def put_stage(self, key: str, stage: str, latents: Mapping[str, torch.Tensor]) -> None:
        """Keep the latents of a stage until its shot is finished."""
        ...


def fingerprint(checked: Checked, placement: Placement, device_name: str, sdk_version: str) -> str:
    """SHA-256 (hex) of everything that shapes the frames and the sound of a shot.

    That is every input of the pipeline, pictures by their bytes and models by name, size and time of change;
    precision, device and versions, since they change the last bits. Not: what is kept in memory, the path of the
    models, and whether it was rendered alone.
    """
    import torch

    models, shot = checked.models, checked.shot
    inputs = {field.name: _plain(getattr(shot, field.name)) for field in fields(shot) if field.name != "guidance"}
    if isinstance(shot, ICLoraShot):
        inputs["reference"] = _content(shot.reference, shot.reference.stat().st_mtime_ns)
    facts = {
        "recipe": RECIPE,
        "sdk": sdk_version,
        "torch": torch.__version__,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "device": [placement.device.split(":")[0], device_name, placement.text_encoder_device.split(":")[0]],
        "pipeline": type(shot).__name__,
        "shot": inputs,
        # Presets and "auto" resolved: what counts is what they stand for.
        "guidance": None
        if checked.guidance is None
        else [
            checked.guidance.steps,
            asdict(checked.guidance.video),
            asdict(checked.guidance.audio),
        ],
        "precision": models.precision,
        "checkpoint": identity(models.checkpoint),
        "text_encoder": [identity(shard) for shard in checked.text_encoder_files],
        "text_encoder_settings": [identity(path) for path in gemma_settings(models.text_encoder)],
        "upscaler": identity(models.spatial_upscaler) if models.spatial_upscaler and shot.stages == "two" else None,
        "loras": _plain([lora for lora in models.loras if lora.strength]),
    }
    head = models.duration_head if shot.auto_duration else None
    together = inputs.pop("guidance_batch", 1)
    later = {
        "streamed": placement.offload != "none",
        "compiled": models.compile and installed().compiles,
        "parts": [identity(path) for path in (models.video_vae, models.audio_vae, head) if path],
        "auto_duration": inputs.pop("auto_duration"),
        "guidance_batch": together if together > 1 and installed().batches_guidance else 0,
    }
    # What came with SDK 1.2 and is not used has no part in it: shots that were stored before keep their names.
    facts |= {name: value for name, value in later.items() if value}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def identity(path: Path) -> list[Any]:
    """Name, size and time of change: a file that is replaced is another file."""
    stat = path.stat()
    return [path.name, stat.st_size, stat.st_mtime_ns]


@lru_cache(maxsize=64)
def _content(path: Path, changed: int) -> str:
    """One reference video may serve all scenes of a story; ``changed`` is its time of change."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Guide):
        return [hashlib.sha256(value.png).hexdigest(), value.frame, value.strength, value.compression]
    if isinstance(value, Lora):
        return [identity(value.path), value.strength, value.stages]
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
