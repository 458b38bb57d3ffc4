"""A paid shot from the first queue to the file, and what is queued again."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import av
import pytest

from storymotion.errors import (
    BillingLatched,
    CapReached,
    GateShut,
    KeyMissing,
    SeedancePromptCommand,
    SeedanceVideoNotFetched,
)
from storymotion.paid.journal_row import State
from storymotion.paid.provider import SEEDANCE
from storymotion.paid.seedance.desk import Patience
from storymotion.paid.seedance.run import PaidShot, collect, quote, run_shot, unfinished
from storymotion.progress import Progress

from .paid_shots import KEY, SMALL, SMALL_USD, Shop, Stopped


def test_a_shot_is_paid_for_once_and_is_a_video(shop: Shop) -> None:
    shot = shop.run()
    with av.open(str(shot.path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (864, 480, 49)
    assert shot.row.state is State.DOWNLOADED and shot.paid_earlier is False
    assert shot.receipt.usd == SMALL_USD == shop.bill() == shop.settled()
    assert shot.receipt.tokens == 19845
    said = " ".join(each.speak() for each in shot.lines())
    assert shot.receipt.task_id in said and "19845" in said
    sent = shop.server.requests("create")[0].body
    assert {name: sent[name] for name in ("resolution", "ratio", "duration", "watermark", "camera_fixed")} == {
        "resolution": "480p",
        "ratio": "16:9",
        "duration": 2,
        "watermark": False,
        "camera_fixed": True,
    }
    assert sent["seed"] == shot.row.seed


def test_the_same_again_returns_the_file_without_a_request(shop: Shop) -> None:
    first = shop.run()
    asked = len(shop.server.requests())
    again = shop.run()
    assert again.path == first.path and again.paid_earlier
    assert len(shop.server.requests()) == asked


def test_a_finished_shot_needs_neither_key_nor_gate(shop: Shop) -> None:
    first = shop.run()
    shop.environ = {"ARK_BASE_URL": shop.server.base_url}
    assert shop.run(max_usd=0).path == first.path


def test_another_take_is_another_shot(shop: Shop) -> None:
    first, second = shop.run(), shop.run(replace(SMALL, take=2))
    assert first.path != second.path and first.row.seed != second.row.seed
    assert len(shop.server.charges()) == 2 and shop.settled() == 2 * SMALL_USD


def test_a_file_that_was_deleted_or_changed_is_fetched_again(shop: Shop) -> None:
    shot = shop.run()
    content = shot.path.read_bytes()
    shot.path.unlink()
    assert shop.run().path.read_bytes() == content
    shot.path.write_bytes(b"changed")
    assert shop.run().path.read_bytes() == content
    assert len(shop.server.charges()) == 1


def test_what_came_whole_and_cannot_be_played_here_is_kept_aside(shop: Shop) -> None:
    """Of a codec that is not known here the file is all there is: the service throws it away after a day."""
    of_tomorrow = "a film in the codec of tomorrow"
    shop.server.faults.add("body", on="download", body=of_tomorrow, content_type="video/mp4", times=0)
    with pytest.raises(SeedanceVideoNotFetched, match="kept as"):
        shop.run()
    (kept,) = (shop.folder / "storymotion" / "seedance").iterdir()
    assert kept.read_text(encoding="utf-8") == of_tomorrow and kept.suffix == ".undecoded"
    shop.server.faults.clear()
    made = shop.run()
    assert list(made.path.parent.iterdir()) == [made.path]


def test_a_flex_shot_costs_half(shop: Shop) -> None:
    assert shop.run(replace(SMALL, service_tier="flex")).receipt.usd == SMALL_USD / 2 == shop.bill()


def test_hevc_with_sound(shop: Shop) -> None:
    """2.5 at 1080p is 10-bit HEVC, and needs neither seed nor camera_fixed."""
    request = replace(SMALL, model="dreamina-seedance-2-5-260628", resolution="480p", duration=4, camera_fixed=False)
    shot = shop.run(request, max_usd=5)
    assert shot.row.seed is None and shot.receipt.usd is not None and shot.receipt.usd == shop.bill()
    assert shot.receipt.usd <= quote(request, shop.desk()).usd


SHUT = {
    "SEEDANCE_ENABLED": ["0", "yes", "TRUE", ""],
    "SEEDANCE_TERMS_READ": ["", "2020-01-01", "soon", "2999-01-01"],
    "SEEDANCE_MAX_USD_PER_RUN": ["", "0", "0.019", "nan", "inf", "-1"],
    "SEEDANCE_MAX_USD_PER_DAY": ["", "0", "0.019", "nan"],
    "ARK_API_KEY": ["", "real-looking-key-0123456789"],
    "ARK_BASE_URL": ["https://example.com/api/v3", "https://ark.ap-southeast.bytepluses.com/api/v3"],
}


@pytest.mark.parametrize(("variable", "value"), [(name, each) for name, values in SHUT.items() for each in values])
def test_with_any_gate_shut_nothing_is_sent(shop: Shop, variable: str, value: str) -> None:
    shop.environ[variable] = value
    with pytest.raises(GateShut) as raised:
        shop.run()
    said = str(raised.value)
    assert "0.0198" in said and "byteplus" in said.lower()
    assert shop.server.requests() == [] and KEY not in said


@pytest.mark.parametrize("max_usd", [0.0, 0.0198, float("nan"), float("inf"), -1.0])
def test_with_the_nodes_own_limit_too_low_nothing_is_sent(shop: Shop, max_usd: float) -> None:
    with pytest.raises(GateShut):
        shop.run(max_usd=max_usd)
    assert shop.server.requests() == []


def test_a_model_without_a_known_price_is_a_shut_gate(shop: Shop) -> None:
    with pytest.raises(GateShut, match="seedance-7"):
        shop.run(replace(SMALL, model="seedance-7"))
    assert shop.server.requests() == []


def test_a_latch_is_a_shut_gate_until_it_is_cleared(shop: Shop) -> None:
    shop.desk().journal.latch(SEEDANCE.id, "AccountOverdueError", "")
    with pytest.raises((GateShut, BillingLatched), match="AccountOverdueError"):
        shop.run()
    assert shop.server.requests() == []
    shop.desk().journal.clear_latch(SEEDANCE.id)
    shop.run()


def test_a_bad_request_sends_nothing_and_leaves_no_row(shop: Shop) -> None:
    with pytest.raises(SeedancePromptCommand):
        shop.run(replace(SMALL, prompt="turn --rs 1080p"))
    assert shop.server.requests() == [] and not (shop.folder / "storymotion" / "journal.sqlite3").exists()


def test_fault_18_a_cap_counts_what_is_on_its_way(shop: Shop) -> None:
    shop.environ["SEEDANCE_MAX_USD_PER_DAY"] = "0.03"
    shop.server.faults.add("task", outcome="never")
    shop.stop_after = 3
    with pytest.raises(Stopped):
        shop.run()
    for again in range(2):
        with pytest.raises((CapReached, GateShut), match="SEEDANCE_MAX_USD_PER_DAY"):
            shop.run(replace(SMALL, take=2 + again))
    assert shop.posts() == 1


def test_the_cap_of_a_run_is_over_all_its_shots(shop: Shop) -> None:
    shop.environ["SEEDANCE_MAX_USD_PER_RUN"] = "0.04"
    shop.run(run_id="one")
    shop.run(replace(SMALL, take=2), run_id="one")
    with pytest.raises(CapReached, match="SEEDANCE_MAX_USD_PER_RUN"):
        shop.run(replace(SMALL, take=3), run_id="one")
    assert shop.posts() == 2
    shop.run(replace(SMALL, take=3), run_id="two")


def test_stopped_while_queued_it_is_cancelled_and_not_charged(shop: Shop) -> None:
    shop.server.faults.add("task", queued_seconds=3600)
    shop.stop_after = 2
    with pytest.raises(Stopped):
        shop.run()
    assert [each.code for each in shop.told] == ["seedance-cancelled"]
    shop.server.finish()
    assert shop.server.charges() == [] and shop.rows()[0].state is State.RELEASED
    assert shop.settled() == 0
    # The user changes their mind: the same take is made after all, and is the only charge.
    assert shop.run().receipt.usd == SMALL_USD
    assert len(shop.server.charges()) == 1 and shop.posts() == 2


def test_fault_19_stopped_while_running_it_is_kept_and_fetched_later(shop: Shop) -> None:
    shop.server.faults.add_recipe("19 task runs for an hour")
    shop.stop_after = 3
    with pytest.raises(Stopped):
        shop.run()
    assert [each.code for each in shop.told] == ["seedance-left-running"]
    assert "charged" in shop.told[0].speak() and shop.server.requests("delete") == []
    assert [row.state for row in unfinished(shop.desk())] == [State.SUBMITTED]
    shop.server.finish()
    assert shop.run().receipt.usd == SMALL_USD
    assert len(shop.server.charges()) == 1 and shop.posts() == 1


def test_fault_19_a_task_that_starts_in_the_moment_of_cancelling_is_kept(shop: Shop) -> None:
    """The last look said queued, the next one says running: nothing is deleted."""
    shop.server.faults.add("task", queued_seconds=3600, running_seconds=60)
    shop.server.faults.add("change", on="poll", nth=3, set={"status": "queued"})
    shop.stop_after = 2
    desk = shop.desk(progress=_start_after(shop, 3), patience=Patience(task=7200))
    with pytest.raises(Stopped):
        run_shot(SMALL, desk, 1.0, "run")
    assert [each.code for each in shop.told] == ["seedance-left-running"]
    shop.server.finish()
    assert isinstance(shop.queue(), PaidShot) and len(shop.server.charges()) == 1


def _start_after(shop: Shop, looks: int) -> Progress:
    """Just before look number ``looks`` the task begins to run."""
    seen = [0]

    def progress(done: int, total: int, what: str) -> None:
        seen[0] += 1
        if seen[0] == looks:
            shop.server.clock.advance(3601)

    return progress


def test_collect_fetches_all_that_is_unfinished_and_pays_nothing(shop: Shop) -> None:
    for take in (1, 2, 3):
        shop.stop_after = 3
        shop.server.faults.add("task", queued_seconds=0, running_seconds=600)
        with pytest.raises(Stopped):
            shop.run(replace(SMALL, take=take))
    shop.environ = {"ARK_BASE_URL": shop.server.base_url, "ARK_API_KEY": KEY}
    collected = collect(shop.desk())
    assert [each.shot is not None and each.shot.receipt.usd for each in collected] == [SMALL_USD] * 3
    assert shop.posts() == 3 and collect(shop.desk()) == ()


def test_collect_goes_on_after_a_shot_that_failed(shop: Shop) -> None:
    shop.server.faults.add("task", outcome="failed", code="OutputVideoSensitiveContentDetected", queued_seconds=0)
    for take in (1, 2):
        shop.stop_after = 1
        with pytest.raises(Stopped):
            shop.run(replace(SMALL, take=take))
    shop.server.finish()
    first, second = collect(shop.desk())
    assert first.shot is None and "OutputVideoSensitiveContentDetected" in str(first.error)
    assert second.shot is not None


def test_collect_needs_a_key(shop: Shop) -> None:
    shop.server.faults.add("task", queued_seconds=0, running_seconds=600)
    shop.stop_after = 2
    with pytest.raises(Stopped):
        shop.run()
    del shop.environ["ARK_API_KEY"]
    (only,) = collect(shop.desk())
    assert isinstance(only.error, KeyMissing)


def test_collect_by_id_takes_in_a_task_that_the_journal_does_not_know(shop: Shop, tmp_path: Path) -> None:
    made = shop.run().receipt.task_id
    other = Shop(shop.server, tmp_path / "another user", shop.environ)
    (only,) = collect(other.desk(), made)
    assert only.shot is not None and only.shot.receipt.usd == SMALL_USD and other.settled() == SMALL_USD
    assert [each.code for each in other.told] == ["seedance-stray"]
    assert collect(other.desk(), made)[0].shot is not None and len(other.rows()) == 1


def test_two_threads_queue_the_same_and_pay_once(shop: Shop) -> None:
    shop.server.faults.add("delay", on="create", seconds=0.5)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(shop.queue())) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({shot.path for shot in found if isinstance(shot, PaidShot)}) == 1 and len(found) == 3, found
    assert sorted(shot.paid_earlier for shot in found if isinstance(shot, PaidShot)) == [False, True, True]
    assert shop.posts() == 1 and len(shop.server.charges()) == 1


def test_fault_20_usage_above_the_quote_is_settled_and_said(shop: Shop) -> None:
    shop.server.faults.add_recipe("20 usage is larger")
    shot = shop.run()
    assert shot.receipt.usd == shop.bill() > SMALL_USD
    assert "paid-above-quote" in [each.code for each in shot.lines()]
    assert shop.desk().journal.spend(SEEDANCE.id, shop.now().replace(hour=0, minute=0)).settled == shop.bill()
