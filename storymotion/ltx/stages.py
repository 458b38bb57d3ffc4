"""What a stage made is put away as soon as it is done: a shot that is interrupted goes on from its last stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .shots import Shot

if TYPE_CHECKING:
    import torch

VIDEO, AUDIO = "video", "audio"
FIRST, SECOND = "stage1", "stage2"


class StageResults:
    """The denoised latents of the stages of one shot.

    ``find`` returns those of a stage ("stage1", "stage2") that an earlier run put away with ``put``, or None.
    """

    def __init__(
        self,
        shot: Shot,
        find: Callable[[str], Mapping[str, torch.Tensor] | None] = lambda stage: None,
        put: Callable[[str, Mapping[str, torch.Tensor]], None] = lambda stage, latents: None,
    ) -> None:
        ends_after_stage_1 = shot.stages == "one" or shot.rendered_size != (shot.width, shot.height)
        stages = (FIRST,) if ends_after_stage_1 else (FIRST, SECOND)
        self._put = put
        self._names = iter(stages)
        self.known: dict[str, Mapping[str, torch.Tensor]] = {}
        for stage in stages:
            latents = find(stage)
            if latents is None or {VIDEO, AUDIO} - latents.keys():
                break
            self.known[stage] = latents
        # The one that is denoised now, or was last.
        self.current = ""
        # Then prompts are not needed any more, nor the text encoder.
        self.complete = len(self.known) == len(stages)

    def denoise(self, loop: Callable[..., Any], sigmas: Any, video: Any, audio: Any, stepper: Any) -> tuple[Any, Any]:
        """The SDK's denoising ``loop`` of the next stage, or what it made before.

        Everything around it is left to the SDK: the noise is drawn either way, so what follows is bit-identical.
        """
        self.current = stage = next(self._names)
        latents = self.known.get(stage)
        if latents is None:
            video, audio = loop(sigmas, video, audio, stepper)
            self._put(stage, {VIDEO: video.latent, AUDIO: audio.latent})
            return video, audio
        return (
            replace(video, latent=latents[VIDEO].to(video.latent)),
            replace(audio, latent=latents[AUDIO].to(audio.latent)),
        )
