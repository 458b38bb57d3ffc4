"""Help pages, READMEs and lists say what the pack is, and no file says where it was written."""

from __future__ import annotations

import ast
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.comfyui import ready_comfyui
from dev.demo import NO_FILE, with_tiny_models
from dev.pack import NodeInfo, inputs_of, schemas
from dev.server import ComfyServer

ROOT = Path(__file__).parents[1]
HELP = ROOT / "js" / "docs"
WORKFLOW = "workflows/api/01_distilled_shot.json"
# What the nodes that a history entry lists have there.
SHOWS = {"images": ("StoryMotionAnimationEncode", "StoryMotionJoin"), "text": ("PreviewAny",)}
# Title of the section with inputs and of that with outputs, in each language.
SECTIONS = {"en": ("Inputs", "Outputs"), "ko": ("\uc785\ub825", "\ucd9c\ub825")}
# Title of the last section.
TROUBLE = {"en": "When it does not work", "ko": "\uc798 \uc548 \ub420 \ub54c"}
# "- `crf` (18): from 0 to 51.", in Korean with the name that the editor shows in front: "- **name** `crf` (18): ..."
ENTRY = re.compile(r"^- (?:\*\*(?P<label>.+?)\*\* )?`(?P<name>\w+)`(?: \((?P<default>.*?)\))?: \S")


@pytest.fixture(scope="module")
def nodes() -> dict[str, NodeInfo]:
    return schemas(ready_comfyui(Path(sys.executable)))


@pytest.fixture(scope="module")
def korean() -> dict[str, Any]:
    return json.loads((ROOT / "locales" / "ko" / "nodeDefs.json").read_text(encoding="utf-8"))


def entries(node_id: str, language: str, section: int) -> list[re.Match[str]]:
    """The list under a heading of a help page; every line that begins one must be readable."""
    page = HELP / node_id / f"{language}.md"
    title = SECTIONS[language][section]
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert parts.count(title) == 1, f"{page}: no section {title}"
    found = []
    for line in parts[parts.index(title) + 1].splitlines():
        if line.startswith("- "):
            match = ENTRY.match(line)
            assert match, f"{page}: {line}"
            found.append(match)
    return found


def shown(value: Any) -> str | None:
    """A default as the help pages write it; none for an empty one."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, (int, float)) else value or None


def files() -> Iterator[Path]:
    """Every text file of the repository that is not made by a tool."""
    for top in ROOT.iterdir():
        if top.name.startswith(".") and top.name not in (".ci", ".comfyignore", ".gitignore"):
            continue
        for file in [top] if top.is_file() else top.rglob("*"):
            if file.is_file() and file.suffix not in (".pyc", ".jpg", ".png", ".mp4", ".zip"):
                yield file


@pytest.mark.slow
def test_every_node_has_its_help_pages_and_no_page_is_left_over(nodes: dict[str, NodeInfo]) -> None:
    found = {f"{page.parent.name}/{page.name}" for page in HELP.rglob("*.md")}
    assert found == {f"{node_id}/{language}.md" for node_id in nodes for language in SECTIONS}


@pytest.mark.parametrize("language", SECTIONS)
def test_help_shows_what_knobs_do_and_what_to_do_about_errors(language: str) -> None:
    """A table or a picture before the inputs, and at the end a table of what is seen and what to do then."""
    for page in HELP.glob(f"*/{language}.md"):
        parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        before = "".join(parts[: parts.index(SECTIONS[language][0])])
        assert re.search(r"^\|---|^!\[", before, flags=re.MULTILINE), page
        assert parts[-2] == TROUBLE[language], page
        assert re.search(r"^\| .+ \| .+ \|\n\|---\|---\|\n\| .+ \| .+ \|$", parts[-1], flags=re.MULTILINE), page


@pytest.mark.slow
@pytest.mark.parametrize("language", SECTIONS)
def test_help_lists_the_inputs_with_their_defaults(nodes: dict[str, NodeInfo], language: str) -> None:
    for node_id, info in nodes.items():
        listed = [(entry["name"], entry["default"]) for entry in entries(node_id, language, 0)]
        wanted = [(name, shown(options.get("default"))) for name, (_, options) in inputs_of(info).items()]
        assert listed == wanted, f"{node_id}, {language}"


@pytest.mark.slow
@pytest.mark.parametrize("language", SECTIONS)
def test_help_lists_the_outputs(nodes: dict[str, NodeInfo], language: str) -> None:
    for node_id, info in nodes.items():
        assert [entry["name"] for entry in entries(node_id, language, 1)] == info["output_name"], node_id


@pytest.mark.slow
def test_korean_help_uses_the_names_that_the_editor_shows(nodes: dict[str, NodeInfo], korean: dict[str, Any]) -> None:
    for node_id in nodes:
        texts = korean[node_id]
        inputs = {entry["name"]: entry["label"] for entry in entries(node_id, "ko", 0)}
        assert inputs == {name: texts["inputs"][name]["name"] for name in inputs}, node_id
        outputs = [entry["label"] for entry in entries(node_id, "ko", 1)]
        assert outputs == [output["name"] for output in texts["outputs"].values()], node_id


@pytest.mark.slow
def test_readmes_name_every_node(nodes: dict[str, NodeInfo], korean: dict[str, Any]) -> None:
    names = {
        "README.md": [info["display_name"] for info in nodes.values()],
        "README.ko.md": [korean[node_id]["display_name"] for node_id in nodes],
    }
    for readme, wanted in names.items():
        text = (ROOT / readme).read_text(encoding="utf-8")
        (table,) = re.findall(
            r"^\| \S+ \| [^|]+ \| [^|]+ \|\n\|---\|---\|---\|\n((?:\| \*\*.*\n)+)", text, re.MULTILINE
        )
        assert sorted(re.findall(r"^\| \*\*(.+?)\*\* ", table, re.MULTILINE)) == sorted(wanted), readme


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_readmes_have_the_model_files_of_the_workflows(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    for workflow in (ROOT / "workflows" / "api").glob("*.json"):
        assert f"`{workflow.stem}`" in text
        for node in json.loads(workflow.read_text(encoding="utf-8")).values():
            for name in ("checkpoint", "text_encoder", "spatial_upscaler", "lora", "distilled_lora", "ic_lora"):
                file = node["inputs"].get(name)
                assert not isinstance(file, str) or file == NO_FILE or f"`{file}`" in text, f"{workflow.name}: {file}"


@pytest.mark.parametrize("page", ["README", "docs/API", "docs/BILLING_GATE", "docs/MOTION", "docs/STORY"])
def test_both_languages_have_the_same_structure(page: str) -> None:
    structure = [
        re.findall(r"^(#+|```|- |\|[-|]+\|$)", (ROOT / f"{page}{language}.md").read_text("utf-8"), flags=re.MULTILINE)
        for language in ("", ".ko")
    ]
    assert structure[0] == structure[1]


def test_both_languages_of_help_have_the_same_structure() -> None:
    """Headings, list entries, rows of tables and pictures, in the same order."""
    for folder in HELP.iterdir():
        structure = [
            re.findall(
                r"^(#+ |```|- |\d\. |\||!\[)", (folder / f"{language}.md").read_text("utf-8"), flags=re.MULTILINE
            )
            for language in SECTIONS
        ]
        assert structure[0] == structure[1], folder.name


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["API.md", "API.ko.md"])
@pytest.mark.parametrize("workflow", ["08_story_distilled", "09_story_two_stage"])
def test_nodes_of_the_story_workflows_are_where_the_docs_say(page: str, workflow: str) -> None:
    graph = json.loads((ROOT / "workflows" / "api" / f"{workflow}.json").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| (`\d+`[^|]*) \| ([^|]*) \|", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
    inputs = {name for node in graph.values() for name in node["inputs"]}
    for nodes, words in rows:
        for node, word in itertools.product(re.findall(r"`(\d+)`", nodes), re.findall(r"`(\w+)`", words)):
            if word in ("images", "text"):  # what it shows in the history
                assert graph[node]["class_type"] in SHOWS[word]
            elif word in inputs:  # not all pipelines have all inputs
                assert word in graph[node]["inputs"]
            else:
                assert word == "steps"
    assert len(rows) == 10


@pytest.mark.parametrize("page", ["API.md", "API.ko.md"])
def test_every_name_in_a_row_of_a_scene_is_in_the_docs(page: str) -> None:
    source = (ROOT / "nodes" / "shown.py").read_text(encoding="utf-8")
    fields = re.findall(r"^    (\w+): .*$", source[: source.index("def shown")], re.MULTILINE)
    cells = re.findall(r"^\| (`[a-z_`, ]+`) \|", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
    assert sorted(name for cell in cells for name in re.findall(r"\w+", cell)) == sorted(fields)


@pytest.mark.parametrize("page", ["API.md", "API.ko.md"])
def test_every_route_is_in_the_docs(page: str) -> None:
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "nodes" / "routes").glob("*.py")]
    routes = [route for source in sources for route in re.findall(r'JsonRoute\("(\w+)", "([\w/]+)"', source)]
    rows = re.findall(r"^\| `(\w+) /storymotion/([\w/]+)` \|", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
    assert len(routes) == 15 and sorted(rows) == sorted(routes)


@pytest.mark.comfy
@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_the_script_of_the_readme_saves_a_video(readme: str, comfy_server: ComfyServer, tmp_path: Path) -> None:
    """As printed, but for the server's port, and with tiny models in the workflow that it reads."""
    (script,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / readme).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert "http://127.0.0.1:8188" in script
    workflow = with_tiny_models(json.loads((ROOT / WORKFLOW).read_text(encoding="utf-8")))
    for node in workflow.values():
        if node["class_type"] == "StoryMotionShotPlan":
            node["inputs"]["seconds"] = 0.3
    (tmp_path / WORKFLOW).parent.mkdir(parents=True)
    (tmp_path / WORKFLOW).write_text(json.dumps(workflow), encoding="utf-8")
    (tmp_path / "script.py").write_text(script.replace("http://127.0.0.1:8188", comfy_server.address), encoding="utf-8")
    command = [sys.executable, "script.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", errors="replace", check=False)
    assert ran.returncode == 0, ran.stderr
    (video,) = tmp_path.glob("*.mp4")
    assert ran.stdout.strip() == f"saved {video.name}"
    assert video.stat().st_size > 1000


def test_requirements_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = re.search(r"^dependencies = (\[.*?^\])", project, flags=re.MULTILINE | re.DOTALL)
    assert dependencies is not None
    listed = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n")
    assert ast.literal_eval(dependencies[1]) == [line for line in listed if line]
    assert not any(line.startswith("torch") for line in listed)


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_readmes_say_by_hand_what_requirements_say(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    by_hand = " ".join(line for line in text.splitlines() if line.startswith("python -m pip install"))
    listed = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    assert [line for line in listed if line not in by_hand.replace('"', "").split()] == []


def test_python_files_are_ascii() -> None:
    assert [str(file) for file in files() if file.suffix == ".py" and not file.read_bytes().isascii()] == []


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    # In pieces, so that this file does not name them either.
    hosts = [f"{name}.{end}" for name in ("pypi", "pythonhosted", "npmjs") for end in ("org", "com")]
    folders = re.compile(r"(?<![\w/.~-])/(?:work|tmp|root|home/\w+|Users/\w+)/")
    for file in files():
        text = file.read_text(encoding="utf-8")
        assert not any(host in text for host in hosts), file
        found = folders.search(text)
        assert found is None, f"{file}: {found and found[0]}"
