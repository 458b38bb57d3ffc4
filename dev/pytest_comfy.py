"""Fixtures for tests against a real ComfyUI (marker `comfy`); `pytest_plugins = ["dev.pytest_comfy"]` brings them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import ComfyClient
from .comfyui import ready_comfyui
from .server import ComfyServer, lay_out_data, lay_out_samples
from .tiny_models import make_model_set


@pytest.fixture(scope="session")
def comfy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A server with this pack, the tiny model set and the shipped pictures, one for the whole run."""
    data = tmp_path_factory.mktemp("comfy")
    lay_out_data(data)
    lay_out_samples(data)
    make_model_set(data / "models")
    python = Path(sys.executable)
    with ComfyServer(python, ready_comfyui(python), data) as server:
        yield server


@pytest.fixture
def comfy_client(comfy_server: ComfyServer) -> Iterator[ComfyClient]:
    """A connection to the server."""
    with ComfyClient(comfy_server.address) as client:
        yield client
