"""The node that saves a shot so that its line art stays sharp."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import Input, io

from ..storymotion.media.encode import EncodedFile, encode_mp4
from ..storymotion.media.settings import AUDIO_KBPS_RANGE, PIXEL_FORMATS, SPEEDS, TUNES, EncodeSettings
from ..storymotion.media.sound import Sound
from ..storymotion.report import Line, line, speak
from .host import NodeProgress
from .language import says_errors_in_users_language, user_language
from .outcome import FINISH, outcome_of, place_of
from .saving import (
    crf_input,
    embed_workflow_input,
    filename_prefix_input,
    graph_metadata,
    listed,
    next_output_file,
    on_failure_input,
)
from .slices import announce_slice, gather
from .video import SavedVideo, rgb_frames_of


class StoryMotionAnimationEncode(io.ComfyNode):
    """Encode once, straight from the frames, with settings for drawings."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionAnimationEncode",
            display_name="Animation Encode",
            category="StoryMotion/Video",
            description="Saves an MP4 (H.264, AAC) into ComfyUI's output folder: compressed once, with x264's tuning "
            "for animation and colours that players show as they are.",
            inputs=[
                io.Video.Input("video", tooltip="A shot of StoryMotion, or any other VIDEO."),
                filename_prefix_input("storymotion/shot"),
                crf_input("Quality: 18 is visually clean, higher is smaller. 0 is lossless; few players take it."),
                io.Combo.Input(
                    "speed",
                    options=list(SPEEDS),
                    default="fast",
                    optional=True,
                    tooltip="x264's preset: slower makes the file a little smaller at the same quality.",
                ),
                io.Combo.Input(
                    "tune",
                    options=list(TUNES),
                    default="animation",
                    optional=True,
                    tooltip="What x264 expects to see. animation suits flat colours and outlines.",
                ),
                io.Combo.Input(
                    "pixel_format",
                    options=list(PIXEL_FORMATS),
                    default="yuv420p",
                    optional=True,
                    tooltip="yuv420p plays everywhere. yuv444p keeps coloured lines sharper, but many players "
                    "do not know it: use it for a master.",
                ),
                io.Boolean.Input(
                    "line_art_2x",
                    default=False,
                    optional=True,
                    tooltip="Double the size before encoding, so that yuv420p keeps colour at the drawing's own "
                    "size: sharper coloured lines that play everywhere.",
                ),
                io.Int.Input(
                    "audio_kbps",
                    default=128,
                    min=AUDIO_KBPS_RANGE[0],
                    max=AUDIO_KBPS_RANGE[1],
                    optional=True,
                    tooltip="Bit rate of the AAC sound in kbit/s.",
                ),
                embed_workflow_input(),
                on_failure_input(),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="The saved file."),
                io.String.Output(display_name="report", tooltip="What was written."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        return announce_slice()

    @classmethod
    @says_errors_in_users_language
    def execute(
        cls,
        video: Input.Video,
        filename_prefix: str,
        crf: float = 18.0,
        speed: str = "fast",
        tune: str = "animation",
        pixel_format: str = "yuv420p",
        line_art_2x: bool = False,
        audio_kbps: int = 128,
        embed_workflow: bool = True,
        on_failure: str = FINISH,
    ) -> io.NodeOutput:
        settings = EncodeSettings(crf, speed, tune, pixel_format, audio_kbps, line_art_2x)
        frames, count, width, height, frame_rate, sound = rgb_frames_of(video)
        file = next_output_file(filename_prefix, width, height)
        metadata = graph_metadata(cls.hidden, embed_workflow)
        encoded = encode_mp4(
            file.path, frames, count, width, height, frame_rate, sound, settings, metadata, NodeProgress()
        )
        report = _lines(file.path.name, encoded, settings, sound)
        place = place_of(video)
        saved = gather((place, file.path.name))
        if saved is not None:
            outcome = outcome_of([(index, place) for index, (place, _) in saved])
            outcome.raise_if_asked(on_failure, listed([name for _, (_, name) in saved]))
            report += outcome.report()
        shot = SavedVideo(file.path, place.story, place.position)
        return io.NodeOutput(shot, speak(report, user_language()), ui=file.preview)


def _lines(name: str, encoded: EncodedFile, settings: EncodeSettings, sound: Sound | None) -> list[Line]:
    video = line(
        "encoded",
        name=name,
        width=encoded.width,
        height=encoded.height,
        frames=encoded.frames,
        fps=float(encoded.frame_rate),
        megabytes=encoded.bytes / 1e6,
        crf=settings.crf,
        speed=settings.speed,
        tune=settings.tune,
        pixel_format=settings.pixel_format,
    )
    heard = line("encoded-sound", kbps=settings.audio_kbps, rate=sound.sample_rate) if sound else line("encoded-silent")
    return [video, heard]
