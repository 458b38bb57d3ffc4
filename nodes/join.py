"""The node that makes one film of all shots of a story."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from comfy_api.latest import Input, InputImpl, io

from ..storymotion.errors import SeveralValues
from ..storymotion.media.encode import EncodedFile
from ..storymotion.media.film import MISMATCHES, FilmPlan, plan_film
from ..storymotion.media.join import FILM_SETTINGS, write_film
from ..storymotion.media.parts import FilePart
from ..storymotion.media.settings import EncodeSettings
from ..storymotion.report import Line, line, speak
from .editor_hints import with_editor_hints
from .host import NodeProgress
from .language import says_errors_in_users_language, user_language
from .outcome import FINISH, Place, StoryOutcome, outcome_of, place_of
from .parts import label_of, part_of
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
from .slices import announce_slice, gather


class StoryMotionJoin(io.ComfyNode):
    """All shots of a list in one MP4.

    ComfyUI maps the node over the list, so that a failed scene blocks its own slot and not the film
    (see ``slices.py``). Every slice hands in its shot, and the last one writes the film. The outputs are
    lists for the same reason: the other slices add nothing to them, so whatever follows gets one film.
    """

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionJoin",
            display_name="Join Shots",
            category="StoryMotion/Video",
            description="Makes one MP4 of all shots, in their order. Shots that are saved alike are copied without "
            "encoding; the sound of each is placed to the sample. Failed scenes are left out and named.",
            inputs=[
                io.Video.Input("videos", tooltip="The list of shots: of a generation node, or of Animation Encode."),
                filename_prefix_input("storymotion/film"),
                on_failure_input(),
                io.Combo.Input(
                    "mismatch",
                    options=list(MISMATCHES),
                    default="error",
                    optional=True,
                    tooltip="When shots differ in size or frame rate. error: say which. fit: scale and pad them, "
                    "repeat and leave out frames, to be like most shots.",
                ),
                crf_input("Quality of a film that must be encoded, as in Animation Encode. Copied shots keep theirs."),
                embed_workflow_input(),
            ],
            outputs=[
                io.Video.Output(display_name="film", is_output_list=True, tooltip="The saved film."),
                io.String.Output(
                    display_name="report",
                    is_output_list=True,
                    tooltip="What was written, what was changed for it, and which scenes are missing.",
                ),
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
        videos: Input.Video,
        filename_prefix: str,
        on_failure: str = FINISH,
        mismatch: str = "error",
        crf: float = 18.0,
        embed_workflow: bool = True,
    ) -> io.NodeOutput:
        asked = {"filename_prefix": filename_prefix, "on_failure": on_failure, "mismatch": mismatch, "crf": crf}
        slices = gather((videos, asked | {"embed_workflow": embed_workflow}))
        if slices is None:
            return io.NodeOutput([], [])
        _require_one_value_each([inputs for _, (_, inputs) in slices])
        shots = [(index, video) for index, (video, _) in slices]
        progress = NodeProgress()
        settings = EncodeSettings(crf=crf, audio_kbps=FILM_SETTINGS.audio_kbps)
        places = [(index, place_of(video)) for index, video in shots]
        outcome = outcome_of(places)
        with ExitStack() as stack:
            parts = [part_of(video, label_of(video, index), stack) for index, video in shots]
            plan = plan_film(parts, mismatch, progress)
            file = next_output_file(filename_prefix, plan.width, plan.height)
            metadata = graph_metadata(cls.hidden, embed_workflow)
            written = write_film(file.path, plan, settings, metadata, progress)
        outcome.raise_if_asked(on_failure, file.path.name)
        report = [*_lines(written, plan, settings), *outcome.report()]
        film = InputImpl.VideoFromFile(str(file.path))
        text = speak(report, user_language())
        return io.NodeOutput([film], [text], ui=file.shown_with(text, _rows(places, plan, outcome)))


def _rows(places: Sequence[tuple[int, Place]], plan: FilmPlan, outcome: StoryOutcome) -> list[SceneRow]:
    """A row for each shot of the film and for each scene that it lacks, in the story's order."""
    rate = float(plan.frame_rate)
    rows = [
        SceneRow(place.position or index + 1, "done", seconds=shot.frames / rate)
        for (index, place), shot in zip(places, plan.shots)
    ]
    rows += [SceneRow(scene.position, "failed", scene.name) for scene in outcome.failed]
    return sorted(rows, key=lambda row: row.position)


def _require_one_value_each(inputs: list[dict[str, Any]]) -> None:
    for name in inputs[0]:
        values = {each[name] for each in inputs}
        if len(values) > 1:
            raise SeveralValues(name, len(values))


def _lines(written: EncodedFile, plan: FilmPlan, settings: EncodeSettings) -> list[Line]:
    assert written.path is not None
    report = [
        line(
            "joined",
            name=written.path.name,
            count=len(plan.shots),
            width=written.width,
            height=written.height,
            frames=written.frames,
            fps=float(written.frame_rate),
            seconds=float(written.frames / written.frame_rate),
            megabytes=written.bytes / 1e6,
        )
    ]
    if plan.copied:
        report.append(line("joined-copied"))
    else:
        look = {"crf": settings.crf, "speed": settings.speed, "tune": settings.tune}
        report.append(line("joined-encoded", **look, pixel_format=plan.pixel_format))
        again = [shot.part.label for shot in plan.shots if isinstance(shot.part, FilePart)]
        report += [line("joined-again", shots=listed(again))] if again else []
    for shot in plan.shots:
        if plan.changed(shot):
            width, height = shot.facts.size
            fps = f"{float(shot.facts.frame_rate):.8g}"
            report.append(line("joined-fitted", shot=shot.part.label, width=width, height=height, fps=fps))
    return report + _sound_lines(plan, settings)


def _sound_lines(plan: FilmPlan, settings: EncodeSettings) -> list[Line]:
    film = plan.sound_rate, plan.channels
    if not plan.sound_rate:
        return [line("encoded-silent")]
    report = [line("joined-sound", kbps=settings.audio_kbps, rate=plan.sound_rate, channels=plan.channels)]
    heard = [shot for shot in plan.shots if shot.facts.sound_rate]
    converted = [shot.part.label for shot in heard if (shot.facts.sound_rate, shot.facts.channels) != film]
    silent = [shot.part.label for shot in plan.shots if not shot.facts.sound_rate]
    if converted:
        shots = listed(converted)
        report.append(line("joined-sound-converted", rate=plan.sound_rate, channels=plan.channels, shots=shots))
    return report + ([line("joined-silence", shots=listed(silent))] if silent else [])
