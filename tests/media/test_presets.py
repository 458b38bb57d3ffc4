"""Presets: what ships is valid, the user's own come in, and a wrong file is told and not half used."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from storymotion import errors
from storymotion.media.presets import CUSTOM, load_presets, settings_for
from storymotion.media.settings import DEFAULT_SETTINGS, EncodeSettings

SHIPPED, _ = load_presets()


@pytest.fixture
def user_file(tmp_path):
    def write(content: object):
        path = tmp_path / "encode_presets.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def test_the_shipped_presets():
    assert list(SHIPPED) == ["line art", "line art 2x", "master", "small file", "drawn on twos"]
    assert settings_for("line art", EncodeSettings(crf=40, speed="slow"), SHIPPED) == DEFAULT_SETTINGS
    assert settings_for("master", DEFAULT_SETTINGS, SHIPPED).pixel_format == "yuv444p"
    assert settings_for("line art 2x", DEFAULT_SETTINGS, SHIPPED).line_art_2x
    assert settings_for("drawn on twos", DEFAULT_SETTINGS, SHIPPED).on_twos


def test_what_a_preset_leaves_out_stays():
    given = EncodeSettings(odd_size="crop", on_twos=True)
    assert settings_for("small file", given, SHIPPED) == replace(given, crf=23, speed="slow", audio_kbps=96)
    assert settings_for(CUSTOM, given, SHIPPED) is given


def test_the_users_presets_come_after_the_shipped_and_replace_them(user_file):
    path = user_file({"presets": [{"name": "\uc5f0\uc7ac", "crf": 16.5}, {"name": "master", "crf": 0}]})
    presets, notes = load_presets(path)
    assert notes == () and list(presets) == [*SHIPPED, "\uc5f0\uc7ac"]
    assert settings_for("\uc5f0\uc7ac", DEFAULT_SETTINGS, presets) == EncodeSettings(crf=16.5)
    assert settings_for("master", DEFAULT_SETTINGS, presets) == EncodeSettings(crf=0)


def test_a_file_of_windows_notepad(user_file):
    presets, notes = load_presets(user_file('\ufeff{"presets": [{"name": "mine", "crf": 33}]}'))
    assert notes == () and settings_for("mine", DEFAULT_SETTINGS, presets).crf == 33


def test_no_file_and_an_empty_list(tmp_path, user_file):
    assert load_presets(tmp_path / "missing.json") == (SHIPPED, ())
    assert load_presets(user_file({"presets": []})) == (SHIPPED, ())


@pytest.mark.parametrize(
    "entry, told",
    [
        ({"crf": 18}, "name"),
        ({"name": " ", "crf": 18}, "name"),
        ({"name": "custom", "crf": 18}, "'custom'"),
        ({"name": "mine", "crf": 99}, "crf is 99"),
        ({"name": "mine", "crf": "18"}, "crf of mine is '18'"),
        ({"name": "mine", "crf": True}, "crf of mine is True"),
        ({"name": "mine", "audio_kbps": 128.5}, "audio_kbps of mine is 128.5"),
        ({"name": "mine", "on_twos": 1}, "on_twos of mine is 1"),
        ({"name": "mine", "tune": "grainy"}, "tune is 'grainy'"),
        ({"name": "mine", "preset": "fast"}, "mine has preset, which is not one of crf, speed"),
        ({"name": "good", "crf": 12}, "two presets of the name good"),
        ([], "a preset is []"),
        ("mine", "a preset is 'mine'"),
        (None, "a preset is None"),
    ],
    ids=str,
)
def test_one_wrong_preset_spoils_the_file_and_is_told(user_file, entry, told):
    path = user_file({"presets": [{"name": "good", "crf": 10}, entry]})
    presets, (note,) = load_presets(path)
    assert presets == SHIPPED
    assert note.speak().startswith("The file of presets encode_presets.json is not used: ")
    assert told in note.speak()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"rates": []}', '{"presets": 5}', '{"presets": {"name": "mine"}}', "[" * 100_000]
)
def test_a_file_that_is_no_list_of_presets(user_file, content):
    presets, notes = load_presets(user_file(content))
    assert presets == SHIPPED and len(notes) == 1


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "encode_presets.json"
    path.write_bytes(b"\xff\xfe\x00")
    assert load_presets(path)[0] == SHIPPED and len(load_presets(path)[1]) == 1


def test_a_preset_that_is_not_there():
    with pytest.raises(errors.UnknownChoice, match=r"preset is 'mine'.*custom, line art, "):
        settings_for("mine", DEFAULT_SETTINGS, SHIPPED)
