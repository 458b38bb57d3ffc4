"""What the same shot would cost on this machine's own GPU, going by what earlier shots took there."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

from ..cost import CostSettings, Rate, shot_cost
from ..forecast import LATENT_FRAMES, Figures, forecast_story
from .money import Way

# Both stages of LTX-2 have whole latents at sides that are multiples of this.
SIDE = 64
FRAMES_PER_SECOND = 24


def local_ways(
    figures: Figures, width: int, height: int, seconds: Decimal, settings: CostSettings, rates: tuple[Rate, ...]
) -> tuple[Way, ...]:
    """A way for each LTX-2 pipeline that the machine's latest GPU has made shots with; the cheapest settings of each.

    ``width``, ``height`` in pixels and ``seconds`` of the paid shot; LTX-2 makes the nearest size and length that it
    can. Loading is not in it. Empty without figures, and where the GPU has no known price.
    """
    if not figures.shots:
        return ()
    device_name = figures.shots[-1].work.device_name
    frames = LATENT_FRAMES * math.ceil(float(seconds) * FRAMES_PER_SECOND / LATENT_FRAMES) + 1
    sides = {"width": _side(width), "height": _side(height), "frames": frames}
    works = {replace(each.work, **sides) for each in figures.shots if each.work.device_name == device_name}
    cheapest: dict[str, Way] = {}
    for work in works:
        expected = forecast_story(figures, [work]).seconds
        assert expected is not None  # it is of a kind that has figures
        cost = shot_cost({"all": expected}, float(seconds), device_name, settings, rates)
        if cost.usd is None or cost.krw_per_8s is None:
            return ()
        way = Way(f"LTX-2 {work.pipeline}, {device_name}", cost.usd, cost.krw_per_8s, is_local=True)
        known = cheapest.get(work.pipeline)
        if known is None or way.usd < known.usd:
            cheapest[work.pipeline] = way
    return tuple(sorted(cheapest.values(), key=lambda way: way.usd, reverse=True))


def _side(pixels: int) -> int:
    return max(SIDE, round(pixels / SIDE) * SIDE)
