"""What every paid call needs: the journal, the key's client, the prices, the time, and who is told."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from ...cost import CostSettings
from ...errors import KeyMissing, KeyUnusable
from ...progress import Progress, ignore_progress
from ...report import Line
from ..address import find_address
from ..billing import JOURNAL_FILE, paid_home
from ..journal import Journal
from ..key import load_key
from ..money import Way
from ..provider import SEEDANCE
from .client import SeedanceClient
from .download import DownloadLimits
from .models import USER_CATALOGUE, Catalogue, load_catalogue
from .transport import Timeouts

SLICE_SECONDS = 0.5
# What ``progress`` is told between two looks at the service.
WAITING = "waiting"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """Seconds. ``poll``: between two looks at a task (twice that after a while, up to ``longest_poll``).

    ``task``, ``flex_task``: how long a task is watched before it is left to be collected later. ``missing_url``:
    how long a finished task may be without its video. ``reconcile``: how long a lost send is looked for at once.
    ``surely_not_made``: so long after a send, a shot that is not in the list was never made.
    """

    poll: float = 5.0
    longest_poll: float = 30.0
    task: float = 1800.0
    flex_task: float = 7200.0
    missing_url: float = 120.0
    reconcile: float = 60.0
    surely_not_made: float = 900.0


def tell_log(line: Line) -> None:
    """Where nobody else listens."""
    log.warning("%s", line.speak())


# Width and height in pixels and seconds of a shot -> what it would cost on this machine.
LocalWays = Callable[[int, int, Decimal], tuple[Way, ...]]


def no_local_ways(width: int, height: int, seconds: Decimal) -> tuple[Way, ...]:
    """Of a machine that nothing is known of."""
    return ()


def utc_now() -> datetime:
    """The time."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Desk:
    """Where paid Seedance shots are worked on. ``user_folder``: ComfyUI's user folder.

    ``progress`` is called often and stops the work by raising. ``pause`` (default: sleeps, calling ``progress`` twice
    a second) and ``clock`` (UTC) are for tests with a time of their own. ``tell`` gets what is to be said at once.
    """

    user_folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    settings: CostSettings = field(default_factory=CostSettings)
    progress: Progress = field(default=ignore_progress, repr=False)
    tell: Callable[[Line], None] = field(default=tell_log, repr=False)
    pause: Callable[[float], None] | None = field(default=None, repr=False)
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)
    patience: Patience = field(default_factory=Patience)
    local_ways: LocalWays = field(default=no_local_ways, repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)
    download_limits: DownloadLimits = field(default_factory=DownloadLimits)

    @cached_property
    def home(self) -> Path:
        """The folder of the journal and of the videos. Raises JournalUnusable."""
        return paid_home(self.user_folder, self.environ)

    @cached_property
    def journal(self) -> Journal:
        """The record of paid shots. Raises JournalUnusable."""
        return Journal(self.home / JOURNAL_FILE, self.clock)

    @cached_property
    def _loaded(self) -> tuple[Catalogue, tuple[Line, ...]]:
        return load_catalogue(self.user_folder / USER_CATALOGUE)

    @property
    def catalogue(self) -> Catalogue:
        """Models and prices."""
        return self._loaded[0]

    @property
    def catalogue_notes(self) -> tuple[Line, ...]:
        """What of the user's own models could not be used."""
        return self._loaded[1]

    @cached_property
    def client(self) -> SeedanceClient:
        """For what costs nothing: to look, to list, to cancel. Raises KeyMissing, KeyUnusable."""
        key, _ = load_key(SEEDANCE, self.environ)
        return SeedanceClient(find_address(SEEDANCE, key, self.environ).base, key, self.timeouts)

    @cached_property
    def origin(self) -> str:
        """The service, "https://host": without a key too, so that a finished shot is found when none is set."""
        try:
            key, _ = load_key(SEEDANCE, self.environ)
            return find_address(SEEDANCE, key, self.environ).origin
        except (KeyMissing, KeyUnusable):
            named = urlsplit(self.environ.get(SEEDANCE.address_variable, "").strip() or SEEDANCE.addresses[0])
            return f"{named.scheme}://{named.netloc}".lower()

    @property
    def is_local(self) -> bool:
        """Whether the service is a test server on this machine."""
        key, _ = load_key(SEEDANCE, self.environ)
        return find_address(SEEDANCE, key, self.environ).is_loopback

    def video_file(self, name: str) -> Path:
        """Where the video of that name is."""
        return self.home / SEEDANCE.video_folder / name

    def wait(self, seconds: float) -> None:
        """Sleep; ``progress`` can stop it."""
        if self.pause is not None:
            self.pause(seconds)
            return
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.progress(0, 1, WAITING)
            time.sleep(min(left, SLICE_SECONDS))
        self.progress(0, 1, WAITING)
