"""The machine that a shot will be rendered on, as the memory plan sees it."""

from __future__ import annotations

from .fit_plan import Machine
from .residents import Residents


def this_machine(device: str, residents: Residents) -> Machine:
    """Measure ``device`` (torch's name, "cuda:0") and main memory now.

    What ``residents`` holds counts as free, since a run may have it back; without that the second run
    would be planned for a smaller machine than the first.
    """
    import psutil
    import torch

    kind = device.split(":")[0]
    memory = psutil.virtual_memory()
    ram_free = memory.available + residents.bytes_held("cpu")
    vram_total = vram_free = 0
    name = "the CPU"
    if kind == "cuda":
        vram_free, vram_total = torch.cuda.mem_get_info(device)
        # torch keeps freed blocks for itself; they are as good as free.
        vram_free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        vram_free += residents.bytes_held(kind)
        name = torch.cuda.get_device_name(device)
    elif kind == "mps":
        # Unified memory: the GPU's limit is a share of the same bytes.
        vram_total = vram_free = min(memory.total, torch.mps.recommended_max_memory())
        name = "Apple GPU"
        ram_free += residents.bytes_held(kind)
    return Machine(kind, name, vram_total, min(vram_free, vram_total), memory.total, min(ram_free, memory.total))
