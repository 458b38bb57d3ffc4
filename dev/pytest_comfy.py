"""Fixtures for tests against a real ComfyUI (marker `comfy`); `pytest_plugins = ["dev.pytest_comfy"]` brings them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import ComfyClient
from .comfyui import ready_comfyui
from .fake_seedance import FakeSeedance
from .fake_seedance_process import wiring
from .server import ComfyServer, lay_out_data, lay_out_samples
from .tiny_models import make_model_set


@pytest.fixture(scope="session")
def comfy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ComfyUI base directory with this pack and the shipped pictures."""
    data = tmp_path_factory.mktemp("comfy")
    lay_out_data(data)
    lay_out_samples(data)
    return data


@pytest.fixture(scope="session")
def fake_seedance() -> Iterator[FakeSeedance]:
    """What the server takes for the paid service; a shot is done at once."""
    with FakeSeedance(work_speed=1e6) as service:
        yield service


@pytest.fixture(scope="session")
def comfy_server(comfy_data: Path, fake_seedance: FakeSeedance) -> Iterator[ComfyServer]:
    """A server with the tiny model set in ``comfy_data``, one for the whole run; what it pays is not real."""
    make_model_set(comfy_data / "models")
    python = Path(sys.executable)
    with ComfyServer(
        python, ready_comfyui(python), comfy_data, environ=wiring(fake_seedance.base_url, comfy_data)
    ) as server:
        yield server


@pytest.fixture
def comfy_client(comfy_server: ComfyServer) -> Iterator[ComfyClient]:
    """A connection to the server."""
    with ComfyClient(comfy_server.address) as client:
        yield client
