"""The environments of dev.py: what keys them, what makes them new, what stops them."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from dev import environment
from dev.console import DevError
from dev.environment import Environment, comfyui_requirements, environment_for
from dev.processes import ROOT


def fake_environment(folder: Path, *requirements: str) -> Environment:
    made = Environment(folder, requirements)
    made.python.parent.mkdir(parents=True)
    made.python.touch()
    return made


def checkout(folder: Path, requirements: str = "aiohttp\n") -> Path:
    folder.mkdir()
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    return folder


def test_each_comfyui_has_its_own_environment(tmp_path: Path) -> None:
    ours = environment_for(None)
    one, other = (environment_for(checkout(tmp_path / name)) for name in ("one", "other"))
    assert ours.folder == ROOT / ".venv"
    assert len({ours.folder, one.folder, other.folder}) == 3
    assert one.folder == environment_for(tmp_path / "other" / ".." / "one").folder
    assert one.requirements[0] == ours.requirements[0]


def test_an_environment_is_ready_only_with_its_own_stamp(tmp_path: Path) -> None:
    made = fake_environment(tmp_path / "venv", "torch==1\n")
    assert not made.is_ready()
    made.write_stamp()
    assert made.is_ready()
    assert not Environment(made.folder, ("torch==2\n",)).is_ready()
    assert not Environment(made.folder, ("torch==1\n", "aiohttp\n")).is_ready()


@pytest.mark.parametrize("damage", ["stamp", "python"])
def test_a_damaged_environment_is_not_ready(tmp_path: Path, damage: str) -> None:
    made = fake_environment(tmp_path / "venv", "torch==1\n")
    made.write_stamp()
    if damage == "stamp":
        (made.folder / environment.STAMP).write_text('{"requirements": "', encoding="utf-8")
    else:
        made.python.unlink()
    assert not made.is_ready()


def test_another_python_behind_the_link_is_another_environment(tmp_path: Path) -> None:
    made = Environment(tmp_path / "venv", ("torch==1\n",))
    made.python.parent.mkdir(parents=True)
    for version in ("python3.11", "python3.12"):
        (tmp_path / version).touch()
    made.python.symlink_to(tmp_path / "python3.11")
    made.write_stamp()
    assert made.is_ready()
    made.python.unlink()
    made.python.symlink_to(tmp_path / "python3.12")
    assert not made.is_ready()


def test_a_comfyui_does_not_replace_what_we_pin() -> None:
    theirs = """comfyui-frontend-package==1.49.6
torch
torchvision
torchaudio
torchsde
transformers>=4.50.3
av>=16.0.0  # pictures

#non essential dependencies:
kornia>=0.7.1
"""
    assert comfyui_requirements(theirs).splitlines() == [
        "comfyui-frontend-package==1.49.6",
        "torchsde",
        "av>=16.0.0",
        "kornia>=0.7.1",
    ]


@pytest.mark.parametrize(("version", "kept"), [("1.32.9", False), ("1.33.0", True), ("1.33.13", True), ("2.0.0", True)])
def test_a_frontend_that_loses_korean_names_is_not_installed(version: str, kept: bool) -> None:
    line = f"comfyui-frontend-package=={version}"
    assert (line in comfyui_requirements(f"{line}\nav\n")) == kept


def test_a_full_disk_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "BYTES_NEEDED", 10**18)
    with pytest.raises(DevError, match=r"has \d+\.\d GB free, but .*venv needs about 1000000000\.0 GB"):
        environment.prepare(Environment(tmp_path / "venv", ("pip\n",)))
    assert not (tmp_path / "venv").exists()


def test_what_is_installed_already_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big").write_bytes(b"\0" * 1000)
    monkeypatch.setattr(environment, "BYTES_NEEDED", 1000)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    environment.check_disk(tmp_path)
    (tmp_path / "big").write_bytes(b"\0" * 999)
    with pytest.raises(DevError):
        environment.check_disk(tmp_path)


def test_a_second_installer_waits_for_the_first() -> None:
    code = "from dev.environment import exclusive_setup\nwith exclusive_setup(): print('my turn')"
    with environment.exclusive_setup():
        second = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
        )
        assert second.stdout is not None
        assert "Another dev.py is installing" in second.stdout.readline()
        time.sleep(0.2)
        assert second.poll() is None
    assert second.communicate(timeout=60)[0] == "my turn\n"


def wheel(folder: Path, version: str) -> Path:
    """A real wheel of a package that holds nothing but its version."""
    path = folder / f"tinypackage-{version}-py3-none-any.whl"
    info = f"tinypackage-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tinypackage.py", f"version = '{version}'\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinypackage\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def installed_version(made: Environment) -> str:
    command = [made.python, "-c", "import tinypackage; print(tinypackage.version)"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True).stdout.strip()


@pytest.mark.slow
def test_an_environment_is_made_changed_and_mended(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = Environment(tmp_path / "venv", (f"{wheel(tmp_path, '1.0')}\n",))
    environment.prepare(made)
    assert installed_version(made) == "1.0"
    capfd.readouterr()
    environment.prepare(made)
    assert capfd.readouterr().out == ""  # nothing to do, nothing said

    changed = Environment(made.folder, (f"{wheel(tmp_path, '2.0')}\n",))
    environment.prepare(changed)
    assert installed_version(changed) == "2.0"

    # As if pip had been killed between the files of the package and its record.
    (made.folder / environment.STAMP).unlink()
    (packages,) = made.folder.glob("[lL]ib/**/site-packages")
    (packages / "tinypackage-2.0.dist-info" / "RECORD").unlink()
    (packages / "tinypackage.py").unlink()
    environment.prepare(changed)
    assert installed_version(changed) == "2.0"

    # As if the creation itself had been killed.
    made.python.unlink()
    environment.prepare(changed)
    assert installed_version(changed) == "2.0"


@pytest.mark.slow
def test_pips_own_reason_is_the_one_shown(tmp_path: Path) -> None:
    missing = Environment(tmp_path / "venv", (f"{tmp_path / 'tinypackage-1.0-py3-none-any.whl'}\n",))
    with pytest.raises(DevError, match=r"pip stopped with: .*tinypackage"):
        environment.prepare(missing)
    assert not missing.is_ready()
