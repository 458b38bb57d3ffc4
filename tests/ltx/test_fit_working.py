"""The estimates of working memory against what the SDK's own forward passes allocate at the released sizes.

The passes run on torch's "meta" device: shapes without numbers, so a 22B model takes seconds and no
memory. What is counted is every tensor that is alive at once. CUDA's workspaces are not in it.
"""

from __future__ import annotations

from typing import Any

import pytest

from storymotion.ltx import fit_working as working
from storymotion.ltx.abilities import installed
from storymotion.ltx.fit_working import widths_of

from .real_size import headers, module
from .sdk_parts import decoding_of, only_1_0

# An estimate may be above what is counted, and by no more than this; never below it.
MOST_ABOVE = 1.15
GIB = 2**30


def peak_of(run: Any) -> int:
    """The most bytes of tensors that are alive at once while ``run`` runs on the meta device.

    Attention and RMS norm are one kernel each on CUDA; on "meta" torch would take them apart.
    """
    import torch
    from torch.multiprocessing.reductions import StorageWeakRef
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    functional = torch.nn.functional

    class Fused(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is functional.scaled_dot_product_attention:
                return torch.empty((*args[0].shape[:-1], args[2].shape[-1]), dtype=args[0].dtype, device="meta")
            if func in (functional.rms_norm, torch.rms_norm):
                return torch.empty_like(args[0])
            return func(*args, **(kwargs or {}))

    class Counting(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
            self.now = self.most = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            for key in [key for key, (storage, _) in self.alive.items() if storage.expired()]:
                self.now -= self.alive.pop(key)[1]
            for tensor in tree_leaves(out):
                if isinstance(tensor, torch.Tensor):
                    storage = tensor.untyped_storage()
                    if storage._cdata not in self.alive:
                        self.alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
                        self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            return out

    counting = Counting()
    with torch.inference_mode(), torch.device("meta"), counting, Fused():
        run()
    return counting.most


def check(estimate: int, counted: int, most_above: float = MOST_ABOVE) -> None:
    assert counted <= estimate <= most_above * counted, f"{estimate / GIB:.3f} GiB for {counted / GIB:.3f} GiB"


@pytest.mark.parametrize("flavor", ["2.3", "2.0"])
@pytest.mark.parametrize(("width", "height", "frames"), [(640, 352, 193), (1280, 704, 121), (1920, 1088, 193)])
def test_denoising(flavor: str, width: int, height: int, frames: int) -> None:
    import torch
    from ltx_core.model.transformer import Modality, X0Model

    # Every block needs the same and lets go of it: two tell as much as 48.
    transformer = X0Model(module("transformer", flavor, 2))
    tokens, sound = working.video_tokens(width, height, frames), working.sound_tokens(frames, 24.0)
    text_widths = (3840, 3840) if flavor == "2.0" else (4096, 2048)

    def modality(count: int, axes: int, text_width: int) -> Any:
        return Modality(
            enabled=True,
            latent=torch.empty(1, count, 128, dtype=torch.bfloat16),
            sigma=torch.empty(1),
            timesteps=torch.empty(1, count, 1),
            positions=torch.empty(1, axes, count, 2),
            context=torch.empty(1, 1024, text_width, dtype=torch.bfloat16),
            context_mask=None,
            attention_mask=None,
        )

    def run() -> None:
        video, audio = modality(tokens, 3, text_widths[0]), modality(sound, 1, text_widths[1])
        transformer(video=video, audio=audio, perturbations=None)

    check(working.denoising(widths_of(headers(flavor), installed()), tokens, sound, prompts=1), peak_of(run))


def decoded(flavor: str, tiling: str, width: int, height: int, frames: int) -> tuple[int, int]:
    """What the plan has for decoding, and what is counted."""
    import torch

    decode = decoding_of(module("vae.decoder.", flavor))

    def run() -> None:
        latent = torch.empty(1, 128, (frames - 1) // 8 + 1, height // 32, width // 32, dtype=torch.bfloat16)
        for _ in decode(latent, tiling):
            pass

    estimate = working.decoding(widths_of(headers(flavor), installed()), width, height, frames, tiling)
    return estimate, peak_of(run)


@pytest.mark.parametrize("flavor", ["2.3", "2.0"])
@pytest.mark.parametrize("tiling", ["auto", "off"])
@pytest.mark.parametrize(("width", "height", "frames"), [(512, 512, 65), (1280, 704, 193), (3200, 1792, 73)])
def test_decoding(flavor: str, tiling: str, width: int, height: int, frames: int) -> None:
    # Tiles shrink where the shot is not square; the estimate takes whole ones so that it never falls as a shot grows.
    check(*decoded(flavor, tiling, width, height, frames), 1.4 if tiling == "auto" else MOST_ABOVE)


@pytest.mark.parametrize("flavor", ["2.3", "2.0"])
@pytest.mark.parametrize(("width", "height", "frames"), [(512, 512, 65), (640, 320, 121), (1024, 128, 73)])
def test_decoding_in_small_tiles(flavor: str, width: int, height: int, frames: int) -> None:
    # The reserve for small tiles plans SDK 1.0 up to 41 % above what it takes.
    check(*decoded(flavor, "small", width, height, frames), 1.5)


# The last is just not seven times as wide as high.
@pytest.mark.parametrize(("width", "height", "frames"), [(2048, 256, 121), (128, 1024, 73), (1280, 192, 121)])
def test_decoding_what_is_very_wide_or_tall(width: int, height: int, frames: int) -> None:
    """SDK 1.2's tiles then overlap by more than half, and every chunk has weights beside it. 1.0's do not shrink."""
    check(*decoded("2.3", "auto", width, height, frames), 1.4 if installed().lean_decoder else 2.5)


@pytest.mark.parametrize("flavor", ["2.3", "2.0"])
@pytest.mark.parametrize(("width", "height", "frames"), [(1280, 704, 1), (640, 352, 121)])
def test_encoding(flavor: str, width: int, height: int, frames: int) -> None:
    import torch

    encoder = module("vae.encoder.", flavor)
    counted = peak_of(lambda: encoder(torch.empty(1, 3, frames, height, width, dtype=torch.bfloat16)))
    check(working.encoding(widths_of(headers(flavor)), width, height, frames), counted)


def test_upsampling() -> None:
    import torch

    upscaler = module("upscaler", "2.3")
    counted = peak_of(lambda: upscaler(torch.empty(1, 128, 25, 11, 20, dtype=torch.bfloat16)))
    check(working.upsampling(widths_of(headers("2.3")), 25 * 22 * 40), counted)


@pytest.mark.parametrize("flavor", ["2.3", "2.0"])
def test_the_text_projection(flavor: str) -> None:
    import torch

    extractor = module("processor", flavor).feature_extractor

    def run() -> None:
        states = tuple(torch.empty(1, 1024, 3840, dtype=torch.bfloat16) for _ in range(49))
        extractor(states, torch.ones(1, 1024, dtype=torch.int64), "left")

    check(working.processing(widths_of(headers(flavor)), prompts=1), peak_of(run))


def test_gemma() -> None:
    import torch

    gemma = module("gemma", "2.3").model.model
    masks = ("full_attention", "sliding_attention")

    def run() -> None:
        tokens = torch.ones(1, 1024, dtype=torch.int64)
        mask = {kind: torch.empty(1, 1, 1024, 1024, dtype=torch.bfloat16) for kind in masks}
        gemma(input_ids=tokens, attention_mask=mask, output_hidden_states=True)

    widths = widths_of(headers("2.3"))
    assert widths.text_states == 49 * 1024 * 3840 * 2  # 385 MB a prompt
    check(working.reading(widths, prompts=1, enhance=False), peak_of(run))
    assert working.reading(widths, 2, False) - working.reading(widths, 1, False) == widths.text_states


@only_1_0  # 1.2's vocoder becomes float32 by autocast, which "meta" has not
def test_sound() -> None:
    import torch

    decoder, sound = module("audio_vae.decoder.", "2.3"), 201
    counted = peak_of(lambda: decoder(torch.empty(1, 8, sound, 16, dtype=torch.bfloat16)))
    # The vocoder, in float32, needs more than the decoder before it.
    vocoder = module("vocoder.", "2.3").float()
    in_float = peak_of(lambda: vocoder(torch.empty(1, 2, 4 * sound - 3, 64)))
    check(working.decoding_sound(sound), max(counted, in_float))
