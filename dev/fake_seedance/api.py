"""The API port: the service's four routes."""

from __future__ import annotations

import json
import re
import secrets
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .faults import Fault
from .refusal import Refusal, error_body, invalid
from .tasks import Outcome
from .validation import read_order
from .views import select, task_object
from .wire import ClientLeft, Handler, Reply

if TYPE_CHECKING:
    from .fake import FakeSeedance

BASE_PATH = "/api/v3"
TASKS = f"{BASE_PATH}/contents/generations/tasks"
ONE_TASK = re.compile(rf"{TASKS}/([^/]+)")


def route(method: str, path: str) -> tuple[str, str | None]:
    """The operation and the task id that a request names.

    There is no way to cancel by POST: whatever is posted below the tasks is a create, as on the real service.
    """
    one = ONE_TASK.fullmatch(path)
    if method == "POST" and (path == TASKS or path.startswith(f"{TASKS}/")):
        return "create", None
    if method == "GET" and path == TASKS:
        return "list", None
    if one and method in ("GET", "DELETE"):
        return "poll" if method == "GET" else "delete", one[1]
    return "other", None


class ApiHandler(Handler):
    """Answers, with the faults that were ordered, and writes everything down."""

    def serve(self) -> None:
        """Answer one request."""
        fake: FakeSeedance = self.server.context["fake"]
        address = urlsplit(self.path)
        operation, task = route(self.command, address.path)
        authorization = self.headers.get("Authorization")
        right = "absent" if authorization is None else "right" if fake.is_key(authorization) else "wrong"
        seen = fake.log.begin(
            operation=operation,
            method=self.command,
            path=address.path,
            query=address.query,
            headers={name: value for name, value in self.headers.items() if name.lower() != "authorization"},
            authorization=right,
            time=fake.clock.now(),
            task=task,
        )
        outcome, fault = fake.faults.take(operation, task, fake.status_of(task))
        fake.log.note(seen, fault=" + ".join(each.kind for each in (outcome, fault) if each) or None)
        try:
            if fault and fault.kind == "reset" and not fault.processed:
                fake.log.note(seen, reply=0)
                self.reset()
                return
            content = self.read_body()
            seen.keep_body(content or b"")
            request_id = f"02{int(fake.clock.now() * 1000)}{secrets.token_hex(20)}"
            reply, made = self._reply(fake, operation, task, right, address.query, content, outcome, fault, request_id)
            fake.log.note(seen, task=made or task, reply=0 if fault and fault.kind == "reset" else reply.status)
            if fault and fault.kind == "reset":
                self.reset()
                return
            if fault and fault.kind == "delay":
                fake.wait(fault.seconds)
            self.send(reply, fault, fake.wait)
            fake.log.note(seen, finished=True)
        except ClientLeft:
            fake.log.note(seen, client_left=True)
            self.close_connection = True

    def _reply(
        self,
        fake: FakeSeedance,
        operation: str,
        task: str | None,
        right: str,
        query: str,
        content: bytes | None,
        outcome: Fault | None,
        fault: Fault | None,
        request_id: str,
    ) -> tuple[Reply, str | None]:
        """The reply with the fault in it, and the id of the task that a create made."""
        status, made = 200, None
        headers = {"Content-Type": "application/json; charset=utf-8", "X-Request-Id": request_id}
        headers["Date"] = formatdate(fake.clock.now(), usegmt=True)
        body = b""
        if fault is None or fault.kind not in ("error", "redirect") or fault.processed:
            if fault and fault.kind == "lose" and task and fake.status_of(task):
                fake.book.forget(task)
            try:
                answer = self._work(fake, operation, task, right, query, content, outcome)
                made = answer["id"] if operation == "create" else None
                body = _json(answer)
            except Refusal as refusal:
                status = refusal.status
                body = _json(error_body(refusal.status, refusal.code, refusal.message, refusal.parameter, request_id))
        if fault is None:
            return Reply(status, body, headers), made
        return apply_fault(fault, Reply(status, body, headers), request_id), made

    def _work(
        self,
        fake: FakeSeedance,
        operation: str,
        task: str | None,
        right: str,
        query: str,
        content: bytes | None,
        outcome: Fault | None,
    ) -> dict[str, Any]:
        """Do what was asked; raises Refusal."""
        if operation == "other":
            message = f"The specified action is invalid: {urlsplit(self.path).path}"
            raise Refusal(404, "InvalidAction", message)
        if right != "right":
            raise Refusal(401, "AuthenticationError", "The API key format is incorrect.")
        fake.rates.take_second(operation)
        if operation == "create":
            return self._create(fake, content, outcome)
        with fake.book.lock:
            if operation == "list":
                page, total = select(fake.book.kept(), parse_qs(query))
                return {"total": total, "items": [task_object(item, fake.url_of) for item in page]}
            assert task is not None
            if operation == "delete":
                fake.book.delete(task)
                return {}
            return task_object(fake.book.find(task), fake.url_of)

    def _create(self, fake: FakeSeedance, content: bytes | None, outcome: Fault | None) -> dict[str, Any]:
        if content is None:
            raise invalid("body", "the request has to be at most 64 MB")
        try:
            body = json.loads(content or b"{}")
        except (ValueError, RecursionError):
            raise invalid("body", "it is not JSON") from None
        order = read_order(body, fake.clock.now(), fake.chance)
        fake.rates.take_minute(order.model.id, order.model.requests_per_minute)
        return {"id": fake.book.create(order, outcome.task_outcome() if outcome else Outcome()).id}


def apply_fault(fault: Fault, reply: Reply, request_id: str) -> Reply:
    """The reply after a fault that changes what is in it; the others change how it is sent."""
    if fault.kind == "error":
        status = fault.status or 500
        message = fault.message or f"The fault {fault.code} was ordered for this request."
        body = _json(error_body(status, fault.code, message, "", request_id))
        return Reply(status, body, reply.headers | fault.headers)
    if fault.kind == "body":
        headers = reply.headers | {"Content-Type": fault.content_type} | fault.headers
        return Reply(fault.status or 200, fault.body.encode(), headers)
    if fault.kind == "change" and reply.status == 200:
        return Reply(200, fault.change_json(reply.body), reply.headers)
    if fault.kind == "redirect":
        return Reply(fault.status or 302, b"", reply.headers | {"Location": fault.location})
    if fault.kind == "oversize":
        return Reply(reply.status, reply.body, reply.headers, max(fault.size, len(reply.body)))
    return reply


def _json(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
