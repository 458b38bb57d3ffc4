"""Every fault that can be ordered does what it says, and the bill of the fake Seedance server tells what was made."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import pytest
import requests

from dev.fake_seedance import FakeSeedance, recipes
from dev.fake_seedance_client import PlainClient, error_of, order

SHORT = {"resolution": "480p", "duration": 2}


def finished(server: FakeSeedance, client: PlainClient) -> tuple[str, str]:
    """A task that has ended, and where its film is."""
    task = client.create(**SHORT)
    server.finish()
    return task, client.poll(task)["content"]["video_url"]


def test_a_reset_comes_before_or_after_the_work(server: FakeSeedance, client: PlainClient) -> None:
    for processed in (False, True):
        server.faults.add("reset", processed=processed)
        with pytest.raises(requests.ConnectionError):
            client.create(**SHORT)
        assert len(server.tasks()) == processed
    server.finish()
    assert [charge.tokens for charge in server.charges()] == [19845]
    first, second = server.requests("create")
    assert (first.reply, first.task, first.body_bytes) == (0, None, 0)
    assert (second.reply, second.task, second.fault) == (0, server.tasks()[0]["id"], "reset")


def test_a_closed_port_refuses(server: FakeSeedance, client: PlainClient) -> None:
    server.refuse_connections()
    with pytest.raises(requests.ConnectionError, match="refused"):
        client.create()
    server.accept_connections()
    client.create()
    assert len(server.tasks()) == 1


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 502, 503, 504])
def test_an_error_says_what_was_ordered_whether_or_not_the_task_was_made(
    server: FakeSeedance, client: PlainClient, status: int, processed: bool
) -> None:
    headers = {"Retry-After": "7"}
    server.faults.add("error", status=status, code="Some.Code", message="So.", headers=headers, processed=processed)
    answer = client.ask("POST", json=order())
    assert error_of(answer, status)["code"] == "Some.Code"
    assert answer.headers["Retry-After"] == "7"
    assert len(server.tasks()) == processed


@pytest.mark.parametrize("body", ['{"id": ', "", "<html></html>", "[]", '{"task": 1}'])
def test_a_reply_can_be_anything_while_the_task_is_made(server: FakeSeedance, client: PlainClient, body: str) -> None:
    server.faults.add("body", body=body, content_type="text/html")
    answer = client.ask("POST", json=order())
    assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (200, body, "text/html")
    assert len(server.tasks()) == 1


def test_a_cut_reply_ends_early_with_and_without_a_length(server: FakeSeedance, client: PlainClient) -> None:
    task, url = finished(server, client)
    whole = client.download(url).content
    server.faults.add("truncate", on="download", fraction=0.6)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        client.download(url)
    server.faults.add("truncate", on="download", fraction=0.6, with_length=False)
    short = client.download(url)
    assert "Content-Length" not in short.headers
    assert short.content == whole[: int(len(whole) * 0.6)]
    assert client.download(url).content == whole
    server.faults.add("truncate", on="poll", with_length=False)
    with pytest.raises(ValueError, match=r"JSON|Expecting|Unterminated"):
        client.poll(task)


def test_a_slow_reply_comes_whole(server: FakeSeedance, client: PlainClient) -> None:
    _, url = finished(server, client)
    whole = client.download(url).content
    server.faults.add("drip", on="download", chunk=1024, seconds=0.01)
    began = time.monotonic()
    assert client.download(url).content == whole
    assert time.monotonic() - began >= len(whole) // 1024 * 0.01


def test_a_stalled_download_waits_for_the_release_and_is_reset(server: FakeSeedance, client: PlainClient) -> None:
    _, url = finished(server, client)
    server.faults.add("stall", on="download", fraction=0.5)
    with client.files.get(url, stream=True, timeout=20) as answer:
        assert len(answer.raw.read(100)) == 100
        server.release()
        with pytest.raises(requests.exceptions.RequestException):
            answer.content  # noqa: B018
    server.faults.add("stall", on="download")
    with pytest.raises(requests.exceptions.RequestException, match="timed out"):
        client.files.get(url, timeout=0.3)


def test_a_late_reply_leaves_a_task_that_its_client_does_not_know(server: FakeSeedance, client: PlainClient) -> None:
    server.faults.add("delay")
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.session.post(client.tasks, json=order(**SHORT), timeout=0.3)
    server.finish()
    assert len(server.charges()) == 1
    server.faults.add("delay")
    releasing = threading.Thread(target=lambda: (server.wait_for("create", 2), server.release()))
    releasing.start()
    assert client.create() == server.tasks()[1]["id"]
    releasing.join()


def test_a_file_can_be_far_too_large_or_elsewhere(server: FakeSeedance, client: PlainClient) -> None:
    _, url = finished(server, client)
    server.faults.add("oversize", on="download", size=5_000_000)
    large = client.download(url)
    assert (large.headers["Content-Length"], len(large.content)) == ("5000000", 5_000_000)
    server.faults.add("redirect", on="download", location="http://example.com/film.mp4")
    moved = client.files.get(url, allow_redirects=False, timeout=20)
    assert (moved.status_code, moved.headers["Location"]) == (302, "http://example.com/film.mp4")
    server.faults.add("error", on="download", status=403, code="AccessDenied")
    refused = client.download(url)
    assert (refused.status_code, refused.headers["Content-Type"]) == (403, "application/xml")
    assert "<Code>AccessDenied</Code>" in refused.text
    assert client.download(url).status_code == 200


def test_a_change_touches_only_the_state_it_waits_for(server: FakeSeedance, client: PlainClient) -> None:
    changes: dict[str, Any] = {"set": {"usage": None, "a.b": 1}, "remove": ["content.video_url"]}
    server.faults.add("change", on="poll", when="succeeded", **changes)
    task = client.create(**SHORT, return_last_frame=True)
    assert client.poll(task)["status"] == "queued"
    server.finish()
    changed, usual = client.poll(task), client.poll(task)
    assert (changed["usage"], changed["a"], list(changed["content"])) == (None, {"b": 1}, ["last_frame_url"])
    assert usual["usage"]["total_tokens"] == 19845
    assert set(usual["content"]) == {"video_url", "last_frame_url"}


@pytest.mark.parametrize("outcome", ["failed", "expired", "cancelled", "never"])
def test_an_ordered_end_costs_nothing(server: FakeSeedance, client: PlainClient, outcome: str) -> None:
    server.faults.add("task", outcome=outcome, code="SomeCode", message="So.")
    task = client.create(**SHORT)
    server.finish()
    server.clock.advance(3 * 86400)
    shown = client.ask("GET", f"/{task}")
    if outcome == "cancelled":  # the record is gone after a day
        assert shown.status_code == 404
    else:
        assert shown.json()["status"] == ("running" if outcome == "never" else outcome)
        assert shown.json().get("error") == ({"code": "SomeCode", "message": "So."} if outcome == "failed" else None)
    assert not server.charges()


def test_a_larger_usage_is_charged(server: FakeSeedance, client: PlainClient) -> None:
    server.faults.add("task", usage_factor=2.0)
    task = client.create(**SHORT)
    server.finish()
    assert client.poll(task)["usage"]["total_tokens"] == 2 * 19845
    assert [(charge.tokens, charge.usd) for charge in server.charges()] == [(2 * 19845, 0.03969)]


def test_a_lost_record_is_gone_from_the_list_too(server: FakeSeedance, client: PlainClient) -> None:
    server.faults.add("lose", on="poll", nth=2)
    task = client.create(**SHORT)
    client.poll(task)
    error_of(client.ask("GET", f"/{task}"), 404)
    assert client.ask("GET").json()["total"] == 0
    server.finish()
    assert len(server.charges()) == 1


def test_faults_hit_in_turn_and_the_nth_and_as_often_as_ordered(server: FakeSeedance, client: PlainClient) -> None:
    server.faults.add("error", status=501)
    server.faults.add("error", status=502, times=2)
    server.faults.add("error", status=503, nth=2)
    server.faults.add("error", status=418, on="any", times=0)
    found = [client.ask("POST", json=order()).status_code for _ in range(6)]
    assert found == [501, 502, 502, 418, 503, 418]
    assert client.ask("GET").status_code == 418
    assert [fault["applied"] for fault in server.faults.listed()] == [1, 2, 1, 3]
    server.faults.clear()
    assert client.ask("GET").status_code == 200


def test_a_fault_can_wait_for_one_task(server: FakeSeedance, client: PlainClient) -> None:
    one, other = client.create(), client.create()
    server.faults.add("error", on="poll", task=other, status=500)
    assert [client.ask("GET", f"/{task}").status_code for task in (one, other, other)] == [200, 500, 200]


def test_an_end_and_a_broken_reply_meet_in_one_create(server: FakeSeedance, client: PlainClient) -> None:
    server.faults.add("task", outcome="failed")
    server.faults.add("reset", processed=True)
    with pytest.raises(requests.ConnectionError):
        client.create()
    server.finish()
    assert [task["status"] for task in server.tasks()] == ["failed"]
    assert server.requests("create")[0].fault == "task + reset"


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "explode"},
        {"kind": "reset", "on": "lunch"},
        {"kind": "reset", "times": -1},
        {"kind": "truncate", "fraction": 2},
        {"kind": "task", "on": "poll"},
        {"kind": "task", "outcome": "fine"},
        {"kind": "lose", "on": "create"},
        {"kind": "change", "on": "download"},
    ],
)
def test_what_cannot_be_ordered_is_refused(server: FakeSeedance, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        server.faults.add(**bad)


def test_the_recipes_name_faults_1_to_21_and_can_all_be_ordered(server: FakeSeedance) -> None:
    numbers = {int(name[:2]) for name in recipes() if name[0] != "-"}
    # Two processes at once (17) and the client's own cap (18) need nothing of the server.
    assert numbers == {*range(1, 22)} - {17, 18}
    for name, faults in recipes().items():
        assert len(server.faults.add_recipe(name)) == len(faults)
        assert re.fullmatch(r"(\d\d|--) \S.*", name)
    assert json.dumps(server.faults.listed())
