"""What the user has set in ComfyUI's settings dialog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..storymotion.cost import CostSettings
from ..storymotion.ltx.models import KEEPS

AUTO = "auto"


def user_setting(name: str, default: Any) -> Any:
    """The value of ``name`` in the settings of ComfyUI's user "default"; ``default`` when it is not set."""
    import folder_paths

    settings = Path(folder_paths.get_user_directory()) / "default" / "comfy.settings.json"
    try:
        return json.loads(settings.read_text(encoding="utf-8")).get(name, default)
    except (OSError, ValueError, AttributeError):
        return default


def cost_settings() -> CostSettings:
    """What the user has set about money; a value that cannot be is left at its default."""
    defaults = CostSettings()
    per_hour = _number("StoryMotion.GpuUsdPerHour", 0, 0, 10_000)
    return CostSettings(
        krw_per_usd=_number("StoryMotion.KrwPerUsd", defaults.krw_per_usd, 1, 100_000),
        target_krw_per_8s=_number("StoryMotion.TargetKrwPer8s", defaults.target_krw_per_8s, 0, 1_000_000),
        gpu_usd_per_second=per_hour / 3600 if per_hour else None,
    )


def keep_setting(asked: str) -> str:
    """Where models stay between shots: ``asked`` by LTX-2 Model, where "auto" is what the user has set.

    Asked for when a shot is made, not by that node: another setting then makes nothing anew.
    """
    chosen = user_setting("StoryMotion.Keep", AUTO) if asked == AUTO else asked
    return chosen if chosen in KEEPS else asked


def wants_previews() -> bool:
    """Whether nodes show pictures of a shot while it is made."""
    return user_setting("StoryMotion.Previews", True) is not False


def _number(name: str, default: float, lowest: float, highest: float) -> float:
    value = user_setting(name, default)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and lowest <= value <= highest
    return value if usable else default
