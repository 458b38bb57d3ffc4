"""The node that saves a shot so that its line art stays sharp."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from comfy_api.latest import Input, io

from ..storymotion.media.encode import EncodedFile
from ..storymotion.media.encode_shot import encode_shot, plan_shot
from ..storymotion.media.film import FilmPlan
from ..storymotion.media.parts import FilePart
from ..storymotion.media.presets import CUSTOM, USER_PRESETS, load_presets, settings_for
from ..storymotion.media.quality import USUAL_SAMPLES
from ..storymotion.media.settings import AUDIO_KBPS_RANGE, ODD_SIZES, PIXEL_FORMATS, SPEEDS, TUNES, EncodeSettings
from ..storymotion.report import Line, line, speak
from .editor_hints import with_editor_hints
from .host import NodeProgress
from .language import says_errors_in_users_language, user_language
from .models import checked_when_it_runs
from .outcome import FINISH, outcome_of, place_of
from .parts import part_of
from .saving import (
    crf_input,
    embed_workflow_input,
    filename_prefix_input,
    graph_metadata,
    listed,
    next_output_file,
    on_failure_input,
)
from .shown import SceneRow
from .slices import announce_slice, gather, slice_here
from .stores import user_file
from .video import SavedVideo


class StoryMotionAnimationEncode(io.ComfyNode):
    """Encode once, straight from the frames, with settings for drawings."""

    @classmethod
    @with_editor_hints
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
                io.Combo.Input(
                    "preset",
                    options=[CUSTOM, *load_presets(user_file(USER_PRESETS))[0]],
                    default=CUSTOM,
                    optional=True,
                    tooltip="Settings with a name, in place of those above. custom: the settings above. Your own go "
                    "into storymotion/encode_presets.json in ComfyUI's user folder.",
                ),
                io.Combo.Input(
                    "odd_size",
                    options=list(ODD_SIZES),
                    default="pad",
                    optional=True,
                    tooltip="For a video whose width or height is odd, which yuv420p cannot have. pad: repeat the edge "
                    "once. crop: cut one row or column off. error: refuse.",
                ),
                io.Boolean.Input(
                    "on_twos",
                    default=False,
                    optional=True,
                    tooltip="Show every other frame for two frames, as hand-drawn animation does: 24 fps with 12 "
                    "drawings a second. Length and sound stay as they are.",
                ),
                io.Boolean.Input(
                    "measure_quality",
                    default=True,
                    optional=True,
                    tooltip="Compare eight frames of the saved file with those it was made of, for the report.",
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
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        return announce_slice()

    @classmethod
    def validate_inputs(cls, preset: str | None = None) -> bool | str:
        return checked_when_it_runs(preset)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        name = inputs.get("preset")
        chosen = load_presets(user_file(USER_PRESETS))[0].get(name) if isinstance(name, str) else None
        return None if chosen is None else str(sorted(chosen.values.items()))

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
        preset: str = CUSTOM,
        odd_size: str = "pad",
        on_twos: bool = False,
        measure_quality: bool = True,
    ) -> io.NodeOutput:
        given = EncodeSettings(crf, speed, tune, pixel_format, audio_kbps, line_art_2x, odd_size, on_twos)
        presets, notes = load_presets(user_file(USER_PRESETS))
        settings = settings_for(preset, given, presets)
        metadata = graph_metadata(cls.hidden, embed_workflow)
        progress = NodeProgress()
        samples = USUAL_SAMPLES if measure_quality else 0
        with ExitStack() as stack:
            plan = plan_shot(part_of(video, "", stack), progress)
            file = next_output_file(filename_prefix, plan.width, plan.height)
            encoded = encode_shot(file.path, plan, settings, metadata, progress, samples)
        report = [*_lines(file.path.name, encoded, settings, plan, preset), *notes]
        place = place_of(video)
        saved = gather((place, file.path.name))
        if saved is not None:
            outcome = outcome_of([(index, place) for index, (place, _) in saved])
            outcome.raise_if_asked(on_failure, listed([name for _, (_, name) in saved]))
            report += outcome.report()
        shot = SavedVideo(file.path, place.story, place.position)
        text = speak(report, user_language())
        length = float(encoded.frames / encoded.frame_rate)
        row = SceneRow(place.position or slice_here()[1] + 1, seconds=length, file=file.address)
        return io.NodeOutput(shot, text, ui=file.shown_with(text, [row]))


def _lines(name: str, encoded: EncodedFile, settings: EncodeSettings, plan: FilmPlan, preset: str) -> list[Line]:
    video = line(
        "encoded",
        name=name,
        width=encoded.width,
        height=encoded.height,
        frames=encoded.frames,
        fps=float(encoded.frame_rate),
        megabytes=encoded.bytes / 1e6,
        seconds=encoded.seconds,
        crf=settings.crf,
        speed=settings.speed,
        tune=settings.tune,
        pixel_format=settings.pixel_format,
    )
    named = [] if preset == CUSTOM else [line("encoded-preset", name=preset)]
    return [video, *named, *_changes(encoded, settings, plan), *_sound(encoded, settings, plan), *_quality(encoded)]


def _changes(encoded: EncodedFile, settings: EncodeSettings, plan: FilmPlan) -> list[Line]:
    """What was done to the picture that nobody sees in the settings."""
    facts = plan.shots[0].facts
    size = {"width": plan.width, "height": plan.height, "pixel_format": settings.pixel_format}
    lines = []
    if not settings.line_art_2x and (encoded.width, encoded.height) != (plan.width, plan.height):
        padded = encoded.width > plan.width or encoded.height > plan.height
        lines.append(line("encoded-padded", **size) if padded else line("encoded-cropped", **size))
    if settings.on_twos:
        lines.append(line("encoded-on-twos", drawings=(encoded.frames + 1) // 2))
    if not facts.steady:
        lines.append(line("encoded-steady", fps=float(encoded.frame_rate)))
    if facts.transparent:
        lines.append(line("encoded-white"))
    if facts.bits > 8:
        lines.append(line("encoded-8-bit", pixel_format=facts.pixel_format))
    return lines


def _sound(encoded: EncodedFile, settings: EncodeSettings, plan: FilmPlan) -> list[Line]:
    shot = plan.shots[0]
    if not shot.facts.sound_rate:
        return [line("encoded-silent")]
    rate, channels = shot.facts.sound_rate, shot.facts.channels
    if encoded.sound_copied:
        return [line("encoded-sound-copied", rate=rate, channels=channels)]
    # The sound of a file is brought to the plan's rate; that of frames keeps its own.
    rate = plan.sound_rate if isinstance(shot.part, FilePart) else rate
    mixed = [line("encoded-sound-mixed", channels=channels)] if channels > plan.channels else []
    return [line("encoded-sound", kbps=settings.audio_kbps, rate=rate), *mixed]


def _quality(encoded: EncodedFile) -> list[Line]:
    found = encoded.quality
    if found is None:
        return []
    if found.edge_psnr is None:
        return [line("encoded-quality-flat", psnr=found.psnr, count=found.frames)]
    return [line("encoded-quality", psnr=found.psnr, edges=found.edge_psnr, count=found.frames)]
