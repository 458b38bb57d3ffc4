"""How a test or a person steers the fake Seedance server, and how it begins and ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.comfyui import chosen_comfyui
from dev.console import DevError
from dev.environment import environment_for
from dev.fake_seedance import FakeSeedance
from dev.fake_seedance_client import (
    PlainClient,
    image,
    order,
)
from dev.fake_seedance_process import FakeSeedanceProcess
from dev.processes import ROOT


def test_everything_is_written_down_but_the_key(server: FakeSeedance, client: PlainClient) -> None:
    task = client.create(content=[image(), {"type": "text", "text": "A boat."}], seed=3)
    client.poll(task)
    create, poll = server.requests()
    assert (create.method, create.path, create.reply, create.task) == (
        "POST",
        "/api/v3/contents/generations/tasks",
        200,
        task,
    )
    assert create.body["seed"] == 3
    assert re.fullmatch(r"data:image/png;base64,sha256:[0-9a-f]{64}", create.body["content"][0]["image_url"]["url"])
    assert create.headers["Content-Type"] == "application/json"
    assert (poll.operation, poll.task, poll.authorization) == ("poll", task, "right")
    assert "test-key" not in str(server.requests())


def test_the_control_port_does_it_all(server: FakeSeedance, client: PlainClient) -> None:
    def control(method: str, path: str, expected: int = 200, **body: Any) -> Any:
        answer = requests.request(method, server.control_url + path, json=body or None, timeout=20)
        assert answer.status_code == expected, answer.text
        return answer.json()

    assert control("GET", "/state")["base_url"] == server.base_url
    assert control("POST", "/faults", kind="error", on="create", status=503, code="Busy") == {"ids": [1]}
    assert client.ask("POST", json=order()).status_code == 503
    assert control("GET", "/faults")["faults"][0]["spent"] is True
    assert control("POST", "/faults", recipe="07 create 403 AccountOverdueError")["ids"] == [2]
    assert client.ask("POST", json=order()).status_code == 403
    control("DELETE", "/faults")
    task = client.create(resolution="480p", duration=2)
    control("POST", "/wait", operation="create", count=3)
    now = control("GET", "/state")["now"]
    assert control("POST", "/clock", advance=100, speed=2)["now"] >= now + 100
    bill = control("GET", "/charges")
    assert (bill["count"], bill["total_usd"], bill["total_tokens"]) == (1, 0.019845, 19845)
    assert bill["charges"][0]["task_id"] == task
    assert [seen["operation"] for seen in control("GET", "/requests?operation=create&after=1")["requests"]] == [
        "create",
        "create",
    ]
    assert control("GET", "/tasks")["tasks"][0]["status"] == "succeeded"
    control("POST", "/port", open=False)
    with pytest.raises(requests.ConnectionError):
        client.ask("GET")
    control("POST", "/port", open=True)
    assert client.ask("GET").json()["total"] == 1
    control("POST", "/forget", task=task)
    assert client.ask("GET", f"/{task}").status_code == 404
    control("POST", "/limits", on=True)
    control("POST", "/finish")
    control("POST", "/release")
    control("POST", "/reset")
    assert control("GET", "/requests")["requests"] == control("GET", "/tasks")["tasks"] == []
    assert "GET /charges" in control("GET", "/nothing", 404)["routes"]
    for bad in ({"kind": "no"}, {"kind": "reset", "on": "lunch"}, {"kind": "reset", "nth": 0}, {"recipe": "x"}):
        assert control("POST", "/faults", 400, **bad)["error"]
    assert requests.post(f"{server.control_url}/reset", data="{}", timeout=20).status_code == 415
    assert "Fake Seedance" in requests.get(server.control_url, timeout=20).text
    assert len(server.requests()) == 0  # the control port is not in the log


def create_in_vain(client: PlainClient) -> None:
    """Wait for a reply until the server is gone."""
    with pytest.raises(requests.ConnectionError):
        client.create()


def test_nothing_is_left_running() -> None:
    before = threading.active_count()
    with FakeSeedance() as server:
        server.faults.add("delay", seconds=3600)
        waiting = threading.Thread(target=create_in_vain, args=(PlainClient(server),))
        waiting.start()
        server.wait_for("create")
    waiting.join(10)
    assert threading.active_count() == before


def test_as_a_process_it_ends_with_the_one_that_started_it() -> None:
    command = [sys.executable, "-m", "dev.fake_seedance", "--no-rate-limits", "--until-stdin-closes"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(2)]
        assert [line[0] for line in lines] == ["API", "CONTROL"]
        state = requests.get(f"{lines[1][1]}/state", timeout=20).json()
        assert (state["base_url"], state["rate_limits"]) == (lines[0][1], False)
        process.communicate(timeout=20)
        assert process.returncode == 0


def test_a_taken_port_is_said() -> None:
    with FakeSeedance() as server:
        port = server.base_url.split(":")[2].split("/")[0]
        command = [sys.executable, "-m", "dev.fake_seedance", "--port", port]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    assert run.returncode == 1
    assert run.stderr.startswith("A port could not be opened: ")


def test_comfyui_gets_open_gates_and_a_journal_of_its_own(tmp_path: Path) -> None:
    with FakeSeedanceProcess(Path(sys.executable)) as fake:
        environ = fake.environ(tmp_path)
        assert requests.get(fake.control_url, timeout=20).status_code == 200
        answer = requests.get(
            f"{environ['ARK_BASE_URL']}/contents/generations/tasks",
            headers={"Authorization": f"Bearer {environ['ARK_API_KEY']}"},
            timeout=20,
        )
        assert answer.json() == {"total": 0, "items": []}
    assert environ["SEEDANCE_ENABLED"] == "1"
    assert date.fromisoformat(environ["SEEDANCE_TERMS_READ"]) <= date.today()
    assert 0 < float(environ["SEEDANCE_MAX_USD_PER_RUN"]) < float(environ["SEEDANCE_MAX_USD_PER_DAY"])
    assert Path(environ["STORYMOTION_HOME"]).is_dir()
    assert Path(environ["STORYMOTION_HOME"]) != tmp_path / "user" / "storymotion"
    with pytest.raises(requests.ConnectionError):
        requests.get(fake.control_url, timeout=20)


def test_a_fake_that_cannot_start_is_said(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such module\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    if os.name == "nt":
        pytest.skip("a script is no program there")
    with pytest.raises(DevError, match="did not start: no such module"):
        FakeSeedanceProcess(python).start()


@pytest.mark.comfy
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a process of Windows cannot be sent Ctrl-C alone")
@pytest.mark.skipif(not environment_for(chosen_comfyui()).is_ready(), reason="this Python was not set up by dev.py")
def test_dev_comfy_starts_both_and_ends_both(tmp_path: Path) -> None:
    data = tmp_path / "data"
    nodes = data / "custom_nodes"
    nodes.mkdir(parents=True)
    names = ("ARK_BASE_URL", "ARK_API_KEY", "SEEDANCE_ENABLED")
    told = (
        f"import os\nprint('WIRED', *[os.environ[name] for name in {names}], flush=True)\nNODE_CLASS_MAPPINGS = {{}}\n"
    )
    (nodes / "tells.py").write_text(told, encoding="utf-8")
    command = [sys.executable, "dev.py", "comfy", "--fake-seedance", "--data", str(data)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", errors="replace") as comfy:
        assert comfy.stdout is not None
        control = next(line for line in comfy.stdout if line.startswith("FAKE SEEDANCE ")).split()[2]
        address = next(line for line in comfy.stdout if line.startswith("READY ")).split()[1]
        wired = next(line for line in comfy.stdout if line.startswith("WIRED ")).split()
        state = requests.get(f"{control}/state", timeout=20).json()
        assert wired[1:] == [state["base_url"], "test-fake-seedance", "1"]
        assert state["work_speed"] > 1
        assert requests.get(f"{address}/system_stats", timeout=20).status_code == 200
        comfy.send_signal(signal.SIGINT)
        comfy.communicate(timeout=60)
        assert comfy.returncode == 0
    for gone in (control, address):
        with pytest.raises(requests.ConnectionError):
            requests.get(gone, timeout=20)
