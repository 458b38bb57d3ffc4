"""`dev.py test --sdk`: which environment it makes, and which tests it runs in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dev.console import DevError
from dev.environment import environment_for
from dev.processes import ROOT
from dev.sdk import PACKAGES, TESTS, chosen_tests, requirements_with_sdk, sdk_checkout, version_of


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for package in PACKAGES:
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    return tmp_path


def test_the_checkout_stands_for_what_is_pinned(checkout: Path) -> None:
    pins = "torch==2.11.0\nltx-core==1.0.0\nltx-pipelines==1.0.0\ntransformers==5.23.0\ntokenizers==0.23.3\n"
    lines = requirements_with_sdk(pins, checkout).splitlines()
    assert lines[0] == "torch==2.11.0"
    assert lines[1:3] == [f"-e {(checkout / package).as_uri()}" for package in PACKAGES]
    assert not any("transformers" in line or "tokenizers" in line for line in lines)


@pytest.mark.parametrize("name", ["my sdk", "sdk # 2", "LTX \uc800\uc7a5\uc18c"])
def test_pip_finds_a_checkout_in_a_folder_of_any_name(checkout: Path, tmp_path: Path, name: str) -> None:
    named = tmp_path / name
    for package in PACKAGES:
        (named / package).mkdir(parents=True)
        about = '[project]\nname = "{}"\nversion = "1.2"\n[build-system]\nrequires = []\nbuild-backend = "none"\n'
        text = about.format(package.rpartition("/")[2])
        (named / package / "pyproject.toml").write_text(text, encoding="utf-8")
    listed = tmp_path / "requirements.txt"
    listed.write_text(requirements_with_sdk("", sdk_checkout(named)), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index", "-r", str(listed)]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    # It cannot be built, but what is to be built was found.
    assert f"Obtaining {(named / PACKAGES[0]).as_uri()}" in run.stdout, run.stderr


def test_it_has_an_environment_of_its_own_which_is_made_anew_when_it_needs_other_packages(checkout: Path) -> None:
    ours, theirs = environment_for(None), environment_for(None, checkout)
    assert theirs.folder != ours.folder and theirs.folder.name.startswith(".venv-sdk-")
    comfyui = checkout / "comfyui"
    comfyui.mkdir()
    (comfyui / "requirements.txt").write_text("aiohttp\n", encoding="utf-8")
    both = environment_for(comfyui, checkout)
    assert len({ours.folder, theirs.folder, both.folder, environment_for(comfyui).folder}) == 4
    (checkout / PACKAGES[0] / "pyproject.toml").write_text("[project]\ndependencies = ['torch']\n", encoding="utf-8")
    again = environment_for(None, checkout)
    assert again.folder == theirs.folder and again.requirements != theirs.requirements


def test_another_folder_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    with pytest.raises(DevError, match=r"it has no packages/ltx-core/pyproject\.toml"):
        sdk_checkout(tmp_path)
    command = [sys.executable, "dev.py", "test", "--sdk", str(tmp_path / "gone"), "--", "-x"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False)
    assert run.returncode == 1 and run.stdout == ""
    assert run.stderr.count("\n") == 1 and "not a checkout of the SDK's repository" in run.stderr


def test_checks_only_has_nothing_to_do_on_an_sdk(checkout: Path) -> None:
    command = [sys.executable, "dev.py", "test", "--checks-only", "--sdk", str(checkout)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False)
    assert run.returncode == 2 and "--sdk runs tests" in run.stderr


def test_the_version_is_told(checkout: Path) -> None:
    assert version_of(checkout) == "?"
    (checkout / PACKAGES[0] / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n', encoding="utf-8")
    assert version_of(checkout) == "1.2.0"


def test_which_tests() -> None:
    for options in (["-k", "tests"], ["--ignore", "tests/comfy"], ["", "-x"]):
        assert chosen_tests(options) == [*TESTS, *options]
    assert chosen_tests(["-x"]) == [*TESTS, "-x"]
    assert chosen_tests(["tests/ltx/test_render.py::test_x", "-q"]) == ["tests/ltx/test_render.py::test_x", "-q"]
    assert all((ROOT / test).exists() for test in TESTS)
