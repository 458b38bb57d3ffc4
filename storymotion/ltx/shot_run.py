"""One shot's call of the SDK, from its pipeline to a finished shot or to one sentence on why not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import RenderFailed, StoryMotionError
from ..progress import Progress
from ..report import Line, line
from .access import ModelAccess
from .host import Host
from .meter import READING, Meter
from .preflight import Checked
from .preview import PreviewTap, ignore_prediction
from .prompt_cache import MOST_TOKENS, Findings
from .residents import Component, Placement, Residents
from .sdk import Sdk
from .stages import StageResults

if TYPE_CHECKING:
    import torch

log = logging.getLogger("storymotion")


@dataclass(frozen=True)
class RenderedShot:
    """A finished shot on the CPU.

    ``frames``: uint8 [frames, height, width, 3]; ``waveform``: float32 [channels, samples] at
    ``sample_rate`` Hz. LTX-2's sound is up to 0.1 s shorter than its video. ``notes`` say what was
    used and what was changed; ``seconds`` how long each phase took on the device named ``device_name``,
    with this shot's part of the loading. ``reused``: it was rendered by an earlier run.
    """

    frames: torch.Tensor
    fps: float
    waveform: torch.Tensor
    sample_rate: int
    notes: tuple[Line, ...]
    seconds: Mapping[str, float]
    device_name: str
    reused: bool = False


class ShotRun:
    """A shot with everything that its call needs; nothing is loaded yet.

    ``fetch`` gets it a model, ``waits`` says that other shots may run meanwhile; ``key`` is its name on the shelf.
    """

    def __init__(
        self,
        checked: Checked,
        sdk: Sdk,
        placement: Placement,
        residents: Residents,
        host: Host,
        progress: Progress,
        fetch: Callable[[Component], Any],
        waits: bool,
        device_name: str,
        key: str,
    ) -> None:
        self.checked = checked
        self.meter = Meter(progress, sdk.phases(checked))
        self._sdk, self._device, self._device_name = sdk, placement.device, device_name
        self._residents = residents
        # Where a frame begins among the tokens is not known when the model says how many there are.
        tap = ignore_prediction if checked.shot.auto_duration else PreviewTap(checked.shot, host.on_preview)
        access = ModelAccess(residents, self.meter, fetch, tap, waits)
        self._stages = StageResults(checked.shot)
        if host.shelf is not None:
            find, put = partial(host.shelf.find_stage, key), partial(host.shelf.put_stage, key)
            self._stages = StageResults(checked.shot, find, put)
        self._ready = sdk.make_ready(checked, placement, self.meter, access, self._stages, host.new_frames)

    @property
    def components(self) -> tuple[Component, ...]:
        """The models that it may use."""
        return self._ready.components

    @property
    def stages_known(self) -> int:
        """How many of its stages an earlier run has denoised."""
        return len(self._stages.known)

    def render(self) -> RenderedShot | StoryMotionError:
        """Call the SDK. Raises nothing but what ends the whole run: a cancel, or Ctrl-C."""
        import torch

        try:
            # Announced before anything is loaded, so that a cancel that came in meanwhile costs nothing.
            self.meter.start()
            self.meter.tick(READING)
            # Inference mode and CUDA's current device belong to a thread, and this may be one of its own.
            with torch.inference_mode(), _on(self._device):
                raw = self._ready.run()
            self.meter.finish()
        except BaseException as error:
            failed = isinstance(error, Exception) and error is not self.meter.cancelled_by
            self._residents.recover(from_error=failed)
            if isinstance(error, Exception) and failed:
                return failure(error, self.meter.doing)
            _without_frames(error)
            raise error from None
        shot, checkpoint = self.checked.shot, self.checked.checkpoint
        frames = len(raw.frames) - shot.tail_trim
        predicted = line("auto-duration", frames=frames, seconds=frames / shot.fps) if shot.auto_duration else None
        return RenderedShot(
            frames=raw.frames[:frames],
            fps=shot.fps,
            waveform=raw.waveform[:, : round(frames / shot.fps * raw.sample_rate)],
            sample_rate=raw.sample_rate,
            notes=(
                line("sdk", version=self._sdk.version, checkpoint=checkpoint.version, seed=shot.seed),
                *(line("stage-reused", stage=stage.replace("stage", "stage ")) for stage in self._stages.known),
                *([predicted] if predicted else []),
                *_about_prompts(raw.findings),
                *self.checked.notes,
            ),
            seconds=self.meter.seconds,
            device_name=self._device_name,
        )


def failure(error: Exception, phase: str) -> StoryMotionError:
    """Why there is no shot, from what was raised in ``phase``: ours as it is, the SDK's in our words.

    It holds no frames of the traceback, which hold models and latents; the log has it in full.
    """
    if isinstance(error, StoryMotionError):
        _without_frames(error)
        return error
    log.error("The LTX-2 SDK failed while %s", phase, exc_info=error)
    _without_frames(error)
    return RenderFailed(phase, f"{type(error).__name__}: {error}".strip().rstrip("."))


def _without_frames(error: BaseException) -> None:
    """Whoever keeps the exception (ComfyUI keeps the last one) would keep all that its frames hold."""
    each: BaseException | None = error
    while each is not None:
        earlier = each.__cause__ or each.__context__
        each.__traceback__ = each.__cause__ = each.__context__ = None
        each = earlier


def _on(device: str) -> Any:
    """Make ``device`` the current one of this thread, as it is in the caller's."""
    from contextlib import nullcontext

    import torch

    return torch.cuda.device(device) if device.startswith("cuda:") else nullcontext()


def _about_prompts(findings: Findings) -> tuple[Line, ...]:
    """What Gemma made of the prompt, and prompts that were cut."""
    lines = [line("enhanced-prompt", prompt=findings.enhanced_prompt)] if findings.enhanced_prompt else []
    for prompt, tokens in findings.tokens.items():
        if tokens > MOST_TOKENS:
            lines.append(line("prompt-cut", tokens=tokens, most=MOST_TOKENS, start=" ".join(prompt.split()[:6])))
    return tuple(lines)
