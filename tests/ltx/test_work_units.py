"""The amount of work that forecasts go by against the operations of the SDK's own passes at the released sizes."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from storymotion.forecast import Work
from storymotion.ltx.fit_working import sound_tokens, video_tokens

from .real_size import module
from .sdk_parts import decoding_of

pytestmark = pytest.mark.slow
BLOCKS = 48
SIZES = [(448, 256, 97), (768, 448, 193), (1280, 704, 193), (1920, 1088, 193)]


def operations(run: Any) -> int:
    """Floating point operations of matrix products, attention and convolutions, on torch's "meta" device."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@functools.cache
def transformer_pass(tokens: int, sound: int) -> int:
    """One forward pass of LTX-2.3's transformer: what is around the blocks, and 48 times one block."""
    import torch
    from ltx_core.model.transformer import Modality, X0Model

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

    def run(layers: int) -> int:
        transformer = X0Model(module("transformer", "2.3", layers))

        def forward() -> None:
            transformer(video=modality(tokens, 3, 4096), audio=modality(sound, 1, 2048), perturbations=None)

        return operations(forward)

    one, two = run(1), run(2)
    return one + (BLOCKS - 1) * (two - one)


def decoding(width: int, height: int, frames: int) -> int:
    import torch

    decode = decoding_of(module("vae.decoder.", "2.3"))

    def run() -> None:
        latent = torch.empty(1, 128, (frames - 1) // 8 + 1, height // 32, width // 32, dtype=torch.bfloat16)
        for chunk in decode(latent, "auto"):
            del chunk

    return operations(run)


@pytest.mark.parametrize("pipeline", ["distilled", "two_stage", "one_stage"])
def test_units_are_the_operations_of_the_transformer(pipeline: str) -> None:
    """The same number of operations a unit at every size, within 5 %; decoding left aside."""
    forwards = 8 if pipeline == "distilled" else 120
    per_unit = []
    for width, height, frames in SIZES:
        tokens, sound = video_tokens(width, height, frames), sound_tokens(frames, 24.0)
        whole = transformer_pass(tokens, sound)
        counted = forwards * whole
        if pipeline != "one_stage":
            counted = forwards * transformer_pass(tokens // 4, sound) + 3 * whole
        work = Work(pipeline, "bf16", "the CPU", width, height, frames, forwards)
        per_unit.append(counted / (work.units - tokens))
    assert max(per_unit) / min(per_unit) < 1.05
    assert per_unit[-1] == pytest.approx(27.2e9, rel=0.05)


def test_decoding_is_about_one_pass() -> None:
    for width, height, frames in ((512, 512, 65), (1280, 704, 193)):
        assert 0.5 < decoding(width, height, frames) / (27.2e9 * video_tokens(width, height, frames)) < 1.5
