"""What several test folders share: a tiny model set of the real architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.tiny_models import TinyModels, make_model_set

pytest_plugins = ["dev.pytest_comfy"]


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ComfyUI models folder for the whole run; tests only add to it."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def tiny(models_dir: Path) -> TinyModels:
    """The tiny set, flavour 2.3."""
    return make_model_set(models_dir)


@pytest.fixture(scope="session")
def tiny_2_0(models_dir: Path) -> TinyModels:
    """The tiny set, flavour 2.0."""
    return make_model_set(models_dir, flavor="2.0")
