"""The node that puts two branches of a story back into story order.

A node cannot take two VIDEO lists as they are. Where a scene failed, its slot holds an
``ExecutionBlocker``. ComfyUI does not run an ``is_input_list`` node at all when one is in any of its
lists. It maps other nodes over both lists at once, repeats the last element of the shorter one, and
leaves out every slot for which either list has a blocker: good scenes of one branch would be lost for
failed ones of the other.

So Merge asks for neither list. It gets the links themselves (``rawLink``), and tells ComfyUI to put
three nodes in its place (``expand``):

    videos_a -> StoryMotionMergeGather --\\
                                          StoryMotionMergeOrder -> videos, index
    videos_b -> StoryMotionMergeGather --/

A gather node is mapped over one list. It puts each shot that comes into its ``Branch``, an object that
all three nodes have in hand: it is a constant input of theirs, made anew whenever Merge runs, so that
ComfyUI's cache never takes one of them for finished. The order node looks at no output of the gather
nodes, which may be blocked; its raw links to them only make it wait.

``lazy`` lets Merge run before the shots are made. Scenes that come twice are said then, and with
``--cache-none``, where a node's results are gone once it was used, the shots are made once and not twice.
"""

from __future__ import annotations

from typing import Any

from comfy_api.latest import Input, io

from ..storymotion.errors import PlacesNotConnected
from .branches import Branch, check_places, in_story_order
from .editor_hints import with_editor_hints
from .language import says_errors_in_users_language
from .slices import slice_here

# What is connected arrives as [node id, output], whatever comes out of it. 0.3.75 has no parameter for it.
RAW: dict[str, Any] = {"rawLink": True}
BranchObject = io.Custom("STORYMOTION_BRANCH")
Done = io.Custom("STORYMOTION_DONE")


class StoryMotionMerge(io.ComfyNode):
    """Two VIDEO lists into one; it has a slot for every scene, as each of them has."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionMerge",
            display_name="Merge Branches",
            category="StoryMotion/Story",
            description="Puts the shots of two branches of a story back into story order. Failed scenes of either "
            "keep their place, and are named by the node that saves.",
            inputs=[*_branch_inputs("a", "first"), *_branch_inputs("b", "second")],
            outputs=[
                io.Video.Output(display_name="videos", is_output_list=True, tooltip="All shots in story order."),
                io.Int.Output(
                    display_name="index", is_output_list=True, tooltip="The place of each in the story, from 1."
                ),
            ],
            is_input_list=True,
            enable_expand=True,
        )

    @classmethod
    @says_errors_in_users_language
    def execute(
        cls,
        videos_a: list[Any] | None = None,
        index_a: list[int] | None = None,
        videos_b: list[Any] | None = None,
        index_b: list[int] | None = None,
    ) -> io.NodeOutput:
        from comfy_execution.graph_utils import GraphBuilder

        links = {"a": videos_a, "b": videos_b}
        branches = {}
        for name, places in (("a", index_a), ("b", index_b)):
            branch = Branch(f"videos_{name}", f"index_{name}", places or [], connected=links[name] is not None)
            if branch.connected and places is None:
                raise PlacesNotConnected(branch.index_name, branch.videos_name)
            branches[name] = branch
        check_places(list(branches.values()))
        graph = GraphBuilder()
        order = graph.node("StoryMotionMergeOrder")
        for name, branch in branches.items():
            order.set_input(f"branch_{name}", branch)
            link = links[name]
            if link and branch.places:  # of an empty list, as a filter can leave it, nothing comes to wait for
                gather = graph.node("StoryMotionMergeGather", videos=link[0], branch=branch)
                order.set_input(f"gathered_{name}", gather.out(0))
        return io.NodeOutput(order.out(0), order.out(1), expand=graph.finalize())


def _branch_inputs(name: str, which: str) -> list[io.Input]:
    """All are optional: the editor does not send links from nodes that are muted."""
    return [
        io.Video.Input(
            f"videos_{name}",
            optional=True,
            tooltip=f"The shots of the {which} branch: of a generation node, or of Animation Encode.",
            lazy=True,
            extra_dict=RAW,
        ),
        io.Int.Input(
            f"index_{name}",
            optional=True,
            tooltip=f"The places of the {which} branch in the story: index of its Load Story.",
            force_input=True,
        ),
    ]


class StoryMotionMergeGather(io.ComfyNode):
    """Part of Merge: puts the shots of a list into their branch, one by one."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionMergeGather",
            inputs=[io.Video.Input("videos"), BranchObject.Input("branch")],
            outputs=[Done.Output(display_name="gathered")],
            **_hidden("the first"),
        )

    @classmethod
    def execute(cls, videos: Input.Video, branch: Branch) -> io.NodeOutput:
        _, slot = slice_here()
        branch.shots[slot] = videos
        return io.NodeOutput(True)


class StoryMotionMergeOrder(io.ComfyNode):
    """Part of Merge: makes one list of what was gathered.

    Its outputs are single values that are lists: of the node that takes Merge's place ComfyUI hands on
    one value for each output, and Merge's own outputs make lists of them.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [
            [
                BranchObject.Input(f"branch_{name}"),
                Done.Input(f"gathered_{name}", optional=True, extra_dict=RAW),
            ]
            for name in ("a", "b")
        ]
        return io.Schema(
            node_id="StoryMotionMergeOrder",
            inputs=[each for branch in inputs for each in branch],
            outputs=[io.Video.Output(display_name="videos"), io.Int.Output(display_name="index")],
            **_hidden("the second"),
        )

    @classmethod
    @says_errors_in_users_language
    def execute(cls, branch_a: Branch, branch_b: Branch, **gathered: Any) -> io.NodeOutput:
        from comfy_execution.graph_utils import ExecutionBlocker

        slots = in_story_order([branch_a, branch_b])
        videos = [ExecutionBlocker(None) if video is None else video for video in slots.values()]
        return io.NodeOutput(videos, list(slots))


def _hidden(which: str) -> dict[str, Any]:
    """What keeps a node out of the editor's search (deprecated) and out of its menu (no category).

    It can run all the same. ``is_dev_only`` says it better, but ComfyUI 0.3.75 does not know it.
    """
    return {
        "display_name": f"Merge Branches, {which} step",
        "category": "",
        "description": "A part of Merge Branches, which puts it into the graph itself.",
        "is_deprecated": True,
    }
