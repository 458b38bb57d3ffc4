"""What goes wrong on the real server is said in a sentence, stops fast, and the next prompt works."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import websocket
from PIL import Image

from dev.client import ComfyClient, NodeProgress, PromptFailed, PromptInterrupted, PromptRejected
from dev.server import ComfyServer

from .conftest import Graph
from .test_workflows_run import frames, save_frames, saved

pytestmark = pytest.mark.comfy
ROOT = Path(__file__).parents[2]

BROKEN: list[tuple[str, str, Any, str]] = [
    ("StoryMotionDistilled", "width", 100, "width of the shot is 100 pixels, which is not a multiple of 64"),
    ("StoryMotionDistilled", "frames", 24, "has 24 frames, but LTX-2 makes 8k+1"),
    ("StoryMotionImageGuide", "frame", 25, "frame 25, but the shot has the frames 0 to 24"),
    ("StoryMotionImageGuide", "strength", float("nan"), "strength of a guide is nan"),
    ("StoryMotionLTX2Model", "spatial_upscaler", "none", "spatial upscaler 'none' was not found"),
    ("StoryMotionShotPlan", "size", "4K", "size is '4K', which is not one of the choices"),
    ("SafeMotionMapper", "style", "oil", "style is 'oil', which is not one of the choices"),
    ("StoryMotionAnimationEncode", "tune", "grainy", "tune is 'grainy', which is not one of the choices"),
]


@pytest.mark.parametrize(("node", "name", "value", "says"), BROKEN)
def test_broken_input_is_a_readable_error(
    comfy_client: ComfyClient, distilled: Graph, node: str, name: str, value: Any, says: str
) -> None:
    distilled.node(node)[name] = value
    with pytest.raises((PromptFailed, PromptRejected)) as caught:
        comfy_client.run(distilled)
    if isinstance(caught.value, PromptFailed):
        assert says in caught.value.details["exception_message"]
        assert caught.value.details["exception_type"].rpartition(".")[2] not in ("ValueError", "KeyError")
    else:  # newer servers refuse a wrong choice themselves
        assert value in str(caught.value)


def test_the_next_prompt_works(comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph) -> None:
    good = json.loads(json.dumps(distilled))
    distilled.node("StoryMotionDistilled")["frames"] = 24
    with pytest.raises(PromptFailed):
        comfy_client.run(distilled)
    assert saved(comfy_server, comfy_client.run(good)).is_file()


@pytest.mark.parametrize(
    ("node", "name", "file", "folder"),
    [
        ("StoryMotionLTX2Model", "checkpoint", "gone.safetensors", "checkpoints"),
        ("StoryMotionLTX2Model", "checkpoint", None, "checkpoints"),
        ("StoryMotionLTX2Model", "checkpoint", 5, "checkpoints"),
        ("StoryMotionLTX2Model", "text_encoder", "gone", "text_encoders"),
        ("StoryMotionLTX2Model", "spatial_upscaler", "gone.safetensors", "latent_upscale_models"),
    ],
)
def test_missing_file_is_our_sentence_before_a_weight_is_read(
    comfy_client: ComfyClient, distilled: Graph, node: str, name: str, file: Any, folder: str
) -> None:
    distilled.node(node)[name] = file
    with pytest.raises(PromptFailed) as caught:
        comfy_client.run(distilled)
    details = json.dumps(caught.value.details)
    assert f"'{file}' was not found in" in details and folder in details
    assert "press R to refresh" in details


def test_swapped_files(comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph) -> None:
    models = comfy_server.data / "models"
    wrong = models / "checkpoints" / "upscaler-by-mistake.safetensors"
    wrong.write_bytes((models / "latent_upscale_models" / "tiny-spatial-upscaler.safetensors").read_bytes())
    distilled.node("StoryMotionLTX2Model")["checkpoint"] = wrong.name
    with pytest.raises(PromptFailed, match="was chosen as the checkpoint, but it is a latent upscaler"):
        comfy_client.run(distilled)


def test_interrupt_stops_inside_a_step_and_changes_nothing(
    comfy_client: ComfyClient, comfy_server: ComfyServer, two_stage: Graph
) -> None:
    before = frames(comfy_server, comfy_client.run(save_frames(two_stage)))
    long = Graph(json.loads(json.dumps(two_stage)))
    # More layers run in one step of 193 frames than a second has room for on a CPU.
    long.node("StoryMotionShotPlan")["seconds"] = 8.0
    long.node("StoryMotionTwoStage").update(steps=200, seed=7)
    asked: list[float] = []

    def interrupt_in_stage_1(progress: NodeProgress) -> None:
        if progress.text == "stage 1" and not asked:
            asked.append(time.monotonic())
            comfy_client.interrupt()

    with pytest.raises(PromptInterrupted):
        comfy_client.run(long, interrupt_in_stage_1)
    assert time.monotonic() - asked[0] < 1.0
    entry = comfy_client.run(two_stage)
    cached = [data["nodes"] for kind, data in entry["status"]["messages"] if kind == "execution_cached"]
    assert "6" not in cached[0], "the shot came from ComfyUI's cache, so this test proves nothing"
    assert frames(comfy_server, entry) == before


def test_korean_follows_english(comfy_client: ComfyClient, comfy_server: ComfyServer, distilled: Graph) -> None:
    comfy_client.post("/settings", {"Comfy.Locale": "ko"})
    try:
        distilled.node("StoryMotionDistilled")["frames"] = 24
        with pytest.raises(PromptFailed) as caught:
            comfy_client.run(distilled)
        english, korean = caught.value.details["exception_message"].strip().split("\n")
        assert english.startswith("The shot has 24 frames")
        assert any("\uac00" <= letter <= "\ud7a3" for letter in korean)
        del distilled["6"], distilled["7"], distilled["9"]
        distilled.node("SafeMotionMapper")["dialogue"] = "A line that is not in the cache"
        (reason,) = comfy_client.run(distilled)["outputs"]["8"]["text"]
        assert any("\uac00" <= letter <= "\ud7a3" for letter in reason)
    finally:
        comfy_client.post("/settings", {"Comfy.Locale": "en"})


@pytest.mark.slow
class TestOtherServers:
    """Servers that lack something; each test starts its own."""

    def test_without_the_sdk_every_node_registers_and_says_what_to_install(
        self, start_server: Any, tmp_path: Path, distilled: Graph
    ) -> None:
        blocker = tmp_path / "blocker"
        blocker.mkdir()
        (blocker / "sitecustomize.py").write_text(
            "import sys\nfor name in ('ltx_core', 'ltx_pipelines'):\n    sys.modules[name] = None\n", encoding="utf-8"
        )
        server = start_server(environ={"PYTHONPATH": str(blocker)})
        with ComfyClient(server.address) as client:
            assert "StoryMotionDistilled" in client.get("/object_info")
            with pytest.raises(PromptFailed) as caught:
                client.run(distilled)
        message = caught.value.details["exception_message"]
        assert "SDK is not installed" in message
        assert '-m pip install "ltx-core>=1.0,<2" "ltx-pipelines>=1.0,<2"' in message

    def test_samples_are_copied_once(self, start_server: Any) -> None:
        server = start_server(models=False, samples=False)
        sample = server.data / "input" / "storymotion_scene_01.png"
        assert sample.read_bytes() == (ROOT / "workflows" / "input" / sample.name).read_bytes()
        server.stop()
        sample.unlink()
        server.start()
        assert not sample.exists(), "a sample that the user deleted came back"

    def test_without_models_the_sentence_is_ours(self, start_server: Any, distilled: Graph) -> None:
        server = start_server(models=False)
        with ComfyClient(server.address) as client:
            info = client.get("/object_info/StoryMotionLTX2Model")["StoryMotionLTX2Model"]["input"]["required"]
            offered = {name: info[name][1]["options"][0] for name in info}
            for choices in (offered, {}):
                distilled.node("StoryMotionLTX2Model").update(choices)
                with pytest.raises(PromptFailed) as caught:
                    client.run(distilled)
                assert "There is no LTX-2 checkpoint in " in json.dumps(caught.value.details)

    def test_korean_windows_console(self, start_server: Any, distilled: Graph) -> None:
        # CP949 cannot print every letter, and a file opened without a named encoding would be read as CP949.
        server = start_server(
            environ={"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp949", "PYTHONWARNDEFAULTENCODING": "1"}
        )
        with ComfyClient(server.address) as client:
            client.post("/settings", {"Comfy.Locale": "ko"})
            distilled.node("SafeMotionMapper")["dialogue"] = "\ubdc1 \u30fc \U0001f63a!"
            (reason,) = client.run(distilled)["outputs"]["8"]["text"]
            assert "A-head-turn" in reason
            distilled.node("StoryMotionDistilled")["frames"] = 24
            with pytest.raises(PromptFailed, match="has 24 frames"):
                client.run(distilled)
        log = server.log.read_bytes().decode("cp949", errors="replace")
        warned = [line for line in log.splitlines() if "EncodingWarning" in line]
        assert warned, "the switch did not work: ComfyUI itself opens files without naming an encoding"
        ours = (f"{server.data}/custom_nodes/storymotion/", f"{ROOT}/storymotion/", f"{ROOT}/nodes/", f"{ROOT}/dev/")
        assert [line for line in warned if line.startswith(ours)] == []

    def test_previews_when_the_user_wants_them(self, start_server: Any, distilled: Graph) -> None:
        server = start_server(arguments=["--preview-method", "auto"])
        socket = websocket.create_connection(f"ws://127.0.0.1:{server.port}/ws?clientId=viewer", timeout=60)

        def pictures_of(prompt: Graph) -> list[Image.Image]:
            answer = client.post("/prompt", {"prompt": prompt, "client_id": "viewer"})
            found = []
            while client.history(answer["prompt_id"]) is None:
                message = socket.recv()
                # ComfyUI's binary messages: 4 bytes kind (1 = preview), 4 bytes format, then the picture.
                if isinstance(message, bytes) and message[:4] == b"\0\0\0\1":
                    found.append(Image.open(io.BytesIO(message[8:])))
            return found

        with ComfyClient(server.address) as client:
            client.post("/settings", {"StoryMotion.Previews": False})
            assert pictures_of(distilled) == []
            client.post("/settings", {"StoryMotion.Previews": True})
            distilled.node("StoryMotionDistilled")["seed"] += 1
            pictures = pictures_of(distilled)
        socket.close()
        assert pictures, "no preview came"
        # Stage 1 of 448 x 256 is 7 x 4 latent pixels, which ComfyUI enlarges.
        assert pictures[0].width / pictures[0].height == pytest.approx(7 / 4, rel=0.02)

    def test_loading_the_pack_imports_nothing_heavy(self, start_server: Any, tmp_path: Path) -> None:
        # Two packs around ours look at sys.modules in the server: ComfyUI loads folders marked default first.
        for name in ("before", "after"):
            spy = tmp_path / name / "custom_nodes" / f"spy_{name}"
            spy.mkdir(parents=True)
            (spy / "__init__.py").write_text(SPY, encoding="utf-8")
        folders = "{name}:\n  base_path: {path}\n  is_default: {first}\n  custom_nodes: custom_nodes\n"
        config = tmp_path / "folders.yaml"
        config.write_text(
            folders.format(name="before", path=tmp_path / "before", first="true")
            + folders.format(name="after", path=tmp_path / "after", first="false"),
            encoding="utf-8",
        )
        server = start_server(arguments=["--extra-model-paths-config", str(config)])
        (line,) = [line for line in server.log_text().splitlines() if line.startswith("SPY ")]
        found = json.loads(line.removeprefix("SPY "))
        assert any(name.endswith(".storymotion.ltx.render") for name in found["new"]), "the pack was not imported"
        heavy = ("ltx_core", "ltx_pipelines", "requests", "transformers", "scipy")
        assert [name for name in found["new"] if name.split(".")[0] in heavy] == []
        print(f"pack load: {found['seconds']:.3f} s")


SPY = """
import json, sys, time
first = getattr(sys, "_storymotion_spy", None)
if first is None:
    sys._storymotion_spy = (time.perf_counter(), set(sys.modules))
else:
    new = sorted(set(sys.modules) - first[1])
    print("SPY " + json.dumps({"seconds": time.perf_counter() - first[0], "new": new}), flush=True)
NODE_CLASS_MAPPINGS = {}
"""


@pytest.fixture
def start_server(tmp_path: Path, comfy_server: ComfyServer) -> Any:
    """Start one more server: ``start_server(environ=..., models=False, samples=False, arguments=[...])``."""
    import shutil
    import sys

    from dev.comfyui import ready_comfyui
    from dev.server import lay_out_data, lay_out_samples

    running: list[ComfyServer] = []

    def start(
        environ: dict[str, str] | None = None,
        models: bool = True,
        samples: bool = True,
        arguments: Sequence[str] = (),
    ) -> ComfyServer:
        data = tmp_path / "data"
        lay_out_data(data)
        if samples:
            lay_out_samples(data)
        if models:
            shutil.copytree(comfy_server.data / "models", data / "models", dirs_exist_ok=True)
        python = Path(sys.executable)
        server = ComfyServer(python, ready_comfyui(python), data, environ=environ, arguments=arguments)
        running.append(server)
        server.start()
        return server

    yield start
    for server in running:
        server.stop()
