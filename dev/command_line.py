"""The commands of dev.py."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .checks import run_checks, run_on_sdk
from .comfyui import chosen_comfyui, ready_comfyui
from .console import DevError, Step, make_printing_safe
from .environment import Environment, environment_for, prepare
from .fake_seedance_process import FakeSeedanceProcess
from .processes import CACHE, ROOT, exit_on_terminate, local_environment, run_child
from .sdk import sdk_checkout
from .server import ComfyServer, choose_port, lay_out_data, lay_out_samples

DATA = CACHE / "comfy"


def run(arguments: Sequence[str]) -> int:
    """Run one command of dev.py; returns its exit code."""
    make_printing_safe()
    exit_on_terminate()
    parser = _parser()
    own, rest = _split(arguments)
    options = parser.parse_args(own)
    options.pytest_arguments = rest
    if rest and options.command is not _test:
        parser.error("only test takes arguments after --")
    if options.command is _test and options.sdk is not None and options.checks_only:
        parser.error("--sdk runs tests, --checks-only runs none")
    try:
        return options.command(options)
    except DevError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndev.py: stopped; run it again to go on.", file=sys.stderr)
        return 130


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What is before ``--`` and what comes after it; argparse's own reading of it differs between versions."""
    if "--" not in arguments:
        return arguments, ()
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description="Set up, try and test StoryMotion. COMFYUI_DIR=<checkout> makes every command use that ComfyUI.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="make an MP4 with a real ComfyUI and tiny models")
    demo.set_defaults(command=_demo)

    test = commands.add_parser(
        "test",
        help="run all checks and tests",
        usage="dev.py test [--quick] [--checks-only] [--sdk CHECKOUT] [-- PYTEST ARGUMENTS]",
    )
    test.add_argument("--quick", action="store_true", help="only what is done in two minutes")
    test.add_argument("--checks-only", action="store_true", help="ruff and pyright, no tests")
    test.add_argument(
        "--sdk",
        type=Path,
        metavar="CHECKOUT",
        help="only the tests of SDK and ComfyUI, with the SDK in this checkout of Lightricks' repository",
    )
    test.set_defaults(command=_test)

    comfy = commands.add_parser("comfy", help="start ComfyUI with this pack and leave it running until Ctrl-C")
    comfy.add_argument("--port", type=int, help="default: 8188, or any free one when that is taken")
    comfy.add_argument("--data", type=Path, help="ComfyUI's base directory (default: .cache/comfy, with tiny models)")
    comfy.add_argument("--tiny", action="store_true", help="put the tiny models and the samples into --data too")
    comfy.add_argument(
        "--fake-seedance", action="store_true", help="with a local server in place of the paid API; nothing is paid"
    )
    comfy.set_defaults(command=_comfy)

    bench = commands.add_parser("bench", help="run the benchmarks")
    bench.add_argument("name", nargs="?", help="one of benchmarks/ (default: all)")
    bench.set_defaults(command=_bench)
    return parser


def _ready_environment() -> Environment:
    environment = environment_for(chosen_comfyui())
    prepare(environment)
    return environment


def _demo(options: argparse.Namespace) -> int:
    python = _ready_environment().python
    ready_comfyui(python)
    lay_out_data(DATA)
    lay_out_samples(DATA)
    make_tiny_models(python, DATA)
    return run_child([python, "-m", "dev.demo", DATA], local_environment())


def _test(options: argparse.Namespace) -> int:
    if options.sdk is not None:
        return run_on_sdk(sdk_checkout(options.sdk), options.quick, options.pytest_arguments)
    return run_checks(options.quick, options.checks_only, options.pytest_arguments)


def _comfy(options: argparse.Namespace) -> int:
    port = choose_port(options.port)
    python = _ready_environment().python
    data = options.data or DATA
    lay_out_data(data)
    if options.tiny or options.data is None:
        lay_out_samples(data)
        make_tiny_models(python, data)
    comfyui = ready_comfyui(python)
    with contextlib.ExitStack() as stack:
        environ = {}
        if options.fake_seedance:
            fake = stack.enter_context(FakeSeedanceProcess(python))
            environ = fake.environ(data)
            print(f"FAKE SEEDANCE {fake.control_url} (its charges, tasks and requests; nothing is paid)", flush=True)
        server = stack.enter_context(ComfyServer(python, comfyui, data, port, environ))
        print(f"READY {server.address}", flush=True)
        try:
            code = server.follow(lambda text: print(text, end="", flush=True))
        except KeyboardInterrupt:  # the way to end it
            return 0
    raise DevError(f"ComfyUI ended by itself with code {code}; its log is {server.log}.")


def _bench(options: argparse.Namespace) -> int:
    names = sorted(file.stem for file in (ROOT / "benchmarks").glob("[!_]*.py"))
    if not names:
        raise DevError("There are no benchmarks yet: benchmarks/ has no .py file.")
    if options.name is not None and options.name not in names:
        raise DevError(f"There is no benchmark {options.name}; there are: {', '.join(names)}.")
    python = _ready_environment().python
    chosen = names if options.name is None else [options.name]
    codes = [run_child([python, "-m", f"benchmarks.{name}"], local_environment()) for name in chosen]
    return max(codes, key=abs)


def make_tiny_models(python: Path, data: Path) -> None:
    """Lay the tiny model set into ComfyUI's folders under ``data``; quick when it is there. Raises DevError."""
    with Step("Laying out the tiny model set"):
        made = subprocess.run(
            [python, "-m", "dev.tiny_models", data.resolve() / "models"],
            cwd=ROOT,
            env=local_environment(),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if made.returncode != 0:
        raise DevError(f"The tiny model set could not be made: {made.stderr.strip().splitlines()[-1]}")
