"""Previews show the middle of the shot in both stages, and change nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from storymotion.ltx.models import ModelSet
from storymotion.ltx.preview import PreviewTap
from storymotion.ltx.render import render_shot
from storymotion.ltx.shots import DistilledShot, Guide, OneStageShot


def test_previews_of_both_stages(
    models: ModelSet, distilled: DistilledShot, guide: Guide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PreviewTap.__init__, "__defaults__", (0.0,))
    shot = replace(distilled, width=128, guides=(guide, replace(guide, frame=-1)))
    seen: list[torch.Tensor] = []
    shown = render_shot(models, shot, on_preview=seen.append)
    assert {tuple(latent.shape) for latent in seen} == {(1, 2, 128), (2, 4, 128)}
    assert [tuple(latent.shape) for latent in seen] == [(1, 2, 128)] * 8 + [(2, 4, 128)] * 3
    assert all(latent.dtype == torch.float32 for latent in seen)
    assert torch.equal(shown.frames, render_shot(models, shot).frames)


def test_the_middle_frame_is_taken() -> None:
    shot = OneStageShot("", 96, 64, 17, 24.0, 0)  # 3 latent frames of 2 x 3
    tokens = torch.arange(18, dtype=torch.bfloat16)[None, :, None].expand(1, 18, 128)
    seen: list[torch.Tensor] = []
    tap = PreviewTap(shot, seen.append, seconds_between=60)
    tap(tokens)
    tap(tokens)
    tap(None)
    (latent,) = seen
    assert latent[..., 0].tolist() == [[6, 7, 8], [9, 10, 11]]
