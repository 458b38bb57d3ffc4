"""Settings with a name: the shipped ones and the user's own, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from ..errors import StoryMotionError, UnknownChoice
from ..report import Line, line
from .settings import DEFAULT_SETTINGS, EncodeSettings

SHIPPED_PRESETS = Path(__file__).parent / "encode_presets.json"
# Below ComfyUI's user folder.
USER_PRESETS = Path("storymotion") / "encode_presets.json"
# No preset: the settings are those that were given.
CUSTOM = "custom"


@dataclass(frozen=True)
class Preset:
    """``values`` are some of the fields of ``EncodeSettings``; the others stay as they are."""

    name: str
    values: Mapping[str, object]

    def apply(self, settings: EncodeSettings) -> EncodeSettings:
        """``settings`` with the preset's values in place of theirs."""
        return replace(settings, **dict(self.values))  # type: ignore[arg-type]


def load_presets(user_file: Path | None = None) -> tuple[dict[str, Preset], tuple[Line, ...]]:
    """The presets by name, shipped ones first; and a line when the user's file cannot be used.

    ``user_file`` (``USER_PRESETS`` in ComfyUI's user folder) need not exist. Nothing in it raises, and none
    of it is used if one preset is wrong: a shot must not be saved with half of what was meant.
    """
    shipped = _read(SHIPPED_PRESETS)
    if user_file is None:
        return shipped, ()
    try:
        return (shipped | _read(user_file) if user_file.is_file() else shipped), ()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        return shipped, (line("encode-presets-unreadable", path=user_file.name, reason=reason.strip().rstrip(".")),)


def settings_for(name: str, settings: EncodeSettings, presets: Mapping[str, Preset]) -> EncodeSettings:
    """``settings`` with those of the preset; unchanged for ``CUSTOM``. Raises ``UnknownChoice``."""
    if name == CUSTOM:
        return settings
    if name not in presets:
        raise UnknownChoice("preset", name, ", ".join([CUSTOM, *presets]))
    return presets[name].apply(settings)


def _read(file: Path) -> dict[str, Preset]:
    # Windows' own editors write a mark in front of UTF-8.
    entries = json.loads(file.read_text(encoding="utf-8-sig"))["presets"]
    if not isinstance(entries, list):
        raise ValueError("presets is not a list")
    presets: dict[str, Preset] = {}
    for preset in map(_preset, entries):
        if preset.name in presets:
            raise ValueError(f"it has two presets of the name {preset.name}")
        presets[preset.name] = preset
    return presets


def _preset(entry: object) -> Preset:
    if not isinstance(entry, dict):
        raise ValueError(f"a preset is {entry!r}")
    values = dict(entry)
    name = values.pop("name", None)
    if not isinstance(name, str) or not name.strip() or name == CUSTOM:
        raise ValueError(f"the name of a preset is {name!r}")
    kinds = {field.name: type(getattr(DEFAULT_SETTINGS, field.name)) for field in fields(EncodeSettings)}
    for key, value in values.items():
        if key not in kinds:
            raise ValueError(f"{name} has {key}, which is not one of {', '.join(kinds)}")
        if not _is_a(kinds[key], value):
            raise ValueError(f"{key} of {name} is {value!r}")
    preset = Preset(name, values)
    try:
        preset.apply(DEFAULT_SETTINGS)
    except StoryMotionError as error:
        raise ValueError(f"{name}: {error}") from error
    return preset


def _is_a(kind: type, value: object) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is kind
