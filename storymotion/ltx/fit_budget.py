"""How many bytes are where: the arithmetic that every decision of a plan looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import fit_phases, fit_working
from .fit_phases import Phase
from .fit_plan import GIB, Machine
from .fit_weigh import LoraFacts, Weighed
from .lora_rules import all_loras
from .meter import STAGE_1, STAGE_2
from .models import ModelSet
from .shots import Shot

# Left free on the device for what no formula knows: workspaces of cuBLAS and cuDNN, gaps of the allocator.
RESERVE = GIB // 2
STREAMED = (fit_phases.TEXT_ENCODER, fit_phases.TRANSFORMER)


@dataclass(frozen=True)
class Budget:
    """Models, shot and machine of one plan. ``transformers``: how many different ones the stages need; ``offload``:
    as decided so far."""

    weighed: Weighed
    models: ModelSet
    shot: Shot
    machine: Machine
    loras: LoraFacts
    transformers: int
    offload: str = "none"

    @property
    def needed(self) -> tuple[str, ...]:
        """The models that the shot's pipeline loads."""
        return fit_phases.models_of(self.shot)

    def fits(self, peak: int) -> bool:
        """Is there room for so many bytes on the device?"""
        return peak + RESERVE <= self.machine.room

    def sizes(self, precision: str) -> Mapping[str, int]:
        """Bytes of weights of each component."""
        return self.weighed.sizes[precision]

    def on_device(self, precision: str) -> Mapping[str, int]:
        """Bytes of each component where it computes."""
        sizes = self.sizes(precision)
        return sizes if self.offload == "none" else {**sizes, **self.weighed.streamed[precision]}

    def all_weights(self, precision: str) -> int:
        """Of every model that the shot needs, once each."""
        sizes = self.sizes(precision)
        another = (self.transformers - 1) * sizes[fit_phases.TRANSFORMER]
        return sum(sizes[component] for component in self.needed) + another

    def resident(self, precision: str, text_device: str) -> int:
        """What keep = vram leaves on the device."""
        elsewhere = 0 if text_device == self.machine.device else self.sizes(precision)[fit_phases.TEXT_ENCODER]
        return self.all_weights(precision) - elsewhere

    def text_working(self) -> int:
        """What Gemma works with."""
        return fit_working.reading(self.weighed.widths, fit_phases.prompts_of(self.shot), self.shot.enhance_prompt)

    def moments(self, text_encoder_on_device: bool, shot: Shot | None = None) -> tuple[fit_phases.Moment, ...]:
        """Of the shot, or of another one in its place."""
        scale = self.loras.reference_scale
        return fit_phases.moments(self.weighed.widths, shot or self.shot, scale, text_encoder_on_device)

    def phases(
        self, precision: str, text_device: str, keep: str, lean: bool = False, makes_room: bool = False
    ) -> tuple[Phase, ...]:
        """The fullest moment of each phase on the device; ``makes_room`` as in ``fit_phases.phases``."""
        run = self.moments(text_device == self.machine.device)
        # In main memory itself, what is kept there is on the device.
        kept = "vram" if keep == "ram" and self.machine.device != "cuda" else keep
        stay = STREAMED if keep == "ram" and self.offload != "none" else ()
        return fit_phases.phases(
            run,
            self.on_device(precision),
            kept,
            self.resident(precision, text_device),
            lean,
            stay,
            self.machine.room - RESERVE,
            makes_room,
        )

    def stages(self, precision: str) -> list[Phase]:
        """What denoising takes at the least."""
        return [phase for phase in self.phases(precision, "cpu", "disk", lean=True) if phase.name in (STAGE_1, STAGE_2)]

    def stages_fit(self, precision: str) -> bool:
        """Can the shot be denoised on the device?"""
        return all(self.fits(phase.peak) for phase in self.stages(precision))

    def most(self, precision: str, component: str) -> int:
        """The most that a moment with ``component`` needs."""
        sizes = self.on_device(precision)
        return max(
            sum(sizes[model] for model in moment.models) + moment.working
            for moment in self.moments(True)
            if component in (*moment.models, *moment.kept)
        )

    def ram(self, precision: str, text_device: str, keep: str, phases: tuple[Phase, ...]) -> int:
        """The most in main memory: models that are kept or run there, the finished frames, and LoRA files."""
        width, height = self.shot.rendered_size
        loras = sum(lora.path.stat().st_size for lora in all_loras(self.models, self.shot) if lora.strength)
        beside = self.shot.rendered_frames * width * height * 3 + loras
        text_encoder = self.sizes(precision)[fit_phases.TEXT_ENCODER] + self.text_working()
        if self.machine.device == "cpu":
            return max(phase.peak for phase in phases) + beside
        if self.machine.device == "mps":
            in_turn = max(phase.peak for phase in phases)
            return max(in_turn, text_encoder if text_device == "cpu" else 0) + beside
        if keep == "ram":
            return self.all_weights(precision) + self._made_while_loading(precision, self.offload) + beside
        if self.offload != "none":
            return self.streaming_ram(precision, self.offload) + beside
        return beside + (text_encoder if text_device == "cpu" else 0)

    def streaming_ram(self, precision: str, offload: str) -> int:
        """What text encoder and transformer, one after the other, take of main memory while their layers stream.

        From main memory all weights, which the system cannot swap out; from the file a few layers of them.
        """
        if offload == "disk":
            return max(self.weighed.read_ahead[precision].values())
        sizes = self.sizes(precision)
        transformer = sizes[fit_phases.TRANSFORMER] + self._made_while_loading(precision, offload)
        return max(sizes[fit_phases.TEXT_ENCODER], transformer)

    def _made_while_loading(self, precision: str, offload: str) -> int:
        """SDK 1.2 fills the memory that it streams from when it has read the whole model (``_build_pinned_source``).

        What is read is only mapped from the file, but not where it becomes other numbers: 8 bits, or of 8 bits 16.
        Measured with 312 MB in fp8: 1.8 times that, and 1.04 times in bf16.
        """
        converts = precision == "fp8" or self.weighed.has_8_bit
        return self.sizes(precision)[fit_phases.TRANSFORMER] if converts and offload == "cpu" else 0
