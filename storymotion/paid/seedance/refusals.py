"""What an error reply means, by its ``error.code``: the HTTP status alone cannot tell "wait a little" (429) from
"your account has no money" (429 as well).

Codes: docs.byteplus.com/en/docs/ModelArk/1299023 (read 2026-10-15).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ...errors import BillingRefused, KeyRefused, ModerationRefused, PaidError, RequestRefused
from ..provider import SEEDANCE
from ..redact import redacted
from .transport import Reply


class Kind(Enum):
    """Who has to do something about it. RATE: the service was asked too often and did nothing; UNCLEAR: it may
    have done what was asked."""

    BILLING = "billing"
    KEY = "key"
    CALLER = "caller"
    MODERATION = "moderation"
    RATE = "rate"
    UNCLEAR = "unclear"


# QuotaExceeded can also mean "too many tasks are queued". Which one it is cannot be told from the code, and taking
# an empty account for a queue would ask it again and again.
BILLING = (
    "InvalidSubscription",
    "InvalidAccountStatus",
    "AccountOverdueError",
    "OperationDenied.ServiceOverdue",
    "OperationDenied.ServiceNotOpen",
    "ModelNotOpen",
    "SetLimitExceeded",
    "QuotaExceeded",
    "InflightBatchsizeExceeded",
    "InsufficientBalance",
)
KEY = ("AuthenticationError", "AccessDenied", "OperationDenied.PermissionDenied")
RATE = (
    "RateLimitExceeded",
    "ModelAccountRpmRateLimitExceeded",
    "ModelAccountTpmRateLimitExceeded",
    "APIAccountRpmRateLimitExceeded",
    "AccountRateLimitExceeded",
    "RequestBurstTooFast",
    "ServerOverloaded",
)
MODERATION = re.compile("SensitiveContent|RiskDetection")
RUNNING_TASK = "InvalidAction.RunningTaskDeletion"


@dataclass(frozen=True)
class Refusal:
    """An error reply. ``code`` is the service's own or "HTTP 403"; ``message`` holds no secret.

    ``retry_after``: seconds that it asks to wait, None where it does not say.
    """

    kind: Kind
    status: int
    code: str
    message: str
    request_id: str
    retry_after: float | None

    def error(self) -> PaidError:
        """What the user is told, for all kinds that are not to be tried again."""
        said = (SEEDANCE.name, self.code, self.message.rstrip("."))
        if self.kind is Kind.BILLING:
            return BillingRefused(*said)
        if self.kind is Kind.KEY:
            return KeyRefused(*said)
        if self.kind is Kind.MODERATION:
            return ModerationRefused(*said)
        return RequestRefused(*said)


def read_refusal(reply: Reply, secret: str) -> Refusal:
    """What a reply that is no success means; ``secret`` (the key) is taken out of its words."""
    code, message = error_of(json_of(reply.body), secret)
    request_id = redacted(reply.headers.get("x-request-id", ""), secret)
    kind = classify(reply.status, code)
    wait = reply.headers.get("retry-after", "").strip()
    return Refusal(
        kind,
        reply.status,
        code or f"HTTP {reply.status}",
        message or "no reason was given",
        request_id,
        # The other form that HTTP allows, a date, is not used here.
        retry_after=float(wait) if wait.isdecimal() and len(wait) < 10 else None,
    )


def error_of(data: Any, secret: str) -> tuple[str, str]:
    """Code and message of the ``error`` in a reply or a task; empty where there is none."""
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return "", ""
    code, message = error.get("code"), error.get("message")
    return redacted(str(code or ""), secret), redacted(str(message or ""), secret)


def json_of(body: bytes) -> Any:
    """The JSON in ``body``, None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # bytes that are no UTF-8 are a ValueError too
        return None


def classify(status: int, code: str) -> Kind:
    """Whose fault an error reply is. Only what the service itself says (a code) in a 4xx is certainly "not done"."""
    if _is_one_of(code, BILLING) or status == 402:
        return Kind.BILLING
    if not 400 <= status < 500:
        return Kind.UNCLEAR
    if MODERATION.search(code):
        return Kind.MODERATION
    if status == 429 and _is_one_of(code, RATE):
        return Kind.RATE
    if _is_one_of(code, KEY) or status in (401, 403):
        return Kind.KEY
    return Kind.CALLER if code else Kind.UNCLEAR


def _is_one_of(code: str, known: tuple[str, ...]) -> bool:
    """Exactly, or a finer case of it: "RateLimitExceeded.EndpointRPMExceeded"."""
    return any(code == each or code.startswith(f"{each}.") for each in known)
