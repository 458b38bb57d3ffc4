"""A look at the shot while it is made: one latent frame of what the transformer predicts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from .shots import Shot

if TYPE_CHECKING:
    import torch

# A latent pixel is 32 x 32 pixels and 8 frames after the first (ltx_core.types.VIDEO_SCALE_FACTORS).
PIXELS, FRAMES = 32, 8
# A preview costs a copy of one latent frame and what the caller does with it: far below 2 % of a step at
# this pace.
SECONDS_BETWEEN = 0.5


class OnPreview(Protocol):
    """Called now and then with what the middle of the shot looks like so far."""

    def __call__(self, latent: torch.Tensor, /) -> None:
        """``latent``: float32 [height, width, 128] on the CPU, 1/32 of the size that the stage has in pixels."""
        ...


def ignore_preview(latent: torch.Tensor) -> None:
    """The default for callers that do not look."""


def ignore_prediction(prediction: torch.Tensor | None) -> None:
    """Where a ``PreviewTap`` would not know what it looks at."""


class PreviewTap:
    """Takes the transformer's predictions, a few of them apart, to ``on_preview``."""

    def __init__(self, shot: Shot, on_preview: OnPreview, seconds_between: float = SECONDS_BETWEEN) -> None:
        self._frames = (shot.rendered_frames - 1) // FRAMES + 1
        self._full = (shot.height // PIXELS, shot.width // PIXELS)
        self._two_stages = shot.stages == "two"
        self._on_preview, self._seconds_between = on_preview, seconds_between
        self._last = float("-inf")

    def __call__(self, prediction: torch.Tensor | None) -> None:
        """``prediction``: tokens [1, frames x height x width (+ those of guides), 128], frame by frame."""
        now = time.perf_counter()
        if prediction is None or now - self._last < self._seconds_between:
            return
        self._last = now
        height, width = self._full
        # Guides and references add at most as many tokens as stage 1 has, and stage 2 has four times that.
        if self._two_stages and prediction.shape[1] < self._frames * height * width:
            height, width = height // 2, width // 2
        middle = self._frames // 2 * height * width
        frame = prediction[0, middle : middle + height * width]
        self._on_preview(frame.reshape(height, width, -1).float().cpu())
