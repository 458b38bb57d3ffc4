"""Run by ComfyUI before torch is imported: ask for the allocator that suits large models.

``expandable_segments`` spares memory when tensors of many sizes come and go, but only torch's native
allocator has it. ComfyUI's default is cudaMallocAsync, where the setting does nothing, so it is asked
for only when the user chose the native allocator (--disable-cuda-malloc) and set nothing himself.
"""

import os
import sys

if "--disable-cuda-malloc" in sys.argv and not (
    os.environ.get("PYTORCH_ALLOC_CONF") or os.environ.get("PYTORCH_CUDA_ALLOC_CONF")
):
    os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
