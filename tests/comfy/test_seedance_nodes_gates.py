"""With any gate shut the paid node sends nothing and says how to open it; the key is nowhere to be found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dev.client import ComfyClient, PromptFailed

from .paid_server import KEY, RECEIPT, SHOT, SMALL_USD, PaidServer, collecting, saved, shots, text_of

pytestmark = pytest.mark.comfy
# What shuts the gate: changes to the environment and to the inputs; and what the node must say.
SHUT: dict[str, tuple[dict[str, str | None], dict[str, Any], str]] = {
    "enabled": ({"SEEDANCE_ENABLED": None}, {}, "SEEDANCE_ENABLED is not 1 or true"),
    "enabled, not exactly": ({"SEEDANCE_ENABLED": "yes"}, {}, "SEEDANCE_ENABLED is not 1 or true"),
    "terms": ({"SEEDANCE_TERMS_READ": None}, {}, "SEEDANCE_TERMS_READ is not set. To open: read the checklist"),
    "terms of old": ({"SEEDANCE_TERMS_READ": "2024-01-01"}, {}, "but the checklist was changed on"),
    "no cap of the run": ({"SEEDANCE_MAX_USD_PER_RUN": None}, {}, "SEEDANCE_MAX_USD_PER_RUN allows nothing. To open"),
    "no cap of the day": ({"SEEDANCE_MAX_USD_PER_DAY": "nan"}, {}, "SEEDANCE_MAX_USD_PER_DAY allows nothing. To open"),
    "cap of the run": ({"SEEDANCE_MAX_USD_PER_RUN": "0.01"}, {}, "SEEDANCE_MAX_USD_PER_RUN is $0.01, but"),
    "cap of the day": ({"SEEDANCE_MAX_USD_PER_DAY": "0.01"}, {}, "SEEDANCE_MAX_USD_PER_DAY is $0.01, of which"),
    "max_usd": ({}, {"max_usd": 0.0}, "To open: set max_usd to at least that"),
    "max_usd below the quote": ({}, {"max_usd": 0.0198}, "max_usd of the node is $0.0198, but"),
    "model": ({}, {"model": "seedance-9"}, "The model 'seedance-9' is not known here, nor is its price. To open"),
    "key": ({"ARK_API_KEY": None}, {}, "No API key: neither ARK_API_KEY nor ARK_API_KEY_FILE is set. To open"),
    "key for tests": ({"ARK_BASE_URL": None}, {}, "test-"),
    "real key": ({"ARK_API_KEY": "a-real-looking-key"}, {}, "test-"),
    "another host": ({"ARK_BASE_URL": "https://example.com/api/v3"}, {}, "ARK_BASE_URL names neither this machine nor"),
    "journal": ({"STORYMOTION_HOME": "not/absolute"}, {}, "The journal of paid shots not/absolute cannot be used"),
}


@pytest.mark.parametrize("gate", SHUT)
def test_a_shut_gate_sends_nothing_and_says_how_to_open_it(
    paid: PaidServer, paid_client: ComfyClient, gate: str
) -> None:
    environ, inputs, says = SHUT[gate]
    paid.open_gates(paid.home, **environ)
    with pytest.raises(PromptFailed) as raised:
        paid_client.run(shots(**inputs))
    message = raised.value.details["exception_message"]
    assert raised.value.details["exception_type"].endswith("GateShut")
    assert says in message, message
    assert "Nothing was sent to BytePlus ModelArk and nothing was paid" in message
    # The quote, and the seven facts of the checklist.
    if gate != "model":
        assert f"at most ${SMALL_USD} = 29 KRW at 1450 KRW per USD" in message
    assert message.count("nverified, check first") >= 4 and "Minimum top-up" in message
    assert paid.sent() == 0 and paid.fake.tasks() == []
    assert not (paid.home / "journal.sqlite3").exists()


def test_all_shut_gates_are_told_at_once_and_in_korean(paid: PaidServer, paid_client: ComfyClient) -> None:
    paid.open_gates(paid.home, SEEDANCE_ENABLED=None, SEEDANCE_TERMS_READ=None, ARK_API_KEY=None)
    paid_client.post("/settings", {"Comfy.Locale": "ko"})
    try:
        with pytest.raises(PromptFailed) as raised:
            paid_client.run(shots(max_usd=0.0))
    finally:
        paid_client.post("/settings", {"Comfy.Locale": "en"})
    message = raised.value.details["exception_message"]
    english, _, korean = message.partition("\uacb0\uc81c \uac8c\uc774\ud2b8\uac00")  # "The billing gate"
    for said in (english, korean):
        assert all(name in said for name in ("SEEDANCE_ENABLED", "SEEDANCE_TERMS_READ", "ARK_API_KEY", "max_usd"))
    assert f"${SMALL_USD} = 29\uc6d0" in korean and paid.sent() == 0


def test_a_refusal_for_billing_latches(paid: PaidServer, paid_client: ComfyClient) -> None:
    paid.fake.faults.add("error", status=403, code="AccountOverdueError")
    with pytest.raises(PromptFailed, match="refused the shot for reasons of billing: AccountOverdueError"):
        paid_client.run(shots())
    assert paid.sent() == 1
    with pytest.raises(PromptFailed, match=r"\(AccountOverdueError, .* UTC\). To open: look into the account there"):
        paid_client.run(shots("Another one."))
    assert paid.sent() == 1 and paid.charged() == []


def test_a_cap_that_holds_for_one_scene_only_sends_none(paid: PaidServer, paid_client: ComfyClient) -> None:
    paid.open_gates(paid.home, SEEDANCE_MAX_USD_PER_RUN="0.05")
    graph = shots().listed("9", "prompt", ["One.", "Two.", "Three."])
    with pytest.raises(PromptFailed, match=r"these shots \(3\) may cost \$0.059535 together") as raised:
        paid_client.run(graph)
    # The price is said once and with the sum.
    message = raised.value.details["exception_message"]
    assert "3 shots together: at most $0.059535 = 87 KRW" in message and message.count("(19845 tokens") == 1
    assert paid.sent() == 0


def test_a_scene_below_and_one_above_max_usd_send_nothing(paid: PaidServer, paid_client: ComfyClient) -> None:
    graph = shots().listed("8", "prompt", ["One.", "Two."]).listed("9", "max_usd", [1.0, 0.001])
    with pytest.raises(PromptFailed, match=r"max_usd of the node is \$0.001"):
        paid_client.run(graph)
    assert paid.sent() == 0


def test_what_was_paid_is_handed_on_when_the_gate_is_shut_again(paid: PaidServer, paid_client: ComfyClient) -> None:
    paid_client.run(shots("One."))
    paid.open_gates(paid.home, SEEDANCE_ENABLED=None)
    names = ["one", "two", "three"]
    graph = shots().listed("8", "prompt", ["One.", "Two.", "Three."]).listed("9", "name", names)
    entry = paid_client.run(graph)
    receipt = text_of(entry)
    assert "0 paid shots, 1 paid earlier, 2 failed" in receipt and len(saved(paid.server, entry)) == 1
    # Each scene has its row, the gate is told once.
    assert receipt.count("failed. Nothing was sent to BytePlus ModelArk") == 2
    assert receipt.count("SEEDANCE_ENABLED is not 1 or true") == 1
    assert len(paid.fake.requests("create")) == 1


def test_a_bad_scene_costs_only_itself(paid: PaidServer, paid_client: ComfyClient) -> None:
    graph = shots().listed("9", "prompt", ["One.", "Two. --rs 1080p"])
    receipt = text_of(paid_client.run(graph))
    assert "1 paid shots, 0 paid earlier, 1 failed" in receipt
    assert "Scene 2: failed. The prompt contains '--rs'" in receipt
    assert len(paid.charged()) == 1
    with pytest.raises(PromptFailed, match="None of the 2 scenes could be rendered"):
        paid_client.run(shots().listed("9", "prompt", ["One. --rs 480p", "Two. --rs 1080p"]))


def test_the_key_is_nowhere(paid: PaidServer, paid_client: ComfyClient, tmp_path: Path) -> None:
    """It comes from a file here, and goes nowhere but to the service: not when all is well, nor when all is wrong."""
    key_file = tmp_path / "key"
    key_file.write_text(KEY, encoding="utf-8")
    key_file.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir()
    paid.open_gates(home, ARK_API_KEY=None, ARK_API_KEY_FILE=str(key_file))
    graph = shots()
    entry = paid_client.run(graph)
    assert all(seen.authorization == "right" for seen in paid.fake.requests("create"))
    paid.fake.faults.add("error", status=401, code="AuthenticationError", message=f"The key {KEY} is wrong.")
    with pytest.raises(PromptFailed, match="does not accept the API key"):
        paid_client.run(shots("Refused."))
    paid.fake.faults.add("reset", processed=True)
    paid.fake.faults.add("error", on="list", times=0, status=401, code="AuthenticationError", message=f"Bearer {KEY}")
    with pytest.raises(PromptFailed):
        paid_client.run(shots("Nobody knows."))
    with pytest.raises(PromptFailed):
        paid_client.run(collecting())
    if os.name != "nt":
        key_file.chmod(0o644)
        with pytest.raises(PromptFailed, match="0644"):
            paid_client.run(shots("Open to all."))

    routes = ["/history", "/queue", "/object_info", "/system_stats", "/settings", "/internal/logs", "/prompt"]
    answers = [json.dumps(paid_client.get(route)) for route in routes]
    assert RECEIPT in entry["outputs"] and SHOT in answers[0]
    texts = [*answers, *(json.dumps(seen.as_json()) for seen in paid.fake.requests("download"))]
    assert [text[:80] for text in texts if KEY in text] == []
    folders = (paid.server.data, home)
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    kinds = {file.suffix for file in files}
    assert {".mp4", ".sqlite3", ".log"} <= kinds
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []
