"""What the operator allows to be spent: from the environment, or from a file in ComfyUI's user folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import JournalUnusable
from ..report import Line, line
from .day import SEOUL, SEOUL_OFFSET, day_start, time_zone
from .journal_table import Caps
from .provider import Provider

HOME_VARIABLE = "STORYMOTION_HOME"
ZONE_VARIABLE = "STORYMOTION_TIME_ZONE"
SETTINGS_FILE = "billing.json"
ENVIRONMENT, FILE, DEFAULT = "environment", "file", "default"
JOURNAL_FILE = "journal.sqlite3"
LARGEST_FILE = 100_000
# Seven digits of dollars are more than anybody means; more places than a journal keeps would be rounded.
_AMOUNT = re.compile(r"\d{1,7}(\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True)
class Billing:
    """The caps in USD, 0 where none is set rightly; ``notes`` say what was not used and why.

    ``zone_from``: one of ENVIRONMENT, FILE and DEFAULT, where the time zone of the day is from.
    """

    run_cap: Decimal
    day_cap: Decimal
    zone: tzinfo
    zone_from: str
    notes: tuple[Line, ...]

    def caps(self, provider: Provider, now: datetime) -> Caps:
        """What ``Journal.reserve`` checks against."""
        start = day_start(now, self.zone)
        return Caps(self.run_cap, self.day_cap, start, provider.run_cap_variable, provider.day_cap_variable)


def paid_home(user_folder: Path, environ: Mapping[str, str]) -> Path:
    """The folder of journal, settings and paid videos: ``storymotion`` in ComfyUI's user folder.

    STORYMOTION_HOME names another one, which must exist: a journal on a disk that is not there would be begun anew,
    and paid shots paid again. Raises JournalUnusable.
    """
    named = environ.get(HOME_VARIABLE, "").strip()
    if not named:
        return user_folder / "storymotion"
    home = Path(named)
    if not home.is_absolute():
        raise JournalUnusable(named, f"{HOME_VARIABLE} must be a whole path that begins at the root")
    if not home.is_dir():
        raise JournalUnusable(named, f"{HOME_VARIABLE} names a folder that does not exist")
    return home


def read_billing(provider: Provider, home: Path, environ: Mapping[str, str]) -> Billing:
    """The caps and the time zone. A variable that is set comes before the file, also when it is empty or wrong.

    Nothing raises: what cannot be used counts as 0, which refuses to spend.
    """
    notes: list[Line] = []
    stored = _read_file(home / SETTINGS_FILE, notes)
    run_cap = _cap(provider.run_cap_variable, stored, environ, notes)
    day_cap = _cap(provider.day_cap_variable, stored, environ, notes)
    zone, zone_from = _zone(stored, environ, notes)
    return Billing(run_cap, day_cap, zone, zone_from, tuple(notes))


def _read_file(path: Path, notes: list[Line]) -> Mapping[str, Any]:
    """Its object. Notepad's byte order mark is fine; a key that is there twice is not."""
    try:
        if not path.exists():
            return {}
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("it is too large for a file of settings")
        text = path.read_text(encoding="utf-8-sig")
        stored = json.loads(text, parse_float=Decimal, object_pairs_hook=_without_doubles)
        if not isinstance(stored, dict):
            raise ValueError("it is not an object of names and values")
        return stored
    except (OSError, ValueError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        notes.append(line("billing-file-unreadable", path=str(path), reason=reason))
        return {}


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _cap(name: str, stored: Mapping[str, Any], environ: Mapping[str, str], notes: list[Line]) -> Decimal:
    value = environ[name] if name in environ else stored.get(name)
    if value is None:
        return Decimal(0)
    text = str(value).strip()
    if isinstance(value, bool) or not _AMOUNT.fullmatch(text):
        notes.append(line("billing-cap-unusable", name=name, value=repr(text[:40])))
        return Decimal(0)
    return Decimal(text)


def _zone(stored: Mapping[str, Any], environ: Mapping[str, str], notes: list[Line]) -> tuple[tzinfo, str]:
    places = ((ENVIRONMENT, environ.get(ZONE_VARIABLE)), (FILE, stored.get(ZONE_VARIABLE)), (DEFAULT, SEOUL))
    zone_from, name = next((place, str(value)) for place, value in places if value)
    zone = time_zone(name)
    if zone is None:
        notes.append(line("billing-zone-unknown", name=ZONE_VARIABLE, value=repr(name[:40])))
        return SEOUL_OFFSET, DEFAULT
    return zone, zone_from
