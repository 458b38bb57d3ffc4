"""locales/ has every text of every node, in English as the nodes say it and in Korean."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from dev.comfyui import ready_comfyui
from dev.locales import LOCALES, locale_key, node_definitions
from dev.pack import NodeInfo, inputs_of, schemas

FILES = ("main.json", "nodeDefs.json", "settings.json")
HANGUL = re.compile("[\uac00-\ud7a3]")


@pytest.fixture(scope="module")
def nodes() -> dict[str, NodeInfo]:
    return schemas(ready_comfyui(Path(sys.executable)))


def texts(language: str, file: str) -> dict[str, str]:
    """A locale file, flat: "StoryMotionShotPlan > inputs > fps > name" -> its text."""
    return flat(json.loads((LOCALES / language / file).read_text(encoding="utf-8")))


def flat(tree: dict[str, Any], above: str = "") -> dict[str, str]:
    leaves: dict[str, str] = {}
    for key, value in tree.items():
        path = f"{above} > {key}" if above else key
        leaves |= flat(value, path) if isinstance(value, dict) else {path: value}
    return leaves


def differences(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    missing = [f"missing: {path}" for path in wanted if path not in found]
    stale = [f"not in the pack: {path}" for path in found if path not in wanted]
    other = [
        f"{path}: {found[path]!r} is not {wanted[path]!r}"
        for path in wanted
        if path in found and found[path] != wanted[path]
    ]
    return [*missing, *stale, *other]


def settings() -> list[dict[str, Any]]:
    """The settings that js/storymotion.js registers: id, category, name, tooltip, and the options of a choice."""
    script = (LOCALES.parent / "js" / "storymotion.js").read_text(encoding="utf-8")
    script = re.sub(r'" \+\s+"', "", script)
    found = re.findall(r'^ +(id|category|name|tooltip|options):\s*(".*"|\[.*\]),$', script, flags=re.MULTILINE)
    made: list[dict[str, Any]] = []
    for key, value in found:
        if key == "id":
            made.append({})
        if made:  # before the first id stands the name of the extension
            made[-1][key] = json.loads(value)
    assert made
    return made


def test_english_is_what_the_settings_say() -> None:
    wanted = {
        locale_key(each["id"]): {
            "name": each["name"],
            "tooltip": each["tooltip"],
            "options": {option: option for option in each.get("options", [])},
        }
        for each in settings()
    }
    assert differences(texts("en", "settings.json"), flat(wanted)) == []


def test_every_setting_is_read_somewhere() -> None:
    """What each of them does is tested with what it is for; the billing day is only shown."""
    root = LOCALES.parent
    readers = [*(root / "nodes").rglob("*.py"), *(file for file in (root / "js").glob("*.js"))]
    read = "".join(file.read_text(encoding="utf-8") for file in readers if file.name != "storymotion.js")
    unread = [each["id"] for each in settings() if f'"{each["id"]}"' not in read]
    assert unread == ["StoryMotion.BillingDay"]


@pytest.mark.slow
def test_english_is_what_the_nodes_say(nodes: dict[str, NodeInfo]) -> None:
    wrong = differences(texts("en", "nodeDefs.json"), flat(node_definitions(nodes)))
    assert not wrong, "\n".join(["python -m dev.locales writes it again:", *wrong])


@pytest.mark.slow
def test_every_node_input_and_output_has_a_tooltip(nodes: dict[str, NodeInfo]) -> None:
    assert [path for path, text in flat(node_definitions(nodes)).items() if not text] == []


@pytest.mark.parametrize("file", FILES)
def test_english_and_korean_have_the_same_keys(file: str) -> None:
    english = dict.fromkeys(texts("en", file), "")
    korean = dict.fromkeys(texts("ko", file), "")
    assert differences(korean, english) == []


def test_both_languages_have_the_same_files() -> None:
    languages = {folder.name: sorted(file.name for file in folder.iterdir()) for folder in LOCALES.iterdir()}
    assert languages == {"en": sorted(FILES), "ko": sorted(FILES)}


def test_korean_sentences_are_korean() -> None:
    korean = texts("ko", "nodeDefs.json") | texts("ko", "settings.json")
    sentences = {path: text for path, text in korean.items() if path.endswith(("tooltip", "description"))}
    assert len(sentences) > 50
    assert [path for path, text in sentences.items() if not HANGUL.search(text)] == []


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("file", FILES)
def test_the_editor_can_read_every_text(language: str, file: str) -> None:
    """vue-i18n gives these characters a meaning: placeholders, links and plurals in texts, steps in keys."""
    for path, text in texts(language, file).items():
        assert text and not set(text) & set("{}@|\\"), f"{path}: {text}"
        assert not set(path) & set(".[]'\""), path


@pytest.mark.slow
def test_categories_and_socket_types_have_names(nodes: dict[str, NodeInfo]) -> None:
    # The editor splits a category at its slashes and looks every part up by itself.
    categories = {part for info in nodes.values() for part in info["category"].split("/")}
    types = {kind for info in nodes.values() for kind in info["output"]}
    types |= {kind for info in nodes.values() for kind, _ in inputs_of(info).values() if isinstance(kind, str)}
    ours = {kind for kind in types if kind.startswith("LTX2_")}
    assert "LTX2_MODEL" in ours
    wanted = {f"nodeCategories > {locale_key(part)}" for part in categories}
    wanted |= {f"dataTypes > {locale_key(kind)}" for kind in ours}
    wanted |= {f"settingsCategories > {label}" for setting in settings() for label in setting["category"][:2]}
    assert differences(dict.fromkeys(texts("en", "main.json"), ""), dict.fromkeys(wanted, "")) == []
