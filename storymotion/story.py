"""The manifest of a story: a JSON or CSV file with one picture, one line and its settings for each scene.

docs/STORY.md describes the file for those who write one.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import NoScenesForEngine, StoryInvalid, UnknownChoice
from .motion.mapper import AUTO, ENGINES, preset_choices
from .report import Line
from .shot import LONGEST_SECONDS
from .story_names import name_problems, plain_name
from .story_pictures import find_picture
from .story_rows import Number, Row, read_table, shown

ALL_ENGINES = "all"
HIGHEST_SEED = 2**64 - 1
# 7.0 too: a table program that once had an empty cell in the column writes its whole numbers like that.
_WHOLE = re.compile(r"\s*\+?(\d{1,40})(?:\.0*)?\s*")


@dataclass(frozen=True)
class Settings:
    """What a scene has when its row does not say otherwise."""

    seconds: float = 8.0
    seed: int = 0
    engine: str = ENGINES[0]
    preset: str = AUTO


@dataclass(frozen=True)
class Scene:
    """One shot to make. ``image`` is a picture that can be opened; ``seconds`` 0 < s <= 60, ``seed`` 0..2**64-1.

    ``name`` is good as a file name on every system and the only one of its kind in the story. ``line``
    is where the scene stands in its file, ``index`` its place in the story, both from 1.
    """

    name: str
    image: Path
    dialogue: str
    scene: str
    seconds: float
    seed: int
    engine: str
    preset: str
    line: int | None
    index: int


@dataclass(frozen=True)
class Story:
    """The scenes of a file in order; ``notes`` say what of the file is not used and how it was read."""

    path: Path
    scenes: tuple[Scene, ...]
    notes: tuple[Line, ...]
    title: str = ""

    def scenes_for(self, engine: str) -> tuple[Scene, ...]:
        """The scenes that ``engine`` ("all", or one of ENGINES) makes, with their place in the whole story.

        Raises UnknownChoice, NoScenesForEngine.
        """
        if engine == ALL_ENGINES:
            return self.scenes
        if engine not in ENGINES:
            raise UnknownChoice("engine", engine, ", ".join((ALL_ENGINES, *ENGINES)))
        chosen = tuple(scene for scene in self.scenes if scene.engine == engine)
        if not chosen:
            found = ", ".join(dict.fromkeys(scene.engine for scene in self.scenes))
            raise NoScenesForEngine(self.path.name, engine, found)
        return chosen


def load_story(path: Path, root: Path | None = None) -> Story:
    """Read and check a ``.json`` or ``.csv`` manifest. Pictures are opened, but not decoded.

    Pictures are given relative to the manifest's folder and must lie in ``root`` (ComfyUI's input folder;
    without one, the manifest's folder), also when links are followed: a manifest that comes from somewhere
    else must not read other files.

    Raises StoryInvalid with all problems at once.
    """
    table = read_table(path)
    problems = list(table.problems)
    folder = path.parent.resolve()
    inside = folder if root is None else root.resolve()
    defaults = Settings()
    if table.defaults is not None:
        defaults = _Fields(table.defaults, "defaults", defaults, problems).settings()
    scenes = []
    lines_of_names: dict[str, int] = {}
    for row in table.rows:
        given = row.values.get("name")
        label = (isinstance(given, str) and shown(given)) or default_name(row.index)
        fields = _Fields(row, label, defaults, problems)
        name = fields.name()
        same = name.casefold()
        if same in lines_of_names:
            fields.wrong("story-name-twice", first=lines_of_names[same])
        lines_of_names.setdefault(same, row.line)
        settings = fields.settings()
        scenes.append(
            Scene(
                name=name,
                image=fields.image(folder, inside),
                dialogue=fields.text("dialogue") or "",
                scene=fields.text("scene") or "",
                seconds=settings.seconds,
                seed=settings.seed,
                engine=settings.engine,
                preset=settings.preset,
                line=row.line,
                index=row.index,
            )
        )
    if problems:
        raise StoryInvalid(path.name, tuple(sorted(problems, key=_line_of)))
    return Story(path, tuple(scenes), tuple(table.notes), table.title)


def default_name(index: int) -> str:
    """The name of a scene that has none: scene_01, scene_02, ..."""
    return f"scene_{index:02d}"


def _line_of(problem: Line) -> int:
    number = problem.values.get("line", 0)
    return number if isinstance(number, int) else 0


@dataclass(frozen=True)
class _Fields:
    """The fields of one row, checked; what is wrong with them is added to ``problems``."""

    row: Row
    label: str
    defaults: Settings
    problems: list[Line]

    def wrong(self, code: str, **values: object) -> None:
        """Add a problem of this scene."""
        self.problems.append(Line(code, {"line": self.row.line, "scene": self.label, **values}))

    def settings(self) -> Settings:
        """seconds, seed, engine and preset."""
        return Settings(
            seconds=self._seconds(),
            seed=self._seed(),
            engine=self._choice("engine", ENGINES, self.defaults.engine),
            preset=self._choice("preset", preset_choices(), self.defaults.preset),
        )

    def name(self) -> str:
        """The scene's name, or the default one for its place in the story."""
        text = self.text("name")
        if not (text and text.strip()):
            return default_name(self.row.index)
        name = plain_name(text)
        for code, values in name_problems(name):
            self.wrong(code, **values)
        return name

    def image(self, folder: Path, root: Path) -> Path:
        """The path of the scene's picture."""
        given = self.text("image")
        if given is None:
            return folder
        if not given.strip():
            self.wrong("story-image-none")
            return folder
        picture, problem = find_picture(given.strip(), folder, root)
        if problem:
            self.wrong(problem, image=shown(given, 200))
        return picture

    def text(self, column: str) -> str | None:
        """A text with \\n as the end of its lines, "" when there is none; None when it is no text."""
        value = self.row.values.get(column)
        if value is None:
            return ""
        if not isinstance(value, str) or isinstance(value, Number):
            self.wrong("story-text", column=column, value=_shown(value))
            return None
        try:
            value.encode()
        except UnicodeEncodeError as error:  # a JSON escape such as \ud83d without its second half
            self.wrong("story-half-character", column=column, character=f"\\u{ord(value[error.start]):04x}")
            return None
        return value.replace("\r\n", "\n").replace("\r", "\n")

    def _given(self, column: str) -> object:
        """What is written in the column; None when nothing is."""
        value = self.row.values.get(column)
        return None if isinstance(value, str) and not value.strip() else value

    def _seconds(self) -> float:
        value = self._given("seconds")
        if value is None:
            return self.defaults.seconds
        seconds = 0.0
        if isinstance(value, str) and "_" not in value:
            with contextlib.suppress(ValueError):
                seconds = float(value)
        if not 0 < seconds <= LONGEST_SECONDS:  # not so for NaN either
            self.wrong("story-seconds", value=_shown(value), most=LONGEST_SECONDS)
        return seconds

    def _seed(self) -> int:
        value = self._given("seed")
        if value is None:
            return self.defaults.seed
        match = _WHOLE.fullmatch(value) if isinstance(value, str) else None
        if match is None or int(match[1]) > HIGHEST_SEED:
            self.wrong("story-seed", value=_shown(value), most=HIGHEST_SEED)
            return 0
        return int(match[1])

    def _choice(self, column: str, choices: tuple[str, ...], default: str) -> str:
        value = self._given(column)
        if value is None:
            return default
        wanted = value.strip().lower() if isinstance(value, str) else None
        for choice in choices:
            if choice.lower() == wanted:
                return choice
        self.wrong("story-choice", column=column, value=_shown(value), choices=", ".join(choices))
        return default


def _shown(value: object) -> str:
    """A value as an error shows it, short and as the file has it."""
    if isinstance(value, str):
        return shown(value) if isinstance(value, Number) else f"'{shown(value)}'"
    if isinstance(value, bool):
        return str(value).lower()
    return "{...}" if isinstance(value, tuple) else "[...]"
