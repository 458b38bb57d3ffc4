"""The words of the browser extension: both languages have them all, and the scripts hold none themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path

JS = Path(__file__).parents[1] / "js"
HANGUL = re.compile("[\uac00-\ud7a3]")


def texts(language: str) -> dict[str, str]:
    return json.loads((JS / "texts" / f"{language}.json").read_text(encoding="utf-8"))


def test_both_languages_have_the_same_texts_with_the_same_gaps() -> None:
    english, korean = texts("en"), texts("ko")
    assert list(english) == list(korean)
    for key, text in english.items():
        assert sorted(re.findall(r"\{(\w+)\}", text)) == sorted(re.findall(r"\{(\w+)\}", korean[key])), key
        assert HANGUL.search(korean[key]) or key == "fit-for", key


def test_scripts_use_the_texts_that_there_are() -> None:
    scripts = "".join(file.read_text(encoding="ascii") for file in JS.glob("*.js"))
    used = set(re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)*)"', scripts))
    assert set(texts("en")) <= used
    assert set(re.findall(r'say\("([a-z0-9-]+)"', scripts)) <= set(texts("en"))


def test_every_extension_is_ours_by_name() -> None:
    for file in JS.glob("*.js"):
        names = re.findall(r'registerExtension\(\{\s*name: "([^"]+)"', file.read_text(encoding="ascii"))
        assert len(names) == file.read_text(encoding="ascii").count("registerExtension(")
        assert all(name.startswith("storymotion.") for name in names)
