"""The plan for LTX-2.5's diffusion decoder: against what is counted in the SDK's passes, and for people's machines."""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import functools
import importlib
import json
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from storymotion.ltx import fit_diffusion, fit_said, fit_working
from storymotion.ltx.abilities import SDK_1_2
from storymotion.ltx.fit import plan_weighed
from storymotion.ltx.fit_plan import GIB, Machine, MemoryPlan
from storymotion.ltx.fit_weigh import Weighed, weigh_models
from storymotion.ltx.headers import TensorFacts
from storymotion.ltx.meter import DECODING
from storymotion.ltx.models import ModelSet
from storymotion.ltx.shots import DistilledShot

from .real_size import headers
from .sdk_parts import only_1_2
from .test_diffusion_vae import described
from .test_fit import FIVE_SECONDS, MODELS, cpu, cuda
from .test_fit_working import check, peak_of

VAE = {
    "_class_name": "CausalDiffusionVAE",
    "decoder": {"head_dim": 64, "stage_channels": [1024, 512, 256, 256, 128]},
}
LARGE = replace(FIVE_SECONDS, width=1920, height=1088, frames=193)


@functools.cache
def with_diffusion_vae() -> Weighed:
    """LTX-2.3 with a decoder of the default sizes, which has 0.2 GiB of weights."""
    files = headers("2.3")
    tensors = {name: each for name, each in files.checkpoint.tensors.items() if not name.startswith("vae.decoder.")}
    tensors |= {"vae.decoder.diff_blocks.0.mlp.w_up.weight": TensorFacts("BF16", (100_000, 1024))}
    tensors |= {"vae.decoder.coarse_head.weight": TensorFacts("BF16", (10**9,))}
    config = json.loads(files.checkpoint.metadata["config"]) | {"vae": VAE}
    checkpoint = replace(files.checkpoint, tensors=tensors, metadata={"config": json.dumps(config)})
    return weigh_models(replace(files, checkpoint=checkpoint), SDK_1_2)


def planned(machine: Machine, shot: DistilledShot = FIVE_SECONDS, models: ModelSet = MODELS) -> MemoryPlan:
    return plan_weighed(with_diffusion_vae(), models, shot, machine)


def decoding(plan: MemoryPlan) -> Any:
    (phase,) = (phase for phase in plan.phases if phase.name == DECODING)
    return phase


def slow(plan: MemoryPlan) -> list[Any]:
    return [line.values for line in plan.lines if line.code == "fit-decoding-slow"]


def test_what_it_needs_is_not_what_it_should_have() -> None:
    widths = with_diffusion_vae().widths
    size = (LARGE.width, LARGE.height, LARGE.frames)
    least = fit_working.decoding(widths, *size, "auto")
    quick = fit_working.quick_decoding(widths, *size, "auto")
    whole = fit_working.decoding(widths, *size, "off")
    assert least < fit_working.decoding(widths, *size, "small") < quick < whole
    assert least / GIB == pytest.approx(4.4, abs=0.2) and quick / GIB == pytest.approx(7.0, abs=0.2)
    assert fit_working.quick_decoding(widths, *size, "small") == fit_working.decoding(widths, *size, "small")


def test_what_the_loader_drops_is_not_weighed() -> None:
    assert with_diffusion_vae().sizes["bf16"]["video_decoder"] < GIB // 4


def test_a_large_card_decodes_quickly_and_says_nothing() -> None:
    plan = planned(cuda(141, ram=256), LARGE)
    assert decoding(plan).working == decoding(plan).quick and slow(plan) == [] and plan.tight == ()


def test_where_it_is_slower_the_plan_says_what_it_would_take() -> None:
    card = cuda(32, ram=128, free=7)
    plan = planned(card, LARGE, replace(MODELS, offload="cpu"))
    (values,) = slow(plan)
    assert values["working"] < values["quick"] < 7 and DECODING not in plan.tight
    # Exactly what is left beside the decoders and the reserve of half a GiB.
    left = card.room - GIB // 2 - decoding(plan).weights
    assert decoding(plan).working == left


def test_where_not_even_the_least_tiles_fit_it_says_that() -> None:
    plan = planned(cuda(32, ram=128, free=4), LARGE, replace(MODELS, offload="cpu"))
    assert DECODING in plan.tight and slow(plan) == []


def test_kept_models_leave_it_the_room_to_be_quick() -> None:
    """ "auto" keep: from the first card on that holds all weights and what decoding should have."""
    everything = sum(with_diffusion_vae().sizes["bf16"].values()) / GIB
    keeps = {extra: planned(cuda(everything + extra, ram=256), LARGE).keep for extra in (4.5, 60)}
    assert keeps == {4.5: "ram", 60: "vram"}
    forced = planned(cuda(everything + 60, ram=256), LARGE, replace(MODELS, keep="vram"))
    assert forced.keep == "vram" and slow(forced) == []


@pytest.mark.parametrize(("device", "there", "said"), [("cuda", False, 1), ("cuda", True, 0), ("cpu", False, 0)])
def test_a_card_without_natten_is_told(device: str, there: bool, said: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_said, "has_natten", lambda: there)
    machine = cuda(141, ram=256) if device == "cuda" else cpu(256)
    assert [line.code for line in planned(machine).lines].count("fit-without-natten") == said


def test_on_the_cpu_it_is_main_memory() -> None:
    assert planned(cpu(256), LARGE).keep == "ram" and slow(planned(cpu(256), LARGE)) == []


@pytest.mark.parametrize("frames", [9, 41, 121, 193])
@pytest.mark.parametrize("tiling", ["auto", "small", "off"])
def test_a_smaller_shot_never_needs_more(frames: int, tiling: str) -> None:
    decoder = described()
    sizes = [(320, 192), (640, 352), (1280, 704), (1920, 1088)]
    needed = [fit_diffusion.least_decoding(decoder, *size, frames, tiling) for size in sizes]
    assert needed == sorted(needed)
    assert needed[-1] <= fit_diffusion.least_decoding(decoder, *sizes[-1], frames + 8, tiling)


@functools.cache
def decoder_on_meta() -> Any:
    """A decoder of the default sizes, as the SDK's pipelines make it where there is no natten."""
    import torch
    from ltx_core.model.video_vae import VideoDecoderConfigurator
    from ltx_core.model.video_vae.transformer.apply import apply_diffvae_mode
    from ltx_core.model.video_vae.transformer.config import DiffVAEMode

    from dev.tiny_weights import module_of

    with torch.device("meta"):
        decoder = module_of(VideoDecoderConfigurator, {"vae": VAE}).to(torch.bfloat16).eval()
    return apply_diffvae_mode(decoder, DiffVAEMode.CHUNKED_EAGER)


@pytest.fixture
def in_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators that hide what they allocate are the functions that they are made of; masks of tiles have numbers."""
    from ltx_core.model.video_vae import diffusion_tiling, diffusion_video_decoder, transformer

    for found in pkgutil.walk_packages(transformer.__path__, f"{transformer.__name__}."):
        if "dsl_kernels" in found.name or "fallback_na" in found.name:
            continue
        module = importlib.import_module(found.name)
        for name, each in [*vars(module).items()]:
            if type(each).__name__ == "CustomOpDef":
                monkeypatch.setattr(module, name, each._init_fn)
    for module, name in (
        (diffusion_tiling, "prepare_tile_schedule"),
        (diffusion_video_decoder, "masks_are_complementary"),
    ):
        monkeypatch.setattr(module, name, _on_cpu(getattr(module, name)))


def _on_cpu(function: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    def on_cpu(*args: Any, **named: Any) -> Any:
        with torch.device("cpu"):
            return function(*args, **named)

    return on_cpu


# Few tiles: every one of them takes a second.
@only_1_2
@pytest.mark.usefixtures("in_the_open")
@pytest.mark.parametrize(
    ("width", "height", "frames", "tile"),
    [
        (640, 352, 41, None),
        (288, 192, 25, "least_tile"),
        (608, 512, 113, "quick_tile"),
    ],
)
def test_what_is_counted(width: int, height: int, frames: int, tile: str | None) -> None:
    import torch

    from storymotion.ltx.decoder_1_2 import as_sdk

    decoder, module = described(), decoder_on_meta()
    chosen = getattr(decoder, tile) if tile else None

    def run() -> None:
        latent = torch.empty(1, 128, (frames - 1) // 8 + 1, height // 32, width // 32, dtype=torch.bfloat16)
        for _ in module.decode_video(latent, as_sdk(chosen) if chosen else None):
            pass

    check(fit_diffusion._decoding(decoder, width, height, frames, chosen), peak_of(run), 1.2)


@only_1_2
@pytest.mark.usefixtures("in_the_open")
def test_what_is_counted_before_the_tiles() -> None:
    import torch

    latent = (1, 128, 16 + 2, 704 // 32, 1280 // 32)
    counted = peak_of(lambda: decoder_on_meta().forward_stages_1_to_3(torch.empty(latent, dtype=torch.bfloat16)))
    check(fit_diffusion.least_decoding(described(), 1280, 704, 121, "auto"), counted, 1.6)


@only_1_2
@pytest.mark.parametrize(("width", "height", "frames"), [(640, 352, 121), (1280, 704, 193), (1920, 1088, 193)])
def test_what_makes_it_quick_is_what_the_sdk_wants_for_such_tiles(width: int, height: int, frames: int) -> None:
    """With so much free it takes tiles that waste no more than the quick ones."""
    from ltx_core.model.video_vae import diffusion_tiling, model_configurator
    from ltx_core.model.video_vae.transformer.config import DiffVAEMode

    decoder = described()
    geometry = model_configurator.diffvae_tiling_geometry_from_vae_config(VAE)
    free = fit_diffusion.quick_decoding(decoder, width, height, frames)
    video = {"height": height, "width": width, "num_frames": frames, "mode": DiffVAEMode.CHUNKED_EAGER}
    tiles = diffusion_tiling.recommended_decode_tiling_config(**geometry, **video, free_bytes=free + 1)

    def computed(in_time: int, down: int, across: int, tile: Any) -> int:
        return tile.count(frames, height, width) * in_time * down * across

    from storymotion.ltx.diffusion_vae import Tile

    taken = Tile(tiles.frames.tile_size, tiles.height.tile_size, tiles.width.tile_size, 8, 96)
    quick = decoder.quick_tile
    assert computed(taken.frames, taken.height, taken.width, taken) <= computed(
        quick.frames, quick.height, quick.width, quick
    )
