"""What a plan says of itself: where it may get tight, and the line that sums it up."""

from __future__ import annotations

from dataclasses import replace

from ..report import Line, line
from .abilities import has_natten, installed
from .fit_budget import RESERVE, Budget
from .fit_phases import Phase
from .fit_plan import GIB, MemoryPlan
from .meter import READING
from .models import ModelSet


def summary(plan: MemoryPlan) -> Line:
    """Everything that was decided, in one line."""
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


def way_of_computing(models: ModelSet, plan: MemoryPlan) -> str:
    """What has to be alike for times of shots to be compared, beside pipeline and device: "fp8, offload cpu"."""
    ways = [models.precision]
    if plan.offload != "none":
        ways.append(f"offload {plan.offload}")
    if models.compile and installed().compiles:
        ways.append("compiled")
    return ", ".join(ways)


def warnings(budget: Budget, phases: tuple[Phase, ...], ram: int) -> tuple[list[Line], tuple[str, ...]]:
    """Lines about the phases, and "RAM", that may run out of memory, and their names."""
    machine = budget.machine
    lines, tight = [], []
    for phase in phases:
        if budget.fits(phase.peak):
            if phase.quick > phase.working:
                short = {"working": phase.working / GIB, "quick": phase.quick / GIB}
                lines.append(line("fit-decoding-slow", **short, room=machine.room / GIB))
            continue
        tight.append(phase.name)
        lines.append(_tight(budget, phase))
    if machine.device == "cuda" and budget.weighed.widths.diffusion is not None and not has_natten():
        lines.append(line("fit-without-natten"))
    if machine.device == "cuda" and ram > machine.ram_free:
        tight.append("RAM")
        lines.append(line("fit-ram-tight", needed=ram / GIB, room=machine.ram_free / GIB))
    return lines, tuple(tight)


def _tight(budget: Budget, phase: Phase) -> Line:
    facts = {
        "phase": phase.name,
        "weights": phase.weights / GIB,
        "working": (phase.working + RESERVE) / GIB,
        "room": budget.machine.room / GIB,
        "total": budget.machine.capacity / GIB,
    }
    frames = _frames_that_fit(budget, phase)
    if frames:
        return line("fit-tight-frames", **facts, frames=frames)
    return line("fit-tight", **facts)


def _frames_that_fit(budget: Budget, phase: Phase) -> int:
    """The longest shot of this size for which ``phase`` fits by the estimate; 0 if there is none."""
    if phase.name == READING:
        return 0
    for frames in range(budget.shot.frames - 8, 8, -8):
        run = budget.moments(False, replace(budget.shot, frames=frames))
        work = max(moment.working for moment in run if moment.phase == phase.name)
        if budget.fits(phase.weights + work):
            return frames
    return 0
