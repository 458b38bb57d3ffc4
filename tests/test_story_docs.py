"""The sample story, and what the docs say about story files: their examples are loaded, their errors made."""

from __future__ import annotations

import codecs
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from storymotion.errors import StoryInvalid
from storymotion.story import load_story
from storymotion.story_rows import COLUMNS

SAMPLES = Path(__file__).parents[1] / "workflows" / "input"
DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS / "STORY.md", DOCS / "STORY.ko.md"]
HELP = [DOCS.parent / "js" / "docs" / "StoryMotionLoadStory" / f"{language}.md" for language in ("en", "ko")]


class TestSample:
    """The story that ships with the pack."""

    def test_both_files_tell_the_same_story(self) -> None:
        stories = [load_story(SAMPLES / f"sample_story.{suffix}") for suffix in ("json", "csv")]
        assert [story.notes for story in stories] == [(), ()]
        one, other = ([replace(scene, line=None) for scene in story.scenes] for story in stories)
        assert one == other
        # Excel takes a CSV without it for the encoding of the country, and shows Korean as gibberish.
        assert (SAMPLES / "sample_story.csv").read_bytes().startswith(codecs.BOM_UTF8)

    def test_it_has_six_short_scenes_with_korean_lines_and_english_texts(self) -> None:
        scenes = load_story(SAMPLES / "sample_story.json", SAMPLES).scenes
        assert len(scenes) == 6 == len({scene.image for scene in scenes}) == len({scene.seed for scene in scenes})
        assert all(2 <= scene.seconds <= 5 for scene in scenes) and len({scene.seconds for scene in scenes}) > 3
        assert all(any("\uac00" <= letter <= "\ud7a3" for letter in scene.dialogue) for scene in scenes)
        assert all(scene.scene.isascii() and scene.scene and scene.engine == "ltx-2" for scene in scenes)


def fenced(page: Path, language: str) -> list[str]:
    """The blocks of code in that language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for found, text in blocks if found == language]


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """A folder with the pictures of the examples in the docs, and a.png."""
    (tmp_path / "pictures").mkdir()
    for name in ("a", "pictures/door", "pictures/hall"):
        Image.new("RGB", (8, 6)).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize("page", [*PAGES, *HELP], ids=lambda page: f"{page.parent.name}/{page.name}")
def test_the_examples_of_the_docs_load(documented: Path, page: Path) -> None:
    examples = [(suffix, text) for suffix in ("csv", "json") for text in fenced(page, suffix)]
    assert len(examples) == (1 if page in HELP else 3)
    for suffix, text in examples:
        (documented / f"story.{suffix}").write_text(text, encoding="utf-8")
        story = load_story(documented / f"story.{suffix}")
        assert [scene.index for scene in story.scenes] == [1, 2] and story.notes == ()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestDocs:
    def test_the_table_has_every_column(self, page: Path) -> None:
        rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert rows == list(COLUMNS)

    def test_errors_are_said_like_that(self, documented: Path, page: Path) -> None:
        korean = page.stem.endswith("ko")
        names = ("\ubb38", "\ubcf5\ub3c4") if korean else ("door", "hall")
        rows = ["name,image,seconds", f"{names[0]},a.png,three", f"{names[1]},pictures/hal.png,"]
        (documented / "my_story.csv").write_text("\n".join(rows), encoding="utf-8")
        with pytest.raises(StoryInvalid) as caught:
            load_story(documented / "my_story.csv")
        told = caught.value.speak("ko").split("\n")
        assert "\n".join(told[3:] if korean else told[:3]) + "\n" in fenced(page, "")

    def test_the_script_runs(self, documented: Path, page: Path) -> None:
        (script,) = fenced(page, "python")
        (text,) = fenced(page, "csv")
        (documented / "input").mkdir()
        (documented / "pictures").rename(documented / "input" / "pictures")
        (documented / "input" / "my_story.csv").write_text(text, encoding="utf-8")
        ran = subprocess.run(
            [sys.executable, "-X", "utf8", "-c", script],
            cwd=documented,
            env=os.environ | {"PYTHONPATH": str(DOCS.parent)},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        assert [row.split()[0] for row in ran.stdout.splitlines()] == ["1", "2"]
