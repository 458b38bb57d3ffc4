"""The finished video from the service's store to the disk: whole, decodable, and only from the service's own hosts.

The addresses are signed for GET, hold for 24 hours and 100 downloads, and need no key: none is sent there.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ...errors import SeedanceForeignHost
from ...progress import Progress
from ..durable import sync_folder
from .transport import LOOPBACK, Broken, NotSent, Stream, Timeouts, open_stream

# With their dot, so that "evilvolces.com" is none of them.
VIDEO_HOSTS = (".volces.com", ".bytepluses.com")
MOST_BYTES = 2 * 10**9
MOST_TRIES = 5
MOST_REDIRECTS = 3
FIRST_WAIT_SECONDS = 1.0
# Whoever left a part behind was killed; one that is younger may be another process at work.
SECONDS_UNTIL_A_PART_IS_RUBBISH = 24 * 3600
GONE = (403, 404, 410)
# The end of the name of what came whole and cannot be played here.
UNDECODED = ".undecoded"


@dataclass(frozen=True)
class DownloadLimits:
    """Seconds: to connect, between two pieces, for the whole file."""

    connect: float = 10.0
    silence: float = 30.0
    whole: float = 1800.0


class NotFetched(Exception):
    """The video is not here; fetching it again later may work. ``reason`` holds no address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Gone(NotFetched):
    """The store does not give the file out at this address, nor at a new one."""


class _TryAgain(Exception):
    def __init__(self, reason: str, gone: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.gone = gone


def is_video_host(url: str, local: bool) -> bool:
    """Whether ``url`` is at a host of the service, over TLS; with ``local`` (a test server) on this machine instead.

    Not with characters that programs read differently: to urllib3 the host ends before a backslash.
    """
    if not url.isascii() or not url.isprintable() or any(character in url for character in " \\"):
        return False
    try:
        address = urlsplit(url)
        host = (address.hostname or "").lower()
    except ValueError:
        return False
    if local:
        return address.scheme in ("http", "https") and host in LOOPBACK
    return address.scheme == "https" and host.endswith(VIDEO_HOSTS)


def fetch_video(
    url: str,
    target: Path,
    local: bool,
    new_url: Callable[[], str | None],
    wait: Callable[[float], None],
    progress: Progress,
    limits: DownloadLimits | None = None,
) -> str:
    """Put the video at ``url`` into the file ``target``; its sha256 (hex). At most five tries.

    Each try begins anew, in a file of its own; ``target`` appears whole, checked by decoding all of it, and
    durable. What came in its full length and does not decode is kept beside it. ``new_url`` is asked once for another
    address when the store refuses the first. ``wait`` sleeps between tries and may raise to stop, as ``progress``
    may. Raises SeedanceForeignHost, Gone, NotFetched.
    """
    limits = limits or DownloadLimits()
    reason = ""
    asked_again = False
    for number in range(MOST_TRIES):
        if number:
            wait(FIRST_WAIT_SECONDS * 2 ** (number - 1))
        try:
            return _fetch_once(url, target, local, progress, limits)
        except _TryAgain as failure:
            reason = failure.reason
            if not failure.gone:
                continue
        if asked_again:
            raise Gone(reason)
        asked_again = True
        url = new_url() or url
    raise Gone(reason) if asked_again else NotFetched(f"{reason} (tries: {MOST_TRIES})")


def file_sha256(path: Path) -> str | None:
    """sha256 (hex) of a file, None where it is not there or cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(2**20):
                digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()


def why_not_playable(path: Path) -> str | None:
    """What is wrong with a video file, None when every frame of it decodes. No codec is taken for granted."""
    import av
    from av.error import FFmpegError

    try:
        # Absolute, because FFmpeg takes what precedes a colon in a relative path for a protocol.
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            if not container.streams.video:
                return "it holds no video"
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            packets = frames = 0
            for packet in container.demux(stream):
                packets += packet.size > 0
                if packet.is_corrupt:
                    return "a part of it is damaged"
                frames += len(packet.decode())
            # The index comes first in these files and still counts what was cut off behind it.
            if not frames or packets < stream.frames:
                return f"it has {frames} of {stream.frames} frames"
    except (FFmpegError, OSError, ValueError) as error:
        return f"it cannot be decoded ({type(error).__name__})"
    return None


def _fetch_once(url: str, target: Path, local: bool, progress: Progress, limits: DownloadLimits) -> str:
    timeouts = Timeouts(limits.connect, limits.silence)
    for _ in range(MOST_REDIRECTS + 1):
        if not is_video_host(url, local):
            raise SeedanceForeignHost(_host_of(url))
        try:
            with open_stream("GET", url, timeouts) as stream:
                if stream.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, stream.headers.get("location", ""))
                    continue
                return _keep(stream, target, progress, limits)
        except (NotSent, Broken) as failure:
            raise _TryAgain(failure.reason) from None
    raise _TryAgain("it is forwarded again and again")


def _keep(stream: Stream, target: Path, progress: Progress, limits: DownloadLimits) -> str:
    if stream.status != 200:
        raise _TryAgain(f"the store answered HTTP {stream.status}", gone=stream.status in GONE)
    kind = stream.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind.endswith(("xml", "json", "html")):
        raise _TryAgain(f"the store sent {kind}, not a video")
    announced = stream.headers.get("content-length", "")
    length = int(announced) if announced.isdecimal() else None
    if length is not None and length > MOST_BYTES:
        raise NotFetched(f"the store announced {length} bytes, more than any shot has")
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_rubbish(target)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            digest = hashlib.sha256()
            for piece in _limited(stream, length, progress, limits):
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        wrong = why_not_playable(part)
        undecoded = target.with_name(f"{target.name}{UNDECODED}")
        if wrong is not None and length is not None:
            # All that the store has of it. Perhaps only this machine cannot decode it, and tomorrow it is gone there.
            part.replace(undecoded)
            wrong = f"{wrong}, it is kept as {undecoded.name}"
        if wrong is not None:
            raise _TryAgain(f"the file is no whole video: {wrong}")
        part.replace(target)
        undecoded.unlink(missing_ok=True)
        sync_folder(target.parent)
        return digest.hexdigest()
    finally:
        part.unlink(missing_ok=True)


def _limited(stream: Stream, length: int | None, progress: Progress, limits: DownloadLimits) -> Iterator[bytes]:
    """The pieces of the body, as long as they stay within bytes and seconds; at its end all of it has come."""
    until = time.monotonic() + limits.whole
    got = 0
    for piece in stream.pieces():
        got += len(piece)
        if got > MOST_BYTES:
            raise NotFetched(f"the store sent more than {MOST_BYTES} bytes")
        if time.monotonic() > until:
            raise _TryAgain(f"it did not come within {limits.whole:g} s")
        progress(got, max(length or 0, got), "downloading the video")
        yield piece
    if got == 0 or (length is not None and got != length):
        raise _TryAgain(f"only {got} bytes of it came")


def _remove_rubbish(target: Path) -> None:
    for part in target.parent.glob(f"{target.name}.*.part"):
        try:
            if time.time() - part.stat().st_mtime > SECONDS_UNTIL_A_PART_IS_RUBBISH:
                part.unlink()
        except OSError:  # another process was faster, or has it open
            continue


def _host_of(url: str) -> str:
    try:
        address = urlsplit(url)
        return f"{address.scheme}://{address.hostname}"
    except ValueError:
        return "an address that cannot be read"
