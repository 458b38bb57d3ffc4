"""What shots and loading took on this machine, kept in a small file for forecasts."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from .forecast import LAST_OF_A_SHAPE, Figures, Forecast, LoadingFigure, ShotFigure, Work, forecast_story

log = logging.getLogger("storymotion")

# Below ComfyUI's user folder.
USER_TIMINGS = Path("storymotion") / "timings.json"
VERSION = 1
# Of one shape no more are kept than a forecast looks at: a story of 200 scenes of one size leaves the other sizes be.
MOST_SHOTS, MOST_LOADINGS = 200, 50
LARGEST_FILE = 1_000_000
# Of times in seconds and of numbers: what lies outside was not measured.
SHORTEST, LARGEST = 1e-6, 1e15
Value = TypeVar("Value")


class Timings:
    """The figures in the file ``path``, which need not exist. They hold no prompts, no paths and no names of files.

    Nothing here raises: a shot that is done must not be lost for its figures. A file that cannot be read, or
    that holds something else, counts as none, and the log says so once. It is replaced as a whole, so that a
    reader never sees half of it; of two servers that write at the same moment one loses its figure.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._complained = False

    def record(self, work: Work, seconds: float) -> None:
        """Keep what one shot took by itself, without loading. What is no time is left out."""
        if not _is_time(seconds):
            return
        figures = self.figures()
        places = [place for place, figure in enumerate(figures.shots) if figure.work == work]
        surplus = set(places[: max(0, len(places) + 1 - LAST_OF_A_SHAPE)])
        kept = [figure for place, figure in enumerate(figures.shots) if place not in surplus]
        self._write(Figures((*kept, ShotFigure(work, float(seconds)))[-MOST_SHOTS:], figures.loadings))

    def record_loading(self, device_name: str, seconds: float, bytes_read: int) -> None:
        """Keep what the loading of one queue took; nothing when it read nothing."""
        if not _is_time(seconds) or not 0 < bytes_read <= LARGEST:
            return
        figures = self.figures()
        loading = LoadingFigure(device_name, float(seconds), bytes_read)
        self._write(Figures(figures.shots, (*figures.loadings, loading)[-MOST_LOADINGS:]))

    def forecast(self, works: Sequence[Work], bytes_to_read: int = 0) -> Forecast:
        """``forecast_story`` by the figures in the file."""
        return forecast_story(self.figures(), works, bytes_to_read)

    def figures(self) -> Figures:
        """What is in the file now."""
        try:
            if self.path.stat().st_size > LARGEST_FILE:
                raise ValueError("it is too large for a file of figures")
            return _figures(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Figures()
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            self._complain("is not used, its figures start anew", error)
            return Figures()

    def _write(self, figures: Figures) -> None:
        shots = [asdict(figure.work) | {"seconds": figure.seconds} for figure in figures.shots]
        stored = {"version": VERSION, "shots": shots, "loadings": [asdict(each) for each in figures.loadings]}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f"{self.path.name}.")
            temporary = Path(name)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    json.dump(stored, file, indent=1)
                temporary.replace(self.path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            self._complain("could not be written", error)

    def _complain(self, what: str, error: Exception) -> None:
        if not self._complained:
            log.warning("The file of timings %s %s: %s: %s", self.path, what, type(error).__name__, error)
        self._complained = True


def _figures(stored: Any) -> Figures:
    """The content of the file; raises ValueError, KeyError or TypeError for one that is not ours."""
    if not isinstance(stored, dict) or stored.get("version") != VERSION:
        raise ValueError("it holds something else")
    shots = [ShotFigure(_work(each), _time(each)) for each in _of(list, stored["shots"])]
    loadings = [
        LoadingFigure(_of(str, each["device_name"]), _time(each), _positive(each["bytes_read"]))
        for each in _of(list, stored["loadings"])
    ]
    return Figures(tuple(shots), tuple(loadings))


def _work(entry: Mapping[str, Any]) -> Work:
    values: dict[str, Any] = {}
    for field in fields(Work):
        value = entry[field.name]
        values[field.name] = _of(str, value) if field.type == "str" else _positive(value)
    return Work(**values)


def _time(entry: Mapping[str, Any]) -> float:
    seconds = float(entry["seconds"])
    if not _is_time(seconds):
        raise ValueError(f"a time is {seconds}")
    return seconds


def _is_time(seconds: float) -> bool:
    return SHORTEST <= seconds <= LARGEST


def _positive(value: Any) -> int:
    if type(value) is not int or not 0 < value <= LARGEST:
        raise ValueError(f"a number is {value!r}")
    return value


def _of(kind: type[Value], value: Any) -> Value:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value
