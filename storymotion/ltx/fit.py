"""Will it fit: from headers and the size of a shot, decide before loading what goes where, and say so.

Weights are exact (``fit_sizes``), what the models work with is an estimate (``fit_working``). So the
plan refuses only what cannot be: weights of one model that are larger than all memory of the device.
Where the estimate says that it will be tight, it warns and goes on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import DoesNotFit, PrecisionDoesNotFit
from ..report import Line, line
from . import fit_phases, fit_working
from .abilities import SDK_1_0, Abilities, install_line, installed
from .checkpoint import CheckpointFacts
from .fit_phases import Phase
from .fit_plan import GIB, Machine, MemoryPlan
from .fit_sizes import ModelHeaders, read_headers, streamed_sizes, transformer_size, weigh
from .fit_working import Widths, widths_of
from .headers import read_header
from .lora import REFERENCE_FACTOR
from .lora_rules import all_loras
from .meter import READING, STAGE_1, STAGE_2
from .models import ModelSet
from .shots import ICLoraShot, Shot

# Left free on the device for what no formula knows: workspaces of cuBLAS and cuDNN, gaps of the allocator.
RESERVE = GIB // 2
# Left free in main memory for the rest of ComfyUI and the system.
RAM_MARGIN = 4 * GIB
STREAMED = (fit_phases.TEXT_ENCODER, fit_phases.TRANSFORMER)
WORSE_KEEP = {"vram": "ram", "ram": "disk"}


def plan_memory(models: ModelSet, checkpoint: CheckpointFacts, shot: Shot, machine: Machine) -> MemoryPlan:
    """Decide precision, the text encoder's device and what stays loaded, for ``shot`` on ``machine``.

    "auto" precision: bf16 if the transformer fits with what it works with, else fp8; bf16 on "cpu". On
    "mps" it is always bf16 (PyTorch has no 8-bit floats there, pytorch/pytorch#148420). The text encoder
    runs on the device if it fits, else on the CPU. "auto" keep: vram if all models fit together, else
    ram if they all fit in main memory and the device does not get tight by it, else disk. What the
    user chose is kept unless the weights alone forbid it. Better means, in this order: precision, text
    encoder, keep.

    Assumes that the transformer is loaded alone (``fit_load``), and what ``residents`` keeps where.
    Reads headers only. Raises DoesNotFit, ModelFileMissing, TextEncoderIncomplete, NotSafetensors.
    """
    return plan_weighed(weigh_files(models, checkpoint, shot), models, shot, machine, reference_scale(models, shot))


@dataclass(frozen=True)
class AmongOthers:
    """What a shot's plan has to take from the other shots of its queue.

    ``transformers``: how many different ones all shots need together; ``text_encoder_device``: where it runs
    for all; ``keeps``: can models be kept between shots at all? ``offload``: for all.
    """

    transformers: int
    text_encoder_device: str
    keeps: bool
    offload: str = "none"


@dataclass(frozen=True)
class Weighed:
    """What the headers say that a plan needs: ``sizes`` of the components by precision, and widths.

    ``streamed``: what of them is on the device when their layers come one by one.
    """

    sizes: Mapping[str, Mapping[str, int]]
    widths: Widths
    streamed: Mapping[str, Mapping[str, int]]


def weigh_files(models: ModelSet, checkpoint: CheckpointFacts, shot: Shot) -> Weighed:
    """The models that the pipeline of ``shot`` loads with the SDK that is installed, by their headers."""
    upscaler = models.spatial_upscaler if fit_phases.UPSAMPLER in fit_phases.models_of(shot) else None
    return weigh_models(read_headers(checkpoint, models.text_encoder, upscaler), installed())


def weigh_models(headers: ModelHeaders, abilities: Abilities = SDK_1_0) -> Weighed:
    """Everything that does not depend on shot and machine."""
    half = weigh(headers, "bf16")
    fp8 = half | {fit_phases.TRANSFORMER: transformer_size(headers.checkpoint, "fp8")}
    streamed = {precision: streamed_sizes(headers, precision) for precision in ("bf16", "fp8")}
    return Weighed({"bf16": half, "fp8": fp8}, widths_of(headers, abilities), streamed)


def plan_weighed(
    weighed: Weighed,
    models: ModelSet,
    shot: Shot,
    machine: Machine,
    reference_scale: int = 1,
    among: AmongOthers | None = None,
) -> MemoryPlan:
    """``plan_memory`` without touching a file, but for the sizes of LoRAs."""
    return _Planning(weighed, models, shot, machine, reference_scale, among).plan()


class _Planning:
    """One planning: the figures that every decision looks at, and what was said so far."""

    def __init__(
        self,
        weighed: Weighed,
        models: ModelSet,
        shot: Shot,
        machine: Machine,
        reference_scale: int,
        among: AmongOthers | None,
    ) -> None:
        self.models, self.shot, self.machine, self.reference_scale = models, shot, machine, reference_scale
        self.among = among
        self.widths, self.by_precision, self.streamed = weighed.widths, weighed.sizes, weighed.streamed
        self.needed = fit_phases.models_of(shot)
        self.transformers = among.transformers if among else fit_phases.distinct_transformers(models, shot)
        self.decisions: list[Line] = []
        self.offload = "none"

    def plan(self) -> MemoryPlan:
        self.offload = self._asked_offload()
        precision = self._precision()
        if self.offload == "none" and self._may_offload():
            self.offload = self._needed_offload(precision)
        self._refuse_what_cannot_be(precision)
        text_device = self._text_encoder_device()
        keep = self._keep(precision, text_device)
        lean = self._is_lean(precision, text_device, keep)
        phases = self._phases(precision, text_device, keep, lean)
        ram = self._ram(precision, text_device, keep, phases)
        warnings, tight = self._warnings(phases, ram)
        plan = MemoryPlan(
            machine=self.machine,
            precision=precision,
            text_encoder_device=text_device,
            keep=keep,
            lean=lean,
            sizes=self.by_precision[precision],
            transformers=self.transformers,
            phases=phases,
            ram=ram,
            tight=tight,
            lines=(),
            offload=self.offload,
        )
        return replace(plan, lines=(_summary(plan), *self.decisions, *warnings))

    def _precision(self) -> str:
        asked, machine = self.models.precision, self.machine
        if asked == "fp8" and machine.device == "mps":
            self.decisions.append(line("fit-no-fp8", device=machine.name))
        if machine.device == "mps" or (asked == "auto" and machine.device == "cpu"):
            return "bf16"
        if asked != "auto":
            return asked
        stages = [each for each in self._phases("bf16", "cpu", "disk", lean=True) if each.name in (STAGE_1, STAGE_2)]
        if all(self._fits(phase.peak) for phase in stages):
            return "bf16"
        fullest = max(stages, key=lambda phase: phase.peak)
        self.decisions.append(
            line(
                "fit-fp8",
                weights=self.by_precision["bf16"]["transformer"] / GIB,
                working=(fullest.peak + RESERVE - self.by_precision["bf16"]["transformer"]) / GIB,
                room=machine.room / GIB,
                smaller=self.by_precision["fp8"]["transformer"] / GIB,
            )
        )
        return "fp8"

    def _asked_offload(self) -> str:
        asked = self.among.offload if self.among else self.models.offload
        if asked in ("auto", "none") or self.widths.abilities.streams:
            return "none" if asked == "auto" else asked
        self.decisions.append(line("fit-no-offload", asked=asked, install=install_line()))
        return "none"

    def _may_offload(self) -> bool:
        may_choose = self.models.offload == "auto" and self.among is None
        return may_choose and self.machine.device == "cuda" and self.widths.abilities.streams

    def _needed_offload(self, precision: str) -> str:
        """From main memory if the weights fit there, else from the file; none if a stage fits as it is, or at all."""
        if self._stages_fit(precision):
            return "none"
        largest = max(self.by_precision[precision][each] for each in STREAMED)
        chosen = "cpu" if largest + RAM_MARGIN <= self.machine.ram_free else "disk"
        self.decisions.append(
            line(
                "fit-offload",
                weights=self.by_precision[precision][fit_phases.TRANSFORMER] / GIB,
                room=self.machine.room / GIB,
                offload=chosen,
                smaller=self.streamed[precision][fit_phases.TRANSFORMER] / GIB,
            )
        )
        return chosen

    def _stages_fit(self, precision: str) -> bool:
        phases = self._phases(precision, "cpu", "disk", lean=True)
        return all(self._fits(phase.peak) for phase in phases if phase.name in (STAGE_1, STAGE_2))

    def _on_device(self, precision: str) -> Mapping[str, int]:
        """Bytes of each component where it computes."""
        sizes = self.by_precision[precision]
        return sizes if self.offload == "none" else {**sizes, **self.streamed[precision]}

    def _refuse_what_cannot_be(self, precision: str) -> None:
        """Weights of one model that are larger than all memory there is."""
        machine, sizes = self.machine, self._on_device(precision)
        text_encoder_memory = max(machine.capacity, machine.ram_total)
        for component in self.needed:
            memory = text_encoder_memory if component == fit_phases.TEXT_ENCODER else machine.capacity
            if sizes[component] <= memory:
                continue
            facts = {
                "component": component.replace("_", " "),
                "needed": sizes[component] / GIB,
                "device": machine.name,
                "total": memory / GIB,
                "enough": math.ceil((self._most(precision, component) + RESERVE) / GIB),
            }
            smaller = self._on_device("fp8")[component]
            if precision == "bf16" and machine.device != "mps" and smaller < sizes[component] and smaller <= memory:
                raise PrecisionDoesNotFit(**facts, smaller=smaller / GIB)
            raise DoesNotFit(**facts)

    def _most(self, precision: str, component: str) -> int:
        """The most that a moment with ``component`` needs."""
        run = fit_phases.moments(self.widths, self.shot, self.reference_scale, True)
        sizes = self._on_device(precision)
        return max(
            sum(sizes[model] for model in moment.models) + moment.working
            for moment in run
            if component in (*moment.models, *moment.kept)
        )

    def _text_encoder_device(self) -> str:
        machine, size = self.machine, self.by_precision["bf16"][fit_phases.TEXT_ENCODER]
        if self.among:
            return self.among.text_encoder_device
        if machine.device == "cpu":
            return "cpu"
        if self.offload != "none":
            return machine.device
        working = self._text_working()
        if self._fits(size + working):
            return machine.device
        if size > machine.ram_total:
            return machine.device  # tight there, impossible here
        self.decisions.append(
            line(
                "fit-text-encoder-cpu",
                weights=size / GIB,
                working=(working + RESERVE) / GIB,
                room=machine.room / GIB,
            )
        )
        return "cpu"

    def _text_working(self) -> int:
        return fit_working.reading(self.widths, fit_phases.prompts_of(self.shot), self.shot.enhance_prompt)

    def _keep(self, precision: str, text_device: str) -> str:
        if self.among and not self.among.keeps:
            return "disk"
        if self.models.keep == "auto":
            return self._best_keep(precision, text_device)
        keep = asked = self.models.keep
        while keep != "disk" and not self._can_keep(keep, precision, text_device):
            keep = WORSE_KEEP[keep]
        if keep != asked:
            needed, total = self._all_weights(precision), self.machine.ram_total
            if asked == "vram":
                needed, total = self._resident(precision, text_device), self.machine.capacity
            self.decisions.append(
                line("fit-keep-lowered", asked=asked, used=keep, needed=needed / GIB, total=total / GIB)
            )
        return keep

    def _can_keep(self, keep: str, precision: str, text_device: str) -> bool:
        """Is there memory for the weights alone? What is streamed is never all on the device."""
        if keep == "vram":
            return self.offload == "none" and self._resident(precision, text_device) <= self.machine.capacity
        return self._all_weights(precision) <= self.machine.ram_total

    def _best_keep(self, precision: str, text_device: str) -> str:
        machine = self.machine
        ram = self._ram(precision, text_device, "ram", self._phases(precision, text_device, "ram"))
        if machine.device == "cpu":
            # One copy: kept models are the ones that run, and LoRAs are fused into them in place.
            return "ram" if ram + RAM_MARGIN <= machine.ram_free else "disk"
        kept = self._phases(precision, text_device, "vram")
        if self.offload == "none" and text_device == machine.device and all(self._fits(phase.peak) for phase in kept):
            return "vram"
        if machine.device == "mps":
            return "disk"  # main memory is the same memory
        beside = all(self._fits(phase.peak) for phase in self._phases(precision, text_device, "ram"))
        return "ram" if beside and ram + RAM_MARGIN <= machine.ram_free else "disk"

    def _fits(self, peak: int) -> bool:
        return peak + RESERVE <= self.machine.room

    def _is_lean(self, precision: str, text_device: str, keep: str) -> bool:
        """Must the transformer be alone, because a stage would not fit otherwise?"""
        together = self._phases(precision, text_device, keep)
        stages = [phase for phase in together if phase.name in (STAGE_1, STAGE_2)]
        return keep != "vram" and not all(self._fits(phase.peak) for phase in stages)

    def _phases(self, precision: str, text_device: str, keep: str, lean: bool = False) -> tuple[Phase, ...]:
        on_device = text_device == self.machine.device
        run = fit_phases.moments(self.widths, self.shot, self.reference_scale, on_device)
        # In main memory itself, what is kept there is on the device.
        kept = "vram" if keep == "ram" and self.machine.device != "cuda" else keep
        stay = STREAMED if keep == "ram" and self.offload != "none" else ()
        resident = self._resident(precision, text_device)
        return fit_phases.phases(run, self._on_device(precision), kept, resident, lean, stay)

    def _all_weights(self, precision: str) -> int:
        sizes = self.by_precision[precision]
        another = (self.transformers - 1) * sizes[fit_phases.TRANSFORMER]
        return sum(sizes[component] for component in self.needed) + another

    def _resident(self, precision: str, text_device: str) -> int:
        """What keep = vram leaves on the device."""
        elsewhere = 0 if text_device == self.machine.device else self.by_precision[precision][fit_phases.TEXT_ENCODER]
        return self._all_weights(precision) - elsewhere

    def _ram(self, precision: str, text_device: str, keep: str, phases: tuple[Phase, ...]) -> int:
        """The most in main memory: models that are kept or run there, the finished frames, and LoRA files."""
        width, height = self.shot.rendered_size
        loras = sum(lora.path.stat().st_size for lora in all_loras(self.models, self.shot) if lora.strength)
        beside = self.shot.rendered_frames * width * height * 3 + loras
        text_encoder = self.by_precision[precision][fit_phases.TEXT_ENCODER] + self._text_working()
        if self.machine.device == "cpu":
            return max(phase.peak for phase in phases) + beside
        if self.machine.device == "mps":
            in_turn = max(phase.peak for phase in phases)
            return max(in_turn, text_encoder if text_device == "cpu" else 0) + beside
        if keep == "ram":
            return self._all_weights(precision) + beside
        if self.offload == "cpu":
            # In turn, and in memory that the system cannot swap out.
            return max(self.by_precision[precision][each] for each in STREAMED) + beside
        return beside + (text_encoder if text_device == "cpu" else 0)

    def _warnings(self, phases: tuple[Phase, ...], ram: int) -> tuple[list[Line], tuple[str, ...]]:
        warnings, tight = [], []
        for phase in phases:
            if self._fits(phase.peak):
                continue
            tight.append(phase.name)
            warnings.append(self._tight(phase))
        if self.machine.device == "cuda" and ram > self.machine.ram_free:
            tight.append("RAM")
            warnings.append(line("fit-ram-tight", needed=ram / GIB, room=self.machine.ram_free / GIB))
        return warnings, tuple(tight)

    def _tight(self, phase: Phase) -> Line:
        facts = {
            "phase": phase.name,
            "weights": phase.weights / GIB,
            "working": (phase.working + RESERVE) / GIB,
            "room": self.machine.room / GIB,
            "total": self.machine.capacity / GIB,
        }
        frames = self._frames_that_fit(phase)
        if frames:
            return line("fit-tight-frames", **facts, frames=frames)
        return line("fit-tight", **facts)

    def _frames_that_fit(self, phase: Phase) -> int:
        """The longest shot of this size for which ``phase`` fits by the estimate; 0 if there is none."""
        if phase.name == READING:
            return 0
        for frames in range(self.shot.frames - 8, 8, -8):
            shorter = replace(self.shot, frames=frames)
            run = fit_phases.moments(self.widths, shorter, self.reference_scale, False)
            work = max(moment.working for moment in run if moment.phase == phase.name)
            if self._fits(phase.weights + work):
                return frames
        return 0


def _summary(plan: MemoryPlan) -> Line:
    return line(
        "fit",
        device=plan.machine.name,
        room=plan.machine.room / GIB,
        total=plan.machine.capacity / GIB,
        precision=plan.precision,
        text_encoder=plan.text_encoder_device,
        keep=plan.keep if plan.offload == "none" else f"{plan.keep}, offload = {plan.offload}",
        peak=plan.peak.peak / GIB,
        phase=plan.peak.name,
    )


def reference_scale(models: ModelSet, shot: Shot) -> int:
    """What the IC-LoRA's header says, as ICLoraPipeline reads it."""
    if not isinstance(shot, ICLoraShot):
        return 1
    for lora in all_loras(models, shot):
        scale = read_header(lora.path, "LoRA").metadata.get(REFERENCE_FACTOR, "1")
        if scale.isdigit() and int(scale) > 1:
            return int(scale)
    return 1
