"""What Seedance models can do and cost: the shipped data, and what the user adds.

``models.json``, ``pixels.json`` and ``prices.json`` say where each figure is from and of which date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ...errors import SeedanceModelRetired, UnknownModel
from ...report import Line, line
from ..provider import SEEDANCE

DATA = Path(__file__).parent
# Below ComfyUI's user folder.
USER_CATALOGUE = Path("storymotion") / "seedance.json"
RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9")
ADAPTIVE = "adaptive"
AUTOMATIC_SECONDS = -1
FRAMES_PER_SECOND = 24
# Of a model of the user's that does not say: the fewest that any account has.
DEFAULT_CONCURRENT = 3
FLAGS = ("automatic_seconds", "last_frame", "seed", "camera_fixed", "sound", "adaptive_from_text")

Pixels = Mapping[str, Mapping[str, tuple[int, int]]]


@dataclass(frozen=True)
class Model:
    """One model. ``seconds``: (least, most); ``pixels``: resolution -> ratio -> (width, height).

    ``first_last_ratios``: the only ratios with a first and a last frame, None = all. ``retired``: the ISO
    date on which the service shut it down, None = offered. ``concurrent``: tasks that an account runs at once.
    """

    id: str
    name: str
    prices: str
    pixels: Pixels
    resolutions: tuple[str, ...]
    seconds: tuple[int, int]
    automatic_seconds: bool
    service_tiers: tuple[str, ...]
    last_frame: bool
    seed: bool
    camera_fixed: bool
    sound: bool
    adaptive_from_text: bool
    first_last_ratios: tuple[str, ...] | None = None
    retired: str | None = None
    concurrent: int = DEFAULT_CONCURRENT


@dataclass(frozen=True)
class Price:
    """USD per million tokens; ``resolutions`` and ``sound`` are what it is limited to, None = all."""

    prices: str
    service_tier: str
    resolutions: tuple[str, ...] | None
    sound: bool | None
    usd_per_million: Decimal
    source: str
    date: str

    def is_for(self, model: Model, resolution: str, service_tier: str, sound: bool) -> bool:
        """Whether this is the price of such a shot."""
        return (
            (self.prices, self.service_tier) == (model.prices, service_tier)
            and (self.resolutions is None or resolution in self.resolutions)
            and (self.sound is None or self.sound == sound)
        )


@dataclass(frozen=True)
class Catalogue:
    """All models and prices, the user's before the shipped ones."""

    models: tuple[Model, ...]
    prices: tuple[Price, ...]

    def offered(self) -> tuple[str, ...]:
        """The ids to choose from, the default first."""
        return tuple(model.id for model in self.models if model.retired is None)

    def model(self, model_id: str) -> Model:
        """The model of that id. Raises SeedanceModelRetired, UnknownModel."""
        found = next((model for model in self.models if model.id == model_id), None)
        choices = ", ".join(self.offered())
        if found is None:
            raise UnknownModel(SEEDANCE.name, model_id, choices)
        if found.retired is not None:
            raise SeedanceModelRetired(model_id, found.retired, choices)
        return found

    def price(self, model: Model, resolution: str, service_tier: str, sound: bool) -> Price | None:
        """The price of such a shot, None if it is not known."""
        return next((price for price in self.prices if price.is_for(model, resolution, service_tier, sound)), None)


def load_catalogue(user_file: Path | None = None) -> tuple[Catalogue, tuple[Line, ...]]:
    """The shipped models and prices with those of ``user_file``, and a line when that file cannot be used.

    ``user_file`` (``USER_CATALOGUE`` in ComfyUI's user folder) need not exist. A user's model takes the place
    of the shipped one of its id, or comes after all; a broken file adds nothing.
    """
    pixels = _pixels(_read(DATA / "pixels.json")["tables"])
    models = _models(_read(DATA / "models.json"), pixels)
    prices = _prices(_read(DATA / "prices.json"))
    notes: tuple[Line, ...] = ()
    if user_file is not None and user_file.is_file():
        try:
            added = _read(user_file)
            pixels = {**pixels, **_pixels(added.get("pixels", {}))}
            own_models, own_prices = _models({"models": [], **added}, pixels), _prices({"prices": [], **added})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
            reason = f"{type(error).__name__}: {error}".strip().rstrip(".")
            notes = (line("seedance-catalogue-unreadable", path=user_file.name, reason=reason),)
        else:
            own = {model.id: model for model in own_models}
            replaced = [own.pop(model.id, model) for model in models]
            models, prices = (*replaced, *own.values()), (*own_prices, *prices)
    return Catalogue(models, prices), notes


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


def _pixels(tables: Mapping[str, Mapping[str, Mapping[str, Sequence[int]]]]) -> dict[str, Pixels]:
    return {
        family: {
            resolution: {ratio: _size(size) for ratio, size in by_ratio.items()}
            for resolution, by_ratio in table.items()
        }
        for family, table in tables.items()
    }


def _size(size: Sequence[int]) -> tuple[int, int]:
    width, height = size
    if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0):
        raise ValueError(f"{size!r} is not a width and a height")
    return width, height


def _models(data: Mapping[str, Any], pixels: Mapping[str, Pixels]) -> tuple[Model, ...]:
    return tuple(_model(entry, pixels) for entry in data["models"])


def _model(entry: Mapping[str, Any], pixels: Mapping[str, Pixels]) -> Model:
    table = pixels[entry["pixels"]]
    least, most = entry["seconds"]
    resolutions = _texts(entry["resolutions"])
    missing = [name for name in resolutions if not set(RATIOS) <= set(table.get(name, ()))]
    if missing or not resolutions or not 0 < least <= most:
        raise ValueError(f"the entry of {entry['id']} is not complete")
    limited = entry.get("first_last_ratios")
    retired = entry.get("retired")
    return Model(
        id=str(entry["id"]),
        name=str(entry["name"]),
        prices=str(entry["prices"]),
        pixels=table,
        resolutions=resolutions,
        seconds=(int(least), int(most)),
        service_tiers=_texts(entry["service_tiers"]),
        first_last_ratios=None if limited is None else _texts(limited),
        retired=None if retired is None else date.fromisoformat(retired).isoformat(),
        concurrent=max(1, int(entry.get("concurrent", DEFAULT_CONCURRENT))),
        **{name: _flag(entry, name) for name in FLAGS},
    )


def _flag(entry: Mapping[str, Any], name: str) -> bool:
    if not isinstance(entry[name], bool):
        raise ValueError(f"{name} of {entry['id']} is {entry[name]!r}, not true or false")
    return entry[name]


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"{values!r} is not a list of words")
    return tuple(values)


def _prices(data: Mapping[str, Any]) -> tuple[Price, ...]:
    if data["prices"] and (data["currency"], data["per_tokens"]) != ("USD", 1_000_000):
        raise ValueError("prices are in USD per 1000000 tokens")
    return tuple(_price(entry, data) for entry in data["prices"])


def _price(entry: Mapping[str, Any], data: Mapping[str, Any]) -> Price:
    amount = Decimal(str(entry["price"]))
    # A price of 0 would open every cap.
    if not (amount.is_finite() and 0 < amount < 10_000):
        raise ValueError(f"the price of {entry['prices']} is {amount}")
    resolutions = entry.get("resolutions")
    return Price(
        prices=str(entry["prices"]),
        service_tier=str(entry["service_tier"]),
        resolutions=None if resolutions is None else _texts(resolutions),
        sound=_flag({**entry, "id": entry["prices"]}, "sound") if "sound" in entry else None,
        usd_per_million=amount,
        source=str(entry.get("source", data.get("source", ""))),
        date=date.fromisoformat(str(entry.get("date", data.get("date")))).isoformat(),
    )
