"""When the day began that a daily cap is for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

SEOUL = "Asia/Seoul"
# Korea has had no summer time since 1988, so where Python has no time zone data (Windows) this is the same.
SEOUL_OFFSET = timezone(timedelta(hours=9), SEOUL)
LONGEST_NAME = 64
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.ASCII)


def time_zone(name: str) -> tzinfo | None:
    """ "Asia/Seoul", "UTC" or an offset such as "+09:00" and "UTC-5"; None for what is not known on this machine."""
    name = name.strip()
    offset = _OFFSET.fullmatch(name)
    if offset:
        sign, hours, minutes = offset.groups()
        away = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(-away if sign == "-" else away, name) if away < timedelta(hours=24) else None
    if name in ("UTC", "Z"):
        return timezone.utc
    known = _from_zone_data(name)
    return SEOUL_OFFSET if known is None and name == SEOUL else known


def _from_zone_data(name: str) -> tzinfo | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if not name or len(name) > LONGEST_NAME:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def day_start(now: datetime, zone: tzinfo) -> datetime:
    """Midnight of the day that ``now`` is in. Where the clocks go over midnight, the earlier of its two moments."""
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(timezone.utc)
