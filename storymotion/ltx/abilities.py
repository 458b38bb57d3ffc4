"""What the installed SDK can do, told without importing it: checks and plans ask before anything heavy is loaded."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

REPOSITORY = "https://github.com/Lightricks/LTX-2@v1.2.0"
INSTALL_1_2 = " ".join(
    f'"{package} @ git+{REPOSITORY}#subdirectory=packages/{package}"' for package in ("ltx-core", "ltx-pipelines")
)


@dataclass(frozen=True)
class Abilities:
    """What one generation of the SDK can do, and what it takes for it.

    ``streams``: can the layers of text encoder and transformer come to the device one by one (offload)? ``split``: can
    a model be several files? ``batches_guidance``, ``compiles``, ``predicts_length``: as they say. ``tiles_one_stage``:
    does the pipeline of one stage decode in tiles? ``knows_2_5``: LTX-2.5 with its diffusion decoder and Gemma 4.
    ``per_video_channel``, ``tile_side``, ``tile_frames``, ``lean_decoder``: for ``fit_working``.
    """

    generation: str
    streams: bool = False
    split: bool = False
    batches_guidance: bool = False
    compiles: bool = False
    predicts_length: bool = False
    tiles_one_stage: bool = False
    knows_2_5: bool = False
    per_video_channel: int = 35
    tile_side: int = 512
    tile_frames: int = 64
    lean_decoder: bool = False


SDK_1_0 = Abilities("1.0")
SDK_1_2 = Abilities(
    "1.2",
    streams=True,
    split=True,
    batches_guidance=True,
    compiles=True,
    predicts_length=True,
    tiles_one_stage=True,
    knows_2_5=True,
    per_video_channel=43,
    tile_side=768,
    tile_frames=80,
    lean_decoder=True,
)


@lru_cache(maxsize=1)
def installed() -> Abilities:
    """Those of the SDK that is installed, told by its files as ``sdk.load_sdk`` tells it; 1.0's where there is none."""
    utils = _folder("ltx_pipelines") / "utils"
    if (utils / "model_paths.py").is_file() and (utils / "blocks.py").is_file():
        return SDK_1_2
    return SDK_1_0


def has_natten() -> bool:
    """Is the package there with which SDK 1.2's diffusion decoder is quickest? Not whether it works."""
    return importlib.util.find_spec("natten") is not None


def install_line() -> str:
    """The command that brings what ``SDK_1_2`` can do."""
    return f'"{sys.executable}" -m pip install {INSTALL_1_2}'


def _folder(package: str) -> Path:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # a test or a tool has put None in its place
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else Path()
