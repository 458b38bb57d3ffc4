"""docs/queue_story.py as a user runs it: a program of its own, against a real server that goes away in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dev.processes import ROOT
from dev.server import ComfyServer

from .stories import FILM, SHOTS, Story, outcomes, pictures

pytestmark = pytest.mark.comfy
SCRIPT = ROOT / "docs" / "queue_story.py"


def started(server: ComfyServer, graph: dict[str, Any], folder: Path, *options: str) -> subprocess.Popen[str]:
    """The script with ``graph`` as its workflow, in ``folder``, where nothing of the repository is."""
    (folder / "workflow.json").write_text(json.dumps(graph), encoding="utf-8")
    command = [sys.executable, SCRIPT, "workflow.json", "--server", server.address, "--to", "films", *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, encoding="utf-8", errors="replace", **pipes)


def test_it_survives_a_crash_and_downloads_everything(fragile_server: ComfyServer, tmp_path: Path) -> None:
    # As a user does it: the workflow as it is, and the story's name on the command line.
    graph = Story(fragile_server, "other", (1,)).graph()
    story = Story(fragile_server, "downloaded", range(60, 64))
    graph[FILM]["inputs"]["filename_prefix"] = "downloaded/film"
    script = started(fragile_server, graph, tmp_path, "--story", story.file.name)
    assert script.stdout is not None
    seen = []
    for line in script.stdout:
        seen.append(line.rstrip("\n"))
        if seen[-1] == "scene 3 of 4, stage 1" and seen.count("queued") == 1:
            fragile_server.kill()
            fragile_server.start()
    errors = script.communicate()[1]
    assert script.returncode == 0, errors
    assert seen.count("queued") == 2
    names = ["one", "two", "three", "four"]
    expected = [("one", "reused"), ("two", "reused"), ("three", "done"), ("four", "done")]
    assert outcomes("\n".join(seen)) == expected
    files = {file.name for file in (tmp_path / "films").iterdir()}
    assert files == {f"{name}_00001_.mp4" for name in (*names, "film")}
    assert len(pictures(tmp_path / "films" / "film_00001_.mp4")) == 9 + 17 + 25 + 9


def test_a_failed_scene_shows_in_its_exit_code(comfy_server: ComfyServer, tmp_path: Path) -> None:
    graph = Story(comfy_server, "half", (65, 66)).graph()
    graph.add("41", "TestList", values="[64, 100]")
    graph[SHOTS]["inputs"]["width"] = ["41", 0]
    script = started(comfy_server, graph, tmp_path)
    printed, errors = script.communicate()
    assert script.returncode == 1, errors
    assert "Scene 2 (two): failed. The width of the shot is 100 pixels" in printed
    assert sorted(file.name for file in (tmp_path / "films").iterdir()) == ["film_00001_.mp4", "one_00001_.mp4"]


@pytest.mark.parametrize(
    ("change", "says"),
    [({"story": "gone.json"}, "StoryMotionLoadStory: The story 'gone.json' was not found"), (None, "NoSuchNode")],
)
def test_it_says_why_there_is_no_film(
    comfy_server: ComfyServer, tmp_path: Path, change: dict[str, Any] | None, says: str
) -> None:
    graph = Story(comfy_server, "refused", (67,)).graph()
    if change is None:
        graph["2"]["class_type"] = "NoSuchNode"
    else:
        graph["2"]["inputs"] |= change
    script = started(comfy_server, graph, tmp_path)
    printed, errors = script.communicate()
    assert script.returncode == 2, printed + errors
    assert says in errors and "Traceback" not in errors
