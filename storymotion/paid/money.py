"""Prices, quotes and receipts. All money is Decimal; what may still be paid is rounded up, never down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from ..cost import TARGET_SECONDS, CostSettings
from ..report import Line, line

if TYPE_CHECKING:
    from .journal_row import Row

PIXELS_PER_TOKEN = 1024
MILLION = 1_000_000
NANO = 1_000_000_000


def video_tokens(width: int, height: int, frames: int) -> int:
    """The most tokens that a video of ``frames`` of ``width`` x ``height`` pixels is billed as: w x h x frames / 1024.

    Providers count whole tokens without saying how they round, so this rounds up.
    """
    return -(-width * height * frames // PIXELS_PER_TOKEN)


def usd_of_tokens(tokens: int, usd_per_million: Decimal) -> Decimal:
    """What ``tokens`` cost, exactly."""
    return Decimal(tokens) * usd_per_million / MILLION


def to_nano(usd: Decimal) -> int:
    """USD as whole billionths, rounded up: what the journal stores. Raises ValueError unless finite and >= 0."""
    if not (usd.is_finite() and usd >= 0):
        raise ValueError(f"an amount of money is {usd}")
    return int((usd * NANO).to_integral_value(rounding=ROUND_CEILING))


def from_nano(nano: int) -> Decimal:
    """The USD of ``to_nano``."""
    return Decimal(nano) / NANO


def usd_text(usd: Decimal) -> str:
    """At least 4 places and at most 6, rounded up: "0.103818", "0.1000"."""
    text = format(usd.quantize(Decimal("1e-6"), rounding=ROUND_CEILING), "f")
    return text.removesuffix("00") if text.endswith("00") else text


def krw_text(krw: Decimal) -> str:
    """Whole won, rounded up."""
    return format(krw.quantize(Decimal(1), rounding=ROUND_CEILING), "f")


@dataclass(frozen=True)
class Way:
    """A cheaper way to the same shot. ``what``: "720p flex"; ``is_local``: on this machine, a forecast."""

    what: str
    usd: Decimal
    krw_per_8s: Decimal
    is_local: bool = False


@dataclass(frozen=True)
class Quote:
    """The most that one shot can cost; ``what`` names the shape: "720p 16:9, 5 s, default".

    ``seconds``: of video. ``source`` and ``date`` (ISO) say where the price is from. ``alternatives`` are told
    when the quote is over the target. Raises ValueError for a price or a length that is no finite number > 0.
    """

    provider: str
    model: str
    what: str
    seconds: Decimal
    tokens: int
    usd_per_million: Decimal
    source: str
    date: str
    alternatives: tuple[Way, ...] = ()
    settings: CostSettings = field(default_factory=CostSettings)

    def __post_init__(self) -> None:
        for name, value in (
            ("length", self.seconds),
            ("price", self.usd_per_million),
            ("tokens", Decimal(self.tokens)),
        ):
            if not (value.is_finite() and value > 0):
                raise ValueError(f"the {name} of a paid shot is {value}")

    @property
    def usd(self) -> Decimal:
        """The upper bound."""
        return usd_of_tokens(self.tokens, self.usd_per_million)

    @property
    def krw(self) -> Decimal:
        """The upper bound at the set exchange rate."""
        return self.usd * Decimal(str(self.settings.krw_per_usd))

    @property
    def krw_per_8s(self) -> Decimal:
        """KRW per 8 s of video, which the target is set for."""
        return self.krw * TARGET_SECONDS / self.seconds

    @property
    def over_target(self) -> bool:
        """Whether 8 s cost more than the target."""
        return self.krw_per_8s > Decimal(str(self.settings.target_krw_per_8s))

    def way(self) -> Way:
        """This quote as the alternative of another."""
        return Way(self.what, self.usd, self.krw_per_8s)

    def lines(self) -> tuple[Line, ...]:
        """The price with currency, source and date, where it stands to the target, and cheaper ways when over it."""
        price = line(
            "paid-quote",
            model=self.model,
            what=self.what,
            usd=usd_text(self.usd),
            krw=krw_text(self.krw),
            krw_per_usd=_plain(self.settings.krw_per_usd),
            tokens=self.tokens,
            price=_plain(self.usd_per_million),
            source=self.source,
            date=self.date,
        )
        target = {"krw": krw_text(self.krw_per_8s), "target": _plain(self.settings.target_krw_per_8s)}
        if not self.over_target:
            return price, line("cost-within-target", **target)
        cheaper = (
            line(
                "paid-cheaper-local" if way.is_local else "paid-cheaper",
                what=way.what,
                usd=usd_text(way.usd),
                krw=krw_text(way.krw_per_8s),
            )
            for way in self.alternatives
        )
        return price, line("cost-over-target", **target), *cheaper


def total_usd(quotes: Sequence[Quote]) -> Decimal:
    """The sum of the quotes."""
    return sum((quote.usd for quote in quotes), Decimal(0))


def quote_lines(quotes: Sequence[Quote]) -> tuple[Line, ...]:
    """The prices of shots that are asked for together: their sum, and each price once."""
    told = [told for quote in dict.fromkeys(quotes) for told in quote.lines()]
    if len(quotes) < 2:
        return tuple(told)
    usd, settings = total_usd(quotes), quotes[0].settings
    krw = krw_text(usd * Decimal(str(settings.krw_per_usd)))
    rate = _plain(settings.krw_per_usd)
    return line("paid-quotes", shots=len(quotes), usd=usd_text(usd), krw=krw, krw_per_usd=rate), *told


@dataclass(frozen=True)
class Receipt:
    """What a shot of the journal cost. ``usd`` is None while it is not settled, ``tokens`` where none were told."""

    model: str
    task_id: str
    take: int
    quoted: Decimal
    usd: Decimal | None
    tokens: int | None
    settings: CostSettings = field(default_factory=CostSettings)

    @classmethod
    def of(cls, row: Row, settings: CostSettings | None = None) -> Receipt:
        """The receipt of a row of the journal."""
        return cls(
            row.model, row.task_id or "", row.take, row.quoted, row.settled, row.tokens, settings or CostSettings()
        )

    @property
    def krw(self) -> Decimal | None:
        """What it cost at the set exchange rate."""
        return None if self.usd is None else self.usd * Decimal(str(self.settings.krw_per_usd))

    def lines(self, paid_earlier: bool = False) -> tuple[Line, ...]:
        """Task id, tokens, USD and KRW, quoted against settled. ``paid_earlier``: this queue itself paid nothing."""
        shot = {"model": self.model, "task": self.task_id, "take": self.take, "quoted": usd_text(self.quoted)}
        if self.usd is None or self.krw is None:
            told = [line("paid-open", **shot)]
        else:
            money = {"usd": usd_text(self.usd), "krw": krw_text(self.krw)}
            money["krw_per_usd"] = _plain(self.settings.krw_per_usd)
            if self.tokens is None:
                told = [line("paid-receipt-by-quote", **shot, **money)]
            else:
                told = [line("paid-receipt", **shot, **money, tokens=self.tokens)]
            if self.usd > self.quoted:
                told.append(line("paid-above-quote", usd=usd_text(self.usd), quoted=usd_text(self.quoted)))
        if paid_earlier:
            told.append(line("paid-earlier"))
        return tuple(told)


def _plain(value: Decimal | float) -> str:
    """Without needless zeros and exponents: 1450.0 is "1450"."""
    return format(Decimal(str(value)).normalize(), "f")
