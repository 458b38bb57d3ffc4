"""What several test folders share: a tiny model set of the real architecture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from dev.tiny_models import TinyModels, make_model_set

pytest_plugins = ["dev.pytest_comfy"]
# How long an example takes says more about what else the machine does.
settings.register_profile(
    "storymotion", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("storymotion")


@pytest.fixture(scope="session")
def comfy_data(comfy_data: Path) -> Path:
    """ComfyUI's base directory, with a node that makes lists; before any test starts the server."""
    shutil.copy(Path(__file__).parent / "comfy" / "list_node.py", comfy_data / "custom_nodes")
    return comfy_data


@pytest.fixture(scope="session")
def models_dir(comfy_data: Path) -> Path:
    """The models folder of the server's data, so that the tiny set is made once a run; tests only add to it."""
    return comfy_data / "models"


@pytest.fixture(scope="session")
def tiny(models_dir: Path) -> TinyModels:
    """The tiny set, flavour 2.3."""
    return make_model_set(models_dir)


@pytest.fixture(scope="session")
def tiny_2_0(models_dir: Path) -> TinyModels:
    """The tiny set, flavour 2.0."""
    return make_model_set(models_dir, flavor="2.0")
