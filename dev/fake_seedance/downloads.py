"""The download port: films and last frames, at signed addresses, as the object store gives them out."""

from __future__ import annotations

import hashlib
import re
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .api import apply_fault
from .refusal import Refusal
from .tasks import Task
from .videos import last_frame_of, video_of
from .wire import ClientLeft, Handler, Reply

if TYPE_CHECKING:
    from .fake import FakeSeedance

FOLDER = "/ark-content-generation-fake"
FILE = re.compile(rf"{FOLDER}/([^/]+)/(video|last_frame)\.\w+")
MOST_DOWNLOADS = 100
SECONDS_KEPT = 86400


def path_of(task: Task, what: str) -> str:
    """Where the ``video`` or ``last_frame`` of a task lies. The last frame is named .png and is a JPEG."""
    ending = task.order.output_format if what == "video" else "png"
    return f"{FOLDER}/{task.id}/{what}.{ending}"


class DownloadHandler(Handler):
    """Gives out what was made."""

    def serve(self) -> None:
        """Answer one request."""
        fake: FakeSeedance = self.server.context["fake"]
        address = urlsplit(self.path)
        match = FILE.fullmatch(address.path)
        task, what = (match[1], match[2]) if match else (None, "other")
        seen = fake.log.begin(
            operation={"video": "download", "last_frame": "last_frame"}.get(what, "other"),
            method=self.command,
            path=address.path,
            query=address.query,
            headers={name: value for name, value in self.headers.items() if name.lower() != "authorization"},
            authorization="absent" if "Authorization" not in self.headers else "wrong",
            time=fake.clock.now(),
            task=task,
        )
        _, fault = fake.faults.take(seen.operation, task, fake.status_of(task))
        fake.log.note(seen, fault=fault.kind if fault else None)
        try:
            if fault and fault.kind == "reset":
                fake.log.note(seen, reply=0)
                self.reset()
                return
            self.read_body()
            if fault and fault.kind == "error":
                code, message = fault.code, fault.message or "The fault was ordered for this request."
                reply = _xml(Refusal(fault.status or 500, code, message))
            else:
                reply = self._reply(fake, address.path, address.query, task, what)
                reply = apply_fault(fault, reply, "") if fault else reply
            reply.headers["Date"] = formatdate(fake.clock.now(), usegmt=True)
            fake.log.note(seen, reply=reply.status)
            if fault and fault.kind == "delay":
                fake.wait(fault.seconds)
            self.send(reply, fault, fake.wait)
            fake.log.note(seen, finished=True)
        except ClientLeft:
            fake.log.note(seen, client_left=True)
            self.close_connection = True

    def _reply(self, fake: FakeSeedance, path: str, query: str, task_id: str | None, what: str) -> Reply:
        try:
            if self.command != "GET":  # the signature is made for GET
                raise Refusal(403, "SignatureDoesNotMatch", "The signature is for another method")
            fault = fake.signatures.fault_of(path, query, fake.clock.now())
            if fault is not None:
                raise Refusal(403, "AccessDenied", fault)
            if "Authorization" in self.headers:
                raise Refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
            task = fake.stored(task_id or "")
            if task is None:
                raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
            if not fake.count_download(path, MOST_DOWNLOADS):
                raise Refusal(403, "AccessDenied", f"The file was downloaded {MOST_DOWNLOADS} times")
        except Refusal as refusal:
            return _xml(refusal)
        if what == "last_frame":
            return self._file(last_frame_of(task.order), "image/jpeg")
        kind = "video/quicktime" if task.order.output_format == "mov" else "video/mp4"
        return self._file(video_of(task.order, task.id), kind)

    def _file(self, content: bytes, content_type: str) -> Reply:
        """The file, or the range of it that was asked for."""
        tag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        headers = {"Content-Type": content_type, "ETag": tag, "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or wanted[0] == "bytes=-" or self.headers.get("If-Range", tag) != tag:
            return Reply(200, content, headers)
        first, last = wanted.groups()
        start = int(first) if first else max(len(content) - int(last), 0)
        end = min(int(last), len(content) - 1) if first and last else len(content) - 1
        if start > end:
            return Reply(416, b"", headers | {"Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        return Reply(206, content[start : end + 1], headers)


def _xml(refusal: Refusal) -> Reply:
    body = f'<?xml version="1.0"?><Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>'
    return Reply(refusal.status, body.encode(), {"Content-Type": "application/xml"})
