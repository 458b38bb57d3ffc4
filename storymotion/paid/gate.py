"""The billing gate: everything that must be in order before the first byte goes to a paid provider.

``examine_gate`` looks at all gates and sends nothing. Only ``GateState.require`` hands out a ``Clearance``; whoever
makes a paid request needs one. Fetching what is paid already needs only ``load_key`` and ``find_address``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from ..errors import GateShut, JournalUnusable, KeyMissing, KeyUnusable, NoPrice, UnknownModel
from ..report import Line, line
from .address import Address, find_address
from .billing import JOURNAL_FILE, SETTINGS_FILE, Billing, paid_home, read_billing
from .checklist import read_checklist
from .journal import Journal, Reservation
from .journal_row import Shot, time_text
from .journal_table import Caps
from .key import Secret, load_key
from .money import Quote, quote_lines, total_usd, usd_text
from .provider import Provider

OPENING = ("1", "true")
# In the order in which they are told.
GATES = ("enabled", "terms", "run-cap", "day-cap", "journal", "latch", "price", "max-usd", "key")
ENABLED, TERMS, RUN_CAP, DAY_CAP, JOURNAL, LATCH, PRICE, MAX_USD, KEY = GATES
# A shut gate, and how to open it.
Shut = Iterator[tuple[str, Line]]


@dataclass(frozen=True)
class Clearance:
    """Every gate was open for the shots of ``quotes``. ``notes`` belong in the report."""

    provider: Provider
    quotes: tuple[Quote, ...]
    key: Secret
    address: Address
    caps: Caps
    journal: Journal
    notes: tuple[Line, ...]

    def reserve(self, shot: Shot, quote: Quote, run_id: str) -> Reservation:
        """``Journal.reserve`` for one of the quotes that the gate has seen. Raises ValueError for another one."""
        if quote not in self.quotes:
            raise ValueError("the gate has not seen this quote")
        return self.journal.reserve(shot, quote.usd, run_id, self.caps)

    def require_room(self, run_id: str) -> None:
        """See that all of the quotes together fit below the caps now. Raises BillingLatched, CapReached."""
        self.journal.require_room(self.provider.id, total_usd(self.quotes), run_id, self.caps)


@dataclass(frozen=True)
class GateState:
    """``gates``: what shuts each of ``GATES`` that could be looked at and how to open it, nothing = open.

    ``quote``: the price in words; ``facts``: the checklist.
    """

    provider: Provider
    gates: Mapping[str, tuple[Line, ...]]
    quote: tuple[Line, ...]
    facts: tuple[Line, ...]
    notes: tuple[Line, ...]
    clearance: Clearance | None

    @property
    def shut(self) -> tuple[Line, ...]:
        """What is to be said of all shut gates."""
        return tuple(each for lines in self.gates.values() for each in lines)

    def require(self) -> Clearance:
        """What a sender needs. Raises GateShut, which says all of it."""
        if self.clearance is None:
            raise GateShut(self.provider.name, self.shut, self.quote, self.facts)
        return self.clearance


def examine_gate(
    provider: Provider,
    user_folder: Path,
    quotes: Sequence[Quote] = (),
    max_usd: float | None = None,
    unpriced: UnknownModel | NoPrice | None = None,
    environ: Mapping[str, str] = os.environ,
    now: datetime | None = None,
) -> GateState:
    """All gates at once, for the shots of ``quotes`` that are to be sent.

    ``max_usd`` is the node's limit for each single shot (None = no node asks). ``unpriced``: why there is no quote.
    Nothing raises and nothing is sent. That the gate is open says nothing about the sums of runs and days:
    ``Journal.reserve`` decides about those.
    """
    now = now or datetime.now(timezone.utc)
    shut = [*_enabled(provider, environ)]
    notes: list[Line] = []
    journal = caps = None
    try:
        home = paid_home(user_folder, environ)
    except JournalUnusable as error:
        shut += _terms(provider, environ, now.date())
        shut.append((JOURNAL, _journal_line(error)))
    else:
        billing = read_billing(provider, home, environ)
        caps = billing.caps(provider, now)
        journal = Journal(home / JOURNAL_FILE)
        shut += _terms(provider, environ, now.astimezone(billing.zone).date())
        shut += _caps(provider, billing, home / SETTINGS_FILE, quotes)
        if 0 in (caps.run, caps.day):
            shut += [(DAY_CAP if caps.run else RUN_CAP, note) for note in billing.notes]
        else:
            notes += billing.notes
        shut += _spent(provider, journal, caps, quotes)
    shut += _price(quotes, max_usd, unpriced)
    key = address = None
    try:
        key, about_key = load_key(provider, environ)
        notes += about_key
        address = find_address(provider, key, environ)
    except KeyMissing as error:
        missing = line("gate-key-missing", variable=error.variable, file_variable=error.file_variable)
        shut.append((KEY, missing))
    except KeyUnusable as error:
        shut += [(KEY, reason) for reason in error.reasons]
    told = quote_lines(quotes)
    facts = read_checklist(provider.id).lines(provider.name)
    clearance = None
    if not shut and key is not None and address is not None and caps is not None and journal is not None:
        clearance = Clearance(provider, tuple(quotes), key, address, caps, journal, tuple(notes))
    unseen = _unseen(shut, caps, quotes, max_usd, unpriced)
    gates = {name: tuple(why for gate, why in shut if gate == name) for name in GATES if name not in unseen}
    return GateState(provider, gates, told, facts, tuple(notes), clearance)


def _unseen(
    shut: Sequence[tuple[str, Line]],
    caps: Caps | None,
    quotes: Sequence[Quote],
    max_usd: float | None,
    unpriced: UnknownModel | NoPrice | None,
) -> set[str]:
    """The gates that nobody can say of whether they are open."""
    unseen = {RUN_CAP, DAY_CAP} if caps is None else set()
    if any(gate == JOURNAL for gate, _ in shut):
        unseen.add(LATCH)
    if not quotes:
        unseen |= {MAX_USD} if unpriced else {MAX_USD, PRICE}
    return unseen | ({MAX_USD} if max_usd is None else set())


def _enabled(provider: Provider, environ: Mapping[str, str]) -> Shut:
    if environ.get(provider.enabled_variable) not in OPENING:
        yield ENABLED, line("gate-disabled", variable=provider.enabled_variable)


def _terms(provider: Provider, environ: Mapping[str, str], today: date) -> Shut:
    variable, value = provider.terms_variable, environ.get(provider.terms_variable, "").strip()
    checklist = read_checklist(provider.id).date
    if not value:
        yield TERMS, line("gate-terms-none", variable=variable, today=today.isoformat())
        return
    read = _date(value)
    # One day more, because the operator's day may have begun already.
    if read is None or read > today + timedelta(days=1):
        yield TERMS, line("gate-terms-unusable", variable=variable, value=repr(value[:40]), today=today.isoformat())
    elif read < checklist:
        yield TERMS, line("gate-terms-old", variable=variable, value=value, date=checklist.isoformat())


def _date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.isoformat() == text else None


def _caps(provider: Provider, billing: Billing, file: Path, quotes: Sequence[Quote]) -> Shut:
    total = sum((quote.usd for quote in quotes), Decimal(0))
    if billing.run_cap == 0:
        yield RUN_CAP, line("gate-cap-none", variable=provider.run_cap_variable, path=str(file))
    elif total > billing.run_cap:
        cap = format(billing.run_cap, "f")
        amounts = {"cap": cap, "shots": len(quotes), "quote": usd_text(total)}
        yield RUN_CAP, line("gate-cap-run", variable=provider.run_cap_variable, **amounts)
    if billing.day_cap == 0:
        yield DAY_CAP, line("gate-cap-none", variable=provider.day_cap_variable, path=str(file))


def _spent(provider: Provider, journal: Journal, caps: Caps, quotes: Sequence[Quote]) -> Shut:
    """What the journal knows; one that does not exist yet is not made for a look.

    One that is gone is not begun anew either: it would forget what is paid, and pay for it again.
    """
    if not journal.path.exists():
        videos = journal.path.parent / provider.video_folder
        if any(videos.glob("*.mp4")):
            reason = f"it is gone, though there are paid videos in {videos}, which to move away begins a new one"
            yield JOURNAL, _journal_line(JournalUnusable(str(journal.path), reason))
            return
        spent, latch = Decimal(0), None
    else:
        try:
            spent, latch = journal.spend(provider.id, caps.day_start).total, journal.latched(provider.id)
        except JournalUnusable as error:
            yield JOURNAL, _journal_line(error)
            return
    total = sum((quote.usd for quote in quotes), Decimal(0))
    if caps.day and spent + total > caps.day:
        amounts = {"cap": format(caps.day, "f"), "spent": usd_text(spent), "quote": usd_text(total)}
        yield DAY_CAP, line("gate-cap-day", variable=caps.day_variable, **amounts)
    if latch is not None:
        since = time_text(latch.since)[:16]
        yield LATCH, line("gate-latched", provider=provider.name, error_code=latch.error_code, since=since)


def _price(quotes: Sequence[Quote], max_usd: float | None, unpriced: UnknownModel | NoPrice | None) -> Shut:
    if isinstance(unpriced, NoPrice):
        yield PRICE, line("gate-no-price", model=unpriced.model, what=unpriced.what)
    elif unpriced is not None:
        yield PRICE, line("gate-unknown-model", model=unpriced.model, choices=unpriced.choices)
    if max_usd is None or not quotes:
        return
    most = max(quote.usd for quote in quotes)
    limit = Decimal(str(max_usd))
    if not (limit.is_finite() and limit >= most):
        yield MAX_USD, line("gate-max-usd", max_usd=str(max_usd), quote=usd_text(most))


def _journal_line(error: JournalUnusable) -> Line:
    return line("gate-journal", path=error.path, reason=error.reason)
