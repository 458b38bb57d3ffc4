"""Queue a story on a running ComfyUI, follow its progress, and download every MP4.

    python -m pip install websocket-client
    python queue_story.py workflows/api/08_story_distilled.json --story my_story.json --to films

The story and its pictures are in ComfyUI's input folder. When ComfyUI goes away in the middle, this waits until it
is back and queues the story again; StoryMotion then reuses the shots that were finished. Ctrl-C ends this script
only: what is queued goes on.

Exit code: 0 when all is there, 1 when scenes failed (what could be made is downloaded), 2 when there is no film.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import shutil
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

import websocket  # the package websocket-client

PROGRESS_TEXT = 3  # the first four bytes of a binary message say what it is
SECONDS_OF_SILENCE = 10.0
MOST_RESTARTS = 5
Result = TypeVar("Result")


class NoFilm(Exception):
    """ComfyUI refused the story, or gave it up; the message says why."""


class Comfy:
    """The ComfyUI at ``address``. ConnectionError from any method means that it went away."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.client_id = uuid.uuid4().hex

    def open(self, path: str, body: dict | None = None) -> http.client.HTTPResponse:
        """The answer to GET ``path``, or to POST with ``body`` as JSON. Raises NoFilm when ComfyUI refuses."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        try:
            return urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            raise NoFilm(f"{path}: {error.read().decode('utf-8', 'replace')}") from error
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(str(error)) from error

    def json(self, path: str, body: dict | None = None) -> dict:
        """The same as JSON."""
        try:
            with self.open(path, body) as answer:
                return json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException) as error:  # it broke off
            raise ConnectionError(str(error)) from error

    def socket(self) -> websocket.WebSocket:
        """A websocket on which ComfyUI reports about what this client queues."""
        address = f"ws{self.address.removeprefix('http')}/ws?clientId={self.client_id}"
        try:
            return websocket.create_connection(address, timeout=SECONDS_OF_SILENCE)
        except (OSError, websocket.WebSocketException) as error:
            raise ConnectionError(str(error)) from error

    def place(self, prompt_id: str) -> str:
        """Where it is: "queue_running", "queue_pending", or nowhere."""
        queue = self.json("/queue")
        return next((place for place in queue if any(prompt_id == entry[1] for entry in queue[place])), "")

    def result(self, prompt_id: str) -> dict | None:
        """What came of it, if it ended since ComfyUI was started."""
        return self.json(f"/history/{prompt_id}").get(prompt_id)

    def queue(self, prompt_id: str, graph: dict) -> None:
        """Put it into the queue under an id of ours, so that we can ask for it even if the answer is lost."""
        answer = self.json("/prompt", {"prompt": graph, "prompt_id": prompt_id, "client_id": self.client_id})
        if answer["node_errors"]:  # it would run without the nodes that are wrong
            self.json("/queue", {"delete": [prompt_id]})
            raise NoFilm(json.dumps(answer["node_errors"], indent=2))

    def wait(self) -> None:
        """Wait until it answers."""
        while True:
            try:
                self.json("/queue")
                return
            except ConnectionError:
                time.sleep(1)


def render(comfy: Comfy, prompt_id: str, graph: dict) -> dict:
    """Queue ``graph`` unless it is queued or done, print its progress, and return what came of it.

    Raises ConnectionError, NoFilm.
    """
    socket = comfy.socket()
    try:
        # In this order: it goes from the queue to the results, never back. After a restart it is in neither.
        if not comfy.place(prompt_id) and comfy.result(prompt_id) is None:
            comfy.queue(prompt_id, graph)
            print("queued", flush=True)
        shown = ""
        while place := comfy.place(prompt_id):
            for text in progress(socket, prompt_id, place == "queue_running"):
                if text != shown:
                    print(text, flush=True)
                shown = text
        result = comfy.result(prompt_id)
    finally:
        socket.close()
    if result is None:
        raise NoFilm("Somebody took the story out of the queue.")
    for kind, data in result["status"]["messages"]:
        if kind == "execution_error":
            raise NoFilm(f"{data['node_type']}: {data['exception_message']}")
        if kind == "execution_interrupted":
            raise NoFilm("Somebody cancelled it. Queue it again, and it goes on where it stopped.")
    return result


def progress(socket: websocket.WebSocket, prompt_id: str, is_ours: bool) -> Iterator[str]:
    """What its nodes report, until it ends or there is silence for a while; ``is_ours``: it is what runs now.

    Raises ConnectionError.
    """
    while True:
        try:
            message = socket.recv()
        except websocket.WebSocketTimeoutException:
            return
        except (OSError, websocket.WebSocketException) as error:
            raise ConnectionError(str(error)) from error
        if isinstance(message, bytes):
            kind, length = struct.unpack_from(">II", message)
            if kind == PROGRESS_TEXT and is_ours:  # these go to everybody, whoever queued
                yield message[8 + length :].decode("utf-8", "replace")
        elif message:
            event = json.loads(message)
            data = event.get("data", {})
            is_ours = data.get("prompt_id", prompt_id if is_ours else None) == prompt_id
            if is_ours and event["type"] == "executing" and data["node"] is None:  # the result is there
                return


def download(comfy: Comfy, file: dict, folder: Path) -> None:
    """Save a file that a node has saved. Raises ConnectionError."""
    target = folder / PurePosixPath(file["filename"]).name
    unfinished = target.with_name(target.name + ".part")
    query = urllib.parse.urlencode({name: file[name] for name in ("filename", "subfolder", "type")})
    try:
        with comfy.open(f"/view?{query}") as answer, unfinished.open("wb") as output:
            shutil.copyfileobj(answer, output)
            if output.tell() != int(answer.headers["Content-Length"]):
                raise ConnectionError("the download broke off")
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    unfinished.replace(target)
    print("saved", target, flush=True)


def in_spite_of_restarts(comfy: Comfy, do: Callable[..., Result], *arguments: object) -> Result:
    """``do(comfy, *arguments)``, again when ComfyUI was away meanwhile. Raises NoFilm."""
    for _ in range(MOST_RESTARTS):
        try:
            return do(comfy, *arguments)
        except ConnectionError as error:
            print(f"ComfyUI does not answer ({error}); waiting for it", flush=True)
            comfy.wait()
    raise NoFilm(f"ComfyUI went away {MOST_RESTARTS} times; its log says why.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Queue a story on ComfyUI and download every MP4.")
    parser.add_argument("workflow", type=Path, help="in API format, for example workflows/api/08_story_distilled.json")
    parser.add_argument("--story", help="a file in ComfyUI's input folder; without it, the one in the workflow")
    parser.add_argument("--server", default="http://127.0.0.1:8188")
    parser.add_argument("--to", type=Path, default=Path(), help="folder for the MP4s")
    options = parser.parse_args()
    graph = json.loads(options.workflow.read_text(encoding="utf-8"))
    for node in graph.values():
        if node["class_type"] == "StoryMotionLoadStory" and options.story:
            node["inputs"]["story"] = options.story
        if node["class_type"] == "StoryMotionJoin":
            # An error would keep ComfyUI from telling us where the film is; the report says the same.
            node["inputs"]["on_failure"] = "finish"
    comfy = Comfy(options.server)
    try:
        result = in_spite_of_restarts(comfy, render, str(uuid.uuid4()), graph)
        outputs = result["outputs"].values()
        videos = [file for output in outputs for file in output.get("images", []) if file["type"] == "output"]
        options.to.mkdir(parents=True, exist_ok=True)
        for file in videos:
            in_spite_of_restarts(comfy, download, file, options.to)
    except NoFilm as error:
        print(error, file=sys.stderr)
        return 2
    # A node shows its report itself, and a Preview beside it shows the same.
    reports = list(dict.fromkeys(text for output in outputs for text in output.get("text", [])))
    print("\n\n".join(reports))
    # A row of the report begins "Scene 3 (bridge): done." or "reused ..." or "failed." with the reason.
    return 1 if any(re.search(r"^Scene \d.*: failed\.", report, re.MULTILINE) for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
