"""What to render: a shot's prompt, size, length and guides, and which of the SDK's pipelines makes it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..errors import SeveralPictures, UnreadableImage
from .guidance import Guidance
from .models import Lora

if TYPE_CHECKING:
    import numpy

LAST_FRAME = -1
TRAINED_COMPRESSION = -1
# How the decoder cuts the video: as the SDK's command line does, not at all, or into smaller pieces.
TILINGS = ("auto", "off", "small")


@dataclass(frozen=True)
class Guide:
    """A picture that conditions the shot at one frame.

    ``frame``: 0..frames-1, or -1 for the last one. ``strength``: 0..1. ``compression``: the H.264
    constant rate factor (0..51) the picture goes through first, so that it looks like the video
    frames the model was trained on; -1 is what the checkpoint was trained for, 0 none. More
    compression gives more motion and softer lines.
    """

    png: bytes
    frame: int = 0
    strength: float = 1.0
    compression: int = TRAINED_COMPRESSION


@dataclass(frozen=True)
class Shot:
    """What every pipeline needs to know.

    ``width``, ``height``: pixels of the finished shot; ``frames``: 8k+1; ``fps``: 1..120; ``seed``:
    0..2**64-1; ``tail_trim``: this many frames more (a multiple of 8) are rendered and cut off at
    the end, where LTX-2 sometimes flashes. ``tiling``: "auto" decodes tiles of 512 pixels and 64 frames
    (SDK 1.2: up to 768 and 80), "small" of 256 and 32 (less memory, more seams to blend), "off" the whole shot at
    once; a diffusion decoder takes tiles as large as memory allows, or small ones that overlap by more.
    ``auto_duration``: the model says how long the shot should be, from 1 s to ``frames``, and guides are for frame 0
    (SDK 1.2, a checkpoint with a duration head).
    """

    prompt: str
    width: int
    height: int
    frames: int
    fps: float
    seed: int
    guides: tuple[Guide, ...] = ()
    enhance_prompt: bool = False
    tail_trim: int = 0
    tiling: str = "auto"
    auto_duration: bool = False

    stages: ClassVar[str] = "two"

    @property
    def rendered_size(self) -> tuple[int, int]:
        """Width and height that come out, in pixels."""
        return self.width, self.height

    @property
    def rendered_frames(self) -> int:
        """Frames that the SDK makes, before the tail is cut."""
        return self.frames + self.tail_trim


@dataclass(frozen=True)
class DistilledShot(Shot):
    """DistilledPipeline: 8 steps at half size, 3 at full size, no guidance and no negative prompt."""


@dataclass(frozen=True)
class GuidedShot(Shot):
    """What pipelines with guidance know on top.

    ``steps`` of stage 1: 2..200, 0 = what the checkpoint's version asks for (40 for 2.0, 30 for 2.3).
    ``guidance_batch``: how many of the passes that a guided step takes run together, 1..4; more is faster where weights
    are streamed, and takes more memory (SDK 1.2).
    """

    negative_prompt: str = ""
    steps: int = 0
    guidance: Guidance = field(default_factory=Guidance)
    guidance_batch: int = 1


@dataclass(frozen=True)
class OneStageShot(GuidedShot):
    """TI2VidOneStagePipeline: guided steps at full size, no upscaler and no distilled LoRA."""

    stages: ClassVar[str] = "one"


@dataclass(frozen=True)
class TwoStageShot(GuidedShot):
    """TI2VidTwoStagesPipeline: guided steps at half size, then 3 distilled steps at full size."""

    distilled_lora: Lora | None = None


@dataclass(frozen=True)
class KeyframesShot(TwoStageShot):
    """KeyframeInterpolationPipeline: as two stages, and every guide is a keyframe to pass through."""


@dataclass(frozen=True)
class ICLoraShot(Shot):
    """ICLoraPipeline: distilled steps that follow a reference video in the way that an IC-LoRA was trained for.

    ``reference``: a video file, read up to the length of the shot; ``reference_strength`` 0..1.
    ``skip_stage_2`` ends at half size. The LoRA works in stage 1 only, as do all others here.
    """

    reference: Path = Path()
    reference_strength: float = 1.0
    ic_lora: Lora | None = None
    skip_stage_2: bool = False

    @property
    def rendered_size(self) -> tuple[int, int]:
        """Width and height that come out."""
        return (self.width // 2, self.height // 2) if self.skip_stage_2 else (self.width, self.height)


def guide_from_pixels(
    pixels: numpy.ndarray, frame: int = 0, strength: float = 1.0, compression: int = TRAINED_COMPRESSION
) -> Guide:
    """Make a guide of a picture: float in 0..1 or uint8, [H, W], [H, W, C] or [1, H, W, C], C = 1, 3 or 4.

    Grey becomes RGB, a transparent picture is laid on white (the SDK would show what lies hidden
    under the transparency). Raises UnreadableImage, SeveralPictures.
    """
    import numpy
    from PIL import Image

    if pixels.ndim == 4:
        if pixels.shape[0] != 1:
            raise SeveralPictures(int(pixels.shape[0]))
        pixels = pixels[0]
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
        raise UnreadableImage(f"it has the shape {tuple(pixels.shape)}")
    if min(pixels.shape[:2]) < 2:
        raise UnreadableImage(f"it is {pixels.shape[1]} x {pixels.shape[0]} pixels")
    if pixels.dtype != numpy.uint8:
        if not numpy.isfinite(pixels).all():
            raise UnreadableImage("it holds values that are not numbers")
        pixels = numpy.rint(numpy.clip(pixels, 0.0, 1.0) * 255).astype(numpy.uint8)
    if pixels.shape[2] == 1:
        pixels = numpy.repeat(pixels, 3, axis=2)
    image = Image.fromarray(numpy.ascontiguousarray(pixels))
    if pixels.shape[2] == 4:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return Guide(file.getvalue(), frame, strength, compression)
