"""ComfyUI's face of StoryMotion: widgets in, a library call, outputs out."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .check import StoryMotionCheckShot
from .collect import StoryMotionSeedanceCollect
from .encode import StoryMotionAnimationEncode
from .guidance import StoryMotionGuidance
from .guided import StoryMotionKeyframes, StoryMotionOneStage, StoryMotionTwoStage
from .join import StoryMotionJoin
from .merge import StoryMotionMerge, StoryMotionMergeGather, StoryMotionMergeOrder
from .models import StoryMotionLTX2Lora, StoryMotionLTX2Model
from .motion import SafeMotionMapper
from .plan import StoryMotionImageGuide, StoryMotionShotPlan
from .routes import add_routes
from .samples import offer_samples
from .seedance import StoryMotionSeedance, StoryMotionSeedanceQuote
from .shots import StoryMotionDistilled, StoryMotionICLora
from .story import StoryMotionLoadStory

NODES: list[type[io.ComfyNode]] = [
    StoryMotionLTX2Model,
    StoryMotionLTX2Lora,
    StoryMotionImageGuide,
    StoryMotionShotPlan,
    StoryMotionDistilled,
    StoryMotionTwoStage,
    StoryMotionOneStage,
    StoryMotionKeyframes,
    StoryMotionICLora,
    StoryMotionGuidance,
    SafeMotionMapper,
    StoryMotionLoadStory,
    StoryMotionMerge,
    StoryMotionSeedanceQuote,
    StoryMotionSeedance,
    StoryMotionSeedanceCollect,
    StoryMotionCheckShot,
    StoryMotionAnimationEncode,
    StoryMotionJoin,
]
# Nodes that others of the pack put into the graph while it runs. The editor does not offer them.
PARTS: list[type[io.ComfyNode]] = [StoryMotionMergeGather, StoryMotionMergeOrder]


class StoryMotionExtension(ComfyExtension):
    """What ComfyUI asks for the list of nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Every node of the pack, whether or not the SDK is installed. ComfyUI asks once, at its start."""
        # Not in on_load(): ComfyUI 0.3.75 does not call it.
        offer_samples()
        add_routes()
        return [*NODES, *PARTS]
