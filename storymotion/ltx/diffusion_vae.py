"""LTX-2.5's diffusion decoder, as the header of its file describes it: tiles that it can decode, without the SDK.

Facts from ltx-core 1.2.0: ``video_vae/model_configurator.py`` (keys and their defaults), ``diffusion_tiling.py``
(overlaps and least sizes). Stages 1 to 3 run once on the whole video; stages 4 and 5 run tile by tile, and the tiles
have to overlap by as much as their attention sees beyond them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .checkpoint import config_of, part_of
from .headers import Header

CONV_VAE = "CausalVideoAutoencoder"
# Pixels and frames of a latent, to which sizes of tiles are rounded too.
LATENT_SIDE, LATENT_FRAMES = 32, 8
# "small" where the overlap allows it, and the tiles that "auto" takes if it can: larger ones gain little. With the
# default sizes (overlaps of 96 pixels and 8 frames) the least tiles (192 pixels, 16 frames) compute every pixel eight
# times, the small ones 3.4 times, the quick ones 1.7 times.
SMALL_SIDE, SMALL_FRAMES = 256, 32
QUICK_SIDE, QUICK_FRAMES = 512, 64
# By default: the stride of each upsampling, and what it divides the channels by.
UPSAMPLES = (((1, 2, 2), 2), ((2, 1, 1), 2), ((2, 2, 2), 1), ((2, 2, 2), 2))

Sizes = tuple[int, int, int]


@dataclass(frozen=True)
class Tile:
    """Frames, height and width of a tile in pixels, and by how much it overlaps the next one in time and in space."""

    frames: int
    height: int
    width: int
    overlap_frames: int
    overlap_pixels: int

    def count(self, frames: int, height: int, width: int) -> int:
        """How many make a video of that size."""
        in_time = _count(frames, self.frames, self.overlap_frames)
        across = [_count(length, side, self.overlap_pixels) for length, side in self._sides(height, width)]
        return in_time * math.prod(across)

    def within(self, frames: int, height: int, width: int) -> Sizes:
        """Its part of a video of that size."""
        return (min(frames, self.frames), *(min(pair) for pair in self._sides(height, width)))  # type: ignore[return-value]

    def _sides(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        return (height, self.height), (width, self.width)


def _count(length: int, size: int, overlap: int) -> int:
    return 1 if length <= size else math.ceil((length - overlap) / (size - overlap))


@dataclass(frozen=True)
class DiffusionDecoder:
    """Sizes of one decoder. Kernels and strides are (frames, height, width)."""

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[Sizes, ...]
    strides: tuple[Sizes, ...]
    last_kernel: Sizes
    last_channels: int
    patch: int
    colours: int
    steps: int

    @cached_property
    def cell(self) -> Sizes:
        """Frames and pixels of one position of stage 4."""
        frames, height, width = self.strides[3]
        return frames, height * self.patch, width * self.patch

    @cached_property
    def least_tile(self) -> Tile:
        """The smallest that decodes without a seam: twice its overlap, so that no pixel is in three of a row."""
        frames, height, width = (max(self._halo(4, axis), self._halo(5, axis)) for axis in range(3))
        overlap_frames = _up(frames * self.cell[0], LATENT_FRAMES)
        overlap_pixels = _up(max(height, width) * self.cell[1], LATENT_SIDE)
        overlaps = (overlap_frames, overlap_pixels, overlap_pixels)
        lengths = []
        for axis, (overlap, latent) in enumerate(zip(overlaps, (LATENT_FRAMES, LATENT_SIDE, LATENT_SIDE))):
            cell = self.cell[axis]
            sees = max(self.kernels[3][axis], -(-self.last_kernel[axis] // self.strides[3][axis])) * cell
            lengths.append(_up(max(2 * cell, 2 * overlap, sees, 2 * latent), math.lcm(cell, latent)))
        return Tile(lengths[0], lengths[1], lengths[2], overlap_frames, overlap_pixels)

    @cached_property
    def small_tile(self) -> Tile:
        """What tiling = small takes."""
        return self._at_least(SMALL_FRAMES, SMALL_SIDE)

    @cached_property
    def quick_tile(self) -> Tile:
        """What tiling = auto should have the room for."""
        return self._at_least(QUICK_FRAMES, QUICK_SIDE)

    def ticks(self, frames: int, height: int, width: int, tiling: str) -> int:
        """How often layers report while it decodes (``blocks_1_2``), with the tiles that are expected."""
        tile = {"small": self.small_tile, "auto": self.quick_tile}.get(tiling)
        tiles = tile.count(frames, height, width) if tile else 1
        return sum(self.depths[:3]) + tiles * (self.depths[3] + self.steps)

    def _at_least(self, frames: int, side: int) -> Tile:
        least = self.least_tile
        grid = [math.lcm(cell, latent) for cell, latent in zip(self.cell, (LATENT_FRAMES, LATENT_SIDE, LATENT_SIDE))]
        lengths = zip((frames, side, side), (least.frames, least.height, least.width), grid)
        sizes = [max(smallest, _up(wanted, step)) for wanted, smallest, step in lengths]
        return Tile(sizes[0], sizes[1], sizes[2], least.overlap_frames, least.overlap_pixels)

    def _halo(self, stage: int, axis: int) -> int:
        """How far the blocks of a stage see on one side, in positions of stage 4."""
        if stage == 4:
            return self.depths[3] * (self.kernels[3][axis] // 2)
        return -(-self.depths[4] * (self.last_kernel[axis] // 2) // self.strides[3][axis])


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def is_diffusion_vae(header: Header) -> bool:
    """Does the SDK take its video decoder for a diffusion decoder? It does so with every class but the older one."""
    return part_of(config_of(header), "vae").get("_class_name", CONV_VAE) != CONV_VAE


def diffusion_decoder(header: Header) -> DiffusionDecoder | None:
    """The decoder that the header describes; None where it is the convolutional one.

    Raises ValueError with what is missing or wrong in the header, as half a sentence.
    """
    if not is_diffusion_vae(header):
        return None
    vae = part_of(config_of(header), "vae")
    config = vae.get("decoder", vae)
    where = "'decoder' in the 'vae' of its 'config'"
    if not isinstance(config, dict):
        raise ValueError(f"a readable {where}")
    missing = [name for name in ("head_dim", "stage_channels") if name not in config]
    if "na_head_dim" in config:
        missing = [name for name in missing if name != "head_dim"]
    if missing:  # the SDK asks for these two, and has defaults for the others
        raise ValueError(" and ".join(f"'{name}'" for name in missing) + f" in the {where}")
    try:
        upsamples = [(_sizes(stride), int(reduction)) for stride, reduction in config.get("upsamples", UPSAMPLES)]
        head = int(config["head_dim"] if "head_dim" in config else config["na_head_dim"])
        decoder = _decoder(config, tuple(stride for stride, _ in upsamples))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        raise ValueError(f"a readable {where}") from None
    if not _is_whole(decoder, [reduction for _, reduction in upsamples], head):
        raise ValueError(f"a {where} whose five stages fit together")
    return decoder


def _decoder(config: dict[str, Any], strides: tuple[Sizes, ...]) -> DiffusionDecoder:
    channels = tuple(int(each) for each in config["stage_channels"])
    kernels = config.get("stage_kernels", ((3, 7, 7), (3, 7, 7), (3, 5, 5), (3, 5, 5), (3, 3, 3)))
    return DiffusionDecoder(
        channels=channels,
        depths=tuple(int(each) for each in config.get("stage_depths", (4, 6, 4, 2, 8))),
        kernels=tuple(_sizes(each) for each in kernels),
        strides=strides,
        last_kernel=_sizes(config.get("stage5_kernel", (3, 7, 7))),
        last_channels=int(config.get("stage5_channels", channels[-1])),
        patch=int(config.get("patch_size", 4)),
        colours=int(config.get("out_channels", 3)),
        steps=int(config.get("default_num_inference_steps", 2)),
    )


def _sizes(values: Any) -> Sizes:
    frames, height, width = (int(each) for each in values)
    return frames, height, width


def _is_whole(decoder: DiffusionDecoder, reductions: list[int], head: int) -> bool:
    """What the SDK's class asserts, and its layers and tiles take for granted."""
    numbers = (*decoder.channels, decoder.last_channels, *decoder.depths, decoder.patch, decoder.colours, decoder.steps)
    sizes = (*decoder.kernels, *decoder.strides, decoder.last_kernel)
    if min((head, *reductions, *numbers, *(each for size in sizes for each in size))) < 1:
        return False
    if (len(decoder.channels), len(decoder.depths), len(decoder.kernels), len(decoder.strides)) != (5, 5, 5, 4):
        return False
    if any(wide // by != next_ for wide, by, next_ in zip(decoder.channels, reductions, decoder.channels[1:])):
        return False
    return all(each % head == 0 for each in (*decoder.channels, decoder.last_channels))
