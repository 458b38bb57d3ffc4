"""A real ComfyUI server with this pack in it: its data folder, its start, its log, its end."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from .console import DevError
from .processes import ROOT, local_environment

PACK_NAME = "storymotion"
USUAL_PORT = 8188
SECONDS_TO_START = 180.0
SECONDS_TO_STOP = 15.0


class ComfyServer:
    """A ComfyUI server on this machine, from ``start()`` to ``stop()`` (or as a context manager).

    ``python`` is the interpreter of the environment that fits the ComfyUI in the folder ``comfyui``.
    ``data`` is ComfyUI's base directory (models, input, output, user, custom_nodes). ``environ`` is
    added to the caller's environment, ``arguments`` to the server's command line. Everything that
    the server prints goes to ``log``, in UTF-8, by default ``comfyui.log`` in ``data``.
    """

    def __init__(
        self,
        python: Path,
        comfyui: Path,
        data: Path,
        port: int | None = None,
        environ: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        log: Path | None = None,
        links_pack: bool = True,
    ) -> None:
        self.data = data.resolve()
        self.port = port if port is not None else free_port()
        self.log = log if log is not None else self.data / "comfyui.log"
        self.python = python
        self.comfyui = comfyui
        self._environ = {"PYTHONUTF8": "1"} | local_environment() | dict(environ or {})
        self._arguments = arguments
        self._links_pack = links_pack
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the server answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process_id(self) -> int:
        """The server's process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until the server answers and has this pack; raises DevError with what its log says."""
        if self._links_pack:
            lay_out_data(self.data)
        command: list[str | Path] = [self.python, self.comfyui / "main.py", "--base-directory", self.data]
        command += ["--listen", "127.0.0.1", "--port", str(self.port), "--disable-auto-launch"]
        command += ["--database-url", "sqlite:///:memory:", "--disable-api-nodes"]
        if not has_cuda(self.python):
            command.append("--cpu")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                cwd=self.data,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server; does nothing when it has ended."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End the server at once and without warning, as a crash would; ``start()`` starts it again."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def follow(self, on_text: Callable[[str], None]) -> int:
        """Hand on what the server prints, from the beginning, until it ends; returns its exit code."""
        assert self._process is not None
        with self.log.open(encoding="utf-8", errors="replace") as log:
            while True:
                ended = self._process.poll() is not None
                on_text(log.read())
                if ended:
                    return self._process.returncode
                time.sleep(0.2)

    def log_text(self) -> str:
        """All that the server has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> ComfyServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            if self._process.poll() is not None:
                code = self._process.returncode
                raise DevError(f"ComfyUI ended while starting, with code {code}{self._end_of_log()}")
            if time.monotonic() > deadline:
                raise DevError(f"ComfyUI did not answer within {SECONDS_TO_START:.0f} s{self._end_of_log()}")
            time.sleep(0.1)
        failure = re.search(rf"Cannot import .*[/\\]{PACK_NAME} module for custom nodes: (.*)", self.log_text())
        if failure:
            raise DevError(f"ComfyUI started, but could not import this pack: {failure[1]} (all of it in {self.log}).")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/system_stats")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):  # refused, reset or timed out: not yet
            return False
        finally:
            connection.close()

    def _end_of_log(self) -> str:
        lines = self.log_text().splitlines()[-30:]
        return f" ({self.log}):\n" + "\n".join(lines)


def lay_out_data(data: Path) -> None:
    """Make the folders of a ComfyUI base directory, with this pack in its custom_nodes; raises DevError."""
    for folder in ("models", "input", "output", "user", "custom_nodes"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    pack = data / "custom_nodes" / PACK_NAME
    if pack.exists() and pack.resolve() == ROOT:
        return
    if pack.is_symlink():
        pack.unlink()
    elif pack.exists():
        raise DevError(f"{pack} is in the way: it is not a link to this repository.")
    try:
        pack.symlink_to(ROOT, target_is_directory=True)
    except OSError:
        if os.name != "nt":
            raise
        # Windows lets everybody make a junction, but not a symbolic link.
        subprocess.run(["cmd", "/c", "mklink", "/J", str(pack), str(ROOT)], check=True, stdout=subprocess.DEVNULL)


def lay_out_samples(data: Path) -> None:
    """Copy the pictures of the shipped workflows into ComfyUI's input folder."""
    shutil.copytree(ROOT / "workflows" / "input", data / "input", dirs_exist_ok=True)


def has_cuda(python: Path) -> bool:
    """Whether ComfyUI can use an NVIDIA GPU: there is one, and the environment's torch was built for it."""
    if shutil.which("nvidia-smi") is None:  # spares the seconds that importing torch takes
        return False
    check = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_is_free(port: int) -> bool:
    """Whether a server can listen on ``port`` of this machine."""
    with socket.socket() as probe:  # macOS and Windows let one bind beside somebody who listens on all addresses
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        if os.name != "nt":  # there it would mean "share the port"; here: do not mind connections that just ended
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(asked: int | None) -> int:
    """``asked`` when it is free, without one ComfyUI's usual port or any other; raises DevError."""
    if asked is None:
        return USUAL_PORT if port_is_free(USUAL_PORT) else free_port()
    if not 1 <= asked <= 65535:
        raise DevError(f"The port {asked} does not exist: choose one from 1 to 65535.")
    if not port_is_free(asked):
        raise DevError(f"The port {asked} of this machine is taken: choose another one with --port.")
    return asked
