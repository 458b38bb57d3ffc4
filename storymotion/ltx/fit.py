"""Will it fit: from headers and the size of a shot, decide before loading what goes where, and say so.

Weights are exact (``fit_sizes``), what the models work with is an estimate (``fit_working``). So the
plan refuses only what cannot be: weights of one model that are larger than all memory of the device.
Where the estimate says that it will be tight, it warns and goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..errors import DoesNotFit, LoraNotStreamable, NewerSdkNeeded, OffloadNeeded, PrecisionDoesNotFit
from ..report import Line, line
from . import fit_phases
from .abilities import install_line
from .checkpoint import CheckpointFacts
from .fit_budget import RESERVE, STREAMED, Budget
from .fit_plan import GIB, Machine, MemoryPlan
from .fit_said import summary, warnings
from .fit_weigh import LoraFacts, Weighed, lora_facts, weigh_files
from .meter import STAGE_1, STAGE_2
from .models import ModelSet
from .shots import Shot

# Left free in main memory for the rest of ComfyUI and the system.
RAM_MARGIN = 4 * GIB
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
    "auto" offload (SDK 1.2, CUDA): none if the stages fit, and the text encoder on the device or in main memory; else
    cpu if the weights fit in main memory, else disk; never disk with a LoRA that is translated while it loads.
    Reads headers only. Raises DoesNotFit, ModelFileMissing, TextEncoderIncomplete, NotSafetensors, LoraNotStreamable,
    and what ``match_lora`` raises.
    """
    loras = lora_facts(models, checkpoint, shot)
    return plan_weighed(weigh_files(models, checkpoint, shot), models, shot, machine, loras)


@dataclass(frozen=True)
class AmongOthers:
    """What a shot's plan has to take from the other shots of its queue.

    ``transformers``: how many different ones all shots need together; ``text_encoder_device``: where it runs
    for all; ``keeps``: can models be kept between shots at all? ``offload``: for all, and ``why``.
    """

    transformers: int
    text_encoder_device: str
    keeps: bool
    offload: str = "none"
    why: tuple[Line, ...] = ()


def plan_weighed(
    weighed: Weighed,
    models: ModelSet,
    shot: Shot,
    machine: Machine,
    loras: LoraFacts | None = None,
    among: AmongOthers | None = None,
) -> MemoryPlan:
    """``plan_memory`` without touching a file, but for the sizes of LoRAs."""
    transformers = among.transformers if among else fit_phases.distinct_transformers(models, shot)
    return _Planning(Budget(weighed, models, shot, machine, loras or LoraFacts(), transformers), among).plan()


class _Planning:
    """One planning: the decisions in their order, and what was said so far."""

    def __init__(self, budget: Budget, among: AmongOthers | None) -> None:
        self.budget, self.among = budget, among
        self.models, self.machine = budget.models, budget.machine
        self.decisions: list[Line] = [*among.why] if among else []

    def plan(self) -> MemoryPlan:
        self.budget = replace(self.budget, offload=self._asked_offload())
        precision = self._precision()
        if self.budget.offload == "none" and self._may_offload():
            self.budget = replace(self.budget, offload=self._needed_offload(precision))
        self._refuse_what_cannot_be(precision)
        text_device = self._text_encoder_device()
        keep = self._keep(precision, text_device)
        lean = self._is_lean(precision, text_device, keep)
        budget = self.budget
        phases = budget.phases(precision, text_device, keep, lean)
        ram = budget.ram(precision, text_device, keep, phases)
        warned, tight = warnings(budget, phases, ram)
        plan = MemoryPlan(
            machine=self.machine,
            precision=precision,
            text_encoder_device=text_device,
            keep=keep,
            lean=lean,
            sizes=budget.sizes(precision),
            transformers=budget.transformers,
            phases=phases,
            ram=ram,
            tight=tight,
            lines=(),
            offload=budget.offload,
        )
        if budget.offload == "disk":
            whole = budget.sizes("fp8" if budget.weighed.has_8_bit else "bf16")[fit_phases.TRANSFORMER]
            warned = [line("fit-reads-each-pass", size=whole / GIB), *warned]
        return replace(plan, lines=(summary(plan), *self.decisions, *warned))

    def _precision(self) -> str:
        asked, machine = self.models.precision, self.machine
        if asked == "fp8" and machine.device == "mps":
            self.decisions.append(line("fit-no-fp8", device=machine.name))
        if machine.device == "mps" or (asked == "auto" and machine.device == "cpu"):
            return "bf16"
        if asked != "auto":
            return asked
        if self.budget.stages_fit("bf16"):
            return "bf16"
        whole = self.budget.sizes("bf16")[fit_phases.TRANSFORMER]
        fullest = max(self.budget.stages("bf16"), key=lambda phase: phase.peak)
        self.decisions.append(
            line(
                "fit-fp8",
                weights=whole / GIB,
                working=(fullest.peak + RESERVE - whole) / GIB,
                room=machine.room / GIB,
                smaller=self.budget.sizes("fp8")[fit_phases.TRANSFORMER] / GIB,
            )
        )
        return "fp8"

    def _asked_offload(self) -> str:
        asked = self.among.offload if self.among else self.models.offload
        if asked in ("auto", "none") or self.budget.weighed.widths.abilities.streams:
            return "none" if asked == "auto" else asked
        self.decisions.append(line("fit-no-offload", asked=asked, install=install_line()))
        return "none"

    def _may_offload(self) -> bool:
        may_choose = self.models.offload == "auto" and self.among is None
        return may_choose and self.machine.device == "cuda" and self.budget.weighed.widths.abilities.streams

    def _needed_offload(self, precision: str) -> str:
        """None if the stages fit as they are, and the text encoder on the device or in main memory; else from main
        memory if the weights fit there, else from the file.

        Where a LoRA has to be translated it is main memory, even if that is short. Raises LoraNotStreamable where it
        could never hold the weights.
        """
        budget, machine = self.budget, self.machine
        from_file = budget.streaming_ram(precision, "cpu") + RAM_MARGIN > machine.ram_free
        translated = budget.loras.translated
        stages_fit = budget.stages_fit(precision)
        if stages_fit and (self._text_encoder_fits() or (from_file and translated)):
            return "none"
        sizes = budget.sizes(precision)
        if from_file and translated and max(sizes[each] for each in STREAMED) > machine.ram_total:
            raise LoraNotStreamable(translated[0])
        chosen = "disk" if from_file and not translated else "cpu"
        cause = fit_phases.TEXT_ENCODER if stages_fit else fit_phases.TRANSFORMER
        self.decisions.append(
            line(
                f"fit-offload-{'text-encoder' if stages_fit else 'transformer'}",
                weights=sizes[cause] / GIB,
                room=machine.room / GIB,
                offload=chosen,
                smaller=budget.weighed.streamed[precision][cause] / GIB,
            )
        )
        if from_file and translated:
            self.decisions.append(line("fit-offload-lora", name=translated[0]))
        return chosen

    def _text_encoder_fits(self) -> bool:
        needed = self.budget.sizes("bf16")[fit_phases.TEXT_ENCODER] + self.budget.text_working()
        return self.budget.fits(needed) or needed <= self.machine.ram_free

    def _refuse_what_cannot_be(self, precision: str) -> None:
        """Weights of one model that are larger than all memory there is."""
        machine, sizes = self.machine, self.budget.on_device(precision)
        text_encoder_memory = max(machine.capacity, machine.ram_total)
        for component in self.budget.needed:
            memory = text_encoder_memory if component == fit_phases.TEXT_ENCODER else machine.capacity
            if sizes[component] <= memory:
                continue
            facts = {
                "component": component.replace("_", " "),
                "needed": sizes[component] / GIB,
                "device": machine.name,
                "total": memory / GIB,
                "enough": math.ceil((self.budget.most(precision, component) + RESERVE) / GIB),
            }
            smaller = self.budget.on_device("fp8")[component]
            if precision == "bf16" and machine.device != "mps" and smaller < sizes[component] and smaller <= memory:
                raise PrecisionDoesNotFit(**facts, smaller=smaller / GIB)
            if self.budget.offload == "none" and self._could_stream(component, precision):
                if self.budget.weighed.widths.abilities.streams:
                    raise OffloadNeeded(**facts)
                raise NewerSdkNeeded(**facts, install=install_line())
            raise DoesNotFit(**facts)

    def _could_stream(self, component: str, precision: str) -> bool:
        """Would there be room for it if its layers came one by one?"""
        smaller = self.budget.weighed.streamed[precision].get(component)
        return smaller is not None and self.machine.device == "cuda" and smaller <= self.machine.capacity

    def _text_encoder_device(self) -> str:
        machine, size = self.machine, self.budget.sizes("bf16")[fit_phases.TEXT_ENCODER]
        if self.among:
            return self.among.text_encoder_device
        if machine.device == "cpu":
            return "cpu"
        if self.budget.offload != "none":
            return machine.device
        working = self.budget.text_working()
        if self.budget.fits(size + working):
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

    def _keep(self, precision: str, text_device: str) -> str:
        if self.among and not self.among.keeps:
            return "disk"
        if self.models.keep == "auto":
            return self._best_keep(precision, text_device)
        keep = asked = self.models.keep
        while keep != "disk" and not self._can_keep(keep, precision, text_device):
            keep = WORSE_KEEP[keep]
        if keep != asked and asked == "vram" and self.budget.offload != "none":
            self.decisions.append(line("fit-keep-streamed", used=keep, offload=self.budget.offload))
        elif keep != asked:
            needed, total = self.budget.all_weights(precision), self.machine.ram_total
            if asked == "vram":
                needed, total = self.budget.resident(precision, text_device), self.machine.capacity
            self.decisions.append(
                line("fit-keep-lowered", asked=asked, used=keep, needed=needed / GIB, total=total / GIB)
            )
        return keep

    def _can_keep(self, keep: str, precision: str, text_device: str) -> bool:
        """Is there memory for the weights alone? What is streamed is never all on the device."""
        budget = self.budget
        if keep == "vram":
            return budget.offload == "none" and budget.resident(precision, text_device) <= self.machine.capacity
        return budget.all_weights(precision) <= self.machine.ram_total

    def _best_keep(self, precision: str, text_device: str) -> str:
        machine, budget = self.machine, self.budget
        in_ram = budget.phases(precision, text_device, "ram", makes_room=True)
        ram = budget.ram(precision, text_device, "ram", in_ram)
        if machine.device == "cpu":
            # One copy: kept models are the ones that run, and LoRAs are fused into them in place.
            return "ram" if ram + RAM_MARGIN <= machine.ram_free else "disk"
        all_on_device = budget.offload == "none" and text_device == machine.device
        in_vram = budget.phases(precision, text_device, "vram", makes_room=True)
        if all_on_device and all(budget.fits(phase.peak) for phase in in_vram):
            return "vram"
        if machine.device == "mps":
            return "disk"  # main memory is the same memory
        beside = all(budget.fits(phase.peak) for phase in in_ram)
        return "ram" if beside and ram + RAM_MARGIN <= machine.ram_free else "disk"

    def _is_lean(self, precision: str, text_device: str, keep: str) -> bool:
        """Must the transformer be alone, because a stage would not fit otherwise?"""
        budget = self.budget
        together = budget.phases(precision, text_device, keep)
        stages = [phase for phase in together if phase.name in (STAGE_1, STAGE_2)]
        return keep != "vram" and not all(budget.fits(phase.peak) for phase in stages)
