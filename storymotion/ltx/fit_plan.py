"""A machine and its memory, and what was decided for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..report import Line
from .fit_phases import Phase

GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """The device that renders and its memory, in bytes.

    ``device``: "cuda", "mps" or "cpu"; ``name``: as torch names it ("NVIDIA A10G"). Free is what a run
    may use: what is free now, what StoryMotion itself holds, and what ComfyUI can give back. On "mps"
    both pairs are the same memory; on "cpu" the first pair is not looked at.
    """

    device: str
    name: str
    vram_total: int
    vram_free: int
    ram_total: int
    ram_free: int

    @property
    def capacity(self) -> int:
        """All memory of the device that renders."""
        return self.ram_total if self.device == "cpu" else self.vram_total

    @property
    def room(self) -> int:
        """Free memory of the device that renders."""
        if self.device == "mps":
            return min(self.vram_free, self.ram_free)
        return self.ram_free if self.device == "cpu" else self.vram_free


@dataclass(frozen=True)
class MemoryPlan:
    """What was decided. ``precision``: "bf16" or "fp8"; ``keep``: "vram", "ram" or "disk", ``lean`` and ``offload`` as
    in ``residents``.

    ``sizes``: bytes of weights by component at that precision; ``transformers``: how many different
    ones the stages need; ``phases``: on the device that renders; ``ram``: bytes in main memory (all, where
    that is the device); ``tight``: phases, or "RAM", that may run out; ``lines`` tell it all.
    """

    machine: Machine
    precision: str
    text_encoder_device: str
    keep: str
    lean: bool
    sizes: Mapping[str, int]
    transformers: int
    phases: tuple[Phase, ...]
    ram: int
    tight: tuple[str, ...]
    lines: tuple[Line, ...]
    offload: str = "none"

    @property
    def peak(self) -> Phase:
        """The phase that needs the most on the device."""
        return max(self.phases, key=lambda phase: phase.peak)
