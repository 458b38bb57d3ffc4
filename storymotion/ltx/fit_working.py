"""How much memory the models need to work in, beside their weights: estimates.

The formulas count the tensors that are alive at once in SDK 1.0.0's own forward passes. They were
fitted to those passes run on torch's "meta" device at the released sizes (tests/ltx/test_fit.py
repeats that), so they hold what the code allocates, and nothing that a backend adds: cuDNN's and
cuBLAS's workspaces, the allocator's rounding and gaps. Attention is taken to be fused (no tokens x
tokens matrix), as PyTorch's scaled_dot_product_attention is on CUDA and CPU. Where the true figure
depends on the shape in steps, the formula is the upper bound, so a smaller shot never needs more.

All sizes in bytes, pictures in pixels, frames as rendered.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from . import fit_diffusion
from .abilities import SDK_1_0, Abilities
from .checkpoint import TRANSFORMER
from .diffusion_vae import DiffusionDecoder, diffusion_decoder
from .fit_sizes import HALF, LANGUAGE_LAYERS, ModelHeaders
from .headers import Header

# ltx_core: a prompt is always padded to 1024 tokens; a video latent is 8 frames x 32 x 32 pixels.
PROMPT_TOKENS = 1024
LATENT_SIDE, LATENT_FRAMES = 32, 8
SOUND_LATENTS_PER_SECOND = 25
# Bytes a token and a channel that are alive in the widest moment of a block (its feed-forward layer): two
# for each AdaLN modulation, which SDK 1.0.0 keeps for every token, and the rest for the video or audio.
# (``Abilities.per_video_channel``).
PER_MODULATION, PER_SOUND_CHANNEL = 2, 12
# The latent, its noise, its mask, its clean copy and up to four guided predictions, 128 channels each.
LATENT_STATES = 8 * 128 * 4
# What of those a shot holds while another one has the device.
PARKED_STATES = 4 * 128 * 4
# Copies of one prompt's hidden states at work in the feature extractor: per-token (2.3) and per-layer norm (2.0).
STATES_AT_WORK = {"2.3": 4.1, "2.0": 6.6}
FEED_FORWARD_COPIES = 4
# Writing a better prompt: keys and values of a chat of 2500 tokens, and the picture's embeddings.
ENHANCING = 2**30
# Copies of the largest feature map in the convolutions, with zero padding and with a padded copy ("reflect").
MAP_COPIES = {"zeros": 5.1, "reflect": 6.3}
# SDK 1.2's decoder works in place (MEMORY_EFFICIENT_DECODE).
LEAN_MAP_COPIES = {"zeros": 3.2, "reflect": 3.5}
ENCODER_COPIES = 5.5
UPSAMPLER_COPIES = 4.1
PATCH = 4
# TilingConfig.default(): tiles of 512 pixels and 64 frames (1.2: at most 768 and 80); the chunk of all tiles of 64
# frames is there as picture, weights, both of the chunk before and the quotient.
CHUNK_COPIES_AT_WORK, CHUNK_COPIES_AT_END = 5.4, 6.7
# SDK 1.2 has no weights where the masks of its tiles add up to one: only the chunk at work, the one before, and the one
# that was handed on, which is there in 8 bits besides.
LEAN_CHUNKS, LEAN_CHUNK_IN_8_BITS = 3, 0.5
# They do not in pictures about seven times as wide as high (or as high as wide), whose tiles, as its ``from_long_side``
# shortens them, come to the least that there is, 3 latents that overlap by 2.
LEAN_SHORTEST_TILE, WITH_WEIGHTS = 3, 2
# TILINGS "small", and by how much the tiles overlap in time, in frames.
SMALL_SIDE, SMALL_FRAMES, SMALL_OVERLAP, LEAN_OVERLAP = 256, 32, 16, 24
# Small tiles take up to 6 % more than the rest of the formula says.
MORE_IN_SMALL_TILES = 1.1
# Vocoder and bandwidth extension in float32, a latent of sound (1/25 s).
PER_SOUND_LATENT = 1_750_000


@dataclass(frozen=True)
class Widths:
    """The sizes that the formulas need; where a header does not tell, those of the released models.

    ``abilities``: of the SDK whose passes are counted; ``diffusion``: the video decoder, if it is such a one.
    """

    video: int
    sound: int
    modulations: int
    text_states: int
    text_states_at_work: float
    text_keys_and_values: int
    text_feed_forward: int
    encoder: int
    decoder: int
    decoder_copies: float
    upsampler: int
    abilities: Abilities = SDK_1_0
    diffusion: DiffusionDecoder | None = None


def widths_of(headers: ModelHeaders, abilities: Abilities = SDK_1_0) -> Widths:
    """Read the widths off the shapes of a few weights."""
    checkpoint = headers.checkpoint
    version = "2.0" if checkpoint.has_prefix("text_embedding_projection.aggregate_embed.") else "2.3"
    projection = "" if version == "2.0" else "video_"
    features = _shape(checkpoint, f"text_embedding_projection.{projection}aggregate_embed.weight", 1, 49 * 3840)
    video = _shape(checkpoint, f"{TRANSFORMER}patchify_proj.weight", 0, 4096)
    return Widths(
        video=video,
        sound=_shape(checkpoint, f"{TRANSFORMER}audio_patchify_proj.weight", 0, 2048),
        modulations=_shape(checkpoint, f"{TRANSFORMER}adaln_single.linear.weight", 0, 9 * video) // video,
        text_states=PROMPT_TOKENS * features * HALF,
        text_states_at_work=STATES_AT_WORK[version],
        text_keys_and_values=PROMPT_TOKENS * HALF * _sum_of_rows(headers.text_encoder, ("k_proj", "v_proj")),
        text_feed_forward=PROMPT_TOKENS * HALF * _most_rows(headers.text_encoder, "gate_proj"),
        encoder=_shape(checkpoint, "vae.encoder.conv_in.conv.weight", 0, 128),
        decoder=_shape(checkpoint, "vae.decoder.conv_out.conv.weight", 1, 128),
        decoder_copies=(LEAN_MAP_COPIES if abilities.lean_decoder else MAP_COPIES)[_decoder_padding(checkpoint)],
        upsampler=_shape(headers.upscaler, "initial_conv.weight", 0, 1024) if headers.upscaler else 0,
        abilities=abilities,
        diffusion=diffusion_decoder(checkpoint),
    )


def _shape(header: Header, name: str, axis: int, usual: int) -> int:
    tensor = header.tensors.get(name)
    return tensor.shape[axis] if tensor and len(tensor.shape) > axis else usual


def _language_rows(headers: tuple[Header, ...], layers: tuple[str, ...]) -> list[int]:
    endings = tuple(f".{layer}.weight" for layer in layers)
    return [
        tensor.shape[0]
        for header in headers
        for name, tensor in header.tensors.items()
        if name.startswith(LANGUAGE_LAYERS) and name.endswith(endings)
    ]


def _sum_of_rows(headers: tuple[Header, ...], layers: tuple[str, ...]) -> int:
    return sum(_language_rows(headers, layers))


def _most_rows(headers: tuple[Header, ...], layer: str) -> int:
    return max(_language_rows(headers, (layer,)), default=0)


def _decoder_padding(checkpoint: Header) -> str:
    """As VideoDecoderConfigurator reads it."""
    vae = json.loads(checkpoint.metadata.get("config", "{}")).get("vae", {})
    return "zeros" if vae.get("spatial_padding_mode", "reflect") == "zeros" else "reflect"


def video_tokens(width: int, height: int, frames: int) -> int:
    """Tokens of a video; one picture has frames = 1."""
    latents = (frames - 1) // LATENT_FRAMES + 1
    return latents * (height // LATENT_SIDE) * (width // LATENT_SIDE)


def sound_tokens(frames: int, fps: float) -> int:
    """Tokens of the sound to a video."""
    return round(frames / fps * SOUND_LATENTS_PER_SECOND)


def reading(widths: Widths, prompts: int, enhance: bool) -> int:
    """Gemma at work: the hidden states of all its layers ((layers + 1) x 1024 x hidden x 2) for every prompt so far,
    its cache of keys and values, and a feed-forward layer."""
    at_work = widths.text_keys_and_values + FEED_FORWARD_COPIES * widths.text_feed_forward
    return max(prompts * widths.text_states + at_work, ENHANCING if enhance else 0)


def processing(widths: Widths, prompts: int) -> int:
    """The embeddings processor at work on one prompt, with the hidden states of all waiting."""
    return round((prompts + widths.text_states_at_work) * widths.text_states)


def denoising(widths: Widths, tokens: int, sound: int, prompts: int) -> int:
    """One forward of the transformer, with latents and contexts.

    ``tokens`` and ``sound`` of all passes of guidance that run together: one after the other, those of one.
    """
    video_token = widths.video * (PER_MODULATION * widths.modulations + widths.abilities.per_video_channel)
    sound_token = widths.sound * (PER_MODULATION * widths.modulations + PER_SOUND_CHANNEL)
    contexts = (prompts + 1) * PROMPT_TOKENS * (widths.video + widths.sound) * HALF
    return tokens * (video_token + LATENT_STATES) + sound * (sound_token + LATENT_STATES) + contexts


def parked_prompts(widths: Widths, prompts: int) -> int:
    """A shot that waits for the embeddings processor: Gemma's hidden states, with their masks."""
    return prompts * (widths.text_states + PROMPT_TOKENS * 8)


def parked_shot(widths: Widths, tokens: int, sound: int, prompts: int, passes: int = 0) -> int:
    """A shot that waits for a transformer or a decoder: embeddings, and the states of video and sound.

    ``tokens`` and ``sound`` are those of the finished shot, guides and reference included. ``passes``: of a guided
    step whose inputs wait side by side, as SDK 1.2 has them (its ``denoisers.py``), 128 channels for each token.
    """
    embedding = PROMPT_TOKENS * (widths.video + widths.sound) * HALF
    side_by_side = passes * (embedding + (tokens + sound) * 128 * HALF)
    return prompts * (embedding + PROMPT_TOKENS * 8) + (tokens + sound) * PARKED_STATES + side_by_side


def encoding(widths: Widths, width: int, height: int, frames: int) -> int:
    """The video encoder on pictures (frames = 1) or a reference video."""
    largest_map = widths.encoder * (frames + 1) * (height // PATCH) * (width // PATCH) * HALF
    return round(ENCODER_COPIES * largest_map)


def upsampling(widths: Widths, tokens: int) -> int:
    """The latent upsampler; ``tokens`` of what comes out."""
    return round(UPSAMPLER_COPIES * widths.upsampler * tokens * HALF)


def decoding(widths: Widths, width: int, height: int, frames: int, tiling: str) -> int:
    """The video decoder: one tile and the chunks of frames that it becomes part of, or all at once ("off").

    ``tiling`` is one of ``shots.TILINGS``. What the tiles of a diffusion decoder need at the least, for they adapt.
    """
    if widths.diffusion is not None:
        return fit_diffusion.least_decoding(widths.diffusion, width, height, frames, tiling)
    # The last layer makes 3 colours x 4 x 4 pixels of every position.
    channels = max(widths.decoder, 3 * PATCH * PATCH)
    if tiling == "off":
        return round(widths.decoder_copies * channels * frames * (height // PATCH) * (width // PATCH) * HALF)
    abilities = widths.abilities
    in_a_tile = min(frames, SMALL_FRAMES if tiling == "small" else abilities.tile_frames)
    tile_width, tile_height = (SMALL_SIDE,) * 2 if tiling == "small" else _tile_sides(abilities, width, height)
    chunk = 3 * in_a_tile * height * width * HALF
    tile = in_a_tile * (min(width, tile_width) // PATCH) * (min(height, tile_height) // PATCH)
    one_tile = widths.decoder_copies * channels * tile * HALF
    if tiling == "small":
        one_tile, chunk = MORE_IN_SMALL_TILES * one_tile, MORE_IN_SMALL_TILES * chunk
    if not abilities.lean_decoder:
        return round(max(one_tile + CHUNK_COPIES_AT_WORK * chunk, CHUNK_COPIES_AT_END * chunk))
    overlap = SMALL_OVERLAP if tiling == "small" else LEAN_OVERLAP
    full_tile = SMALL_FRAMES if tiling == "small" else abilities.tile_frames
    chunks = min(LEAN_CHUNKS, max(1, math.ceil((frames - 1 + LATENT_FRAMES - overlap) / (full_tile - overlap))))
    shortest, side = LEAN_SHORTEST_TILE * LATENT_SIDE, min(width, height)
    weighs = tiling != "small" and min(tile_width, tile_height) <= shortest < side
    return round(one_tile + (WITH_WEIGHTS if weighs else 1) * (chunks + LEAN_CHUNK_IN_8_BITS) * chunk)


def _tile_sides(abilities: Abilities, width: int, height: int) -> tuple[int, int]:
    """Width and height of the largest tile in pixels. SDK 1.2 shortens the shorter side as the longer."""
    side, longer = abilities.tile_side, max(width, height)
    if not abilities.lean_decoder or longer <= side:
        return side, side
    shortened = (math.ceil(side * each / longer / LATENT_SIDE) for each in (width, height))
    tile_width, tile_height = (LATENT_SIDE * max(LEAN_SHORTEST_TILE, latents) for latents in shortened)
    return tile_width, tile_height


def quick_decoding(widths: Widths, width: int, height: int, frames: int, tiling: str) -> int:
    """What ``decoding`` should have to be quick, where its tiles adapt to the memory that is free; else the same."""
    if widths.diffusion is None or tiling != "auto":
        return decoding(widths, width, height, frames, tiling)
    return fit_diffusion.quick_decoding(widths.diffusion, width, height, frames)


def decoding_sound(sound: int) -> int:
    """Audio decoder and vocoder."""
    return sound * PER_SOUND_LATENT
