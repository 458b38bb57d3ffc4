"""Small stories in a server's input folder, the shipped workflow that renders them, and what came of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy

from dev.server import ComfyServer

from .conftest import Graph, shipped

NAMES = ("one", "two", "three", "four", "five", "six")
SIDE = 64  # pixels
SECONDS = (0.3, 0.6, 1.0)  # 9, 17 and 25 frames
# The ids of the nodes in the shipped story workflows.
LOAD, PLAN, SHOTS, ENCODE, REPORT, FILM = "2", "4", "6", "7", "9", "16"


class Story:
    """A story of the sample's pictures under ``name`` in the input folder, one scene for each of ``seeds``."""

    def __init__(self, server: ComfyServer, name: str, seeds: Sequence[int]) -> None:
        self.name = name
        self.seeds = list(seeds)
        self.file = server.data / "input" / f"{name}.json"
        self.write()

    def write(self) -> None:
        """Save it as it is now."""
        self.file.write_text(json.dumps(self.scenes()), encoding="utf-8")

    def scenes(self) -> list[dict[str, Any]]:
        """What the file holds."""
        return [
            {
                "name": name,
                "image": f"storymotion_scene_{place + 1:02}.png",
                "dialogue": "Look!",
                "seconds": SECONDS[place % len(SECONDS)],
                "seed": seed,
            }
            for place, (name, seed) in enumerate(zip(NAMES, self.seeds))
        ]

    def graph(self, workflow: str = "08_story_distilled") -> Graph:
        """The shipped ``workflow`` for it: shots of 64 x 64 with 9, 17, 25, 9, ... frames, saved without loss.

        Decoded, a file without loss is the same whenever the shot is: x264's bytes are not always.
        """
        graph = shipped(workflow)
        graph[LOAD]["inputs"]["story"] = self.file.name
        graph[PLAN]["inputs"]["seconds"] = [LOAD, 4]
        graph[SHOTS]["inputs"] |= {"width": SIDE, "height": SIDE}
        graph["15"]["inputs"]["string_a"] = f"{self.name}/"
        graph[ENCODE]["inputs"]["crf"] = 0.0
        graph[FILM]["inputs"]["filename_prefix"] = f"{self.name}/film"
        return graph


def report_of(entry: dict[str, Any]) -> str:
    """What the node that made the shots says."""
    (text,) = entry["outputs"][REPORT]["text"]
    return text


def outcomes(report: str) -> list[tuple[str, str]]:
    """Name and outcome ("done", "reused", "failed") of every scene, in story order."""
    rows = re.findall(r"^Scene (\d+) \((\w+)\): (done|reused|failed)", report, re.MULTILINE)
    assert [place for place, _, _ in rows] == [str(place) for place in range(1, len(rows) + 1)]
    return [(name, outcome) for _, name, outcome in rows]


def files(server: ComfyServer, entry: dict[str, Any], node: str) -> list[Path]:
    """What a node that saves has saved."""
    shown = entry["outputs"][node]["images"]
    return [server.data / "output" / file["subfolder"] / file["filename"] for file in shown]


def scene_names(saved: Sequence[Path]) -> list[str]:
    """The scenes' names in the names of files."""
    return [re.sub(r"_\d+_$", "", file.stem) for file in saved]


def pictures(file: Path) -> numpy.ndarray:
    """All frames, decoded, as uint8 [frames, height, width, 3]."""
    with av.open(str(file)) as container:
        return numpy.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def sound(file: Path) -> numpy.ndarray:
    """All samples, decoded, [channels, samples]."""
    with av.open(str(file)) as container:
        return numpy.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
