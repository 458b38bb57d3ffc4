"""The shipped workflows with tiny models, ready to be queued and broken."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.client import ComfyClient
from dev.comfyui import ready_comfyui
from dev.demo import with_tiny_models
from dev.server import ComfyServer, lay_out_data, lay_out_samples

from .paid_server import PaidServer, start_paid_server

pytestmark = pytest.mark.comfy
API = Path(__file__).parents[2] / "workflows" / "api"
# Small enough for a test: 1 s at 24 fps.
SECONDS, FRAMES = 1.0, 25


class Graph(dict):
    """A workflow in API format; ``graph.node("StoryMotionShotPlan")["seconds"] = 2`` changes an input."""

    def node(self, class_type: str) -> dict[str, Any]:
        """The inputs of the only node of that class."""
        (inputs,) = [each["inputs"] for each in self.values() if each["class_type"] == class_type]
        return inputs

    def add(self, node_id: str, class_type: str, **inputs: Any) -> None:
        """Put one more node in."""
        self[node_id] = {"class_type": class_type, "inputs": inputs}


def shipped(name: str) -> Graph:
    """A shipped workflow with the tiny models, every shot one second long."""
    workflow = json.loads((API / f"{name}.json").read_text(encoding="utf-8"))
    graph = Graph(copy.deepcopy(with_tiny_models(workflow)))
    for node in graph.values():
        if node["class_type"] == "StoryMotionShotPlan":
            node["inputs"]["seconds"] = SECONDS
    return graph


@pytest.fixture
def distilled() -> Graph:
    """01_distilled_shot."""
    return shipped("01_distilled_shot")


@pytest.fixture
def two_stage() -> Graph:
    """02_two_stage_shot with 3 steps instead of 30."""
    graph = shipped("02_two_stage_shot")
    graph.node("StoryMotionTwoStage")["steps"] = 3
    return graph


@pytest.fixture(scope="session")
def fragile_server(comfy_server: ComfyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A second server with the tiny models, for tests that kill it; they leave it running."""
    data = tmp_path_factory.mktemp("fragile")
    lay_out_data(data)
    lay_out_samples(data)
    shutil.copytree(comfy_server.data / "models", data / "models", dirs_exist_ok=True)
    python = Path(sys.executable)
    with ComfyServer(python, ready_comfyui(python), data) as server:
        yield server


@pytest.fixture(scope="session")
def story_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A server without models, for tests of lists of VIDEOs: it has the test's own nodes beside the pack."""
    data = tmp_path_factory.mktemp("stories")
    lay_out_data(data)
    for pack in ("story_pack.py", "list_node.py"):
        shutil.copy(Path(__file__).with_name(pack), data / "custom_nodes")
    python = Path(sys.executable)
    with ComfyServer(python, ready_comfyui(python), data) as server:
        yield server


@pytest.fixture(scope="session")
def paid_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaidServer]:
    """A server without models, wired to the local stand-in of the paid service; tests may restart it."""
    with start_paid_server(tmp_path_factory.mktemp("paid")) as servers:
        yield servers


@pytest.fixture
def paid(paid_servers: PaidServer, tmp_path: Path) -> PaidServer:
    """The same with every gate open, a service that has seen nothing, and a new journal."""
    paid_servers.fake.reset()
    paid_servers.open_gates(tmp_path)
    return paid_servers


@pytest.fixture
def paid_client(paid: PaidServer) -> Iterator[ComfyClient]:
    """A connection to it."""
    with ComfyClient(paid.server.address) as client:
        yield client
