"""A tiny LTX-2 model set in ComfyUI's folder layout: the real architecture with random weights.

    python -m dev.tiny_models DIR [--flavor 2.3|2.0] [--layers N] [--width N] [--seed S]

It lets the demo and the tests run the real SDK pipelines on any machine in seconds. What such a render shows is noise.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .tiny_configs import (
    DEFAULT_WIDTH,
    FLAVORS,
    MODEL_VERSIONS,
    UPSCALER_CONFIG,
    VIDEO_HEAD_DIM,
    checkpoint_config,
)

if TYPE_CHECKING:
    import torch

DEFAULT_LAYERS = 2  # one block that STG can skip and one that it leaves alone
MOST_LAYERS = 48  # of the released models
MOST_WIDTH = 1024  # the released models have 4096 and 38 GB
_STAMP = "tiny_model"  # header entry that says what a file was made from


@dataclass(frozen=True)
class TinyModels:
    """Where the files of one set lie.

    Sets of one width, of both flavours and any layer count, share all but the checkpoint; sets of all widths
    share the upscaler and Gemma.
    """

    checkpoint: Path
    spatial_upscaler: Path
    distilled_lora: Path
    style_lora: Path
    ic_lora: Path
    gemma_root: Path

    def files(self) -> list[Path]:
        """Every file of the set, those in the Gemma folder included."""
        return [*astuple(self)[:-1], *sorted(self.gemma_root.iterdir())]


def make_model_set(
    models_dir: Path,
    flavor: str = "2.3",
    layers: int = DEFAULT_LAYERS,
    seed: int = 0,
    width: int = DEFAULT_WIDTH,
) -> TinyModels:
    """Write what is missing of the set into ``models_dir`` (ComfyUI's `models` folder) and return its paths.

    ``flavor`` is "2.3" or "2.0"; ``layers`` the transformer blocks, 2 to 48 (the SDK's default guidance skips block
    28 or 29, so it takes 30 to see it); ``seed`` any integer; ``width`` the transformer's channels, a multiple of 16
    from 32 to 1024 (34 layers of 768 make 1 GB, with which a benchmark sees what loading costs). Equal arguments give
    equal tensors. A file made from the same arguments by the same code is left alone, and when all are there, nothing
    heavy is imported. No file is ever seen half written. Raises ValueError for an argument outside its range, OSError
    when the disk refuses.
    """
    if flavor not in FLAVORS:
        raise ValueError(f"flavor is '{flavor}'. Choose one of: {', '.join(FLAVORS)}.")
    if not 2 <= layers <= MOST_LAYERS:
        raise ValueError(f"layers is {layers}. Choose a number from 2 to {MOST_LAYERS}.")
    if not DEFAULT_WIDTH <= width <= MOST_WIDTH or width % VIDEO_HEAD_DIM:
        widths = f"a multiple of {VIDEO_HEAD_DIM} from {DEFAULT_WIDTH} to {MOST_WIDTH}"
        raise ValueError(f"width is {width}. Choose {widths}.")
    models = _paths(Path(models_dir), flavor, layers, width)
    _write_checkpoint(models.checkpoint, flavor, layers, width, seed)
    _write_upscaler(models.spatial_upscaler, seed)
    for lora in (models.distilled_lora, models.style_lora, models.ic_lora):
        _write_lora(lora, width, seed)
    _write_gemma(models.gemma_root, seed)
    return models


def _paths(models_dir: Path, flavor: str, layers: int, width: int) -> TinyModels:
    depth = "" if layers == DEFAULT_LAYERS else f"-{layers}-layers"
    wide = "" if width == DEFAULT_WIDTH else f"-{width}-wide"
    loras = models_dir / "loras"
    return TinyModels(
        checkpoint=models_dir / "checkpoints" / f"tiny-ltx-{flavor}{depth}{wide}.safetensors",
        spatial_upscaler=models_dir / "latent_upscale_models" / "tiny-spatial-upscaler.safetensors",
        distilled_lora=loras / f"tiny-distilled-lora{wide}.safetensors",
        style_lora=loras / f"tiny-style-lora{wide}.safetensors",
        ic_lora=loras / f"tiny-ic-lora{wide}.safetensors",
        gemma_root=models_dir / "text_encoders" / "tiny-gemma",
    )


def _write_checkpoint(path: Path, flavor: str, layers: int, width: int, seed: int) -> None:
    stamp = _stamp(flavor, layers, width, seed)
    if _stamp_of(path) == stamp:
        return
    from .tiny_weights import checkpoint_tensors

    config = checkpoint_config(flavor, layers, width)
    metadata = {"config": json.dumps(config), "model_version": MODEL_VERSIONS[flavor]}
    _save_tensors(path, checkpoint_tensors(flavor, layers, width, seed), metadata, stamp)


def _write_upscaler(path: Path, seed: int) -> None:
    stamp = _stamp(seed)
    if _stamp_of(path) == stamp:
        return
    from .tiny_weights import upscaler_tensors

    _save_tensors(path, upscaler_tensors(seed), {"config": json.dumps(UPSCALER_CONFIG)}, stamp)


def _write_lora(path: Path, width: int, seed: int) -> None:
    stamp = _stamp(width, seed)
    if _stamp_of(path) == stamp:
        return
    from .tiny_weights import lora_tensors

    # The IC-LoRA pipeline reads from the header at what fraction of the size its reference video is encoded.
    metadata = {"reference_downscale_factor": "1"} if path.stem.startswith("tiny-ic-lora") else {}
    _save_tensors(path, lora_tensors(path.stem, width, seed), metadata, stamp)


def _write_gemma(root: Path, seed: int) -> None:
    from .tiny_gemma import TEXT_FILES, WEIGHTS_FILE

    stamp, weights, index = _stamp(seed), root / WEIGHTS_FILE, root / f"{WEIGHTS_FILE}.index.json"
    if _stamp_of(weights) == stamp and all((root / name).is_file() for name in (*TEXT_FILES, index.name)):
        return
    from .tiny_gemma import gemma_tensors, gemma_text_files

    texts = gemma_text_files()
    tensors = gemma_tensors(json.loads(texts["config.json"]), seed)
    # The released folder has several shards; its index is how one tells its own files from strangers.
    size = sum(tensor.nbytes for tensor in tensors.values())
    shards = {"metadata": {"total_size": size}, "weight_map": dict.fromkeys(sorted(tensors), WEIGHTS_FILE)}
    for name, text in (texts | {index.name: json.dumps(shards, indent=1)}).items():
        with _whole_file(root / name) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
    _save_tensors(weights, tensors, {}, stamp)  # last, for it carries the stamp


def _save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], stamp: str) -> None:
    from safetensors.torch import save

    with _whole_file(path) as part:
        part.write_bytes(save(dict(tensors), metadata={"format": "pt", **metadata, _STAMP: stamp}))


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """A temporary path that becomes ``path`` when the block ends well, and goes away when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not ending in .safetensors: the SDK loads every such file that it finds under a Gemma folder.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _stamp(*arguments: object) -> str:
    """What a file is made from: the arguments and the code that makes it."""
    code = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("tiny_*.py")):
        code.update(source.read_bytes())
    return json.dumps([*arguments, code.hexdigest()[:16]])


def _stamp_of(path: Path) -> str | None:
    """The stamp in the header of the file at ``path``; None when the file is missing or not one of ours."""
    try:
        with path.open("rb") as file:
            # https://github.com/huggingface/safetensors#format: length of the header, then the header as JSON.
            (length,) = struct.unpack("<Q", file.read(8))
            return json.loads(file.read(min(length, 1 << 20)))["__metadata__"][_STAMP]
    except (OSError, struct.error, ValueError, KeyError, TypeError):
        return None


def main() -> None:
    """Write one set and print the size of each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models_dir", metavar="DIR", type=Path, help="ComfyUI's models folder")
    parser.add_argument("--flavor", choices=FLAVORS, default=FLAVORS[0])
    parser.add_argument("--layers", type=int, default=DEFAULT_LAYERS)
    parser.add_argument("--width", type=int, default=DEFAULT_WIDTH)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    models = make_model_set(arguments.models_dir, arguments.flavor, arguments.layers, arguments.seed, arguments.width)
    sizes = {file: file.stat().st_size for file in models.files()}
    for file, size in sizes.items():
        print(f"{size:>13,}  {file.relative_to(arguments.models_dir).as_posix()}")
    print(f"{sum(sizes.values()):>13,}  in all")


if __name__ == "__main__":
    main()
