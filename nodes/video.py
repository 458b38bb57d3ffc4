"""The VIDEO that StoryMotion hands on: frames stay uint8 and are encoded once, by whoever saves them."""

from __future__ import annotations

import io as std_io
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfy_api.latest import Input, InputImpl, Types

from ..storymotion.media.encode import FRAME_RATE_RANGE, encode_mp4
from ..storymotion.media.settings import DEFAULT_SETTINGS, EncodeSettings, require_range
from ..storymotion.media.sound import Sound, sound_of
from .outcome import StoryOutcome

if TYPE_CHECKING:
    import numpy
    import torch

# Colour at full size and no quantisation: what is left is the rounding of RGB to YCbCr.
LOSSLESS = EncodeSettings(crf=0, speed="ultrafast", tune="none", pixel_format="yuv444p")


class ShotVideo(Input.Video):
    """Frames uint8 [n, height, width, 3] on the CPU with their rate and sound, as ComfyUI's VIDEO.

    Size, rate, length and trimming answer without making floats; ``get_components`` makes ComfyUI's
    float images only when somebody asks for them. ``story`` and ``position`` (from 1) say which scene it
    is; a shot that is no part of a story has neither.
    """

    def __init__(
        self,
        frames: torch.Tensor,
        frame_rate: Fraction,
        sound: Sound | None,
        story: StoryOutcome | None = None,
        position: int | None = None,
    ) -> None:
        self.frames = frames
        self.frame_rate = frame_rate
        self.sound = sound
        self.story = story
        self.position = position

    def get_components(self) -> Types.VideoComponents:
        """Images float32 [n, height, width, 3] in 0..1, audio [1, channels, samples], frame rate."""
        import torch

        audio: Any = None
        if self.sound is not None:
            waveform = torch.from_numpy(self.sound.waveform)[None]
            audio = {"waveform": waveform, "sample_rate": self.sound.sample_rate}
        return Types.VideoComponents(images=self.frames.float() / 255, audio=audio, frame_rate=self.frame_rate)

    def save_to(
        self,
        path: str | std_io.BytesIO,
        format: Any = Types.VideoContainer.AUTO,
        codec: Any = Types.VideoCodec.AUTO,
        metadata: dict | None = None,
        **newer: Any,
    ) -> None:
        """Write an MP4 with StoryMotion's own encoder, or let ComfyUI's write what that one does not.

        ``newer`` are keywords of ComfyUI after 0.3.75: crf is honoured; another bit depth, colour space,
        container or codec is ComfyUI's own encoder's work, which refuses what it cannot do by name.
        """
        asked = {name: value for name, value in newer.items() if value is not None}
        crf = asked.pop("crf", None)
        ours = (
            format in (Types.VideoContainer.AUTO, Types.VideoContainer.MP4)
            and codec in (Types.VideoCodec.AUTO, Types.VideoCodec.H264)
            and asked.pop("bit_depth", 8) == 8
            and asked.pop("color_space", "sRGB") in ("sRGB", "auto")
            and not asked
        )
        if not ours:
            theirs: Any = InputImpl.VideoFromComponents(self.get_components())
            theirs.save_to(path, format=format, codec=codec, metadata=metadata, **newer)
            return
        height, width = self.frames.shape[1:3]
        encode_mp4(
            path,
            self.rgb_frames(),
            len(self.frames),
            width,
            height,
            self.frame_rate,
            self.sound,
            DEFAULT_SETTINGS if crf is None else replace(DEFAULT_SETTINGS, crf=float(crf)),
            metadata_text(metadata),
        )

    def rgb_frames(self) -> Iterator[numpy.ndarray]:
        """The frames one by one, uint8 [height, width, 3], without copying them."""
        for frame in self.frames:
            yield frame.numpy()

    def as_trimmed(
        self, start_time: float | None = None, duration: float | None = None, strict_duration: bool = False
    ) -> ShotVideo | None:
        """The part from ``start_time`` (seconds) on that lasts ``duration``; None when nothing is left.

        With ``strict_duration`` a part shorter than asked is None too. Frames are shared, not copied.
        """
        start = max(0, round((start_time or 0) * self.frame_rate))
        wanted = round(duration * self.frame_rate) if duration else len(self.frames) - start
        stop = min(len(self.frames), start + wanted)
        if stop <= start or (strict_duration and stop - start < wanted):
            return None
        sound = self.sound
        if sound is not None:
            first, last = (round(edge / self.frame_rate * sound.sample_rate) for edge in (start, stop))
            sound = Sound(sound.waveform[:, first:last], sound.sample_rate)
        return ShotVideo(self.frames[start:stop], self.frame_rate, sound, self.story, self.position)

    def get_dimensions(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    def get_frame_count(self) -> int:
        """How many frames there are."""
        return len(self.frames)

    def get_frame_rate(self) -> Fraction:
        """Frames per second, exact."""
        return self.frame_rate

    def get_duration(self) -> float:
        """Seconds."""
        return float(len(self.frames) / self.frame_rate)

    def get_container_format(self) -> str:
        """What ``save_to`` and ``get_stream_source`` write."""
        return "mp4"


class SavedVideo(InputImpl.VideoFromFile):
    """ComfyUI's VIDEO of a file, which remembers which scene of which story it is."""

    def __init__(self, path: Path, story: StoryOutcome | None, position: int | None) -> None:
        super().__init__(str(path))
        self.story = story
        self.position = position


@contextmanager
def as_file(video: Input.Video) -> Iterator[Path]:
    """``video`` as a file that can be read by path; one that has none is written without loss for the time being."""
    import folder_paths

    source = None if isinstance(video, ShotVideo) else video.get_stream_source()
    if isinstance(source, str):
        yield Path(source)
        return
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"storymotion-{uuid.uuid4().hex}.mp4"
    try:
        if source is not None:
            path.write_bytes(source.read())
        else:
            frames, count, width, height, frame_rate, _ = rgb_frames_of(video)
            encode_mp4(path, frames, count, width, height, frame_rate, settings=LOSSLESS)
        yield path
    finally:
        path.unlink(missing_ok=True)


def metadata_text(metadata: dict | None) -> dict[str, str]:
    """ComfyUI's metadata as text, JSON as its own SaveVideo writes it."""
    return {name: json.dumps(value) for name, value in (metadata or {}).items()}


def rgb_frames_of(video: Input.Video) -> tuple[Iterator[numpy.ndarray], int, int, int, Fraction, Sound | None]:
    """Frames of any VIDEO as uint8, their number, width, height, rate and sound.

    What is transparent becomes white; more than two sound channels are mixed to stereo. Raises ``ValueOutOfRange``.
    """
    if isinstance(video, ShotVideo):
        width, height = video.get_dimensions()
        return video.rgb_frames(), len(video.frames), width, height, video.frame_rate, video.sound
    components = video.get_components()
    images = components.images
    require_range("The frame rate", float(components.frame_rate), *FRAME_RATE_RANGE)
    frames = ((_opaque_colours(image) * 255).round().clamp(0, 255).byte().cpu().numpy() for image in images)
    sound = None
    if components.audio is not None and len(components.audio["waveform"]):
        waveform = components.audio["waveform"][0].float().cpu().numpy()
        sound = sound_of(waveform, int(components.audio["sample_rate"]))
    return frames, len(images), int(images.shape[2]), int(images.shape[1]), Fraction(components.frame_rate), sound


def _opaque_colours(image: torch.Tensor) -> torch.Tensor:
    """An image [height, width, 1, 3 or 4], in 0..1 or uint8, as colours in 0..1: grey is all of them, paper white."""
    import torch

    if image.dtype == torch.uint8:
        image = image / 255
    if image.shape[-1] == 1:
        return image.expand(*image.shape[:-1], 3)
    return image if image.shape[-1] != 4 else image[..., :3] * image[..., 3:] + 1 - image[..., 3:]
