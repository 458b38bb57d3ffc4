"""What a shot is rendered with, as values: files, LoRAs and how to hold them. Nothing is loaded here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

PRECISIONS = ("auto", "bf16", "fp8")
KEEPS = ("auto", "disk", "ram", "vram")
OFFLOADS = ("auto", "none", "cpu", "disk")
BOTH_STAGES = "both"
LORA_STAGES = (BOTH_STAGES, "stage 1", "stage 2")


@dataclass(frozen=True)
class Lora:
    """A LoRA file, its strength (-4..4, 1.0 = as trained, 0 = off) and the stages that it works in.

    ``stages`` is one of LORA_STAGES. It counts for LoRAs of a ModelSet; one that a pipeline brings (the
    distilled LoRA of stage 2, the IC-LoRA of stage 1) has its place there.
    """

    path: Path
    strength: float = 1.0
    stages: str = BOTH_STAGES


@dataclass(frozen=True)
class ModelSet:
    """The model files of a run.

    ``checkpoint`` is Lightricks' single file with transformer, VAEs and vocoder, ``text_encoder`` the
    folder of Gemma 3. ``precision``: "bf16", "fp8" (linear layers of the transformer cast to 8 bits at
    load) or "auto". ``keep``: what stays loaded between runs. ``offload``: where the layers of text encoder and
    transformer come to the device from, one by one ("none": they are there), and ``compile``: run the transformer
    through torch.compile; both with SDK 1.2 only.

    With SDK 1.2 a model may be several files: then ``checkpoint`` is the transformer, ``text_encoder`` a single file
    or a folder, and ``video_vae`` and ``audio_vae`` (with the vocoder) are set. ``video_vae`` alone replaces
    that of a full checkpoint. ``duration_head`` says how long a shot should be, where the checkpoint does not.
    """

    checkpoint: Path
    text_encoder: Path
    spatial_upscaler: Path | None = None
    precision: str = "auto"
    keep: str = "auto"
    loras: tuple[Lora, ...] = ()
    offload: str = "auto"
    compile: bool = False
    video_vae: Path | None = None
    audio_vae: Path | None = None
    duration_head: Path | None = None

    def with_lora(self, lora: Lora) -> ModelSet:
        """The same models with one more LoRA on the transformer, applied after those that are there."""
        return replace(self, loras=(*self.loras, lora))
