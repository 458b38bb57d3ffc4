"""The file of timings: it comes back, stays small, survives what it finds and never raises."""

from __future__ import annotations

import json
import logging
import multiprocessing
from dataclasses import fields, replace
from pathlib import Path

import pytest

from storymotion.forecast import Figures, LoadingFigure, ShotFigure, Work
from storymotion.timings import MOST_LOADINGS, MOST_SHOTS, Timings

WORK = Work("distilled", "bf16", "NVIDIA A10G", 1280, 704, 193, 8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "storymotion" / "timings.json"


def test_what_is_recorded_comes_back(path: Path) -> None:
    Timings(path).record(WORK, 20.5)
    Timings(path).record_loading("NVIDIA A10G", 12.0, 4 * 10**9)
    Timings(path).record(WORK, 21)
    shots = (ShotFigure(WORK, 20.5), ShotFigure(WORK, 21.0))
    assert Timings(path).figures() == Figures(shots, (LoadingFigure("NVIDIA A10G", 12.0, 4 * 10**9),))
    told = Timings(path).forecast([WORK] * 3, 2 * 10**9)
    assert (told.seconds, told.loading_seconds, told.based_on) == (3 * 20.75 + 6, 6.0, 2)
    assert [file.name for file in path.parent.iterdir()] == ["timings.json"]


def test_nothing_of_the_user_is_in_it(path: Path) -> None:
    Timings(path).record(WORK, 1.0)
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert set(stored) == {"version", "shots", "loadings"}
    assert set(stored["shots"][0]) == {"seconds", *(field.name for field in fields(Work))}


def test_a_long_story_of_one_size_leaves_the_other_sizes_in_it(path: Path) -> None:
    small = replace(WORK, width=640)
    Timings(path).record(small, 5.0)
    for second in range(1, 9):
        Timings(path).record(WORK, float(second))
    seconds = {figure.work: figure.seconds for figure in Timings(path).figures().shots}
    assert seconds == {small: 5.0, WORK: 8.0}
    assert [figure.seconds for figure in Timings(path).figures().shots] == [5, 4, 5, 6, 7, 8]


def test_the_file_is_bounded_and_the_oldest_go(path: Path) -> None:
    timings = Timings(path)
    for number in range(MOST_SHOTS + 5):
        timings.record(replace(WORK, frames=8 * number + 1), 1.0)
    for number in range(MOST_LOADINGS + 5):
        timings.record_loading("the CPU", 1.0, number + 1)
    made = timings.figures()
    assert [each.work.frames for each in made.shots] == [8 * number + 1 for number in range(5, MOST_SHOTS + 5)]
    assert [each.bytes_read for each in made.loadings] == list(range(6, MOST_LOADINGS + 6))


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_time_is_not_kept(path: Path, seconds: float) -> None:
    Timings(path).record(WORK, seconds)
    Timings(path).record_loading("the CPU", seconds, 100)
    Timings(path).record_loading("the CPU", 1.0, 0)
    assert not path.exists()


def stored(**change: object) -> bytes:
    shot = {name: getattr(WORK, name) for name in (field.name for field in fields(Work))}
    loading = {"device_name": "the CPU", "seconds": 1.0, "bytes_read": 5}
    file = {"version": 1, "shots": [shot | {"seconds": 2.0} | change], "loadings": [loading]}
    return json.dumps(file).encode()


FOREIGN = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[1, 2]",
    b"null",
    b"[" * 100_000,
    b" " * 2_000_000,
    b'{"version": 2, "shots": [], "loadings": []}',
    b'{"version": 1, "shots": {"a": 1}, "loadings": []}',
    b'{"version": 1, "shots": [3], "loadings": []}',
    b'{"version": 1, "shots": []}',
    stored(seconds=None),
    stored(seconds=0),
    stored(seconds=float("nan")),
    stored(seconds=10**400),
    stored(width="1280"),
    stored(width=-64),
    stored(frames=10**400),
    stored(frames=True),
    stored(device_name=None),
]


@pytest.mark.parametrize("content", FOREIGN, ids=range(len(FOREIGN)))
def test_foreign_content_counts_as_none_is_told_once_and_replaced(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    timings = Timings(path)
    with caplog.at_level(logging.WARNING, "storymotion"):
        assert timings.forecast([WORK]).seconds is None
        assert timings.figures() == Figures()
        timings.record(WORK, 3.0)
    assert len(caplog.records) == 1 and "start anew" in caplog.text
    assert Timings(path).figures().shots == (ShotFigure(WORK, 3.0),)


def test_the_sound_file_of_the_cases_above_is_read(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(stored())
    assert Timings(path).figures().shots == (ShotFigure(WORK, 2.0),)


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "storymotion").write_text("a file where the folder belongs", encoding="utf-8")
    timings = Timings(tmp_path / "storymotion" / "timings.json")
    with caplog.at_level(logging.WARNING, "storymotion"):
        timings.record(WORK, 1.0)
        timings.record(WORK, 1.0)
    assert len(caplog.records) == 1


def test_a_file_that_cannot_be_replaced_leaves_no_other(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir(parents=True)  # a folder in its place
    Timings(path).record(WORK, 1.0)
    assert list(path.parent.iterdir()) == [path]


def record_many(path: Path, width: int) -> None:
    timings = Timings(path)
    for number in range(20):
        timings.record(replace(WORK, width=width, frames=8 * number + 1), 1.0)


def test_two_servers_that_write_at_once_leave_a_whole_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    start = multiprocessing.get_context("spawn")
    writers = [start.Process(target=record_many, args=(path, width)) for width in (640, 1280)]
    for writer in writers:
        writer.start()
    with caplog.at_level(logging.WARNING, "storymotion"):
        while any(writer.is_alive() for writer in writers):
            Timings(path).figures()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    # Nobody ever saw half a file; the writer that ended last wrote its last figure.
    assert not caplog.records
    assert 20 <= len(Timings(path).figures().shots) <= 40
    assert [file.name for file in path.parent.iterdir()] == ["timings.json"]
