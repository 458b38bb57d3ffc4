"""ComfyUI's HTTP and WebSocket interface: queue a workflow, watch it, take what it made."""

from __future__ import annotations

import json
import struct
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

import websocket

# A proxy that the environment names is not for a server on this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# The first four bytes of a binary message say what it is (ComfyUI's protocol.py); others carry previews.
TEXT_MESSAGE = 3


@dataclass(frozen=True)
class NodeProgress:
    """What a running node reports: ``done`` of ``total`` units, or a ``text`` of its own."""

    node: str
    class_type: str
    done: float = 0.0
    total: float = 1.0
    text: str = ""


OnProgress = Callable[[NodeProgress], None]


class ComfyError(Exception):
    """ComfyUI did not do it. The message is one sentence, ``details`` the JSON that ComfyUI sent."""

    def __init__(self, message: str, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.details = details


class PromptRejected(ComfyError):
    """The workflow did not pass ComfyUI's validation; nothing ran."""


class PromptFailed(ComfyError):
    """A node raised."""


class PromptInterrupted(ComfyError):
    """Somebody interrupted the prompt."""


class ComfyClient:
    """A connection to the ComfyUI at ``address`` ("http://127.0.0.1:8188"); close it or use it in a ``with``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client_id = uuid.uuid4().hex
        self._class_types: dict[str, str] = {}
        self._socket = websocket.create_connection(
            f"ws://{urlsplit(address).netloc}/ws?clientId={self._client_id}", timeout=30, http_no_proxy=["127.0.0.1"]
        )

    def close(self) -> None:
        """Leave the server."""
        self._socket.close()

    def __enter__(self) -> ComfyClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON that ``path`` answers with; raises ComfyError for an HTTP error, ConnectionError for no answer."""
        return json.loads(self._open(path, query))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send ``body`` as JSON; the JSON of the answer, or None when it is empty. Raises like get()."""
        answer = self._open(path, {}, json.dumps(body).encode())
        return json.loads(answer) if answer.strip() else None

    def download(self, file: dict[str, str], target: Path) -> None:
        """Save a file that a history entry names ({"filename", "subfolder", "type"}) as ``target``."""
        target.write_bytes(self._open("/view", {name: file[name] for name in ("filename", "subfolder", "type")}))

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The finished prompt's entry ({"outputs", "status", ...}), or None while it is not finished."""
        return self.get(f"/history/{prompt_id}").get(prompt_id)

    def interrupt(self) -> None:
        """Ask the server to stop the prompt that runs now."""
        self.post("/interrupt", {})

    def queue(self, workflow: dict[str, Any]) -> str:
        """Queue ``workflow`` (API format) and return its prompt id.

        Raises PromptRejected also when ComfyUI would run only a part of it.
        """
        prompt_id = str(uuid.uuid4())
        try:
            answer = self.post("/prompt", {"prompt": workflow, "client_id": self._client_id, "prompt_id": prompt_id})
        except ComfyError as error:
            raise PromptRejected(_rejection(error.details), error.details) from error
        if answer.get("node_errors"):
            self.post("/queue", {"delete": [prompt_id]})
            self.post("/interrupt", {"prompt_id": prompt_id})
            raise PromptRejected(_rejection(answer), answer)
        self._class_types.update({node: entry["class_type"] for node, entry in workflow.items()})
        return prompt_id

    def wait(self, prompt_id: str, on_progress: OnProgress | None = None, timeout: float = 600.0) -> dict[str, Any]:
        """Wait for a queued prompt's end, at most ``timeout`` seconds, and return its history entry.

        ``on_progress`` is called with whatever its nodes report meanwhile. Raises PromptFailed,
        PromptInterrupted, TimeoutError, ConnectionError when the server goes away.
        """
        deadline = time.monotonic() + timeout
        # The history entry is written just before the message that no node runs any more.
        while (entry := self.history(prompt_id)) is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"the prompt {prompt_id} did not end within {timeout:.0f} s")
            for progress in self._receive_until_end(prompt_id, min(remaining, 5.0)):
                if on_progress is not None:
                    on_progress(progress)
                if time.monotonic() > deadline:
                    break
        _raise_failure(entry)
        return entry

    def run(
        self, workflow: dict[str, Any], on_progress: OnProgress | None = None, timeout: float = 600.0
    ) -> dict[str, Any]:
        """Queue ``workflow`` and wait for its end; see queue() and wait()."""
        return self.wait(self.queue(workflow), on_progress, timeout)

    def _receive_until_end(self, prompt_id: str, seconds: float) -> Iterator[NodeProgress]:
        """Yield what the prompt's nodes report; returns when the prompt ended or nothing came for ``seconds``."""
        self._socket.settimeout(seconds)
        while True:
            try:
                message = self._socket.recv()
            except websocket.WebSocketTimeoutException:
                return
            except (websocket.WebSocketException, OSError) as error:
                raise ConnectionError(f"ComfyUI at {self.address} closed the connection") from error
            if isinstance(message, bytes):
                yield from self._read_text(message)
                continue
            event = json.loads(message)
            data = event.get("data", {})
            if data.get("prompt_id") != prompt_id:
                continue
            if event["type"] == "executing" and data["node"] is None:
                return
            if event["type"] == "progress_state":
                for node in data["nodes"].values():
                    if node["state"] == "running":
                        name = node["real_node_id"]
                        yield NodeProgress(name, self._class_types.get(name, ""), node["value"], node["max"])

    def _read_text(self, message: bytes) -> Iterator[NodeProgress]:
        kind, length = struct.unpack_from(">II", message)
        if kind == TEXT_MESSAGE:
            node = message[8 : 8 + length].decode("utf-8", errors="replace")
            text = message[8 + length :].decode("utf-8", errors="replace")
            yield NodeProgress(node, self._class_types.get(node, ""), text=text)

    def _open(self, path: str, query: dict[str, str], body: bytes | None = None) -> bytes:
        url = self.address + path + (f"?{urlencode(query)}" if query else "")
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {})
        try:
            with _direct.open(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", errors="replace")
            try:
                details = json.loads(text)
            except ValueError:
                details = {"error": text}
            raise ComfyError(f"{path} answered with HTTP {error.code}: {text[:300]}", details) from error
        except urllib.error.URLError as error:
            raise ConnectionError(f"ComfyUI at {self.address} does not answer: {error.reason}") from error


def _rejection(answer: dict[str, Any]) -> str:
    """The first thing that ComfyUI's validation found, in one sentence."""
    for node, found in (answer.get("node_errors") or {}).items():
        for error in found["errors"]:
            reason = f"{error['message']}: {error['details']}"
            return f"ComfyUI refused the workflow: node {node} ({found['class_type']}): {reason}"
    error = answer.get("error")
    return f"ComfyUI refused the workflow: {error.get('message') if isinstance(error, dict) else error}"


def _raise_failure(entry: dict[str, Any]) -> None:
    for kind, data in entry["status"]["messages"]:
        if kind == "execution_error":
            node = f"node {data['node_id']} ({data['node_type']})"
            raise PromptFailed(f"{node} raised {data['exception_type']}: {data['exception_message'].strip()}", data)
        if kind == "execution_interrupted":
            raise PromptInterrupted(f"the prompt was interrupted at node {data['node_id']} ({data['node_type']})", data)
