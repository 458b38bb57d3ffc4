"""A test-only node of one file: lists of VIDEOs such as the nodes that make a whole story give, without any model."""

from __future__ import annotations

import io
import json
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy_api.latest import InputImpl, Types
from comfy_execution.graph_utils import ExecutionBlocker


def storymotion(module: str):
    """A module of the pack under test, under the name that ComfyUI gave it."""
    (found,) = [loaded for name, loaded in sys.modules.items() if name.endswith(f"storymotion.nodes.{module}")]
    return found


def picture(shot: int, frames: int, width: int = 64) -> torch.Tensor:
    """Flat frames [frames, 48, width, 3] whose grey says which shot it is."""
    return torch.full((frames, 48, width, 3), 20 + 30 * shot, dtype=torch.uint8)


class SlowVideo(InputImpl.VideoFromComponents):
    """Says in the output folder that it is being read, and takes its time."""

    def get_components(self):
        (Path(folder_paths.get_output_directory()) / "reading").touch()
        time.sleep(0.5)
        return super().get_components()


class StoryShots:
    """``slots`` is JSON: one object a slot, {"kind", "shot", "frames", "moves", "width", "fps", "story", "scene"}.

    With ``story`` the shots carry what became of their story; those of one "story" belong together,
    and "scene" is where in it they are, if not as they come.
    ``keep`` hands on only so many slots, from the first.
    """

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"slots": ("STRING", {"default": "[]"}), "story": ("BOOLEAN", {"default": True})},
            "optional": {"keep": ("INT", {"default": 99})},
        }

    RETURN_TYPES = ("VIDEO",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "make"
    CATEGORY = "test"

    def make(self, slots: str, story: bool, keep: int = 99):
        asked = json.loads(slots)
        stories: dict[str, list[dict]] = {}
        for slot in asked:
            together = stories.setdefault(slot.get("story", ""), [])
            together.append(slot)
            slot.setdefault("scene", len(together))
        outcomes = {name: self._outcome(scenes) if story else None for name, scenes in stories.items()}
        made = [self._slot(place, slot, outcomes[slot.get("story", "")]) for place, slot in enumerate(asked, 1)]
        return (made[:keep],)

    def _outcome(self, scenes: list[dict]):
        outcome = storymotion("outcome")
        failed = [slot["scene"] for slot in scenes if slot["kind"] == "failed"]
        failed = tuple(outcome.FailedScene(scene, f"scene {scene}", "It broke.") for scene in failed)
        return outcome.StoryOutcome(len(scenes), failed)

    def _slot(self, position: int, slot: dict, outcome):
        if slot["kind"] == "failed":
            return ExecutionBlocker(None)
        frames = picture(slot.get("shot", position), slot.get("frames", position), slot.get("width", 64))
        for index, frame in enumerate(frames if slot.get("moves") else []):
            left = 16 + abs(index % 8 - 4)
            frame[10:30, left : left + 24] = 0
        rate = Fraction(slot.get("fps", "24"))
        if slot["kind"] == "shot":
            return storymotion("video").ShotVideo(frames, rate, None, outcome, slot["scene"] if outcome else None)
        components = Types.VideoComponents(images=frames.float() / 255, audio=None, frame_rate=rate)
        if slot["kind"] == "slow":
            return SlowVideo(components)
        video = InputImpl.VideoFromComponents(components)
        if slot["kind"] == "foreign":
            return video
        path = Path(folder_paths.get_output_directory()) / f"foreign_{position}_{len(frames)}.mp4"
        video.save_to(str(path))
        if slot["kind"] == "stream":
            content = path.read_bytes()
            path.unlink()
            return InputImpl.VideoFromFile(io.BytesIO(content))
        if slot["kind"] == "gone":
            path.unlink()
        file: Any = InputImpl.VideoFromFile(str(path))  # ComfyUI 0.3.75 has no as_trimmed
        return file.as_trimmed(0.25, 0.5) if slot["kind"] == "trimmed" else file


class StoryLater:
    """Hands the videos on, one by one; takes its time, and says so in the output folder."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"video": ("VIDEO",)}, "optional": {"fail": ("BOOLEAN", {"default": False})}}

    RETURN_TYPES = ("VIDEO",)
    FUNCTION = "hand_on"
    CATEGORY = "test"

    def hand_on(self, video: Any, fail: bool = False):
        if fail:
            raise RuntimeError("It broke at once")
        with (Path(folder_paths.get_output_directory()) / "later").open("a", encoding="utf-8") as log:
            log.write("x")
        time.sleep(0.2)
        return (video,)


class StoryNames:
    """``names`` is a JSON list."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"names": ("STRING", {"default": "[]"})}}

    RETURN_TYPES = ("STRING",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "make"
    CATEGORY = "test"

    def make(self, names: str):
        return (json.loads(names),)


NODE_CLASS_MAPPINGS = {"StoryShots": StoryShots, "StoryLater": StoryLater, "StoryNames": StoryNames}
