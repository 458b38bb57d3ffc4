"""What ComfyUI lends to the paid part of the library."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from ..storymotion.cost import USER_RATES, load_rates
from ..storymotion.paid.local_ways import local_ways
from ..storymotion.paid.money import Way
from ..storymotion.paid.seedance.desk import Desk
from ..storymotion.paid.seedance.models import USER_CATALOGUE, Catalogue, load_catalogue
from ..storymotion.progress import Progress, ignore_progress
from ..storymotion.report import Line
from .language import user_language
from .settings import cost_settings
from .stores import timings, user_file

log = logging.getLogger("storymotion")


def say_in_log(told: Line) -> None:
    """Where no node listens."""
    log.warning("%s", told.speak(user_language()))


def open_desk(progress: Progress = ignore_progress, tell: Callable[[Line], None] = say_in_log) -> Desk:
    """A desk for one thread; what it opens is its own."""
    settings = cost_settings()

    def ways(width: int, height: int, seconds: Decimal) -> tuple[Way, ...]:
        rates, _ = load_rates(user_file(USER_RATES))
        return local_ways(timings().figures(), width, height, seconds, settings, rates)

    return Desk(user_file(Path()), settings=settings, progress=progress, tell=tell, local_ways=ways)


def catalogue() -> Catalogue:
    """Models and prices, the user's too."""
    return load_catalogue(user_file(USER_CATALOGUE))[0]
