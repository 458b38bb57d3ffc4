"""The journal as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from .journal_row import Row, State, time_text

COLUMNS = (
    *("id", "provider", "state", "model", "take", "task_id", "quoted", "settled", "tokens"),
    *("reserved_at", "submitted_at", "settled_at", "downloaded_at", "file", "file_sha256"),
    *("prompt_start", "seed", "error_code", "error_message"),
    *("run_id", "request_hash", "attempt", "origin", "key_fingerprint"),
)
# A cell that begins like this is a formula to spreadsheets, and a prompt can begin with anything.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_text(rows: Iterable[Row]) -> str:
    """A header, then a line for each row; amounts are USD, times UTC."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(COLUMNS)
    table.writerows([_cell(getattr(row, column)) for column in COLUMNS] for row in rows)
    return file.getvalue()


def export_csv(rows: Iterable[Row], path: Path) -> None:
    """Write ``csv_text`` to ``path``; UTF-8 with a byte order mark, without which Excel garbles Korean.

    The file is replaced as a whole. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as file:
            file.write(csv_text(rows))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, State):
        return value.value
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text
