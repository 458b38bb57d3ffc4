"""What each model can do and what it costs, from the provider's own pages (models.json).

This is the server's own copy: it shares nothing with the client's tables, so that each checks the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Model:
    """One model: the limits of its parameters, its frame sizes in pixels and its prices in USD per million tokens."""

    id: str
    sizes: dict[str, dict[str, tuple[int, int]]]
    resolutions: tuple[str, ...]
    default_resolution: str
    seconds: tuple[int, int]
    default_seconds: int
    chooses_seconds: bool
    last_frame: bool
    references: tuple[int, int, int]
    audio: bool
    flex: bool
    seed: bool
    frames: bool
    priority: bool
    draft: bool
    formats: tuple[str, ...]
    hevc: tuple[str, ...]
    task_types: tuple[str, ...]
    requests_per_minute: int
    concurrent: int
    shut_down: float
    prices: tuple[dict[str, Any], ...]

    @property
    def is_2(self) -> bool:
        """Whether it is one of the 2.x models."""
        return self.priority

    def usd_per_million(self, resolution: str, service_tier: str, audio: bool, video_input: bool) -> Decimal:
        """The price of a million tokens of such a task."""
        asked = {"service_tier": service_tier, "generate_audio": audio, "video_input": video_input}
        for row in self.prices:
            conditions = {name: value for name, value in row.items() if name not in ("usd", "resolutions")}
            if resolution in row.get("resolutions", [resolution]) and conditions.items() <= asked.items():
                return Decimal(row["usd"])
        raise LookupError(f"{self.id} has no price for {resolution}, {asked}")


@cache
def models() -> dict[str, Model]:
    """All models by id."""
    data = json.loads((Path(__file__).parent / "models.json").read_text(encoding="utf-8"))
    return {name: _model(name, row, data["pixels"][row["pixels"]]) for name, row in data["models"].items()}


def _model(name: str, row: dict[str, Any], sizes: dict[str, dict[str, list[int]]]) -> Model:
    fields: dict[str, Any] = {field: tuple(value) if isinstance(value, list) else value for field, value in row.items()}
    del fields["pixels"]
    shut_down = fields.pop("shut_down", None)
    fields["shut_down"] = datetime.fromisoformat(shut_down).timestamp() if shut_down else float("inf")
    by_ratio = {
        resolution: {ratio: (size[0], size[1]) for ratio, size in row.items()} for resolution, row in sizes.items()
    }
    return Model(id=name, sizes=by_ratio, **fields)
