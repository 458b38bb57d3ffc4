"""The node that looks at shots before somebody else has to."""

from __future__ import annotations

import io as std_io
from contextlib import ExitStack
from typing import TYPE_CHECKING

from comfy_api.latest import Input, io, ui

from ..storymotion.check.head import DEFAULT_HEAD, HeadRegion
from ..storymotion.check.pixels import covering
from ..storymotion.check.plot import draw_plot
from ..storymotion.check.shot import MOST_PIXELS, ShotCheck, check_shot
from ..storymotion.check.told import report_of, report_of_list, scores_of
from ..storymotion.ltx.shots import guide_from_pixels
from ..storymotion.media.small import small_shot
from ..storymotion.report import speak
from .editor_hints import with_editor_hints
from .host import NodeProgress
from .language import says_errors_in_users_language, user_language
from .outcome import outcome_of, place_of
from .parts import label_of, part_of
from .shown import SceneRow, shown
from .slices import announce_slice, gather, slice_here

if TYPE_CHECKING:
    import numpy as np
    import torch


class StoryMotionCheckShot(io.ComfyNode):
    """Figures, a plot and a verdict about a shot.

    ComfyUI maps the node over a list, so that a failed scene blocks its own slot only (see ``slices.py``); the last
    slice tells about all of them.
    """

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionCheckShot",
            display_name="Check Shot",
            category="StoryMotion/Video",
            description="Measures drift from the picture, movement, flicker of lines, flashes and change of the head, "
            "and says pass, look or retake. It compares pixels: it finds no faces and knows no story.",
            inputs=[
                io.Video.Input("video", tooltip="A shot of StoryMotion, or any other VIDEO."),
                io.Image.Input(
                    "guide",
                    optional=True,
                    tooltip="The picture that the shot was made from. Without it, the first frame takes its place.",
                ),
                _fraction("head_left", DEFAULT_HEAD.left, "Left edge of the rectangle around the head"),
                _fraction("head_top", DEFAULT_HEAD.top, "Upper edge of the rectangle around the head"),
                _fraction("head_width", DEFAULT_HEAD.width, "Width of that rectangle", " 0 = compare no head."),
                _fraction("head_height", DEFAULT_HEAD.height, "Height of that rectangle", " 0 = compare no head."),
                io.Boolean.Input(
                    "may_be_still",
                    default=False,
                    optional=True,
                    tooltip="On: a shot in which nothing moves is fine too.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="verdict", tooltip="pass, look or retake: the worst of all measures."),
                io.Float.Output(display_name="score", tooltip="0 to 1, more is better: the lowest of all measures."),
                io.Image.Output(display_name="plot", tooltip="Frames of the shot, and every measure over time."),
                io.String.Output(display_name="report", tooltip="The figures in words, and what was not looked at."),
                io.String.Output(display_name="scores", tooltip="JSON: value, score and verdict of every measure."),
            ],
            is_output_node=True,
        )

    @classmethod
    def check_lazy_status(cls, **inputs: object) -> list[str]:
        return announce_slice()

    @classmethod
    @says_errors_in_users_language
    def execute(
        cls,
        video: Input.Video,
        guide: torch.Tensor | None = None,
        head_left: float = DEFAULT_HEAD.left,
        head_top: float = DEFAULT_HEAD.top,
        head_width: float = DEFAULT_HEAD.width,
        head_height: float = DEFAULT_HEAD.height,
        may_be_still: bool = False,
    ) -> io.NodeOutput:
        head = HeadRegion(head_left, head_top, head_width, head_height) if head_width and head_height else None
        picture = None if guide is None else _pixels(guide)
        check = _checked(video, picture, head, may_be_still)
        report = report_of(check)
        place = place_of(video)
        checked = gather((place, check.verdict))
        if checked is not None:
            verdicts = [(place.position or index + 1, verdict) for index, (place, verdict) in checked]
            report += report_of_list(verdicts)
            report += outcome_of([(index, place) for index, (place, _) in checked]).report()
        plot = _image(draw_plot(check))
        told = speak(report, user_language())
        row = SceneRow(place.position or slice_here()[1] + 1, check.verdict, seconds=check.seconds, score=check.score)
        pictures = ui.PreviewImage(plot, cls=cls).as_dict()
        return io.NodeOutput(
            check.verdict, check.score, plot, told, scores_of(check), ui={**pictures, **shown(told, [row])}
        )


def _fraction(name: str, default: float, tooltip: str, off: str = "") -> io.Input:
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=1.0,
        step=0.01,
        optional=True,
        tooltip=f"{tooltip}, as a fraction of the frame.{off}",
    )


def _checked(video: Input.Video, picture: np.ndarray | None, head: HeadRegion | None, may_be_still: bool) -> ShotCheck:
    with ExitStack() as stack:
        shot = small_shot(part_of(video, label_of(video, slice_here()[1]), stack), MOST_PIXELS)
        guide = None if picture is None else covering(picture, shot.width, shot.height)
        return check_shot(shot.pictures, shot.frames, shot.frame_rate, guide, head, may_be_still, NodeProgress())


def _pixels(image: torch.Tensor) -> np.ndarray:
    """A single IMAGE as uint8 RGB ``[height, width, 3]``, made as the guide of a shot is made of it."""
    import numpy as np
    from PIL import Image

    with Image.open(std_io.BytesIO(guide_from_pixels(image.cpu().numpy()).png)) as picture:
        return np.asarray(picture)


def _image(picture: np.ndarray) -> torch.Tensor:
    """ComfyUI's IMAGE: float32 [1, height, width, 3] in 0..1."""
    import torch

    return torch.from_numpy(picture)[None].float() / 255
