"""What a shot is rendered with, as values: files, LoRAs and how to hold them. Nothing is loaded here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

PRECISIONS = ("auto", "bf16", "fp8")
KEEPS = ("auto", "disk", "ram", "vram")


@dataclass(frozen=True)
class Lora:
    """A LoRA file and its strength (-4..4, 1.0 = as trained, 0 = off)."""

    path: Path
    strength: float = 1.0


@dataclass(frozen=True)
class ModelSet:
    """The model files of a run.

    ``checkpoint`` is Lightricks' single file with transformer, VAEs and vocoder, ``text_encoder`` the
    folder of Gemma 3. ``precision``: "bf16", "fp8" (linear layers of the transformer cast to 8 bits at
    load) or "auto". ``keep``: what stays loaded between runs.
    """

    checkpoint: Path
    text_encoder: Path
    spatial_upscaler: Path | None = None
    precision: str = "auto"
    keep: str = "auto"
    loras: tuple[Lora, ...] = ()

    def with_lora(self, lora: Lora) -> ModelSet:
        """The same models with one more LoRA on the transformer, in every stage."""
        return replace(self, loras=(*self.loras, lora))
