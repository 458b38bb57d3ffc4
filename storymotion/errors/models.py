"""Errors of the SDK and of model files."""

from __future__ import annotations

from dataclasses import dataclass

from .base import StoryMotionError


class ModelError(StoryMotionError):
    """The SDK or a model file is missing or is not what it should be."""


@dataclass(eq=False)
class SdkMissing(ModelError):
    """ltx-core / ltx-pipelines (or something they import) cannot be imported."""

    code = "sdk-missing"
    problem = "Lightricks' LTX-2 SDK is not installed in ComfyUI's Python ({reason})."
    remedy = 'Run: "{python}" -m pip install "ltx-core>=1.0,<2" "ltx-pipelines>=1.0,<2", then restart ComfyUI.'
    reason: str
    python: str


@dataclass(eq=False)
class SdkUnsupported(ModelError):
    """An SDK is installed whose shape no adapter knows."""

    code = "sdk-unsupported"
    problem = "The installed LTX-2 SDK {version} is not one that this version of StoryMotion knows."
    remedy = 'Run: "{python}" -m pip install "ltx-core==1.0.0" "ltx-pipelines==1.0.0", then restart ComfyUI.'
    version: str
    python: str


@dataclass(eq=False)
class SdkBroken(ModelError):
    """ltx-core and ltx-pipelines are there, but not of one version, or what they import is too old or too new."""

    code = "sdk-broken"
    problem = "Lightricks' LTX-2 SDK is installed (ltx-core {core}, ltx-pipelines {pipelines}), but fails: {reason}."
    remedy = (
        'Run: "{python}" -m pip install --upgrade "ltx-core==1.0.0" "ltx-pipelines==1.0.0", or install both of version '
        "1.2 as the README says, then restart ComfyUI."
    )
    core: str
    pipelines: str
    reason: str
    python: str


@dataclass(eq=False)
class SdkTooOld(ModelError):
    """What was asked for came with SDK 1.2."""

    code = "sdk-too-old"
    problem = "{what} needs Lightricks' LTX-2 SDK 1.2, and an older one is installed."
    remedy = "Run: {install} and restart ComfyUI; the README says how to go back."
    what: str
    install: str


@dataclass(eq=False)
class WrongGemma(ModelError):
    """The checkpoint was trained with another Gemma."""

    code = "wrong-gemma"
    problem = "'{name}' is not the text encoder of '{checkpoint}', which asks for {asked} and not for {found}."
    remedy = "Choose the text encoder that Lightricks publishes beside the checkpoint."
    name: str
    checkpoint: str
    asked: str
    found: str


@dataclass(eq=False)
class PromptNotEnhanced(ModelError):
    """SDK 1.2 has no way to let this Gemma write."""

    code = "prompt-not-enhanced"
    problem = "The text encoder '{name}' ({kind}) cannot rewrite prompts, Gemma 3 can."
    remedy = "Switch enhance_prompt off, or write the longer prompt yourself."
    name: str
    kind: str


@dataclass(eq=False)
class LengthNotPredicted(ModelError):
    """auto_duration was asked for where nothing can tell how long a shot should be."""

    code = "length-not-predicted"
    problem = "The length of the shot cannot be predicted: {reason}."
    remedy = (
        "Switch auto_duration off and say how many frames; with it, choose a duration head in LTX-2 Model and guides "
        "for frame 0 only."
    )
    reason: str


@dataclass(eq=False)
class CompilerMissing(ModelError):
    """torch.compile was asked for where it cannot run."""

    code = "compiler-missing"
    problem = "compile needs {what}."
    remedy = "Install it and restart ComfyUI, or switch compile off in LTX-2 Model."
    what: str


@dataclass(eq=False)
class SdkChanged(ModelError):
    """The SDK has the shape of one that we know, but a part that StoryMotion takes hold of is gone."""

    code = "sdk-changed"
    problem = "The installed LTX-2 SDK {version} has no {name} any more, which StoryMotion takes hold of ({purpose})."
    remedy = "Install the version of the SDK that the README names, or a newer StoryMotion."
    name: str
    purpose: str
    version: str


@dataclass(eq=False)
class ModelFileMissing(ModelError):
    """The chosen file or folder is not there (any more)."""

    code = "model-file-missing"
    problem = "The {role} '{name}' was not found in {folder}."
    remedy = "Choose one from the list, or put the file there and press R to refresh the lists."
    role: str
    name: str
    folder: str


@dataclass(eq=False)
class NoModelFiles(ModelError):
    """The folder of the choice has nothing to choose from."""

    code = "no-model-files"
    problem = "There is no {role} in {folder}."
    remedy = "Put one there (the README's table says which file, its size and where to get it) and press R."
    role: str
    folder: str


@dataclass(eq=False)
class NotSafetensors(ModelError):
    """The file is not a readable safetensors file: another format, or a broken download."""

    code = "not-safetensors"
    problem = "'{name}' is not a readable safetensors file: {reason}."
    remedy = "Download it again, and compare its size with the README's table."
    name: str
    reason: str


@dataclass(eq=False)
class WrongKindOfModel(ModelError):
    """The file is a model, but not of the kind that goes here."""

    code = "wrong-kind-of-model"
    problem = "'{name}' was chosen as {role}, but it is {found}."
    remedy = "Choose {wanted} here."
    name: str
    role: str
    found: str
    wanted: str


@dataclass(eq=False)
class CheckpointIncomplete(ModelError):
    """Parts of the checkpoint are missing, as in files that hold the transformer alone."""

    code = "checkpoint-incomplete"
    problem = "The checkpoint '{name}' lacks: {missing}."
    remedy = "Use Lightricks' full checkpoint, which holds the transformer, both VAEs and the vocoder in one file."
    name: str
    missing: str


@dataclass(eq=False)
class ModelPartsMissing(CheckpointIncomplete):
    """A model in several files lacks one of them, or one of them lacks a part."""

    code = "model-parts-missing"
    problem = "'{name}' lacks: {missing}."
    remedy = "Choose all files of the model in LTX-2 Model: transformer, text encoder, video VAE and audio VAE."


@dataclass(eq=False)
class CheckpointPrequantised(ModelError):
    """Weights are packed or scaled in a way that loading cannot undo (4 bits, integers, blocks)."""

    code = "checkpoint-prequantised"
    problem = "The weights of '{name}' are quantised in a way that cannot be read: {reason}."
    remedy = "Use the bf16 file (with precision fp8 if memory is short), or an fp8 one with one scale for each weight."
    name: str
    reason: str


@dataclass(eq=False)
class TextEncoderIncomplete(ModelError):
    """The Gemma folder lacks files, or its index names other weight files than are there."""

    code = "text-encoder-incomplete"
    problem = "The text encoder '{name}' lacks: {missing}."
    remedy = (
        "Download the whole Gemma 3 folder (accept its licence on the model page first), not single files; "
        "for LTX-2.5 the one file that comes with it."
    )
    name: str
    missing: str


@dataclass(eq=False)
class DoesNotFit(ModelError):
    """The weights of one model are larger than all memory of the device. Sizes in GiB."""

    code = "does-not-fit"
    problem = "The {component} needs {needed:.1f} GiB for its weights alone, but {device} has {total:.1f} GiB."
    remedy = "Use a device with about {enough} GiB for this shot."
    component: str
    needed: float
    device: str
    total: float
    enough: int


@dataclass(eq=False)
class PrecisionDoesNotFit(DoesNotFit):
    """The same, and 8-bit weights would fit."""

    code = "precision-does-not-fit"
    problem = "The {component} in bf16 needs {needed:.1f} GiB for its weights alone, but {device} has {total:.1f} GiB."
    remedy = "Set precision to fp8, which needs {smaller:.1f} GiB; bf16 takes a device with about {enough} GiB."
    smaller: float


@dataclass(eq=False)
class OffloadNeeded(DoesNotFit):
    """The same, and it would fit with its layers streamed, which the user has ruled out."""

    code = "offload-needed"
    remedy = "Set offload to auto, cpu or disk in LTX-2 Model, or use a device with about {enough} GiB for this shot."


@dataclass(eq=False)
class NewerSdkNeeded(DoesNotFit):
    """The same, and it would fit with its layers streamed, as SDK 1.2 can."""

    code = "newer-sdk-needed"
    remedy = (
        "Use a device with about {enough} GiB for this shot, or SDK 1.2, which brings the layers one by one: "
        "run {install} and restart ComfyUI."
    )
    install: str


@dataclass(eq=False)
class RenderFailed(ModelError):
    """The SDK itself failed while rendering; its own message is in ``reason``."""

    code = "render-failed"
    problem = "The LTX-2 SDK stopped while {phase}: {reason}."
    remedy = "Try a smaller size or fewer frames; if it stays, report the log of this run."
    phase: str
    reason: str
