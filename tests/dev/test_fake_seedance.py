"""The life of a task on the fake Seedance server, with the rules that the real service is known to have."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import av
import pytest
from PIL import Image

from dev.fake_seedance import FakeSeedance
from dev.fake_seedance_client import (
    V2,
    V2_FAST,
    PlainClient,
    error_of,
    order,
)

DAY = 86400


def test_a_task_goes_its_way_by_the_clock_and_its_film_is_exact(server: FakeSeedance, client: PlainClient) -> None:
    task = client.create(resolution="480p", ratio="3:4", duration=2, seed=7, return_last_frame=True)
    stamp = datetime.fromtimestamp(server.clock.now() + 8 * 3600, timezone.utc).strftime("%Y%m%d")
    assert re.fullmatch(rf"cgt-{stamp}\d{{6}}-[a-z0-9]{{5}}", task)
    basic = {"id", "model", "status", "created_at", "updated_at", "service_tier", "execution_expires_after"}
    queued = client.poll(task)
    server.clock.advance(4)
    running = client.poll(task)
    assert (queued["status"], running["status"]) == ("queued", "running")
    assert set(queued) == set(running) == basic
    assert not server.charges()
    server.clock.advance(60)
    done = client.poll(task)
    assert done["status"] == "succeeded"
    more = {"content", "usage", "resolution", "ratio", "framespersecond", "duration", "seed"}
    assert set(done) - basic == more
    assert (done["seed"], done["duration"], done["framespersecond"]) == (7, 2, 24)
    assert done["usage"] == {"completion_tokens": 544 * 736 * 49 // 1024, "total_tokens": 544 * 736 * 49 // 1024}
    assert "boat" not in str(done)

    film = client.download(done["content"]["video_url"])
    assert film.headers["Content-Type"] == "video/mp4"
    with av.open(io.BytesIO(film.content)) as opened:
        frames = [frame.to_ndarray(format="gray") for frame in opened.decode(video=0)]
        assert opened.streams.video[0].average_rate == 24
        assert not opened.streams.audio
    assert len(frames) == 49
    assert frames[0].shape == (736, 544)
    assert (frames[0] != frames[-1]).any()
    last = client.download(done["content"]["last_frame_url"])
    with Image.open(io.BytesIO(last.content)) as still:
        assert (still.format, still.size) == ("JPEG", (544, 736))


def test_only_the_test_key_is_let_in(server: FakeSeedance) -> None:
    for key in ("", "sk-real", "TEST-key"):
        assert error_of(PlainClient(server, key).ask("POST", json=order()), 401)["code"] == "AuthenticationError"
    client = PlainClient(server)
    del client.session.headers["Authorization"]
    assert error_of(client.ask("GET"), 401)["code"] == "AuthenticationError"
    assert not server.tasks()
    assert [seen.authorization for seen in server.requests()] == ["wrong", "wrong", "wrong", "absent"]
    with FakeSeedance(api_key="test-1") as other:
        assert PlainClient(other, "test-2").ask("GET").status_code == 401
        assert PlainClient(other, "test-1").ask("GET").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/x/y"), ("GET", "/"), ("PUT", ""), ("DELETE", ""), ("PATCH", "/x"), ("GET", "s")],
)
def test_an_unknown_path_is_an_invalid_action(client: PlainClient, method: str, path: str) -> None:
    error = error_of(client.ask(method, path), 404)
    assert (error["code"], error["type"]) == ("InvalidAction", "NotFound")
    assert error["message"].startswith("The specified action is invalid: /api/v3/contents/generations/tasks")


def test_to_cancel_by_post_makes_one_more_task(server: FakeSeedance, client: PlainClient) -> None:
    task = client.create()
    assert error_of(client.ask("POST", f"/{task}/cancel", json={}), 400)["code"] == "MissingParameter"
    assert client.ask("POST", f"/{task}/stop", json=order()).json()["id"] != task
    server.finish()
    assert len(server.charges()) == 2


def test_equal_requests_at_once_are_all_made_and_charged(server: FakeSeedance) -> None:
    body = order(resolution="480p", duration=2, seed=5)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: PlainClient(server).ask("POST", json=body).json()["id"], range(8)))
    assert len(set(ids)) == 8
    server.finish()
    charges = server.charges()
    assert sorted(charge.task_id for charge in charges) == sorted(ids)
    assert len({charge.request_digest for charge in charges}) == 1
    assert {round(charge.usd, 6) for charge in charges} == {0.019845}
    assert [len(server.requests("create")), len(server.tasks())] == [8, 8]


def test_the_list_has_pages_filters_and_hides_flex(server: FakeSeedance, client: PlainClient) -> None:
    made = [client.create(duration=2) for _ in range(12)]
    flex = client.create(service_tier="flex")
    first = client.ask("GET").json()
    assert (first["total"], [item["id"] for item in first["items"]]) == (12, made[:1:-1])
    second = client.ask("GET", params={"page_num": 2, "page_size": 10}).json()
    assert (second["total"], [item["id"] for item in second["items"]]) == (12, made[1::-1])
    tier = client.ask("GET", params={"filter.service_tier": "flex"}).json()
    assert [item["id"] for item in tier["items"]] == [flex]
    some = client.ask("GET", params={"filter.task_ids": [made[0], made[5], flex]}).json()
    assert {item["id"] for item in some["items"]} == {made[0], made[5]}
    client.ask("DELETE", f"/{made[3]}")
    gone = client.ask("GET", params={"filter.status": "cancelled"}).json()
    assert [item["id"] for item in gone["items"]] == [made[3]]
    for bad in ({"page_num": 0}, {"page_size": 501}, {"page_size": "x"}, {"filter.status": "done"}):
        assert error_of(client.ask("GET", params=bad), 400)["param"] == next(iter(bad))


def test_delete_by_status(server: FakeSeedance, client: PlainClient) -> None:
    queued, failed, fine = client.create(), "", client.create(duration=2)
    assert client.ask("DELETE", f"/{queued}").json() == {}
    assert client.poll(queued)["status"] == "cancelled"
    assert client.ask("DELETE", f"/{queued}").status_code == 409
    server.clock.advance(4)
    error = error_of(client.ask("DELETE", f"/{fine}"), 409)
    assert error["code"] == "InvalidAction.RunningTaskDeletion"
    server.faults.add("task", outcome="failed")
    failed = client.create()
    server.finish()
    assert client.poll(failed)["error"]["code"] == "OutputVideoSensitiveContentDetected"
    for task in (failed, fine):
        assert client.ask("DELETE", f"/{task}").status_code == 200
        assert client.ask("GET", f"/{task}").status_code == 404
        assert client.ask("DELETE", f"/{task}").status_code == 404
    assert [charge.task_id for charge in server.charges()] == [fine]


def test_records_and_files_are_kept_for_their_time(server: FakeSeedance, client: PlainClient) -> None:
    task, cancelled = client.create(resolution="480p", duration=2), client.create()
    client.ask("DELETE", f"/{cancelled}")
    server.clock.advance(60)
    url = client.poll(task)["content"]["video_url"]
    assert client.download(url).status_code == 200
    server.clock.advance(DAY + 1)
    assert client.download(url).status_code == 403
    assert "Request has expired" in client.download(client.poll(task)["content"]["video_url"]).text
    assert client.ask("GET", f"/{cancelled}").status_code == 404
    server.clock.advance(6 * DAY)
    error_of(client.ask("GET", f"/{task}"), 404)
    assert client.ask("GET").json() == {"total": 0, "items": []}
    assert len(server.charges()) == 1


def test_ten_run_at_once_and_120_wait(server: FakeSeedance, client: PlainClient) -> None:
    for _ in range(120):
        client.create(duration=2)
    error = error_of(client.ask("POST", json=order()), 429)
    assert error["code"] == "QuotaExceeded"
    assert "exceeded the quota" in error["message"]
    server.clock.advance(5)
    statuses = [task["status"] for task in server.tasks()]
    assert (statuses.count("running"), statuses.count("queued")) == (10, 110)
    server.clock.advance(25)  # 49 frames in 1080p take 20.4 s
    statuses = [task["status"] for task in server.tasks()]
    assert (statuses.count("succeeded"), statuses.count("running")) == (10, 10)
    server.finish()
    assert len(server.charges()) == 120
    ends = [charge.charged_at for charge in server.charges()]
    assert ends[-1] - ends[0] == pytest.approx(11 * 49 / 24 * 10, abs=0.5)


def test_requests_are_limited_in_time() -> None:
    with FakeSeedance(speed=0) as server:
        client = PlainClient(server)
        assert client.ask("GET").status_code == 200
        assert error_of(client.ask("GET"), 429)["code"] == "AccountRateLimitExceeded"
        server.clock.advance(1)
        assert client.ask("GET").status_code == 200
        task = client.create()
        assert [client.ask("GET", f"/{task}").status_code for _ in range(21)] == [200] * 20 + [429]
        for _ in range(180):
            task = client.create(model=V2)
            assert client.ask("DELETE", f"/{task}").status_code == 200
            server.clock.advance(0.1)
        assert error_of(client.ask("POST", json=order(model=V2)), 429)["code"] == "ModelAccountRpmRateLimitExceeded"
        client.create(model=V2_FAST)
        server.clock.advance(60)
        client.create(model=V2)


def test_a_task_that_takes_too_long_expires_and_costs_nothing(server: FakeSeedance, client: PlainClient) -> None:
    server.faults.add("task", running_seconds=5000)
    task = client.create(execution_expires_after=3600)
    server.clock.advance(3601)
    assert client.poll(task)["status"] == "expired"
    server.finish()
    assert not server.charges()
