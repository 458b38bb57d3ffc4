"""Taking secrets out of text before it is stored, logged or shown."""

from __future__ import annotations

import re

LONGEST = 500
_QUERY = re.compile(r"(\bhttps?://[^\s?\"'<>]*)\?[^\s\"'<>]*", re.IGNORECASE)
_USER_OF_ADDRESS = re.compile(r"(\bhttps?://)[^\s/@\"'<>]+@", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer\s+)[^\s\"',;]+", re.IGNORECASE)
_SIGNATURE = re.compile(r"\b(X-Tos-[A-Za-z-]+=)[^\s&\"'<>]+", re.IGNORECASE)


def redacted(text: str, *secrets: str) -> str:
    """``text`` on one line of at most 500 characters, without ``secrets``, bearer tokens and what signs an address."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "...")
    for pattern, replacement in (
        (_USER_OF_ADDRESS, r"\1"),
        (_QUERY, r"\1?..."),
        (_BEARER, r"\1..."),
        (_SIGNATURE, r"\1..."),
    ):
        text = pattern.sub(replacement, text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
