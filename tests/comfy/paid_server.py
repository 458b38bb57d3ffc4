"""A ComfyUI server wired to the local stand-in of the paid service, and the graphs that tests queue there."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from dev.client import ComfyClient
from dev.comfyui import ready_comfyui
from dev.fake_seedance import FakeSeedance
from dev.server import ComfyServer, lay_out_data

HERE = Path(__file__).parent
KEY = "test-0123456789abcdef-secret"
# 864 x 480, 49 frames, 19845 tokens of pro-fast: the cheapest shot there is.
SMALL = {"model": "seedance-1-0-pro-fast-251015", "resolution": "480p", "ratio": "16:9", "duration": 2}
SMALL_USD = 0.019845
# Ids of the nodes in ``shots``.
SHOT, RECEIPT, SAVED = "1", "2", "3"


class PaidServer:
    """The two servers. Each test has a journal of its own in ``home``; tasks are done at once unless it asks else."""

    def __init__(self, server: ComfyServer, fake: FakeSeedance) -> None:
        self.server = server
        self.fake = fake
        self.home = server.data

    def open_gates(self, home: Path, **changes: str | None) -> None:
        """Every gate open, but for ``changes`` to the environment (None: not set)."""
        self.home = home
        environ: dict[str, str | None] = {
            "ARK_BASE_URL": self.fake.base_url,
            "ARK_API_KEY": KEY,
            "ARK_API_KEY_FILE": None,
            "SEEDANCE_ENABLED": "1",
            "SEEDANCE_TERMS_READ": datetime.now(timezone.utc).date().isoformat(),
            "SEEDANCE_MAX_USD_PER_RUN": "5",
            "SEEDANCE_MAX_USD_PER_DAY": "20",
            "STORYMOTION_HOME": str(home),
            "STORYMOTION_TIME_ZONE": "UTC",
        }
        with ComfyClient(self.server.address) as client:
            client.post("/test/environ", environ | changes)

    def charged(self) -> list[str]:
        """The ids of the tasks that cost money."""
        return [charge.task_id for charge in self.fake.charges()]

    def sent(self) -> int:
        """Requests of any kind that came to the service."""
        return len(self.fake.requests())


@contextmanager
def start_paid_server(data: Path) -> Iterator[PaidServer]:
    """Both servers, on ``data`` as ComfyUI's base directory."""
    lay_out_data(data)
    for pack in ("environ_pack.py", "list_node.py"):
        shutil.copy(HERE / pack, data / "custom_nodes")
    python = Path(sys.executable)
    with FakeSeedance(work_speed=1e6) as fake, ComfyServer(python, ready_comfyui(python), data) as server:
        yield PaidServer(server, fake)


class Graph(dict[str, Any]):
    """A workflow in API format, made of nodes that are added."""

    def add(self, node_id: str, class_type: str, **inputs: Any) -> Graph:
        """One more node; the graph itself, to go on."""
        self[node_id] = {"class_type": class_type, "inputs": inputs}
        return self

    def listed(self, node_id: str, name: str, values: list[Any], shot: str = SHOT) -> Graph:
        """``values`` as a list on the input ``name`` of the node ``shot``."""
        self.add(node_id, "TestList", values=json.dumps(values))
        self[shot]["inputs"][name] = [node_id, 0]
        return self


def shots(prompt: str = "She turns her head.", **inputs: Any) -> Graph:
    """The paid node with its receipt shown and its videos saved."""
    settings = SMALL | {
        "prompt": prompt,
        "seed": -1,
        "camera_fixed": True,
        "watermark": False,
        "service_tier": "default",
        "max_usd": 1.0,
        "take": 1,
    }
    graph = Graph().add(SHOT, "StoryMotionSeedance", **settings | inputs)
    graph.add(RECEIPT, "PreviewAny", source=[SHOT, 2])
    return graph.add(SAVED, "SaveVideo", video=[SHOT, 0], filename_prefix="paid", format="auto", codec="auto")


def collecting(task_id: str = "all unfinished") -> Graph:
    """The node that fetches what was paid for."""
    graph = Graph().add(SHOT, "StoryMotionSeedanceCollect", task_id=task_id)
    return graph.add(SAVED, "SaveVideo", video=[SHOT, 0], filename_prefix="paid", format="auto", codec="auto")


def text_of(entry: dict[str, Any], node: str = RECEIPT) -> str:
    """What a node shows."""
    (text,) = entry["outputs"][node]["text"]
    return text


def saved(server: ComfyServer, entry: dict[str, Any], node: str = SAVED) -> list[Path]:
    """The videos that a node has saved."""
    shown = entry["outputs"].get(node, {}).get("images", [])
    return [server.data / "output" / file["subfolder"] / file["filename"] for file in shown]
