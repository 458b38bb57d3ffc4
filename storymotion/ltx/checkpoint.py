"""What the header of a checkpoint, an upscaler or a Gemma folder says, and whether it can be used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import (
    CheckpointIncomplete,
    CheckpointPrequantised,
    ModelFileMissing,
    SdkTooOld,
    TextEncoderIncomplete,
    WrongKindOfModel,
)
from .abilities import install_line, installed
from .headers import Header, read_header
from .prequantised import find_scales

TRANSFORMER = "model.diffusion_model."
CONNECTORS = (f"{TRANSFORMER}video_embeddings_connector.", f"{TRANSFORMER}audio_embeddings_connector.")
# Key prefixes of the parts of a full checkpoint, as the SDK's key filters have them.
PARTS = {
    f"{TRANSFORMER}transformer_blocks.": "the transformer",
    "text_embedding_projection.": "the text projection",
    CONNECTORS[0]: "the video text connector",
    CONNECTORS[1]: "the audio text connector",
    "vae.encoder.": "the video encoder",
    "vae.decoder.": "the video decoder",
    "audio_vae.decoder.": "the audio decoder",
    "vocoder.": "the vocoder",
}
# Parts of the `config` entry, as the SDK's configurators read them.
CONFIGURED = ("transformer", "vae", "audio_vae", "vocoder")
# Of a transformer; the released ones have 48.
MOST_LAYERS = 1000
FULL = "Lightricks' full LTX-2 checkpoint"
# Of kinds of files (``kind_of``), those with a transformer as the SDK names it.
CHECKPOINTS = ("an LTX-2 checkpoint", "a transformer alone")
# What the SDK opens in a Gemma folder by name (ltx_core.text_encoders.gemma), plus config.json,
# which says how large this Gemma is.
GEMMA_FILES = ("config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json")
# SDK 1.2 (gemma_assets) needs these.
GEMMA_FILES_1_2 = ("config.json", "tokenizer.json", "tokenizer_config.json", "processor_config.json")
# Metadata of a single file with Gemma in it: its config.json.
GEMMA_CONFIG = "gemma_config"
# H.264 factor of the pictures that LTX-2 up to 2.3 was trained on (ltx_pipelines DEFAULT_IMAGE_CRF),
# and from 2.4 on (SDK 1.2.0).
COMPRESSION_TO_2_3 = 33
COMPRESSION_FROM_2_4 = 18


@dataclass(frozen=True)
class CheckpointFacts:
    """What rendering needs to know of a checkpoint before it is loaded."""

    header: Header
    version: str
    layers: int
    trained_compression: int

    @property
    def transformer_shapes(self) -> dict[str, tuple[int, ...]]:
        """Weights that a LoRA can change: module name -> shape. The connectors are not among them."""
        return {
            name.removeprefix(TRANSFORMER).removesuffix(".weight"): tensor.shape
            for name, tensor in self.header.tensors.items()
            if name.startswith(TRANSFORMER) and name.endswith(".weight") and not name.startswith(CONNECTORS)
        }


def kind_of(header: Header) -> str:
    """What a file is, for the sentence that says that it is the wrong one."""
    if any(".lora_" in name for name in header.tensors):
        return "a LoRA"
    if "spatial_upsample" in config_of(header) or header.has_prefix("upsampler."):
        return "a latent upscaler"
    if GEMMA_CONFIG in header.metadata or header.has_prefix("language_model."):
        return "a text encoder"
    if header.has_prefix(f"{TRANSFORMER}transformer_blocks."):
        whole = all(header.has_prefix(prefix) for prefix in PARTS)
        return "an LTX-2 checkpoint" if whole else "a transformer alone"
    if header.has_prefix("transformer_blocks.") or header.has_prefix("transformer."):
        return "a transformer alone, as diffusers names it"
    if header.has_prefix("audio_vae.") or header.has_prefix("vocoder."):
        return "an audio VAE"
    if any(header.has_prefix(f"{prefix}{part}.") for prefix in ("", "vae.") for part in ("encoder", "decoder")):
        return "a video VAE"
    return "not an LTX-2 model"


def inspect_checkpoint(path: Path) -> CheckpointFacts:
    """Check that ``path`` is a full LTX-2 checkpoint and read what it is.

    Raises ModelFileMissing, NotSafetensors, WrongKindOfModel, CheckpointIncomplete,
    CheckpointPrequantised.
    """
    header = read_header(path, "checkpoint")
    kind = kind_of(header)
    if kind.endswith("as diffusers names it"):
        raise WrongKindOfModel(path.name, "the checkpoint", kind, FULL)
    if kind not in CHECKPOINTS:
        raise WrongKindOfModel(path.name, "the checkpoint", kind, "an LTX-2 checkpoint")
    missing = [part for prefix, part in PARTS.items() if not header.has_prefix(prefix)]
    if missing:
        raise CheckpointIncomplete(path.name, ", ".join(missing))
    return facts_of(header)


def facts_of(header: Header) -> CheckpointFacts:
    """What the header of a checkpoint with all its parts says. Raises CheckpointIncomplete, CheckpointPrequantised."""
    config = config_of(header)
    layers = part_of(config, "transformer").get("num_layers", 48)
    missing = ["the 'config' entry of the header"]
    if part_of(config, "transformer") and isinstance(layers, int) and 0 < layers <= MOST_LAYERS:
        # A part may be missing, then the SDK takes that of LTX-2.0; one of another form it cannot read.
        wrong = [part for part in CONFIGURED if not isinstance(config.get(part, {}), dict)]
        missing = [f"a readable '{part}' in its 'config'" for part in wrong] + _missing_in_layers(header, layers)
    if missing:
        raise CheckpointIncomplete(header.path.name, ", ".join(missing))
    find_scales(header)
    version = header.metadata.get("model_version", "")
    return CheckpointFacts(
        header=header,
        version=version or "2.0",
        layers=layers,
        trained_compression=COMPRESSION_FROM_2_4 if version_number(version) >= (2, 4) else COMPRESSION_TO_2_3,
    )


def _missing_in_layers(header: Header, layers: int) -> list[str]:
    """Weights that some transformer layers have and others lack, as "layer 7: attn1.to_q.weight".

    The SDK would stop with "Cannot copy out of meta tensor" after it has read everything else.
    """
    prefix = f"{TRANSFORMER}transformer_blocks."
    found: dict[int, set[str]] = {number: set() for number in range(layers)}
    for name in header.tensors:
        number, _, weight = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix) and number.isdigit() and int(number) in found:
            found[int(number)].add(weight)
    # Not scales and the like: an 8-bit file may leave some layers as they were.
    complete = {weight for weights in found.values() for weight in weights if weight.endswith((".weight", ".bias"))}
    lacking = [f"layer {number}: {weight}" for number in found for weight in sorted(complete - found[number])]
    return [*lacking[:3], f"{len(lacking) - 3} more weights"] if len(lacking) > 3 else lacking


def config_of(header: Header) -> dict:
    """The `config` entry; {} where there is none that can be read."""
    try:
        config = json.loads(header.metadata.get("config", "{}"))
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def part_of(config: dict, name: str) -> dict:
    """One part of the `config` entry; {} where it is missing or not what it should be."""
    part = config.get(name)
    return part if isinstance(part, dict) else {}


def version_number(text: str) -> tuple[int, ...]:
    """ "2.4-rc2" -> (2, 4): the leading numbers of the first two places; () when there are none."""
    places = []
    for place in text.split(".")[:2]:
        digits = ""
        for character in place:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        places.append(int(digits))
    return tuple(places)


def inspect_upscaler(path: Path) -> None:
    """Check that ``path`` is a spatial latent upscaler. Raises ModelFileMissing, NotSafetensors, WrongKindOfModel."""
    header = read_header(path, "spatial upscaler")
    if config_of(header).get("spatial_upsample") is True:
        return
    found = "an LTX-2 checkpoint" if header.has_prefix(TRANSFORMER) else "not a spatial latent upscaler"
    raise WrongKindOfModel(path.name, "the spatial upscaler", found, "an LTX-2 spatial upscaler")


def gemma_settings(root: Path) -> tuple[Path, ...]:
    """What shapes a prompt beside Gemma's weights: sizes, tokenizer, how pictures are prepared. Of a file, nothing."""
    return tuple(path for pattern in ("*.json", "*.model") for path in sorted(root.glob(pattern)))


def gemma_shards(root: Path) -> tuple[Path, ...]:
    """The weight files of a Gemma folder: those its index names, and no others that lie beside them.

    SDK 1.0.0 itself loads every safetensors file below the folder, and one that does not belong
    there silently changes the picture. Raises ModelFileMissing, TextEncoderIncomplete,
    CheckpointPrequantised.
    """
    if root.is_file():
        return _single_file(root)
    if not root.is_dir():
        raise ModelFileMissing("text encoder folder", root.name, str(root.parent))
    needed = GEMMA_FILES if installed().generation == "1.0" else GEMMA_FILES_1_2
    missing = [name for name in needed if not (root / name).is_file()]
    index = root / "model.safetensors.index.json"
    shards: tuple[Path, ...] = (root / "model.safetensors",)
    if index.is_file():
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError):
            raise TextEncoderIncomplete(root.name, "a readable model.safetensors.index.json") from None
        shards = tuple(root / name for name in sorted(names))
    missing += [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise TextEncoderIncomplete(root.name, ", ".join(missing))
    for shard in shards:
        if find_scales(read_header(shard, "text encoder")):
            raise CheckpointPrequantised(shard.name, "a text encoder has to be bf16")
    return shards


def _single_file(path: Path) -> tuple[Path, ...]:
    if not installed().split:
        raise SdkTooOld(f"The text encoder in one file, '{path.name}',", install_line())
    header = read_header(path, "text encoder")
    if GEMMA_CONFIG not in header.metadata:
        raise TextEncoderIncomplete(path.name, f"the '{GEMMA_CONFIG}' entry of the header")
    if find_scales(header):
        raise CheckpointPrequantised(path.name, "a text encoder has to be bf16")
    return (path,)


def gemma_config(text_encoder: Path) -> dict:
    """The config.json of a Gemma folder, or that in the header of a single file; {} where it cannot be read."""
    try:
        if text_encoder.is_file():
            config = json.loads(read_header(text_encoder, "text encoder").metadata[GEMMA_CONFIG])
        else:
            config = json.loads((text_encoder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def gemma_layers(text_encoder: Path) -> int:
    """How many layers the language model has."""
    return part_of(gemma_config(text_encoder), "text_config").get("num_hidden_layers", 48)
