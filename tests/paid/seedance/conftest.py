"""A local server and a user's folder for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.fake_seedance import FakeSeedance

from .paid_shots import Shop, environment


@pytest.fixture
def server() -> Iterator[FakeSeedance]:
    with FakeSeedance() as server:
        yield server


@pytest.fixture
def shop(server: FakeSeedance, tmp_path: Path) -> Shop:
    return Shop(server, tmp_path / "user", environment(server))
