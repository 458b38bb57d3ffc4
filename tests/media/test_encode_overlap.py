"""A frame is compressed while the next one is made, and the thread that does it never outlives the encode."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from storymotion.media.encode import encode_mp4

FRAMES, WIDTH, HEIGHT = 12, 64, 48


class Stop(Exception):
    """What a user's cancel stands for here."""


def compressing() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("storymotion-encode")]


def frames(seen: list[tuple[int, bool]], stop_at: int = FRAMES) -> Iterator[np.ndarray]:
    for index in range(FRAMES):
        if index == stop_at:
            raise Stop
        seen.append((threading.get_ident(), bool(compressing())))
        yield np.full((HEIGHT, WIDTH, 3), index * 20, np.uint8)


def test_frames_are_made_in_the_callers_thread_while_another_compresses(tmp_path: Path) -> None:
    seen: list[tuple[int, bool]] = []
    encode_mp4(tmp_path / "film.mp4", frames(seen), FRAMES, WIDTH, HEIGHT, Fraction(24))
    assert {thread for thread, _ in seen} == {threading.get_ident()}
    assert [busy for _, busy in seen] == [False] + [True] * (FRAMES - 1)
    assert not compressing()


def test_cancel_waits_for_the_frame_in_work_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        encode_mp4(tmp_path / "film.mp4", frames([], stop_at=5), FRAMES, WIDTH, HEIGHT, Fraction(24))
    assert not compressing() and not list(tmp_path.iterdir())
