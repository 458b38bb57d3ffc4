"""Is there what torch.compile needs? Without it a shot would fail when all models are loaded."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys

from ..errors import CompilerMissing


def check_compiler(device_type: str, platform: str = sys.platform) -> None:
    """Can torch.compile run on a device of this type (as in torch.device.type)? Raises CompilerMissing.

    On CUDA it makes kernels with Triton, which builds their launchers with the C compiler of CC, or gcc or clang (on
    Windows its packages bring one); on the CPU it builds C++ (``torch._inductor.config.cpp.cxx``).
    """
    if device_type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise CompilerMissing("Triton (the Python package triton, on Windows triton-windows)")
        if platform != "win32":
            _need("a C compiler (gcc or clang)", os.environ.get("CC"), ("gcc", "clang"))
    elif device_type == "cpu":
        usual = {"win32": "cl", "darwin": "clang++"}.get(platform, "g++")
        _need(f"a C++ compiler ({usual})", os.environ.get("CXX"), (usual,))


def _need(what: str, chosen: str | None, usual: tuple[str, ...]) -> None:
    names = (chosen,) if chosen else usual
    if not any(shutil.which(name) for name in names):
        raise CompilerMissing(what if not chosen else f"{what}, and '{chosen}' is not there")
