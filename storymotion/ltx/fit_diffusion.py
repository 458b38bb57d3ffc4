"""How much memory LTX-2.5's diffusion decoder works with: estimates, as ``fit_working`` has them for the other models.

Counted in SDK 1.2.0's own passes (mode chunked_eager) on torch's "meta" device with its default sizes, where
neighbourhood attention makes nothing but its output, as natten and the SDK's Triton kernel do
(tests/ltx/test_diffusion_vae_fit.py repeats that). The SDK's eager attention, for machines with neither of them, takes
up to 1 GiB more. All sizes in bytes, pictures in pixels.

The SDK's tiles adapt to the memory that is free, so "auto" has two figures: what the least tiles need, without which
it cannot be, and what it takes to get tiles of 512 pixels and 64 frames. With the least tiles every pixel is computed
eight times, with those 1.7 times (``diffusion_vae``).
"""

from __future__ import annotations

from .diffusion_vae import LATENT_FRAMES, LATENT_SIDE, DiffusionDecoder, Tile

GIB, HALF = 2**30, 2
# Copies of what stages 1 to 3 make, while they do; of stage 5's features of a tile in its attention, which runs on four
# slabs that overlap; and layers that work through 16384 positions at a time.
STAGE_4_COPIES, TILE_COPIES, SLABS = 2.5, 5.0, 4
WORKSPACE = GIB // 10
# What the SDK leaves free when it chooses its tiles: 1 GiB for the decoder's weights, and 1 GiB.
WITHHELD = 2 * GIB


def least_decoding(decoder: DiffusionDecoder, width: int, height: int, frames: int, tiling: str) -> int:
    """What decoding needs with ``tiling`` (one of ``shots.TILINGS``); "auto": at the least."""
    tile = {"auto": decoder.least_tile, "small": decoder.small_tile}.get(tiling)
    return _decoding(decoder, width, height, frames, tile)


def quick_decoding(decoder: DiffusionDecoder, width: int, height: int, frames: int) -> int:
    """What has to be free for "auto" to get tiles that do not cost much time."""
    tile = decoder.quick_tile
    counted = _decoding(decoder, width, height, frames, tile)
    # recommended_decode_tiling_config: no noise, and the slabs do not overlap.
    as_sdk = _stage_4(decoder, width, height, frames) + _chunks(decoder, width, height, frames, tile)
    return max(counted, round(WITHHELD + as_sdk + TILE_COPIES * _features(decoder, width, height, frames, tile)))


def _decoding(decoder: DiffusionDecoder, width: int, height: int, frames: int, tile: Tile | None) -> int:
    stage_4 = _stage_4(decoder, width, height, frames)
    noise = decoder.colours * frames * height * width * HALF
    positions = (min(width, tile.width) if tile else width) // decoder.patch
    overlapping = 1 + SLABS * 2 * (decoder.last_kernel[2] // 2) / positions
    at_work = TILE_COPIES * overlapping * _features(decoder, width, height, frames, tile)
    in_tiles = stage_4 + noise + _chunks(decoder, width, height, frames, tile) + at_work
    return round(max(STAGE_4_COPIES * stage_4, in_tiles) + WORKSPACE)


def _stage_4(decoder: DiffusionDecoder, width: int, height: int, frames: int) -> int:
    """What stages 1 to 3 make of the whole video, with the last latent repeated at its end."""
    repeated = decoder.kernels[0][0] // 2 * 2
    in_time, down, across = (frames - 1) // LATENT_FRAMES + 1 + repeated, height // LATENT_SIDE, width // LATENT_SIDE
    for stride in decoder.strides[:3]:
        in_time = in_time * stride[0] - (stride[0] == 2)
        down, across = down * stride[1], across * stride[2]
    return in_time * down * across * decoder.channels[3] * HALF


def _chunks(decoder: DiffusionDecoder, width: int, height: int, frames: int, tile: Tile | None) -> int:
    """The frames that tiles are blended into, and those that were handed on."""
    return decoder.colours * min(frames, 2 * tile.frames if tile else frames) * height * width * HALF


def _features(decoder: DiffusionDecoder, width: int, height: int, frames: int, tile: Tile | None) -> int:
    """Stage 5's features of one tile."""
    in_time, down, across = tile.within(frames, height, width) if tile else (frames, height, width)
    return in_time * (down // decoder.patch) * (across // decoder.patch) * decoder.last_channels * HALF
