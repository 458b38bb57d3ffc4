"""The node that fetches shots of the paid service SeeDANCE which were paid for earlier."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..storymotion.errors import NoSceneRendered
from ..storymotion.paid.seedance.run import Collected, collect
from ..storymotion.report import speak
from .editor_hints import with_editor_hints
from .host import NodeProgress
from .language import says_errors_in_users_language, user_language
from .paid_desk import open_desk
from .paid_report import receipt_of_collected, rows_of_collected
from .shown import shown
from .threads import Waiting, in_threads
from .video import SavedVideo

ALL_UNFINISHED = "all unfinished"


class StoryMotionSeedanceCollect(io.ComfyNode):
    """Videos that were paid for and are not here yet."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionSeedanceCollect",
            display_name="SeeDANCE Collect",
            category="StoryMotion/SeeDANCE",
            description="Fetches shots that were paid for and whose video is not here, for example after a cancel or "
            "with the computer off. Pays nothing; the service keeps videos for 24 hours.",
            inputs=[
                io.String.Input(
                    "task_id",
                    default=ALL_UNFINISHED,
                    tooltip=f"The id of one task, or '{ALL_UNFINISHED}' of the journal.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video", is_output_list=True, tooltip="The videos that came, the oldest task first."
                ),
                io.String.Output(display_name="receipt", tooltip="What they cost, and why others did not come."),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        return float("nan")

    @classmethod
    @says_errors_in_users_language
    async def execute(cls, task_id: str = ALL_UNFINISHED) -> io.NodeOutput:
        from comfy_execution.graph_utils import ExecutionBlocker

        asked = task_id.strip()
        one = None if asked in ("", ALL_UNFINISHED) else asked

        def fetch(waiting: Waiting) -> tuple[Collected, ...]:
            return collect(open_desk(waiting), one)

        (future,) = await in_threads([fetch], NodeProgress())
        collected = future.result()
        videos: list[Any] = [SavedVideo(each.shot.path, None, None) for each in collected if each.shot is not None]
        errors = [each.error for each in collected if each.error is not None]
        if errors and not videos:
            raise errors[0] if len(errors) == 1 else NoSceneRendered(len(errors), errors[0].as_value())
        receipt = speak(receipt_of_collected(collected), user_language())
        return io.NodeOutput(
            videos or [ExecutionBlocker(None)], receipt, ui=shown(receipt, rows_of_collected(collected))
        )
