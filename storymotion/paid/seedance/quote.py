"""What a shot will cost: the tokens that the service will count, times the price of a token.

Measured on real tasks (a 1080p shot of 5 s counted 246840): tokens = width x height x (24 x seconds + 1) /
1024, rounded up here, so that a quote is never below the bill.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from ...cost import CostSettings
from ...errors import NoPrice
from ..money import Quote, video_tokens
from ..provider import SEEDANCE
from .models import ADAPTIVE, AUTOMATIC_SECONDS, FRAMES_PER_SECOND, Catalogue, Model


@dataclass(frozen=True)
class Shape:
    """What the price of a shot hangs on. ``duration``: seconds, -1 = the model chooses (priced at its longest)."""

    model: str
    resolution: str
    ratio: str
    duration: int
    service_tier: str
    sound: bool


def quote_shape(shape: Shape, catalogue: Catalogue, settings: CostSettings | None = None) -> Quote:
    """The most that such a shot can cost, for a shape that its model offers, with the cheaper ways to it.

    Cheaper ways are of the same model: the other service tier and lower resolutions, the dearest first.
    Raises UnknownModel, SeedanceModelRetired, NoPrice.
    """
    settings = settings or CostSettings()
    model = catalogue.model(shape.model)
    made = _quote(shape, model, catalogue, settings)
    if made is None:
        raise NoPrice(SEEDANCE.name, shape.model, f"{shape.resolution} {shape.service_tier}")
    others = [_quote(other, model, catalogue, settings) for other in _other_shapes(shape, model)]
    ways = [other.way() for other in others if other is not None and other.usd < made.usd]
    return replace(made, alternatives=tuple(sorted(ways, key=lambda way: way.usd, reverse=True)))


def video_size(shape: Shape, model: Model) -> tuple[int, int]:
    """Width and height of the video in pixels; for ``adaptive`` of the ratio with the most pixels."""
    sizes = model.pixels[shape.resolution]
    candidates = sizes.values() if shape.ratio == ADAPTIVE else [sizes[shape.ratio]]
    return max(candidates, key=lambda size: size[0] * size[1])


def _other_shapes(shape: Shape, model: Model) -> Iterator[Shape]:
    for resolution in model.resolutions[: model.resolutions.index(shape.resolution) + 1]:
        for tier in model.service_tiers:
            yield replace(shape, resolution=resolution, service_tier=tier)


def _quote(shape: Shape, model: Model, catalogue: Catalogue, settings: CostSettings) -> Quote | None:
    price = catalogue.price(model, shape.resolution, shape.service_tier, shape.sound)
    if price is None:
        return None
    seconds = model.seconds[1] if shape.duration == AUTOMATIC_SECONDS else shape.duration
    return Quote(
        provider=SEEDANCE.id,
        model=shape.model,
        what=f"{shape.resolution} {shape.ratio}, {seconds} s, {shape.service_tier}",
        seconds=Decimal(seconds),
        tokens=video_tokens(*video_size(shape, model), FRAMES_PER_SECOND * seconds + 1),
        usd_per_million=price.usd_per_million,
        source=price.source,
        date=price.date,
        settings=settings,
    )
