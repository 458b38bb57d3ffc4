"""The fake Seedance server and a plain client of it, for the tests of the server itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.fake_seedance import FakeSeedance
from dev.fake_seedance_client import PlainClient


@pytest.fixture
def server() -> Iterator[FakeSeedance]:
    with FakeSeedance(rate_limits=False) as server:
        yield server


@pytest.fixture
def client(server: FakeSeedance) -> PlainClient:
    return PlainClient(server)
