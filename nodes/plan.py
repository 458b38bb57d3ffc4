"""Nodes that plan a shot: its size and length, and the pictures that guide it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import io, ui

from ..storymotion.errors import ValueOutOfRange
from ..storymotion.ltx.shots import LAST_FRAME, TRAINED_COMPRESSION, Guide, guide_from_pixels
from ..storymotion.report import speak
from ..storymotion.shot import FROM_IMAGE, GRID, LONGEST_SECONDS, plan_shot, size_choices
from .editor_hints import with_editor_hints
from .language import says_errors_in_users_language, user_language
from .types import LTX2Guides

if TYPE_CHECKING:
    import torch


class StoryMotionShotPlan(io.ComfyNode):
    """Seconds and a size in, what LTX-2 can make out."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionShotPlan",
            display_name="Shot Plan",
            category="StoryMotion/Plan",
            description="Turns seconds into 8k+1 frames and a size on LTX-2's grid, and says what it changed.",
            inputs=[
                io.Float.Input(
                    "seconds",
                    default=8.0,
                    min=0.1,
                    max=LONGEST_SECONDS,
                    step=0.1,
                    tooltip="How long the shot lasts at least. It is never cut short: 8 s at 24 fps are 193 frames.",
                ),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=1.0,
                    max=120.0,
                    step=0.001,
                    tooltip="Frames per second. LTX-2 was trained on 24 to 50; 12 makes motion unsteady.",
                ),
                io.Combo.Input(
                    "size",
                    options=list(size_choices()),
                    default="16:9 1280x704",
                    tooltip=f"Width x height in pixels. '{FROM_IMAGE}' keeps the shape of the connected picture.",
                ),
                io.Combo.Input(
                    "stages",
                    options=sorted(GRID, reverse=True),
                    default="two",
                    optional=True,
                    tooltip=f"Only for '{FROM_IMAGE}': two-stage pipelines need multiples of 64, one stage of 32.",
                ),
                io.Image.Input("image", optional=True, tooltip="The scene's picture, to take the shape from."),
            ],
            outputs=[
                io.Int.Output(display_name="width", tooltip="Pixels."),
                io.Int.Output(display_name="height", tooltip="Pixels."),
                io.Int.Output(display_name="frames", tooltip="8k+1 frames."),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for the nodes that follow."),
                io.String.Output(display_name="report", tooltip="The plan, and what was changed to make it possible."),
            ],
            is_output_node=True,
        )

    @classmethod
    @says_errors_in_users_language
    def execute(
        cls, seconds: float, fps: float, size: str, stages: str = "two", image: torch.Tensor | None = None
    ) -> io.NodeOutput:
        image_size = None if image is None else (int(image.shape[2]), int(image.shape[1]))
        plan = plan_shot(seconds, fps, size, stages, image_size)
        report = speak(plan.notes, user_language())
        return io.NodeOutput(plan.width, plan.height, plan.frames, plan.fps, report, ui=ui.PreviewText(report))


class StoryMotionImageGuide(io.ComfyNode):
    """A picture that the shot starts with, passes through or ends on."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionImageGuide",
            display_name="Image Guide",
            category="StoryMotion/Plan",
            description="Ties one picture to one frame of the shot. Chain several for first and last frame.",
            inputs=[
                io.Image.Input("image", tooltip="One picture. It is scaled to cover the shot; the rest is cropped."),
                io.Int.Input(
                    "frame",
                    default=0,
                    min=LAST_FRAME,
                    max=100_000,
                    tooltip="The frame that should look like the picture: 0 = the first, -1 = the last.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="1 keeps the picture as it is; lower gives the model room to move. 0 has no effect.",
                ),
                io.Int.Input(
                    "compression",
                    default=TRAINED_COMPRESSION,
                    min=TRAINED_COMPRESSION,
                    max=51,
                    optional=True,
                    tooltip="H.264 compression of the picture before it guides. -1 = what the checkpoint was trained "
                    "for (33 up to LTX-2.3). Lower keeps thin lines, higher gives more motion; 0 = none.",
                ),
                LTX2Guides.Input("guides", optional=True, tooltip="Guides to add this one to."),
            ],
            outputs=[LTX2Guides.Output(display_name="guides", tooltip="For the nodes that make shots.")],
        )

    @classmethod
    @says_errors_in_users_language
    def execute(
        cls,
        image: torch.Tensor,
        frame: int,
        strength: float,
        compression: int = TRAINED_COMPRESSION,
        guides: tuple[Guide, ...] = (),
    ) -> io.NodeOutput:
        # Checked again when the shot is known; NaN and text from the API stop here.
        if not 0 <= strength <= 1:
            raise ValueOutOfRange("The strength of a guide", strength, 0, 1)
        guide = guide_from_pixels(image.cpu().numpy(), frame, strength, compression)
        return io.NodeOutput((*guides, guide))
