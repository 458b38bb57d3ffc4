"""A model in several files, as ComfyUI's folders hold LTX-2.5: what each has to have, and one header for all of them.

``diffusion_models`` has the transformer, ``text_encoders`` Gemma with the text projection in one file, ``vae`` the
video VAE and the audio VAE (with the vocoder). A full checkpoint may have its video VAE replaced by such a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointIncomplete, CheckpointPrequantised, SdkTooOld, WrongKindOfModel
from .abilities import install_line, installed
from .checkpoint import CONNECTORS, PARTS, TRANSFORMER, CheckpointFacts, config_of, facts_of, inspect_checkpoint
from .headers import Header, TensorFacts, read_header
from .models import ModelSet
from .prequantised import find_scales

PROJECTION = "text_embedding_projection."
# What only a full checkpoint has.
VOCODER = "vocoder."
DURATION_HEAD = "duration_head."
CONV_VAE = "CausalVideoAutoencoder"


def inspect_models(models: ModelSet) -> CheckpointFacts:
    """What rendering needs to know of the checkpoint, or of the files that are one together.

    Raises what ``inspect_checkpoint`` raises, and SdkTooOld for what the installed SDK cannot read.
    """
    alone = models.video_vae is None and models.audio_vae is None
    if not alone:
        _needs_1_2("A model in several files", installed().split)
        facts = _inspect_several(models)
    elif not _is_transformer_alone(models.checkpoint):
        facts = inspect_checkpoint(models.checkpoint)
    else:
        _needs_1_2("A model in several files", installed().split)
        raise CheckpointIncomplete(models.checkpoint.name, "the VAEs: choose the files of video_vae and audio_vae")
    config = config_of(facts.header)
    newer = "gemma_source_checkpoint" in facts.header.metadata or _vae_class(config) != CONV_VAE
    if newer:
        _needs_1_2(f"'{models.checkpoint.name}' (LTX-{facts.version})", installed().knows_2_5)
    return facts


def is_split(models: ModelSet) -> bool:
    """Is the checkpoint of ``models`` a transformer alone?"""
    return models.audio_vae is not None


def duration_head_of(models: ModelSet) -> Path | None:
    """The file that the length of a shot can be predicted from, if there is one."""
    path = models.duration_head or models.checkpoint
    return path if read_header(path, "duration head").has_prefix(DURATION_HEAD) else None


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
    if not main.has_prefix(f"{TRANSFORMER}transformer_blocks."):
        raise WrongKindOfModel(main.path.name, "the checkpoint", "no LTX-2 transformer", "a file of diffusion_models")
    if models.video_vae is not None:
        vae = _part(models.video_vae, "video VAE")
        named = {_with_vae(name): facts for name, facts in vae.tensors.items()}
        tensors = _replaced(tensors, ("vae.",), named)
        config["vae"] = config_of(vae).get("vae", {})
    if models.audio_vae is not None:
        audio = _part(models.audio_vae, "audio VAE")
        tensors = _replaced(tensors, ("audio_vae.", VOCODER), audio.tensors)
        config |= {name: part for name, part in config_of(audio).items() if name in ("audio_vae", "vocoder")}
    if models.text_encoder.is_file():
        text = read_header(models.text_encoder, "text encoder")
        tensors |= {name: facts for name, facts in text.tensors.items() if name.startswith((PROJECTION, *CONNECTORS))}
    metadata = {**main.metadata, "config": json.dumps(config)}
    header = Header(main.path, tensors, metadata)
    missing = [part for prefix, part in PARTS.items() if not header.has_prefix(prefix)]
    if missing:
        raise CheckpointIncomplete(main.path.name, ", ".join(missing) + " (in no file that was chosen)")
    return facts_of(header)


def _part(path: Path, role: str) -> Header:
    header = read_header(path, role)
    if find_scales(header):
        raise CheckpointPrequantised(path.name, f"a {role} has to be bf16")
    return header


def _with_vae(name: str) -> str:
    """Files of ``vae`` may leave the prefix away."""
    return f"vae.{name}" if name.startswith(("encoder.", "decoder.", "per_channel_statistics.")) else name


def _replaced(
    tensors: Mapping[str, TensorFacts], prefixes: tuple[str, ...], others: Mapping[str, TensorFacts]
) -> dict[str, TensorFacts]:
    kept = {name: facts for name, facts in tensors.items() if not name.startswith(prefixes)}
    return kept | {name: facts for name, facts in others.items() if name.startswith(prefixes)}


def _vae_class(config: dict[str, Any]) -> str:
    return config.get("vae", {}).get("_class_name", CONV_VAE)
