"""Checkpoints whose weights are 8-bit floats with separate scales: folded into plain weights while they load.

Such is Lightricks' own ltx-2.3-22b-dev-fp8: "<layer>.weight" in float8_e4m3fn, "<layer>.weight_scale" (float32, one
number) by which it must be multiplied, and "<layer>.input_scale" for matrix products in 8 bits. SDK 1.0.0 loads the
weights and drops the scales without a word, which makes weights hundreds of times too large and the shot noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointPrequantised
from ..report import Line, line
from .headers import Header
from .layers import as_not_compiled
from .scales import EIGHT_BIT_FLOATS, FLOATS, NEEDLESS_ENDINGS, read_scales, scale_problem, weight_of_scale

if TYPE_CHECKING:
    import torch
    from ltx_core.loader import KeyValueOperationResult, SDOps

# What has to be undone in another way than by one multiplication: NVFP4, blocks, AWQ, zero points, bitsandbytes,
# and biases in 8 bits, which no known file has.
STRANGE_ENDINGS = (
    ".weight_scale_2",
    ".weight_scale_inv",
    ".pre_quant_scale",
    ".weight_zero_point",
    ".weight_s_rel",
    ".weight.absmax",
    ".bias_scale",
)
# The builders of a ModelLedger that read the checkpoint.
BUILDERS = (
    "transformer_builder",
    "embeddings_processor_builder",
    "vae_encoder_builder",
    "vae_decoder_builder",
    "audio_encoder_builder",
    "audio_decoder_builder",
    "vocoder_builder",
)


def find_scales(header: Header) -> dict[str, str]:
    """Weight -> its scale, for every weight of the file that has one.

    Raises CheckpointPrequantised when a weight is packed, or scaled in a way that one multiplication
    cannot undo.
    """
    scales: dict[str, str] = {}
    for name, facts in header.tensors.items():
        weight = weight_of_scale(name)
        problem = None
        if name.endswith(STRANGE_ENDINGS):
            problem = "such scales cannot be multiplied in"
        elif name.endswith(".weight") and facts.dtype not in FLOATS | EIGHT_BIT_FLOATS:
            problem = f"numbers of type {facts.dtype}"
        elif weight is not None and weight in header.tensors:
            problem = scale_problem(facts, header.tensors[weight])
            scales[weight] = name
        if problem:
            raise CheckpointPrequantised(header.path.name, f"{problem} ({name})")
    return scales


def eight_bit_weights(header: Header) -> int:
    """How many tensors of the file are 8-bit floats."""
    return sum(facts.dtype in EIGHT_BIT_FLOATS for facts in header.tensors.values())


def lines(header: Header, precision: str) -> tuple[Line, ...]:
    """What happens to a checkpoint with 8-bit weights, as report lines; nothing for any other."""
    count = eight_bit_weights(header)
    if not count:
        return ()
    code = "checkpoint-8-bit-stays" if precision == "fp8" else "checkpoint-8-bit-unfolded"
    return (line(code, name=header.path.name, count=count),)


def fold_scales(ledger: Any, header: Header) -> None:
    """Make ``ledger`` (a ModelLedger of the checkpoint of ``header``) load 8-bit weights as what they stand for.

    Each becomes weight * scale, computed in float32, in the ledger's type (bfloat16); what the ledger's
    quantization asks for comes after that. The result is that of a bfloat16 checkpoint with those
    numbers in it. Parts of the checkpoint without 8-bit weights are left as they are. Changes
    ``model_sd_ops`` of the ledger's builders, and nothing when the file has no 8-bit weights.
    """
    if not eight_bit_weights(header):
        return
    by_weight = _scales_of(header)
    for name in BUILDERS:
        builder = getattr(ledger, name)
        policy = ledger.quantization.sd_ops if name == "transformer_builder" and ledger.quantization else None
        operations = _folding(builder.model_sd_ops, policy, header, by_weight, ledger.dtype)
        setattr(ledger, name, replace(builder, model_sd_ops=operations))


def fold_builder(builder: Any, header: Header, policy: SDOps | None) -> Any:
    """As ``fold_scales``, for one builder of SDK 1.2; ``policy``: what the transformer's quantization does to tensors.

    Returned as it is where it does not read the file of ``header``.
    """
    paths = builder.model_path if isinstance(builder.model_path, tuple) else (builder.model_path,)
    if str(header.path) not in paths or not eight_bit_weights(header):
        return builder
    import torch

    operations = _folding(builder.model_sd_ops, policy, header, _scales_of(header), torch.bfloat16)
    if operations is builder.model_sd_ops:
        return builder
    return builder.with_sd_ops(_without_scales(operations, header))


def _without_scales(operations: SDOps, header: Header) -> SDOps:
    """``operations`` that do not fit the names of scales.

    Weights that are streamed layer by layer have a buffer for every name that fits, and none for scales. The SDK's
    ``allowed_keys`` would do, but they are lost where it adds a quantization to the operations.
    """
    from ltx_core.loader.sd_ops import ContentMatching

    weights = (name for name in header.tensors if weight_of_scale(name) is None and not name.endswith(NEEDLESS_ENDINGS))
    endings = sorted({"." + name.rpartition(".")[2] for name in weights})
    matching, others = [], []
    for operation in operations.mapping:
        if not isinstance(operation, ContentMatching):
            others.append(operation)
        elif operation.suffix:
            matching.append(operation)
        else:
            matching += [replace(operation, suffix=ending) for ending in endings]
    return replace(operations, mapping=(*matching, *others))


def _scales_of(header: Header) -> dict[str, torch.Tensor]:
    names = find_scales(header)
    scales = read_scales(header.path, names.values())
    return {weight: scales[name].float() for weight, name in names.items()}


def _folding(
    operations: SDOps,
    policy: SDOps | None,
    header: Header,
    scales: Mapping[str, torch.Tensor],
    dtype: torch.dtype,
) -> SDOps:
    """``operations`` with the multiplication before whatever they do to a tensor.

    Of several operations that fit a key the SDK runs only the first. So this one fits every key, and
    calls the others itself: those of the builder and those of the quantization policy that
    ModelLedger.transformer() appends.
    """
    from ltx_core.loader import SDKeyValueOperation, SDOps

    names = {new: name for name in header.tensors if (new := operations.apply_to_key(name)) is not None}
    if not any(header.tensors[name].dtype in EIGHT_BIT_FLOATS for name in names.values()):
        return operations
    after = SDOps("", (*operations.mapping, *(policy.mapping if policy else ())))

    def fold(tensor_key: str, tensor_value: torch.Tensor) -> list[KeyValueOperationResult]:
        name = names.get(as_not_compiled(tensor_key))
        if name is None:  # of another file that the same model is read from
            return after.apply_to_key_value(tensor_key, tensor_value)
        # The SDK would take a scale that is still there for one that belongs to the weight it has now.
        if weight_of_scale(name) is not None:
            return []
        scale = scales.get(name)
        if scale is not None:
            tensor_value = tensor_value.float() * scale.to(tensor_value.device)
        if tensor_value.is_floating_point():
            tensor_value = tensor_value.to(dtype)
        return after.apply_to_key_value(tensor_key, tensor_value)

    renaming = tuple(each for each in operations.mapping if not isinstance(each, SDKeyValueOperation))
    return SDOps(f"{operations.name}+scales", renaming).with_kv_operation(fold)
