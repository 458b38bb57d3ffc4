"""A model in several files, as ComfyUI's folders hold LTX-2.5: what each has to have, and one header for all of them.

``diffusion_models`` has the transformer, ``text_encoders`` Gemma with the text projection in one file, ``vae`` the
video VAE and the audio VAE (with the vocoder). A full checkpoint may have its video VAE replaced by such a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import CheckpointPrequantised, ModelPartsMissing, SdkTooOld, WrongKindOfModel
from ..report import Line, line
from .abilities import install_line, installed
from .checkpoint import (
    CHECKPOINTS,
    CONNECTORS,
    PARTS,
    TRANSFORMER,
    CheckpointFacts,
    config_of,
    facts_of,
    inspect_checkpoint,
    kind_of,
    part_of,
    version_number,
)
from .diffusion_vae import diffusion_decoder, is_diffusion_vae
from .headers import Header, TensorFacts, read_header
from .models import ModelSet
from .prequantised import find_scales

PROJECTION = "text_embedding_projection."
# What only a full checkpoint has.
VOCODER = "vocoder."
DURATION_HEAD = "duration_head."


def inspect_models(models: ModelSet) -> CheckpointFacts:
    """What rendering needs to know of the checkpoint, or of the files that are one together.

    Raises what ``inspect_checkpoint`` raises, ModelPartsMissing, and SdkTooOld for what the installed SDK cannot read.
    """
    alone = models.video_vae is None and models.audio_vae is None
    if not alone:
        _needs_1_2("A model in several files", installed().split)
        facts = _inspect_several(models)
    elif not _is_transformer_alone(models.checkpoint):
        facts = inspect_checkpoint(models.checkpoint)
    else:
        _needs_1_2("A model in several files", installed().split)
        raise ModelPartsMissing(models.checkpoint.name, "the video VAE and the audio VAE")
    newer = "gemma_source_checkpoint" in facts.header.metadata or is_diffusion_vae(facts.header)
    if newer:
        _needs_1_2(f"'{models.checkpoint.name}' (LTX-{facts.version})", installed().knows_2_5)
    try:
        diffusion_decoder(facts.header)
    except ValueError as missing:
        raise ModelPartsMissing((models.video_vae or models.checkpoint).name, str(missing)) from None
    return facts


def is_split(models: ModelSet) -> bool:
    """Does the model have an audio VAE of its own? Then the SDK wants the path of each part."""
    return models.audio_vae is not None


def duration_head_of(models: ModelSet) -> Path | None:
    """The file that the length of a shot can be predicted from, if there is one: the chosen one, else the checkpoint.

    Raises ModelFileMissing, NotSafetensors.
    """
    for path in (models.duration_head, models.checkpoint):
        if path is not None and read_header(path, "duration head").has_prefix(DURATION_HEAD):
            return path
    return None


def other_versions(models: ModelSet, checkpoint: CheckpointFacts) -> tuple[Line, ...]:
    """A line for each VAE that was published with another version than the transformer."""
    lines = []
    for path in (models.video_vae, models.audio_vae):
        version = read_header(path, "VAE").metadata.get("model_version", "") if path else ""
        if path and version_number(version) and version_number(version) != version_number(checkpoint.version):
            facts = {"name": path.name, "version": version, "wanted": checkpoint.version}
            lines.append(line("vae-version", **facts, checkpoint=models.checkpoint.name))
    return tuple(lines)


def _needs_1_2(what: str, can: bool) -> None:
    if not can:
        raise SdkTooOld(what, install_line())


def _is_transformer_alone(path: Path) -> bool:
    header = read_header(path, "checkpoint")
    blocks = f"{TRANSFORMER}transformer_blocks."
    return header.has_prefix(blocks) and not any(header.has_prefix(part) for part in ("vae.", "audio_vae.", VOCODER))


def _inspect_several(models: ModelSet) -> CheckpointFacts:
    main = read_header(models.checkpoint, "checkpoint")
    tensors, config = dict(main.tensors), dict(config_of(main))
    if kind_of(main) not in CHECKPOINTS:
        raise WrongKindOfModel(main.path.name, "the checkpoint", kind_of(main), "a file of diffusion_models")
    if models.video_vae is not None:
        vae = _part(models.video_vae, "video VAE", ("vae.encoder.", "vae.decoder."), ("vae",))
        tensors = _replaced(tensors, ("vae.",), vae.tensors)
        config["vae"] = config_of(vae)["vae"]
    if models.audio_vae is not None:
        audio = _part(models.audio_vae, "audio VAE", ("audio_vae.decoder.", VOCODER), ("audio_vae", "vocoder"))
        tensors = _replaced(tensors, ("audio_vae.", VOCODER), audio.tensors)
        config |= {name: part for name, part in config_of(audio).items() if name in ("audio_vae", "vocoder")}
    if models.text_encoder.is_file():
        text = read_header(models.text_encoder, "text encoder")
        tensors |= {name: facts for name, facts in text.tensors.items() if name.startswith((PROJECTION, *CONNECTORS))}
    metadata = {**main.metadata, "config": json.dumps(config)}
    header = Header(main.path, tensors, metadata)
    missing = [part for prefix, part in PARTS.items() if not header.has_prefix(prefix)]
    if missing:
        raise ModelPartsMissing(main.path.name, ", ".join(missing) + " (in no file that was chosen)")
    return facts_of(header)


def _part(path: Path, role: str, prefixes: tuple[str, ...], configured: tuple[str, ...]) -> Header:
    """A VAE with everything that belongs to it, the prefix "vae." added where a file leaves it away."""
    header = read_header(path, role)
    if role == "video VAE":
        header = replace(header, tensors={_with_vae(name): facts for name, facts in header.tensors.items()})
    missing = [PARTS[prefix] for prefix in prefixes if not header.has_prefix(prefix)]
    if len(missing) == len(prefixes):
        raise WrongKindOfModel(path.name, f"the {role}", kind_of(header), f"an LTX-2 {role}")
    lacking = [part for part in configured if not part_of(config_of(header), part)]
    missing += [f"'{part}' in the 'config' entry of its header" for part in lacking]
    if missing:
        raise ModelPartsMissing(path.name, ", ".join(missing))
    if find_scales(header):
        raise CheckpointPrequantised(path.name, f"the {role} has to be bf16")
    return header


def _with_vae(name: str) -> str:
    """Files of ``vae`` may leave the prefix away."""
    return f"vae.{name}" if name.startswith(("encoder.", "decoder.", "per_channel_statistics.")) else name


def _replaced(
    tensors: Mapping[str, TensorFacts], prefixes: tuple[str, ...], others: Mapping[str, TensorFacts]
) -> dict[str, TensorFacts]:
    kept = {name: facts for name, facts in tensors.items() if not name.startswith(prefixes)}
    return kept | {name: facts for name, facts in others.items() if name.startswith(prefixes)}
