"""What only SDK 1.2 can do, each against the SDK's own call: streamed weights, passes of guidance together.

`dev.py test --sdk CHECKOUT` runs these; on SDK 1.0 they are skipped.
"""

# Checked with SDK 1.0, the one that is pinned: what only 1.2 has is unknown there.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from dev.direct_sdk import call_sdk
from dev.tiny_models import TinyModels, make_model_set
from storymotion import errors
from storymotion.ltx import names_1_2, sdk_1_2
from storymotion.ltx.fit_plan import GIB, Machine
from storymotion.ltx.fit_queue import plan_queue
from storymotion.ltx.fit_sizes import ModelHeaders, component_sizes, layers_of_files, weigh
from storymotion.ltx.headers import read_header
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.preflight import Checked, check
from storymotion.ltx.render import Order, RenderedShot, render_shot, render_shots
from storymotion.ltx.residents import Residents
from storymotion.ltx.sdk import load_sdk
from storymotion.ltx.shots import (
    DistilledShot,
    ICLoraShot,
    KeyframesShot,
    OneStageShot,
    Shot,
    TwoStageShot,
    guide_from_pixels,
)
from storymotion.media.encode import encode_mp4

from .sdk_parts import only_1_2
from .test_lora_layouts import pairs_for, save, tensors_of
from .test_prequantised import LAYOUTS, both_files
from .test_render import Recorder, same

pytestmark = only_1_2
MOST: dict[str, Any] = {"prompt": "a red cat walks", "width": 64, "height": 64, "frames": 9, "fps": 24.0, "seed": 3}
PIPELINES = ["distilled", "one_stage", "two_stage", "keyframes", "ic_lora"]
OFFLOADS = ["cpu", "disk"]


@pytest.fixture(autouse=True)
def read_from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two layers of the tiny models would fit into the SDK's two places, and be kept in main memory after all."""
    from ltx_pipelines.utils import blocks

    monkeypatch.setattr(blocks, "DISK_CPU_SLOTS", 1)


def offload_mode(offload: str) -> dict[str, Any]:
    from ltx_pipelines.utils.types import OffloadMode

    return {"offload_mode": OffloadMode(offload)}


def shot_of(pipeline: str, reference: Path) -> Shot:
    guided: dict[str, Any] = MOST | {"negative_prompt": "blurry", "steps": 2}
    return {
        "distilled": DistilledShot(**MOST),
        "one_stage": OneStageShot(**guided),
        "two_stage": TwoStageShot(**guided),
        "keyframes": KeyframesShot(**guided),
        "ic_lora": ICLoraShot(**MOST, reference=reference),
    }[pipeline]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "reference.mp4"
    frames = [numpy.random.default_rng(0).integers(0, 255, (64, 64, 3), numpy.uint8) for _ in range(9)]
    encode_mp4(path, frames, 9, 64, 64, Fraction(24))
    return path


@pytest.mark.parametrize("offload", ["none", *OFFLOADS])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_pipeline_makes_the_sdks_own_shot_wherever_weights_are(
    models: ModelSet,
    tiny: TinyModels,
    picture: numpy.ndarray,
    reference: Path,
    pipeline: str,
    offload: str,
) -> None:
    shot = shot_of(pipeline, reference)
    lora = () if pipeline == "one_stage" else ((tiny.style_lora, 0.7),)
    chosen = replace(models, offload=offload)
    for path, strength in lora:
        chosen = chosen.with_lora(Lora(path, strength))
    recorder = Recorder()
    ours = render_shot(chosen, replace(shot, guides=(guide_from_pixels(picture, 0, 0.9),)), progress=recorder)
    pictures = ((picture, 0, 0.9),)
    assert same(ours, *call_sdk(models, shot, pictures, lora, constructor=offload_mode(offload)))
    if offload != "none":
        assert same(ours, *call_sdk(models, shot, pictures, lora)), "it is not what comes without offload"
    assert recorder.calls[-1][0] == 1000 and "stage 1" in [what for _, _, what in recorder.calls]


@pytest.mark.parametrize("keep", ["disk", "ram"])
@pytest.mark.parametrize("offload", OFFLOADS)
def test_streamed_models_are_loaded_once_for_all_scenes(
    models: ModelSet, tiny: TinyModels, two_stage: TwoStageShot, offload: str, keep: str
) -> None:
    chosen = replace(models, offload=offload, keep=keep)
    lora = Lora(tiny.distilled_lora, 0.6)
    shots = [replace(two_stage, prompt=f"scene {seed}", seed=seed, steps=2, distilled_lora=lora) for seed in range(3)]
    residents = Residents()
    queue = render_shots([Order(chosen, shot) for shot in shots], residents=residents)
    builds = Counter(load.kind for load in queue.loads)
    assert builds.pop("transformer") == 2 and set(builds.values()) == {1}
    for shot, outcome in zip(shots, queue.outcomes):
        assert isinstance(outcome, RenderedShot), outcome
        assert same(outcome, *call_sdk(models, shot, distilled_lora=(tiny.distilled_lora, 0.6)))
    # What streams from the file is read while the shots are made, not before.
    whole = component_sizes(check(models, two_stage).checkpoint, models.text_encoder, None, "bf16")
    loaded = {load.kind: load.size for load in queue.loads}
    assert (loaded["transformer"] < whole["transformer"]) == (offload == "disk")
    assert (residents.bytes_held() == 0) == (keep == "disk")
    if keep == "ram" and offload == "cpu":
        # Every layer once, and not once more for the place that it is brought to.
        counted = residents.bytes_held("cpu")
        assert counted <= 1.1 * sum(load.size for load in queue.loads)
    again = render_shots([Order(chosen, replace(shots[0], distilled_lora=None))], residents=residents)
    (outcome,) = again.outcomes
    assert isinstance(outcome, RenderedShot)
    assert same(outcome, *call_sdk(models, shots[0]))
    residents.clear()
    assert residents.bytes_held() == 0


def test_another_offload_lets_go_of_the_models_that_it_has_no_use_for(
    models: ModelSet, distilled: DistilledShot
) -> None:
    residents = Residents()
    first = render_shot(replace(models, keep="ram"), distilled, residents=residents)
    for offload in ("cpu", "disk", "none"):
        residents.prompts.clear()
        again = render_shot(replace(models, keep="ram", offload=offload), distilled, residents=residents)
        assert same(again, first.frames, first.waveform, first.sample_rate)
        assert {load.kind for load in residents.loads} == {"text_encoder", "transformer"}
        kept = Counter(component.kind for component in residents._models)
        assert set(kept.values()) == {1} and kept["text_encoder"] == 1
        residents.prompts.clear()
        render_shot(replace(models, keep="ram", offload=offload), distilled, residents=residents)
        assert residents.loads == [], "what is kept was not counted among what the shot may use"


class Stopping(Recorder):
    """Cancels when a phase has been reported ``count`` times."""

    def __init__(self, phase: str, count: int) -> None:
        super().__init__()
        self._phase, self._count = phase, count

    def __call__(self, done: int, total: int, what: str) -> None:
        super().__call__(done, total, what)
        if [call[2] for call in self.calls].count(self._phase) == self._count:
            raise InterruptedError("cancelled")


@pytest.mark.parametrize("offload", OFFLOADS)
def test_a_shot_that_was_interrupted_between_two_layers_leaves_nothing_out_of_step(
    models: ModelSet, models_dir: Path, distilled: DistilledShot, offload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ltx_core.block_streaming.source import DiskWeightSource, PinnedWeightSource

    from_disk: list[int] = []
    get_from_disk = DiskWeightSource.get
    monkeypatch.setattr(
        DiskWeightSource, "get", lambda self, number: from_disk.append(number) or get_from_disk(self, number)
    )
    deep = make_model_set(models_dir, layers=6)
    chosen = replace(models, checkpoint=deep.checkpoint, offload=offload, keep="ram")
    residents = Residents()
    first = render_shot(chosen, distilled, residents=residents)
    assert bool(from_disk) == (offload == "disk")
    for phase, count in (("stage 1", 3), ("stage 1", 16), ("stage 2", 4)):
        with pytest.raises(InterruptedError):
            render_shot(chosen, distilled, residents=residents, progress=Stopping(phase, count))
        again = render_shot(chosen, distilled, residents=residents)
        assert same(again, first.frames, first.waveform, first.sample_rate)
        # What is in main memory costs minutes to read; from disk there is little to read again.
        assert ("transformer" in [load.kind for load in residents.loads]) == (offload == "disk")
    source = DiskWeightSource if offload == "disk" else PinnedWeightSource
    get, seen = source.get, list[int]()

    def out_of_memory(self: Any, number: int) -> Any:
        seen.append(number)
        if len(seen) == 10:
            raise torch.OutOfMemoryError("injected")  # by then the layer has its place on the device
        return get(self, number)

    with monkeypatch.context() as broken:
        broken.setattr(source, "get", out_of_memory)
        orders = [Order(chosen, distilled), Order(chosen, replace(distilled, seed=4, prompt="another"))]
        failed, other = render_shots(orders, residents=residents).outcomes
    assert isinstance(failed, errors.RenderFailed) and isinstance(other, RenderedShot), (failed, other)
    again = render_shot(chosen, distilled, residents=residents)
    assert same(again, first.frames, first.waveform, first.sample_rate)
    residents.clear()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("BlockFetcher")]


def test_a_model_that_cannot_be_built_leaves_no_reader(
    models: ModelSet, distilled: DistilledShot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ltx_core.block_streaming import builder

    def no_memory(*args: Any, **named: Any) -> Any:
        raise torch.OutOfMemoryError("injected")

    with monkeypatch.context() as broken:
        # The last part of a build: by then Gemma's reader runs.
        broken.setattr(builder, "WeightsProvider", no_memory)
        with pytest.raises(errors.RenderFailed, match="injected"):
            render_shot(replace(models, offload="disk"), distilled)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("BlockFetcher")]


@pytest.mark.parametrize("offload", OFFLOADS)
def test_the_streamed_text_encoder_rewrites_the_prompt_too(
    models: ModelSet, distilled: DistilledShot, offload: str
) -> None:
    residents = Residents()
    shot = replace(distilled, enhance_prompt=True)
    ours = render_shot(replace(models, offload=offload, keep="ram"), shot, residents=residents)
    assert same(ours, *call_sdk(models, shot, constructor=offload_mode(offload), enhance_prompt=True))
    assert [load.kind for load in residents.loads].count("text_encoder") == 1, "another Gemma was loaded for it"


@pytest.mark.parametrize("offload", OFFLOADS)
def test_streaming_8_bits(models: ModelSet, distilled: DistilledShot, tmp_path: Path, offload: str) -> None:
    ours = render_shot(replace(models, offload=offload, precision="fp8"), distilled)
    assert same(ours, *call_sdk(models, distilled, fp8=True))
    eight_bits, bfloat16 = both_files(models, tmp_path, LAYOUTS["Lightricks"])
    for precision in ("bf16", "fp8"):
        ours = render_shot(replace(eight_bits, offload=offload, precision=precision), distilled)
        assert same(ours, *call_sdk(bfloat16, distilled, fp8=precision == "fp8"))


def test_the_sdk_unfolds_its_own_8_bits_to_the_same_numbers(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path
) -> None:
    eight_bits, _ = both_files(models, tmp_path, LAYOUTS["Lightricks"])
    ours = render_shot(replace(eight_bits, precision="fp8"), distilled)
    assert same(ours, *call_sdk(eight_bits, distilled, fp8=True))


def test_a_lora_that_has_to_be_translated_is_not_streamed_from_disk(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path
) -> None:
    numbers = pairs_for(check(models, distilled).checkpoint)
    plain = save(tmp_path / "plain.safetensors", tensors_of(numbers))
    kohya = save(tmp_path / "kohya.safetensors", tensors_of(numbers, "kohya"))
    chosen = replace(models, offload="disk").with_lora(Lora(kohya, 0.7))
    with pytest.raises(errors.LoraNotStreamable, match=r"'kohya\.safetensors'"):
        render_shot(chosen, distilled)
    ours = render_shot(replace(chosen, offload="cpu"), distilled)
    assert same(ours, *call_sdk(models, distilled, loras=((plain, 0.7),)))


def test_scenes_are_streamed_from_main_memory_where_a_lora_of_one_needs_it(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path
) -> None:
    numbers = pairs_for(check(models, distilled).checkpoint)
    kohya = Lora(save(tmp_path / "kohya.safetensors", tensors_of(numbers, "kohya")), 0.7)
    # Nothing fits on the card, and main memory has room for the models but not for the margin.
    short = Machine("cuda", "small card", GIB, GIB // 4, 8 * GIB, 2 * GIB)
    auto, translated = check(models, distilled), check(models.with_lora(kohya), distilled)
    from_file = check(replace(models, offload="disk"), distilled)

    def planned(*shots: Checked) -> tuple[str, list[str]]:
        queue, refused = plan_queue(dict(enumerate(shots)), short)
        assert queue is not None and not refused
        return queue.plan.offload, [line.code for line in queue.plan.lines if line.code.startswith("fit-offload")]

    assert planned(auto) == planned(auto, auto) == ("disk", ["fit-offload-transformer"])
    assert planned(translated) == ("cpu", ["fit-offload-transformer", "fit-offload-lora"])
    assert planned(translated, translated) == planned(translated)
    for other in (auto, from_file):
        assert planned(other, translated) == planned(translated, other) == ("cpu", ["fit-offload-lora"])
    asked = check(replace(models.with_lora(kohya), offload="disk"), distilled)
    assert planned(from_file, asked) == ("disk", []), "whoever asks for it learns why it cannot be"


def test_passes_of_guidance_run_together(models: ModelSet, two_stage: TwoStageShot) -> None:
    recorder = Recorder()
    ours = render_shot(models, replace(two_stage, guidance_batch=4), progress=recorder)
    assert same(ours, *call_sdk(models, two_stage, max_batch_size=4))
    # Two layers, three steps: one forward a step instead of four.
    assert sum(what == "stage 1" for _, _, what in recorder.calls) == 3 * 2
    assert recorder.calls[-1][0] == 1000


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Torch's eager backend compiles nothing: the way through is what is tested."""
    from ltx_core.model.transformer import compiling

    load_sdk()  # its annotations need the class
    config = compiling.CompilationConfig(backend="eager")
    monkeypatch.setattr(compiling, "CompilationConfig", lambda: config)
    return config


@pytest.mark.parametrize("offload", ["none", *OFFLOADS])
def test_compiled_layers_have_their_loras_and_scales(
    models: ModelSet, distilled: DistilledShot, tmp_path: Path, offload: str, eager: Any
) -> None:
    eight_bits, bfloat16 = both_files(models, tmp_path, LAYOUTS["Lightricks"])
    numbers = pairs_for(check(models, distilled).checkpoint)
    plain = save(tmp_path / "plain.safetensors", tensors_of(numbers))
    kohya = save(tmp_path / "kohya.safetensors", tensors_of(numbers, "kohya"))
    chosen = replace(eight_bits, offload=offload, compile=True)
    ours = render_shot(chosen.with_lora(Lora(plain if offload == "disk" else kohya, 0.7)), distilled)
    assert same(ours, *call_sdk(bfloat16, distilled, loras=((plain, 0.7),)))


def test_compiled(models: ModelSet, distilled: DistilledShot, eager: Any) -> None:
    recorder = Recorder()
    ours = render_shot(replace(models, compile=True), distilled, progress=recorder)
    assert same(ours, *call_sdk(models, distilled, constructor={"compilation_config": eager}))
    assert sum(what == "stage 1" for _, _, what in recorder.calls) == 8 * 2, "layers do not report"
    assert "compile" in [note.code for note in ours.notes]
    residents = Residents()
    for compiled in (False, True, False):
        chosen = replace(models, compile=compiled, keep="ram")
        assert torch.equal(render_shot(chosen, distilled, residents=residents).frames, ours.frames)
        assert "transformer" in [load.kind for load in residents.loads], "one that is compiled is another one"


def test_sizes_are_those_of_the_models_that_are_built(
    models: ModelSet, two_stage: TwoStageShot, weight_reads: list[int]
) -> None:
    residents = Residents()
    for precision in ("bf16", "fp8"):
        render_shot(replace(models, keep="ram", precision=precision), two_stage, residents=residents)
        loads = {load.kind: load.size for load in residents.loads}
        facts = check(models, two_stage)
        assert models.spatial_upscaler is not None
        headers = ModelHeaders(
            facts.checkpoint.header,
            tuple(read_header(file, "text encoder") for file in facts.text_encoder_files),
            read_header(models.spatial_upscaler, "spatial upscaler"),
        )
        sizes = weigh(headers, precision)
        assert loads["transformer"] == sizes["transformer"]
        if precision == "bf16":
            assert sizes["transformer"] in weight_reads, "the connectors were read with it"
            exact = ("video_encoder", "spatial_upsampler", "gemma_embeddings_processor", "video_decoder")
            assert {kind: loads[kind] for kind in exact} == {kind: sizes[kind] for kind in exact}
        streamed = {kind: layers.streamed for kind, layers in layers_of_files(headers, precision).items()}
        # Two layers in all, so two slots hold them.
        assert streamed == {kind: sizes[kind] for kind in streamed}


@pytest.mark.parametrize("name", sorted(names_1_2.PRIVATE_NAMES))
def test_every_private_name_is_missed_by_name(
    models: ModelSet, two_stage: TwoStageShot, name: str, monkeypatch: pytest.MonkeyPatch, weight_reads: list[int]
) -> None:
    block, _, attribute = name.partition(".")

    def without(*args: Any) -> Any:
        prepared = prepare(*args)
        owner = getattr(prepared.pipeline, "stage_1" if block == "stage" else block)
        if attribute in vars(owner):
            delattr(owner, attribute)
        else:
            monkeypatch.delattr(type(owner), attribute)
        return prepared

    prepare = sdk_1_2.prepare
    monkeypatch.setattr(sdk_1_2, "prepare", without)
    with pytest.raises(errors.SdkChanged) as caught:
        render_shot(models, two_stage)
    assert caught.value.name.endswith(f".{attribute}") and weight_reads == []


def gone_block(monkeypatch: pytest.MonkeyPatch, pipelines: Any) -> None:
    def without(*args: Any) -> Any:
        prepared = prepare(*args)
        del prepared.pipeline.video_decoder
        return prepared

    prepare = sdk_1_2.prepare
    monkeypatch.setattr(sdk_1_2, "prepare", without)


def other_stage(monkeypatch: pytest.MonkeyPatch, pipelines: Any) -> None:
    def without(*args: Any) -> Any:
        prepared = prepare(*args)
        prepared.pipeline.denoiser = prepared.pipeline.__dict__.pop("stage")
        return prepared

    prepare = sdk_1_2.prepare
    monkeypatch.setattr(sdk_1_2, "prepare", without)


def other_constructor(monkeypatch: pytest.MonkeyPatch, pipelines: Any) -> None:
    class Newer(pipelines.DistilledPipeline):
        def __init__(self, model_paths: Any, offload: Any = None) -> None: ...

    monkeypatch.setattr(pipelines, "DistilledPipeline", Newer)


def other_call(monkeypatch: pytest.MonkeyPatch, pipelines: Any) -> None:
    class Newer(pipelines.DistilledPipeline):
        def __call__(self, text: str, seed: int) -> Any: ...

    monkeypatch.setattr(pipelines, "DistilledPipeline", Newer)


def other_loop(monkeypatch: pytest.MonkeyPatch, pipelines: Any) -> None:
    from ltx_pipelines.utils import samplers

    def loop(sigmas: Any, video_state: Any, audio_state: Any, stepper: Any, model: Any) -> Any: ...

    monkeypatch.setattr(samplers, "euler_denoising_loop", loop)


def other_place(monkeypatch: pytest.MonkeyPatch, pipelines: Any) -> None:
    from ltx_pipelines.utils import samplers

    monkeypatch.delattr(samplers, "tqdm")


NEWER = {
    gone_block: r"DistilledPipeline\.video_decoder .*\(makes the video decoder\)",
    other_stage: r"DistilledPipeline\.stage ",
    other_constructor: "unexpected keyword argument 'loras'|unexpected keyword argument 'spatial_upsampler_path'",
    other_call: "got an unexpected keyword argument 'prompt'|missing a required argument: 'text'",
    other_loop: r"loop\(transformer=\.\.\.\)",
    other_place: "has no attribute 'tqdm'",
}


@pytest.mark.parametrize("newer", NEWER, ids=lambda newer: newer.__name__)
def test_a_newer_sdk_with_other_names_is_told_before_anything_is_read(
    models: ModelSet, distilled: DistilledShot, newer: Any, monkeypatch: pytest.MonkeyPatch, weight_reads: list[int]
) -> None:
    from ltx_pipelines import distilled as pipelines

    newer(monkeypatch, pipelines)
    with pytest.raises(errors.SdkChanged, match=NEWER[newer]):
        render_shot(models, distilled)
    assert weight_reads == []


def test_auto_does_not_stream_on_the_cpu(models: ModelSet, distilled: DistilledShot) -> None:
    assert torch.equal(
        render_shot(models, distilled).frames, render_shot(replace(models, offload="none"), distilled).frames
    )
