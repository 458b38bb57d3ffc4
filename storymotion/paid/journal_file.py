"""The journal's SQLite file: made once and whole, opened for each piece of work, durable when that is done."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import JournalUnusable
from .durable import sync_folder

# "StMo": other programs' databases are refused.
APPLICATION_ID = 0x53744D6F
VERSION = 1
BUSY_SECONDS = 15.0
# With less than this the shot's own video would not fit either.
LEAST_FREE_BYTES = 64 * 2**20

SCHEMA = """
CREATE TABLE shots (
    id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    take INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intent', 'submitted', 'succeeded', 'downloaded', 'failed', 'expired',
        'cancelled', 'refused', 'released', 'unknown', 'lost')),
    run_id TEXT NOT NULL,
    model TEXT NOT NULL,
    origin TEXT NOT NULL,
    key_fingerprint TEXT NOT NULL,
    request TEXT NOT NULL,
    prompt_sha256 TEXT NOT NULL,
    prompt_start TEXT NOT NULL,
    seed INTEGER,
    quoted_nano_usd INTEGER NOT NULL CHECK (quoted_nano_usd >= 0),
    settled_nano_usd INTEGER CHECK (settled_nano_usd >= 0),
    tokens INTEGER,
    task_id TEXT UNIQUE,
    error_code TEXT,
    error_message TEXT,
    owner TEXT,
    reserved_at TEXT NOT NULL,
    heartbeat_at TEXT NOT NULL,
    submitted_at TEXT,
    settled_at TEXT,
    downloaded_at TEXT,
    file TEXT,
    file_sha256 TEXT,
    UNIQUE (request_hash, take)
);
CREATE INDEX shots_by_run ON shots (provider, run_id);
CREATE INDEX shots_by_settlement ON shots (provider, settled_at);
CREATE TABLE latches (
    provider TEXT PRIMARY KEY,
    error_code TEXT NOT NULL,
    error_message TEXT NOT NULL,
    since TEXT NOT NULL
);
"""


class JournalFile:
    """The file ``path``. A connection lives for one transaction only, so threads and processes share nothing.

    A file that is damaged, empty, or something else is refused and left as it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def transaction(self, spends: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction that nobody else writes in; durable when the block ends, undone when it raises.

        ``spends``: look for damage and for room on the disk first. Raises JournalUnusable.
        """
        try:
            connection = self._open()
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error
        try:
            try:
                connection.execute("BEGIN IMMEDIATE")
                if spends:
                    self._check_before_spending(connection)
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error
        finally:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            self._make()
        self._wait_until_made()
        # mode=rw: SQLite never makes a file by itself.
        address = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            _make_durable(connection)
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if found != APPLICATION_ID:
                raise JournalUnusable(str(self.path), "it is a database of something else")
            if version != VERSION:
                raise JournalUnusable(str(self.path), f"it has version {version}, this StoryMotion knows {VERSION}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        """Made under another name and moved as a whole; whoever makes the empty file first is the one to do it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f"{self.path.name}.", suffix=".new")
        os.close(descriptor)
        temporary = Path(name)
        try:
            connection = sqlite3.connect(temporary, isolation_level=None)
            try:
                _make_durable(connection)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
                connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
            finally:
                connection.close()
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except FileExistsError:
                return
            temporary.replace(self.path)
            sync_folder(self.path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    def _wait_until_made(self) -> None:
        """While another process makes the file, it is empty for a moment."""
        until = time.monotonic() + BUSY_SECONDS
        while self.path.stat().st_size == 0:
            if time.monotonic() > until:
                raise JournalUnusable(str(self.path), "it is empty, though it may have held paid shots")
            time.sleep(0.01)

    def _check_before_spending(self, connection: sqlite3.Connection) -> None:
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise JournalUnusable(str(self.path), f"it is damaged: {damage}")
        free = shutil.disk_usage(self.path.parent).free
        if free < LEAST_FREE_BYTES:
            raise JournalUnusable(str(self.path), f"only {free // 2**20} MiB are free on its disk")

    def _unusable(self, error: Exception) -> JournalUnusable:
        return JournalUnusable(str(self.path), f"{type(error).__name__}: {error}".rstrip("."))


def _roll_back(connection: sqlite3.Connection) -> None:
    """What made it necessary is told, not what may go wrong here: closing without COMMIT undoes as well."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        pass


def _make_durable(connection: sqlite3.Connection) -> None:
    """The rollback journal, which is what a new file has, and not WAL: two computers that share a network folder
    would not see each other's WAL and pay twice, and a copy of the file alone would lack what is still in it.
    """
    # FULL does not sync the folder when the rollback journal is deleted: a power cut could undo what was committed.
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's cache
