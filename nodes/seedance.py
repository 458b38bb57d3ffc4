"""Nodes of the paid service SeeDANCE: what a shot will cost, and the shot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from ..storymotion.errors import SeedancePictureUnusable
from ..storymotion.paid.seedance.models import ADAPTIVE, RATIOS, USER_CATALOGUE
from ..storymotion.paid.seedance.pictures import png_from_pixels
from ..storymotion.paid.seedance.request import DERIVED_SEED, LARGEST_SEED, LARGEST_TAKE, SeedanceRequest
from ..storymotion.paid.seedance.run import quote
from ..storymotion.report import speak
from .editor_hints import with_editor_hints
from .language import says_errors_in_users_language, user_language
from .models import checked_when_it_runs
from .paid_desk import catalogue, open_desk
from .paid_scenes import RUNS, make_paid_shots
from .settings import cost_settings
from .shots import name_input
from .stores import user_file

if TYPE_CHECKING:
    import torch

MOST_USD = 1000.0


def model_input() -> io.Input:
    """Which model makes the shot."""
    return io.Combo.Input(
        "model",
        options=list(catalogue().offered()),
        tooltip="The first one is the cheapest. More can be added in storymotion/seedance.json in ComfyUI's user "
        "folder.",
    )


def resolution_input() -> io.Input:
    """Its size, by name."""
    offered = dict.fromkeys(name for model in catalogue().models for name in model.resolutions)
    return io.Combo.Input(
        "resolution",
        options=list(offered),
        default="720p",
        tooltip="What the price hangs on most. Not all models have all.",
    )


def ratio_input() -> io.Input:
    """Its shape."""
    return io.Combo.Input(
        "ratio",
        options=[*RATIOS, ADAPTIVE],
        default=RATIOS[0],
        tooltip="Width to height. A picture of another shape is cropped by the service; adaptive takes the picture's "
        "shape and is quoted at the dearest one.",
    )


def duration_input() -> io.Input:
    """Its length."""
    return io.Int.Input(
        "duration",
        default=5,
        min=-1,
        max=60,
        tooltip="Whole seconds; every model has its own limits. -1: the model chooses, quoted at its longest; not with "
        "Seedance 1.0.",
    )


def tier_input() -> io.Input:
    """How soon."""
    return io.Combo.Input(
        "service_tier",
        options=["default", "flex"],
        default="default",
        tooltip="flex costs half and can take hours; Seedance 2.x does not have it.",
    )


class StoryMotionSeedanceQuote(io.ComfyNode):
    """What a shot will cost at most."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionSeedanceQuote",
            display_name="SeeDANCE Quote",
            category="StoryMotion/SeeDANCE",
            description="What a paid shot will cost at most, in USD and KRW, and cheaper ways to it. Sends nothing and "
            "needs no key.",
            inputs=[
                model_input(),
                resolution_input(),
                ratio_input(),
                duration_input(),
                tier_input(),
                io.Image.Input(
                    "first_frame", optional=True, tooltip="Only says that there is a picture, which adaptive needs."
                ),
            ],
            outputs=[
                io.Float.Output(display_name="usd", tooltip="The most that it can cost, in USD."),
                io.Float.Output(display_name="krw", tooltip="The same in KRW."),
                io.String.Output(
                    display_name="report", tooltip="Price with source and date, KRW per 8 s, and cheaper ways."
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, model: str | None = None, resolution: str | None = None) -> bool | str:
        return checked_when_it_runs(model, resolution)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        """The dates of the prices, and what the user has set."""
        own = user_file(USER_CATALOGUE)
        changed = own.stat().st_mtime_ns if own.is_file() else 0
        settings = cost_settings()
        dates = sorted({price.date for price in catalogue().prices})
        return [*dates, changed, settings.krw_per_usd, settings.target_krw_per_8s]

    @classmethod
    @says_errors_in_users_language
    def execute(
        cls,
        model: str,
        resolution: str,
        ratio: str,
        duration: int,
        service_tier: str,
        first_frame: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        request = SeedanceRequest(
            model,
            "",
            resolution,
            ratio,
            duration,
            service_tier=service_tier,
            first_frame=None if first_frame is None else b"",
        )
        desk = open_desk()
        price = quote(request, desk)
        report = speak([*desk.catalogue_notes, *price.lines()], user_language())
        return io.NodeOutput(float(price.usd), float(price.krw), report, ui=ui.PreviewText(report))


class StoryMotionSeedance(io.ComfyNode):
    """A paid shot for every scene. Async, so that several such nodes of one graph work side by side."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionSeedance",
            display_name="SeeDANCE Shot",
            category="StoryMotion/SeeDANCE",
            description="Has BytePlus make a shot, for money. Sends nothing until you have opened every gate, never "
            "pays twice for the same inputs and take, and goes on after a restart.",
            inputs=[
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="",
                    tooltip="What is seen and what moves. The Safe Motion Mapper writes it from a line of dialogue.",
                ),
                model_input(),
                resolution_input(),
                ratio_input(),
                duration_input(),
                io.Int.Input(
                    "seed",
                    default=DERIVED_SEED,
                    min=DERIVED_SEED,
                    max=LARGEST_SEED,
                    # The editor would add "randomize" by itself, and every run would be one more paid shot.
                    control_after_generate=False,
                    tooltip="-1: taken from all other inputs, so that the same inputs are the same shot. Another seed "
                    "is another paid shot.",
                ),
                io.Boolean.Input("camera_fixed", default=True, tooltip="Keeps the camera still; only Seedance 1.0."),
                io.Boolean.Input("watermark", default=False, tooltip="The service's mark in a corner."),
                tier_input(),
                io.Image.Input(
                    "first_frame",
                    optional=True,
                    tooltip="The picture that the shot begins with: 300 to 6000 pixels a side. It is sent to BytePlus.",
                ),
                io.Image.Input(
                    "last_frame", optional=True, tooltip="The picture that it ends with. Not with 1.0 Pro Fast."
                ),
                io.Float.Input(
                    "max_usd",
                    default=0.0,
                    min=0.0,
                    max=MOST_USD,
                    step=0.01,
                    round=0.0001,
                    tooltip="The most that each single shot may cost, in USD. 0 sends nothing and shows the quote.",
                ),
                io.Int.Input(
                    "take",
                    default=1,
                    min=1,
                    max=LARGEST_TAKE,
                    tooltip="The same inputs with the same take are paid for once. Raise it to have the shot made, and "
                    "to pay, once more.",
                ),
                name_input(),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video", is_output_list=True, tooltip="A shot for every scene, in story order."
                ),
                io.Image.Output(
                    display_name="last_frame",
                    is_output_list=True,
                    tooltip="The last frame of each shot, to begin the next one with.",
                ),
                io.String.Output(
                    display_name="receipt",
                    tooltip="Task, tokens, quoted and charged price in USD and KRW, and KRW per 8 s, for every scene.",
                ),
            ],
            is_input_list=True,
        )

    @classmethod
    def validate_inputs(cls, model: str | None = None, resolution: str | None = None) -> bool | str:
        return checked_when_it_runs(model, resolution)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return RUNS.gaps.count

    @classmethod
    @says_errors_in_users_language
    async def execute(cls, **inputs: list[Any]) -> io.NodeOutput:
        return await make_paid_shots(inputs, _request)


def _request(scene: dict[str, Any]) -> SeedanceRequest:
    """The inputs of one scene. Raises SeedancePictureUnusable."""
    for role in ("first_frame", "last_frame"):
        scene[role] = _picture(scene.get(role), role)
    return SeedanceRequest(**scene)


def _picture(image: torch.Tensor | None, role: str) -> bytes | None:
    """A PNG of ComfyUI's IMAGE, float 0..1 [1, height, width, 3 or 4]."""
    if image is None:
        return None
    if len(image) != 1:
        raise SeedancePictureUnusable(role, f"the input holds {len(image)} pictures, not one")
    if not image.isfinite().all():
        raise SeedancePictureUnusable(role, "it holds values that are not numbers")
    return png_from_pixels(image[0, ..., :3].mul(255).round().clamp(0, 255).byte().cpu().numpy())
