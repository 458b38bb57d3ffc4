"""Paid shots for the browser: what a shot would cost, which gates are shut, what was spent and what is still out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...storymotion.cost import TARGET_SECONDS
from ...storymotion.errors import JournalUnusable
from ...storymotion.paid.billing import SETTINGS_FILE, ZONE_VARIABLE, read_billing
from ...storymotion.paid.gate import GateState
from ...storymotion.paid.journal import Latch, Spend
from ...storymotion.paid.journal_csv import csv_text
from ...storymotion.paid.journal_row import Row
from ...storymotion.paid.money import Way, krw_text, usd_text
from ...storymotion.paid.provider import SEEDANCE
from ...storymotion.paid.seedance.desk import Desk
from ...storymotion.paid.seedance.request import SeedanceRequest
from ...storymotion.paid.seedance.run import gate, quote, release, unfinished
from ...storymotion.report import Line, line
from ..paid_desk import open_desk
from .json_route import JsonRoute, said, said_all
from .paid_collect import Collecting
from .values import number_of, text_of, whole_of

# As the nodes have them.
DEFAULT_RESOLUTION, DEFAULT_RATIO, DEFAULT_DURATION, DEFAULT_TIER = "720p", "16:9", 5, "default"
NOTHING = Spend(Decimal(0), Decimal(0))
# Of a journal's request, what tells two shots apart; the rest are hashes and switches.
TOLD_OF_A_REQUEST = ("resolution", "ratio", "duration", "service_tier")


def paid_routes(collecting: Collecting) -> list[JsonRoute]:
    """All of them. Nothing here sends a shot; fetching what is paid needs the key and pays nothing."""
    return [
        JsonRoute("GET", "paid/gate", gate_state),
        JsonRoute("GET", "paid/quote", shot_quote),
        JsonRoute("GET", "paid/spend", spend_today),
        JsonRoute("GET", "paid/tasks", unfinished_tasks),
        JsonRoute("POST", "paid/latch/clear", clear_latch),
        JsonRoute("POST", "paid/collect", lambda values: collecting.start(str(values.get("task_id") or ""))),
        JsonRoute("POST", "paid/adopt", lambda values: collecting.adopt(_row_of(values), text_of(values, "task_id"))),
        JsonRoute("POST", "paid/release", release_shot),
        JsonRoute("GET", "paid/journal", journal_table),
        JsonRoute("GET", "paid/collect", lambda values: collecting.state()),
    ]


def gate_state(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every gate, open or shut, with how to open it; with ``model`` (and ``max_usd``) those of that one shot too.

    Raises what ``shot_quote`` raises, except for a model or a price that is not known, which are gates.
    """
    desk = open_desk()
    requests = [_request(values, desk)] if "model" in values else []
    max_usd = number_of(values, "max_usd", 0.05) if "max_usd" in values else None
    state = gate(requests, desk, max_usd)
    names = _gate_names()
    return {
        "provider": SEEDANCE.name,
        "open": state.clearance is not None,
        "gates": [
            {"name": name, "title": said(names[name]), "open": not why, "why": said_all(why)}
            for name, why in state.gates.items()
        ],
        "latch": _latch(desk, state),
        "quote": said_all(state.quote),
        "facts": said_all(state.facts),
        "notes": said_all(state.notes),
    }


def shot_quote(values: Mapping[str, Any]) -> dict[str, Any]:
    """The quote of StoryMotionSeedanceQuote for the same inputs, and every cheaper way.

    ``first_frame`` and ``last_frame``: "1" where a picture is connected. Raises NotANumber, UnknownModel,
    SeedanceModelRetired, NoPrice, SeedanceCannot, SeedanceFirstFrameMissing.
    """
    desk = open_desk()
    price = quote(_request(values, desk), desk)
    rate = desk.settings.krw_per_usd
    return {
        "model": price.model,
        "what": price.what,
        **_money(price.usd, rate),
        "krw_per_usd": rate,
        "tokens": price.tokens,
        "usd_per_million": float(price.usd_per_million),
        "source": price.source,
        "date": price.date,
        "seconds": float(price.seconds),
        "krw_per_8s": float(price.krw_per_8s),
        "krw_per_8s_text": krw_text(price.krw_per_8s),
        "usd_per_8s_text": usd_text(price.usd * TARGET_SECONDS / price.seconds),
        "target_krw_per_8s": desk.settings.target_krw_per_8s,
        "over_target": price.over_target,
        "report": said_all([*desk.catalogue_notes, *price.lines()]),
        "cheaper": [_cheaper(way, rate) for way in price.alternatives],
    }


def spend_today(values: Mapping[str, Any]) -> dict[str, Any]:
    """What of the caps is used. Raises JournalUnusable."""
    desk = open_desk()
    billing = read_billing(SEEDANCE, desk.home, desk.environ)
    caps = billing.caps(SEEDANCE, desk.clock())
    spent = desk.journal.spend(SEEDANCE.id, caps.day_start) if desk.journal.path.exists() else NOTHING
    amounts = {
        "settled": spent.settled,
        "reserved": spent.reserved,
        "spent": spent.total,
        "day_cap": caps.day,
        "left": max(caps.day - spent.total, Decimal(0)),
        "run_cap": caps.run,
    }
    rate = desk.settings.krw_per_usd
    return {
        "day_began": caps.day_start.isoformat(),
        "day": caps.day_start.astimezone(billing.zone).date().isoformat(),
        "time_zone": str(billing.zone),
        "time_zone_from": billing.zone_from,
        "time_zone_variable": ZONE_VARIABLE,
        "billing_file": str(desk.home / SETTINGS_FILE),
        "krw_per_usd": rate,
        **{name: _money(usd, rate) for name, usd in amounts.items()},
        "notes": said_all(billing.notes),
    }


def unfinished_tasks(values: Mapping[str, Any]) -> dict[str, Any]:
    """Shots that were sent and whose video is not here, the oldest first. Raises JournalUnusable."""
    desk = open_desk()
    rate = desk.settings.krw_per_usd
    return {"tasks": [_task(row, rate) for row in unfinished(desk)]}


def clear_latch(values: Mapping[str, Any]) -> dict[str, Any]:
    """The user has looked into the account: shots are sent again if every other gate is open.

    Raises JournalUnusable.
    """
    journal = open_desk().journal
    was = journal.latched(SEEDANCE.id) if journal.path.exists() else None
    if was is not None:
        journal.clear_latch(SEEDANCE.id)
    return {"cleared": was is not None}


def release_shot(values: Mapping[str, Any]) -> dict[str, Any]:
    """The user has seen that a shot whose answer was lost was never made: it costs nothing and may be sent again.

    ``row``: its number. Raises NotANumber, ShotNotInDoubt, JournalUnusable.
    """
    row = release(open_desk(), _row_of(values))
    return {"row": row.id, "state": row.state.value}


def journal_table(values: Mapping[str, Any]) -> dict[str, Any]:
    """The journal as a CSV file for a spreadsheet, and what to call it. Raises JournalUnusable."""
    desk = open_desk()
    rows = desk.journal.rows() if desk.journal.path.exists() else ()
    return {"file": f"storymotion_paid_{desk.clock():%Y-%m-%d}.csv", "rows": len(rows), "csv": csv_text(rows)}


def _row_of(values: Mapping[str, Any]) -> int:
    return whole_of(values, "row", 0)


def _request(values: Mapping[str, Any], desk: Desk) -> SeedanceRequest:
    """As the nodes make it of their inputs. The pictures' own bytes do not matter to a price. Raises NotANumber."""
    return SeedanceRequest(
        str(values.get("model") or desk.catalogue.offered()[0]),
        "",
        str(values.get("resolution", DEFAULT_RESOLUTION)),
        str(values.get("ratio", DEFAULT_RATIO)),
        whole_of(values, "duration", DEFAULT_DURATION),
        service_tier=str(values.get("service_tier", DEFAULT_TIER)),
        first_frame=b"" if values.get("first_frame") == "1" else None,
        last_frame=b"" if values.get("last_frame") == "1" else None,
    )


def _gate_names() -> dict[str, Line]:
    return {
        "enabled": line("gate-name-enabled", variable=SEEDANCE.enabled_variable),
        "terms": line("gate-name-terms", variable=SEEDANCE.terms_variable),
        "run-cap": line("gate-name-run-cap", variable=SEEDANCE.run_cap_variable),
        "day-cap": line("gate-name-day-cap", variable=SEEDANCE.day_cap_variable),
        "journal": line("gate-name-journal"),
        "latch": line("gate-name-latch"),
        "price": line("gate-name-price"),
        "max-usd": line("gate-name-max-usd"),
        "key": line("gate-name-key", variable=SEEDANCE.key_variable, file_variable=SEEDANCE.key_file_variable),
    }


def _latch(desk: Desk, state: GateState) -> dict[str, Any] | None:
    if not state.gates.get("latch"):
        return None
    try:
        latch: Latch | None = desk.journal.latched(SEEDANCE.id)
    except JournalUnusable:
        return None
    if latch is None:
        return None
    return {"error_code": latch.error_code, "message": latch.error_message, "since": latch.since.isoformat()}


def _task(row: Row, krw_per_usd: float) -> dict[str, Any]:
    return {
        "row": row.id,
        "task_id": row.task_id,
        "state": row.state.value,
        "model": row.model,
        "take": row.take,
        **{name: row.request.get(name) for name in TOLD_OF_A_REQUEST},
        "prompt_start": row.prompt_start,
        "sent": row.reserved_at.isoformat(),
        "quoted": _money(row.quoted, krw_per_usd),
        "settled": None if row.settled is None else _money(row.settled, krw_per_usd),
    }


def _cheaper(way: Way, krw_per_usd: float) -> dict[str, Any]:
    per_8s = {"krw_per_8s": float(way.krw_per_8s), "krw_per_8s_text": krw_text(way.krw_per_8s)}
    return {"what": way.what, **_money(way.usd, krw_per_usd), **per_8s}


def _money(usd: Decimal, krw_per_usd: float) -> dict[str, Any]:
    """Both currencies, as numbers and as reports write them."""
    krw = usd * Decimal(str(krw_per_usd))
    return {"usd": float(usd), "usd_text": usd_text(usd), "krw": float(krw), "krw_text": krw_text(krw)}
