"""What one create request asks for, with every default filled in, and what it will cost."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .models import Model

FRAME_RATE = 24


@dataclass(frozen=True)
class Order:
    """A request that passed validation. ``seconds`` is None where ``frames`` was given, and the other way round."""

    model: Model
    digest: str
    resolution: str
    ratio: str
    seconds: int | None
    frames: int | None
    seed: int | None
    watermark: bool
    camera_fixed: bool | None
    generate_audio: bool | None
    return_last_frame: bool
    service_tier: str
    execution_expires_after: int
    priority: int | None
    draft: bool | None
    output_format: str
    safety_identifier: str | None
    video_input: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.model.sizes[self.resolution][self.ratio]

    @property
    def frame_count(self) -> int:
        """How many frames the video has: the service adds one to every video that is ordered in seconds."""
        if self.frames is not None:
            return self.frames
        assert self.seconds is not None
        return FRAME_RATE * self.seconds + 1

    @property
    def tokens(self) -> int:
        """What the usage says, as measured on the real service: width x height x frames / 1024, rounded down."""
        width, height = self.size
        return width * height * self.frame_count // 1024

    def usd(self, tokens: int) -> Decimal:
        """The price of ``tokens`` of this task."""
        price = self.model.usd_per_million(
            self.resolution, self.service_tier, bool(self.generate_audio), self.video_input
        )
        return price * tokens / 1_000_000


def request_digest(body: dict[str, Any]) -> str:
    """The SHA-256 of a request's canonical JSON, without what is null: equal for equal requests."""
    given = {name: value for name, value in body.items() if value is not None}
    text = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
