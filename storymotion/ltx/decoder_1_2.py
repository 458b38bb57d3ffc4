"""SDK 1.2's diffusion decoder as a pipeline gets it: the tiles are chosen when it is about to decode, and it reports.

The SDK itself chooses them when the prompts have been read, by the memory that is free then. With a text encoder still
on the device that is little, and on CPU and MPS, where it does not look, nothing: it would refuse to go on.
"""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .builders_1_2 import BlockHandle
from .diffusion_vae import DiffusionDecoder, Tile
from .machine import free_now
from .residents import Watch, weight_bytes

if TYPE_CHECKING:
    import torch
    from ltx_core.tiling import TileSizeConfig

log = logging.getLogger("storymotion")


class DiffusionDecoderHandle(BlockHandle):
    """A handle whose ``decode_video`` takes the tiles of ``tiling`` (one of ``shots.TILINGS``), whatever it is told.

    ``path``: the file of the decoder, whose header says ``decoder``.
    """

    def __init__(self, use: Callable[[], Any], path: str, decoder: DiffusionDecoder, tiling: str) -> None:
        super().__init__(use)
        self._path, self._decoder, self._tiling = path, decoder, tiling

    def decode_video(
        self, latent: torch.Tensor, tiling_config: Any = None, generator: torch.Generator | None = None
    ) -> Iterator[torch.Tensor]:
        """As the decoder's. The model comes now; what it needs of the memory is looked at when the first chunk is."""
        return self._decode(self._use(), latent, generator)

    def _decode(self, model: Any, latent: torch.Tensor, generator: torch.Generator | None) -> Iterator[torch.Tensor]:
        _, _, frames, height, width = latent.shape
        video = ((frames - 1) * 8 + 1, height * 32, width * 32)
        tiles = None
        if self._tiling == "small":
            tiles = as_sdk(self._decoder.small_tile)
        elif self._tiling == "auto":
            # As before the decoder was there, which is how the SDK counts.
            free = free_now(str(latent.device)) + weight_bytes(model)
            tiles = best_tiles(self._path, self._decoder, video, free)
        yield from model.decode_video(latent, tiles, generator)


def best_tiles(path: str, decoder: DiffusionDecoder, video: tuple[int, int, int], free: int) -> TileSizeConfig:
    """What the SDK would take for ``video`` (frames, height, width) with ``free`` bytes; the least where it refuses."""
    from ltx_pipelines.utils.helpers import tiling_config_for_vae

    frames, height, width = video
    try:
        return tiling_config_for_vae(path, num_frames=frames, height=height, width=width, free_bytes=free)
    except ValueError as error:
        log.warning("Decoding in the least tiles that there are: %s", error)
        return as_sdk(decoder.least_tile)


def as_sdk(tile: Tile) -> TileSizeConfig:
    """The SDK's value for it."""
    from ltx_core.tiling import DimensionSizeConfig, TileSizeConfig

    return TileSizeConfig(
        frames=DimensionSizeConfig(tile.frames, tile.overlap_frames),
        height=DimensionSizeConfig(tile.height, tile.overlap_pixels),
        width=DimensionSizeConfig(tile.width, tile.overlap_pixels),
    )


def report_tiles(model: Any, kind: str, watch: Watch) -> None:
    """Hook ``watch`` into a diffusion decoder: before every block of its stages 1 to 4, and every step of a tile."""
    modules = [block for stage in getattr(model, "det_stages", ()) for block in stage]
    for module in (*modules, getattr(model, "conv_in_x_t", None)):
        if module is not None:
            module.register_forward_pre_hook(lambda module, inputs: watch.on_layer(kind))
