"""The socket types that StoryMotion adds to ComfyUI."""

from __future__ import annotations

from comfy_api.latest import io

# Carries storymotion.ltx.models.ModelSet.
LTX2Model = io.Custom("LTX2_MODEL")
# Carries a tuple of storymotion.ltx.shots.Guide.
LTX2Guides = io.Custom("LTX2_GUIDES")
# Carries storymotion.ltx.guidance.Guidance.
LTX2Guidance = io.Custom("LTX2_GUIDANCE")
