"""Signed download addresses: for GET only, for a day, a hundred times."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlencode

SECONDS_VALID = 86400
DATE = "%Y%m%dT%H%M%SZ"


class Signatures:
    """Signs paths with a secret of its own."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def signed(self, path: str, now: float) -> str:
        """``path`` with the query that makes it valid from ``now`` on."""
        stamp = datetime.fromtimestamp(now, timezone.utc).strftime(DATE)
        query = {
            "X-Tos-Algorithm": "TOS4-HMAC-SHA256",
            "X-Tos-Credential": f"AKLTfake/{stamp[:8]}/ap-southeast-1/tos/request",
            "X-Tos-Date": stamp,
            "X-Tos-Expires": str(SECONDS_VALID),
            "X-Tos-SignedHeaders": "host",
        }
        query["X-Tos-Signature"] = self._signature(path, query)
        return f"{path}?{urlencode(query)}"

    def fault_of(self, path: str, query: str, now: float) -> str | None:
        """Why the address is not valid, None where it is."""
        given = dict(parse_qsl(query))
        signature = given.pop("X-Tos-Signature", "")
        if not hmac.compare_digest(signature.encode(), self._signature(path, given).encode()):
            return "The request signature we calculated does not match the signature you provided"
        signed_at = datetime.strptime(given["X-Tos-Date"], DATE).replace(tzinfo=timezone.utc).timestamp()
        return "Request has expired" if now >= signed_at + int(given["X-Tos-Expires"]) else None

    def _signature(self, path: str, query: dict[str, str]) -> str:
        text = f"GET\n{path}\n{urlencode(sorted(query.items()))}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
