"""The SeeDANCE nodes on the real server with the local service: one charge for each shot, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dev.client import ComfyClient, PromptFailed, PromptInterrupted
from storymotion.media.probe import probe
from storymotion.paid.journal import Journal
from storymotion.paid.journal_row import State

from .paid_server import RECEIPT, SHOT, SMALL, SMALL_USD, Graph, PaidServer, collecting, saved, shots, text_of

pytestmark = pytest.mark.comfy


def rows(paid: PaidServer) -> list[State]:
    """The states in the journal, oldest first."""
    return [row.state for row in Journal(paid.home / "journal.sqlite3").rows()]


def in_the_middle(client: ComfyClient, paid: PaidServer, graph: Graph, do: Callable[[], Any], polls: int = 1) -> str:
    """Queue ``graph``, and ``do`` something after so many looks at its tasks; the id of the prompt."""
    before = len(paid.fake.requests("poll"))
    prompt_id = client.queue(graph)
    paid.fake.wait_for("poll", before + polls)
    do()
    return prompt_id


def test_one_shot(paid: PaidServer, paid_client: ComfyClient) -> None:
    graph = shots().add("4", "PreviewImage", images=[SHOT, 1])
    entry = paid_client.run(graph)
    (task,) = paid.charged()
    (video,) = saved(paid.server, entry)
    facts = probe(video)
    assert (facts.width, facts.height, facts.frames) == (864, 480, 49)
    assert (paid.home / "seedance" / f"{task}.mp4").is_file()
    assert len(entry["outputs"]["4"]["images"]) == 1
    receipt = text_of(entry)
    assert f"Task {task} (seedance-1-0-pro-fast-251015, take 1): 19845 tokens, $0.019845 = 29 KRW" in receipt
    assert "quoted at most $0.019845" in receipt and "paid earlier" not in receipt
    # 28.775 KRW for 49 frames at 24 per second.
    assert "113 KRW" in receipt and "over the target of 54 KRW" in receipt

    # The same inputs again, which ComfyUI does not know for the same because of the name, and once more at once.
    both = [paid_client.queue(shots().listed("9", "name", [name])) for name in ("again", "and again")]
    for prompt_id in both:
        assert "It was paid earlier" in text_of(paid_client.wait(prompt_id))
    assert paid.charged() == [task]
    # Another take is another shot.
    paid_client.run(shots(take=2))
    assert len(paid.charged()) == 2


def test_two_nodes_that_ask_for_the_same_shot_at_once_pay_once(paid: PaidServer, paid_client: ComfyClient) -> None:
    graph = shots().listed("9", "name", ["one"])
    graph.add("5", "StoryMotionSeedance", **graph[SHOT]["inputs"]).listed("8", "name", ["two"], shot="5")
    graph.add("6", "PreviewAny", source=["5", 2])
    entry = paid_client.run(graph)
    assert len(paid.charged()) == 1 and len(paid.fake.requests("create")) == 1
    assert sorted("paid earlier" in text_of(entry, node) for node in (RECEIPT, "6")) == [False, True]


def test_a_story_with_a_moderated_and_a_refused_scene(paid: PaidServer, paid_client: ComfyClient) -> None:
    names = ["first", "second", "third"]
    graph = shots().listed("8", "prompt", [f"Scene {name}." for name in names]).listed("9", "name", names)
    graph.add("5", "StoryMotionJoin", videos=[SHOT, 0], filename_prefix="paid-film", on_failure="finish")
    graph.add("6", "PreviewAny", source=["5", 1])
    # Which scene is sent first is left to chance; the service says which it was.
    paid.fake.faults.add("error", status=429, code="ServerOverloaded", headers={"Retry-After": "86400"})
    paid.fake.faults.add("task", nth=2, outcome="failed")
    entry = paid_client.run(graph)
    refused, moderated, good = (_scene(seen.body) for seen in paid.fake.requests("create"))
    assert {refused, moderated, good} == set(names)
    receipt = text_of(entry)
    assert "1 paid shots, 0 paid earlier, 2 failed" in receipt and "$0.019845 = 29 KRW" in receipt
    assert f"Scene {_place(names, moderated)}: failed. The content check of BytePlus ModelArk refused" in receipt
    assert f"Scene {_place(names, refused)}: failed. BytePlus ModelArk takes no more requests" in receipt
    assert len(saved(paid.server, entry)) == 1 and len(paid.charged()) == 1
    assert "2 of 3 scenes missing" in text_of(entry, "6") and moderated in text_of(entry, "6")

    rows = {row["name"]: row for row in (json.loads(row) for row in entry["outputs"][SHOT]["storymotion"])}
    assert {name: row["state"] for name, row in rows.items()} == {good: "done", moderated: "failed", refused: "failed"}
    assert (rows[good]["krw_text"], rows[good]["usd_text"]) == ("29", "0.019845") and "seconds" not in rows[refused]
    assert rows[good]["position"] == int(_place(names, good).split()[0]) and rows[good]["seconds"] > 1

    # Queued again as it is: only what the service had refused is sent.
    entry = paid_client.run(graph)
    receipt = text_of(entry)
    states = {row["name"]: row["state"] for row in (json.loads(row) for row in entry["outputs"][SHOT]["storymotion"])}
    assert states == {good: "earlier", moderated: "failed", refused: "done"}
    assert "1 paid shots, 1 paid earlier, 1 failed" in receipt
    assert len(paid.charged()) == 2 and len(paid.fake.requests("create")) == 4
    assert f"Of scene {_place(names, refused)}:" in receipt


def test_nodes_and_scenes_work_side_by_side_within_the_accounts_limit(
    paid: PaidServer, paid_client: ComfyClient, own_catalogue: Callable[[int], None]
) -> None:
    own_catalogue(2)
    graph = shots().listed("9", "prompt", ["One.", "Two."])
    graph.add("5", "StoryMotionSeedance", **graph[SHOT]["inputs"] | {"prompt": "Three."})
    graph.add("6", "PreviewAny", source=["5", 2])
    paid.fake.faults.add("task", times=0, queued_seconds=0, running_seconds=3600)
    prompt_id = paid_client.queue(graph)
    for number in (2, 3):
        paid.fake.wait_for("create", number)
        paid.fake.wait_for("poll", number)
        paid.fake.clock.advance(3600)
    paid_client.wait(prompt_id)
    assert len(paid.charged()) == 3
    spans = [(task["created_at"], task["updated_at"]) for task in paid.fake.tasks()]
    at_once = [sum(begun <= moment < ended for begun, ended in spans) for moment, _ in spans]
    assert max(at_once) == 2


def test_cancelled_while_queued_it_costs_nothing_and_may_be_asked_for_again(
    paid: PaidServer, paid_client: ComfyClient
) -> None:
    paid.fake.faults.add("task", queued_seconds=3600)
    graph, shown = shots(), []
    prompt_id = in_the_middle(paid_client, paid, graph, paid_client.interrupt)
    with pytest.raises(PromptInterrupted):
        paid_client.wait(prompt_id, shown.append)
    assert any("has been cancelled; it is not charged" in each.text for each in shown)
    paid.fake.finish()
    assert paid.charged() == [] and [task["status"] for task in paid.fake.tasks()] == ["cancelled"]
    paid_client.run(graph)
    assert len(paid.charged()) == 1


def test_cancelled_while_running_it_says_what_will_be_charged_and_is_collected(
    paid: PaidServer, paid_client: ComfyClient
) -> None:
    assert text_of(paid_client.run(collecting()), SHOT) == "No paid shot is waiting to be fetched."
    paid.fake.faults.add("task", times=2, queued_seconds=0, running_seconds=3600)
    graph = shots().listed("9", "prompt", ["One.", "Two."])
    prompt_id = in_the_middle(paid_client, paid, graph, paid_client.interrupt, polls=2)
    with pytest.raises(PromptFailed) as raised:
        paid_client.wait(prompt_id)
    message = raised.value.details["exception_message"]
    tasks = [task["id"] for task in paid.fake.tasks()]
    assert all(task in message for task in tasks) and len(tasks) == 2
    assert "cannot be stopped and will be charged" in message and "Collect node" in message
    assert rows(paid) == [State.SUBMITTED, State.SUBMITTED] and paid.fake.requests("delete") == []

    paid.fake.finish()
    entry = paid_client.run(collecting())
    receipt = text_of(entry, SHOT)
    assert all(f"Task {task} " in receipt for task in tasks) and "0 paid shots, 2 paid earlier, 0 failed" in receipt
    assert len(saved(paid.server, entry)) == 2 and rows(paid) == [State.DOWNLOADED] * 2
    told = [json.loads(row) for row in entry["outputs"][SHOT]["storymotion"]]
    assert sorted((row["name"], row["state"]) for row in told) == [("One.", "earlier"), ("Two.", "earlier")]
    assert all(row["seconds"] > 0 and row["usd_text"] in receipt for row in told)
    # Both ways come to the same: queued again, nothing is sent.
    assert "0 paid shots, 2 paid earlier" in text_of(paid_client.run(graph))
    assert len(paid.charged()) == 2 and len(paid.fake.requests("create")) == 2
    # A task by its id, and one that nobody knows.
    assert tasks[0] in text_of(paid_client.run(collecting(tasks[0])), SHOT)
    with pytest.raises(PromptFailed, match="there is no task 'cgt-nobodys'"):
        paid_client.run(collecting("cgt-nobodys"))


def test_killed_while_running_it_is_the_same_task_after_the_restart(paid: PaidServer, paid_client: ComfyClient) -> None:
    paid.fake.faults.add("task", queued_seconds=0, running_seconds=3600)
    in_the_middle(paid_client, paid, shots(), paid.server.kill)
    paid.server.start()
    paid.open_gates(paid.home)
    paid.fake.finish()
    with ComfyClient(paid.server.address) as client:
        entry = client.run(shots())
        (task,) = paid.charged()
        assert f"Task {task} " in text_of(entry) and "It was paid earlier" in text_of(entry)
        assert len(paid.fake.requests("create")) == 1 and len(saved(paid.server, entry)) == 1
        assert text_of(client.run(collecting()), SHOT) == "No paid shot is waiting to be fetched."


def test_the_cap_of_a_run_holds_for_all_its_nodes_before_one_scene_is_sent(
    paid: PaidServer, paid_client: ComfyClient
) -> None:
    """The second node begins with the last frame of the first; its two scenes fit below the cap only one by one."""
    paid.open_gates(paid.home, SEEDANCE_MAX_USD_PER_RUN="0.05")
    graph = shots("One.")
    graph.add("5", "StoryMotionSeedance", **graph[SHOT]["inputs"] | {"first_frame": [SHOT, 1]})
    graph.listed("9", "prompt", ["Two.", "Three."], shot="5").add("6", "PreviewAny", source=["5", 2])
    with pytest.raises(PromptFailed, match=r"may cost \$0.039690, but of the cap SEEDANCE_MAX_USD_PER_RUN = \$0.05"):
        paid_client.run(graph)
    assert len(paid.charged()) == 1 and len(paid.fake.requests("create")) == 1
    # In a run of its own the second node is within the cap.
    paid_client.run(graph)
    assert len(paid.charged()) == 3


def test_quotes_and_receipts_count_with_the_users_exchange_rate(paid: PaidServer, paid_client: ComfyClient) -> None:
    inputs = SMALL | {"resolution": "720p", "duration": 5, "service_tier": "default"}
    graph = Graph().add(SHOT, "StoryMotionSeedanceQuote", **inputs)
    graph.add("2", "PreviewAny", source=[SHOT, 0]).add("3", "PreviewAny", source=[SHOT, 1])
    entry = paid_client.run(graph)
    assert (float(text_of(entry, "2")), float(text_of(entry, "3"))) == pytest.approx((0.103818, 150.5361))
    report = text_of(entry, SHOT)
    assert "at most $0.103818 = 151 KRW at 1450 KRW per USD" in report and "over the target of 54 KRW" in report
    assert "Cheaper: 720p 16:9, 5 s, flex: $0.051909" in report
    paid_client.post("/settings", {"StoryMotion.KrwPerUsd": 1000})
    try:
        entry = paid_client.run(graph)
        receipt = text_of(paid_client.run(shots("At another rate.")))
    finally:
        paid_client.post("/settings", {"StoryMotion.KrwPerUsd": 1450})
    assert float(text_of(entry, "3")) == pytest.approx(103.818)
    assert f"${SMALL_USD} = 20 KRW at 1000 KRW per USD" in receipt


@pytest.fixture
def own_catalogue(paid: PaidServer) -> Any:
    """Let the account of the default model run only so many tasks at once, in the user's own file."""
    file = paid.server.data / "user" / "storymotion" / "seedance.json"
    shipped = Path(__file__).parents[2] / "storymotion" / "paid" / "seedance" / "models.json"

    def write(concurrent: int) -> None:
        model = json.loads(shipped.read_text(encoding="utf-8"))["models"][0] | {"concurrent": concurrent}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"models": [model]}), encoding="utf-8")

    yield write
    file.unlink(missing_ok=True)


def _scene(body: dict[str, Any]) -> str:
    """The name in the prompt of a request."""
    return body["content"][0]["text"].split()[1].rstrip(".")


def _place(names: list[str], name: str) -> str:
    return f"{names.index(name) + 1} ({name})"
