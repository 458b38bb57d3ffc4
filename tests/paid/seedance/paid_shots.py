"""What the tests of paid shots share: a desk whose time is that of the local server, and small requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from dev.fake_seedance import FakeSeedance
from storymotion.errors import PaidError
from storymotion.paid.journal_row import Row, State
from storymotion.paid.provider import SEEDANCE
from storymotion.paid.seedance.desk import Desk, Patience
from storymotion.paid.seedance.download import DownloadLimits
from storymotion.paid.seedance.request import SeedanceRequest
from storymotion.paid.seedance.run import PaidShot, run_shot
from storymotion.paid.seedance.transport import Timeouts
from storymotion.report import Line

KEY = "test-0123456789abcdef-secret"
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
# 864 x 480, 49 frames, 19845 tokens: the cheapest shot there is.
SMALL = SeedanceRequest("seedance-1-0-pro-fast-251015", "She turns her head.", resolution="480p", duration=2)
SMALL_USD = Decimal("0.019845")
# Nothing more comes of it.
OVER = {State.DOWNLOADED, State.LOST, State.FAILED, State.EXPIRED, State.CANCELLED}


class Stopped(BaseException):
    """As ComfyUI's interrupt: not an Exception."""


def environment(server: FakeSeedance, **changes: str) -> dict[str, str]:
    """Every gate open, towards ``server``."""
    return {
        "ARK_BASE_URL": server.base_url,
        "ARK_API_KEY": KEY,
        "SEEDANCE_ENABLED": "1",
        "SEEDANCE_TERMS_READ": datetime.now(timezone.utc).date().isoformat(),
        "SEEDANCE_MAX_USD_PER_RUN": "5",
        "SEEDANCE_MAX_USD_PER_DAY": "20",
        "STORYMOTION_TIME_ZONE": "UTC",
        **changes,
    }


@dataclass
class Shop:
    """One user's folder and the server; ``desk()`` is a process that was just started."""

    server: FakeSeedance
    folder: Path
    environ: dict[str, str]
    told: list[Line] = field(default_factory=list)
    stop_after: int | None = None
    patience: Patience = field(default_factory=Patience)
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(connect=2, silence=1.5, reply=5))
    limits: DownloadLimits = field(default_factory=lambda: DownloadLimits(connect=2, silence=4, whole=20))

    def desk(self, **changes: Any) -> Desk:
        """A new desk, as after a restart."""
        return Desk(
            self.folder,
            **{
                "environ": self.environ,
                "tell": self.told.append,
                "pause": self._pause,
                "clock": self.now,
                "patience": self.patience,
                "timeouts": self.timeouts,
                "download_limits": self.limits,
                **changes,
            },
        )

    def now(self) -> datetime:
        """The server's time."""
        return datetime.fromtimestamp(self.server.clock.now(), timezone.utc)

    def _pause(self, seconds: float) -> None:
        if self.stop_after is not None:
            if self.stop_after <= 0:
                self.stop_after = None
                raise Stopped
            self.stop_after -= 1
        self.server.clock.advance(seconds)

    def run(
        self, request: SeedanceRequest = SMALL, max_usd: float = 1.0, run_id: str = "run", **changes: Any
    ) -> PaidShot:
        """Queue ``request`` once, in a new process."""
        return run_shot(request, self.desk(**changes), max_usd, run_id)

    def queue(self, request: SeedanceRequest = SMALL) -> PaidShot | PaidError:
        """Queue it and hand back what it raised."""
        try:
            return self.run(request)
        except PaidError as error:
            return error

    def posts(self) -> int:
        """Requests that could have cost money."""
        return sum(seen.method == "POST" for seen in self.server.requests())

    def rows(self) -> tuple[Row, ...]:
        """The journal."""
        return self.desk().journal.rows()

    def bill(self) -> Decimal:
        """USD that the server charged until now."""
        return Decimal(str(self.server.book.bill()["total_usd"]))

    def settled(self) -> Decimal:
        """USD that the journal says were charged."""
        return self.desk().journal.spend(SEEDANCE.id, EPOCH).settled

    def queue_until_over(self, request: SeedanceRequest = SMALL, times: int = 6) -> PaidShot | PaidError:
        """What a stubborn user does: queue the same again, each time 20 minutes later, until it is over."""
        outcome = self.queue(request)
        for _ in range(times):
            if isinstance(outcome, PaidShot) or all(row.state in OVER for row in self.rows()):
                break
            self.server.clock.advance(timedelta(minutes=20).total_seconds())
            outcome = self.queue(request)
        return outcome
