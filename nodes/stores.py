"""Where things live in this ComfyUI: frames of long stories, finished shots, and how long shots took."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..storymotion.ltx.shot_run import RenderedShot
from ..storymotion.media.frame_buffers import FrameBuffers
from ..storymotion.media.shot_store import ShotStore, StoredShot
from ..storymotion.shot import exact_frame_rate
from ..storymotion.timings import USER_TIMINGS, Timings
from .host import NodeProgress
from .settings import user_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from ..storymotion.ltx.sdk import NewFrames

GIB = 2**30
# Below ComfyUI's user folder. Not its temp folder, which ComfyUI empties when it starts.
SHOTS = Path("storymotion") / "shots"
# A shot of 8 s at 1280 x 704 takes about 0.2 GB.
SHOT_STORE_GB, DEFAULT_SHOT_STORE_GB = "StoryMotion.ShotStoreGB", 30.0
SHOT_STORE_ENVIRONMENT = "STORYMOTION_SHOT_STORE_GB"


@lru_cache(maxsize=1)
def frame_buffers() -> FrameBuffers:
    """The memory for finished frames: a quarter of what is free now, at least 1 GiB, and files beyond it."""
    import folder_paths
    import psutil

    limit = max(GIB, psutil.virtual_memory().available // 4)
    return FrameBuffers(Path(folder_paths.get_temp_directory()), limit)


def user_file(name: Path) -> Path:
    """A file or folder of ours in ComfyUI's user folder."""
    import folder_paths

    return Path(folder_paths.get_user_directory()) / name


def timings() -> Timings:
    """What earlier shots took on this machine."""
    return Timings(user_file(USER_TIMINGS))


class StoredShots:
    """The ``Shelf`` of rendering: finished shots in ComfyUI's user folder, as many as the user's setting holds."""

    def __init__(self, progress: NodeProgress) -> None:
        self._store = ShotStore(user_file(SHOTS), _largest_bytes())
        self._progress = progress

    def find(self, key: str, new_frames: NewFrames) -> RenderedShot | None:
        """See ``Shelf``."""
        stored = self._store.get(key, new_frames, self._only_cancels)
        if stored is None or stored.waveform is None:
            return None
        facts = stored.facts
        return RenderedShot(
            frames=stored.frames,
            fps=float(facts["fps"]),
            waveform=stored.waveform,
            sample_rate=stored.sample_rate,
            notes=(),
            seconds=dict(facts["seconds"]),
            device_name=str(facts["device"]),
        )

    def put(self, key: str, shot: RenderedShot) -> None:
        """See ``Shelf``."""
        facts = {"fps": shot.fps, "seconds": dict(shot.seconds), "device": shot.device_name}
        stored = StoredShot(shot.frames, exact_frame_rate(shot.fps), shot.waveform, shot.sample_rate, facts)
        if self._store.put(key, stored, self._only_cancels):
            self._store.drop_states(key)

    def find_stage(self, key: str, stage: str) -> Mapping[str, torch.Tensor] | None:
        """See ``Shelf``."""
        return self._store.get_state(f"{key}-{stage}")

    def put_stage(self, key: str, stage: str, latents: Mapping[str, torch.Tensor]) -> None:
        """See ``Shelf``."""
        self._store.put_state(f"{key}-{stage}", latents)

    def _only_cancels(self, done: int, total: int, what: str) -> None:
        """The bar is about scenes, and stays where it is."""
        self._progress.raise_if_cancelled()


def _largest_bytes() -> int:
    value = os.environ.get(SHOT_STORE_ENVIRONMENT) or user_setting(SHOT_STORE_GB, DEFAULT_SHOT_STORE_GB)
    try:
        return max(0, int(float(value) * 1e9))
    except (TypeError, ValueError, OverflowError):
        return int(DEFAULT_SHOT_STORE_GB * 1e9)
