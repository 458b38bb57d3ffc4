"""Nodes that choose model files. They read headers, never weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..storymotion.errors import StoryMotionError
from ..storymotion.ltx.lora import match_lora
from ..storymotion.ltx.models import BOTH_STAGES, KEEPS, LORA_STAGES, OFFLOADS, PRECISIONS, Lora, ModelSet
from ..storymotion.ltx.split_files import inspect_models
from ..storymotion.report import speak
from .editor_hints import with_editor_hints
from .folders import (
    CHECKPOINTS,
    LORAS,
    MODEL_PATCHES,
    NONE,
    TEXT_ENCODERS,
    UPSCALERS,
    VAES,
    choices,
    choices_or_none,
    fingerprint,
    path_of,
)
from .language import says_errors_in_users_language, user_language
from .types import LTX2Model


def checked_when_it_runs(*chosen: str | None) -> bool:
    """For ``validate_inputs``: takes the check of these choices over from ComfyUI, and says yes to all of them.

    ComfyUI's own check says "value not in list", which helps nobody who has no models yet. Our sentence comes when
    the node runs, not here: a workflow with other outputs (the plan, the reason) would run those, be called done,
    and show the sentence nowhere (editor 1.33) or behind an icon (1.49). What a node raises is shown, as a dialog or in
    the panel of errors.
    """
    return True


class StoryMotionLTX2Model(io.ComfyNode):
    """The files a shot is rendered with."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionLTX2Model",
            display_name="LTX-2 Model",
            category="StoryMotion/LTX-2",
            description="Chooses the LTX-2 checkpoint, the Gemma 3 text encoder and the upscaler for a shot.",
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=choices(CHECKPOINTS),
                    tooltip="Lightricks' LTX-2 file with everything in it (models/checkpoints), or a transformer alone "
                    "(models/diffusion_models). The distilled file for Distilled, the dev file for Two Stage.",
                ),
                io.Combo.Input(
                    "text_encoder",
                    options=choices(TEXT_ENCODERS),
                    tooltip="The Gemma 3 folder (a sub-folder of models/text_encoders); for LTX-2.5 the single file "
                    "that comes with it.",
                ),
                io.Combo.Input(
                    "spatial_upscaler",
                    options=[*choices(UPSCALERS), NONE],
                    tooltip="Doubles the size between stage 1 and stage 2 (models/latent_upscale_models). "
                    "Pipelines with two stages need it.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="auto",
                    optional=True,
                    tooltip="bf16 is the checkpoint as it is; fp8 halves the memory of the transformer's weights "
                    "and costs a little quality; auto = bf16 where it fits, else fp8.",
                ),
                io.Combo.Input(
                    "keep",
                    options=list(KEEPS),
                    default="auto",
                    optional=True,
                    tooltip="Where models stay between shots: disk = nowhere, ram = main memory, vram = on the GPU. "
                    "auto = what the settings say, and as they come the best that fits. Kept models leave when ComfyUI "
                    "needs the room.",
                ),
                io.Combo.Input(
                    "offload",
                    options=list(OFFLOADS),
                    default="auto",
                    optional=True,
                    tooltip="Where the layers of the transformer and of Gemma come to the GPU from, one by one, on a "
                    "card that is too small for them: cpu = main memory, disk = the file (slowest). auto = only when "
                    "it has to be. Needs SDK 1.2.",
                ),
                io.Boolean.Input(
                    "compile",
                    default=False,
                    optional=True,
                    tooltip="Run the transformer through torch.compile. The first shot after a start takes minutes "
                    "longer, the next ones of any size less. Needs SDK 1.2 and a compiler.",
                ),
                io.Combo.Input(
                    "video_vae",
                    options=choices_or_none(VAES),
                    default=NONE,
                    optional=True,
                    tooltip="The video VAE of a model in several files, as LTX-2.5 (models/vae), or one that replaces "
                    "the checkpoint's. none = it is in the checkpoint. Needs SDK 1.2.",
                ),
                io.Combo.Input(
                    "audio_vae",
                    options=choices_or_none(VAES),
                    default=NONE,
                    optional=True,
                    tooltip="The audio VAE of a model in several files, as LTX-2.5 (models/vae). none = it is in the "
                    "checkpoint. Needs SDK 1.2.",
                ),
                io.Combo.Input(
                    "duration_head",
                    options=choices_or_none(MODEL_PATCHES),
                    default=NONE,
                    optional=True,
                    tooltip="What auto_duration of the shot nodes asks for the length (models/model_patches). none = "
                    "it is in the checkpoint, or not needed. Needs SDK 1.2.",
                ),
            ],
            outputs=[LTX2Model.Output(display_name="model", tooltip="For the LTX-2 nodes that make shots.")],
        )

    @classmethod
    def validate_inputs(
        cls,
        checkpoint: str | None = None,
        text_encoder: str | None = None,
        spatial_upscaler: str | None = None,
        video_vae: str | None = None,
        audio_vae: str | None = None,
        duration_head: str | None = None,
    ) -> bool | str:
        return checked_when_it_runs(checkpoint, text_encoder, spatial_upscaler, video_vae, audio_vae, duration_head)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        folders = (
            (CHECKPOINTS, "checkpoint"),
            (TEXT_ENCODERS, "text_encoder"),
            (UPSCALERS, "spatial_upscaler"),
            (VAES, "video_vae"),
            (VAES, "audio_vae"),
            (MODEL_PATCHES, "duration_head"),
        )
        return fingerprint_choices(*((folder, inputs.get(name)) for folder, name in folders))

    @classmethod
    @says_errors_in_users_language
    def execute(
        cls,
        checkpoint: str,
        text_encoder: str,
        spatial_upscaler: str,
        precision: str = "auto",
        keep: str = "auto",
        offload: str = "auto",
        compile: bool = False,
        video_vae: str = NONE,
        audio_vae: str = NONE,
        duration_head: str = NONE,
    ) -> io.NodeOutput:
        models = ModelSet(
            checkpoint=path_of(CHECKPOINTS, checkpoint),
            text_encoder=path_of(TEXT_ENCODERS, text_encoder),
            spatial_upscaler=_path_or_none(UPSCALERS, spatial_upscaler),
            precision=precision,
            keep=keep,
            offload=offload,
            compile=compile,
            video_vae=_path_or_none(VAES, video_vae),
            audio_vae=_path_or_none(VAES, audio_vae),
            duration_head=_path_or_none(MODEL_PATCHES, duration_head),
        )
        return io.NodeOutput(models)


def _path_or_none(folder: str, name: str) -> Path | None:
    return None if name == NONE else path_of(folder, name)


def fingerprint_choices(*chosen: tuple[str, Any]) -> Any:
    """Fingerprint of the files behind combos; a name that is not there (or is linked) stands for itself.

    A node that takes lists gets a list of one from ComfyUI where another gets the name.
    """
    facts: list[Any] = []
    for folder, names in chosen:
        for name in names if isinstance(names, (list, tuple)) else [names]:
            try:
                facts.append(fingerprint(path_of(folder, name)) if isinstance(name, str) else None)
            except StoryMotionError:
                facts.append(name)
    return tuple(facts)


class StoryMotionLTX2Lora(io.ComfyNode):
    """A LoRA on the transformer, with a report of how much of it fits."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionLTX2Lora",
            display_name="LTX-2 LoRA",
            category="StoryMotion/LTX-2",
            description="Adds a LoRA to the model and reports how many of its keys fit. One that does not fit is "
            "an error: the SDK itself would render as if it were not there.",
            inputs=[
                LTX2Model.Input("model", tooltip="From LTX-2 Model or another LTX-2 LoRA."),
                io.Combo.Input("lora", options=choices(LORAS), tooltip="A LoRA file for this LTX-2 version."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-4.0,
                    max=4.0,
                    step=0.05,
                    tooltip="1 = as trained, 0 = off, below 0 = the opposite.",
                ),
                io.Combo.Input(
                    "stages",
                    options=list(LORA_STAGES),
                    default=BOTH_STAGES,
                    optional=True,
                    tooltip="Which stages it works in. Two Stage and Keyframes can tell them apart; "
                    "Distilled and One Stage take both only, IC-LoRA applies LoRAs in stage 1.",
                ),
            ],
            outputs=[
                LTX2Model.Output(display_name="model", tooltip="The model with the LoRA."),
                io.String.Output(display_name="report", tooltip="What of the LoRA fits the checkpoint."),
            ],
        )

    @classmethod
    def validate_inputs(cls, lora: str | None = None) -> bool | str:
        return checked_when_it_runs(lora)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return fingerprint_choices((LORAS, inputs.get("lora")))

    @classmethod
    @says_errors_in_users_language
    def execute(cls, model: ModelSet, lora: str, strength: float, stages: str = BOTH_STAGES) -> io.NodeOutput:
        added = Lora(path_of(LORAS, lora), strength, stages)
        match = match_lora(added, inspect_models(model))
        return io.NodeOutput(model.with_lora(added), speak(match.lines(), user_language()))
