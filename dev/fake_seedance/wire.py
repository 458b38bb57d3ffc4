"""Threads, sockets and replies: HTTP with the ways in which a reply goes wrong."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from .faults import Fault

PIECE = 64 * 1024
SECONDS_TO_END = 5.0
# The service's limit for a whole request, and what is still read so that the refusal reaches the client.
LARGEST_BODY = 64 * 1000 * 1000
LARGEST_READ = 2 * LARGEST_BODY


@dataclass(frozen=True)
class Reply:
    """An HTTP reply. ``length`` is announced instead of the body's own length: zeros make up the rest."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


class ClientLeft(Exception):
    """The client closed the connection before it had its reply."""


class LoopbackServer(ThreadingHTTPServer):
    """A server on this machine, in threads that end with stop()."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = os.name != "nt"  # there it would mean "share the port"

    def __init__(self, port: int, handler: type[Handler], **context: Any) -> None:
        self.context = context
        self._lock = threading.Lock()
        self._work: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", port), handler)
        self._loop = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._loop.start()

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection in a thread of its own."""
        thread = threading.Thread(target=self._answer, args=(request, client_address), daemon=True)
        with self._lock:
            self._work[thread] = request
        thread.start()

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._work.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is no error of the server."""
        if not isinstance(sys.exc_info()[1], (OSError, ClientLeft)):
            super().handle_error(request, client_address)

    def server_bind(self) -> None:
        """Take the port; without the look-up of the machine's name that HTTPServer adds."""
        TCPServer.server_bind(self)

    def stop(self, release: Callable[[], None]) -> None:
        """Close the port and every connection, ``release`` what waits, and wait for the threads."""
        self.shutdown()
        self._loop.join(SECONDS_TO_END)
        self.server_close()
        with self._lock:
            work = dict(self._work)
        for connection in work.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        release()
        for thread in work:
            thread.join(SECONDS_TO_END)


class Handler(BaseHTTPRequestHandler):
    """What the three servers share; ``serve()`` answers one request of any method."""

    protocol_version = "HTTP/1.1"
    server_version = "FakeSeedance"
    sys_version = ""
    timeout = 120
    disable_nagle_algorithm = True
    server: LoopbackServer

    def serve(self) -> None:
        """Answer one request."""
        raise NotImplementedError

    do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = do_PATCH = do_OPTIONS = lambda self: self.serve()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed; the request log has it all."""

    def read_body(self) -> bytes | None:
        """What the client sent, None where it is larger than the service takes. Raises ClientLeft."""
        text = self.headers.get("Content-Length", "0")
        length = int(text) if text.isdecimal() else 0
        if length > LARGEST_READ:
            self.close_connection = True
            return None
        content = self.rfile.read(length)
        if len(content) < length:
            raise ClientLeft
        return content if length <= LARGEST_BODY else None

    def reset(self) -> None:
        """End the connection with a TCP reset, in the middle of whatever it was."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            socket.close(self.connection.detach())

    def send(self, reply: Reply, fault: Fault | None = None, wait: Callable[[float], None] | None = None) -> None:
        """Send a reply, with the fault's way of sending it; ``wait(seconds)`` ends early at a release."""
        kind = fault.kind if fault else ""
        length = reply.length if reply.length is not None else len(reply.body)
        announced = fault.with_length if fault and kind == "truncate" else True
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if announced:
            self.send_header("Content-Length", str(length))
        if not announced or kind in ("truncate", "stall"):
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self._headers_buffer.append(b"\r\n")
        head = b"".join(self._headers_buffer)
        self._headers_buffer = []
        body = b"" if self.command == "HEAD" else reply.body
        if fault and wait and kind == "drip":
            self._write(head)
            for start in range(0, len(body), fault.chunk):
                self._write(body[start : start + fault.chunk])
                wait(fault.seconds)
        elif fault and wait and kind in ("truncate", "stall"):
            self._write(head + body[: int(len(body) * fault.fraction)])
            if kind == "stall":
                wait(fault.seconds)
                self.reset()
        else:
            self._write(head + body)
            self._write_zeros(length - len(body) if self.command != "HEAD" else 0)

    def _write_zeros(self, count: int) -> None:
        zeros = bytes(PIECE)
        while count > 0:
            self._write(zeros[:count])
            count -= PIECE

    def _write(self, data: bytes) -> None:
        try:
            self.wfile.write(data)
        except OSError as error:
            self.close_connection = True
            raise ClientLeft from error
