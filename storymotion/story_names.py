"""Names of scenes: they become file names, so they must be good on Windows, macOS and Linux."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

# Reserved on Windows, also with an extension behind them; the raised digits are those of Latin-1
# (learn.microsoft.com, "Naming Files, Paths, and Namespaces").
RESERVED = frozenset(("con", "prn", "aux", "nul")) | {
    f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789\u00b9\u00b2\u00b3"
}
FORBIDDEN = frozenset('\\/:*?"<>|')
MOST_CHARACTERS = 100
# A file name has 255 bytes on Linux; a character of Hangul takes 3, and ComfyUI adds a number and an extension.
MOST_BYTES = 200


def plain_name(name: str) -> str:
    """The name in Unicode's composed form (NFC): macOS writes Hangul in pieces that look the same and are not."""
    return unicodedata.normalize("NFC", name)


def name_problems(name: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """What keeps ``name`` from being a file name: codes of report lines, with their values."""
    bad = [letter for letter in name if letter in FORBIDDEN or unicodedata.category(letter) == "Cc"]
    if bad:
        shown = (letter if letter in FORBIDDEN else f"\\x{ord(letter):02x}" for letter in dict.fromkeys(bad))
        yield "story-name-characters", {"characters": " ".join(shown)}
    if name != name.strip() or name.endswith("."):
        yield "story-name-ends", {}
    if name.partition(".")[0].strip().lower() in RESERVED:
        yield "story-name-reserved", {}
    size = len(name.encode())
    if len(name) > MOST_CHARACTERS or size > MOST_BYTES:
        values = {"characters": len(name), "bytes": size, "most": MOST_CHARACTERS, "most_bytes": MOST_BYTES}
        yield "story-name-long", values
