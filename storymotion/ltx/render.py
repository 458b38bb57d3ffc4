"""Render one shot: check, run the SDK's pipeline, leave nothing behind."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import RenderFailed
from ..progress import Progress, ignore_progress
from ..report import Line, line
from .fit import plan_memory
from .fit_plan import GIB, MemoryPlan
from .lora_rules import all_loras, check_fp8_loras
from .machine import this_machine
from .meter import DECODING, READING, Meter
from .models import ModelSet
from .preflight import check
from .preview import OnPreview, PreviewTap, ignore_preview
from .prompt_cache import MOST_TOKENS, Findings
from .residents import Placement, Residents
from .sdk import load_sdk
from .shots import Shot

if TYPE_CHECKING:
    import torch

log = logging.getLogger("storymotion")


@dataclass(frozen=True)
class RenderedShot:
    """A finished shot on the CPU.

    ``frames``: uint8 [frames, height, width, 3]; ``waveform``: float32 [channels, samples] at
    ``sample_rate`` Hz. LTX-2's sound is up to 0.1 s shorter than its video. ``notes`` say what was
    used and what was changed; ``seconds`` how long each phase took on the device named ``device_name``.
    """

    frames: torch.Tensor
    fps: float
    waveform: torch.Tensor
    sample_rate: int
    notes: tuple[Line, ...]
    seconds: Mapping[str, float]
    device_name: str


def render_shot(
    models: ModelSet,
    shot: Shot,
    device: str | None = None,
    progress: Progress = ignore_progress,
    residents: Residents | None = None,
    on_preview: OnPreview = ignore_preview,
    make_room: Callable[[], None] = lambda: None,
) -> RenderedShot:
    """Render ``shot`` with ``models`` on ``device`` (None: CUDA when there is one, else the CPU).

    Frames and sound are bit-identical to a direct call of the SDK's pipeline with the same arguments
    (and its default tiling), less the ``shot.tail_trim`` last frames. ``progress`` is called before
    every layer that runs; what it raises ends the run inside the step and comes out unchanged.
    ``residents`` holds models between runs as ``models.keep`` asks; without it none are kept.
    ``on_preview`` is shown a latent frame now and then. ``make_room`` is called when all checks have passed,
    before memory is measured: a shot that cannot be rendered costs nobody else his models.

    Raises every error of ``preflight.check``, SdkMissing, SdkUnsupported, DoesNotFit, Fp8LoraNeedsTriton,
    RenderFailed.
    """
    checked = check(models, shot)
    sdk = load_sdk()
    import torch

    make_room()
    target = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if residents is None:
        residents, models = Residents(), replace(models, keep="disk")
    plan = plan_memory(models, checked.checkpoint, checked.shot, this_machine(target, residents))
    check_fp8_loras(all_loras(models, checked.shot), plan.precision, plan.machine.device)
    checked = replace(checked, models=replace(models, precision=plan.precision))
    on_cpu = plan.text_encoder_device == "cpu"
    placement = Placement(target, "cpu" if on_cpu else target, plan.keep)
    if plan.machine.device == "cuda":
        torch.cuda.reset_peak_memory_stats(target)
    meter = Meter(progress, sdk.phases(checked))
    residents.watch.on_prediction = PreviewTap(checked.shot, on_preview)
    try:
        # Announced before anything is loaded, so that a cancel that came in meanwhile costs nothing.
        meter.tick(READING)
        with torch.inference_mode(), _quick_collections():
            raw = sdk.run(checked, placement, meter, residents)
        meter.finish()
    except BaseException as error:
        leaving = _leaving(error, meter)
        if isinstance(leaving, RenderFailed):
            # Out of memory more often than not: whoever tries again finds the machine empty.
            residents.clear()
        raise leaving from None
    finally:
        residents.watch.reset()
        _return_memory()
    sound = raw.waveform[:, : round(shot.frames / shot.fps * raw.sample_rate)]
    return RenderedShot(
        frames=raw.frames[: shot.frames],
        fps=shot.fps,
        waveform=sound,
        sample_rate=raw.sample_rate,
        notes=(
            line("sdk", version=sdk.version, checkpoint=checked.checkpoint.version, seed=shot.seed),
            *_times(meter, residents),
            *_peak(plan),
            *plan.lines,
            *_about_prompts(raw.findings),
            *checked.notes,
        ),
        seconds=meter.seconds,
        device_name=plan.machine.name,
    )


def _about_prompts(findings: Findings) -> tuple[Line, ...]:
    """What Gemma made of the prompt, and prompts that were cut."""
    lines = [line("enhanced-prompt", prompt=findings.enhanced_prompt)] if findings.enhanced_prompt else []
    for prompt, tokens in findings.tokens.items():
        if tokens > MOST_TOKENS:
            lines.append(line("prompt-cut", tokens=tokens, most=MOST_TOKENS, start=" ".join(prompt.split()[:6])))
    return tuple(lines)


def _peak(plan: MemoryPlan) -> tuple[Line, ...]:
    """What the device really needed, beside the plan."""
    import torch

    if plan.machine.device != "cuda":
        return ()
    backend = torch.cuda.get_allocator_backend()
    return (
        line("peak", used=torch.cuda.max_memory_allocated() / GIB, planned=plan.peak.peak / GIB),
        line("allocator-native" if backend == "native" else "allocator-async", backend=backend),
    )


def _times(meter: Meter, residents: Residents) -> tuple[Line, ...]:
    """How long loading, denoising and decoding took."""
    loading = sum(load.seconds for load in residents.loads)
    spent = sum(meter.seconds.values())
    decoding = meter.seconds[DECODING]
    times = line("times", total=spent, loading=loading, decoding=decoding, rest=max(0.0, spent - loading - decoding))
    read = sum(load.size for load in residents.loads)
    loads = line("loads", count=len(residents.loads), gigabytes=read / 1e9) if residents.loads else line("no-loads")
    return times, loads


@contextmanager
def _quick_collections() -> Iterator[None]:
    """Spare the SDK's many ``gc.collect()`` calls what was in memory before the run.

    With the modules of a whole ComfyUI in memory one call takes 0.2 s and more, and a two-stage
    shot makes six (measured: 8.8 s -> 0.7 s for four tiny shots). What the run itself leaves is
    collected as before.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _leaving(error: BaseException, meter: Meter) -> BaseException:
    """The exception to raise: a cancel as it came, an SDK error in our words, both without their frames.

    The frames of a traceback hold models and latents; whoever keeps the exception (ComfyUI keeps
    the last one) would keep them in memory.
    """
    cancelled = error is meter.cancelled_by or not isinstance(error, Exception)
    if not cancelled:
        log.error("The LTX-2 SDK failed while %s", meter.phase, exc_info=error)
    reason = f"{type(error).__name__}: {error}".strip().rstrip(".")
    each: BaseException | None = error
    while each is not None:
        earlier = each.__cause__ or each.__context__
        each.__traceback__ = each.__cause__ = each.__context__ = None
        each = earlier
    return error if cancelled else RenderFailed(meter.phase, reason)


def _return_memory() -> None:
    """Give what the run left back to the operating system and to the rest of ComfyUI."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
