"""The journal: one row for each request and take, caps that hold, nothing forgotten whatever fails."""

from __future__ import annotations

import csv
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from storymotion.errors import BillingLatched, CapReached, JournalUnusable, TaskTaken
from storymotion.paid import journal_file
from storymotion.paid.journal import Journal, Reservation
from storymotion.paid.journal_csv import export_csv
from storymotion.paid.journal_row import Row, Shot, State
from storymotion.paid.journal_table import Caps
from storymotion.paid.owner import LEASE

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
PRICE = Decimal("0.1")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Journal:
    return Journal(tmp_path / "storymotion" / "journal.sqlite3", clock)


def shot(name: str = "a", take: int = 1, provider: str = "byteplus") -> Shot:
    return Shot(provider, name, take, "model-1", "https://host", "0123abcd", {"resolution": "720p"}, "prompt", 5)


def caps(run: str = "1", day: str = "1", since: datetime = NOON - timedelta(hours=12)) -> Caps:
    return Caps(Decimal(run), Decimal(day), since, "X_MAX_USD_PER_RUN", "X_MAX_USD_PER_DAY")


def reserve(journal: Journal, name: str = "a", take: int = 1, usd: Decimal = PRICE, run: str = "run") -> Reservation:
    return journal.reserve(shot(name, take), usd, run, caps("1000", "1000"))


def succeeded(journal: Journal, name: str = "a", usd: Decimal | None = PRICE) -> Row:
    row = journal.mark_submitted(reserve(journal, name).row, f"task-{name}")
    return journal.mark_succeeded(row, usd, 100)


def in_python(code: str, *arguments: object, **popen: object) -> subprocess.Popen[str]:
    """Another process; its ``journal``, ``shot`` and ``caps`` are those of this file."""
    setup = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
    setup += "from test_journal import *\njournal = Journal(Path(sys.argv[1]))\n"
    command = [sys.executable, "-c", setup + code, *(str(each) for each in arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        **popen,  # type: ignore[call-overload]
    )  # fmt: skip


# A shot's way


def test_a_shot_goes_its_way_and_every_step_is_in_the_file(journal: Journal) -> None:
    reservation = reserve(journal)
    assert reservation.mine and reservation.row.state is State.INTENT
    assert reservation.row.reserved_at == NOON and reservation.row.quoted == PRICE
    row = journal.mark_submitted(reservation.row, "cgt-1")
    assert (row.state, row.task_id, row.owner) == (State.SUBMITTED, "cgt-1", None)
    assert [each.task_id for each in journal.unfinished("byteplus")] == ["cgt-1"]
    row = journal.mark_succeeded(row, Decimal("0.099"), 99_000)
    assert (row.state, row.settled, row.tokens) == (State.SUCCEEDED, Decimal("0.099"), 99_000)
    assert journal.unfinished("byteplus") == (row,)
    row = journal.mark_downloaded(row, "shots/a.mp4", "ab" * 32)
    assert (row.state, row.file, row.file_sha256) == (State.DOWNLOADED, "shots/a.mp4", "ab" * 32)
    assert journal.unfinished("byteplus") == ()
    again = Journal(journal.path).find("a", 1)
    assert again and again == row and again.prompt_start == "prompt" and again.request == {"resolution": "720p"}
    assert again.seed == 5 and again.key_fingerprint == "0123abcd"


@pytest.mark.parametrize("state", [each for each in State if each not in (State.REFUSED, State.RELEASED)])
def test_a_request_and_take_are_sent_once_whatever_became_of_them(journal: Journal, state: State) -> None:
    first = reserve(journal).row
    with sqlite3.connect(journal.path) as connection:
        connection.execute("UPDATE shots SET state = ?", (state.value,))
    again = reserve(journal)
    assert not again.mine and again.row.id == first.id and again.row.state is state
    assert reserve(journal, take=2).mine and len(journal.rows()) == 2


def test_what_the_provider_made_nothing_of_may_be_sent_again(journal: Journal) -> None:
    refused = journal.mark_refused(reserve(journal).row, "RateLimit", "slow down")
    assert (refused.state, refused.settled, refused.error_code) == (State.REFUSED, 0, "RateLimit")
    second = reserve(journal)
    assert second.mine and second.row.attempt == 2 and second.row.settled is None and second.row.error_code is None
    released = journal.release(second.row, "could not connect")
    assert (released.state, released.settled) == (State.RELEASED, 0)
    assert reserve(journal).row.attempt == 3 and len(journal.rows()) == 1


@pytest.mark.parametrize("state", [State.FAILED, State.EXPIRED, State.CANCELLED])
def test_a_task_that_ended_without_a_video_costs_nothing(journal: Journal, state: State) -> None:
    row = journal.mark_submitted(reserve(journal).row, "cgt-1")
    row = journal.mark_ended(row, state, "OutputVideoSensitiveContentDetected", "no")
    assert (row.state, row.settled, row.error_code) == (state, 0, "OutputVideoSensitiveContentDetected")
    assert journal.spend("byteplus", NOON).total == 0 and journal.unfinished("byteplus") == ()
    with pytest.raises(ValueError, match="downloaded"):
        journal.mark_ended(row, State.DOWNLOADED, "", "")


def test_what_the_user_took_back_before_it_began_may_be_sent_again(journal: Journal) -> None:
    running = journal.mark_submitted(reserve(journal).row, "cgt-1")
    row = journal.take_back(running, "cancelled")
    assert (row.state, row.settled, row.task_id) == (State.RELEASED, 0, None)
    again = reserve(journal)
    assert again.mine and journal.mark_submitted(again.row, "cgt-2").task_id == "cgt-2"
    # Late news of the first attempt change nothing.
    assert journal.take_back(running, "cancelled").state is State.SUBMITTED


def test_room_for_several_shots_is_looked_for_without_reserving_it(journal: Journal) -> None:
    reserve(journal)
    journal.require_room("byteplus", 4 * PRICE, "run", caps(run="0.5"))
    with pytest.raises(
        CapReached, match=r"may cost \$0.5000, but of the cap X_MAX_USD_PER_RUN = \$0.5 already \$0.1000"
    ):
        journal.require_room("byteplus", 5 * PRICE, "run", caps(run="0.5"))
    journal.require_room("byteplus", 5 * PRICE, "another run", caps(run="0.5"))
    journal.latch("byteplus", "AccountOverdueError", "")
    with pytest.raises(BillingLatched):
        journal.require_room("byteplus", PRICE, "run", caps())
    assert len(journal.rows()) == 1


def test_usage_that_was_not_told_settles_at_the_quote_and_can_be_corrected(journal: Journal) -> None:
    row = succeeded(journal, usd=None)
    assert row.settled == PRICE
    row = journal.settle(row, Decimal("0.25"), 250_000)
    assert (row.settled, row.tokens) == (Decimal("0.25"), 250_000)
    assert journal.spend("byteplus", NOON).settled == Decimal("0.25")


def test_a_lost_shot_counts_and_can_still_be_found(journal: Journal) -> None:
    row = journal.mark_lost(journal.mark_submitted(reserve(journal).row, "cgt-1"), "404")
    assert (row.state, row.settled) == (State.LOST, PRICE)
    assert journal.mark_downloaded(row, "a.mp4", "00").state is State.DOWNLOADED


def test_a_late_step_changes_nothing(journal: Journal) -> None:
    row = journal.mark_downloaded(succeeded(journal), "a.mp4", "00")
    for late in (
        journal.mark_succeeded(row, Decimal(9), 9),
        journal.mark_ended(row, State.FAILED, "", ""),
        journal.mark_unknown(row, ""),
        journal.release(row, ""),
        journal.mark_refused(row, "", ""),
        journal.adopt(row, "cgt-2"),
        journal.mark_submitted(row, "task-a"),
    ):
        assert late == row


def test_sending_leaves_no_row_behind_that_nobody_marked(journal: Journal) -> None:
    row = reserve(journal).row
    with pytest.raises(KeyboardInterrupt), journal.sending(row):
        raise KeyboardInterrupt
    assert journal.get(row.id).state is State.UNKNOWN
    other = reserve(journal, "b").row
    with journal.sending(other):
        journal.mark_submitted(other, "cgt-1")
    assert journal.get(other.id).state is State.SUBMITTED


# Owners


def test_an_owner_that_is_silent_for_too_long_counts_as_dead(journal: Journal, clock: Clock) -> None:
    row = reserve(journal).row
    clock.now += LEASE - timedelta(seconds=1)
    assert journal.heartbeat(row).heartbeat_at == clock.now
    clock.now += LEASE - timedelta(seconds=1)
    assert reserve(journal).row.state is State.INTENT
    clock.now += timedelta(seconds=1)
    taken = reserve(journal)
    assert not taken.mine and taken.row.state is State.UNKNOWN
    assert journal.spend("byteplus", NOON).reserved == PRICE
    # The owner was only slow: what it learned counts.
    assert journal.mark_submitted(row, "cgt-1").state is State.SUBMITTED


def test_a_task_id_that_comes_too_late_gets_a_row_of_its_own(journal: Journal) -> None:
    slow = reserve(journal).row
    journal.release(slow, "a human decided that nothing came of it")
    second = reserve(journal)
    assert second.mine
    stray = journal.mark_submitted(slow, "cgt-1")
    assert stray.id != second.row.id and stray.state is State.SUBMITTED and stray.quoted == PRICE
    # Marks of the earlier attempt do not reach the later one.
    assert journal.mark_refused(slow, "x", "x") == journal.release(slow, "x") == second.row
    assert journal.mark_submitted(second.row, "cgt-2").id == second.row.id
    assert [row.task_id for row in journal.unfinished("byteplus")] == ["cgt-2", "cgt-1"]


@pytest.mark.parametrize("collect_the_zombie", [True, False])
def test_a_killed_sender_leaves_an_unknown_shot(tmp_path: Path, collect_the_zombie: bool) -> None:
    path = tmp_path / "journal.sqlite3"
    code = "print(reserve(journal).mine, flush=True); sys.stdin.read()"
    process = in_python(code, path)
    assert process.stdout and process.stdout.readline() == "True\n"
    journal = Journal(path)
    alive = reserve(journal)
    assert not alive.mine and alive.row.state is State.INTENT
    process.kill()
    if collect_the_zombie:
        process.wait()
    elif not hasattr(os, "waitid"):
        pytest.skip("this system cannot wait without collecting")
    else:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    dead = reserve(journal)
    assert not dead.mine and dead.row.state is State.UNKNOWN
    assert journal.unfinished("byteplus") == (dead.row,)
    assert journal.spend("byteplus", NOON).reserved == PRICE
    process.communicate()


def test_an_unknown_shot_adopts_the_task_that_was_found(journal: Journal) -> None:
    row = journal.mark_unknown(reserve(journal).row, "timeout")
    other = journal.mark_submitted(reserve(journal, "b").row, "cgt-b")
    with pytest.raises(TaskTaken, match=f"cgt-b belongs to another shot of the journal \\(row {other.id}\\)"):
        journal.adopt(row, "cgt-b")
    row = journal.adopt(row, "cgt-a")
    assert (row.state, row.task_id, row.error_message) == (State.SUBMITTED, "cgt-a", None)
    assert journal.task_ids("byteplus") == {"cgt-a", "cgt-b"} and journal.by_task("cgt-a") == row


def test_a_task_made_elsewhere_can_be_collected_once(journal: Journal) -> None:
    row = journal.adopt_stray(shot(), "cgt-1", PRICE)
    assert row.state is State.SUBMITTED and journal.adopt_stray(shot(), "cgt-1") == row
    assert reserve(journal).mine  # no request attaches to it


# Caps and latch


@pytest.mark.parametrize(
    ("run", "day", "committed", "refused_by"),
    [
        ("0.2", "1", "0.1", None),
        ("0.199999999", "1", "0.1", "X_MAX_USD_PER_RUN"),
        ("1", "0.2", "0.1", None),
        ("1", "0.199999999", "0.1", "X_MAX_USD_PER_DAY"),
        ("0", "1", None, "X_MAX_USD_PER_RUN"),
        ("1", "0", None, "X_MAX_USD_PER_DAY"),
        ("NaN", "1", None, "X_MAX_USD_PER_RUN"),
        ("1", "Infinity", None, "X_MAX_USD_PER_DAY"),
        ("-1", "1", None, "X_MAX_USD_PER_RUN"),
    ],
)
def test_caps(journal: Journal, run: str, day: str, committed: str | None, refused_by: str | None) -> None:
    if committed:
        reserve(journal, "earlier", usd=Decimal(committed))
    if refused_by is None:
        assert journal.reserve(shot(), PRICE, "run", caps(run, day)).mine
        return
    with pytest.raises(CapReached, match=refused_by):
        journal.reserve(shot(), PRICE, "run", caps(run, day))
    assert journal.find("a", 1) is None


def test_the_cap_of_a_run_is_for_one_run_and_the_cap_of_a_day_for_all(journal: Journal) -> None:
    limit = caps("0.1", "0.3")
    for run in ("one", "two", "three"):
        assert journal.reserve(shot(run), PRICE, run, limit).mine
        with pytest.raises(CapReached, match="PER_RUN"):
            journal.reserve(shot(f"{run}-more"), PRICE, run, limit)
    with pytest.raises(CapReached, match=r"X_MAX_USD_PER_DAY = \$0.3 already \$0.3000"):
        journal.reserve(shot("four"), PRICE, "four", limit)


def test_caps_count_what_it_cost_not_what_was_quoted(journal: Journal) -> None:
    row = succeeded(journal, usd=Decimal("0.95"))
    with pytest.raises(CapReached):
        journal.reserve(shot("b"), PRICE, "run", caps())
    journal.settle(row, Decimal("0.05"), 1)
    assert journal.reserve(shot("b"), Decimal("0.95"), "run", caps()).mine


def test_a_new_day_forgets_what_was_settled_but_not_what_is_open(journal: Journal, clock: Clock) -> None:
    succeeded(journal, "settled")
    journal.mark_unknown(reserve(journal, "open").row, "timeout")
    clock.now += timedelta(days=1)
    spend = journal.spend("byteplus", clock.now - timedelta(hours=12))
    assert (spend.settled, spend.reserved, spend.total) == (0, PRICE, PRICE)


def test_providers_do_not_share_caps_or_latches(journal: Journal) -> None:
    reserve(journal, usd=Decimal(1))
    journal.latch("byteplus", "AccountOverdueError", "")
    assert journal.reserve(shot("b", provider="other"), Decimal(1), "run", caps()).mine


def test_a_latch_holds_until_it_is_cleared_and_keeps_its_first_reason(journal: Journal) -> None:
    row = reserve(journal).row
    journal.mark_refused(row, "AccountOverdueError", "pay at https://x/y?token=abc", latches=True)
    journal.latch("byteplus", "Second", "")
    latch = Journal(journal.path).latched("byteplus")
    assert latch and latch.error_code == "AccountOverdueError" and "abc" not in latch.error_message
    with pytest.raises(BillingLatched, match="AccountOverdueError"):
        reserve(journal)
    journal.clear_latch("byteplus")
    assert journal.latched("byteplus") is None and reserve(journal).mine


def test_a_latch_does_not_keep_a_paid_shot_from_being_fetched(journal: Journal) -> None:
    row = journal.mark_submitted(reserve(journal).row, "cgt-1")
    journal.latch("byteplus", "x", "")
    assert reserve(journal) == Reservation(row, mine=False)
    assert journal.mark_succeeded(row, PRICE, 1).state is State.SUCCEEDED


# Several at once


def test_of_many_threads_one_sends(journal: Journal) -> None:
    barrier = threading.Barrier(8)

    def one(_: int) -> bool:
        barrier.wait()
        return reserve(journal).mine

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(8))) == [False] * 7 + [True]


def test_of_two_processes_one_sends_each_shot_and_the_caps_hold(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    code = """
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
for number in range(20):
    try:
        print(number if journal.reserve(shot(str(number)), PRICE, sys.argv[2], caps("9", "1")).mine else "theirs")
    except CapReached:
        print("capped")
"""
    processes = [in_python(code, path, f"run-{number}") for number in range(2)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    outcomes = [process.communicate()[0].split() for process in processes]
    assert [len(each) for each in outcomes] == [20, 20]
    sent = [each for outcome in outcomes for each in outcome if each.isdigit()]
    assert len(sent) == len(set(sent)) == 10  # of 0.1 USD each, below the day's 1 USD
    assert len(Journal(path).rows()) == 10


# A journal that cannot be used


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.2)


def refuses(journal: Journal, reason: str) -> None:
    with pytest.raises(JournalUnusable, match=reason) as caught:
        reserve(journal, "new")
    assert caught.value.path == str(journal.path)


def spoilt_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    assert len(content) > 3 * 4096
    content[4096 : len(content)] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


def with_one_letter_changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = content.rindex(b"succeeded")
    content[at : at + 9] = b"succeedeD"
    path.write_bytes(content)


def of_something_else(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cats (name)")


def of_a_later_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b"not a database " * 999), "not a database"),
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "malformed|damaged"),
        (spoilt_in_the_middle, "malformed|damaged"),
        (with_one_letter_changed, "damaged: CHECK constraint failed in shots"),
        (of_something_else, "something else"),
        (of_a_later_version, "version 99"),
    ],
)
def test_a_spoilt_journal_is_refused_and_left_as_it_is(journal: Journal, spoil, reason: str) -> None:
    succeeded(journal)
    spoil(journal.path)
    before = journal.path.read_bytes()
    refuses(journal, reason)
    assert journal.path.read_bytes() == before
    assert [each.name for each in journal.path.parent.iterdir()] == [journal.path.name]


@pytest.mark.usefixtures("impatient")
def test_a_folder_in_its_place_and_a_locked_file_are_refused(journal: Journal, tmp_path: Path) -> None:
    reserve(journal)
    connection = sqlite3.connect(journal.path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    refuses(journal, "locked")
    connection.close()
    assert reserve(journal, "new").mine
    (tmp_path / "folder.sqlite3").mkdir()
    refuses(Journal(tmp_path / "folder.sqlite3"), "unable to open")
    (tmp_path / "file").write_text("", encoding="utf-8")
    refuses(Journal(tmp_path / "file" / "journal.sqlite3"), "Error")


def test_a_disk_without_room_is_refused(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve(journal)
    monkeypatch.setattr(journal_file, "LEAST_FREE_BYTES", 2**70)
    refuses(journal, "MiB are free")
    assert len(journal.rows()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    code = """
import resource
row = reserve(journal).row
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for step in (lambda: reserve(journal, "b"), lambda: journal.mark_submitted(row, "cgt-77")):
    try:
        print(step())
    except Exception as error:
        print(type(error).__name__, error)
"""
    told, errors = in_python(code, path).communicate()
    refused, not_kept = told.splitlines()
    assert refused.startswith("JournalUnusable"), errors
    assert not_kept.startswith("TaskNotKept") and "cgt-77" in not_kept
    journal = Journal(path)
    (row,) = journal.rows()
    assert journal.get(row.id).state is State.UNKNOWN  # its sender is gone, the shot is not
    assert reserve(journal, "b").mine


@pytest.fixture
def readable_by_all() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of folders work otherwise")
@pytest.mark.parametrize("made_before", [True, False])
def test_a_read_only_folder_is_refused(readable_by_all: Path, made_before: bool) -> None:
    path = readable_by_all / "journal.sqlite3"
    if made_before:
        succeeded(Journal(path))
        path.chmod(0o444)
    readable_by_all.chmod(0o555)
    code = """
import psutil  # perhaps only root can read it
if os.geteuid() == 0:
    os.seteuid(65534)  # root writes where it likes
try:
    print(reserve(journal, "b"))
except JournalUnusable as error:
    print("refused:", error.reason)
"""
    told, errors = in_python(code, path).communicate()
    assert told.startswith("refused:"), errors
    assert path.exists() == made_before


def test_the_file_is_for_its_owner_only_and_syncs_fully(journal: Journal) -> None:
    reserve(journal)
    if os.name != "nt":
        assert journal.path.stat().st_mode & 0o077 == 0
    with journal_file.JournalFile(journal.path).transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 3  # EXTRA
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


def test_a_copy_of_the_file_is_the_whole_journal_though_another_process_has_it_open(
    journal: Journal, tmp_path: Path
) -> None:
    reserve(journal)
    with closing(sqlite3.connect(journal.path)) as other:
        assert other.execute("SELECT count(*) FROM shots").fetchone()[0] == 1
        reserve(journal, "b")
        shutil.copyfile(journal.path, tmp_path / "copy.sqlite3")
    assert Journal(tmp_path / "copy.sqlite3", journal._clock).rows() == journal.rows()


# What is kept


def test_no_picture_address_or_long_prompt_is_kept(journal: Journal, tmp_path: Path) -> None:
    for value in ("data:image/png;base64,AAAA", "https://host/a?X-Tos-Signature=1", "x" * 301):
        with pytest.raises(ValueError, match="does not keep"):
            Shot("p", "h", 1, "m", "o", "k", {"images": [{"url": value}]})
    prompt = "A" * 80 + "the rest of the prompt"
    long = Shot("byteplus", "h", 1, "m", "o", "k", {"image": "ab" * 32}, prompt)
    row = journal.reserve(long, PRICE, "run", caps()).row
    assert row.prompt_start == "A" * 80
    journal.mark_refused(row, "X", "Bearer test-key-1 at https://u:p@h/v.mp4?X-Tos-Signature=abcdef, see")
    kept = journal.path.read_bytes()
    for secret in (b"rest of the prompt", b"test-key-1", b"abcdef", b"u:p@"):
        assert secret not in kept


def test_the_table_opens_in_excel_with_korean(journal: Journal, tmp_path: Path) -> None:
    korean = chr(0xD55C) + chr(0xAE00)
    formula = Shot("byteplus", "b", 1, "m", "o", "k", {}, "=HYPERLINK(1)")
    journal.reserve(Shot("byteplus", "a", 1, "m", "o", "k", {}, korean, 7), PRICE, "run", caps())
    journal.reserve(formula, PRICE, "run", caps())
    file = tmp_path / "journal.csv"
    export_csv(journal.rows(), file)
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        first, second = csv.DictReader(opened)
    assert (first["prompt_start"], first["quoted"], first["state"], first["seed"]) == (korean, "0.1", "intent", "7")
    assert second["prompt_start"] == "'=HYPERLINK(1)"
    assert [each.name for each in tmp_path.iterdir() if each.suffix != ""] == ["journal.csv"]
