"""The node that loads a story: a row of the manifest becomes one value on every output."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..storymotion.errors import NoStories, StoryMissing, StoryMotionError
from ..storymotion.motion.mapper import ENGINES
from ..storymotion.report import line, speak
from ..storymotion.story import ALL_ENGINES, load_story
from ..storymotion.story_pixels import read_pictures
from ..storymotion.story_rows import MOST_BYTES, SUFFIXES
from .editor_hints import with_editor_hints
from .host import NodeProgress
from .language import says_errors_in_users_language, user_language
from .models import checked_when_it_runs
from .shown import SceneRow, shown

NO_STORY = "(no story in the input folder)"
# What an input of the type COMBO takes on every ComfyUI; Combo.Output of 0.3.75 is refused there.
Choice = io.Custom("COMBO")


def story_choices() -> list[str]:
    """What the combo offers: stories in ComfyUI's input folder and below, or one entry that says that there are none.

    Every CSV is offered: one whose columns have wrong names is a story to be corrected. JSON files there are mostly
    workflows, so one is offered when it begins as a list or has the word "scenes" in it, whether it can be read as
    JSON or not.
    """
    root = _input_folder()
    found = []
    for folder, below, files in os.walk(root):  # does not follow links, as load_story() does not
        below[:] = [name for name in below if not name.startswith(".")]
        paths = (Path(folder, name) for name in files if not name.startswith("."))
        found += [path.relative_to(root).as_posix() for path in paths if _may_be_story(path)]
    return sorted(found) or [NO_STORY]


def _may_be_story(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return path.suffix.lower() in SUFFIXES
    try:
        content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
    except OSError:
        return False
    return (
        content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"\xff\xfe", b"\xfe\xff"))
        or b'"scenes"' in content.lower()
    )


def story_path(name: str) -> Path:
    """The file behind a choice. Raises StoryMissing, or NoStories when there is none at all."""
    root = _input_folder()
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # links in a circle, a name that no file can have
        path = (root / name).resolve()
        if path.is_relative_to(root.resolve()) and path.is_file():
            return path
    if story_choices() == [NO_STORY]:
        raise NoStories(str(root))
    raise StoryMissing(name, str(root))


def _input_folder() -> Path:
    import folder_paths

    return Path(folder_paths.get_input_directory())


class StoryMotionLoadStory(io.ComfyNode):
    """A story file in, its scenes out, as lists in story order."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionLoadStory",
            display_name="Load Story",
            category="StoryMotion/Story",
            description="Loads a story from a JSON or CSV file: every scene gives one value on each output, in order. "
            "Nodes that follow run once for each scene.",
            inputs=[
                io.Combo.Input(
                    "story",
                    options=story_choices(),
                    tooltip="A .json or .csv file in ComfyUI's input folder, with its pictures beside or below it. "
                    "docs/STORY.md of the pack says how it is written. R looks for new files.",
                ),
                io.Combo.Input(
                    "engine",
                    options=[ALL_ENGINES, *ENGINES],
                    default=ALL_ENGINES,
                    optional=True,
                    tooltip="Only the scenes for this engine. Their index stays their place in the whole story.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="name", is_output_list=True, tooltip="For file names; there is no other of its kind."
                ),
                io.Image.Output(
                    display_name="image",
                    is_output_list=True,
                    tooltip="The picture, turned as its EXIF says; transparent ones are laid on white.",
                ),
                io.String.Output(display_name="dialogue", is_output_list=True, tooltip="The line that is spoken."),
                io.String.Output(display_name="scene", is_output_list=True, tooltip="What the picture shows."),
                io.Float.Output(display_name="seconds", is_output_list=True, tooltip="How long the shot lasts."),
                io.Int.Output(display_name="seed", is_output_list=True, tooltip="The seed of the shot."),
                Choice.Output(display_name="engine", is_output_list=True, tooltip="Who renders the shot."),
                Choice.Output(
                    display_name="preset", is_output_list=True, tooltip="The gesture, for Safe Motion Mapper."
                ),
                io.Int.Output(
                    display_name="index", is_output_list=True, tooltip="The place in the whole story, from 1."
                ),
                io.String.Output(
                    display_name="report", tooltip="How many scenes and seconds, and what of the file is not used."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, story: str | None = None) -> bool | str:
        return checked_when_it_runs(story)

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        name = inputs.get("story")
        if not isinstance(name, str):
            return None
        try:
            path = story_path(name)
            pictures = {scene.image: None for scene in load_story(path, _input_folder()).scenes}
            return [hashlib.sha256(file.read_bytes()).hexdigest() for file in (path, *pictures)]
        except (StoryMotionError, OSError):  # said when the node runs; one that raised is never taken from the cache
            return None

    @classmethod
    @says_errors_in_users_language
    def execute(cls, story: str, engine: str = ALL_ENGINES) -> io.NodeOutput:
        import folder_paths

        loaded = load_story(story_path(story), _input_folder())
        scenes = loaded.scenes_for(engine)
        scratch = Path(folder_paths.get_temp_directory())
        images, notes = read_pictures(scenes, loaded.path.name, scratch, NodeProgress())
        seconds = sum(scene.seconds for scene in scenes)
        report = [line("story-scenes", name=loaded.title or story, scenes=len(scenes), seconds=seconds)]
        if len(scenes) < len(loaded.scenes):
            report.append(line("story-scenes-of", scenes=len(scenes), total=len(loaded.scenes), engine=engine))
        text = speak([*report, *loaded.notes, *notes], user_language())
        return io.NodeOutput(
            [scene.name for scene in scenes],
            images,
            [scene.dialogue for scene in scenes],
            [scene.scene for scene in scenes],
            [scene.seconds for scene in scenes],
            [scene.seed for scene in scenes],
            [scene.engine for scene in scenes],
            [scene.preset for scene in scenes],
            [scene.index for scene in scenes],
            text,
            ui=shown(text, [SceneRow(scene.index, name=scene.name, seconds=scene.seconds) for scene in scenes]),
        )
