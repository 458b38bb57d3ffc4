"""Our render against the SDK called directly: seconds and peak memory, five pairs, each call in a process of its own.

    python -m benchmarks.ltx

The tiny model on the CPU: what is compared is what the seam costs (hooks, checks, handles), not the
model. Models are not kept, so both read everything from disk. Each process makes one call to warm
up and measures the second.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAIRS = 5
ARMS = ("sdk", "ours")


def main() -> None:
    """Measure and print the table; with arguments (arm, pipeline, models folder) do one measurement."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
        return
    from dev.tiny_models import make_model_set

    with tempfile.TemporaryDirectory() as folder:
        make_model_set(Path(folder))
        print("| pipeline | pair | SDK s | ours s | ratio | SDK peak MB | ours peak MB | ratio | same frames |")
        print("|---|---|---|---|---|---|---|---|---|")
        for pipeline in ("distilled", "two_stage"):
            rows = [_pair(pipeline, folder, number) for number in range(PAIRS)]
            for number, (sdk, ours) in enumerate(rows, 1):
                print(_row(pipeline, str(number), sdk, ours))
            seconds = statistics.median(ours["seconds"] / sdk["seconds"] for sdk, ours in rows)
            memory = statistics.median(ours["peak_mb"] / sdk["peak_mb"] for sdk, ours in rows)
            print(f"| {pipeline} | median | | | {seconds:.2f} | | | {memory:.2f} | |")


def _pair(pipeline: str, folder: str, number: int) -> tuple[dict, dict]:
    """Both arms, the first one changing from pair to pair."""
    order = ARMS if number % 2 == 0 else ARMS[::-1]
    results = {arm: _in_own_process(arm, pipeline, folder) for arm in order}
    return results["sdk"], results["ours"]


def _in_own_process(arm: str, pipeline: str, folder: str) -> dict:
    command = [sys.executable, "-m", "benchmarks.ltx", arm, pipeline, folder]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, encoding="utf-8", errors="replace", check=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def _row(pipeline: str, pair: str, sdk: dict, ours: dict) -> str:
    same = "yes" if sdk["frames"] == ours["frames"] else "NO"
    seconds = f"{sdk['seconds']:.2f} | {ours['seconds']:.2f} | {ours['seconds'] / sdk['seconds']:.2f}"
    memory = f"{sdk['peak_mb']:.0f} | {ours['peak_mb']:.0f} | {ours['peak_mb'] / sdk['peak_mb']:.2f}"
    return f"| {pipeline} | {pair} | {seconds} | {memory} | {same} |"


def measure(arm: str, pipeline: str, models_dir: Path) -> dict:
    """One arm in this process: seconds of the second call, peak resident memory, a hash of the frames."""
    import hashlib

    from dev.direct_sdk import call_sdk
    from dev.tiny_models import make_model_set
    from storymotion.ltx.models import Lora, ModelSet
    from storymotion.ltx.render import render_shot
    from storymotion.ltx.shots import DistilledShot, Shot, TwoStageShot

    tiny = make_model_set(models_dir)
    models = ModelSet(tiny.checkpoint, tiny.gemma_root, tiny.spatial_upscaler)
    lora = (tiny.distilled_lora, 0.6)
    shot: Shot = DistilledShot("a red cat walks", 448, 256, 49, 24.0, 1)
    if pipeline == "two_stage":
        shot = TwoStageShot("a red cat walks", 448, 256, 49, 24.0, 1, steps=10, distilled_lora=Lora(*lora))

    def call():
        if arm == "ours":
            return render_shot(models, shot).frames
        return call_sdk(models, shot, distilled_lora=lora)[0]

    call()
    started = time.perf_counter()
    frames = call()
    seconds = time.perf_counter() - started
    digest = hashlib.sha256(frames.numpy().tobytes()).hexdigest()
    return {"seconds": seconds, "peak_mb": _peak_memory() / 1e6, "frames": digest}


def _peak_memory() -> int:
    """Bytes of main memory at the process's peak."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
