"""A story of 1, 3 and 10 scenes: ours, each model loaded once, against the SDK's pipeline called for every scene.

    python -m benchmarks.story

Two-stage shots of 64 x 64 x 9 with a distilled LoRA, on the tiny set and on one of about 1 GB that is made on the
spot. All arms run in processes of their own, one after the other, on one thread. "disk" keeps no model between the
shots' stages, as a machine must that cannot hold all; "ram" keeps them all. On the CPU safetensors files are mapped
and not read; so that loading costs what it costs with a GPU, the loader copies every weight, in all arms alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .ltx import _peak_memory

ROOT = Path(__file__).parents[1]
# Layers and width of the transformer.
SETS = {"tiny": (2, 32), "1 GB": (34, 768)}
SCENES = (1, 3, 10)
ARMS = ("SDK", "disk", "ram")


def main() -> None:
    """Measure and print the tables; with arguments (arm, scenes, set, models folder) do one measurement."""
    if len(sys.argv) > 1:
        arm, scenes, name, folder = sys.argv[1:]
        print(json.dumps(measure(arm, int(scenes), name, Path(folder)) if arm != "make" else make(name, Path(folder))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            # Not here: a process starts with the peak of the one that started it.
            _in_own_process("make", 0, name, folder)
            print(f"\n{name} set\n")
            print("| scenes | arm | wall s | CPU s | wall / SDK | builds | MB read | peak MB | same shots |")
            print("|---|---|---|---|---|---|---|---|---|")
            rows: dict[tuple[int, str], dict[str, Any]] = {}
            for scenes in SCENES:
                for arm in ARMS:
                    rows[scenes, arm] = _in_own_process(arm, scenes, name, folder)
                    print(_row(scenes, arm, rows[scenes, arm], rows[scenes, "SDK"]), flush=True)
            few, many = SCENES[0], SCENES[-1]
            for arm in ARMS:
                slope = (rows[many, arm]["wall"] - rows[few, arm]["wall"]) / (many - few)
                print(f"\n{arm}: {slope:.2f} s for each further scene", end="")
            print()


def make(name: str, models_dir: Path) -> dict[str, Any]:
    """Make the set of that name in ``models_dir``."""
    from dev.tiny_models import make_model_set

    layers, width = SETS[name]
    make_model_set(models_dir, layers=layers, width=width)
    return {}


def _in_own_process(arm: str, scenes: int, name: str, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.story", arm, str(scenes), name, folder]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, encoding="utf-8", errors="replace", check=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def _row(scenes: int, arm: str, ours: dict[str, Any], sdk: dict[str, Any]) -> str:
    same = "yes" if ours["shots"] == sdk["shots"] else "NO"
    seconds = f"{ours['wall']:.2f} | {ours['cpu']:.2f} | {ours['wall'] / sdk['wall']:.2f}"
    return (
        f"| {scenes} | {arm} | {seconds} | {ours['builds']} | {ours['bytes'] / 1e6:.1f} | "
        f"{ours['peak'] / 1e6:.0f} | {same} |"
    )


def measure(arm: str, scenes: int, name: str, models_dir: Path) -> dict[str, Any]:
    """One arm in this process: seconds, models built, bytes of weights read, peak memory, a hash of all shots."""
    import hashlib

    import torch

    from dev.direct_sdk import call_sdk
    from dev.tiny_models import make_model_set
    from storymotion.ltx.models import Lora, ModelSet
    from storymotion.ltx.render import Order, RenderedShot, render_shots
    from storymotion.ltx.residents import Residents
    from storymotion.ltx.shots import TwoStageShot

    torch.set_num_threads(1)
    layers, width = SETS[name]
    tiny = make_model_set(models_dir, layers=layers, width=width)
    models = ModelSet(tiny.checkpoint, tiny.gemma_root, tiny.spatial_upscaler, keep="disk" if arm == "SDK" else arm)
    lora = (tiny.distilled_lora, 0.6)
    shots = [
        TwoStageShot(f"scene {number}", 64, 64, 9, 24.0, number, steps=2, distilled_lora=Lora(*lora))
        for number in range(scenes)
    ]
    # What only the first call of a process costs, on models too small to matter for the peak.
    small = make_model_set(models_dir)
    call_sdk(ModelSet(small.checkpoint, small.gemma_root, small.spatial_upscaler), shots[0])
    counted = _count_loading()
    digest = hashlib.sha256()
    wall, processor = time.perf_counter(), time.process_time()
    if arm == "SDK":
        made = [call_sdk(models, shot, distilled_lora=lora)[:2] for shot in shots]
    else:
        queue = render_shots([Order(models, shot) for shot in shots], "cpu", Residents())
        made = [(each.frames, each.waveform) for each in queue.outcomes if isinstance(each, RenderedShot)]
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    for frames, waveform in made:
        digest.update(frames.numpy().tobytes())
        digest.update(waveform.float().numpy().tobytes())
    return {"wall": wall, "cpu": processor, "peak": _peak_memory(), "shots": digest.hexdigest(), **counted}


def _count_loading() -> dict[str, int]:
    """Count what the SDK's builder builds and its loader reads from now on, and have the weights copied."""
    from dataclasses import replace

    from ltx_core.loader.sft_loader import SafetensorsStateDictLoader
    from ltx_core.loader.single_gpu_model_builder import SingleGPUModelBuilder

    counted = {"builds": 0, "bytes": 0}
    load, build = SafetensorsStateDictLoader.load, SingleGPUModelBuilder.build

    def copying(self: Any, *args: Any, **kwargs: Any) -> Any:
        state = load(self, *args, **kwargs)
        counted["bytes"] += state.size
        return replace(state, sd={name: tensor.clone() for name, tensor in state.sd.items()})

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        counted["builds"] += 1
        return build(self, *args, **kwargs)

    SafetensorsStateDictLoader.load = copying
    SingleGPUModelBuilder.build = counting
    return counted


if __name__ == "__main__":
    main()
