"""What the user has set in ComfyUI's settings dialog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def user_setting(name: str, default: Any) -> Any:
    """The value of ``name`` in the settings of ComfyUI's user "default"; ``default`` when it is not set."""
    import folder_paths

    settings = Path(folder_paths.get_user_directory()) / "default" / "comfy.settings.json"
    try:
        return json.loads(settings.read_text(encoding="utf-8")).get(name, default)
    except (OSError, ValueError, AttributeError):
        return default
