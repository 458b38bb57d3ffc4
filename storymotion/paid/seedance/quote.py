"""What a shot will cost: the tokens that the service will count, times the price of a token.

Measured on real tasks (a 1080p shot of 5 s counted 246840): tokens = width x height x (24 x seconds + 1) /
1024. The service does not say how it rounds, so a quote rounds up: it is never below the bill.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from .models import ADAPTIVE, AUTOMATIC_SECONDS, FRAMES_PER_SECOND, Catalogue, Model, Price

PIXELS_PER_TOKEN = 1024
MILLION = 1_000_000


@dataclass(frozen=True)
class Shape:
    """What the price of a shot hangs on. ``duration``: seconds, -1 = the model chooses (priced at its longest)."""

    model: str
    resolution: str
    ratio: str
    duration: int
    service_tier: str
    sound: bool


@dataclass(frozen=True)
class SeedanceQuote:
    """The most that a shot can cost. ``width``, ``height``: of the video, for ``adaptive`` of the dearest ratio.

    ``usd`` is None where no price is known: such a shot is never sent.
    """

    shape: Shape
    width: int
    height: int
    seconds: int
    tokens: int
    price: Price | None
    usd: Decimal | None


def tokens_for(width: int, height: int, seconds: int) -> int:
    """The tokens of a video of ``width`` x ``height`` pixels and ``seconds``, rounded up."""
    return -(-width * height * (FRAMES_PER_SECOND * seconds + 1) // PIXELS_PER_TOKEN)


def quote_shape(shape: Shape, catalogue: Catalogue) -> SeedanceQuote:
    """The quote of a shot that its model offers. Raises UnknownChoice, SeedanceModelRetired."""
    return _quote(shape, catalogue.model(shape.model), catalogue)


def cheaper_ways(quote: SeedanceQuote, catalogue: Catalogue) -> tuple[SeedanceQuote, ...]:
    """The same shot in the other service tier or at lower resolutions, of the same model; the dearest first."""
    if quote.usd is None:
        return ()
    known = [(other.usd, other) for other in _other_ways(quote, catalogue) if other.usd is not None]
    cheaper = [pair for pair in known if pair[0] < quote.usd]
    return tuple(other for _, other in sorted(cheaper, key=lambda pair: pair[0], reverse=True))


def settled_usd(tokens: int, price: Price) -> Decimal:
    """What ``tokens`` cost, in USD."""
    return price.usd_per_million * tokens / MILLION


def _other_ways(quote: SeedanceQuote, catalogue: Catalogue) -> Iterator[SeedanceQuote]:
    model = catalogue.model(quote.shape.model)
    lower_or_same = model.resolutions[: model.resolutions.index(quote.shape.resolution) + 1]
    for resolution in lower_or_same:
        for tier in model.service_tiers:
            yield _quote(replace(quote.shape, resolution=resolution, service_tier=tier), model, catalogue)


def _quote(shape: Shape, model: Model, catalogue: Catalogue) -> SeedanceQuote:
    seconds = model.seconds[1] if shape.duration == AUTOMATIC_SECONDS else shape.duration
    sizes = model.pixels[shape.resolution]
    candidates = sizes.values() if shape.ratio == ADAPTIVE else [sizes[shape.ratio]]
    width, height = max(candidates, key=lambda size: size[0] * size[1])
    tokens = tokens_for(width, height, seconds)
    price = catalogue.price(model, shape.resolution, shape.service_tier, shape.sound)
    return SeedanceQuote(
        shape, width, height, seconds, tokens, price, None if price is None else settled_usd(tokens, price)
    )
