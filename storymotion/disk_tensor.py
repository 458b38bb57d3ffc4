"""Tensors whose memory is a file, for what is too large to be held: the system drops and re-reads it as it needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

BYTES = 4  # of a float32


def disk_tensor(values: int, folder: Path) -> torch.Tensor | None:
    """A float32 tensor [values] in a file of ``folder``; None when the disk has no room for it.

    The file has no name any more when this returns, so it goes with the tensor; where a file in use cannot be
    unlinked (Windows) it stays for whoever empties the folder. Raises OSError when the folder cannot be written to.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="storymotion_", suffix=".pictures", dir=folder)
    try:
        # Reserved first: writing to a mapped file on a full disk ends the process (SIGBUS).
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, values * BYTES)
        elif shutil.disk_usage(folder).free < values * BYTES:
            return None
        return torch.from_file(name, shared=True, size=values, dtype=torch.float32)
    except OSError:
        return None
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            Path(name).unlink()
