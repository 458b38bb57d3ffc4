"""Pictures of a story become ComfyUI's IMAGE: as Load Image makes them, in a file when they are many."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from storymotion.errors import StoryInvalid
from storymotion.story import Scene, load_story
from storymotion.story_pixels import _room_on_disk, read_pictures


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    down, across = numpy.mgrid[:height, :width]
    return Image.fromarray(numpy.stack((across * 6 % 256, down * 8 % 256, across * down % 256), -1).astype("uint8"))


def scene(image: Path, index: int = 1) -> Scene:
    return Scene(f"scene {index}", image, "", "", 8.0, 0, "ltx-2", "auto", index + 1, index)


def read_one(path: Path) -> torch.Tensor:
    (picture,), _ = read_pictures([scene(path)], "story.csv", path.parent)
    return picture


def notes_of(path: Path) -> list[str]:
    return [note.code for note in read_pictures([scene(path)], "story.csv", path.parent)[1]]


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp", "tiff", "jpg"])
def test_values_are_those_of_load_image(tmp_path: Path, suffix: str) -> None:
    gradient().save(tmp_path / f"a.{suffix}")
    picture = read_one(tmp_path / f"a.{suffix}")
    with Image.open(tmp_path / f"a.{suffix}") as opened:
        wanted = torch.from_numpy(numpy.array(opened.convert("RGB")).astype(numpy.float32) / 255.0)[None]
    assert picture.shape == (1, 30, 40, 3) and picture.dtype == torch.float32
    assert torch.equal(picture, wanted)


def test_exif_turns_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    gradient().save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_one(tmp_path / "a.png")[0], torch.rot90(read_plain(gradient()), -1, (0, 1)))


def read_plain(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(numpy.array(picture.convert("RGB")).astype(numpy.float32) / 255.0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 2, 2))
    picture.paste((0, 0, 0, 51), (2, 0, 3, 2))
    if mode == "P":
        picture = picture.quantize(4)
    picture.convert(mode).save(tmp_path / "a.png")
    values = read_one(tmp_path / "a.png")[0, 0, :, 0]
    assert values.tolist() == pytest.approx([0, 0, 0.8, 1])
    assert notes_of(tmp_path / "a.png") == ["story-transparent"]


def test_an_alpha_channel_that_hides_nothing_is_no_news(tmp_path: Path) -> None:
    gradient().convert("RGBA").save(tmp_path / "a.png")
    assert torch.equal(read_one(tmp_path / "a.png")[0], read_plain(gradient()))
    assert notes_of(tmp_path / "a.png") == []


def test_grey_of_16_bits_keeps_its_range(tmp_path: Path) -> None:
    Image.fromarray(numpy.array([[0, 300, 40000, 65535]] * 2, dtype="uint16")).save(tmp_path / "a.png")
    assert (read_one(tmp_path / "a.png")[0, 0, :, 1] * 255).round().tolist() == [0, 1, 155, 255]


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "I"])
def test_other_modes(tmp_path: Path, mode: str) -> None:
    suffix = "tiff" if mode in ("CMYK", "I") else "png"
    Image.new("L", (4, 4), 255).convert(mode).point(lambda level: level).save(tmp_path / f"a.{suffix}")
    assert read_one(tmp_path / f"a.{suffix}").shape == (1, 4, 4, 3)


def test_every_damaged_picture_is_named_with_its_line_and_scene(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.png", tmp_path / "cut.png"
    gradient(400, 300).save(whole)
    cut.write_bytes(whole.read_bytes()[:-2000])
    text = "image\n" + "whole.png\n" + "cut.png\n" * 2 + "whole.png\n"
    (tmp_path / "story.csv").write_text(text, encoding="utf-8")
    story = load_story(tmp_path / "story.csv")  # the header is fine
    with pytest.raises(StoryInvalid) as caught:
        read_pictures(story.scenes, "story.csv", tmp_path)
    (problem,) = caught.value.problems  # one for the picture, at its first scene
    assert problem.speak().startswith("Line 3, scene_02: the image 'cut.png' is damaged: ")


@pytest.mark.filterwarnings("ignore")  # what Pillow says about damaged TIFF files
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(suffix=st.sampled_from(["png", "jpg", "gif", "webp", "bmp", "tiff"]), data=st.data())
def test_damage_anywhere_ends_in_our_error_or_in_a_picture(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    path = tmp_path / f"a.{suffix}"
    gradient().save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    (tmp_path / "story.csv").write_text(f"image\na.{suffix}\n", encoding="utf-8")
    try:
        story = load_story(tmp_path / "story.csv")
        ((picture,), _) = read_pictures(story.scenes, "story.csv", tmp_path)
        assert picture.ndim == 4 and picture.shape[3] == 3
    except StoryInvalid as error:
        error.speak("ko").encode()


class TestManyPictures:
    @pytest.fixture
    def scenes(self, tmp_path: Path) -> list[Scene]:
        for index in (1, 2, 3):
            gradient(20 * index, 30).save(tmp_path / f"{index}.png")
        return [scene(tmp_path / f"{image}.png", place) for place, image in enumerate((1, 2, 1, 3), start=1)]

    def test_they_lie_in_a_file_that_goes_with_them(self, tmp_path: Path, scenes: list[Scene]) -> None:
        held, held_notes = read_pictures(scenes, "story.csv", tmp_path / "scratch")
        assert held_notes == () and not (tmp_path / "scratch").exists()
        pictures, notes = read_pictures(scenes, "story.csv", tmp_path / "scratch", most_in_memory=1000)
        assert [note.code for note in notes] == ["story-on-disk"]
        assert all(torch.equal(one, other) for one, other in zip(held, pictures))
        # Scenes with the same picture share it.
        assert held[0].data_ptr() == held[2].data_ptr() and pictures[0].data_ptr() == pictures[2].data_ptr()
        if Path("/proc/self/maps").exists():
            assert in_scratch(tmp_path) == ["rw-s"]  # shared: pages go back to the file, not into swap
            del pictures
            gc.collect()
            assert in_scratch(tmp_path) == []
        if os.name != "nt":
            assert list((tmp_path / "scratch").iterdir()) == []

    def test_a_full_disk_means_memory(self, tmp_path: Path) -> None:
        assert _room_on_disk(2**58, tmp_path) is None
        assert os.name == "nt" or list(tmp_path.iterdir()) == []

    def test_cancelling_stops_between_pictures(self, tmp_path: Path, scenes: list[Scene]) -> None:
        seen = []

        def cancel_at_second(done: int, total: int, what: str) -> None:
            seen.append((done, total, what))
            if done == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            read_pictures(scenes, "story.csv", tmp_path / "scratch", cancel_at_second, most_in_memory=1000)
        assert seen == [(0, 3, "reading the pictures"), (1, 3, "reading the pictures")]
        assert os.name == "nt" or list((tmp_path / "scratch").iterdir()) == []


def in_scratch(tmp_path: Path) -> list[str]:
    """How this process uses memory that is a file of the folder, from the kernel's list of it."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    return [each.split()[1] for each in maps if str(tmp_path / "scratch") in each]
