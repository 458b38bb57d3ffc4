"""What a shot on a GPU costs: seconds x the GPU's price, in USD and KRW, beside the target per 8 seconds of video.

Money is computed in Decimal and rounded only where it is shown, halves up: USD to 4 places, KRW to
whole won.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path

from .errors import ValueOutOfRange
from .report import Line, line

SHIPPED_RATES = Path(__file__).parent / "gpu_rates.json"
# Below ComfyUI's user folder.
USER_RATES = Path("storymotion") / "gpu_rates.json"
TARGET_SECONDS = 8
SECONDS_PER_HOUR = 3600
LARGEST_PRICE = 1000


@dataclass(frozen=True)
class Rate:
    """The price of a GPU: USD a second, for devices in whose name all ``words`` are."""

    words: tuple[str, ...]
    usd_per_second: Decimal
    source: str
    date: str

    def is_for(self, gpu_name: str) -> bool:
        """Whole words, whatever their case: "A10G" is none of "NVIDIA A100-SXM4-80GB"."""
        return {word.lower() for word in self.words} <= _words(gpu_name)


@dataclass(frozen=True)
class CostSettings:
    """What the user can set. ``gpu_usd_per_second``: the price of this machine's GPU; None = look it up.

    Raises ValueOutOfRange.
    """

    krw_per_usd: float = 1450
    target_krw_per_8s: float = 54
    gpu_usd_per_second: float | None = None

    def __post_init__(self) -> None:
        _check("krw_per_usd", self.krw_per_usd, 1, 100_000)
        _check("target_krw_per_8s", self.target_krw_per_8s, 0, 1_000_000)
        if self.gpu_usd_per_second is not None:
            _check("gpu_usd_per_second", self.gpu_usd_per_second, 0, LARGEST_PRICE)


@dataclass(frozen=True)
class Cost:
    """What one shot cost. ``rate``: USD a second; the money is None where no rate is known.

    ``source`` and ``date`` say where the rate is from; both are empty for one that the user set.
    """

    gpu_name: str
    seconds: Decimal
    usd: Decimal | None
    krw: Decimal | None
    krw_per_8s: Decimal | None
    over_target: bool | None
    rate: Decimal | None
    source: str
    date: str
    krw_per_usd: Decimal
    target_krw_per_8s: Decimal


def load_rates(user_file: Path | None = None) -> tuple[tuple[Rate, ...], tuple[Line, ...]]:
    """The user's rates, then the shipped ones; and a line when the user's file cannot be used.

    ``user_file`` (``USER_RATES`` in ComfyUI's user folder) need not exist. Nothing in it raises: a shot
    that is done must not be lost for its price.
    """
    shipped = _read_rates(SHIPPED_RATES)
    if user_file is None or not user_file.is_file():
        return shipped, ()
    try:
        return (*_read_rates(user_file), *shipped), ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        reason = f"{type(error).__name__}: {error}".strip().rstrip(".")
        return shipped, (line("cost-rates-unreadable", path=user_file.name, reason=reason),)


def _read_rates(file: Path) -> tuple[Rate, ...]:
    entries = json.loads(file.read_text(encoding="utf-8"))["rates"]
    return tuple(_rate(entry) for entry in entries)


def _rate(entry: Mapping[str, object]) -> Rate:
    words = entry["words"]
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
        raise ValueError(f"words is {words!r}, not a list of words")
    if "usd_per_second" in entry:
        price = _decimal(entry["usd_per_second"])
    else:
        price = _decimal(entry["usd_per_hour"]) / SECONDS_PER_HOUR
    if not (price.is_finite() and 0 <= price <= LARGEST_PRICE):
        raise ValueError(f"the price of {' '.join(words)} is {price}")
    day = date.fromisoformat(str(entry["date"]))
    return Rate(tuple(words), price, str(entry["source"]), day.isoformat())


def find_rate(gpu_name: str, rates: tuple[Rate, ...]) -> Rate | None:
    """The first rate for the device that torch calls ``gpu_name``; None for a part of a GPU (MIG)."""
    if "mig" in _words(gpu_name):
        return None
    return next((rate for rate in rates if rate.is_for(gpu_name)), None)


def shot_cost(
    seconds_by_phase: Mapping[str, float],
    shot_seconds: float,
    gpu_name: str,
    settings: CostSettings,
    rates: tuple[Rate, ...],
) -> Cost:
    """The cost of a shot of ``shot_seconds`` that took ``seconds_by_phase`` (all phases together) on ``gpu_name``.

    The GPU is paid for while it waits too, so reading models and prompts counts. The user's own price
    comes before every rate. Raises ValueOutOfRange for a shot without length or negative times.
    """
    for name, value in seconds_by_phase.items():
        _check(f"seconds of {name}", value, 0, float(10**9))
    if not 0 < shot_seconds < 10**9:
        raise ValueOutOfRange("shot_seconds", shot_seconds, 0.001, float(10**9))
    seconds = sum((_decimal(value) for value in seconds_by_phase.values()), Decimal(0))
    exchange, target = _decimal(settings.krw_per_usd), _decimal(settings.target_krw_per_8s)
    known = find_rate(gpu_name, rates)
    source, day = (known.source, known.date) if known else ("", "")
    price = known.usd_per_second if known else None
    if settings.gpu_usd_per_second is not None:
        price, source, day = _decimal(settings.gpu_usd_per_second), "", ""
    usd = krw = per_8s = over = None
    if price is not None:
        usd = seconds * price
        krw = usd * exchange
        per_8s = krw * TARGET_SECONDS / _decimal(shot_seconds)
        over = per_8s > target
    return Cost(gpu_name, seconds, usd, krw, per_8s, over, price, source, day, exchange, target)


def cost_lines(cost: Cost) -> tuple[Line, ...]:
    """The cost in words; where no rate is known, how to set one."""
    if cost.rate is None or cost.usd is None or cost.krw is None or cost.krw_per_8s is None:
        return (line("cost-unknown", gpu=cost.gpu_name),)
    facts = {
        "seconds": _rounded(cost.seconds, "0.1"),
        "gpu": cost.gpu_name,
        "rate": _plain(cost.rate),
        "usd": _rounded(cost.usd, "0.0001"),
        "krw": _rounded(cost.krw, "1"),
        "krw_per_usd": _plain(cost.krw_per_usd),
    }
    spent = line("cost", **facts, source=cost.source, date=cost.date) if cost.source else line("cost-own-rate", **facts)
    per_8s = {"krw": _rounded(cost.krw_per_8s, "1"), "target": _plain(cost.target_krw_per_8s)}
    return spent, line("cost-over-target", **per_8s) if cost.over_target else line("cost-within-target", **per_8s)


def story_lines(
    shots: int,
    video_seconds: float,
    seconds_by_phase: Mapping[str, float],
    gpu_name: str,
    settings: CostSettings,
    rates: tuple[Rate, ...],
) -> tuple[Line, ...]:
    """What a queue of ``shots`` cost, on the average of 8 seconds of its video and in all.

    ``video_seconds``: how long the shots play that were rendered now; ``seconds_by_phase``: everything that
    was paid for, loading and failed shots too. Shots that were reused cost nothing and would flatter the
    average, so they are in neither. With no video there is no average. Raises ValueOutOfRange as ``shot_cost``.
    """
    cost = shot_cost(seconds_by_phase, video_seconds or TARGET_SECONDS, gpu_name, settings, rates)
    total = line("scenes-total", shots=shots, video=video_seconds, seconds=float(cost.seconds))
    lines = cost_lines(cost)
    return total, *(lines if video_seconds else lines[:1])


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", name.lower()))


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise ValueOutOfRange(name, value, lowest, highest)


def _decimal(value: object) -> Decimal:
    """Through its shortest text, so that 0.000306 is 0.000306."""
    return Decimal(str(value))


def _rounded(value: Decimal, step: str) -> str:
    return format(value.quantize(Decimal(step), rounding=ROUND_HALF_UP), "f")


def _plain(value: Decimal) -> str:
    """Without needless zeros and exponents, at most 8 places: 1450.0 is "1450", 1/3 is "0.33333333"."""
    shortened = value.quantize(Decimal("1e-8"), rounding=ROUND_HALF_UP)
    return format(shortened.normalize(), "f")
