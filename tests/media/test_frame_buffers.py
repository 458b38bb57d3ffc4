"""FrameBuffers: tensors in main memory up to a limit, then in files that nobody ever sees."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import torch

from storymotion.errors import NoRoomForFrames
from storymotion.media.frame_buffers import PREFIX, FrameBuffers, map_by_handle, reserve

ROOT = Path(__file__).parents[2]
SHOT = (9, 64, 64, 3)
BYTES = math.prod(SHOT)
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc")


def files_in_use() -> int:
    """How many mapped files of ours this process has."""
    return Path("/proc/self/maps").read_text(encoding="utf-8").count(PREFIX)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "not made yet" / "frames"


def test_main_memory_first_then_files(folder: Path) -> None:
    buffers = FrameBuffers(folder, 2 * BYTES)
    shots = [buffers.empty(SHOT).fill_(number) for number in range(5)]
    assert buffers.in_memory == 2 * BYTES
    for number, shot in enumerate(shots):
        assert shot.shape == SHOT and shot.dtype == torch.uint8 and shot.is_contiguous()
        assert torch.equal(shot, torch.full(SHOT, number, dtype=torch.uint8))


@on_linux
def test_files_start_at_the_limit_and_end_with_their_tensors(folder: Path) -> None:
    buffers, before = FrameBuffers(folder, 2 * BYTES), files_in_use()
    in_memory = [buffers.empty(SHOT) for _ in range(2)]
    assert files_in_use() == before and not folder.exists()
    in_files = [buffers.empty(SHOT) for _ in range(3)]
    assert files_in_use() == before + 3 and list(folder.iterdir()) == []
    del in_files
    assert files_in_use() == before and len(in_memory) == 2


def test_memory_is_free_when_the_last_view_is_gone(folder: Path) -> None:
    buffers = FrameBuffers(folder, BYTES)
    shot = buffers.empty(SHOT).fill_(7)
    part, array = shot[3:5, ::2], shot[1].numpy()
    del shot
    gc.collect()
    assert buffers.in_memory == BYTES
    assert int(part.min()) == 7
    del part
    assert buffers.in_memory == BYTES and array.min() == 7
    del array
    assert buffers.in_memory == 0


@pytest.mark.parametrize("limit", [0, BYTES])
def test_views_outlive_tensor_and_buffers(folder: Path, limit: int) -> None:
    buffers = FrameBuffers(folder, limit)
    shot = buffers.empty(SHOT)
    shot.copy_(torch.arange(BYTES).remainder(251).reshape(SHOT))
    view, copy = shot[2:4].permute(0, 3, 1, 2), shot[2:4].permute(0, 3, 1, 2).clone()
    del shot, buffers
    gc.collect()
    assert torch.equal(view, copy)


def test_frames_of_no_size_need_no_file(folder: Path) -> None:
    assert FrameBuffers(folder, 0).empty((0, 64, 64, 3)).shape == (0, 64, 64, 3)
    assert not folder.exists()


def test_many_threads_count_right(folder: Path) -> None:
    buffers = FrameBuffers(folder, 5 * BYTES)

    def work() -> None:
        for number in range(100):
            shot = buffers.empty(SHOT).fill_(number)
            assert int(shot.max()) == number and buffers.in_memory <= 5 * BYTES

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert buffers.in_memory == 0


def test_a_tensor_of_a_file_that_keeps_its_own_handle(tmp_path: Path) -> None:
    """What Windows does, where a file cannot be opened twice; it works everywhere."""
    with tempfile.NamedTemporaryFile(dir=tmp_path) as file:
        reserve(file, BYTES)
        shot = map_by_handle(file, BYTES).reshape(SHOT)
    assert int(shot.max()) == 0
    view = shot.fill_(9)[3]
    del shot
    gc.collect()
    assert view.sum() == 9 * 64 * 64 * 3
    del view
    assert list(tmp_path.iterdir()) == []


def test_room_is_reserved_without_help_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)  # as on macOS and Windows
    for size in (1, (1 << 20) - 1, 1 << 20, (2 << 20) + 5):
        with (tmp_path / "file").open("wb") as file:
            reserve(file, size)
        assert (tmp_path / "file").read_bytes() == bytes(size)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NoRoomForFrames) as caught:
        FrameBuffers(tmp_path / "file", 0).empty((10, 1000, 1000, 3))
    assert caught.value.megabytes == 30 and str(tmp_path / "file") in str(caught.value)


def run_child(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = f"import os, sys\nfrom storymotion.media.frame_buffers import FrameBuffers\nfolder = sys.argv[1]\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120
    )


FULL_DISK = """
import resource
from storymotion.errors import NoRoomForFrames
{without_reserve}
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
buffers = FrameBuffers(folder, 500_000)
kept = [buffers.empty((999_999,)).fill_(1), buffers.empty((400_000,)).fill_(2)]
try:
    buffers.empty((3_000_000,)).fill_(3)
except NoRoomForFrames as error:
    print(error.megabytes, error.reason, os.listdir(folder), buffers.in_memory, int(kept[0].sum()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes to play a full disk with")
@pytest.mark.parametrize("without_reserve", ["", "if hasattr(os, 'posix_fallocate'): del os.posix_fallocate"])
def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(folder: Path, without_reserve: str) -> None:
    done = run_child(FULL_DISK.format(without_reserve=without_reserve), folder)
    assert done.stdout == "3 File too large [] 400000 999999\n", done.stderr


ACCOUNT = """
import torch
def own_memory():
    return next(int(line.split()[1]) for line in open("/proc/self/status", encoding="utf-8") if "RssAnon" in line)

def fill(shape):
    shot = buffers.empty(shape)
    for frame in shot:
        frame.fill_(5)
    return shot

buffers = FrameBuffers(folder, 0)
kept = [fill((9, 64, 64, 3))]
before, handles = own_memory(), len(os.listdir("/proc/self/fd"))
kept += [fill((9, 64, 64, 3)) for _ in range(200)] + [fill((17, 704, 1280, 3)) for _ in range(3)]
held = sum(each.numel() for each in kept) // 1024
assert all(int(each.max()) == 5 for each in kept)
print(held > 150_000, own_memory() - before < held / 20, len(os.listdir("/proc/self/fd")) - handles)
"""


@on_linux
def test_a_long_story_is_not_memory_of_this_process(folder: Path) -> None:
    done = run_child(ACCOUNT, folder)
    assert done.stdout == "True True 0\n", done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL; Windows deletes the file with the last handle")
def test_a_killed_process_leaves_no_files(folder: Path) -> None:
    code = """
import signal
shot = FrameBuffers(folder, 0).empty((9, 64, 64, 3)).fill_(1)
print(int(shot.max()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = run_child(code, folder)
    assert done.returncode < 0 and done.stdout == "1\n", done.stderr
    assert list(folder.iterdir()) == []


def test_left_over_files_go_when_nobody_can_be_using_them(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, young, other = (folder / name for name in (f"{PREFIX}old", f"{PREFIX}young", "other"))
    for file in (old, young, other):
        file.touch()
    yesterday = time.time() - 86_400
    for file in (old, other):
        os.utime(file, (yesterday, yesterday))
    FrameBuffers(folder, 0)
    assert not old.exists() and young.exists() and other.exists()
