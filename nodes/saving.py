"""What the nodes that save video have in common: where the file goes, what is stored in it, and their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from comfy_api.latest import io, ui

from ..storymotion.media.settings import CRF_RANGE
from .outcome import FINISH, ON_FAILURE
from .shown import SceneRow, shown
from .video import metadata_text


class OutputFile(NamedTuple):
    """A name in ComfyUI's output folder that is not taken yet."""

    path: Path
    subfolder: str

    @property
    def address(self) -> dict[str, str]:
        """As ComfyUI's "/view" takes it."""
        return {"filename": self.path.name, "subfolder": self.subfolder, "type": io.FolderType.output.value}

    def shown_with(self, report: str, rows: Sequence[SceneRow] = ()) -> dict[str, Any]:
        """The file, once it is there, and the report on it, for the node in the editor and for the history."""
        video = ui.PreviewVideo([ui.SavedResult(self.path.name, self.subfolder, io.FolderType.output)])
        return {**video.as_dict(), **shown(report, rows)}


def next_output_file(filename_prefix: str, width: int, height: int) -> OutputFile:
    """The next free MP4 for ``filename_prefix``, in which %width% and %height% may occur."""
    import folder_paths

    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
        filename_prefix, folder_paths.get_output_directory(), width, height
    )
    return OutputFile(Path(folder) / f"{name}_{counter:05}_.mp4", subfolder)


def graph_metadata(hidden: Any, embed_workflow: bool) -> dict[str, str]:
    """Prompt and workflow, as ComfyUI's SaveVideo stores them: the file can be dropped into the editor."""
    from comfy.cli_args import args

    if not embed_workflow or args.disable_metadata:
        return {}
    graph = dict(hidden.extra_pnginfo or {})
    if hidden.prompt is not None:
        graph["prompt"] = hidden.prompt
    return metadata_text(graph)


def listed(names: Sequence[str], most: int = 6) -> str:
    """The names in one line; of more than ``most``, the first ones and the last."""
    return ", ".join(names if len(names) <= most else [*names[: most - 1], "...", names[-1]])


def filename_prefix_input(default: str) -> io.Input:
    """Where the file goes."""
    return io.String.Input(
        "filename_prefix",
        default=default,
        tooltip="Folder and start of the file name in ComfyUI's output folder.",
    )


def crf_input(tooltip: str) -> io.Input:
    """x264's constant rate factor."""
    return io.Float.Input(
        "crf", default=18.0, min=CRF_RANGE[0], max=CRF_RANGE[1], step=0.5, optional=True, tooltip=tooltip
    )


def embed_workflow_input() -> io.Input:
    """Whether the file tells how it was made."""
    return io.Boolean.Input(
        "embed_workflow",
        default=True,
        optional=True,
        tooltip="Store prompt and workflow in the file, so that it can be dropped into the editor. "
        "Off: whoever gets the file sees nothing of how it was made.",
    )


def on_failure_input() -> io.Input:
    """Whether failed scenes of a story end the queue in an error."""
    return io.Combo.Input(
        "on_failure",
        options=list(ON_FAILURE),
        default=FINISH,
        optional=True,
        tooltip="When scenes of the story failed. finish: save the others, the report says what is missing. "
        "fail after saving: save the others, then end with an error that names the failed ones.",
    )
