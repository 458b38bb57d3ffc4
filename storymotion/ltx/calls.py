"""What every generation of the SDK is passed in the same way: the numbers of a shot, its guides, guidance and LoRAs."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .abilities import installed
from .guidance import Guider
from .lora import sdk_lora
from .meter import STAGE_1, STAGE_2
from .models import BOTH_STAGES, Lora
from .preflight import Checked
from .shots import Guide, GuidedShot, ICLoraShot

if TYPE_CHECKING:
    from ltx_core.components.guiders import MultiModalGuiderParams
    from ltx_core.loader import LoraPathStrengthAndSDOps
    from ltx_pipelines.utils.args import ImageConditioningInput

# The length of constants.DISTILLED_SIGMA_VALUES, less its end.
DISTILLED_STEPS = 8


def arguments(checked: Checked) -> dict[str, Any]:
    """Keyword arguments that every pipeline's call takes."""
    shot = checked.shot
    return {
        "prompt": shot.prompt,
        "seed": shot.seed,
        "height": shot.height,
        "width": shot.width,
        "num_frames": shot.rendered_frames,
        "frame_rate": float(shot.fps),
        "images": [_conditioning(guide) for guide in shot.guides],
        "enhance_prompt": shot.enhance_prompt,
    }


def guided(checked: Checked, shot: GuidedShot) -> dict[str, Any]:
    """Those of the pipelines with guidance."""
    guidance = checked.guidance
    assert guidance is not None
    return {
        "negative_prompt": shot.negative_prompt,
        "num_inference_steps": guidance.steps,
        "video_guider_params": _guider(guidance.video),
        "audio_guider_params": _guider(guidance.audio),
    }


def reference(shot: ICLoraShot) -> dict[str, Any]:
    """Those of ICLoraPipeline."""
    return {
        "video_conditioning": [(str(shot.reference), float(shot.reference_strength))],
        "skip_stage_2": shot.skip_stage_2,
    }


def loras_of_stage_1(checked: Checked) -> list[LoraPathStrengthAndSDOps]:
    """LoRAs of the model set, without those for stage 2 alone."""
    return sdk_loras(checked, [lora for lora in checked.models.loras if lora.stages in (BOTH_STAGES, STAGE_1)])


def loras_of_stage_2(checked: Checked) -> list[LoraPathStrengthAndSDOps] | None:
    """LoRAs of the model set for stage 2, None where they are those of stage 1.

    The pipelines give stage 2 what they give stage 1; they know no LoRAs for one stage.
    """
    if all(lora.stages == BOTH_STAGES for lora in checked.models.loras):
        return None
    return sdk_loras(checked, [lora for lora in checked.models.loras if lora.stages in (BOTH_STAGES, STAGE_2)])


def sdk_loras(checked: Checked, loras: Iterable[Lora | None]) -> list[LoraPathStrengthAndSDOps]:
    """Those that change anything: the SDK would read a file of strength 0 as well."""
    compiled = checked.models.compile and installed().compiles
    return [sdk_lora(lora, checked.checkpoint, compiled) for lora in loras if lora and lora.strength]


def _guider(guider: Guider) -> MultiModalGuiderParams:
    from ltx_core.components.guiders import MultiModalGuiderParams

    return MultiModalGuiderParams(
        cfg_scale=float(guider.cfg),
        stg_scale=float(guider.stg),
        stg_blocks=list(guider.stg_blocks or ()),
        rescale_scale=float(guider.rescale),
        modality_scale=float(guider.modality),
        skip_step=guider.skip_step,
    )


def _conditioning(guide: Guide) -> ImageConditioningInput:
    from ltx_pipelines.utils.args import ImageConditioningInput

    # The SDK only opens the path with Pillow, which takes a file in memory as well.
    picture: Any = io.BytesIO(guide.png)
    return ImageConditioningInput(
        path=picture, frame_idx=guide.frame, strength=float(guide.strength), crf=guide.compression
    )
