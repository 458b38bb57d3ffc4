"""dev.py as its caller sees it: exit codes, one-sentence reasons, text on any console."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev.browser import find_chromium
from dev.client import ComfyClient
from dev.comfyui import chosen_comfyui
from dev.console import Line
from dev.environment import environment_for
from dev.processes import CACHE, ROOT, local_environment

Run = subprocess.CompletedProcess[str]


def dev(*arguments: str, code: str | None = None, root: Path = ROOT, **environ: str) -> Run:
    """Run dev.py, or Python ``code``, in a process of its own."""
    command = [sys.executable, *(["-c", code] if code else ["dev.py"]), *arguments]
    environ = os.environ | environ
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, encoding="utf-8", errors="replace")


def reason(run: Run) -> str:
    """The only thing that a failed run said."""
    assert run.returncode == 1, run
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    return line


@pytest.mark.parametrize("file", ["dev.py", "dev/__init__.py"])
def test_an_old_python_can_read_what_tells_it_that_it_is_too_old(file: str) -> None:
    source = (ROOT / file).read_text(encoding="ascii")
    ast.parse(source, feature_version=(3, 6))
    assert "import annotations" not in source  # unknown to Python 3.6


@pytest.mark.parametrize("version", ["3.9", "3.15"])
def test_a_python_without_the_packages_is_named(version: str) -> None:
    pretended = tuple(map(int, version.split(".")))
    code = f"import runpy, sys; sys.version_info = {pretended}; runpy.run_path('dev.py', run_name='__main__')"
    said = reason(dev("demo", code=code))
    assert said == f"dev.py: this is Python {version}, but the pinned packages need 3.10 to 3.14."


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = reason(dev("comfy", "--port", port))
    assert said == f"dev.py: The port {port} of this machine is taken: choose another one with --port."


def test_a_port_that_cannot_be_is_named() -> None:
    assert "port 70000 does not exist" in reason(dev("comfy", "--port", "70000"))


def test_a_folder_without_comfyui_is_named(tmp_path: Path) -> None:
    said = reason(dev("demo", COMFYUI_DIR=str(tmp_path)))
    assert str(tmp_path) in said
    assert "not a ComfyUI checkout" in said


def test_an_unknown_benchmark_is_answered_with_the_known_ones() -> None:
    names = sorted(file.stem for file in (ROOT / "benchmarks").glob("[!_]*.py"))
    said = reason(dev("bench", "no-such-benchmark"))
    assert all(name in said for name in names or ["no benchmarks"])


def test_only_tests_take_arguments_after_two_dashes() -> None:
    run = dev("bench", "--", "-k", "something")
    assert run.returncode == 2
    assert "only test takes arguments after --" in run.stderr


def test_caches_stay_in_the_repository_unless_the_caller_says_otherwise() -> None:
    environ = local_environment({"HF_HOME": "elsewhere", "LANG": "ko_KR"})
    assert environ.pop("HF_HOME") == "elsewhere"
    assert environ.pop("LANG") == "ko_KR"
    assert environ
    assert all(Path(folder).is_relative_to(CACHE) for folder in environ.values())


@pytest.mark.parametrize("encoding", ["cp949", "ascii", "utf-8"])
def test_no_character_stops_a_print(encoding: str) -> None:
    code = r"from dev.console import make_printing_safe as safe; safe(); print('\uc548\ub155 \U0001f408')"
    run = dev(code=code, PYTHONUTF8="0", PYTHONIOENCODING=encoding)
    assert run.returncode == 0, run.stderr
    assert ("\\U0001f408" in run.stdout) == (encoding != "utf-8")


def test_every_file_that_dev_opens_has_an_encoding(tmp_path: Path) -> None:
    (tmp_path / "comfy").mkdir()
    for file in ("main.py", "comfyui_version.py", "requirements.txt"):
        (tmp_path / "comfy" / file).touch()
    code = """
from pathlib import Path
from dev import browser, comfyui, environment, processes, server
made = environment.environment_for(comfyui.chosen_comfyui())
made.folder.mkdir()
made.is_ready(); made.write_stamp(); made.is_ready()
with environment.exclusive_setup(): pass
browser.find_chromium()
processes.run_logged(["git", "--version"], Path("log"), print)
server.has_cuda(made.python)
"""
    pack = tmp_path / "pack"
    shutil.copytree(ROOT / "dev", pack / "dev", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements-dev.txt", pack)
    korean_windows = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp949"}
    strict = {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "error::EncodingWarning"}
    run = dev(code=code, root=pack, COMFYUI_DIR=str(tmp_path / "comfy"), **korean_windows, **strict)
    assert run.returncode == 0, run.stderr


def test_a_line_is_rewritten_only_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line()
    line.show("10 %")
    line.end("100 %")
    assert capsys.readouterr().out == "100 %\n"


needs_environment = pytest.mark.skipif(
    not environment_for(chosen_comfyui()).is_ready(), reason="this Python was not set up by dev.py"
)


@pytest.mark.comfy
@pytest.mark.slow
@needs_environment
@pytest.mark.skipif(os.name == "nt", reason="a process of Windows cannot be sent Ctrl-C alone")
def test_comfy_says_when_it_is_ready_and_runs_until_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "dev.py", "comfy", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", errors="replace") as comfy:
        assert comfy.stdout is not None
        address = next(line for line in comfy.stdout if line.startswith("READY ")).split()[1]
        with ComfyClient(address) as client:
            assert "StoryMotionDistilled" in client.get("/object_info")
        comfy.send_signal(signal.SIGINT)
        comfy.communicate(timeout=60)
    assert comfy.returncode == 0
    assert not any((tmp_path / "data" / "models").rglob("tiny*"))
    with pytest.raises(ConnectionError):
        ComfyClient(address)


PYPROJECT = """
[tool.ruff]
include = ["module.py"]
[tool.pyright]
include = ["module.py"]
[tool.pytest.ini_options]
markers = ["slow", "comfy", "browser"]
"""


def small_repository(folder: Path, module: str = "size: int = 1\n", test: str = "assert True") -> None:
    """A repository with dev.py, one module and one test, that shares this one's environment."""
    shutil.copytree(ROOT / "dev", folder / "dev", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("dev.py", "requirements-dev.txt"):
        shutil.copy(ROOT / file, folder)
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "module.py").write_text(module, encoding="utf-8")
    (folder / "test_module.py").write_text(f"def test_module() -> None:\n    {test}\n", encoding="utf-8")
    environment = environment_for(chosen_comfyui()).folder
    (folder / environment.name).symlink_to(environment)
    (folder / ".cache" / "ComfyUI-0.3.75").mkdir(parents=True)


@pytest.mark.slow
@needs_environment
@pytest.mark.parametrize(
    ("module", "test", "failed"),
    [
        ("size: int = 1\n", "assert True", ""),
        ('import os\n\nsize: int = "large"\n', "assert True", "ruff, pyright"),
        ("size: int  = 1\n", "assert True", "ruff format"),
        ("size: int = 1\n", "assert False", "pytest"),
    ],
)
def test_all_checks_run_and_the_failed_ones_are_named(tmp_path: Path, module: str, test: str, failed: str) -> None:
    small_repository(tmp_path, module, test)
    run = dev("test", "--quick", "--", "-q", root=tmp_path)
    last, before = run.stdout.splitlines()[-1], run.stdout.splitlines()[-2]
    assert run.returncode == (1 if failed else 0), run
    assert last.startswith(f"dev.py test failed: {failed}" if failed else "1 passed")
    assert not failed or before.startswith("1 failed" if failed == "pytest" else "1 passed")


@pytest.mark.slow
@needs_environment
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere browsers are not found through the PATH")
@pytest.mark.parametrize("ci", ["true", "false"])
def test_without_a_browser_its_tests_are_left_out_but_not_in_ci(tmp_path: Path, ci: str) -> None:
    small_repository(tmp_path)
    browser = tmp_path / "tests" / "browser"
    browser.mkdir(parents=True)
    content = "import pytest\n@pytest.mark.browser\ndef test_page() -> None:\n    assert False\n"
    (browser / "test_page.py").write_text(content, encoding="utf-8")
    (tmp_path / "bin").mkdir()
    for program in ("node", "sh"):  # all that the checks need, and no browser
        found = shutil.which(program)
        if found:
            (tmp_path / "bin" / program).symlink_to(found)
    # Not root: nothing is installed.
    code = "import os, sys; os.geteuid = lambda: 1000; from dev.command_line import run; sys.exit(run(sys.argv[1:]))"
    environ = {"PATH": str(tmp_path / "bin"), "CI": ci, "STORYMOTION_CHROMIUM": ""}
    run = dev("test", "--", "-q", "-n", "0", code=code, root=tmp_path, **environ)
    assert "Browser tests are skipped: no Chromium or Chrome is installed.\n" in run.stdout, run
    assert "1 passed, 1 deselected" in run.stdout
    assert run.returncode == (1 if ci == "true" else 0)
    assert ("dev.py test failed: browser tests (no Chromium)" in run.stdout) == (ci == "true")


def test_the_named_browser_comes_first_and_an_installed_one_is_found(tmp_path: Path) -> None:
    installed = tmp_path / "chromium"
    installed.write_text("", encoding="utf-8")
    installed.chmod(0o755)
    assert find_chromium({"PATH": str(tmp_path)}) == installed
    assert find_chromium({"PATH": str(tmp_path), "STORYMOTION_CHROMIUM": "mine"}) == Path("mine")
