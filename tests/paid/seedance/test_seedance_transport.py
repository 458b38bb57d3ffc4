"""What a broken connection is taken for: only what certainly never left may be sent again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from storymotion.paid.seedance.download import is_video_host
from storymotion.paid.seedance.transport import Broken, NotSent, Timeouts, exchange

QUICK = Timeouts(connect=1, silence=1, reply=3)
Answer = Callable[[socket.socket], None]


class Service:
    """Reads whole requests and then does ``answer``."""

    def __init__(self, answer: Answer, seconds_between_reads: float = 0) -> None:
        self.read = 0
        self._answer = answer
        self._pause = seconds_between_reads
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536)
                head, _, body = received.partition(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                left = int(length.partition(b":")[2]) - len(body)
                while left > 0:
                    piece = connection.recv(2**20)
                    if not piece:
                        return
                    left -= len(piece)
                    time.sleep(self._pause)
                self.read += 1
                try:
                    self._answer(connection)
                except OSError:  # the client has gone
                    continue


def post(address: str, body: bytes = b"{}", timeouts: Timeouts = QUICK) -> object:
    return exchange("POST", address, timeouts, 10**6, body=body)


def test_behind_a_proxy_an_answer_that_does_not_come_was_perhaps_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 calls it "Unable to connect to proxy", though the request has gone through."""
    proxy = Service(lambda connection: None)
    monkeypatch.setenv("http_proxy", proxy.address)
    with pytest.raises(Broken):
        post("http://service.test/tasks")
    assert proxy.read == 1


def test_a_proxy_that_is_not_there_or_does_not_let_us_through_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("http_proxy", nobody)
    with pytest.raises(NotSent):
        post("http://service.test/tasks")

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(NotSent):
            post("https://service.test/tasks")


@pytest.mark.parametrize(
    "reply",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nContent-Length: 9, 10\r\n\r\n12345",
        "no HTTP at all\r\n\r\n",
    ],
)
def test_an_answer_that_is_malformed_was_an_answer(reply: str) -> None:
    with pytest.raises(Broken):
        post(Service(lambda connection: connection.sendall(reply.encode())).address)


@pytest.mark.parametrize("location", ["http://[bad", "http://127.0.0.1:x/", "/elsewhere"])
def test_a_redirect_is_an_answer_whatever_it_names(location: str) -> None:
    head = f"HTTP/1.1 307 Moved\r\nLocation: {location}\r\nContent-Length: 2\r\n\r\nok"
    reply = exchange("POST", Service(lambda to: to.sendall(head.encode())).address, QUICK, 10**6, body=b"{}")
    assert (reply.status, reply.body) == (307, b"ok")


def test_the_body_of_a_redirect_is_bounded_as_any_other() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n")
        for _ in range(4096):
            connection.sendall(bytes(65536))

    with pytest.raises(Broken, match="more than 1000000 bytes"):
        post(Service(flood).address)


def test_a_large_request_has_its_own_time_on_a_slow_line() -> None:
    """The time to connect is not the time to send pictures; 64 MB are still sent within the journal's lease or not."""
    slow = Service(lambda to: to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), seconds_between_reads=0.05)
    assert post(slow.address, bytes(40 * 2**20), Timeouts(connect=1, silence=3, reply=30, send=30))
    with pytest.raises(Broken):
        post(slow.address, bytes(40 * 2**20), Timeouts(connect=1, silence=1, reply=30, send=0.5))
    assert slow.read == 1


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://ark-1.tos-ap-southeast-1.volces.com/a.mp4?X-Tos-Signature=1", True),
        ("https://files.bytepluses.com/a%20b.mp4", True),
        ("http://files.volces.com/a.mp4", False),
        ("https://evilvolces.com/a.mp4", False),
        ("https://files.volces.com@evil.com/a.mp4", False),
        ("https://evil.com\\@files.volces.com/a.mp4", False),
        ("https://evil.com\\.volces.com/a.mp4", False),
        ("https://evil.com\t.volces.com/a.mp4", False),
        ("https://evil.com\uff0f.volces.com/a.mp4", False),
        ("https://[.volces.com/a.mp4", False),
    ],
)
def test_only_the_services_own_hosts_give_videos(url: str, is_one: bool) -> None:
    assert is_video_host(url, local=False) is is_one
