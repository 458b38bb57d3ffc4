"""The control port: what a test or a person in a browser does with the fake; JSON in, JSON out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .faults import recipes
from .wire import ClientLeft, Handler, Reply

if TYPE_CHECKING:
    from .fake import FakeSeedance

Body = dict[str, Any]


class ControlHandler(Handler):
    """The routes of the control port (see the package's docstring)."""

    def serve(self) -> None:
        """Answer one request."""
        fake: FakeSeedance = self.server.context["fake"]
        try:
            content = self.read_body() or b""
            self.send(self._reply(fake, content))
        except ClientLeft:
            self.close_connection = True

    def _reply(self, fake: FakeSeedance, content: bytes) -> Reply:
        address = urlsplit(self.path)
        if (self.command, address.path) == ("GET", "/"):
            page = (Path(__file__).parent / "page.html").read_bytes()
            return Reply(200, page, {"Content-Type": "text/html; charset=utf-8"})
        action = ROUTES.get((self.command, address.path))
        if action is None:
            known = [f"{method} {path}" for method, path in ROUTES]
            return _json({"error": f"There is no {self.command} {address.path}.", "routes": known}, 404)
        # A page of another site can post a form here, but not JSON: that takes a question that is never answered.
        if self.command != "GET" and content and self.headers.get_content_type() != "application/json":
            return _json({"error": "Content-Type has to be application/json."}, 415)
        try:
            body = json.loads(content) if content else {name: values[-1] for name, values in _query(address.query)}
            return _json(action(fake, body))
        except (ValueError, TypeError, KeyError, AttributeError, TimeoutError, OSError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)


def _query(text: str) -> list[tuple[str, list[str]]]:
    return list(parse_qs(text).items())


def _json(data: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(data, ensure_ascii=False).encode(), {"Content-Type": "application/json"})


def _state(fake: FakeSeedance, _: Body) -> Body:
    return {
        "base_url": fake.base_url,
        "control_url": fake.control_url,
        "download_url": fake.download_url,
        "now": fake.clock.now(),
        "speed": fake.clock.speed,
        "work_speed": fake.book.work_speed,
        "rate_limits": fake.rates.on,
    }


def _charges(fake: FakeSeedance, _: Body) -> Body:
    return fake.book.bill()


def _requests(fake: FakeSeedance, body: Body) -> Body:
    after = int(body.get("after", 0))
    return {"requests": [seen.as_json() for seen in fake.requests(body.get("operation")) if seen.number > after]}


def _tasks(fake: FakeSeedance, _: Body) -> Body:
    return {"tasks": fake.tasks()}


def _faults(fake: FakeSeedance, _: Body) -> Body:
    return {"faults": fake.faults.listed()}


def _add_fault(fake: FakeSeedance, body: Body) -> Body:
    added = fake.faults.add_recipe(body["recipe"]) if "recipe" in body else [fake.faults.add(**body)]
    return {"ids": [fault.id for fault in added]}


def _clear_faults(fake: FakeSeedance, _: Body) -> Body:
    fake.faults.clear()
    return {}


def _recipes(_fake: FakeSeedance, _: Body) -> Body:
    return {"recipes": recipes()}


def _clock(fake: FakeSeedance, body: Body) -> Body:
    if "speed" in body:
        fake.clock.speed = float(body["speed"])
    if "advance" in body:
        fake.clock.advance(float(body["advance"]))
    if "work_speed" in body:
        fake.book.work_speed = float(body["work_speed"])
    return _state(fake, body)


def _wait(fake: FakeSeedance, body: Body) -> Body:
    processed = body.get("processed", True)
    fake.wait_for(body["operation"], body.get("count", 1), body.get("timeout", 30.0), processed)
    return {}


def _port(fake: FakeSeedance, body: Body) -> Body:
    if body["open"]:
        fake.accept_connections()
    else:
        fake.refuse_connections()
    return {}


def _limits(fake: FakeSeedance, body: Body) -> Body:
    fake.rates.on = bool(body["on"])
    return {}


def _call(act: Callable[[FakeSeedance], None]) -> Callable[[FakeSeedance, Body], Body]:
    def action(fake: FakeSeedance, _: Body) -> Body:
        act(fake)
        return {}

    return action


ROUTES: dict[tuple[str, str], Callable[[Any, Body], Body]] = {
    ("GET", "/state"): _state,
    ("GET", "/charges"): _charges,
    ("GET", "/requests"): _requests,
    ("GET", "/tasks"): _tasks,
    ("GET", "/faults"): _faults,
    ("POST", "/faults"): _add_fault,
    ("DELETE", "/faults"): _clear_faults,
    ("GET", "/recipes"): _recipes,
    ("POST", "/clock"): _clock,
    ("POST", "/finish"): _call(lambda fake: fake.finish()),
    ("POST", "/wait"): _wait,
    ("POST", "/release"): _call(lambda fake: fake.release()),
    ("POST", "/forget"): lambda fake, body: fake.forget(body["task"]) or {},
    ("POST", "/port"): _port,
    ("POST", "/limits"): _limits,
    ("POST", "/reset"): _call(lambda fake: fake.reset()),
}
