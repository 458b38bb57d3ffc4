"""StoryMotion, a ComfyUI node pack: illustrated stories become animated shots with sound.

ComfyUI imports this file at its start and asks ``comfy_entrypoint`` for the nodes. Nothing heavy is
imported here: the pack registers in milliseconds, also when the LTX-2 SDK is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension

WEB_DIRECTORY = "./js"


async def comfy_entrypoint() -> ComfyExtension:
    """Called once by ComfyUI; returns the extension that lists the nodes."""
    from .nodes import StoryMotionExtension

    return StoryMotionExtension()
