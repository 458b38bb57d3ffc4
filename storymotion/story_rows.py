"""The rows of a story file, JSON or CSV: what is written there, and on which line each scene begins."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .report import Line, line

SETTINGS = ("seconds", "seed", "engine", "preset")
COLUMNS = ("name", "image", "dialogue", "scene", *SETTINGS)
# The keys of a story that is a JSON object, and how their values look.
STORY_KEYS = {"title": '"..."', "defaults": "{ ... }", "scenes": "[ ... ]"}
SUFFIXES = (".json", ".csv")
# Far above any story (200 scenes are about 60 kB), far below what would stop the machine.
MOST_BYTES = 16 * 2**20
SEPARATORS = ",;\t"
_SPACE = re.compile(r"[ \t\n\r]*")


class Number(str):
    """A number of a JSON file as it is written there: exact, however many digits it has."""


@dataclass(frozen=True)
class Row:
    """A scene as the file has it. ``line`` counts from 1; of a CSV record it is the first of its lines.

    ``index`` is its place among the scenes, from 1; rows that cannot be read have one, too.
    ``values`` by column, in lower case: str (every cell of a CSV file), Number, bool, None, or what no
    scene can use: a list, or a tuple (a JSON object).
    """

    line: int
    index: int
    values: Mapping[str, object]


@dataclass
class Table:
    """All rows of a file, what is wrong with the file itself, and what a user should know about the reading."""

    rows: list[Row] = field(default_factory=list)
    title: str = ""
    defaults: Row | None = None
    problems: list[Line] = field(default_factory=list)
    notes: list[Line] = field(default_factory=list)


def read_table(path: Path) -> Table:
    """Read a ``.json`` or ``.csv`` file; never raises for what is in it, that goes to ``problems``."""
    table = Table()
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        table.problems.append(line("story-suffix", suffix=path.suffix))
        return table
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        table.problems.append(line("story-unreadable", reason=error.strerror or str(error)))
        return table
    if size > MOST_BYTES:
        table.problems.append(line("story-too-large", megabytes=size / 2**20, most=MOST_BYTES // 2**20))
        return table
    text = _decoded(data, suffix, table)
    if text is not None:
        unknown: dict[str, None] = {}  # a set that keeps the order
        (_read_json if suffix == ".json" else _read_csv)(text, table, unknown)
        if unknown:
            table.notes.append(line("story-ignored", names=", ".join(shown(name) for name in unknown)))
    if not table.rows and not table.problems:
        table.problems.append(line("story-empty"))
    return table


def shown(text: str, most: int = 40) -> str:
    """Text of a file as a message shows it: on one line, not long, and nothing that cannot be printed."""
    return " ".join(text.split())[:most].encode(errors="replace").decode()


def _decoded(data: bytes, suffix: str, table: Table) -> str | None:
    """The text of a file: UTF-8 with or without BOM, UTF-16 with BOM ("Unicode text"), a CSV also CP949."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp949") if suffix == ".csv" else ("utf-8-sig",)
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp949":
            table.notes.append(line("story-cp949"))
        return text
    table.problems.append(line("story-not-utf-8") if suffix == ".json" else line("story-not-text"))
    return None


def _read_json(text: str, table: Table, unknown: dict[str, None]) -> None:
    # Objects become tuples of pairs, so that a key that is there twice is seen, and lists stay lists.
    decoder = json.JSONDecoder(object_pairs_hook=tuple, parse_int=Number, parse_float=Number, parse_constant=Number)
    try:
        decoder.decode(text)
    except json.JSONDecodeError as error:
        table.problems.append(line("story-not-json", line=error.lineno, column=error.colno, reason=error.msg))
        return
    except RecursionError:
        table.problems.append(line("story-not-json", line=1, column=1, reason="too deeply nested"))
        return
    # From here on the text is known to be JSON, which is all that _items() and _members() have to know.
    start = _after_space(text, 0)
    list_starts = [start] if text[start] == "[" else []
    if text[start] == "{":
        seen: set[str] = set()
        for key, at in _members(text, start, decoder):
            name = key.strip().lower()
            value, _ = decoder.raw_decode(text, at)
            at_line = _line_of(text, at)
            if name in seen:
                table.problems.append(line("story-key-twice", line=at_line, name=shown(key)))
            elif name == "scenes" and isinstance(value, list):
                list_starts.append(at)
            elif name == "defaults" and isinstance(value, tuple):
                table.defaults = Row(at_line, 0, _values(value, at_line, table, unknown, SETTINGS))
            elif name == "title" and isinstance(value, str) and not isinstance(value, Number):
                table.title = shown(value, 100)
            elif name in STORY_KEYS:
                wanted = STORY_KEYS[name]
                table.problems.append(line("story-key-wrong", line=at_line, name=key, wanted=wanted))
            else:
                unknown[key] = None
            seen.add(name)
    if not list_starts:
        if not table.problems:
            table.problems.append(line("story-no-list"))
        return
    for index, (value, at) in enumerate(_items(text, list_starts[0], decoder), start=1):
        at_line = _line_of(text, at)
        if isinstance(value, tuple):
            table.rows.append(Row(at_line, index, _values(value, at_line, table, unknown, COLUMNS)))
        else:
            table.problems.append(line("story-no-object", line=at_line, index=index))


def _values(
    pairs: tuple[tuple[str, object], ...], at_line: int, table: Table, unknown: dict[str, None], known: tuple[str, ...]
) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in pairs:
        name = key.strip().lower()
        if name not in known:
            unknown[key] = None
        elif name in values:
            table.problems.append(line("story-key-twice", line=at_line, name=shown(key)))
        else:
            values[name] = value
    return values


def _items(text: str, start: int, decoder: json.JSONDecoder) -> Iterator[tuple[object, int]]:
    """Each item of the list that begins at ``start``, and where it begins."""
    at = _after_space(text, start + 1)
    while text[at] != "]":
        value, end = decoder.raw_decode(text, at)
        yield value, at
        at = _after_comma(text, end)


def _members(text: str, start: int, decoder: json.JSONDecoder) -> Iterator[tuple[str, int]]:
    """Each key of the object that begins at ``start``, and where its value begins."""
    at = _after_space(text, start + 1)
    while text[at] != "}":
        key, end = decoder.raw_decode(text, at)
        at = _after_space(text, _after_space(text, end) + 1)  # behind the colon
        yield key, at
        _, end = decoder.raw_decode(text, at)
        at = _after_comma(text, end)


def _after_comma(text: str, at: int) -> int:
    at = _after_space(text, at)
    return _after_space(text, at + 1) if text[at] == "," else at


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # the pattern fits no space, too
    return match.end()


def _line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _read_csv(text: str, table: Table, unknown: dict[str, None]) -> None:
    separator = _separator(text)
    # Strict: else a quotation mark that is never closed would swallow the rest of the story without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    header: list[str] | None = None
    index = 0
    while True:
        first_line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            table.problems.append(line("story-not-csv", line=first_line, reason=error))
            return
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(cells, first_line, table, unknown)
            if "image" not in header:
                return
            continue
        index += 1
        if len(cells) > len(header):  # also when the last ones are empty: a comma in a text has moved them all
            table.problems.append(line("story-cells", line=first_line, cells=len(cells), columns=len(header)))
            continue
        values: dict[str, object] = {name: cell for name, cell in zip(header, cells) if name in COLUMNS}
        if separator == ";" and "seconds" in values:  # Excel uses it where a comma is the decimal point
            values["seconds"] = str(values["seconds"]).replace(",", ".")
        table.rows.append(Row(first_line, index, values))


def _header(cells: list[str], at_line: int, table: Table, unknown: dict[str, None]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    for position, name in enumerate(names):
        if name not in COLUMNS and name:
            unknown[cells[position].strip()] = None
        elif name and name in names[:position]:
            table.problems.append(line("story-key-twice", line=at_line, name=shown(cells[position])))
    if "image" not in names:
        found = ", ".join(shown(cell) for cell in cells)
        table.problems.append(line("story-no-image-column", line=at_line, columns=found))
    return names


def _separator(text: str) -> str:
    """The character that makes the most known columns of the header line."""
    header = next((each for each in text.splitlines() if each.strip()), "")

    def known_columns(separator: str) -> int:
        try:
            cells = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:  # said when the file is read
            return 0
        return sum(cell.strip().lower() in COLUMNS for cell in cells)

    return max(SEPARATORS, key=known_columns)
