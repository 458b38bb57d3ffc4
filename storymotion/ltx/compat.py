"""Changes to other people's code, each for the time of one run, each with the day it may go.

All are context managers that put back what they found. ``for_sdk_1_0`` and ``for_sdk_1_2`` combine those for a run.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any


@contextmanager
def for_sdk_1_0(gemma_root: Path) -> Iterator[None]:
    """All changes that ltx-core / ltx-pipelines 1.0.x need on this machine, around building and running."""
    with ExitStack() as changes:
        changes.enter_context(cuda_synchronize_without_cuda())
        changes.enter_context(fork_rng_on_cpu())
        changes.enter_context(gemma_of_any_size(gemma_root))
        changes.enter_context(gemma_on_transformers_5())
        changes.enter_context(stages_that_can_be_skipped())
        changes.enter_context(bars_in_one_line())
        yield


@contextmanager
def for_sdk_1_2() -> Iterator[None]:
    """All changes that ltx-core / ltx-pipelines 1.2.x need on this machine, around building and running."""
    with ExitStack() as changes:
        changes.enter_context(vocoder_in_float32_on_cpu())
        changes.enter_context(bars_in_one_line())
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """``owner.name`` is ``value`` for the time being; it must exist."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def cuda_synchronize_without_cuda() -> Iterator[None]:
    """Let ``torch.cuda.synchronize()`` do nothing on a machine without CUDA.

    SDK 1.0.0 calls it bare in 25 places; without CUDA each raises ("Found no NVIDIA driver"). SDK
    1.2.0 asks first. May go with the 1.0 adapter.
    """
    import torch

    if torch.cuda.is_available():
        yield
        return
    with _replaced(torch.cuda, "synchronize", lambda device=None: None):
        yield


@contextmanager
def fork_rng_on_cpu() -> Iterator[None]:
    """Let ``torch.random.fork_rng(devices=[cpu])`` fork the CPU generator alone.

    SDK 1.0.0 names the text encoder's device when it enhances a prompt; torch takes every device in
    that list for an accelerator and asks CUDA for its state. May go with the 1.0 adapter.
    """
    import torch

    original = torch.random.fork_rng

    def fork_rng(devices: Any = None, *args: Any, **kwargs: Any) -> Any:
        if devices is not None:
            devices = [each for each in devices if isinstance(each, int) or torch.device(each).type != "cpu"]
        return original(devices, *args, **kwargs)

    with _replaced(torch.random, "fork_rng", fork_rng):
        yield


@contextmanager
def gemma_of_any_size(gemma_root: Path) -> Iterator[None]:
    """Read the size of Gemma from its own config.json.

    SDK 1.0.0 has the 12B model's sizes in one module-level object, which both the text encoder and
    the feature extractor read when they are built; for the 12B folder this writes the values that
    are there already. SDK 1.2.0 reads config.json itself. May go with the 1.0 adapter.
    """
    from ltx_core.text_encoders.gemma import config as gemma_config

    sizes = gemma_config.GEMMA3_CONFIG_FOR_LTX
    for part in ("text_config", "vision_config"):
        assert hasattr(sizes, part), f"ltx_core's Gemma config has no {part} any more"
    before = copy.deepcopy(vars(sizes))
    wanted = json.loads((gemma_root / "config.json").read_text(encoding="utf-8"))
    try:
        for part in ("text_config", "vision_config"):
            _fill(getattr(sizes, part), wanted.get(part, {}))
        _fill(sizes, {name: value for name, value in wanted.items() if not isinstance(value, dict)})
        yield
    finally:
        vars(sizes).update(before)


def _fill(target: Any, values: dict[str, Any]) -> None:
    """Set the attributes that ``target`` has already; rope_scaling is an object of its own."""
    for name, value in values.items():
        if name == "rope_scaling":
            if value:
                _fill(target.rope_scaling, value)
        elif hasattr(target, name):
            setattr(target, name, value)


@contextmanager
def gemma_on_transformers_5() -> Iterator[None]:
    """Build SDK 1.0.0's Gemma on transformers 5.

    SDK 1.0.0 was written for transformers 4 (measured: 4.52 to 4.57 work, 5.0 and 5.23 do not). In 5
    the vision tower lost its inner ``vision_model`` and the rotary embedding holds one set of
    buffers per layer type, so the SDK's key map and its filling of buffers both miss. ModelLedger
    looks the two up by name when it is made; these stand in. Bit-identical to transformers 4.57.
    May go when SDK 1.0 is no longer supported.
    """
    import ltx_pipelines.utils.model_ledger as ledger_module
    import transformers

    if int(transformers.__version__.split(".")[0]) < 5:
        yield
        return
    key_ops = ledger_module.GEMMA_LLM_KEY_OPS.with_replacement(".vision_tower.vision_model.", ".vision_tower.")
    model_ops = ledger_module.GEMMA_MODEL_OPS._replace(mutator=_fill_gemma_buffers)
    with (
        _replaced(ledger_module, "GEMMA_LLM_KEY_OPS", key_ops),
        _replaced(ledger_module, "GEMMA_MODEL_OPS", model_ops),
    ):
        yield


# Of pipelines that take part: an attribute of their ``pipeline_components``, a ``stages.StageResults``.
STAGES = "storymotion_stages"


@contextmanager
def stages_that_can_be_skipped() -> Iterator[None]:
    """Let the denoising loop of a pipeline go through the ``StageResults`` that it has been given.

    The five pipelines of SDK 1.0.0 call ``denoise_audio_video`` by their module's name for it, and tell it nothing
    about themselves but their ``pipeline_components``. Without this an interrupted story would have to denoise
    again what it had denoised. Calls of other pipelines pass through. May go with the 1.0 adapter.
    """
    from ltx_pipelines import distilled, ic_lora, keyframe_interpolation, ti2vid_one_stage, ti2vid_two_stages
    from ltx_pipelines.utils.helpers import denoise_audio_video

    wanted = {"denoising_loop_fn", "components"}
    assert wanted <= inspect.signature(denoise_audio_video).parameters.keys(), "denoise_audio_video has changed"

    def denoise(*, denoising_loop_fn: Any, components: Any, **others: Any) -> Any:
        stages = getattr(components, STAGES, None)
        loop = denoising_loop_fn if stages is None else partial(stages.denoise, denoising_loop_fn)
        return denoise_audio_video(denoising_loop_fn=loop, components=components, **others)

    with ExitStack() as changes:
        for module in (distilled, ic_lora, keyframe_interpolation, ti2vid_one_stage, ti2vid_two_stages):
            changes.enter_context(_replaced(module, "denoise_audio_video", denoise))
        yield


@contextmanager
def vocoder_in_float32_on_cpu() -> Iterator[None]:
    """Let the vocoder of LTX-2.3 run on the CPU in SDK 1.2.

    It runs its bfloat16 weights under ``torch.autocast(dtype=float32)``, which the CPU has not: "Input type (float) and
    bias type (c10::BFloat16) should be the same". Its weights become float32 first, as the SDK has it on MPS. May
    go when the SDK does so on the CPU.
    """
    from ltx_core.model.audio_vae.vocoder import VocoderWithBWE

    original = VocoderWithBWE.forward

    def forward(self: Any, mel_spec: Any) -> Any:
        if mel_spec.device.type != "cpu":
            return original(self, mel_spec)
        with warnings.catch_warnings():
            # torch says on every call that it does not autocast to float32 here, which is what we are here for.
            warnings.filterwarnings("ignore", "In CPU autocast", UserWarning)
            return original(self.float(), mel_spec)

    with _replaced(VocoderWithBWE, "forward", forward):
        yield


@contextmanager
def no_reader_left_behind() -> Iterator[None]:
    """Let SDK 1.2 end the thread that reads layers from disk when the rest of their model cannot be built.

    It starts the thread first. Without memory for what comes then, each try would leave a thread that waits for ever
    and keeps the checkpoint open. May go when the SDK does so.
    """
    builder = importlib.import_module("ltx_core.block_streaming.builder")
    started: list[Any] = []
    original = builder.BlockFetcher

    def start(*args: Any, **kwargs: Any) -> Any:
        started.append(original(*args, **kwargs))
        return started[-1]

    with _replaced(builder, "BlockFetcher", start):
        try:
            yield
        except BaseException:
            for reader in started:
                reader.cleanup()
            raise


@contextmanager
def bars_in_one_line() -> Iterator[None]:
    """Let the console's progress bars of several shots share a line.

    A shot that waits has its bar open, and tqdm draws each open bar one line below the others: the fifth of two
    hundred steps moved the cursor down and up by as many lines as shots wait.
    """
    from ltx_pipelines.utils import samplers

    with _replaced(samplers, "tqdm", partial(samplers.tqdm, position=0)):
        yield


def _fill_gemma_buffers(module: Any) -> Any:
    """Make the buffers that no weight file holds; the model was built on the meta device without them."""
    import torch

    language_model = module.model.model.language_model
    vision = module.model.model.vision_tower
    vision = getattr(vision, "vision_model", vision)
    # The rotary embedding is nothing but computed buffers: transformers' own constructor makes them.
    with torch.device("cpu"):
        language_model.rotary_emb = type(language_model.rotary_emb)(language_model.config)
    scale = torch.tensor(language_model.config.hidden_size**0.5, device="cpu")
    language_model.embed_tokens.register_buffer("embed_scale", scale, persistent=False)
    positions = vision.embeddings.position_ids.shape[-1]
    vision.embeddings.register_buffer("position_ids", torch.arange(positions, device="cpu")[None], persistent=False)
    empty = [name for name, buffer in module.named_buffers() if buffer.is_meta]
    assert not empty, f"this version of transformers has Gemma buffers that StoryMotion does not know: {empty}"
    return module
