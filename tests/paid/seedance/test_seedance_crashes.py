"""Processes that are killed at the worst moments, and processes that queue the same shot at once. Real time."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dev.fake_seedance import FakeSeedance
from storymotion.errors import AmbiguousSend, ProviderUnavailable
from storymotion.paid.journal_row import State
from storymotion.paid.seedance.run import PaidShot, collect

from .paid_shots import SMALL_USD, Shop

SCRIPT = Path(__file__).parent / "queue_in_process.py"
# How long a child may take for anything, on a busy machine.
SECONDS = 60


@pytest.fixture
def server() -> Iterator[FakeSeedance]:
    """One whose tasks take a fraction of a second, for processes that wait in real time."""
    with FakeSeedance(work_speed=100) as server:
        yield server


@contextmanager
def child(shop: Shop, point: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything and waits for a line to begin; killed at the end."""
    command = [sys.executable, str(SCRIPT), str(shop.folder), shop.server.base_url, point]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, or what Windows has for it."""
    process.kill()
    process.wait(SECONDS)


def wait_for_row(shop: Shop) -> None:
    until = time.monotonic() + SECONDS
    while not (shop.folder / "storymotion" / "journal.sqlite3").exists() or not shop.rows():
        assert time.monotonic() < until
        time.sleep(0.02)


def assert_paid_once(shop: Shop, outcome: object) -> None:
    assert isinstance(outcome, PaidShot), outcome
    shop.server.finish()
    assert [charge.task_id for charge in shop.server.charges()] == [outcome.row.task_id]
    assert outcome.path.is_file() and shop.settled() == shop.bill() == SMALL_USD
    assert len(shop.rows()) == 1


def test_killed_before_the_request_leaves(shop: Shop) -> None:
    shop.server.refuse_connections()
    with child(shop) as process:
        begin(process)
        wait_for_row(shop)  # reserved, and waiting to connect
        kill(process)
    shop.server.accept_connections()
    assert shop.rows()[0].state in (State.INTENT, State.UNKNOWN)
    assert isinstance(shop.queue(), AmbiguousSend)  # nobody can know yet that nothing was sent
    shop.server.clock.advance(900)
    assert isinstance(shop.queue(), ProviderUnavailable)
    assert shop.server.tasks() == []
    assert_paid_once(shop, shop.queue())


def test_killed_after_the_request_and_before_its_answer(shop: Shop) -> None:
    shop.server.faults.add_recipe("16 hold the reply to create")
    with child(shop) as process:
        begin(process)
        shop.server.wait_for("create", timeout=SECONDS)
        kill(process)
    shop.server.release()
    assert_paid_once(shop, shop.queue())
    assert shop.posts() == 1


def test_killed_while_it_watches(shop: Shop) -> None:
    shop.server.faults.add_recipe("16 hold the second poll")
    with child(shop) as process:
        begin(process)
        shop.server.wait_for("poll", 2, timeout=SECONDS)
        kill(process)
    shop.server.release()
    assert shop.rows()[0].state is State.SUBMITTED
    (only,) = collect(shop.desk())
    assert_paid_once(shop, only.shot)
    assert shop.posts() == 1


def test_killed_in_the_middle_of_the_download(shop: Shop) -> None:
    shop.server.faults.add_recipe("16 hold the download in the middle")
    with child(shop) as process:
        begin(process)
        shop.server.wait_for("download", timeout=SECONDS)
        kill(process)
    shop.server.release()
    assert list((shop.folder / "storymotion").rglob("*.mp4")) == []
    assert_paid_once(shop, shop.queue())
    assert shop.posts() == 1


def test_killed_before_the_video_has_its_name(shop: Shop) -> None:
    with child(shop, "before rename") as process:
        begin(process)
        process.wait(SECONDS)
        assert process.returncode != 0
    assert shop.rows()[0].state is State.SUCCEEDED
    (part,) = (shop.folder / "storymotion").rglob("*.part")
    assert part.stat().st_size > 0
    assert_paid_once(shop, shop.queue())
    assert shop.posts() == 1


@pytest.mark.parametrize("state", ["succeeded", "lost"])
def test_killed_between_the_name_and_the_journal(shop: Shop, state: str) -> None:
    """Or the disk was too full for the journal: the service has thrown the video away, but it is here."""
    made = shop.run()
    with closing(sqlite3.connect(made.path.parents[1] / "journal.sqlite3")) as journal, journal:
        journal.execute("UPDATE shots SET state = ?, file = NULL, file_sha256 = NULL, downloaded_at = NULL", (state,))
    shop.server.clock.advance(2 * 86400)
    requests = len(shop.server.requests())
    again = shop.run()
    assert again.path == made.path and again.row.state is State.DOWNLOADED
    assert again.row.file_sha256 == made.row.file_sha256 and len(shop.server.requests()) == requests


def test_fault_17_two_processes_queue_the_same_at_once(shop: Shop) -> None:
    with child(shop) as one, child(shop) as two:
        begin(one)
        begin(two)
        said = [process.communicate(timeout=SECONDS) for process in (one, two)]
    names = {output.split()[0] for output, _ in said}
    assert len(names) == 1, said
    assert sorted(output.split()[1] for output, _ in said) == ["False", "True"]
    assert shop.posts() == 1
    assert_paid_once(shop, shop.queue())
