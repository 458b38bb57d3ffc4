"""One HTTP request and its reply, with only as much trust as money needs.

No retries, no redirects, no cookies, no connection that was used before: a kept connection that the server has
closed meanwhile looks exactly like a paid request without a reply. Nothing here puts an exception of ``requests``
into a message: those hold whole addresses, which are signed, and headers.
"""

from __future__ import annotations

import io
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

    from ..key import Secret

PIECE = 64 * 1024
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect; between two bytes of a reply; for a whole JSON reply; to send a whole request.

    To connect, to send and to hear of it together are shorter than the lease of whoever sends (``owner.LEASE``).
    """

    connect: float = 10.0
    silence: float = 60.0
    reply: float = 90.0
    send: float = 90.0


class NotSent(Exception):
    """Nothing of the request reached the server; ``lasting``: asking again will not help."""

    def __init__(self, reason: str, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class Broken(Exception):
    """The request may have reached the server, but its reply did not reach us whole."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Reply:
    """A whole reply; names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Stream:
    """A reply whose body has not been read."""

    def __init__(self, response: requests.Response) -> None:
        self._raw: Any = response.raw
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes in. Raises Broken where it ends before its announced length or stays silent."""
        # Where urllib3 has read1, a slow server cannot hold us for a whole piece.
        read = getattr(self._raw, "read1", None)
        while True:
            failure = None
            piece = b""
            try:
                piece = read(PIECE, decode_content=True) if read else self._raw.read(1024, decode_content=True)
            except Exception as error:  # urllib3, http.client, ssl, zlib and OSError, by version
                failure = _reason_of(error)
            if failure is not None:
                raise Broken(failure)
            if not piece:
                return
            yield piece


@contextmanager
def open_stream(
    method: str,
    url: str,
    timeouts: Timeouts,
    key: Secret | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Stream]:
    """Send one request and hand on its reply. ``key`` goes into the Authorization header and nowhere else.

    Proxies of the environment are used, except for this machine's own addresses. Raises NotSent, Broken.
    """
    import requests
    from urllib3.exceptions import HTTPError

    _keep_signatures_out_of_the_log()
    session = requests.Session()
    # Even without following a redirect requests would read the address that it names, and all of its body.
    session.get_redirect_target = lambda resp: None
    try:
        # requests would take a login for the host from ~/.netrc instead of the key.
        session.auth = _BearerKey(key)
        session.trust_env = urlsplit(url).hostname not in LOOPBACK
        failure: NotSent | Broken | None = None
        response = None
        sent_headers = {"Accept-Encoding": "identity", "Connection": "close", **(headers or {})}
        try:
            response = session.request(
                method,
                url,
                data=None if body is None else _Body(body, timeouts.send),
                headers=sent_headers,
                timeout=(timeouts.connect, timeouts.silence),
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, HTTPError) as error:
            failure = _failure_of(error)
        if failure is not None or response is None:
            # Outside the except block, so that the failure does not carry the exception with its secrets.
            raise failure or Broken("there was no reply")
        try:
            yield Stream(response)
        finally:
            response.close()
    finally:
        session.close()


def exchange(
    method: str,
    url: str,
    timeouts: Timeouts,
    most_bytes: int,
    key: Secret | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request and read its reply whole. Raises NotSent, Broken."""
    until = time.monotonic() + timeouts.reply
    with open_stream(method, url, timeouts, key, body, headers) as stream:
        content = bytearray()
        for piece in stream.pieces():
            content += piece
            if len(content) > most_bytes:
                raise Broken(f"the reply has more than {most_bytes} bytes")
            if time.monotonic() > until:
                raise Broken(f"the reply was not whole within {timeouts.reply:g} s")
        announced = stream.headers.get("content-length", "")
        if announced.isdecimal() and "content-encoding" not in stream.headers and len(content) != int(announced):
            raise Broken("the reply was cut off")
        return Reply(stream.status, stream.headers, bytes(content))


class _Body(io.BytesIO):
    """A request's body, sent piece by piece: in one piece it would have to go within the time to connect."""

    def __init__(self, content: bytes, seconds: float) -> None:
        super().__init__(content)
        self._until = time.monotonic() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._until:
            raise TimeoutError("timed out")
        return super().read(size)


class _WithoutSignatures(logging.Filter):
    """At the level DEBUG urllib3 logs the path of each request with the query that signs it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_signature(each) for each in record.args)
        return True


def _without_signature(value: object) -> object:
    return value.partition("?")[0] + "?..." if isinstance(value, str) and "X-Tos-" in value else value


def _keep_signatures_out_of_the_log() -> None:
    log = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(each, _WithoutSignatures) for each in log.filters):
        log.addFilter(_WithoutSignatures())


class _BearerKey:
    """Sets the one header. Its repr says nothing."""

    def __init__(self, key: Secret | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request

    def __repr__(self) -> str:
        return "<key>"


def _failure_of(error: Exception) -> NotSent | Broken:
    """Whether the request can have reached the server: only what is known to fail before is NotSent."""
    import requests
    from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProxyError

    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(reason, ProxyError):
        # Behind a proxy urllib3 calls a connection that broke after the request was sent by this name as well.
        reason = reason.original_error
    if isinstance(error, requests.ConnectTimeout) or _is_refused_by_proxy(reason):
        return NotSent("the connection was not made")
    if isinstance(error, requests.ConnectionError) and isinstance(reason, (NewConnectionError, ConnectTimeoutError)):
        return NotSent("the connection was not made")
    if isinstance(error, requests.exceptions.SSLError) and _is_certificate_error(error):
        return NotSent("its certificate cannot be trusted", lasting=True)
    # Not InvalidHeader: that is said of an answer's headers too.
    malformed = (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema)
    if isinstance(error, malformed):
        return NotSent("the address is malformed", lasting=True)
    return Broken(_reason_of(error))


def _is_refused_by_proxy(reason: object) -> bool:
    """Whether a proxy did not open the tunnel, for which http.client has no class: it got nothing of the request."""
    return isinstance(reason, OSError) and str(reason).startswith("Tunnel connection failed")


def _is_certificate_error(error: BaseException | None) -> bool:
    seen = 0
    while error is not None and seen < 10:
        inner = [each for each in (*error.args, getattr(error, "reason", None)) if isinstance(each, BaseException)]
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in (error, *inner)):
            return True
        error, seen = (inner[0] if inner else error.__cause__), seen + 1
    return False


def _reason_of(error: BaseException) -> str:
    """In words that hold no address: by what kind of exception it is, or is made of."""
    names = f"{type(error).__name__} {error.args!r}"
    if "Timeout" in names or "timed out" in names:
        return "the reply did not come in time"
    if "IncompleteRead" in names:
        return "the reply was cut off"
    return "the connection broke"
