"""What the user has set in ComfyUI's settings dialog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..storymotion.cost import CostSettings


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


def _number(name: str, default: float, lowest: float, highest: float) -> float:
    value = user_setting(name, default)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and lowest <= value <= highest
    return value if usable else default
