"""What the browser asks about paid shots, on the real server; the service that is paid is the local one."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from dev.client import ComfyClient
from dev.fake_seedance import FakeSeedance
from dev.fake_seedance_process import TEST_KEY, wiring
from dev.server import ComfyServer
from storymotion.cost import CostSettings
from storymotion.errors import AmbiguousSend, BillingRefused
from storymotion.forecast import Work
from storymotion.paid.gate import GATES
from storymotion.paid.journal_csv import export_csv
from storymotion.paid.journal_row import Row, State
from storymotion.paid.money import usd_text
from storymotion.paid.provider import SEEDANCE
from storymotion.paid.seedance.desk import Desk, Patience
from storymotion.paid.seedance.request import SeedanceRequest
from storymotion.paid.seedance.run import gate, quote, run_shot, unfinished
from storymotion.report import speak
from storymotion.timings import USER_TIMINGS, Timings

pytestmark = pytest.mark.comfy
FAST, V2_5 = "seedance-1-0-pro-fast-251015", "dreamina-seedance-2-5-260628"
# The cheapest shot there is.
SMALL: dict[str, Any] = {"model": FAST, "resolution": "480p", "duration": 2}
SMALL_USD = 0.019845
CHANGING = ["paid/latch/clear", "paid/collect", "paid/adopt", "paid/release"]


class Stopped(Exception):
    """The user closed ComfyUI."""


@dataclass
class Browser:
    """Asks as the extension's page does."""

    server: ComfyServer
    seen: list[str]

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return self._read(requests.get(self._url(path), query, timeout=60), status)

    def post(self, path: str, status: int = 200, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        own = {"Origin": self.server.address, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
        sent = {name: value for name, value in (own | dict(headers or {})).items() if value}
        content = body if isinstance(body, (str, bytes)) else json.dumps(body or {})
        return self._read(requests.post(self._url(path), content, headers=sent, timeout=60), status)

    def collected(self) -> dict[str, Any]:
        """The collection when it has ended."""
        while (state := self.get("paid/collect"))["running"]:
            time.sleep(0.05)
        return state

    def _url(self, path: str) -> str:
        return f"{self.server.address}/storymotion/{path}"

    def _read(self, answer: requests.Response, status: int) -> Any:
        self.seen.append(f"{answer.headers}\n{answer.text}")
        assert answer.status_code == status, answer.text
        if not answer.content:
            return None
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.json()


@pytest.fixture
def browser(comfy_server: ComfyServer) -> Iterator[Browser]:
    browser = Browser(comfy_server, [])
    yield browser
    # Whatever was asked, the key was in no answer and is not in the log.
    assert browser.seen and TEST_KEY not in "".join(browser.seen) + comfy_server.log_text()


@pytest.fixture
def desk(comfy_server: ComfyServer, fake_seedance: FakeSeedance) -> Desk:
    """The server's own journal, from this process."""
    return Desk(comfy_server.data / "user", environ=wiring(fake_seedance.base_url, comfy_server.data))


def left_unfinished(desk: Desk, prompt: str, **changes: Any) -> str:
    """Send a shot and lose interest before the first look at it; its task."""

    def stop_at_the_first_look(done: int, total: int, what: str) -> None:
        if what.startswith("Seedance: "):
            raise Stopped

    stopping = Desk(desk.user_folder, environ=desk.environ, progress=stop_at_the_first_look)
    request = SeedanceRequest(prompt=prompt, **{**SMALL, **changes})
    with pytest.raises(Stopped):
        run_shot(request, stopping, 1.0, "a run")
    return next(row.task_id or "" for row in desk.journal.rows() if row.prompt_start == prompt)


def left_in_doubt(desk: Desk, service: FakeSeedance, prompt: str, made: bool, **changes: Any) -> Row:
    """Send a shot whose answer is lost; ``made``: the service has made it all the same."""
    service.faults.add("reset", on="create", processed=made)
    service.faults.add("reset", on="list", times=0)
    ambiguous = Desk(desk.user_folder, environ=desk.environ, patience=Patience(reconcile=0))
    try:
        with pytest.raises(AmbiguousSend):
            run_shot(SeedanceRequest(prompt=prompt, **{**SMALL, **changes}), ambiguous, 1.0, "a run")
    finally:
        service.faults.clear()
    return next(row for row in unfinished(desk) if row.prompt_start == prompt)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"model": FAST, "resolution": "1080p", "ratio": "21:9", "duration": 12, "service_tier": "flex"},
        {"model": FAST, "ratio": "adaptive", "first_frame": 1},
        {"model": V2_5, "resolution": "1080p", "duration": -1},
    ],
)
def test_a_quote_is_the_one_of_the_library(browser: Browser, desk: Desk, asked: dict[str, Any]) -> None:
    told = browser.get("paid/quote", **asked)
    request: dict[str, Any] = {"model": FAST, "prompt": "", **asked}
    if "first_frame" in asked:
        request["first_frame"] = b""
    price = quote(SeedanceRequest(**request), desk)
    assert (told["usd"], told["krw"], told["tokens"]) == (float(price.usd), float(price.krw), price.tokens)
    assert (told["krw_per_8s"], told["over_target"]) == (float(price.krw_per_8s), price.over_target)
    assert told["usd_per_8s_text"] == usd_text(price.usd * 8 / price.seconds)
    assert (told["source"], told["date"], told["what"]) == (price.source, price.date, price.what)
    assert [each["en"] for each in told["report"]] == [each.speak() for each in price.lines()]
    assert [(way["what"], way["usd"], way["krw_per_8s"]) for way in told["cheaper"]] == [
        (way.what, float(way.usd), float(way.krw_per_8s)) for way in price.alternatives
    ]
    assert told["cheaper"] and told["usd_text"] in told["report"][0]["ko"]


def test_a_quote_counts_and_speaks_as_the_user_has_set(browser: Browser, comfy_client: ComfyClient) -> None:
    settings = {"StoryMotion.KrwPerUsd": 1000, "StoryMotion.TargetKrwPer8s": 9999, "Comfy.Locale": "ko"}
    comfy_client.post("/settings", settings)
    try:
        told = browser.get("paid/quote", **SMALL)
    finally:
        defaults = CostSettings()
        money = {
            "StoryMotion.KrwPerUsd": defaults.krw_per_usd,
            "StoryMotion.TargetKrwPer8s": defaults.target_krw_per_8s,
        }
        comfy_client.post("/settings", money | {"Comfy.Locale": "en"})
    assert (told["usd"], told["krw"], told["over_target"]) == (SMALL_USD, 19.845, False)
    sentence = told["report"][0]
    assert sentence["text"] == f"{sentence['en']} / {sentence['ko']}" and "\uc6d0" in sentence["ko"]
    assert browser.get("paid/quote", **SMALL)["report"][0]["text"] == sentence["en"].replace(
        "20 KRW at 1000", "29 KRW at 1450"
    )


def test_what_this_machine_could_do_for_less_is_told(browser: Browser, comfy_client: ComfyClient) -> None:
    timings = Timings(browser.server.data / "user" / USER_TIMINGS)
    before = timings.path.read_bytes() if timings.path.exists() else None
    timings.record(Work("distilled", "bf16", "a GPU of this test", 896, 512, 49, 8), 36.0)
    comfy_client.post("/settings", {"StoryMotion.GpuUsdPerHour": 1})
    try:
        told = browser.get("paid/quote", **SMALL, ratio="16:9")
    finally:
        comfy_client.post("/settings", {"StoryMotion.GpuUsdPerHour": 0})
        timings.path.unlink() if before is None else timings.path.write_bytes(before)
    (here,) = [way for way in told["cheaper"] if way["what"] == "LTX-2 distilled, a GPU of this test"]
    assert here["usd"] == pytest.approx(36 / 3600) and here["krw_per_8s"] == pytest.approx(58)


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({"duration": "five"}, "not-a-number", "'five'"),
        ({"duration": "2.5"}, "not-a-number", "'2.5'"),
        ({"duration": "nan"}, "not-a-number", "'nan'"),
        ({"duration": "1e400"}, "not-a-number", "'1e400'"),
        ({"duration": "600"}, "seedance-cannot", "600"),
        ({"resolution": "<b>"}, "seedance-cannot", "<b>"),
        ({"ratio": "adaptive"}, "seedance-cannot", "adaptive"),
        ({"last_frame": "1"}, "seedance-first-frame-missing", "first_frame"),
        ({"model": "model-of-tomorrow"}, "unknown-paid-model", "model-of-tomorrow"),
    ],
)
def test_what_cannot_be_quoted_is_said_in_both_languages(
    browser: Browser, asked: dict[str, str], code: str, said: str
) -> None:
    error = browser.get("paid/quote", 422, **asked)["error"]
    assert (error["code"], error["text"]) == (code, error["en"])
    assert said in error["en"] and said in error["ko"] and error["en"] not in error["ko"]


def test_the_gate_says_what_is_open_and_how_to_open_the_rest(browser: Browser, desk: Desk) -> None:
    told = browser.get("paid/gate")
    assert (told["open"], told["latch"], told["provider"]) == (True, None, SEEDANCE.name)
    of_accounts = set(GATES) - {"price", "max-usd"}
    assert {each["name"]: (each["open"], each["why"]) for each in told["gates"]} == dict.fromkeys(
        of_accounts, (True, [])
    )
    assert len(told["facts"]) == 8

    told = browser.get("paid/gate", **SMALL, max_usd=0)
    shut = [each for each in told["gates"] if not each["open"]]
    assert (told["open"], [each["name"] for each in shut]) == (False, ["max-usd"])
    expected = gate([SeedanceRequest(prompt="", **SMALL)], desk, 0.0)
    assert [each["en"] for each in shut[0]["why"]] == [speak(expected.shut)]
    assert [each["en"] for each in told["quote"]] == [each.speak() for each in expected.quote]
    assert len(told["gates"]) == len(GATES) and all(each["title"]["ko"] for each in told["gates"])

    told = browser.get("paid/gate", model="model-of-tomorrow", max_usd=1)
    assert [each["name"] for each in told["gates"] if not each["open"]] == ["price"]
    assert browser.get("paid/gate", 422, **SMALL, max_usd="a lot")["error"]["code"] == "not-a-number"


def test_a_latch_is_told_and_only_the_user_clears_it(browser: Browser, desk: Desk, fake_seedance: FakeSeedance) -> None:
    assert browser.post("paid/latch/clear") == {"cleared": False}
    fault = fake_seedance.faults.add("error", on="create", status=403, code="AccountOverdueError", message="Pay first.")
    with pytest.raises(BillingRefused):
        run_shot(SeedanceRequest(prompt="A boat, latched.", **SMALL), desk, 1.0, "a run")
    assert fault.applied == 1
    told = browser.get("paid/gate")
    latched = [each["name"] for each in told["gates"] if not each["open"]]
    assert (latched, told["open"], told["latch"]["error_code"]) == (["latch"], False, "AccountOverdueError")
    for headers in ({"Sec-Fetch-Site": "same-site"}, {"Content-Type": "text/plain"}):
        assert "error" in browser.post("paid/latch/clear", 403 if "Sec-Fetch-Site" in headers else 415, headers=headers)
    assert browser.get("paid/gate")["latch"] == told["latch"]
    assert browser.post("paid/latch/clear") == {"cleared": True}
    assert browser.get("paid/gate")["open"] is True


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        # Without the header that only browsers set, and not for every address: this decides.
        {"Sec-Fetch-Site": "", "Origin": "null"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example", "Host": "192.0.2.7:8188"},
        {"Sec-Fetch-Site": "", "Origin": "http://192.0.2.7:9999", "Host": "192.0.2.7:8188"},
        {"Sec-Fetch-Site": "", "Origin": "http://192.0.2.77:8188", "Host": "192.0.2.7:8188"},
    ],
)
def test_other_pages_change_nothing(
    browser: Browser, fake_seedance: FakeSeedance, path: str, headers: dict[str, str]
) -> None:
    before, asked = browser.get("paid/collect")["number"], len(fake_seedance.requests())
    refusal = browser.post(path, 403, headers=headers)
    if refusal is None:  # a newer ComfyUI refuses what says "cross-site" itself, without a word
        assert headers == {"Sec-Fetch-Site": "cross-site"}
    else:
        error = refusal["error"]
        assert error["code"] == "cross-origin-request" and headers.get("Origin", browser.server.address) in error["ko"]
    assert (browser.get("paid/collect")["number"], len(fake_seedance.requests())) == (before, asked)


@pytest.mark.parametrize("path", CHANGING)
def test_a_change_has_to_be_json(browser: Browser, path: str) -> None:
    form = "application/x-www-form-urlencoded"
    before = browser.get("paid/collect")["number"]
    for kind in ("text/plain", form, "multipart/form-data; boundary=x", ""):
        assert browser.post(path, 415, headers={"Content-Type": kind})["error"]["code"] == "request-not-json"
    for body in (b"", "{", "[]", "1", '"x"', "[" * 100_000, b"\xff", "1" * 5000):
        body = body or b" "
        assert browser.post(path, 415, body=body)["error"]["code"] == "request-not-json", body[:9]
    assert browser.get("paid/collect")["number"] == before


def test_a_link_or_a_picture_on_a_page_changes_nothing(browser: Browser) -> None:
    assert requests.get(f"{browser.server.address}/storymotion/paid/latch/clear", timeout=60).status_code == 404
    assert browser.get("paid/collect", task_id="all")["running"] is False


def test_a_script_and_a_page_of_another_address_of_the_server_may_ask(browser: Browser) -> None:
    assert browser.post("paid/latch/clear", headers={"Origin": "", "Sec-Fetch-Site": ""}) == {"cleared": False}
    lan = {"Origin": "http://192.0.2.7:8188", "Host": "192.0.2.7:8188", "Sec-Fetch-Site": ""}
    assert browser.post("paid/latch/clear", headers=lan) == {"cleared": False}


def test_what_was_sent_and_not_fetched_is_listed_collected_and_counted(
    browser: Browser, desk: Desk, fake_seedance: FakeSeedance
) -> None:
    charged = len(fake_seedance.charges())
    spent = browser.get("paid/spend")
    first, second = left_unfinished(desk, "A kite."), left_unfinished(desk, "A kite, longer.", duration=3)
    tasks = {each["task_id"]: each for each in browser.get("paid/tasks")["tasks"]}
    assert list(tasks)[-2:] == [first, second]
    kite = tasks[first]
    assert (kite["state"], kite["duration"], kite["resolution"], kite["prompt_start"]) == (
        "submitted",
        2,
        "480p",
        "A kite.",
    )
    assert (kite["quoted"]["usd"], kite["settled"]) == (SMALL_USD, None)
    reserved = browser.get("paid/spend")
    more = tasks[first]["quoted"]["usd"] + tasks[second]["quoted"]["usd"]
    assert reserved["reserved"]["usd"] == pytest.approx(spent["reserved"]["usd"] + more)
    assert reserved["left"]["usd"] == pytest.approx(spent["left"]["usd"] - more)
    assert (reserved["day_cap"]["usd"], reserved["run_cap"]["usd"], reserved["time_zone"]) == (1000, 100, "Asia/Seoul")
    assert reserved["time_zone_from"] == "default" and Path(reserved["billing_file"]) == desk.home / "billing.json"

    # One of them, then all.
    begun = browser.post("paid/collect", body={"task_id": f" {first} "})
    assert (begun["started"], begun["task_id"]) == (True, first)
    (result,) = browser.collected()["results"]
    assert (result["task_id"], result["state"], result["error"]) == (first, "downloaded", None)
    assert Path(result["file"]).stat().st_size > 1000 and first in result["receipt"][0]["en"]
    assert second in {each["task_id"] for each in browser.get("paid/tasks")["tasks"]}
    assert browser.post("paid/collect")["started"]
    assert second in {each["task_id"] for each in browser.collected()["results"]}
    assert not {first, second} & {each["task_id"] for each in browser.get("paid/tasks")["tasks"]}
    assert len(fake_seedance.charges()) == charged + 2
    caps = gate([], desk).require().caps
    journal = desk.journal.spend(SEEDANCE.id, caps.day_start)
    told = browser.get("paid/spend")
    assert (told["settled"]["usd"], told["reserved"]["usd"]) == (float(journal.settled), float(journal.reserved))
    assert told["settled"]["usd"] == pytest.approx(spent["settled"]["usd"] + more)


def test_a_collection_runs_beside_the_server_and_only_one_at_a_time(
    browser: Browser, desk: Desk, fake_seedance: FakeSeedance
) -> None:
    task = left_unfinished(desk, "A slow download.")
    held = fake_seedance.faults.add("stall", on="download", fraction=0.5)
    socket = websocket.create_connection(f"ws{browser.server.address.removeprefix('http')}/ws", timeout=30)
    try:
        begun = browser.post("paid/collect", body={"task_id": task})
        fake_seedance.wait_for("download", len(fake_seedance.requests("download")) or 1, processed=False)
        while not held.applied:
            time.sleep(0.02)
        again = browser.post("paid/collect")
        assert (begun["started"], again["started"], again["number"]) == (True, False, begun["number"])
        assert browser.get("paid/collect")["running"] and browser.get("paid/tasks")["tasks"]
        fake_seedance.release()
        state = browser.collected()
        assert [each["error"] for each in state["results"]] == [None]
        while True:
            message = socket.recv()
            event = json.loads(message) if isinstance(message, str) else {}
            if event.get("type") == "storymotion.paid.collect" and not event["data"]["running"]:
                break
        assert event["data"] == state
    finally:
        socket.close()


def test_a_shot_whose_answer_was_lost_is_decided_by_the_user(
    browser: Browser, desk: Desk, fake_seedance: FakeSeedance
) -> None:
    row = left_in_doubt(desk, fake_seedance, "A lost answer, made.", made=True)
    task = fake_seedance.tasks()[-1]["id"]
    charged, sent = len(fake_seedance.charges()), len(fake_seedance.requests("create"))
    known = left_unfinished(desk, "A task of its own.")
    (told,) = [each for each in browser.get("paid/tasks")["tasks"] if each["row"] == row.id]
    assert (told["state"], told["task_id"]) == ("unknown", None)

    # Whose it is not stays whose it is.
    browser.post("paid/adopt", body={"row": row.id, "task_id": known})
    assert browser.collected()["error"]["code"] == "task-taken"
    browser.post("paid/adopt", body={"row": row.id, "task_id": "cgt-20990101000000-none"})
    assert browser.collected()["error"]["code"] == "request-refused"
    assert browser.post("paid/adopt", 422, body={"row": row.id, "task_id": " "})["error"]["code"] == "request-refused"
    assert desk.journal.get(row.id).state is State.UNKNOWN

    begun = browser.post("paid/adopt", body={"row": row.id, "task_id": f" {task} "})
    assert (begun["started"], begun["task_id"]) == (True, task)
    (result,) = browser.collected()["results"]
    assert (result["row"], result["state"], result["task_id"]) == (row.id, "downloaded", task)
    assert desk.journal.get(row.id).settled == row.quoted
    error = browser.post("paid/adopt", 422, body={"row": row.id, "task_id": task})["error"]
    assert error["code"] == "shot-not-in-doubt" and "downloaded" in error["ko"]
    browser.post("paid/collect", body={"task_id": known})
    assert browser.collected()["results"][0]["error"] is None
    assert len(fake_seedance.charges()) == charged + 1 and len(fake_seedance.requests("create")) == sent + 1


def test_what_was_never_made_is_released_and_nothing_else(
    browser: Browser, desk: Desk, fake_seedance: FakeSeedance
) -> None:
    row = left_in_doubt(desk, fake_seedance, "A lost answer, never made.", made=False)
    running = left_unfinished(desk, "One that is made.")
    others = {each.id: each.state for each in desk.journal.rows()}
    reserved = browser.get("paid/spend")["reserved"]["usd"]
    submitted = desk.journal.by_task(running)
    assert submitted is not None
    for number in (submitted.id, 10**6, 10**19, -1, 0):
        assert browser.post("paid/release", 422, body={"row": number})["error"]["code"] == "shot-not-in-doubt"
    for number in ("all", None, 1.5, [row.id], {}):
        assert browser.post("paid/release", 422, body={"row": number})["error"]["code"] == "not-a-number"
    assert browser.post("paid/release", 422)["error"]["code"] == "shot-not-in-doubt"
    assert {each.id: each.state for each in desk.journal.rows()} == others
    assert browser.post("paid/release", body={"row": row.id}) == {"row": row.id, "state": "released"}
    assert browser.post("paid/release", 422, body={"row": row.id})["error"]["code"] == "shot-not-in-doubt"
    assert browser.get("paid/spend")["reserved"]["usd"] == pytest.approx(reserved - SMALL_USD)
    assert row.id not in {each["row"] for each in browser.get("paid/tasks")["tasks"]}
    browser.post("paid/collect")
    browser.collected()
    # Free to be sent again, once.
    assert run_shot(SeedanceRequest(prompt="A lost answer, never made.", **SMALL), desk, 1.0, "x").row.attempt == 2


def test_the_journal_is_had_as_the_file_that_the_library_writes(browser: Browser, desk: Desk, tmp_path: Path) -> None:
    left_unfinished(desk, "=SUM(A1), in the journal")
    told = browser.get("paid/journal")
    export_csv(desk.journal.rows(), tmp_path / "journal.csv")
    assert told["csv"] == (tmp_path / "journal.csv").read_bytes().decode("utf-8-sig")
    assert "'=SUM(A1), in the journal" in told["csv"] and told["rows"] == len(desk.journal.rows())
    assert re.fullmatch(r"storymotion_paid_\d{4}-\d\d-\d\d\.csv", told["file"])
    browser.post("paid/collect")
    browser.collected()


def test_a_locked_journal_holds_up_nobody_else(browser: Browser, desk: Desk, comfy_client: ComfyClient) -> None:
    left_unfinished(desk, "So that there is a journal.")
    lock = sqlite3.connect(desk.journal.path, isolation_level=None)
    with ThreadPoolExecutor(8) as pages:
        lock.execute("BEGIN IMMEDIATE")
        try:
            asked = [pages.submit(browser.get, path) for path in ("paid/tasks", "paid/spend", "paid/gate") * 3]
            for _ in range(5):
                assert comfy_client.get("/system_stats")
                time.sleep(0.02)
            assert not any(each.done() for each in asked)
        finally:
            lock.execute("ROLLBACK")
            lock.close()
        assert all(each.result(timeout=60) for each in asked)
    browser.post("paid/collect")
    assert all(each["error"] is None for each in browser.collected()["results"])


def test_what_cannot_be_collected_says_why(browser: Browser, fake_seedance: FakeSeedance) -> None:
    browser.post("paid/collect", body={"task_id": "cgt-20990101000000-none"})
    state = browser.collected()
    assert state["results"] == [] and state["error"]["code"] == "request-refused"
    assert "cgt-20990101000000-none" in state["error"]["ko"]
    fake_seedance.refuse_connections()
    try:
        browser.post("paid/collect", body={"task_id": "cgt-20990101000000-none"})
        assert browser.collected()["error"]["code"] == "provider-unavailable"
    finally:
        fake_seedance.accept_connections()
