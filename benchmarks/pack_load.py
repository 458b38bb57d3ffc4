"""What the pack adds to ComfyUI's start: the seconds that ComfyUI itself reports for its import, five starts.

python -m benchmarks.pack_load
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from pathlib import Path

from dev.comfyui import ready_comfyui
from dev.server import ComfyServer

STARTS = 5
# Runs inside the server around the pack's import, since ComfyUI's own log rounds to 0.1 s.
SPY = """
import sys, time
if hasattr(sys, "_storymotion_spy"):
    print(f"PACK LOAD {time.perf_counter() - sys._storymotion_spy:.4f}", flush=True)
else:
    sys._storymotion_spy = time.perf_counter()
NODE_CLASS_MAPPINGS = {}
"""


def main() -> None:
    """Start ComfyUI five times and print the table."""
    python = Path(sys.executable)
    comfyui = ready_comfyui(python)
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        config = _spies(Path(folder))
        for _ in range(STARTS):
            arguments = ["--extra-model-paths-config", str(config)]
            with ComfyServer(python, comfyui, Path(folder) / "data", arguments=arguments) as server:
                found = re.search(r"PACK LOAD ([\d.]+)", server.log_text())
                seconds.append(float(found[1]) if found else float("nan"))
    print("| start | pack load, s |")
    print("|---|---|")
    for number, each in enumerate(seconds, 1):
        print(f"| {number} | {each:.3f} |")
    print(f"| median | {statistics.median(seconds):.3f} |")


def _spies(folder: Path) -> Path:
    """Two packs that ComfyUI imports before and after ours, and the file that tells it about them."""
    lines = []
    for name, first in (("before", "true"), ("after", "false")):
        spy = folder / name / "custom_nodes" / f"spy_{name}"
        spy.mkdir(parents=True)
        (spy / "__init__.py").write_text(SPY, encoding="utf-8")
        lines += [f"{name}:", f"  base_path: {folder / name}", f"  is_default: {first}", "  custom_nodes: custom_nodes"]
    config = folder / "folders.yaml"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config


if __name__ == "__main__":
    main()
