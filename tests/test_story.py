"""The manifest of a story: every way to write it, everything that can be wrong with it, all problems at once."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import string
import struct
import sys
import time
import unicodedata
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from storymotion.errors import NoScenesForEngine, StoryInvalid, UnknownChoice
from storymotion.errors.story import MOST_PROBLEMS_SHOWN
from storymotion.messages import catalogue
from storymotion.story import HIGHEST_SEED, Story, load_story
from storymotion.story_rows import MOST_BYTES

HELLO = "\uc548\ub155, \ub098\ube44\uc57c!"  # "Hello, Navi!"
SEA = "\ubc14\ub2e4"  # "sea"
CSV_COLUMNS = "name,image,dialogue,scene,seconds,seed,engine,preset"
# Lines of the report that say something of a good story; the others are problems and all of them are made below.
NOTES = {"story-scenes", "story-scenes-of", "story-ignored", "story-cp949", "story-transparent", "story-on-disk"}
# Made by reading pixels: tests/test_story_pictures.py.
WHEN_DECODED = {"story-image-broken"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a picture a.png and, in a sub-folder, b.png."""
    (tmp_path / "sub").mkdir()
    for place in ("a.png", "sub/b.png"):
        Image.new("RGB", (8, 6), "red").save(tmp_path / place)
    return tmp_path


def load_json(folder: Path, story: Any, root: Path | None = None) -> Story:
    """The story of a JSON value, or of text that is meant to be JSON."""
    text = story if isinstance(story, str) else json.dumps(story)
    (folder / "story.json").write_text(text, encoding="utf-8")
    return load_story(folder / "story.json", root)


def load_csv(folder: Path, text: str, encoding: str = "utf-8") -> Story:
    (folder / "story.csv").write_bytes(text.encode(encoding))
    return load_story(folder / "story.csv")


def problems_of(load: Any, *arguments: Any) -> list[tuple[str, Any, Any]]:
    """(code, line, scene) of every problem."""
    with pytest.raises(StoryInvalid) as caught:
        load(*arguments)
    return [(each.code, each.values.get("line"), each.values.get("scene")) for each in caught.value.problems]


def codes_of(load: Any, *arguments: Any) -> list[str]:
    return [code for code, _, _ in problems_of(load, *arguments)]


class TestJson:
    def test_a_list_of_scenes(self, folder: Path) -> None:
        scenes = [
            {
                "name": SEA,
                "image": "sub/b.png",
                "dialogue": f"{HELLO}\n...",
                "scene": "a beach",
                "seconds": 2.5,
                "seed": HIGHEST_SEED,
                "engine": "seedance",
                "preset": "D-micro-nod",
            },
            {"image": "a.png"},
        ]
        story = load_json(folder, json.dumps(scenes, indent=1, ensure_ascii=False))
        first, second = story.scenes
        assert (first.name, first.dialogue, first.scene) == (SEA, f"{HELLO}\n...", "a beach")
        assert (first.seconds, first.seed, first.engine, first.preset) == (2.5, HIGHEST_SEED, "seedance", "D-micro-nod")
        assert (first.image, first.line, first.index) == (folder.resolve() / "sub" / "b.png", 2, 1)
        assert (second.name, second.dialogue, second.scene) == ("scene_02", "", "")
        assert (second.seconds, second.seed, second.engine, second.preset) == (8.0, 0, "ltx-2", "auto")
        assert (second.image, second.line, second.index) == (folder.resolve() / "a.png", 12, 2)
        assert story.notes == () and story.path == folder / "story.json"

    def test_an_object_with_title_and_defaults(self, folder: Path) -> None:
        text = """{"title": "Night",
  "scenes": [{"image": "a.png", "seconds": 3}, {"image": "a.png",
     "seed": 5}],
  "defaults": {"seconds": "2.5", "seed": 7, "engine": "seedance", "preset": "d-micro-nod"}
}"""
        story = load_json(folder, text)
        assert story.title == "Night"
        assert [(scene.seconds, scene.seed, scene.line) for scene in story.scenes] == [(3.0, 7, 2), (2.5, 5, 2)]
        assert {(scene.engine, scene.preset) for scene in story.scenes} == {("seedance", "D-micro-nod")}

    def test_what_looks_like_json_in_a_text_does_not_move_the_lines(self, folder: Path) -> None:
        text = '[\n{"image": "a.png", "dialogue": "\\"}, {\\\\", "scene": "[\\n]"}\n\n,{"image": "a.png"}]'
        story = load_json(folder, text)
        assert [(scene.line, scene.dialogue) for scene in story.scenes] == [(2, '"}, {\\'), (4, "")]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_encodings(self, folder: Path, encoding: str) -> None:
        text = json.dumps([{"image": "a.png", "dialogue": HELLO}], ensure_ascii=False)
        (folder / "story.json").write_bytes(text.encode(encoding))
        assert load_story(folder / "story.json").scenes[0].dialogue == HELLO

    @pytest.mark.parametrize(
        ("written", "seconds"), [("8", 8.0), ('"8"', 8.0), ('" 2.50 "', 2.5), ("1e1", 10.0), ("null", 8.0), ('""', 8.0)]
    )
    def test_seconds_that_are_exact(self, folder: Path, written: str, seconds: float) -> None:
        assert load_json(folder, f'[{{"image": "a.png", "seconds": {written}}}]').scenes[0].seconds == seconds

    @pytest.mark.parametrize(
        ("written", "seed"), [("8", 8), ('"8"', 8), ("7.0", 7), (str(HIGHEST_SEED), HIGHEST_SEED), ("null", 0)]
    )
    def test_seeds_that_are_exact(self, folder: Path, written: str, seed: int) -> None:
        assert load_json(folder, f'[{{"image": "a.png", "seed": {written}}}]').scenes[0].seed == seed

    def test_keys_that_mean_nothing_are_reported(self, folder: Path) -> None:
        story = load_json(folder, {"author": "me", "scenes": [{"image": "a.png", "Mood": "sad", "author": 1}]})
        (note,) = story.notes
        assert note.speak() == "These columns mean nothing in a story and are ignored: author, Mood."
        assert load_json(folder, {"scenes": [{" Image ": "a.png", "SEED": 3}]}).scenes[0].seed == 3


BAD_FIELDS: list[tuple[str, str, str]] = [
    *(("seconds", bad, "story-seconds") for bad in ('"eight"', "0", "-1", "60.5", "NaN", "Infinity", "true", "[8]")),
    *(("seconds", bad, "story-seconds") for bad in ('"1_0"', '"8 s"', "{}", '"NaN"', "1e999")),
    *(("seed", bad, "story-seed") for bad in ("1.5", "true", "-1", "NaN", '"x"', "1e3", '"1.2E+18"', "[]", '"0x1"')),
    *(("seed", bad, "story-seed") for bad in (str(HIGHEST_SEED + 1), "9" * 39, "9" * 5000, '"1 2"')),
    *((column, bad, "story-text") for column in ("name", "image", "dialogue", "scene") for bad in ("5", "true", "[]")),
    ("engine", '"ltx"', "story-choice"),
    ("engine", "2", "story-choice"),
    ("preset", '"A"', "story-choice"),
    ("preset", "false", "story-choice"),
    ("dialogue", '"\\ud83d"', "story-half-character"),
    ("image", '""', "story-image-none"),
    ("image", "null", "story-image-none"),
    ("image", '"c.png"', "story-image-missing"),
    ("image", '"sub"', "story-image-missing"),
    ("image", '"a.png/b.png"', "story-image-missing"),
    ("image", '"story.json"', "story-image-unreadable"),
    *(
        ("image", json.dumps(bad), "story-image-outside")
        for bad in ("../a.png", "sub/../../x/a.png", "/etc/passwd", "C:\\a.png", "c:a.png", "\\a.png", "\\\\nas\\a.png")
    ),
    ("image", '"a.png\\u0000"', "story-image-outside"),
    *(("name", json.dumps(f"a{bad}b"), "story-name-characters") for bad in '\\/:*?"<>|\n\t\x00\x7f\x85'),
    *(("name", f'"{bad}"', "story-name-ends") for bad in ("a.", "a ", " a", "a\u3000")),
    *(
        ("name", f'"{bad}"', "story-name-reserved")
        for bad in ("CON", "nul", "Com1", "lpt\u00b2", "aux.txt", "con .png", "PRN")
    ),
    ("name", json.dumps("a" * 101), "story-name-long"),
    ("name", json.dumps("\uac00" * 67), "story-name-long"),
]


@pytest.mark.parametrize(("column", "value", "code"), BAD_FIELDS)
def test_a_bad_field_is_named_with_its_line_and_scene(folder: Path, column: str, value: str, code: str) -> None:
    fields = {"image": '"a.png"', column: value}
    scene = ", ".join(f'"{key}": {written}' for key, written in fields.items())
    problems = problems_of(load_json, folder, f'[{{"image": "a.png"}},\n\n  {{{scene}}}]')
    assert [(each[0], each[1]) for each in problems] == [(code, 3)]
    if column != "name":
        assert problems[0][2] == "scene_02"


BAD_FILES: list[tuple[str, bytes, list[str]]] = [
    ("story.txt", b"[]", ["story-suffix"]),
    ("story", b"[]", ["story-suffix"]),
    ("story.json", b"[]", ["story-empty"]),
    ("story.json", b'{"scenes": []}', ["story-empty"]),
    ("story.json", b"", ["story-not-json"]),
    ("story.json", b"[{]", ["story-not-json"]),
    ("story.json", b"[" * 100_000, ["story-not-json"]),
    ("story.json", HELLO.encode("cp949"), ["story-not-utf-8"]),
    ("story.json", codecs.BOM_UTF16_LE + b"\x00", ["story-not-utf-8"]),
    ("story.json", b"5", ["story-no-list"]),
    ("story.json", b'{"nodes": []}', ["story-no-list"]),
    ("story.json", b'{"scenes": {}}', ["story-key-wrong"]),
    ("story.json", b'{"title": 5, "defaults": [], "scenes": [{"image": "a.png"}]}', ["story-key-wrong"] * 2),
    ("story.json", b'{"scenes": [], "scenes": []}', ["story-key-twice"]),
    ("story.json", b'[5, "a.png", null, [], {"image": "a.png"}]', ["story-no-object"] * 4),
    ("story.json", b'[{"image": "a.png", "image": "b.png"}]', ["story-key-twice"]),
    ("story.json", b" " * (MOST_BYTES + 1), ["story-too-large"]),
    ("story.csv", b"", ["story-empty"]),
    ("story.csv", b"\n\n", ["story-empty"]),
    ("story.csv", b"image\n", ["story-empty"]),
    ("story.csv", b"picture,dialogue\na.png,hello\n", ["story-no-image-column"]),
    ("story.csv", b"image,Image\na.png,a.png\n", ["story-key-twice"]),
    ("story.csv", b"image\n\xff\xff\n", ["story-not-text"]),
    ("story.csv", codecs.BOM_UTF16_LE + b"i", ["story-not-text"]),
    ("story.csv", b'image,dialogue\na.png,"never closed\n', ["story-not-csv"]),
    ("story.csv", b'image,dialogue\na.png,"one" two\n', ["story-not-csv"]),
    ("story.csv", b"image," + b"x" * 200_000, ["story-not-csv"]),
    ("story.csv", b"image,dialogue\na.png,Hello, world\n", ["story-cells"]),
]


@pytest.mark.parametrize(
    ("name", "data", "codes"), BAD_FILES, ids=[f"{codes[0]}-{len(data)}" for _, data, codes in BAD_FILES]
)
def test_a_bad_file_is_said_what_is_wrong_with(folder: Path, name: str, data: bytes, codes: list[str]) -> None:
    (folder / name).write_bytes(data)
    assert codes_of(load_story, folder / name) == codes


def test_a_file_that_is_not_there_or_is_a_folder(folder: Path) -> None:
    (folder / "folder.csv").mkdir()
    assert codes_of(load_story, folder / "gone.json") == ["story-unreadable"]
    assert codes_of(load_story, folder / "folder.csv") == ["story-unreadable"]


def test_every_problem_that_can_be_said_is_made_by_a_test() -> None:
    made = {code for _, _, code in BAD_FIELDS} | {code for _, _, codes in BAD_FILES for code in codes}
    elsewhere = {"story-unreadable", "story-more", "story-name-twice", "story-image-too-large"} | WHEN_DECODED
    assert made | elsewhere | NOTES == {code for code in catalogue("en")["report"] if code.startswith("story-")}


class TestCsv:
    TEXT = f'{CSV_COLUMNS}\n{SEA},sub\\b.png,"{HELLO}",a beach,2.5,7,seedance,A-head-turn\n,a.png,,,,,,\n'

    @pytest.mark.parametrize("separator", list(",;\t"))
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
    def test_encodings_and_separators(self, folder: Path, encoding: str, separator: str) -> None:
        text = self.TEXT.replace(",", separator).replace(f"{HELLO[:2]}{separator}", f"{HELLO[:2]},")
        story = load_csv(folder, text, encoding)
        first, second = story.scenes
        assert (first.name, first.dialogue, first.scene) == (SEA, HELLO, "a beach")
        assert (first.seconds, first.seed, first.engine, first.preset) == (2.5, 7, "seedance", "A-head-turn")
        assert first.image == folder.resolve() / "sub" / "b.png"
        assert (second.name, second.seconds, second.seed, second.line) == ("scene_02", 8.0, 0, 3)
        assert [note.code for note in story.notes] == (["story-cp949"] if encoding == "cp949" else [])

    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
    def test_a_record_stands_where_its_first_line_is(self, folder: Path, ending: str) -> None:
        lines = ["", "image,dialogue", 'a.png,"one', "", 'three"', "", ",,", "a.png,two", "a.png", "   "]
        story = load_csv(folder, ending.join(lines))
        assert [(scene.line, scene.dialogue) for scene in story.scenes] == [(3, "one\n\nthree"), (8, "two"), (9, "")]

    def test_header_is_read_in_any_case_and_in_any_order(self, folder: Path) -> None:
        story = load_csv(folder, " Seed ; IMAGE;Director;;seconds\n5; a.png ;Kim;;2,5\n;a.png;;;3\n")
        assert [(scene.seed, scene.seconds) for scene in story.scenes] == [(5, 2.5), (0, 3.0)]
        assert [note.speak() for note in story.notes] == [
            "These columns mean nothing in a story and are ignored: Director."
        ]

    def test_a_comma_in_a_tabbed_text_is_a_comma(self, folder: Path) -> None:
        story = load_csv(folder, "image\tdialogue\na.png\tOne, two; three\n")
        assert story.scenes[0].dialogue == "One, two; three"

    def test_spaces_behind_the_separator_do_not_hide_quotation_marks(self, folder: Path) -> None:
        assert load_csv(folder, 'image, dialogue\na.png, "One, two"\n').scenes[0].dialogue == "One, two"

    def test_a_bad_row_does_not_hide_the_others(self, folder: Path) -> None:
        text = f'{CSV_COLUMNS}\n,c.png,"1\n2",,0,0,,\n\nX,a.png,Hello, world,,8,0,,\nX,a.png,,,,,,\nx,a.png,,,,,,\n'
        assert problems_of(load_csv, folder, text) == [
            ("story-seconds", 2, "scene_01"),
            ("story-image-missing", 2, "scene_01"),
            ("story-cells", 5, None),
            ("story-name-twice", 7, "x"),
        ]

    def test_a_moved_row_is_seen_when_its_last_cells_are_empty(self, folder: Path) -> None:
        assert codes_of(load_csv, folder, "image,dialogue,scene\na.png,Hello, world,\n") == ["story-cells"]


class TestNames:
    def test_korean_names_are_good(self, folder: Path) -> None:
        assert load_json(folder, [{"image": "a.png", "name": "\uac00" * 66}]).scenes[0].name == "\uac00" * 66

    @pytest.mark.parametrize("same", ["SEA", "sea", "\uff53ea", unicodedata.normalize("NFD", SEA)])
    def test_the_same_name_in_another_writing(self, folder: Path, same: str) -> None:
        scenes = [{"image": "a.png", "name": name} for name in ("Sea", SEA, same)]
        if same.startswith("\uff53"):  # full-width letters are others, also for a file system
            assert len(load_json(folder, scenes).scenes) == 3
            return
        text = "[" + ",\n".join(json.dumps(scene) for scene in scenes) + "]"
        ((code, line, _),) = problems_of(load_json, folder, text)
        assert (code, line) == ("story-name-twice", 3)

    def test_a_default_name_may_not_be_taken(self, folder: Path) -> None:
        scenes = [{"image": "a.png", "name": "scene_02"}, {"image": "a.png"}]
        assert problems_of(load_json, folder, scenes) == [("story-name-twice", 1, "scene_02")]

    def test_names_are_composed(self, folder: Path) -> None:
        decomposed = unicodedata.normalize("NFD", SEA)
        assert load_json(folder, [{"image": "a.png", "name": decomposed}]).scenes[0].name == SEA != decomposed


class TestPictures:
    def test_a_path_may_go_up_as_long_as_it_stays_in_the_root(self, folder: Path) -> None:
        scenes = [{"image": "../a.png"}, {"image": "..\\sub\\b.png"}]
        story = load_json(folder / "sub", scenes, root=folder)
        assert [scene.image.name for scene in story.scenes] == ["a.png", "b.png"]
        assert codes_of(load_json, folder / "sub", scenes[:1], folder / "sub") == ["story-image-outside"]

    @pytest.mark.skipif(os.name == "nt", reason="Windows lets few accounts make links")
    def test_links_are_followed_inside_the_root_only(self, folder: Path, tmp_path_factory: Any) -> None:
        outside = tmp_path_factory.mktemp("outside")
        Image.new("RGB", (8, 6)).save(outside / "secret.png")
        (folder / "link.png").symlink_to(folder / "a.png")
        (folder / "secret.png").symlink_to(outside / "secret.png")
        (folder / "away").symlink_to(outside, target_is_directory=True)
        (folder / "circle.png").symlink_to(folder / "circle.png")
        assert load_json(folder, [{"image": "link.png"}]).scenes[0].image == folder.resolve() / "a.png"
        bad = [{"image": name} for name in ("secret.png", "away/secret.png", "away/../secret.png", "circle.png")]
        assert codes_of(load_json, folder, bad) == ["story-image-outside"] * 3 + ["story-image-missing"]

    def test_a_file_name_in_another_unicode_form(self, folder: Path) -> None:
        apart = unicodedata.normalize("NFD", SEA)
        (folder / apart).mkdir()
        Image.new("RGB", (8, 6)).save(folder / apart / f"{apart}.png")
        image = load_json(folder, [{"image": f"{SEA}/{SEA}.png"}]).scenes[0].image
        assert Image.open(image).size == (8, 6)

    @pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff"])
    def test_formats(self, folder: Path, suffix: str) -> None:
        Image.new("RGB", (8, 6)).save(folder / f"c.{suffix}")
        assert load_json(folder, [{"image": f"c.{suffix}"}]).scenes[0].image.suffix == f".{suffix}"

    def test_formats_that_start_other_programs_are_refused(self, folder: Path) -> None:
        Image.new("RGB", (8, 6)).save(folder / "c.eps")
        Image.new("RGB", (1, 6)).save(folder / "thin.png")
        assert (
            codes_of(load_json, folder, [{"image": "c.eps"}, {"image": "thin.png"}]) == ["story-image-unreadable"] * 2
        )

    @pytest.mark.parametrize(("side", "codes"), [(8000, []), (9000, ["story-image-too-large"]), (60_000, None)])
    @pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
    def test_the_size_is_known_without_decoding(self, folder: Path, side: int, codes: list[str] | None) -> None:
        (folder / "large.png").write_bytes(png_header(side))
        if codes == []:
            assert load_json(folder, [{"image": "large.png"}]).scenes
        else:
            assert codes_of(load_json, folder, [{"image": "large.png"}]) == ["story-image-too-large"]


def png_header(side: int) -> bytes:
    """A PNG that says what it holds, and ends before its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"x")
    )


class TestManyProblems:
    def test_all_are_said_at_once_in_both_languages(self, folder: Path) -> None:
        text = '[\n {"image": "c.png", "name": "one", "seconds": "eight"},\n {"image": "a.png", "seed": true}\n]'
        with pytest.raises(StoryInvalid) as caught:
            load_json(folder, text)
        english = caught.value.speak("en").split("\n")
        assert english == [
            "The story 'story.json' cannot be used as it is. Correct this and queue it again:",
            "- Line 2, one: seconds is 'eight', but must be a number above 0 and at most 60.",
            "- Line 2, one: the image 'c.png' is not there.",
            "- Line 3, scene_02: seed is true, but must be a whole number from 0 to 18446744073709551615.",
        ]
        both = caught.value.speak("ko").split("\n")
        assert both[:4] == english and len(both) == 8
        for korean, row in zip(both[5:], (2, 2, 3)):
            assert korean.startswith(f"- {row}\ud589 ") and "eight" in both[5]

    def test_only_the_first_are_shown(self, folder: Path) -> None:
        with pytest.raises(StoryInvalid) as caught:
            load_json(folder, [{"image": "a.png", "seed": -1}] * 100)
        assert len(caught.value.problems) == 100
        told = caught.value.speak("en").split("\n")
        assert len(told) == 1 + MOST_PROBLEMS_SHOWN + 1
        assert told[-1] == "- And 70 more."
        assert len(caught.value.speak("ko").split("\n")) == 2 * len(told)

    def test_a_message_stays_on_its_line_and_short(self, folder: Path) -> None:
        scene = {"image": "a\n\ud83d.png", "name": "x\ny\ud83d" + "z" * 1000, "engine": "e\r\n" * 5000}
        with pytest.raises(StoryInvalid) as caught:
            load_json(folder, [scene])
        told = caught.value.speak("ko")
        assert told.count("\n") == 2 * len(caught.value.problems) + 1
        assert len(told) < 2000
        told.encode()


class TestEngines:
    def test_the_place_in_the_story_stays(self, folder: Path) -> None:
        engines = ["seedance", "ltx-2", "seedance", "LTX-2"]
        story = load_json(folder, [{"image": "a.png", "engine": engine} for engine in engines])
        assert [scene.index for scene in story.scenes_for("all")] == [1, 2, 3, 4]
        assert [scene.index for scene in story.scenes_for("ltx-2")] == [2, 4]
        assert [scene.name for scene in story.scenes_for("seedance")] == ["scene_01", "scene_03"]
        with pytest.raises(UnknownChoice):
            story.scenes_for("ltx")

    def test_nothing_left_is_an_error(self, folder: Path) -> None:
        story = load_json(folder, [{"image": "a.png"}])
        with pytest.raises(
            NoScenesForEngine, match=r"'story.json' is for the engine seedance; it has scenes for ltx-2"
        ):
            story.scenes_for("seedance")


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=30)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class TestProperties:
    @QUICK
    @given(texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), indent=st.sampled_from([None, 0, 2, "\t"]))
    def test_json_gives_back_texts_and_lines(self, folder: Path, texts: list[tuple[str, str]], indent: Any) -> None:
        scenes = [{"image": "a.png", "dialogue": dialogue, "scene": scene} for dialogue, scene in texts]
        written = json.dumps({"scenes": scenes}, indent=indent, ensure_ascii=False)
        story = load_json(folder, written)
        assert [(scene.dialogue, scene.scene) for scene in story.scenes] == texts
        lines = written.split("\n")
        for scene in story.scenes:
            assert scene.line is not None
            wanted = 1 if indent is None else 3 + 5 * (scene.index - 1)
            assert scene.line == wanted and "{" in lines[scene.line - 1]

    @QUICK
    @given(
        texts=st.lists(st.tuples(TEXTS.map(str.lstrip), TEXTS.map(str.lstrip)), min_size=1, max_size=6),
        separator=st.sampled_from(",;\t"),
        ending=st.sampled_from(["\n", "\r\n"]),
        quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    )
    def test_csv_gives_back_texts_and_lines(
        self, folder: Path, texts: list[tuple[str, str]], separator: str, ending: str, quoting: Any
    ) -> None:
        target = io.StringIO(newline="")
        writer = csv.writer(target, delimiter=separator, lineterminator=ending, quoting=quoting)
        writer.writerow(["image", "dialogue", "scene"])
        lines = []
        for dialogue, scene in texts:
            lines.append(target.getvalue().count("\n") + 1)
            writer.writerow(["a.png", dialogue, scene])
        story = load_csv(folder, target.getvalue())
        assert [(scene.dialogue, scene.scene) for scene in story.scenes] == texts
        assert [scene.line for scene in story.scenes] == lines

    @QUICK
    @given(data=st.binary(max_size=200) | st.text(string.printable, max_size=200).map(str.encode), suffix=st.booleans())
    def test_no_file_ends_in_another_error(self, folder: Path, data: bytes, suffix: bool) -> None:
        path = folder / ("story.json" if suffix else "story.csv")
        path.write_bytes(data if suffix else b"image,dialogue,name\n" + data)
        try:
            load_story(path)
        except StoryInvalid as error:
            error.speak("ko").encode()

    @QUICK
    @given(name=st.text(min_size=1, max_size=40))
    def test_a_name_that_passes_can_be_a_file(self, folder: Path, name: str) -> None:
        try:
            (scene,) = load_json(folder, [{"image": "a.png", "name": name}]).scenes
        except StoryInvalid:
            return
        file = folder / f"{scene.name}_00001_.mp4"
        file.write_bytes(b"")
        assert file in folder.iterdir()
        file.unlink()


def test_200_scenes_are_planned_without_decoding_a_picture(folder: Path) -> None:
    for index in range(200):
        (folder / f"{index}.png").write_bytes(png_header(4000))
    scenes = [{"image": f"{index}.png", "dialogue": HELLO, "seconds": 8, "seed": index} for index in range(200)]
    before = set(sys.modules)
    began = time.perf_counter()
    story = load_json(folder, scenes)
    print(f"200 scenes: {time.perf_counter() - began:.3f} s")
    assert [scene.seed for scene in story.scenes] == list(range(200))
    assert not {"torch", "numpy", "av"} & (set(sys.modules) - before)
    with pytest.raises(OSError), Image.open(story.scenes[0].image) as picture:
        picture.load()  # there is nothing to decode, so load_story() did not
