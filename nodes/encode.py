"""The node that saves a shot so that its line art stays sharp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfy_api.latest import Input, InputImpl, io, ui

from ..storymotion.media.encode import EncodedFile, encode_mp4
from ..storymotion.media.settings import AUDIO_KBPS_RANGE, CRF_RANGE, PIXEL_FORMATS, SPEEDS, TUNES, EncodeSettings
from ..storymotion.media.sound import Sound
from ..storymotion.report import Line, line, speak
from .host import NodeProgress
from .language import says_errors_in_users_language, user_language
from .video import metadata_text, rgb_frames_of


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
                io.String.Input(
                    "filename_prefix",
                    default="storymotion/shot",
                    tooltip="Folder and start of the file name in ComfyUI's output folder.",
                ),
                io.Float.Input(
                    "crf",
                    default=18.0,
                    min=CRF_RANGE[0],
                    max=CRF_RANGE[1],
                    step=0.5,
                    optional=True,
                    tooltip="Quality: 18 is visually clean, higher is smaller. 0 is lossless; few players take it.",
                ),
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
                io.Boolean.Input(
                    "embed_workflow",
                    default=True,
                    optional=True,
                    tooltip="Store prompt and workflow in the file, so that it can be dropped into the editor. "
                    "Off: whoever gets the file sees nothing of how it was made.",
                ),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="The saved file."),
                io.String.Output(display_name="report", tooltip="What was written."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

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
    ) -> io.NodeOutput:
        import folder_paths

        settings = EncodeSettings(crf, speed, tune, pixel_format, audio_kbps, line_art_2x)
        frames, count, width, height, frame_rate, sound = rgb_frames_of(video)
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory(), width, height
        )
        file_name = f"{name}_{counter:05}_.mp4"
        target = Path(folder) / file_name
        encoded = encode_mp4(
            target,
            frames,
            count,
            width,
            height,
            frame_rate,
            sound,
            settings,
            metadata_text(cls._graph() if embed_workflow else None),
            NodeProgress(),
        )
        report = speak(_lines(file_name, encoded, settings, sound), user_language())
        preview = ui.PreviewVideo([ui.SavedResult(file_name, subfolder, io.FolderType.output)])
        return io.NodeOutput(InputImpl.VideoFromFile(str(target)), report, ui=preview)

    @classmethod
    def _graph(cls) -> dict[str, Any]:
        """Prompt and workflow, as ComfyUI's SaveVideo stores them: the file can be dropped into the editor."""
        from comfy.cli_args import args

        if args.disable_metadata:
            return {}
        graph = dict(cls.hidden.extra_pnginfo or {})
        if cls.hidden.prompt is not None:
            graph["prompt"] = cls.hidden.prompt
        return graph


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
