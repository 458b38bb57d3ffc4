"""ShotStore: what comes back is what was put, to the bit, or nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import struct
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from storymotion.errors import NoRoomForFrames
from storymotion.media.frame_buffers import FrameBuffers
from storymotion.media.sealed_files import DIGEST_BYTES
from storymotion.media.shot_store import ShotStore, StoredShot

ROOT = Path(__file__).parents[2]
PLENTY = 1 << 30
FIXED_SEED = 11


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def noise_shot(shape: tuple[int, int, int] = (5, 48, 64), seed: int = FIXED_SEED, facts: Any = None) -> StoredShot:
    dice = np.random.default_rng(seed)
    return StoredShot(
        frames=torch.from_numpy(dice.integers(0, 256, (*shape, 3), dtype=np.uint8)),
        frame_rate=Fraction(24),
        waveform=torch.from_numpy(dice.normal(0, 0.3, (2, 4000)).astype(np.float32)),
        sample_rate=48_000,
        facts=facts or {"device": "cpu"},
    )


def same(found: StoredShot | None, put: StoredShot) -> bool:
    """Equal to the bit: NaN equals itself here, and -0.0 is not 0.0."""
    if found is None or found.frames.dtype != torch.uint8 or (found.waveform is None) != (put.waveform is None):
        return False
    if found.waveform is not None and put.waveform is not None:
        ours, theirs = found.waveform, put.waveform
        if ours.dtype != torch.float32 or not torch.equal(ours.view(torch.int32), theirs.view(torch.int32)):
            return False
    rest = ("frame_rate", "sample_rate", "facts")
    return torch.equal(found.frames, put.frames) and all(getattr(found, each) == getattr(put, each) for each in rest)


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix not in (".shot", ".state")]


@pytest.fixture
def store(tmp_path: Path) -> ShotStore:
    return ShotStore(tmp_path / "user" / "shots", PLENTY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files of ``store`` are."""
    return tmp_path / "user" / "shots"


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 2, 3), (3, 33, 17), (2, 5, 4097), (2, 704, 16), (9, 64, 64), (1, 1, 300), (1, 300, 1)]
)
def test_frames_of_every_size_come_back_to_the_bit(store: ShotStore, shape: tuple[int, int, int]) -> None:
    shot = noise_shot(shape)
    assert store.put(key(1), shot)
    assert same(store.get(key(1)), shot)


def test_drawn_frames_come_back_to_the_bit_and_are_compressed(store: ShotStore, line_art: list[np.ndarray]) -> None:
    shot = StoredShot(torch.from_numpy(np.stack(line_art)), Fraction(24000, 1001), facts={"seconds": {"stage 1": 1.5}})
    assert store.put(key(1), shot)
    assert same(store.get(key(1)), shot)
    assert store.size() < shot.frames.numel() / 4


def test_frames_that_do_not_lie_side_by_side_in_memory(store: ShotStore) -> None:
    wide = noise_shot((9, 32, 80))
    shot = StoredShot(wide.frames[::2, :, 10:50], Fraction(25), wide.waveform, 48_000)
    assert store.put(key(1), shot)
    assert same(store.get(key(1)), shot)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8_000, 12_345, 24_000, 44_100, 192_000])
def test_sound_comes_back_to_the_bit(store: ShotStore, channels: int, rate: int) -> None:
    sound = torch.from_numpy(np.random.default_rng(rate).normal(0, 2, (channels, 1777)).astype(np.float32))
    sound[0, :5] = torch.tensor([-0.0, 1e-42, float("inf"), float("nan"), 3.4e38])
    shot = StoredShot(noise_shot((1, 16, 16)).frames, Fraction(30000, 1001), sound.T.contiguous().T, rate)
    assert store.put(key(1), shot)
    assert same(store.get(key(1)), shot)


@pytest.mark.parametrize("sound", [None, torch.zeros(2, 0), torch.zeros(1, 1)], ids=["none", "0 samples", "1 sample"])
def test_hardly_any_sound(store: ShotStore, sound: torch.Tensor | None) -> None:
    shot = StoredShot(noise_shot((1, 16, 16)).frames, Fraction(24), sound, 48_000 if sound is not None else 0)
    assert store.put(key(1), shot)
    found = store.get(key(1))
    assert same(found, shot) and found is not None
    assert sound is None or (found.waveform is not None and found.waveform.shape == sound.shape)


def test_facts_are_any_json_in_any_language(store: ShotStore) -> None:
    facts = {
        "seconds": {"stage 1": 1.25, "decode": 3},
        "device": "\uc5d4\ube44\ub514\uc544",
        "none": None,
        "list": [1, "x"],
    }
    assert store.put(key(1), noise_shot(facts=facts))
    found = store.get(key(1))
    assert found is not None and found.facts == facts


def test_frames_are_read_into_the_memory_that_the_caller_gives(store: ShotStore, tmp_path: Path) -> None:
    shot = noise_shot((9, 64, 64))
    buffers = FrameBuffers(tmp_path / "frames", 0)
    shapes: list[tuple[int, ...]] = []

    def empty(shape: tuple[int, int, int, int]) -> torch.Tensor:
        shapes.append(shape)
        return buffers.empty(shape)

    # Frames that lie in a file themselves.
    own = buffers.empty((9, 64, 64, 3)).copy_(shot.frames)
    assert store.put(key(1), StoredShot(own, shot.frame_rate, shot.waveform, shot.sample_rate, shot.facts))
    assert same(store.get(key(1), empty), shot)
    assert shapes == [(9, 64, 64, 3)]


def test_no_room_for_the_frames_is_said_and_the_shot_stays(store: ShotStore, tmp_path: Path) -> None:
    assert store.put(key(1), noise_shot())
    (tmp_path / "a file").touch()
    with pytest.raises(NoRoomForFrames):
        store.get(key(1), FrameBuffers(tmp_path / "a file", 0).empty)
    assert same(store.get(key(1)), noise_shot())


def test_what_is_not_there_is_none_without_a_word(store: ShotStore, caplog: pytest.LogCaptureFixture) -> None:
    assert store.get(key(1)) is None and store.get_state(key(1)) is None and not store.has(key(1))
    assert store.keys() == [] and store.size() == 0
    store.drop_states(key(1))
    assert not caplog.records


@pytest.mark.parametrize("bad", ["", "abc", "../" + "a" * 61, "A" * 64, "g" * 64, "a" * 64 + "-../x", "a" * 64 + "\n"])
def test_a_key_that_is_no_hash_never_becomes_a_path(store: ShotStore, bad: str) -> None:
    for call in (store.has, store.get, store.get_state, lambda each: store.put(each, noise_shot())):
        with pytest.raises(ValueError, match="SHA-256"):
            call(bad)


# Broken files


def break_and_read(store: ShotStore, path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """The file reads as None, is gone, and the log names it once."""
    caplog.clear()
    path.write_bytes(content)
    assert store.get(path.stem) is None
    assert not path.exists()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and path.name in record.getMessage()


def test_a_flipped_bit_anywhere_is_noticed(store: ShotStore, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    shot = noise_shot((3, 16, 16))
    assert store.put(key(1), shot)
    path = folder / f"{key(1)}.shot"
    good = path.read_bytes()
    # All of the description, the length and the digest, and a byte here and there of frames and sound.
    places = {*range(0, len(good), 397), *range(len(good) - 700, len(good))}
    for place in sorted(places):
        broken = bytearray(good)
        broken[place] ^= 1 << place % 8
        break_and_read(store, path, bytes(broken), caplog)
    path.write_bytes(good)
    assert same(store.get(key(1)), shot)


def test_another_length_is_noticed(store: ShotStore, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert store.put(key(1), noise_shot((2, 16, 16)))
    path = folder / f"{key(1)}.shot"
    good = path.read_bytes()
    for length in {0, 1, 31, 32, 33, 40, 41, 1000, len(good) // 2, len(good) - 33, len(good) - 32, len(good) - 1}:
        break_and_read(store, path, good[:length], caplog)
    break_and_read(store, path, good + b"\0", caplog)
    break_and_read(store, path, b"\0" * len(good), caplog)


def sealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("frames_sha256", "0" * 64, "changed"),
        ("frames", [4, 16, 16, 3], "3 frames instead of 4"),
        ("frames", [2, 16, 16, 3], "3 frames instead of 2"),
        ("frames", [3, 17, 16, 3], ""),
        ("frames", "many", ""),
        ("packets", [10, 10, 10], ""),
        ("waveform", [2, 1 << 40], ""),
        ("frame_rate", "fast", ""),
        ("format", "StoryMotion shot 0", "StoryMotion shot 0"),
        ("codec", "other", "other"),
    ],
)
def test_a_description_that_does_not_fit_the_frames_is_noticed(
    store: ShotStore, folder: Path, caplog: pytest.LogCaptureFixture, field: str, value: object, reason: str
) -> None:
    """As after a fault of a codec or of another version: the seal is right, the content is not."""
    assert store.put(key(1), noise_shot((3, 16, 16)))
    path = folder / f"{key(1)}.shot"
    body = path.read_bytes()[:-DIGEST_BYTES]
    (size,) = struct.unpack("<Q", body[-8:])
    text = json.dumps({**json.loads(body[-8 - size : -8]), field: value}).encode()
    break_and_read(store, path, sealed(body[: -8 - size] + text + struct.pack("<Q", len(text))), caplog)
    assert reason in caplog.text


@pytest.mark.parametrize(
    "body", [b"", b"short", b"\xff" * 100, b"[]" + struct.pack("<Q", 2), b"{}" + struct.pack("<Q", 2)]
)
def test_a_sealed_file_of_something_else_is_noticed(
    store: ShotStore, folder: Path, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    folder.mkdir(parents=True)
    break_and_read(store, folder / f"{key(1)}.shot", sealed(body), caplog)


def test_what_is_no_file_stays_and_costs_nothing(
    store: ShotStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory stands for whatever can neither be opened nor replaced nor removed."""
    (folder / f"{key(1)}.shot").mkdir(parents=True)
    assert not store.has(key(1)) and store.get(key(1)) is None
    assert not store.put(key(1), noise_shot())
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert parts(folder) == []


# Writing


def test_a_place_that_cannot_be_written_to_is_said_and_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    store = ShotStore(tmp_path / "file" / "shots", PLENTY)
    assert store.put(key(1), noise_shot()) is False and store.put_state(key(1), {"a": torch.zeros(1)}) is False
    assert len(caplog.records) == 2 and key(1) in caplog.text
    assert store.get(key(1)) is None


class Cancelled(OSError):
    """An OSError, because such a one must not be taken for a fault of the disk."""


@pytest.mark.parametrize("at", [1, 5])
def test_cancel_while_writing_leaves_nothing(store: ShotStore, folder: Path, at: int) -> None:
    def cancel(done: int, total: int, what: str) -> None:
        assert total == 5 and what
        if done == at:
            raise Cancelled

    with pytest.raises(Cancelled):
        store.put(key(1), noise_shot(), cancel)
    assert list(folder.iterdir()) == []
    assert store.put(key(1), noise_shot())
    with pytest.raises(Cancelled):
        store.get(key(1), progress=cancel)
    with pytest.raises(Cancelled):
        store.put(key(1), noise_shot(seed=2), cancel)
    assert same(store.get(key(1)), noise_shot())


# Other processes

CHILD = """
import logging, sys, time
from fractions import Fraction
from pathlib import Path
import torch
from storymotion.media.shot_store import ShotStore, StoredShot
from storymotion.media.frame_buffers import FrameBuffers

logging.basicConfig(stream=sys.stdout)
folder, key = Path(sys.argv[1]), sys.argv[2]
frames, waveform = torch.load(sys.argv[3])
shot = StoredShot(frames, Fraction(24), waveform, 48_000, {"device": "cpu"})
"""


def start_child(code: str, folder: Path, shot: StoredShot, *arguments: object) -> subprocess.Popen[str]:
    """Python at work in another process, with ``folder``, ``key`` (1) and ``shot``; its output is one pipe."""
    saved = folder.parent / "shot.pt"
    saved.parent.mkdir(parents=True, exist_ok=True)
    torch.save((shot.frames, shot.waveform), saved)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + code, str(folder), key(1), str(saved), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


DIE_WRITING = """
def stop(done, total, what):
    if done == int(sys.argv[4]):
        print("now", flush=True)
        time.sleep(600)

ShotStore(folder, 1 << 30).put(key, shot, stop)
"""


@pytest.mark.parametrize("at", [1, 5])
def test_killed_while_writing_leaves_nothing_or_what_was_there(store: ShotStore, folder: Path, at: int) -> None:
    shot = noise_shot()
    for before in (None, noise_shot(seed=2)):
        if before:
            assert store.put(key(1), before)
        writer = start_child(DIE_WRITING, folder, shot, at)
        assert writer.stdout is not None and writer.stdout.readline() == "now\n"
        # While it lives, nobody takes its file away.
        (unfinished,) = parts(folder)
        assert ShotStore(folder, PLENTY).put(key(2), noise_shot((1, 16, 16))) and unfinished.exists()
        writer.kill()
        writer.communicate()
        again = ShotStore(folder, PLENTY)
        assert same(again.get(key(1)), before) if before else again.get(key(1)) is None and not again.has(key(1))
        assert unfinished.exists()
        two_hours_ago = time.time() - 7200
        os.utime(unfinished, (two_hours_ago, two_hours_ago))
        ShotStore(folder, PLENTY)
        assert parts(folder) == []


FULL_DISK = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
print(ShotStore(folder, 1 << 30).put(key, shot), [path.name for path in folder.iterdir()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes to play a full disk with")
def test_a_full_disk_is_said_and_leaves_nothing(folder: Path) -> None:
    output, _ = start_child(FULL_DISK, folder, noise_shot()).communicate()
    assert "could not be stored" in output and "False []" in output, output


BOTH_AT_ONCE = """
store = ShotStore(folder, 1 << 30)
for _ in range(60):
    assert store.put(key, shot)
    found = store.get(key)
    assert found is not None and torch.equal(found.frames, frames) and torch.equal(found.waveform, waveform)
print("done")
"""


def test_several_processes_and_threads_share_a_shot(store: ShotStore, folder: Path) -> None:
    shot = noise_shot()
    other = start_child(BOTH_AT_ONCE, folder, shot)
    results: list[bool] = []

    def work() -> None:
        found = True
        while other.poll() is None:
            found = found and store.put(key(1), shot) and same(store.get(key(1)), shot)
        results.append(found)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output, _ = other.communicate()
    assert output == "done\n" and results == [True] * 3
    assert parts(folder) == []


LITTLE_MEMORY = """
def own_memory():
    return next(int(line.split()[1]) for line in open("/proc/self/status", encoding="utf-8") if "RssAnon" in line)

most = 0
def look(done, total, what):
    global most
    most = max(most, own_memory())

buffers, store = FrameBuffers(folder / "frames", 0), ShotStore(folder, 1 << 30)
large = buffers.empty((60, 352, 640, 3))
large.copy_(frames.expand(60, -1, -1, -1))
store.put(key, StoredShot(frames, Fraction(24)))
store.get(key)
before = own_memory()
store.put(key, StoredShot(large, Fraction(24)), look)
found = store.get(key, buffers.empty, look)
print(torch.equal(found.frames, large), (most - before) * 1024 < large.numel() / 4, most - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_a_shot_is_never_held_twice(folder: Path) -> None:
    output, _ = start_child(LITTLE_MEMORY, folder, noise_shot((1, 352, 640))).communicate()
    assert output.startswith("True True"), output


# How much is kept


def test_what_was_not_used_for_the_longest_time_goes_first(folder: Path) -> None:
    store = ShotStore(folder, PLENTY)
    for number in (1, 2, 3):
        assert store.put(key(number), noise_shot())
    one = store.size() // 3
    assert store.get(key(1)) is not None
    assert store.keys() == [key(2), key(3), key(1)]
    store = ShotStore(folder, 3 * one + 10)
    assert store.put_state(key(9) + "-stage1", {"latent": torch.zeros(1)})
    assert store.put(key(4), noise_shot(seed=4))
    assert store.keys() == [key(1), key(4)] and store.size() <= 3 * one + 10
    assert store.get_state(key(9) + "-stage1") is not None
    assert ShotStore(folder, one + 10).put(key(5), noise_shot())
    assert store.keys() == [key(5)] and store.get_state(key(9) + "-stage1") is None


def test_a_shot_larger_than_everything_allowed_is_not_stored_and_removes_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small, large = noise_shot((1, 48, 64)), noise_shot((30, 48, 64))
    assert ShotStore(folder, PLENTY).put(key(1), small)
    store = ShotStore(folder, 200_000)
    assert store.put(key(2), large) is False
    assert len(caplog.records) == 1 and "200000 bytes" in caplog.text
    assert store.keys() == [key(1)] and parts(folder) == [] and same(store.get(key(1)), small)


def test_the_size_counts_to_the_byte(folder: Path) -> None:
    shot = noise_shot()
    store = ShotStore(folder, PLENTY)
    assert store.put(key(1), shot)
    size = store.size()
    assert size == (folder / f"{key(1)}.shot").stat().st_size
    assert ShotStore(folder, size).put(key(1), shot)
    assert not ShotStore(folder, size - 1).put(key(1), shot)


def test_what_cannot_be_removed_does_not_stop_the_others(folder: Path) -> None:
    """A directory stands for a file that somebody has open on Windows."""
    (folder / f"{key(1)}.shot").mkdir(parents=True)
    store = ShotStore(folder, PLENTY)
    assert store.put(key(2), noise_shot())
    store = ShotStore(folder, store.size() + 10)
    assert store.put(key(3), noise_shot())
    assert not store.has(key(2)) and same(store.get(key(3)), noise_shot())


def test_a_new_shot_stays_even_if_the_clock_was_turned_back(folder: Path) -> None:
    store = ShotStore(folder, PLENTY)
    assert store.put(key(1), noise_shot())
    tomorrow = time.time() + 86_400
    os.utime(folder / f"{key(1)}.shot", (tomorrow, tomorrow))
    assert ShotStore(folder, store.size() + 10).put(key(2), noise_shot())
    assert store.keys() == [key(2)]


def test_files_of_others_are_neither_counted_nor_removed(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("notes.txt", "my.shot", f"{key(1)}.txt", f"{key(1)}.shot.bak"):
        (folder / name).write_bytes(b"x" * 100_000)
    store = ShotStore(folder, 100_000)
    assert store.put(key(2), noise_shot()) and store.put(key(3), noise_shot())
    assert store.keys() == [key(3)] and len(parts(folder)) == 3 and (folder / "my.shot").exists()


def test_nothing_is_kept_with_a_size_of_0(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert ShotStore(folder, PLENTY).put(key(1), noise_shot())
    store = ShotStore(folder, 0)
    assert not store.put(key(2), noise_shot()) and not store.put_state(key(2), {"a": torch.zeros(1)})
    assert store.get(key(1)) is None and not store.has(key(1))
    assert ShotStore(folder, PLENTY).keys() == [key(1)] and not caplog.records


# Half-finished shots


def test_states_come_back_to_the_bit(store: ShotStore) -> None:
    dice = torch.Generator().manual_seed(FIXED_SEED)
    whole = torch.randn(1, 8, 3, 4, generator=dice)
    state = {
        "video": whole.to(torch.bfloat16),
        "audio": whole[0, 2:5].transpose(0, 1),
        "the same memory": whole,
        "half": whole.half(),
        "counts": torch.arange(5),
        "nothing": torch.zeros(0, 3),
        "number": torch.tensor(float("nan")),
    }
    name = key(1) + "-stage1"
    assert store.put_state(name, state)
    found = store.get_state(name)
    assert found is not None and found.keys() == state.keys()
    for each, tensor in state.items():
        assert found[each].dtype == tensor.dtype and found[each].shape == tensor.shape
        assert torch.equal(found[each].nan_to_num(7.0), tensor.nan_to_num(7.0))
    assert store.get(key(1)) is None and store.keys() == []


def test_a_broken_state_is_noticed(store: ShotStore, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert store.put_state(key(1), {"latent": torch.arange(100)})
    path = folder / f"{key(1)}.state"
    good = path.read_bytes()
    for content in (good[:-1], good[:40], b"", good[:20] + b"\xff" + good[21:], sealed(b"no safetensors")):
        path.write_bytes(content)
        caplog.clear()
        assert store.get_state(key(1)) is None and not path.exists()
        assert len(caplog.records) == 1 and path.name in caplog.text


def test_only_the_states_of_a_finished_shot_are_dropped(store: ShotStore) -> None:
    for number in (1, 2):
        assert store.put(key(number), noise_shot())
        for stage in ("stage1", "stage2"):
            assert store.put_state(f"{key(number)}-{stage}", {"latent": torch.zeros(3)})
    store.drop_states(key(1))
    assert store.get_state(f"{key(1)}-stage1") is None and store.get_state(f"{key(1)}-stage2") is None
    assert store.get_state(f"{key(2)}-stage1") is not None and store.get_state(f"{key(2)}-stage2") is not None
    assert store.has(key(1)) and store.has(key(2))
