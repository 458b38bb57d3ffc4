"""Every fault of the local server: at most one charge for a request and take, and the video in hand or a row that can
be taken up again. Faults 16 and 17 are in test_seedance_crashes.py, 18 to 20 in test_seedance_shot.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from dev.fake_seedance import FakeSeedance, recipes
from dev.fake_seedance_client import PlainClient
from storymotion.errors import (
    AmbiguousSend,
    BillingLatched,
    BillingRefused,
    GateShut,
    KeyRefused,
    ModerationRefused,
    PaidError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    SeedanceForeignHost,
    SeedanceVideoNotFetched,
    ShotLost,
    ShotNotInDoubt,
    TaskEnded,
    TaskStillRunning,
)
from storymotion.paid.journal_row import OPEN, State
from storymotion.paid.provider import SEEDANCE
from storymotion.paid.seedance import watch
from storymotion.paid.seedance.desk import Patience
from storymotion.paid.seedance.request import SeedanceRequest
from storymotion.paid.seedance.run import PaidShot, adopt, collect, release
from storymotion.paid.seedance.transport import Timeouts

from .paid_shots import KEY, SMALL, SMALL_USD, Shop, Stopped


@dataclass(frozen=True)
class Expected:
    """``first``: what the first queue ends with; ``posts``: POSTs that it sends; ``charges``: after all queues.

    ``latches``: later shots are refused here until the user clears it.
    """

    first: type[PaidShot] | type[PaidError]
    posts: int = 1
    charges: int = 1
    latches: bool = False


VIDEO = Expected(PaidShot)
NOT_MADE = Expected(AmbiguousSend)
BILLING = Expected(BillingRefused, latches=True)

# By the beginning of the recipe's name; the longest that fits counts.
EXPECTED = {
    # Whether the request was read cannot be known from here: it is looked for, not sent again.
    "01": NOT_MADE,
    "02": VIDEO,
    "03": VIDEO,
    "04": VIDEO,
    "04 create 500, task not made": NOT_MADE,
    "04 create 502, task not made": NOT_MADE,
    "04 create 503, task not made": NOT_MADE,
    "04 create 504, task not made": NOT_MADE,
    "05": VIDEO,
    "06": Expected(PaidShot, posts=2),
    "06 create 429 rate, Retry-After 86400": Expected(RateLimited),
    "06 create 429 rate, always": Expected(RateLimited, posts=6),
    "07": BILLING,
    "08 create 401": Expected(KeyRefused),
    "08 third poll 401": Expected(KeyRefused),
    "09": Expected(ModerationRefused),
    "09 create 400 InvalidParameter": Expected(RequestRefused),
    "10": VIDEO,
    "11": VIDEO,
    "11 poll unknown status, always": Expected(TaskStillRunning),
    "11 succeeded without content, always": Expected(SeedanceVideoNotFetched),
    "11 succeeded without video_url, always": Expected(SeedanceVideoNotFetched),
    "12": Expected(TaskEnded, charges=0),
    "12 task fails in moderation": Expected(ModerationRefused, charges=0),
    "13": Expected(TaskStillRunning, charges=0),
    "14": VIDEO,
    "14 download truncated, no length, always": Expected(SeedanceVideoNotFetched),
    "15": VIDEO,
    "15 download is XML, always": Expected(SeedanceVideoNotFetched),
    "15 download 403 always": Expected(SeedanceVideoNotFetched),
    "15 download 404 always": Expected(SeedanceVideoNotFetched),
    "15 download is far too large": Expected(SeedanceVideoNotFetched),
    "15 download redirects to a foreign host": Expected(SeedanceForeignHost),
    "15 video_url is on a foreign host": Expected(SeedanceForeignHost),
    "20": VIDEO,
    "21": Expected(ShotLost),
    "-- create redirects to a foreign host": NOT_MADE,
    "-- poll redirects to a foreign host": Expected(ProviderUnavailable),
    "-- list fails": VIDEO,
}
ELSEWHERE = ("16", "19")
NAMES = [name for name in recipes() if not name.startswith(ELSEWHERE)]


def expected(name: str) -> Expected:
    return EXPECTED[max((begin for begin in EXPECTED if name.startswith(begin)), key=len)]


@pytest.fixture(scope="module", autouse=True)
def drawn() -> None:
    """The server draws a film at its first download; that must not look like a slow download."""
    from dev.fake_seedance.orders import Order
    from dev.fake_seedance.videos import _film

    assert Order
    _film(864, 480, 49, "h264", "mp4", False)


@pytest.mark.parametrize("name", NAMES)
def test_every_fault(shop: Shop, name: str) -> None:
    wanted = expected(name)
    shop.server.faults.add_recipe(name)
    first = shop.queue()
    assert type(first) is wanted.first, f"{type(first).__name__}: {first}"
    assert shop.posts() == wanted.posts
    # Nobody else is asked, and nobody is told the key.
    assert all(seen.authorization in ("right", "absent") for seen in shop.server.requests())
    assert KEY not in str(first) and "X-Tos-" not in str(first)

    latch = shop.desk().journal.latched(SEEDANCE.id)
    assert (latch is not None) == wanted.latches
    if wanted.latches:
        with pytest.raises((GateShut, BillingLatched)):
            shop.run(replace(SMALL, take=2))
        assert shop.posts() == wanted.posts
        shop.desk().journal.clear_latch(SEEDANCE.id)

    # The trouble is over, and the user goes on queueing the same.
    shop.server.release()
    shop.server.faults.clear()
    last = shop.queue_until_over()
    if wanted.first in (TaskStillRunning,) and wanted.charges == 0:
        assert isinstance(last, TaskStillRunning | TaskEnded)
    shop.server.finish()
    assert len(shop.server.charges()) == wanted.charges <= 1
    assert_in_order(shop, last)


def assert_in_order(shop: Shop, last: PaidShot | PaidError) -> None:
    """What the server charged is what the journal says, and its video is here or said to be lost."""
    charges = shop.server.charges()
    (row,) = shop.rows()
    if isinstance(last, PaidShot):
        assert last.path.is_file() and row.state is State.DOWNLOADED and len(charges) == 1
        assert shop.settled() == shop.bill() and row.task_id == charges[0].task_id
    elif row.state is State.LOST:
        assert shop.settled() == shop.bill()
    else:
        assert charges == [] and (row.state in OPEN or row.settled == 0)
    assert list((shop.folder / "storymotion").rglob("*.part")) == []


def test_every_recipe_is_expected() -> None:
    assert {begin for begin in EXPECTED if not any(name.startswith(begin) for name in recipes())} == set()


def test_a_refused_connection_is_tried_again_because_nothing_was_sent(shop: Shop) -> None:
    shop.server.refuse_connections()
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            shop.server.accept_connections()
        shop.server.clock.advance(seconds)

    assert shop.run(pause=pause).receipt.usd == SMALL_USD
    assert waits[:2] == [2.0, 4.0] and shop.posts() == 1


def test_a_service_that_cannot_be_reached_leaves_nothing_reserved(shop: Shop) -> None:
    shop.server.refuse_connections()
    with pytest.raises(ProviderUnavailable):
        shop.run()
    assert shop.rows()[0].state is State.RELEASED and shop.posts() == 0
    shop.server.accept_connections()
    assert shop.run().row.attempt == 2 and len(shop.server.charges()) == 1


def test_stopped_while_it_waits_to_send_it_is_released(shop: Shop) -> None:
    shop.server.refuse_connections()
    shop.stop_after = 1
    with pytest.raises(Stopped):
        shop.run()
    assert shop.rows()[0].state is State.RELEASED


def test_retry_after_is_obeyed(shop: Shop) -> None:
    shop.server.faults.add_recipe("06 create 429 rate, Retry-After 2")
    before = shop.server.clock.now()
    shop.run()
    one, two = shop.server.requests("create")
    assert 2 <= two.time - one.time < 4 and before <= one.time


def test_a_lost_send_is_not_taken_for_another_task(shop: Shop, tmp_path: Path) -> None:
    """Another program of the same account made a task of the same shape in the same minute: the seed tells."""
    other = Shop(shop.server, tmp_path / "other program", shop.environ)
    other.run(replace(SMALL, prompt="Another shot."))
    shop.server.faults.add_recipe("02 reset after the task was made")
    shot = shop.run()
    assert shot.row.task_id == shop.server.tasks()[1]["id"] != other.rows()[0].task_id


def test_a_send_that_was_not_made_is_sent_again_only_after_it_is_certain(shop: Shop) -> None:
    shop.server.faults.add_recipe("04 create 500, task not made")
    with pytest.raises(AmbiguousSend, match=r"0\.0199|0\.019845"):
        shop.run()
    assert shop.rows()[0].state is State.UNKNOWN
    with pytest.raises(AmbiguousSend):  # a minute later it may still be on its way
        shop.run()
    assert shop.posts() == 1
    shop.server.clock.advance(900)
    with pytest.raises(ProviderUnavailable):
        shop.run()
    assert shop.rows()[0].state is State.RELEASED and shop.posts() == 1
    assert shop.run().row.attempt == 2 and shop.posts() == 2


def test_without_the_account_that_sent_it_nothing_is_certain(shop: Shop) -> None:
    shop.server.faults.add_recipe("04 create 500, task not made")
    with pytest.raises(AmbiguousSend):
        shop.run()
    shop.environ["ARK_API_KEY"] = "test-of-another-account"
    shop.server.clock.advance(3600)
    with pytest.raises(AmbiguousSend):
        shop.run()
    assert shop.rows()[0].state is State.UNKNOWN


def lose_the_answer(shop: Shop, request: SeedanceRequest = SMALL) -> None:
    """The task is made; the user stops before it is looked for, and the service finishes it."""
    shop.server.faults.add_recipe("02 reset after the task was made")
    shop.stop_after = 0
    with pytest.raises(Stopped):
        shop.run(request)
    shop.server.finish()


def test_one_list_that_lacks_it_does_not_prove_that_it_was_never_made(shop: Shop) -> None:
    lose_the_answer(shop)
    shop.server.clock.advance(900)
    shop.server.faults.add("body", on="list", body='{"total": 0, "items": []}')
    assert isinstance(shop.queue_until_over(), PaidShot)
    assert shop.posts() == len(shop.server.charges()) == 1


def test_a_task_of_the_same_model_by_another_name_is_not_sent_again(shop: Shop) -> None:
    """As of an endpoint of the user's own, whose tasks tell the model behind it."""
    lose_the_answer(shop)
    told = {**PlainClient(shop.server, KEY).ask("GET").json()["items"][0], "model": "seedance-1-0-pro-fast"}
    shop.server.faults.add("body", on="list", body=json.dumps({"total": 1, "items": [told]}), times=0)
    shop.server.clock.advance(900)
    for _ in range(2):
        with pytest.raises(AmbiguousSend, match=told["id"]):
            shop.run()
    assert shop.posts() == 1


def test_a_lost_send_that_the_service_has_forgotten_counts_once_and_not_forever(shop: Shop) -> None:
    lose_the_answer(shop)
    journal = shop.desk().journal
    shop.server.clock.advance(timedelta(days=9).total_seconds())
    for _ in range(2):
        with pytest.raises(ShotLost, match="7 days"):
            shop.run()
    assert shop.rows()[0].state is State.LOST and shop.posts() == 1
    assert shop.settled() == SMALL_USD
    tomorrow = journal.spend(SEEDANCE.id, shop.now() + timedelta(days=1))
    assert tomorrow.total == 0 and collect(shop.desk()) == ()


def test_times_and_usage_beyond_all_measure_do_not_stop_it(shop: Shop) -> None:
    """Milliseconds would be years that no calendar has, and the journal counts to 2**63."""
    lose_the_answer(shop)
    (told,) = PlainClient(shop.server, KEY).ask("GET").json()["items"]
    told |= {"created_at": 1_780_000_000_000, "updated_at": 1_780_000_000_000}
    shop.server.faults.add("body", on="list", body=json.dumps({"total": 1, "items": [told]}), times=0)
    shop.server.faults.add("change", on="poll", set={"usage.completion_tokens": 2**52, "updated_at": 10**15}, times=0)
    assert shop.run().receipt.usd == SMALL_USD


def test_a_clock_that_was_wrong_does_not_outlast_the_services_records(shop: Shop) -> None:
    """It was two hours fast when the shot was sent: the seven days that a task is listed are over sooner."""
    shop.server.faults.add_recipe("02 reset after the task was made")
    shop.stop_after = 0
    with pytest.raises(Stopped):
        shop.run(clock=lambda: shop.now() + timedelta(hours=2))
    shop.server.finish()
    shop.server.clock.advance(timedelta(days=7, hours=1).total_seconds())
    for _ in range(2):
        with pytest.raises(AmbiguousSend):
            shop.run()
    assert shop.posts() == 1


TWO = replace(SMALL, model="dreamina-seedance-2-0-mini-260615", duration=4, camera_fixed=False)


def test_a_model_without_a_seed_is_found_by_time_and_shape(shop: Shop) -> None:
    shop.server.faults.add_recipe("02 reset after the task was made")
    assert shop.run(TWO).receipt.usd == shop.bill()
    assert shop.posts() == 1


def test_two_lost_sends_without_a_seed_are_for_a_human(shop: Shop) -> None:
    for take in (1, 2):
        shop.server.faults.add_recipe("02 reset after the task was made")
        shop.stop_after = 0
        with pytest.raises(Stopped):
            shop.run(replace(TWO, take=take))
    shop.server.finish()
    for take in (1, 2):
        with pytest.raises(AmbiguousSend) as raised:
            shop.run(replace(TWO, take=take))
        assert all(task["id"] in str(raised.value) for task in shop.server.tasks())
    for row, task in zip(shop.rows(), shop.server.tasks()):
        assert adopt(shop.desk(), row.id, task["id"]).receipt.usd == shop.bill() / 2
    assert shop.run(replace(TWO, take=2)).paid_earlier and shop.posts() == 2


def test_lost_sends_whose_tasks_a_human_has_collected_are_not_sent_again(shop: Shop) -> None:
    for take in (1, 2):
        lose_the_answer(shop, replace(TWO, take=take))
    for task in shop.server.tasks():
        (only,) = collect(shop.desk(), task["id"])
        assert only.shot is not None
    shop.server.clock.advance(900)
    for _ in range(2):
        for take in (1, 2):
            with pytest.raises(AmbiguousSend):
                shop.run(replace(TWO, take=take))
    assert shop.posts() == len(shop.server.charges()) == 2


def test_two_lost_sends_with_the_same_seed_do_not_get_each_others_video(shop: Shop) -> None:
    """A user who sets the seed sets it for many scenes; the one that is finished first is not the one asked for."""
    scenes = [replace(SMALL, seed=42, prompt=prompt) for prompt in ("She turns her head.", "He laughs.")]
    for scene, running in zip(scenes, (600, 10)):
        shop.server.faults.add("task", queued_seconds=0, running_seconds=running)
        shop.server.faults.add_recipe("02 reset after the task was made")
        shop.stop_after = 0
        with pytest.raises(Stopped):
            shop.run(scene)
    shop.server.clock.advance(60)
    for scene in scenes:
        with pytest.raises(AmbiguousSend):
            shop.run(scene)
    assert {row.state for row in shop.rows()} == {State.UNKNOWN} and shop.posts() == 2


def test_a_human_says_that_a_send_was_never_made(shop: Shop) -> None:
    shop.server.faults.add_recipe("04 create 500, task not made")
    with pytest.raises(AmbiguousSend):
        shop.run()
    assert release(shop.desk(), shop.rows()[0].id).state is State.RELEASED
    assert shop.run().row.attempt == 2


def test_a_shot_that_is_just_being_sent_cannot_be_released(shop: Shop) -> None:
    shop.server.refuse_connections()
    seen: list[str] = []

    def pause(seconds: float) -> None:
        for decide in (release, partial(adopt, task_id="cgt-1")):
            with pytest.raises(ShotNotInDoubt) as refused:
                decide(shop.desk(), shop.rows()[0].id)
            seen.append(refused.value.state)
        shop.server.accept_connections()
        shop.server.clock.advance(seconds)

    assert shop.run(pause=pause).row.attempt == 1 and shop.posts() == 1
    assert seen[:2] == ["intent", "intent"]
    for number in (shop.rows()[0].id, 99, 10**19):
        with pytest.raises(ShotNotInDoubt):
            release(shop.desk(), number)


def test_collect_by_id_gives_a_lost_send_its_task(shop: Shop) -> None:
    shop.server.faults.add_recipe("02 reset after the task was made")
    shop.stop_after = 0
    with pytest.raises(Stopped):
        shop.run()
    shop.server.finish()
    (only,) = collect(shop.desk(), shop.server.tasks()[0]["id"])
    assert only.shot is not None and len(shop.rows()) == 1
    assert shop.run().paid_earlier and shop.posts() == 1


def test_collect_of_a_task_that_is_not_there(shop: Shop) -> None:
    for wrong in ("cgt-0", "../x", ""):
        with pytest.raises(RequestRefused):
            collect(shop.desk(), wrong)
    assert shop.rows() == ()


def test_fault_21_the_list_is_read_over_all_its_pages(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PAGE_SIZE", 2)
    shop.server.faults.add_recipe("02 reset after the task was made")
    shop.stop_after = 0
    with pytest.raises(Stopped):
        shop.run()
    for take in range(2, 7):
        shop.run(replace(SMALL, take=take))
    assert shop.run().row.task_id == shop.server.tasks()[0]["id"]
    assert max(int(seen.query.split("page_num=")[1].split("&")[0]) for seen in shop.server.requests("list")) == 3
    assert 429 not in [seen.reply for seen in shop.server.requests("list")]


def test_a_list_that_promises_more_than_it_has_comes_to_an_end(shop: Shop) -> None:
    lose_the_answer(shop)
    shop.server.faults.add("change", on="list", set={"total": 10**9}, times=0)
    with pytest.raises(AmbiguousSend, match="not whole"):
        shop.run()
    assert len(shop.server.requests("list")) < 100


def test_a_flex_task_is_found_among_flex_tasks(shop: Shop) -> None:
    shop.server.faults.add_recipe("02 reset after the task was made")
    assert shop.run(replace(SMALL, service_tier="flex")).receipt.usd == SMALL_USD / 2


def test_a_video_that_was_not_fetched_within_a_day_is_lost_and_not_made_again(shop: Shop) -> None:
    shop.server.faults.add("task", queued_seconds=0, running_seconds=10)
    shop.stop_after = 1
    with pytest.raises(Stopped):
        shop.run()
    shop.server.clock.advance(2 * 86400)
    for _ in range(2):
        with pytest.raises(ShotLost):
            shop.run()
    assert shop.posts() == 1 and shop.settled() == shop.bill() == SMALL_USD


def test_a_task_of_another_key_is_not_taken_for_lost(shop: Shop) -> None:
    shop.server.faults.add("task", queued_seconds=0, running_seconds=10)
    shop.stop_after = 1
    with pytest.raises(Stopped):
        shop.run()
    shop.server.forget(shop.server.tasks()[0]["id"])
    shop.environ["ARK_API_KEY"] = "test-of-another-account"
    with pytest.raises(ProviderUnavailable, match="another key"):
        shop.run()
    assert shop.rows()[0].state is State.SUBMITTED


@pytest.fixture
def log_of_everything(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level("DEBUG"):
        yield caplog


@pytest.mark.parametrize(
    "name", ["02 reset after the task was made", "08 create 401", "14 download truncated", "15 download 403 always"]
)
def test_neither_key_nor_signature_is_anywhere(
    shop: Shop, name: str, log_of_everything: pytest.LogCaptureFixture
) -> None:
    shop.server.faults.add_recipe(name)
    outcome = shop.queue()
    said = [log_of_everything.text, repr(outcome), str(outcome), repr(shop.desk()), repr(shop.desk().client)]
    said += [f"{record.msg!r} {record.args!r}" for record in log_of_everything.records]
    error = outcome if isinstance(outcome, BaseException) else None
    while error is not None:
        said += [repr(error), str(error), repr(vars(error))]
        error = error.__context__
    stored = [path.read_bytes() for path in (shop.folder / "storymotion").rglob("*") if path.is_file()]
    assert stored and len(log_of_everything.records) > 2
    for secret in (KEY, "X-Tos-Signature="):
        assert [text for text in said if secret in text] == []
        assert not any(secret.encode() in content for content in stored)


def test_a_key_in_a_reply_is_taken_out(shop: Shop) -> None:
    shop.server.faults.add("error", status=400, code="InvalidParameter", message=f"The header Bearer {KEY} is odd")
    with pytest.raises(RequestRefused) as raised:
        shop.run()
    assert KEY not in str(raised.value) and KEY not in repr(shop.rows())


def test_login_files_and_proxies_of_the_machine_do_not_take_part(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = tmp_path / "netrc"
    login.write_text("machine 127.0.0.1 login somebody password secret\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(login))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    shop.run()
    assert {seen.authorization for seen in shop.server.requests()} == {"right", "absent"}


def test_a_slow_reply_is_bounded(server: FakeSeedance, shop: Shop) -> None:
    """One byte at a time keeps every silence short; the whole reply still has its limit."""
    server.faults.add("drip", on="poll", chunk=1, seconds=0.05, times=0)
    shop.timeouts = Timeouts(connect=2, silence=1.5, reply=0.5)
    shop.patience = Patience(task=30)
    with pytest.raises(ProviderUnavailable):
        shop.run()
    assert shop.rows()[0].state is State.SUBMITTED
