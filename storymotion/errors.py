"""Every error that StoryMotion raises on purpose.

    StoryMotionError
    |-- ValueOutOfRange         a number is outside its range, or not a number
    |-- UnknownChoice           a name is not one of the offered ones
    |-- ShotError
    |   |-- SizeNotMultiple     width or height is off the model's grid
    |   |-- FramesNotOnGrid     the frame count is not 8k+1
    |   `-- ShotWithoutSound    the shot is too short for the sound model
    |-- GuidanceBlockMissing    STG names a transformer block that the checkpoint does not have
    |-- GuideError
    |   |-- UnreadableImage     no picture can be made of the input
    |   |-- SeveralPictures     a batch came where one picture belongs
    |   |-- GuideOutsideShot    the frame of a guide is not in the shot
    |   |-- GuidesOnSameFrame   two guides ask for the same frame
    |   `-- GuidesMissing         keyframes were asked for without a picture
    |-- ModelError
    |   |-- SdkMissing          ltx-core / ltx-pipelines are not installed
    |   |-- SdkUnsupported      they are installed, but a version we do not know
    |   |-- ModelFileMissing    the chosen file is not there
    |   |-- NoModelFiles        the folder of the choice has nothing to choose from
    |   |-- NotSafetensors      the file is not a readable safetensors file
    |   |-- WrongKindOfModel    the file is a model, but not of the kind that goes here
    |   |-- CheckpointIncomplete  parts of the checkpoint are missing
    |   |-- CheckpointPrequantised  its weights are quantised in a way that cannot be undone while loading
    |   |-- TextEncoderIncomplete  the Gemma folder lacks files
    |   |-- DoesNotFit          weights of one model are larger than all memory of the device
    |   |   `-- PrecisionDoesNotFit  they are in bf16, but not in fp8
    |   `-- RenderFailed        the SDK itself failed while rendering
    |-- LoraError
    |   |-- LoraMatchesNothing  none of its keys names a layer of the checkpoint
    |   |-- LoraShapeMismatch   it was trained for a model of another size
    |   |-- LoraUnsupported     it is more than a LoRA, or of a kind that the SDK cannot apply
    |   |-- LoraIncomplete      a layer has one of its two matrices
    |   |-- LoraLayerTwice      two keys are the same part of one layer
    |   |-- LoraAmbiguous       a flattened key can mean several layers
    |   |-- LoraScaleUnusable   an alpha or a scale in it is no finite number
    |   |-- LoraStageImpossible  the pipeline cannot apply it in the stage that was asked for
    |   |-- LoraReferenceConflict  IC-LoRAs want reference videos of different sizes
    |   `-- Fp8LoraNeedsTriton  LoRAs cannot be added to 8-bit weights on this machine
    `-- MediaError
        |-- NoFrames            nothing to encode
        |-- OddSize             4:2:0 video needs even sides
        |-- WrongFrame          a frame is not 8-bit RGB of the video's size
        |-- EncodeFailed        the encoder or the disk refused
        `-- UnreadableVideo     the file cannot be opened, or has no video

An error is one sentence on what is wrong, with the value in it, and one on what to do. Both are
English here; ``messages/ko.json`` has the Korean of every ``code``, and a test proves that none is
missing. ``str(error)`` speaks the language in ``error.language``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from .messages import korean


@dataclass(eq=False)
class StoryMotionError(Exception):
    """Base of the tree. Subclasses are dataclasses whose fields fill the two sentences."""

    code: ClassVar[str] = "storymotion"
    problem: ClassVar[str] = "StoryMotion could not do this."
    remedy: ClassVar[str] = "See the log above for the reason."
    language = "en"  # of ``str(error)``; set on the error by whoever shows it

    def __post_init__(self) -> None:
        super().__init__()

    def values(self) -> dict[str, object]:
        """The fields that fill the sentences, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def speak(self, language: str) -> str:
        """Both sentences in English, for ``language == "ko"`` followed by the Korean on a new line."""
        english = f"{self.problem} {self.remedy}".format(**self.values())
        return f"{english}\n{korean('errors', self.code, self.values())}" if language == "ko" else english

    def __str__(self) -> str:
        return self.speak(self.language)


@dataclass(eq=False)
class ValueOutOfRange(StoryMotionError):
    """A number is outside its range; NaN and infinities are outside every range."""

    code = "value-out-of-range"
    problem = "{name} is {value}."
    remedy = "Set it to a number from {lowest} to {highest}."
    name: str
    value: float
    lowest: float
    highest: float


@dataclass(eq=False)
class UnknownChoice(StoryMotionError):
    """A name is not one of the offered ones."""

    code = "unknown-choice"
    problem = "{name} is '{value}', which is not one of the choices."
    remedy = "Choose one of: {choices}."
    name: str
    value: str
    choices: str


@dataclass(eq=False)
class GuidanceBlockMissing(StoryMotionError):
    """STG names a block that is not there; the SDK would do nothing and still take the time."""

    code = "guidance-block-missing"
    problem = "{name} is {value}, but the checkpoint has the blocks 0 to {last}."
    remedy = "Use a block from 0 to {last}, several such as 28,29, or auto; to switch STG off set stg to 0."
    name: str
    value: str
    last: int


class ShotError(StoryMotionError):
    """The plan of a shot cannot be rendered."""


@dataclass(eq=False)
class SizeNotMultiple(ShotError):
    """Width or height is off the model's grid: 32 pixels in one stage, 64 in two."""

    code = "size-not-multiple"
    problem = "The {side} of the shot is {value} pixels, which is not a multiple of {multiple}."
    remedy = "Use {lower} or {upper}, or take the size from the Shot Plan node."
    side: str
    value: int
    multiple: int
    lower: int
    upper: int


@dataclass(eq=False)
class FramesNotOnGrid(ShotError):
    """The frame count is not 8k+1: the SDK would cut the video and not the sound."""

    code = "frames-not-on-grid"
    problem = "The shot has {frames} frames, but LTX-2 makes 8k+1 frames (9, 17, ... 121, ... 193)."
    remedy = "Use {lower} or {upper}, or take the frames from the Shot Plan node."
    frames: int
    lower: int
    upper: int


@dataclass(eq=False)
class ShotWithoutSound(ShotError):
    """Frames / fps is so short that the sound model gets nothing to make."""

    code = "shot-without-sound"
    problem = "{frames} frames at {fps:g} frames per second last {seconds:.3f} s, too short for any sound."
    remedy = "Use more frames or fewer frames per second: a shot lasts at least 0.02 s."
    frames: int
    fps: float
    seconds: float


class GuideError(StoryMotionError):
    """A guide image cannot be used."""


@dataclass(eq=False)
class UnreadableImage(GuideError):
    """No picture can be made of the input."""

    code = "unreadable-image"
    problem = "The guide image cannot be read: {reason}."
    remedy = "Load a PNG, JPEG or WebP picture of at least 2 x 2 pixels with the Load Image node."
    reason: str


@dataclass(eq=False)
class SeveralPictures(GuideError):
    """A batch came where one picture belongs."""

    code = "several-pictures"
    problem = "The image input holds {count} pictures, but a guide is one picture."
    remedy = "Pick one with the ImageFromBatch node, or use one Image Guide node for each."
    count: int


@dataclass(eq=False)
class GuideOutsideShot(GuideError):
    """The frame of a guide is not in the shot; the SDK would accept it and render something else."""

    code = "guide-outside-shot"
    problem = "A guide is set on frame {frame}, but the shot has the frames 0 to {last}."
    remedy = "Use a frame from 0 to {last}, or -1 for the last one."
    frame: int
    last: int


@dataclass(eq=False)
class GuidesOnSameFrame(GuideError):
    """Two guides ask for the same frame; the SDK would mix them without a word."""

    code = "guides-on-same-frame"
    problem = "Two guides are set on frame {frame}."
    remedy = "Keep one of them, or move one to another frame."
    frame: int


@dataclass(eq=False)
class GuidesMissing(GuideError):
    """Keyframes were asked for without a picture; the SDK would render from the prompt alone."""

    code = "guides-missing"
    problem = "The Keyframes node has no guides."
    remedy = "Connect at least one Image Guide, usually one on frame 0 and one on frame -1."


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
    problem = "The text encoder folder '{name}' lacks: {missing}."
    remedy = "Download the whole Gemma 3 folder (accept its licence on the model page first), not single files."
    name: str
    missing: str


@dataclass(eq=False)
class DoesNotFit(ModelError):
    """The weights of one model are larger than all memory of the device. Sizes in GiB."""

    code = "does-not-fit"
    problem = "The {component} needs {needed:.1f} GiB for its weights alone, but {device} has {total:.1f} GiB."
    remedy = (
        "Use a device with about {enough} GiB for this shot. LTX-2 SDK 1.0 cannot run a model in parts; "
        "SDK 1.2 can, but this version of StoryMotion does not support it."
    )
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
class RenderFailed(ModelError):
    """The SDK itself failed while rendering; its own message is in ``reason``."""

    code = "render-failed"
    problem = "The LTX-2 SDK stopped while {phase}: {reason}."
    remedy = "Try a smaller size or fewer frames; if it stays, report the log of this run."
    phase: str
    reason: str


class LoraError(StoryMotionError):
    """A LoRA file cannot be used with this checkpoint."""


@dataclass(eq=False)
class LoraMatchesNothing(LoraError):
    """No key names a layer of the checkpoint: the SDK would render as if there were no LoRA."""

    code = "lora-matches-nothing"
    problem = "None of the {keys} keys of the LoRA '{name}' fits the checkpoint '{checkpoint}' (first key: {example})."
    remedy = "Use a LoRA made for this LTX-2 version: its keys name layers like transformer_blocks.0.attn1.to_q."
    name: str
    checkpoint: str
    keys: int
    example: str


@dataclass(eq=False)
class LoraShapeMismatch(LoraError):
    """The LoRA names layers of the checkpoint, but was trained for a model of another size."""

    code = "lora-shape-mismatch"
    problem = (
        "The LoRA '{name}' was made for a model of another size than '{checkpoint}' ({made_for}): "
        "{layer} is {found} in the LoRA and {wanted} in the checkpoint."
    )
    remedy = "Use a LoRA that was made for this LTX-2 version and checkpoint."
    name: str
    checkpoint: str
    made_for: str
    layer: str
    found: str
    wanted: str


@dataclass(eq=False)
class LoraUnsupported(LoraError):
    """The file holds something that changes the result and that the SDK's fusion cannot apply."""

    code = "lora-unsupported"
    problem = "The LoRA '{name}' holds {kind} (key: {example}), which the LTX-2 SDK cannot apply."
    remedy = "Use a plain LoRA of it: lora_A and lora_B (or lora_down and lora_up) for each layer, 8 bits or more."
    name: str
    kind: str
    example: str


@dataclass(eq=False)
class LoraIncomplete(LoraError):
    """A layer has one of its two matrices; the SDK would skip it without a word."""

    code = "lora-incomplete"
    problem = "The LoRA '{name}' is broken: layer {layer} lacks its {missing} matrix (it has {found})."
    remedy = "Download the file again, or export it again with the program that made it."
    name: str
    layer: str
    missing: str
    found: str


@dataclass(eq=False)
class LoraLayerTwice(LoraError):
    """Two keys are the same part of one layer: several adapters, or several layouts, in one file."""

    code = "lora-layer-twice"
    problem = "The LoRA '{name}' has layer {layer} twice: {first} and {second}."
    remedy = "Export each adapter to a file of its own, and chain them with several LTX-2 LoRA nodes."
    name: str
    layer: str
    first: str
    second: str


@dataclass(eq=False)
class LoraAmbiguous(LoraError):
    """A key with underscores for dots can mean several layers of the checkpoint."""

    code = "lora-ambiguous"
    problem = "The key {key} of the LoRA '{name}' can mean more than one layer: {layers}."
    remedy = "Export the LoRA in ComfyUI's layout, with keys like 'diffusion_model.<layer>.lora_A.weight'."
    name: str
    key: str
    layers: str


@dataclass(eq=False)
class LoraScaleUnusable(LoraError):
    """An alpha or a scale is NaN or infinite: the shot would be black."""

    code = "lora-scale-unusable"
    problem = "The LoRA '{name}' has the number {value} in {key}, by which nothing can be multiplied."
    remedy = "The file is broken or its training failed: download it again, or use another one."
    name: str
    key: str
    value: str


@dataclass(eq=False)
class LoraStageImpossible(LoraError):
    """The pipeline cannot apply the LoRA in the stage that was asked for."""

    code = "lora-stage-impossible"
    problem = "The LoRA '{name}' is set to {stages}, but {reason}."
    remedy = "Set its stages to both, or use the Two Stage or the Keyframes node."
    name: str
    stages: str
    reason: str


@dataclass(eq=False)
class LoraReferenceConflict(LoraError):
    """One reference video cannot have several sizes."""

    code = "lora-reference-conflict"
    problem = "The IC-LoRAs want the reference video smaller by different factors: {factors}."
    remedy = "Use one of them at a time."
    factors: str


@dataclass(eq=False)
class Fp8LoraNeedsTriton(LoraError):
    """SDK 1.0.0 adds LoRAs to 8-bit weights on CUDA with a Triton kernel, and Triton is not installed."""

    code = "fp8-lora-needs-triton"
    problem = "The LoRA '{name}' cannot be added to fp8 weights here, because Triton is not installed."
    remedy = "Set precision to bf16, or install Triton (on Windows: pip install triton-windows)."
    name: str


class MediaError(StoryMotionError):
    """A video file cannot be written or read."""


@dataclass(eq=False)
class NoFrames(MediaError):
    """Nothing to encode."""

    code = "no-frames"
    problem = "The video has no frames."
    remedy = "Connect a node that makes at least one frame."


@dataclass(eq=False)
class OddSize(MediaError):
    """4:2:0 video stores colour at half size, so both sides must be even."""

    code = "odd-size"
    problem = "The video is {width} x {height} pixels, but {pixel_format} needs even sides."
    remedy = "Resize it to {even_width} x {even_height}, or choose yuv444p."
    width: int
    height: int
    pixel_format: str
    even_width: int
    even_height: int


@dataclass(eq=False)
class WrongFrame(MediaError):
    """A frame is not 8-bit RGB of the video's size."""

    code = "wrong-frame"
    problem = "Frame {index} is {found}, but this video needs {wanted}."
    remedy = "Give frames of one size as 8-bit RGB."
    index: int
    found: str
    wanted: str


@dataclass(eq=False)
class EncodeFailed(MediaError):
    """The encoder or the disk refused; no half-written file is left behind."""

    code = "encode-failed"
    problem = "The video '{name}' could not be written: {reason}."
    remedy = "Check that the disk has room and that the output folder can be written to."
    name: str
    reason: str


@dataclass(eq=False)
class UnreadableVideo(MediaError):
    """The file cannot be opened as video, or holds no video."""

    code = "unreadable-video"
    problem = "The video '{name}' cannot be read: {reason}."
    remedy = "Check that the file is there and plays in a media player."
    name: str
    reason: str
