"""A shot of ours is the SDK's own, bit for bit, and leaves nothing behind."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import numpy
import pytest
import torch

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels, make_model_set
from storymotion.errors import RenderFailed
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.render import RenderedShot, render_shot
from storymotion.ltx.shots import DistilledShot, Guide, TwoStageShot, guide_from_pixels

from .sdk_parts import IS_1_0, class_of, fail_to_load


def same(ours: RenderedShot, frames: torch.Tensor, waveform: torch.Tensor, rate: int) -> bool:
    return torch.equal(ours.frames, frames) and torch.equal(ours.waveform, waveform) and ours.sample_rate == rate


class Recorder:
    """A progress callback that remembers, and cancels at a call number when asked to."""

    def __init__(self, cancel_at: int = -1) -> None:
        self.calls: list[tuple[int, int, str]] = []
        self.cancel_at = cancel_at

    def __call__(self, done: int, total: int, what: str) -> None:
        self.calls.append((done, total, what))
        if len(self.calls) == self.cancel_at:
            raise InterruptedError("the user pressed cancel")


def test_distilled_with_guide_and_lora_is_bit_identical(
    models: ModelSet, tiny: TinyModels, distilled: DistilledShot, picture: numpy.ndarray
) -> None:
    shot = replace(distilled, guides=(guide_from_pixels(picture, 0, 0.9), guide_from_pixels(picture[::-1], -1, 0.5)))
    ours = render_shot(models.with_lora(Lora(tiny.style_lora, 0.7)), shot, progress=Recorder())
    theirs = call_sdk(
        models, distilled, pictures=((picture, 0, 0.9), (picture[::-1], 8, 0.5)), loras=((tiny.style_lora, 0.7),)
    )
    assert same(ours, *theirs)
    plain = render_shot(models, shot)
    assert not torch.equal(plain.frames, ours.frames), "the LoRA changed nothing, so this test proves nothing"


def test_two_stages_with_guide_and_loras_is_bit_identical(
    models: ModelSet, tiny: TinyModels, two_stage: TwoStageShot, picture: numpy.ndarray
) -> None:
    shot = replace(
        two_stage, guides=(guide_from_pixels(picture, 0, 0.9),), distilled_lora=Lora(tiny.distilled_lora, 0.6)
    )
    ours = render_shot(models.with_lora(Lora(tiny.style_lora, 0.7)), shot, progress=Recorder())
    theirs = call_sdk(
        models,
        two_stage,
        pictures=((picture, 0, 0.9),),
        loras=((tiny.style_lora, 0.7),),
        distilled_lora=(tiny.distilled_lora, 0.6),
    )
    assert same(ours, *theirs)
    assert not torch.equal(render_shot(models, replace(shot, guides=())).frames, ours.frames)


def test_two_stages_take_steps_and_guidance_from_the_checkpoint(
    tiny: TinyModels, two_stage: TwoStageShot, models_dir: Any
) -> None:
    deep = make_model_set(models_dir, layers=30)  # block 28, which guidance skips in LTX-2.3, exists here
    models = ModelSet(deep.checkpoint, deep.gemma_root, deep.spatial_upscaler)
    shot = replace(two_stage, steps=0)
    recorder = Recorder()
    ours = render_shot(models, shot, progress=recorder)
    assert same(ours, *call_sdk(models, shot))
    # 30 steps of four forwards through 30 layers: LTX-2.3's own steps.
    assert sum(what == "stage 1" for _, _, what in recorder.calls) == 30 * 4 * 30


def test_fp8_is_bit_identical_and_differs_from_bf16(models: ModelSet, distilled: DistilledShot) -> None:
    ours = render_shot(replace(models, precision="fp8"), distilled)
    assert same(ours, *call_sdk(models, distilled, fp8=True))
    assert not torch.equal(ours.frames, render_shot(models, distilled).frames)


def test_flavour_2_0_is_bit_identical(tiny_2_0: TinyModels, distilled: DistilledShot) -> None:
    models = ModelSet(tiny_2_0.checkpoint, tiny_2_0.gemma_root, tiny_2_0.spatial_upscaler)
    ours = render_shot(models, distilled)
    assert same(ours, *call_sdk(models, distilled))
    assert ours.sample_rate == 24000


def test_compression_changes_the_guide(models: ModelSet, distilled: DistilledShot, picture: numpy.ndarray) -> None:
    def frames(compression: int) -> torch.Tensor:
        guides = (guide_from_pixels(picture, compression=compression),)
        return render_shot(models, replace(distilled, guides=guides)).frames

    assert torch.equal(frames(-1), frames(33)), "-1 is what LTX-2.3 was trained for"
    assert not torch.equal(frames(33), frames(0))


def test_tail_trim_renders_more_and_cuts_it(models: ModelSet, distilled: DistilledShot) -> None:
    longer = render_shot(models, replace(distilled, frames=17))
    trimmed = render_shot(models, replace(distilled, tail_trim=8))
    assert torch.equal(trimmed.frames, longer.frames[:9])
    assert trimmed.waveform.shape[1] <= round(9 / 24 * trimmed.sample_rate)
    assert torch.equal(trimmed.waveform, longer.waveform[:, : trimmed.waveform.shape[1]])


def test_enhanced_prompt_runs_on_the_cpu(models: ModelSet, distilled: DistilledShot, guide: Guide) -> None:
    shot = replace(distilled, guides=(guide,))
    enhanced = render_shot(models, replace(shot, enhance_prompt=True))
    assert not torch.equal(enhanced.frames, render_shot(models, shot).frames)


def test_progress_is_monotone_and_goes_through_every_phase(models: ModelSet, two_stage: TwoStageShot) -> None:
    recorder = Recorder()
    render_shot(models, two_stage, progress=recorder)
    done = [call[0] for call in recorder.calls]
    assert done == sorted(done)
    assert recorder.calls[-1][:2] == (1000, 1000)
    phases = list(dict.fromkeys(what for _, _, what in recorder.calls if not what.startswith("loading")))
    assert phases == ["reading the prompt", "stage 1", "stage 2", "decoding"]
    # Two layers: four forwards a step for three steps, then one forward for each of three steps.
    assert sum(what == "stage 1" for _, _, what in recorder.calls) == 3 * 4 * 2
    assert sum(what == "stage 2" for _, _, what in recorder.calls) == 3 * 2


@pytest.mark.parametrize("phase", ["reading the prompt", "stage 1", "stage 2", "decoding"])
def test_cancel_in_any_phase_passes_unchanged_and_leaves_no_weights(
    models: ModelSet, distilled: DistilledShot, phase: str
) -> None:
    from ltx_core.model.transformer import LTXModel

    complete = Recorder()
    reference = render_shot(models, distilled, progress=complete)
    phases = [what for _, _, what in complete.calls]
    cancelling = Recorder(cancel_at=phases.index(phase) + 2 if phase != "decoding" else phases.index(phase) + 1)
    with pytest.raises(InterruptedError, match="pressed cancel") as caught:
        render_shot(models, distilled, progress=cancelling)
    assert len(cancelling.calls) == cancelling.cancel_at, "work went on after the cancel"
    gc.collect()
    # Other tests build models without weights, on the meta device.
    models_in_memory = [each for each in gc.get_objects() if type(each) is LTXModel]
    alive = [each for each in models_in_memory if not next(each.parameters()).is_meta]
    assert not alive, "the exception keeps the transformer in memory"
    assert caught.value.__context__ is None
    assert same(render_shot(models, distilled), reference.frames, reference.waveform, reference.sample_rate)


def test_an_error_of_the_sdk_is_one_readable_sentence(
    models: ModelSet, distilled: DistilledShot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_memory(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    fail_to_load(monkeypatch, "spatial_upsampler", no_memory)
    with pytest.raises(RenderFailed) as caught:
        render_shot(models, distilled)
    assert caught.value.phase == "loading the spatial upsampler"
    assert "OutOfMemoryError: CUDA out of memory" in str(caught.value)
    assert "spatial_upsampler" in caplog.text or "no_memory" in caplog.text, "the log lost the traceback"


def test_nothing_stays_changed_after_a_run(models: ModelSet, distilled: DistilledShot) -> None:
    from ltx_pipelines.utils import samplers

    def state() -> tuple[Any, ...]:
        return (
            torch.cuda.synchronize,
            torch.random.fork_rng,
            samplers.tqdm,
            class_of("vocoder").forward,
            gc.get_freeze_count(),
            *(_state_of_sdk_1_0() if IS_1_0 else ()),
        )

    before = state()
    render_shot(models, distilled)
    assert state() == before
    assert not IS_1_0 or before[-1]["text_config"]["hidden_size"] == 3840


def _state_of_sdk_1_0() -> tuple[Any, ...]:
    import ltx_pipelines.utils.model_ledger as ledger_module
    from ltx_core.text_encoders.gemma.config import GEMMA3_CONFIG_FOR_LTX

    return ledger_module.GEMMA_LLM_KEY_OPS, ledger_module.GEMMA_MODEL_OPS, GEMMA3_CONFIG_FOR_LTX.to_dict()


def test_only_the_shards_of_the_index_are_loaded(
    models: ModelSet, tiny: TinyModels, distilled: DistilledShot, tmp_path: Any, weight_reads: list[int]
) -> None:
    import shutil

    root = tmp_path / "gemma"
    shutil.copytree(tiny.gemma_root, root)
    plain = render_shot(models, distilled)
    read = sum(weight_reads)
    weight_reads.clear()
    # Beside Gemma lies a file whose tensors have Gemma's names; the SDK alone would let it win.
    from safetensors.torch import load_file, save_file

    strange = {name: tensor * 0 for name, tensor in load_file(root / "model.safetensors").items()}
    save_file(strange, root / "zz-other.safetensors")
    beside = render_shot(replace(models, text_encoder=root), distilled)
    assert torch.equal(beside.frames, plain.frames)
    assert sum(weight_reads) == read
