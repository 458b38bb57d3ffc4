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
    """``shut``: each shut gate and how to open it; ``quote``: the price in words; ``facts``: the checklist."""

    provider: Provider
    shut: tuple[Line, ...]
    quote: tuple[Line, ...]
    facts: tuple[Line, ...]
    notes: tuple[Line, ...]
    clearance: Clearance | None

    def require(self) -> Clearance:
        """What a sender needs. Raises GateShut, which says all of it."""
        if self.clearance is None:
            raise GateShut(self.provider.name, self.shut, self.quote, self.facts)
        return self.clearance


def open_journal(user_folder: Path, environ: Mapping[str, str] = os.environ) -> Journal:
    """The journal of ComfyUI's ``user_folder``. Raises JournalUnusable where STORYMOTION_HOME is wrong."""
    return Journal(paid_home(user_folder, environ) / JOURNAL_FILE)


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
    shut: list[Line] = [*_enabled(provider, environ)]
    notes: list[Line] = []
    journal = caps = None
    try:
        home = paid_home(user_folder, environ)
    except JournalUnusable as error:
        shut += _terms(provider, environ, now.date())
        shut.append(_journal_line(error))
    else:
        billing = read_billing(provider, home, environ)
        caps = billing.caps(provider, now)
        journal = Journal(home / JOURNAL_FILE)
        shut += _terms(provider, environ, now.astimezone(billing.zone).date())
        shut += _caps(provider, billing, home / SETTINGS_FILE, quotes)
        (shut if 0 in (caps.run, caps.day) else notes).extend(billing.notes)
        shut += _spent(provider, journal, caps, quotes)
    shut += _price(quotes, max_usd, unpriced)
    key = address = None
    try:
        key, about_key = load_key(provider, environ)
        notes += about_key
        address = find_address(provider, key, environ)
    except KeyMissing as error:
        shut.append(line("gate-key-missing", variable=error.variable, file_variable=error.file_variable))
    except KeyUnusable as error:
        shut += error.reasons
    told = quote_lines(quotes)
    facts = read_checklist(provider.id).lines(provider.name)
    clearance = None
    if not shut and key is not None and address is not None and caps is not None and journal is not None:
        clearance = Clearance(provider, tuple(quotes), key, address, caps, journal, tuple(notes))
    return GateState(provider, tuple(shut), told, facts, tuple(notes), clearance)


def _enabled(provider: Provider, environ: Mapping[str, str]) -> Iterator[Line]:
    if environ.get(provider.enabled_variable) not in OPENING:
        yield line("gate-disabled", variable=provider.enabled_variable)


def _terms(provider: Provider, environ: Mapping[str, str], today: date) -> Iterator[Line]:
    variable, value = provider.terms_variable, environ.get(provider.terms_variable, "").strip()
    checklist = read_checklist(provider.id).date
    if not value:
        yield line("gate-terms-none", variable=variable, today=today.isoformat())
        return
    read = _date(value)
    # One day more, because the operator's day may have begun already.
    if read is None or read > today + timedelta(days=1):
        yield line("gate-terms-unusable", variable=variable, value=repr(value[:40]), today=today.isoformat())
    elif read < checklist:
        yield line("gate-terms-old", variable=variable, value=value, date=checklist.isoformat())


def _date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found.isoformat() == text else None


def _caps(provider: Provider, billing: Billing, file: Path, quotes: Sequence[Quote]) -> Iterator[Line]:
    total = sum((quote.usd for quote in quotes), Decimal(0))
    if billing.run_cap == 0:
        yield line("gate-cap-none", variable=provider.run_cap_variable, path=str(file))
    elif total > billing.run_cap:
        cap = format(billing.run_cap, "f")
        yield line(
            "gate-cap-run", variable=provider.run_cap_variable, cap=cap, shots=len(quotes), quote=usd_text(total)
        )
    if billing.day_cap == 0:
        yield line("gate-cap-none", variable=provider.day_cap_variable, path=str(file))


def _spent(provider: Provider, journal: Journal, caps: Caps, quotes: Sequence[Quote]) -> Iterator[Line]:
    """What the journal knows; one that does not exist yet is not made for a look."""
    if not journal.path.exists():
        spent, latch = Decimal(0), None
    else:
        try:
            spent, latch = journal.spend(provider.id, caps.day_start).total, journal.latched(provider.id)
        except JournalUnusable as error:
            yield _journal_line(error)
            return
    total = sum((quote.usd for quote in quotes), Decimal(0))
    if caps.day and spent + total > caps.day:
        amounts = {"cap": format(caps.day, "f"), "spent": usd_text(spent), "quote": usd_text(total)}
        yield line("gate-cap-day", variable=caps.day_variable, **amounts)
    if latch is not None:
        since = time_text(latch.since)[:16]
        yield line("gate-latched", provider=provider.name, error_code=latch.error_code, since=since)


def _price(quotes: Sequence[Quote], max_usd: float | None, unpriced: UnknownModel | NoPrice | None) -> Iterator[Line]:
    if isinstance(unpriced, NoPrice):
        yield line("gate-no-price", model=unpriced.model, what=unpriced.what)
    elif unpriced is not None:
        yield line("gate-unknown-model", model=unpriced.model, choices=unpriced.choices)
    if max_usd is None or not quotes:
        return
    most = max(quote.usd for quote in quotes)
    limit = Decimal(str(max_usd))
    if not (limit.is_finite() and limit >= most):
        yield line("gate-max-usd", max_usd=str(max_usd), quote=usd_text(most))


def _journal_line(error: JournalUnusable) -> Line:
    return line("gate-journal", path=error.path, reason=error.reason)
