"""Errors of LoRA files."""

from __future__ import annotations

from dataclasses import dataclass

from .base import StoryMotionError


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
class LoraNotStreamable(LoraError):
    """SDK 1.2 streams a LoRA from its file without translating its keys and numbers."""

    code = "lora-not-streamable"
    problem = "The LoRA '{name}' has to be translated while it loads, which offload = disk cannot do."
    remedy = "Choose offload = cpu in LTX-2 Model, or convert the LoRA to ComfyUI's layout without alphas."
    name: str


@dataclass(eq=False)
class Fp8LoraNeedsTriton(LoraError):
    """SDK 1.0.0 adds LoRAs to 8-bit weights on CUDA with a Triton kernel, and Triton is not installed."""

    code = "fp8-lora-needs-triton"
    problem = "The LoRA '{name}' cannot be added to fp8 weights here, because Triton is not installed."
    remedy = "Set precision to bf16, or install Triton (on Windows: pip install triton-windows)."
    name: str
