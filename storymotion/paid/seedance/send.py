"""The one request that costs money: sent at most once for each take, unless the service certainly did nothing."""

from __future__ import annotations

from ...errors import JournalUnusable, ProviderUnavailable, RateLimited, TaskNotKept
from ..journal import Journal
from ..journal_row import Row, State
from ..provider import SEEDANCE
from .client import Refused, SeedanceClient, Unclear
from .desk import Desk
from .refusals import Kind, Refusal
from .transport import NotSent

# Times that a connection could not be made, each followed by a longer wait.
MOST_UNCONNECTED = 3
FIRST_WAIT_SECONDS = 2.0
# One wait must be well within journal's lease (owner.LEASE), so that nobody takes us for dead.
LONGEST_WAIT_SECONDS = 60.0
MOST_WAITED_SECONDS = 240.0


def send(row: Row, body: bytes, client: SeedanceClient, desk: Desk) -> Row:
    """Order the shot of ``row``, which was just reserved for this caller; the row as it then is.

    SUBMITTED: its task is known. UNKNOWN: the request left and no usable answer came; it is never repeated. Only a
    connection that was not made and a refusal for being asked too often are tried again, with waits that add up to at
    most four minutes. Raises what the service refused with, RateLimited, ProviderUnavailable (all of them: not made,
    not charged), TaskNotKept, and whatever ``desk.wait`` raises to stop.
    """
    journal = desk.journal
    try:
        with journal.sending(row):
            return _send(row, body, client, desk)
    except JournalUnusable as error:
        # A task that could not be written down matters more than that marking the row failed as well.
        if isinstance(error.__context__, TaskNotKept):
            raise error.__context__ from None
        raise


def _send(row: Row, body: bytes, client: SeedanceClient, desk: Desk) -> Row:
    journal = desk.journal
    waited = 0.0
    failures = 0
    while True:
        refusal: Refusal | None = None
        try:
            task_id = client.create(body)
        except NotSent as failure:
            failures += 1
            if failure.lasting or failures > MOST_UNCONNECTED:
                journal.release(row, failure.reason)
                raise ProviderUnavailable(SEEDANCE.name, failure.reason) from None
        except Refused as refused:
            failures += 1
            refusal = refused.refusal
        except Unclear as unclear:
            return journal.mark_unknown(row, unclear.reason)
        else:
            return journal.mark_submitted(row, task_id)
        seconds = FIRST_WAIT_SECONDS * 2 ** (failures - 1)
        if refusal is not None:
            seconds = _allowed_wait(refusal, seconds, waited, row, journal)
        try:
            desk.wait(min(seconds, LONGEST_WAIT_SECONDS))
        except BaseException:
            journal.release(row, "stopped before it was sent")
            raise
        waited += seconds
        row = journal.heartbeat(row)
        if row.state is not State.INTENT:
            return row  # we were taken for dead, and somebody else has dealt with it


def _allowed_wait(refusal: Refusal, seconds: float, waited: float, row: Row, journal: Journal) -> float:
    """How long to wait before this refusal is asked again. Raises where it is not to be asked again."""
    if refusal.kind is not Kind.RATE:
        journal.mark_refused(row, refusal.code, refusal.message, latches=refusal.kind is Kind.BILLING)
        raise refusal.error()
    if refusal.retry_after is not None:
        seconds = max(refusal.retry_after, 1.0)
    if seconds > LONGEST_WAIT_SECONDS or waited + seconds > MOST_WAITED_SECONDS:
        journal.mark_refused(row, refusal.code, refusal.message)
        raise RateLimited(SEEDANCE.name, refusal.code, max(waited, seconds if refusal.retry_after else waited))
    return seconds
