"""LTX-2.5's diffusion decoder: on SDK 1.2 the SDK's own shot, on 1.0 a sentence; its tiles without the SDK."""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import save_file

from dev.direct_sdk import call_sdk
from dev.tiny_diffusion_vae import DIFFUSION_VAE_CONFIG, make_diffusion_vae
from storymotion import errors
from storymotion.ltx.diffusion_vae import DiffusionDecoder, diffusion_decoder
from storymotion.ltx.fit_sizes import component_sizes
from storymotion.ltx.headers import Header
from storymotion.ltx.models import ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.render import Order, render_shot, render_shots
from storymotion.ltx.residents import Residents
from storymotion.ltx.shots import DistilledShot, OneStageShot, TwoStageShot, guide_from_pixels

from .sdk_parts import IS_1_0, only_1_0, only_1_2
from .test_render import Recorder, same

NUMBERS: dict[str, Any] = {"prompt": "a cat", "width": 64, "height": 64, "frames": 9, "fps": 24.0, "seed": 3}
SHOTS = {
    "distilled": DistilledShot(**NUMBERS),
    "one stage": OneStageShot(**NUMBERS, negative_prompt="blurry", steps=2),
    "two stages": TwoStageShot(**NUMBERS, negative_prompt="blurry", steps=2),
}
PLENTY = 100 * 2**30


@pytest.fixture(scope="session")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_diffusion_vae(tmp_path_factory.mktemp("vae") / "diffusion-vae.safetensors")


@pytest.fixture
def chosen(models: ModelSet, vae: Path) -> ModelSet:
    return replace(models, video_vae=vae)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's eager attention would take a tiny video in one dense piece, which takes a CPU ten times as long."""
    if not IS_1_0:
        eager = importlib.import_module("ltx_core.model.video_vae.transformer.fallback_na.eager")
        monkeypatch.setattr(eager, "NA_SCORE_BUDGET", 2**18)


def paths(models: ModelSet) -> dict[str, Any]:
    from ltx_pipelines.utils.model_paths import ModelPaths

    checkpoint, text_encoder = str(models.checkpoint), str(models.text_encoder)
    return {"model_paths": ModelPaths.from_monolith(checkpoint, text_encoder, video_vae_path=str(models.video_vae))}


def tiles(frames: int, side: int) -> Any:
    from ltx_core.tiling import DimensionSizeConfig as Size
    from ltx_core.tiling import TileSizeConfig

    return TileSizeConfig(frames=Size(frames, 8), height=Size(side, 96), width=Size(side, 96))


@only_1_2
@pytest.mark.parametrize("kind", SHOTS)
def test_auto_is_the_sdks_own_shot(chosen: ModelSet, picture: numpy.ndarray, kind: str) -> None:
    """The SDK's AUTO_TILING refuses every CPU, for which it counts no free memory: it is told what there is."""
    from ltx_pipelines.utils.helpers import tiling_config_for_vae

    shot = SHOTS[kind]
    auto = tiling_config_for_vae(str(chosen.video_vae), height=64, width=64, num_frames=9, free_bytes=PLENTY)
    recorder = Recorder()
    ours = render_shot(chosen, replace(shot, guides=(guide_from_pixels(picture, 0, 0.9),)), progress=recorder)
    pictures = ((picture, 0, 0.9),)  # its file has the encoder as well
    assert same(ours, *call_sdk(chosen, shot, pictures, constructor=paths(chosen), tiling_config=auto))
    # Three blocks of the whole video, then of its one tile three blocks and two steps: each may cancel.
    assert [what for _, _, what in recorder.calls].count("decoding") >= 3 + 3 + 2
    assert recorder.calls[-1][0] == 1000


@only_1_2
def test_small_tiles_overlap_enough_and_off_has_none(chosen: ModelSet) -> None:
    wide = replace(SHOTS["distilled"], width=320)
    small = render_shot(chosen, replace(wide, tiling="small"))
    off = render_shot(chosen, replace(wide, tiling="off"))
    assert same(small, *call_sdk(chosen, wide, constructor=paths(chosen), tiling_config=tiles(32, 256)))
    assert same(off, *call_sdk(chosen, wide, constructor=paths(chosen), tiling_config=None))
    assert not torch.equal(small.frames, off.frames), "it was one tile"


@only_1_2
def test_where_memory_is_short_it_decodes_in_the_least_tiles(chosen: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    from storymotion.ltx import decoder_1_2

    wide = replace(SHOTS["distilled"], width=320)
    monkeypatch.setattr(decoder_1_2, "free_now", lambda device: 2**28)
    ours = render_shot(chosen, wide)
    assert same(ours, *call_sdk(chosen, wide, constructor=paths(chosen), tiling_config=tiles(16, 192)))


@only_1_2
def test_a_cancel_between_tiles(chosen: ModelSet) -> None:
    class Stopping(Recorder):
        def __call__(self, done: int, total: int, what: str) -> None:
            super().__call__(done, total, what)
            # After the decoders were got (3) and the stages before the tiles.
            if [call[2] for call in self.calls].count("decoding") == 8:
                raise InterruptedError("cancelled")

    residents, recorder = Residents(), Stopping()
    kept = replace(chosen, keep="ram")
    with pytest.raises(InterruptedError):
        render_shot(kept, SHOTS["distilled"], residents=residents, progress=recorder)
    again = render_shot(kept, SHOTS["distilled"], residents=residents)
    assert residents.loads == []
    assert torch.equal(again.frames, render_shot(chosen, SHOTS["distilled"]).frames)


@only_1_2
def test_the_decoder_is_built_once_for_two_scenes_and_weighs_what_the_plan_says(chosen: ModelSet) -> None:
    shot = SHOTS["distilled"]
    queue = render_shots([Order(chosen, replace(shot, seed=seed)) for seed in (1, 2)])
    (load,) = (load for load in queue.loads if load.kind == "video_decoder")
    facts = check(chosen, shot).checkpoint
    weights = component_sizes(facts, chosen.text_encoder, None, "bf16")["video_decoder"]
    assert weights <= load.size <= 1.02 * weights, "beside the weights it has frequencies and time steps"


@only_1_0
def test_on_sdk_1_0_it_is_refused_early(models: ModelSet, tmp_path: Path, weight_reads: list[int]) -> None:
    path = tmp_path / "diffusion-vae.safetensors"
    names = ("encoder.conv_in.conv.weight", "decoder.conv_in.weight")
    config = {"config": json.dumps({"vae": DIFFUSION_VAE_CONFIG})}
    save_file({name: torch.zeros(2, 2) for name in names}, path, config)
    with pytest.raises(errors.SdkTooOld, match=r"needs .* SDK 1\.2"):
        render_shot(replace(models, video_vae=path), SHOTS["distilled"])
    assert weight_reads == []


@only_1_2
@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"head_dim": None}, "'head_dim' in the 'decoder'"),
        ({"stage_channels": None, "head_dim": None}, "'head_dim' and 'stage_channels' in the"),
        ({"stage_channels": [128, 64, 32]}, "whose five stages fit together"),
        ({"head_dim": 48}, "whose five stages fit together"),
        ({"stage_channels": [128, 64, 64, 32, 16]}, "whose five stages fit together"),
        ({"stage_kernels": "3x3x3"}, "a readable 'decoder'"),
        ({"head_dim": "small"}, "a readable 'decoder'"),
        ({"upsamples": [2, 2, 2, 2]}, "a readable 'decoder'"),
    ],
)
def test_a_header_that_the_sdk_could_not_use_is_refused_before_anything_is_read(
    models: ModelSet, vae: Path, tmp_path: Path, changed: dict[str, Any], missing: str, weight_reads: list[int]
) -> None:
    """It would stop when Gemma has read the prompts."""
    from safetensors.torch import load_file

    decoder = {name: each for name, each in (DIFFUSION_VAE_CONFIG["decoder"] | changed).items() if each is not None}
    path = tmp_path / "other.safetensors"
    save_file(load_file(vae), path, {"config": json.dumps({"vae": DIFFUSION_VAE_CONFIG | {"decoder": decoder}})})
    with pytest.raises(errors.ModelPartsMissing, match=rf"'other\.safetensors' lacks: .*{missing}"):
        render_shot(replace(models, video_vae=path), SHOTS["distilled"])
    assert weight_reads == []


def described(**decoder: Any) -> DiffusionDecoder:
    """A decoder with the SDK's default sizes, as a header describes it."""
    sizes = {"head_dim": 64, "stage_channels": [1024, 512, 256, 256, 128]} | decoder
    vae = {"_class_name": "CausalDiffusionVAE", "decoder": sizes}
    found = diffusion_decoder(Header(Path("vae.safetensors"), {}, {"config": json.dumps({"vae": vae})}))
    assert found is not None
    return found


def test_tiles_overlap_by_what_its_attention_sees() -> None:
    decoder = described()
    least, small, quick = decoder.least_tile, decoder.small_tile, decoder.quick_tile
    assert (least.overlap_frames, least.overlap_pixels) == (8, 96)
    assert [(tile.frames, tile.height, tile.width) for tile in (least, small, quick)] == [
        (16, 192, 192),
        (32, 256, 256),
        (64, 512, 512),
    ]
    assert quick.count(121, 704, 1280) == 3 * 2 * 3 and quick.within(41, 320, 1280) == (41, 320, 512)
    deeper = described(stage_depths=[4, 6, 4, 2, 24])
    assert deeper.small_tile.height == 2 * deeper.small_tile.overlap_pixels == 576
    assert diffusion_decoder(Header(Path("conv.safetensors"), {}, {})) is None


@only_1_2
@pytest.mark.parametrize("depth", [1, 8, 24])
@pytest.mark.parametrize("kernel", [[3, 3, 3], [3, 7, 7], [5, 9, 11]])
def test_overlaps_and_least_tiles_are_the_sdks(depth: int, kernel: list[int]) -> None:
    from ltx_core.model.video_vae import diffusion_tiling, model_configurator
    from ltx_core.model.video_vae.transformer.config import DiffVAEMode

    sizes = {"head_dim": 64, "stage_channels": [1024, 512, 256, 256, 128]}
    sizes |= {"stage5_kernel": kernel, "stage_depths": [4, 6, 4, 2, depth]}
    geometry = model_configurator.diffvae_tiling_geometry_from_vae_config({"decoder": sizes})
    least = described(**sizes).least_tile
    overlaps = diffusion_tiling.recommended_pixel_overlaps(geometry["tile_halos"], geometry["pixel_scale"])
    assert (least.overlap_frames, least.overlap_pixels) == overlaps
    video = {"height": 704, "width": 1280, "num_frames": 121, "mode": DiffVAEMode.CHUNKED_EAGER}
    with pytest.raises(ValueError, match=rf"min tile ~{least.frames}f x {least.height}x{least.width}px"):
        diffusion_tiling.recommended_decode_tiling_config(**geometry, **video, free_bytes=0)
