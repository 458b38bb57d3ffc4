"""Small shots for the tiny models, and a count of the bytes that the SDK reads."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from dev.tiny_models import TinyModels
from storymotion.ltx.models import ModelSet
from storymotion.ltx.shots import DistilledShot, Guide, TwoStageShot, guide_from_pixels


@pytest.fixture
def models(tiny: TinyModels) -> ModelSet:
    """The tiny set as the library's value."""
    return ModelSet(tiny.checkpoint, tiny.gemma_root, tiny.spatial_upscaler)


@pytest.fixture(scope="session")
def picture() -> numpy.ndarray:
    """A picture with edges, uint8 [96, 128, 3]."""
    rows, columns = numpy.mgrid[0:96, 0:128]
    return numpy.stack([columns * 2, rows * 2, (rows // 8 + columns // 8) % 2 * 255], -1).astype(numpy.uint8)


@pytest.fixture
def guide(picture: numpy.ndarray) -> Guide:
    return guide_from_pixels(picture, frame=0, strength=0.9)


@pytest.fixture
def distilled() -> DistilledShot:
    """A small distilled shot, to be changed with dataclasses.replace."""
    return DistilledShot("a red cat walks", 64, 64, 9, 24.0, seed=3)


@pytest.fixture
def two_stage() -> TwoStageShot:
    """A small two-stage shot, to be changed with dataclasses.replace."""
    return TwoStageShot("a red cat walks", 64, 64, 9, 24.0, seed=3, negative_prompt="blurry", steps=3)


@pytest.fixture
def weight_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every weight file that the SDK loads, in order."""
    from ltx_core.loader.sft_loader import SafetensorsStateDictLoader

    reads: list[int] = []
    load = SafetensorsStateDictLoader.load

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        state = load(self, *args, **kwargs)
        if state.size:
            reads.append(state.size)
        return state

    monkeypatch.setattr(SafetensorsStateDictLoader, "load", counting)
    return reads
