"""The machine that a shot will be rendered on, as the memory plan sees it."""

from __future__ import annotations

from pathlib import Path

from .fit_plan import Machine
from .residents import Residents

# Where Linux says what a container may use and uses, and what of that are files that it can let go of: control groups
# version 2 and 1, as a container sees its own.
CONTROL_GROUPS = Path("/sys/fs/cgroup")
LIMITS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


def this_machine(device: str, residents: Residents) -> Machine:
    """Measure ``device`` (torch's name, "cuda:0") and main memory now.

    What ``residents`` holds counts as free, since a run may have it back; without that the second run
    would be planned for a smaller machine than the first.
    """
    import psutil
    import torch

    kind = device.split(":")[0]
    memory = psutil.virtual_memory()
    total, available = within_limits(memory.total, memory.available)
    ram_free = available + residents.bytes_held("cpu")
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
        vram_total = vram_free = min(total, torch.mps.recommended_max_memory())
        name = "Apple GPU"
        ram_free += residents.bytes_held(kind)
    return Machine(kind, name, vram_total, min(vram_free, vram_total), total, min(ram_free, total))


def free_now(device: str) -> int:
    """Bytes that can be had on ``device`` (torch's name) now, beside what is in use there."""
    import psutil
    import torch

    memory = psutil.virtual_memory()
    _, available = within_limits(memory.total, memory.available)
    kind = device.split(":")[0]
    if kind == "cuda":
        torch.cuda.empty_cache()  # blocks that torch keeps are free, but not for another size
        free, total = torch.cuda.mem_get_info(device)
        may_use = int(torch.cuda.get_per_process_memory_fraction(device) * total)
        return max(0, min(free, may_use - torch.cuda.memory_reserved(device)))
    if kind == "mps":
        rest = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return max(0, min(available, rest))
    return available


def within_limits(total: int, available: int, groups: Path = CONTROL_GROUPS) -> tuple[int, int]:
    """Total and available bytes of main memory, as far as the container that this runs in may use them.

    psutil tells those of the whole machine, and a process that takes more than its container has is killed.
    """
    for limit_file, used_file, facts_file, files in LIMITS:
        try:
            limit = int((groups / limit_file).read_text(encoding="utf-8"))
            used = int((groups / used_file).read_text(encoding="utf-8"))
            facts = dict(line.split() for line in (groups / facts_file).read_text(encoding="utf-8").splitlines())
            used -= int(facts.get(files, 0))
        except (OSError, ValueError):  # "max": no limit
            continue
        if limit < total:
            return limit, max(0, min(available, limit - used))
    return total, available
