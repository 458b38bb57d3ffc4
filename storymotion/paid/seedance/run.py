"""What the nodes call: make a shot and pay for it once, quote it, fetch what was paid for and not fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import (
    JournalUnusable,
    NoPrice,
    PaidError,
    ProviderUnavailable,
    RequestRefused,
    ShotLost,
    ShotNotInDoubt,
    UnknownModel,
)
from ...report import Line, line
from ..gate import GateState, examine_gate
from ..journal_row import SENDABLE_AGAIN, UNFINISHED, Row, Shot, State
from ..money import Quote, Receipt
from ..provider import SEEDANCE
from .client import NoSuchTask, Refused, SeedanceClient, Task, Unclear, body_of
from .desk import Desk
from .models import Model
from .quote import quote_shape, video_size
from .reconcile import UNKNOWN_TASK, fits, reconcile
from .request import (
    SeedanceRequest,
    check_request,
    check_shape,
    effective_seed,
    journal_settings,
    request_body,
    request_digest,
)
from .send import send
from .watch import ENDED, Video, ended_error, kept_video, video_of, watch

# Another thread or process of ours is sending this very shot; it ends or counts as dead within the journal's lease.
OTHER_SENDER_SECONDS = 1.0


@dataclass(frozen=True)
class PaidShot:
    """A video in hand. ``receipt`` is what it cost; ``paid_earlier``: an earlier queue sent it, this one paid nothing.

    ``notes`` belong in the report, before the receipt.
    """

    path: Path
    row: Row
    receipt: Receipt
    paid_earlier: bool
    notes: tuple[Line, ...] = ()

    def lines(self) -> tuple[Line, ...]:
        """The report: notes, then the receipt."""
        return (*self.notes, *self.receipt.lines(self.paid_earlier))


@dataclass(frozen=True)
class Collected:
    """What became of one unfinished shot: ``shot``, or why there is none yet."""

    row: Row
    shot: PaidShot | None
    error: PaidError | None


def quote(request: SeedanceRequest, desk: Desk) -> Quote:
    """The most that the shot can cost, for a request whose prompt and pictures need not be there yet.

    Nothing is sent and no key is needed. Raises UnknownModel, SeedanceModelRetired, NoPrice, SeedanceCannot,
    SeedanceFirstFrameMissing.
    """
    model = desk.catalogue.model(request.model)
    check_shape(request, model)
    shape = request.shape(model)
    made = quote_shape(shape, desk.catalogue, desk.settings)
    local = (way for way in desk.local_ways(*video_size(shape, model), made.seconds) if way.usd < made.usd)
    return replace(made, alternatives=(*made.alternatives, *local))


def gate(requests: Sequence[SeedanceRequest], desk: Desk, max_usd: float | None = None) -> GateState:
    """All gates for shots that are to be sent together, with their quotes; nothing is sent.

    Raises what ``quote`` raises, except UnknownModel and NoPrice, which are gates.
    """
    unpriced: UnknownModel | NoPrice | None = None
    quotes: list[Quote] = []
    for request in requests:
        try:
            quotes.append(quote(request, desk))
        except (UnknownModel, NoPrice) as error:
            unpriced = error
    return examine_gate(SEEDANCE, desk.user_folder, quotes, max_usd, unpriced, desk.environ, desk.clock())


def is_sent(request: SeedanceRequest, desk: Desk) -> bool:
    """Whether an earlier queue has sent this request and take, so that ``run_shot`` would pay nothing.

    False, too, for a model that is not known and with a journal that cannot be read: both are gates, which say so.
    Raises what the check of the request raises.
    """
    try:
        model = desk.catalogue.model(request.model)
        check_request(request, model)
        digest = request_digest(request, model, desk.origin)
        row = desk.journal.find(digest, request.take) if desk.journal.path.exists() else None
    except (UnknownModel, JournalUnusable):
        return False
    return row is not None and row.state not in SENDABLE_AGAIN


def run_shot(request: SeedanceRequest, desk: Desk, max_usd: float, run_id: str) -> PaidShot:
    """The video of ``request``: what was paid for is fetched, and only what was never sent is sent and paid for.

    ``max_usd``: the most that this shot may cost; ``run_id``: of the ComfyUI prompt, whose shots share a cap. Blocks
    until the video is there; stopping is raising from ``desk.progress``.

    Raises, with nothing sent: SeedanceError and ValueOutOfRange (the request), GateShut, CapReached, BillingLatched,
    JournalUnusable. Refused and not charged: BillingRefused, KeyRefused, RequestRefused, ModerationRefused,
    RateLimited, ProviderUnavailable. Sent, and to be taken up by queueing the same again: AmbiguousSend,
    TaskStillRunning, SeedanceVideoNotFetched, SeedanceForeignHost, TaskNotKept, and all that stops the watching.
    Ended: TaskEnded, ModerationRefused, ShotLost.
    """
    model, notes = _checked(request, desk, max_usd)
    digest = request_digest(request, model, desk.origin)
    row = desk.journal.find(digest, request.take) if desk.journal.path.exists() else None
    if row is None or row.state in SENDABLE_AGAIN:
        clearance = gate([request], desk, max_usd).require()
        client = SeedanceClient(clearance.address.base, clearance.key, desk.timeouts)
        price = quote(request, desk)
        shot = _journal_shot(request, model, digest, desk.origin, client.fingerprint)
        reservation = desk.journal.reserve(shot, price.usd, run_id, clearance.caps)
        notes = (*notes, *clearance.notes)
        row = reservation.row
        if reservation.mine:
            row = send(row, body_of(request_body(request, model, desk.origin)), client, desk)
            return _finished(_fetched(row, desk), desk, paid_earlier=False, notes=notes)
    return _finished(_fetched(row, desk), desk, paid_earlier=True, notes=notes)


def unfinished(desk: Desk) -> tuple[Row, ...]:
    """Shots that were sent and whose video is not here, oldest first; nothing is sent."""
    return desk.journal.unfinished(SEEDANCE.id) if desk.journal.path.exists() else ()


def collect(desk: Desk, task_id: str | None = None) -> tuple[Collected, ...]:
    """Fetch the video of one task, or of every unfinished shot. Pays nothing, needs only the key.

    A task that the journal does not know becomes the shot whose send was lost, if it fits exactly one, else a row of
    its own. One that fails does not stop the others; stopping leaves every task as it is. Raises KeyMissing,
    KeyUnusable, JournalUnusable; for a ``task_id`` also RequestRefused (there is no such task), KeyRefused,
    BillingRefused, ProviderUnavailable.
    """
    rows = unfinished(desk) if task_id is None else (_row_of_task(task_id, desk),)
    collected: list[Collected] = []
    for number, row in enumerate(rows):
        desk.progress(number, len(rows), "collecting paid shots")
        try:
            shot = _finished(_fetched(row, desk, collecting=True), desk, paid_earlier=True)
            collected.append(Collected(shot.row, shot, None))
        except PaidError as error:
            collected.append(Collected(desk.journal.get(row.id), None, error))
    return tuple(collected)


def adopt(desk: Desk, row_id: int, task_id: str) -> PaidShot:
    """A human says that ``task_id`` is the task of the UNKNOWN row.

    Raises ShotNotInDoubt for any other row, TaskTaken, and what ``collect`` raises.
    """
    row = in_doubt(desk, row_id)
    _existing_task(task_id, desk)
    return _finished(_fetched(desk.journal.adopt(row, task_id), desk, collecting=True), desk, paid_earlier=True)


def release(desk: Desk, row_id: int) -> Row:
    """A human has seen in the service's console that the UNKNOWN row was never made: it may be sent again.

    Raises ShotNotInDoubt for any other row, above all for one that is just being sent.
    """
    return desk.journal.release(in_doubt(desk, row_id), "released by the user")


def in_doubt(desk: Desk, row_id: int) -> Row:
    """The UNKNOWN row of that number; a human may decide on no other. Raises ShotNotInDoubt."""
    try:
        row = desk.journal.get(row_id) if desk.journal.path.exists() else None
    except (KeyError, OverflowError):  # no number of a row
        row = None
    if row is None or row.state is not State.UNKNOWN:
        raise ShotNotInDoubt(row_id, row.state.value if row else "none")
    return row


def _checked(request: SeedanceRequest, desk: Desk, max_usd: float) -> tuple[Model, tuple[Line, ...]]:
    """The model, and what the report should say of the request. Raises GateShut for a model without a price."""
    try:
        model = desk.catalogue.model(request.model)
    except UnknownModel:
        gate([request], desk, max_usd).require()
        raise
    return model, (*desk.catalogue_notes, *check_request(request, model))


def _journal_shot(request: SeedanceRequest, model: Model, digest: str, origin: str, fingerprint: str) -> Shot:
    return Shot(
        provider=SEEDANCE.id,
        request_hash=digest,
        take=request.take,
        model=request.model,
        origin=origin,
        key_fingerprint=fingerprint,
        request=journal_settings(request, model, origin),
        prompt=request.prompt,
        seed=effective_seed(request, model, origin),
    )


def _fetched(row: Row, desk: Desk, collecting: bool = False) -> Video:
    """The video of a row that was sent, whatever has become of it.

    ``collecting``: also try what counts as lost, and leave a queued task alone when stopped.
    """
    while row.state is State.INTENT:
        desk.wait(OTHER_SENDER_SECONDS)
        row = desk.journal.get(row.id)
    if row.state in ENDED.values():
        raise ended_error(row)
    if (kept := kept_video(row, desk)) is not None:
        return kept
    if row.state is State.LOST and not collecting:
        raise ShotLost(row.task_id or UNKNOWN_TASK, row.error_message or "it could not be fetched in time")
    if row.state in SENDABLE_AGAIN:
        said = row.error_code or row.state.value, (row.error_message or "it was not made").rstrip(".")
        raise RequestRefused(SEEDANCE.name, *said)
    if (path := video_of(row, desk)) is not None:
        return Video(row, path)
    client = desk.client
    if row.state is State.UNKNOWN:
        row = reconcile(row, client, desk)
        if row.state not in UNFINISHED - {State.UNKNOWN, State.INTENT}:
            return _fetched(row, desk, collecting)
    return watch(row, client, desk, cancels=not collecting)


def _finished(video: Video, desk: Desk, paid_earlier: bool, notes: tuple[Line, ...] = ()) -> PaidShot:
    return PaidShot(video.path, video.row, Receipt.of(video.row, desk.settings), paid_earlier, notes)


def _row_of_task(task_id: str, desk: Desk) -> Row:
    row = desk.journal.by_task(task_id) if desk.journal.path.exists() else None
    if row is not None:
        return row
    task = _existing_task(task_id, desk)
    lost_sends = [each for each in unfinished(desk) if each.state is State.UNKNOWN and fits(each, task)]
    # Without a seed to compare, a shot of the same shape can be another one.
    if len(lost_sends) == 1 and lost_sends[0].seed is not None and task.seed == lost_sends[0].seed:
        return desk.journal.adopt(lost_sends[0], task_id)
    desk.tell(line("seedance-stray", task=task_id))
    shot = Shot(
        provider=SEEDANCE.id,
        request_hash=task_id,
        take=1,
        model=task.model or "",
        origin=desk.origin,
        key_fingerprint=desk.client.fingerprint,
        request={"service_tier": task.service_tier or "default"},
        seed=task.seed,
    )
    return desk.journal.adopt_stray(shot, task_id)


def _existing_task(task_id: str, desk: Desk) -> Task:
    try:
        return desk.client.get(task_id)
    except (NoSuchTask, ValueError):
        raise RequestRefused(SEEDANCE.name, "NotFound", f"there is no task {task_id!r:.80}") from None
    except Refused as refused:
        raise refused.refusal.error() from None
    except Unclear as unclear:
        raise ProviderUnavailable(SEEDANCE.name, unclear.reason) from None
