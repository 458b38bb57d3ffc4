"""Will it fit: sizes against what the SDK builds, plans for the machines that people have, at the released sizes."""

from __future__ import annotations

import functools
import itertools
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dev.tiny_models import TinyModels
from storymotion.errors import (
    DoesNotFit,
    LoraNotStreamable,
    NewerSdkNeeded,
    OffloadNeeded,
    PrecisionDoesNotFit,
    TextEncoderIncomplete,
)
from storymotion.ltx import compat, machine
from storymotion.ltx.abilities import INSTALL_1_2, SDK_1_2, installed
from storymotion.ltx.checkpoint import TRANSFORMER, inspect_checkpoint
from storymotion.ltx.fit import plan_memory, plan_weighed
from storymotion.ltx.fit_load import without_connectors
from storymotion.ltx.fit_phases import distinct_transformers
from storymotion.ltx.fit_plan import GIB, Machine, MemoryPlan
from storymotion.ltx.fit_said import way_of_computing
from storymotion.ltx.fit_sizes import component_sizes, weigh
from storymotion.ltx.fit_weigh import LoraFacts, Weighed, weigh_models
from storymotion.ltx.machine import within_limits
from storymotion.ltx.meter import DECODING, READING, STAGE_1, STAGE_2
from storymotion.ltx.models import Lora, ModelSet
from storymotion.ltx.residents import Residents
from storymotion.ltx.shots import (
    DistilledShot,
    Guide,
    GuidedShot,
    ICLoraShot,
    KeyframesShot,
    OneStageShot,
    Shot,
    TwoStageShot,
)

from .real_size import headers
from .sdk_parts import only_1_0

MODELS = ModelSet(Path("ltx.safetensors"), Path("gemma"), Path("upscaler.safetensors"))
FIVE_SECONDS = DistilledShot("a cat", 1280, 704, 121, 24.0, seed=1)
EIGHT_SECONDS = replace(FIVE_SECONDS, frames=193)


def two_stage(shot: Shot, **more: Any) -> TwoStageShot:
    return TwoStageShot(shot.prompt, shot.width, shot.height, shot.frames, shot.fps, shot.seed, **more)


def one_stage(shot: Shot) -> OneStageShot:
    return OneStageShot(shot.prompt, shot.width, shot.height, shot.frames, shot.fps, shot.seed)


def cuda(usable: float, ram: float = 64, free: float | None = None) -> Machine:
    """A card with so many GiB and a PC with so many, 6 GiB of which are taken."""
    vram_free = int((usable if free is None else free) * GIB)
    return Machine("cuda", f"{usable} GiB card", int(usable * GIB), vram_free, int(ram * GIB), int((ram - 6) * GIB))


def apple(memory: float) -> Machine:
    free = int((memory - 6) * GIB)
    return Machine("mps", f"Apple {memory} GiB", int(memory * GIB), free, int(memory * GIB), free)


def cpu(ram: float) -> Machine:
    return Machine("cpu", "CPU", 0, 0, int(ram * GIB), int((ram - 6) * GIB))


@functools.cache
def released(flavor: str) -> Weighed:
    """The released models."""
    return weigh_models(headers(flavor))


def plan(machine: Machine, shot: Shot = FIVE_SECONDS, models: ModelSet = MODELS, flavor: str = "2.3") -> MemoryPlan:
    return plan_weighed(released(flavor), models, shot, machine)


def codes(made: MemoryPlan) -> list[str]:
    return [line.code for line in made.lines]


# --- weights -----------------------------------------------------------------------------------------------------


def bytes_of(module: Any) -> int:
    """Bytes of the weights from files; Gemma's lm_head is the token embedding and counts once."""
    tensors = {tensor.data_ptr(): tensor.nbytes for tensor in module.state_dict().values()}
    return sum(tensors.values())


@only_1_0
@pytest.mark.parametrize("precision", ["bf16", "fp8"])
@pytest.mark.parametrize("flavor", ["2.3", "2.0"])
def test_sizes_are_those_of_the_modules_that_the_sdk_builds(
    flavor: str, precision: str, tiny: TinyModels, tiny_2_0: TinyModels
) -> None:
    import torch
    from ltx_core.quantization import QuantizationPolicy
    from ltx_pipelines.utils.model_ledger import ModelLedger

    set_ = tiny if flavor == "2.3" else tiny_2_0
    sizes = component_sizes(inspect_checkpoint(set_.checkpoint), set_.gemma_root, set_.spatial_upscaler, precision)
    with compat.for_sdk_1_0(set_.gemma_root):
        ledger = ModelLedger(
            dtype=torch.bfloat16,
            device=torch.device("cpu"),
            checkpoint_path=str(set_.checkpoint),
            gemma_root_path=str(set_.gemma_root),
            spatial_upsampler_path=str(set_.spatial_upscaler),
            quantization=QuantizationPolicy.fp8_cast() if precision == "fp8" else None,
        )
        built = {component: bytes_of(getattr(ledger, component)()) for component in sizes}
    assert built == sizes


@pytest.mark.parametrize("flavor", ["2.3", "2.0"])
def test_fp8_halves_exactly_what_the_sdks_own_map_casts(flavor: str) -> None:
    import torch
    from ltx_core.quantization.fp8_cast import TRANSFORMER_LINEAR_DOWNCAST_MAP

    from .real_size import module

    cast = 0
    for name, value in module("transformer", flavor).state_dict().items():
        ((_, result),) = TRANSFORMER_LINEAR_DOWNCAST_MAP.apply_to_key_value(name, value)
        assert result.dtype in (torch.bfloat16, torch.float8_e4m3fn)
        cast += result.nbytes
    assert weigh(headers(flavor), "fp8")["transformer"] == cast


def test_the_released_models_weigh_what_their_files_do() -> None:
    """Figures of the published files: 22B = transformer + connectors + projection + both VAEs + vocoder = 46.1 GB."""
    sizes = weigh(headers("2.3"), "bf16")
    assert sizes["transformer"] == pytest.approx(37.98e9, rel=0.001)
    assert sizes["text_encoder"] == pytest.approx(24.37e9, rel=0.001)
    assert sizes["spatial_upsampler"] == pytest.approx(0.996e9, rel=0.001)
    assert sizes["video_encoder"] + sizes["video_decoder"] == pytest.approx(1.45e9, rel=0.01)
    assert weigh(headers("2.3"), "fp8")["transformer"] == pytest.approx(19.45e9, rel=0.001)
    old = weigh(headers("2.0"), "bf16")
    assert old["transformer"] == pytest.approx(37.76e9, rel=0.001)
    assert old["video_encoder"] + old["video_decoder"] == pytest.approx(2.445e9, rel=0.01)


def test_a_folder_that_is_no_gemma_is_an_error(tiny: TinyModels, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(TextEncoderIncomplete):
        component_sizes(inspect_checkpoint(tiny.checkpoint), tmp_path, None, "bf16")


# --- plans -------------------------------------------------------------------------------------------------------

# Card, usable GiB, RAM -> precision, text encoder, keep; or how many GiB a card would need.
CARDS = [
    ("8 GB", 7.7, 32, None),
    ("12 GB", 11.6, 32, None),
    ("16 GB", 15.6, 32, None),
    ("24 GB (A10G)", 22.3, 32, ("fp8", "cpu", "disk")),
    ("24 GB, much RAM", 22.3, 256, ("fp8", "cpu", "disk")),
    ("32 GB", 31.3, 64, ("fp8", "cuda", "ram")),
    ("48 GB", 47.4, 64, ("bf16", "cuda", "disk")),
    ("48 GB, much RAM", 47.4, 128, ("bf16", "cuda", "ram")),
    ("80 GB", 79.1, 128, ("bf16", "cuda", "vram")),
    ("141 GB", 139.8, 256, ("bf16", "cuda", "vram")),
]


@pytest.mark.parametrize(("usable", "ram", "expected"), [row[1:] for row in CARDS], ids=[row[0] for row in CARDS])
def test_the_cards_that_people_have(usable: float, ram: float, expected: tuple[str, str, str] | None) -> None:
    machine = cuda(usable, ram)
    if expected is None:
        with pytest.raises(DoesNotFit) as caught:
            plan(machine)
        assert (caught.value.component, round(caught.value.needed, 1)) == ("transformer", 18.1)
        assert 20 < caught.value.enough <= 24
        assert plan(cuda(caught.value.enough)).tight == ()
        return
    made = plan(machine)
    assert (made.precision, made.text_encoder_device, made.keep) == expected
    assert made.tight == ()
    assert [phase.name for phase in made.phases] == [READING, STAGE_1, STAGE_2, DECODING]
    assert made.lines[0].code == "fit"


APPLES = [
    (16, None),
    (32, None),
    (48, ("bf16", "mps", "disk")),
    (64, ("bf16", "mps", "disk")),
    (128, ("bf16", "mps", "vram")),
]


@pytest.mark.parametrize(("memory", "expected"), APPLES, ids=lambda value: str(value))
def test_apple_silicon_shares_its_memory(memory: float, expected: tuple[str, str, str] | None) -> None:
    if expected is None:
        with pytest.raises(DoesNotFit) as caught:
            plan(apple(memory))
        # PyTorch has no 8-bit floats there, so fp8 is not offered as the way out.
        assert type(caught.value) is DoesNotFit
        return
    made = plan(apple(memory))
    assert (made.precision, made.text_encoder_device, made.keep) == expected
    # The finished frames lie in the same memory.
    assert made.ram > made.peak.peak


def test_apple_silicon_looks_at_the_scarcer_of_its_two_figures() -> None:
    machine = apple(128)
    assert plan(replace(machine, ram_free=50 * GIB)).keep == plan(replace(machine, vram_free=50 * GIB)).keep == "disk"


@pytest.mark.parametrize("flavor", ["2.3", "2.0"])
def test_a_24_gb_card_runs_gemma_on_the_cpu_and_says_so(flavor: str) -> None:
    made = plan(cuda(22.3), two_stage(FIVE_SECONDS), flavor=flavor)
    assert (made.precision, made.text_encoder_device, made.tight) == ("fp8", "cpu", ())
    spoken = [line.speak() for line in made.lines]
    assert any("text encoder (22.7 GiB" in each and "does not fit in 22.3 GiB" in each for each in spoken)
    assert "it will run on the CPU" in spoken[codes(made).index("fit-text-encoder-cpu")]
    # What is on the card while the prompt is read is the processor, not Gemma.
    assert made.phases[0].weights == made.sizes["gemma_embeddings_processor"]
    assert made.ram > made.sizes["text_encoder"]


def test_a_shot_that_is_too_long_for_the_card_is_a_warning_with_a_length_that_fits() -> None:
    made = plan(cuda(22.3), EIGHT_SECONDS)
    assert made.tight == (STAGE_2,)
    (warning,) = [line for line in made.lines if line.code == "fit-tight-frames"]
    fitting = replace(EIGHT_SECONDS, frames=warning.values["frames"])
    assert 9 <= fitting.frames < EIGHT_SECONDS.frames and fitting.frames % 8 == 1
    assert plan(cuda(22.3), fitting).tight == ()
    assert plan(cuda(22.3), replace(fitting, frames=fitting.frames + 8)).tight == (STAGE_2,)


def test_memory_that_others_hold_is_a_warning_not_a_refusal() -> None:
    made = plan(cuda(22.3, free=10))
    assert STAGE_1 in made.tight and STAGE_2 in made.tight
    assert "10.0 of 22.3 GiB are free" in made.lines[-1].speak()
    assert plan(replace(cuda(22.3, ram=32), ram_free=GIB)).tight == ("RAM",)


def test_the_text_encoder_stays_on_the_card_when_main_memory_cannot_hold_it() -> None:
    made = plan(cuda(23.0, ram=16))
    assert (made.text_encoder_device, made.tight) == ("cuda", (READING,))
    with pytest.raises(DoesNotFit) as caught:
        plan(cuda(22.3, ram=16))
    assert caught.value.component == "text encoder"


def test_cpu_holds_one_copy_of_everything() -> None:
    assert plan(cpu(64)).keep == "disk"
    made = plan(cpu(128))
    assert (made.precision, made.text_encoder_device, made.keep) == ("bf16", "cpu", "ram")
    assert sum(made.sizes.values()) < made.ram < sum(made.sizes.values()) + 8 * GIB
    with pytest.raises(PrecisionDoesNotFit) as caught:
        plan(cpu(32))
    assert "Set precision to fp8" in str(caught.value)


# --- what the user asks for --------------------------------------------------------------------------------------


def test_bf16_where_only_fp8_fits_says_what_would() -> None:
    with pytest.raises(PrecisionDoesNotFit) as caught:
        plan(cuda(22.3), models=replace(MODELS, precision="bf16"))
    assert str(caught.value).startswith("The transformer in bf16 needs 35.4 GiB for its weights alone")
    assert "fp8, which needs 18.1 GiB" in str(caught.value)


def test_a_chosen_precision_is_kept_where_it_can_run() -> None:
    assert plan(cuda(139.8), models=replace(MODELS, precision="fp8")).precision == "fp8"
    tight = plan(cuda(38), models=replace(MODELS, precision="bf16"))
    assert (tight.precision, tight.tight) == ("bf16", (STAGE_2,))
    made = plan(apple(64), models=replace(MODELS, precision="fp8"))
    assert made.precision == "bf16" and "fit-no-fp8" in codes(made)


def test_a_chosen_keep_is_lowered_only_when_the_weights_alone_forbid_it() -> None:
    made = plan(cuda(47.4, ram=128), models=replace(MODELS, keep="vram"))
    assert made.keep == "ram" and "fit-keep-lowered" in codes(made)
    made = plan(cuda(47.4, ram=32), models=replace(MODELS, keep="vram"))
    assert made.keep == "disk"
    # 66.6 GiB of weights in 67 GiB: possible by the weights, tight by the estimate.
    made = plan(cuda(67.0), models=replace(MODELS, keep="vram"))
    assert (made.keep, made.tight) == ("vram", (READING, STAGE_1, STAGE_2, DECODING))
    for keep in ("disk", "ram"):
        assert plan(cuda(139.8, ram=256), models=replace(MODELS, keep=keep)).keep == keep


def test_keep_vram_holds_every_model_in_every_phase() -> None:
    made = plan(cuda(139.8))
    assert {phase.weights for phase in made.phases} == {sum(made.sizes.values())}


def test_a_distilled_lora_makes_a_second_transformer_to_keep(tmp_path: Path) -> None:
    file = tmp_path / "distilled.safetensors"
    file.write_bytes(bytes(1000))
    shot = two_stage(FIVE_SECONDS)
    plain, with_lora = plan(cuda(79.1, 256), shot), plan(cuda(79.1, 256), replace(shot, distilled_lora=Lora(file)))
    assert (plain.transformers, plain.keep) == (1, "vram")
    assert (with_lora.transformers, with_lora.keep) == (2, "ram")
    assert plan(cuda(139.8, 256), replace(shot, distilled_lora=Lora(file))).keep == "vram"


def test_transformers_are_counted_as_the_pipelines_build_them() -> None:
    style, other = Lora(Path("style")), Lora(Path("other"), stages="stage 2")
    both, late = replace(MODELS, loras=(style,)), replace(MODELS, loras=(style, other))
    shot = two_stage(FIVE_SECONDS)
    ic = ICLoraShot("a", 1280, 704, 121, 24.0, 1)
    for models, wanted in ((MODELS, 1), (both, 1), (late, 2)):
        assert distinct_transformers(models, shot) == wanted
        assert distinct_transformers(models, FIVE_SECONDS) == 1
        assert distinct_transformers(models, one_stage(FIVE_SECONDS)) == 1
    assert distinct_transformers(MODELS, replace(shot, distilled_lora=Lora(Path("d"), 0.6))) == 2
    assert distinct_transformers(MODELS, replace(shot, distilled_lora=Lora(Path("d"), 0.0))) == 1
    assert distinct_transformers(MODELS, ic) == 1
    assert distinct_transformers(both, ic) == distinct_transformers(MODELS, replace(ic, ic_lora=style)) == 2
    assert distinct_transformers(both, replace(ic, skip_stage_2=True)) == 1


# --- what a shot needs -------------------------------------------------------------------------------------------


def working(shot: Shot, phase: str, reference_scale: int = 1) -> int:
    made = plan_weighed(released("2.3"), MODELS, shot, cuda(139.8), LoraFacts(reference_scale))
    return next(each.working for each in made.phases if each.name == phase)


def test_guides_and_references_bring_tokens_of_their_own() -> None:
    first, last = Guide(b"", 0), Guide(b"", 120)
    shot = two_stage(FIVE_SECONDS)
    keyframes = KeyframesShot(shot.prompt, shot.width, shot.height, shot.frames, shot.fps, shot.seed)
    assert working(replace(shot, guides=(first,)), STAGE_2) == working(shot, STAGE_2)
    assert working(replace(shot, guides=(first, last)), STAGE_2) > working(shot, STAGE_2)
    assert working(replace(keyframes, guides=(first,)), STAGE_2) > working(keyframes, STAGE_2)
    ic = ICLoraShot("a", 1280, 704, 121, 24.0, 1)
    assert working(ic, STAGE_1, 2) < working(ic, STAGE_1)
    # Reference and shot have the same number of tokens, so the forward has twice as many.
    assert working(ic, STAGE_1) > 1.9 * working(FIVE_SECONDS, STAGE_1)


def test_one_stage_decodes_the_whole_shot_at_once() -> None:
    assert working(one_stage(FIVE_SECONDS), DECODING) > 2 * working(two_stage(FIVE_SECONDS), DECODING)
    made = plan(cuda(139.8), one_stage(FIVE_SECONDS))
    assert [phase.name for phase in made.phases] == [READING, STAGE_1, DECODING]


def test_small_tiles_need_less_and_none_the_most() -> None:
    needs = [working(replace(two_stage(FIVE_SECONDS), tiling=tiling), DECODING) for tiling in ("small", "auto", "off")]
    assert needs[0] < needs[1] / 2 and needs[1] < needs[2] / 2


def test_a_shot_without_stage_2_needs_no_upsampler() -> None:
    ic = ICLoraShot("a", 1280, 704, 121, 24.0, 1, skip_stage_2=True)
    made = plan(cuda(139.8), ic)
    assert [phase.name for phase in made.phases] == [READING, STAGE_1, DECODING]
    assert made.peak.weights == sum(size for part, size in made.sizes.items() if part != "spatial_upsampler")


def test_the_tail_that_is_cut_off_is_rendered_all_the_same() -> None:
    assert working(replace(FIVE_SECONDS, tail_trim=16), STAGE_2) == working(replace(FIVE_SECONDS, frames=137), STAGE_2)


# --- more is never worse -----------------------------------------------------------------------------------------


def quality(made: MemoryPlan | None) -> tuple[int, ...]:
    """Better plans are larger: they run, in bf16, with Gemma on the device, keep more, and are not tight."""
    if made is None:
        return (0,)
    keep = ("disk", "ram", "vram").index(made.keep)
    on_device = made.text_encoder_device == made.machine.device
    return (1, made.precision == "bf16", on_device, keep, -len(made.tight))


def tried(machine: Machine, shot: Shot, models: ModelSet = MODELS) -> MemoryPlan | None:
    try:
        return plan(machine, shot, models)
    except DoesNotFit:
        return None


SHOTS = [FIVE_SECONDS, EIGHT_SECONDS, two_stage(EIGHT_SECONDS), one_stage(FIVE_SECONDS)]


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: f"{type(shot).__name__}-{shot.frames}")
@pytest.mark.parametrize("ram", [16, 32, 64, 128, 256])
def test_more_vram_never_makes_the_plan_worse(shot: Shot, ram: int) -> None:
    qualities = [quality(tried(cuda(step / 4, ram), shot)) for step in range(16, 600)]
    for smaller, larger in itertools.pairwise(qualities):
        assert larger >= smaller
    assert qualities[0] == (0,) and qualities[-1][:3] == (1, True, True)


def test_a_plan_that_is_not_tight_leaves_half_a_gib_of_the_card() -> None:
    plans = [plan(cuda(usable)) for usable in range(22, 140)]
    left = [made.machine.room - made.peak.peak for made in plans if not made.tight]
    assert min(left) >= GIB // 2 and len(left) > 100


@pytest.mark.parametrize("memory", [apple, cpu], ids=["apple", "cpu"])
def test_more_shared_memory_never_makes_the_plan_worse(memory: Any) -> None:
    qualities = [quality(tried(memory(size), EIGHT_SECONDS)) for size in range(8, 160)]
    for smaller, larger in itertools.pairwise(qualities):
        assert larger >= smaller


def test_a_smaller_shot_never_makes_the_plan_worse() -> None:
    chance = random.Random(3)
    compared = 0
    for _ in range(2000):
        kind = chance.choice([DistilledShot, TwoStageShot, OneStageShot, KeyframesShot])
        width, height = chance.randrange(64, 2048, 64), chance.randrange(64, 2048, 64)
        frames = chance.randrange(9, 400, 8)
        large = kind("a", width, height, frames, 24.0, 1)
        small = replace(
            large,
            width=chance.randrange(64, width + 1, 64),
            height=chance.randrange(64, height + 1, 64),
            frames=chance.randrange(9, frames + 1, 8),
        )
        machine = cuda(chance.uniform(18, 90), chance.choice([32, 64, 128]))
        worse, better = tried(machine, large), tried(machine, small)
        assert quality(better) >= quality(worse), (machine, small, large)
        if worse and better:
            same_way = (better.precision, better.keep, better.lean) == (worse.precision, worse.keep, worse.lean)
            assert better.peak.peak <= worse.peak.peak or not same_way
            compared += same_way
    assert compared > 1000


def test_ram_that_just_holds_everything_is_where_keep_becomes_ram() -> None:
    whole = plan(cuda(47.4, 256)).ram
    just = replace(cuda(47.4, 256), ram_free=whole + 4 * GIB)
    assert plan(just).keep == "ram"
    assert plan(replace(just, ram_free=just.ram_free - 1)).keep == "disk"


# --- with files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DistilledShot, TwoStageShot, OneStageShot, KeyframesShot])
def test_planning_reads_no_weight(kind: type[Shot], models: ModelSet, weight_reads: list[int]) -> None:
    shot = kind("a", 64, 64, 9, 24.0, 1)
    made = plan_memory(models, inspect_checkpoint(models.checkpoint), shot, cuda(8))
    assert (made.precision, made.text_encoder_device, made.keep, made.tight) == ("bf16", "cuda", "vram", ())
    assert ("spatial_upsampler" in made.sizes) == (shot.stages == "two")
    assert isinstance(shot, GuidedShot) or STAGE_2 in [phase.name for phase in made.phases]
    assert weight_reads == []


def test_the_size_of_an_ic_loras_reference_is_read_from_its_header(
    models: ModelSet, tiny: TinyModels, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    smaller = tmp_path / "half.safetensors"
    save_file(load_file(tiny.ic_lora), smaller, {"reference_downscale_factor": "2"})
    facts = inspect_checkpoint(models.checkpoint)
    needs = []
    for lora in (smaller, tiny.ic_lora):
        shot = ICLoraShot("a", 512, 512, 9, 24.0, 1, ic_lora=Lora(lora))
        needs.append({phase.name: phase.working for phase in plan_memory(models, facts, shot, cuda(8)).phases})
    assert needs[0][STAGE_1] < needs[1][STAGE_1] and needs[0][STAGE_2] == needs[1][STAGE_2]


def test_planning_does_not_import_torch() -> None:
    code = "import sys, storymotion.ltx.fit, storymotion.cost; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


# --- weights that are streamed (SDK 1.2) -------------------------------------------------------------------------


def plan_1_2(
    machine: Machine, offload: str = "auto", shot: Shot = FIVE_SECONDS, translated: tuple[str, ...] = ()
) -> MemoryPlan:
    weighed, models = weigh_models(headers("2.3"), SDK_1_2), replace(MODELS, offload=offload)
    return plan_weighed(weighed, models, shot, machine, LoraFacts(translated=translated))


@pytest.mark.parametrize(
    ("machine", "precision", "offload", "keep"),
    [
        (cuda(79, 128), "bf16", "none", "vram"),
        (cuda(47, 64), "bf16", "none", "disk"),
        (cuda(31, 64), "fp8", "none", "ram"),
        (cuda(22.3, 128), "fp8", "cpu", "ram"),
        (cuda(22.3, 64), "fp8", "cpu", "disk"),
        (cuda(22.3, 44), "fp8", "disk", "disk"),
        (cuda(23.6, 16), "fp8", "disk", "disk"),
        (cuda(23.6, 32), "fp8", "none", "disk"),
        (cuda(12, 64), "fp8", "cpu", "disk"),
        (cpu(64), "bf16", "none", "disk"),
        (apple(64), "bf16", "none", "disk"),
    ],
)
def test_weights_are_streamed_only_where_they_have_to_be(
    machine: Machine, precision: str, offload: str, keep: str
) -> None:
    made = plan_1_2(machine)
    assert (made.precision, made.offload, made.keep) == (precision, offload, keep)
    assert any(code.startswith("fit-offload-t") for code in codes(made)) == (offload != "none")
    assert ("fit-reads-each-pass" in codes(made)) == (offload == "disk")
    if offload != "none":
        assert made.text_encoder_device == "cuda" and not made.tight
        assert made.peak.peak < machine.room


def test_who_asks_for_it_gets_it() -> None:
    asked = plan_1_2(cuda(79, 128), "disk")
    assert asked.offload == "disk" and asked.precision == "bf16"
    assert asked.peak.peak < 16 * GIB < plan_1_2(cuda(79, 128)).peak.peak
    with pytest.raises(OffloadNeeded, match="Set offload to auto, cpu or disk"):
        plan_1_2(cuda(12, 64), "none")


def test_a_text_encoder_that_fits_nowhere_is_streamed() -> None:
    """A 24 GB card in a PC of 16 GB: the transformer would fit."""
    short = replace(FIVE_SECONDS, frames=49)
    made = plan_1_2(cuda(22.3, 16), shot=short)
    assert (made.offload, made.text_encoder_device, made.tight) == ("disk", "cuda", ())
    assert "fit-offload-text-encoder" in codes(made)
    assert plan_1_2(cuda(22.3, 32), shot=short).offload == "none"
    with_lora = plan_1_2(cuda(23.6, 16), shot=short, translated=("kohya.safetensors",))
    assert with_lora.offload == "none", "main memory would not hold more of it"


def test_main_memory_holds_what_the_sdk_streams_from() -> None:
    transformer = {precision: weigh(headers("2.3"), precision)["transformer"] for precision in ("bf16", "fp8")}
    frames = FIVE_SECONDS.frames * 1280 * 704 * 3

    def planned(precision: str, offload: str, keep: str = "disk") -> int:
        models = replace(MODELS, offload=offload, precision=precision, keep=keep)
        return plan_weighed(weigh_models(headers("2.3"), SDK_1_2), models, FIVE_SECONDS, cuda(79, 256)).ram - frames

    # What is converted is there twice while it loads (measured: 1.8 times), what is only read is mapped (1.04 times).
    assert planned("bf16", "cpu") == transformer["bf16"]
    assert planned("fp8", "cpu") == 2 * transformer["fp8"]
    assert planned("fp8", "cpu", "ram") == planned("fp8", "none", "ram") + transformer["fp8"]
    # From the file: four layers on their way, 738 MiB each.
    assert planned("bf16", "disk") / GIB == pytest.approx(4 * 738 / 1024, abs=0.01)


def test_gemma_in_one_file_works_with_as_much(tiny: TinyModels) -> None:
    """Its layers have other names there (``gemma_assets`` of SDK 1.2), and those of its towers are not counted."""
    (folder,) = headers("2.3").text_encoder
    renamed = {name.replace("language_model.model.", "model."): facts for name, facts in folder.tensors.items()}
    one_file = replace(headers("2.3"), text_encoder=(replace(folder, tensors=renamed),))
    assert weigh_models(one_file, SDK_1_2).widths == weigh_models(headers("2.3"), SDK_1_2).widths


def test_what_streams_stays_on_the_device_when_models_are_kept_in_main_memory() -> None:
    weighed = weigh_models(headers("2.3"), SDK_1_2)
    kept, not_kept = (
        plan_weighed(weighed, replace(MODELS, offload="cpu", keep=keep), FIVE_SECONDS, cuda(79, 256))
        for keep in ("ram", "disk")
    )
    streamed = weighed.streamed["bf16"]
    # While pictures are made Gemma's layers are there too, while frames are decoded both.
    assert kept.phases[-1].weights - not_kept.phases[-1].weights == sum(streamed.values())
    assert kept.phases[1].weights - not_kept.phases[1].weights == streamed["text_encoder"]


def test_weights_that_are_unfolded_are_there_twice_while_they_load() -> None:
    eight_bit = replace(weigh_models(headers("2.3"), SDK_1_2), has_8_bit=True)
    made = plan_weighed(eight_bit, replace(MODELS, offload="cpu", keep="disk"), FIVE_SECONDS, cuda(79, 256))
    assert made.precision == "bf16" and made.ram > 2 * made.sizes["transformer"]


def test_passes_that_run_together_need_more() -> None:
    weighed, needs = weigh_models(headers("2.3"), SDK_1_2), []
    for count in (1, 4):
        made = plan_weighed(weighed, MODELS, two_stage(EIGHT_SECONDS, guidance_batch=count), cuda(139, 256))
        needs.append({phase.name: phase.working for phase in made.phases})
    assert needs[1][STAGE_1] > 3 * needs[0][STAGE_1] and needs[1][STAGE_2] == needs[0][STAGE_2]


def test_the_machine_is_no_larger_than_its_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "within_limits", lambda total, available: (GIB, GIB // 2))
    measured = machine.this_machine("cpu", Residents())
    assert (measured.ram_total, measured.ram_free) == (GIB, GIB // 2)


def test_keep_vram_and_streamed_weights_exclude_each_other() -> None:
    models = replace(MODELS, offload="cpu", keep="vram")
    made = plan_weighed(weigh_models(headers("2.3"), SDK_1_2), models, FIVE_SECONDS, cuda(139, 256))
    assert made.keep == "ram" and "fit-keep-lowered" not in codes(made)
    (said,) = (line for line in made.lines if line.code == "fit-keep-streamed")
    assert said.values == {"used": "ram", "offload": "cpu"}


LIMITED = {
    "memory.max": "34359738368",
    "memory.current": "10000000000",
    "memory.stat": "anon 5\ninactive_file 4000000000",
}
LIMITED_1 = {
    "memory/memory.limit_in_bytes": "34359738368",
    "memory/memory.usage_in_bytes": "10000000000",
    "memory/memory.stat": "total_inactive_file 4000000000",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, (256 * GIB, 200 * GIB)),
        (LIMITED | {"memory.max": "max"}, (256 * GIB, 200 * GIB)),
        (LIMITED_1 | {"memory/memory.limit_in_bytes": "9223372036854771712"}, (256 * GIB, 200 * GIB)),
        (LIMITED, (32 * GIB, 32 * GIB - 6_000_000_000)),
        (LIMITED_1, (32 * GIB, 32 * GIB - 6_000_000_000)),
        (LIMITED | {"memory.stat": "not a table"}, (256 * GIB, 200 * GIB)),
    ],
)
def test_a_container_has_what_it_is_given(tmp_path: Path, files: dict[str, str], expected: tuple[int, int]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert within_limits(256 * GIB, 200 * GIB, tmp_path) == expected


def test_a_lora_that_cannot_be_streamed_from_the_file_makes_it_main_memory() -> None:
    short = cuda(22.3, 32)
    assert plan_1_2(short).offload == "disk" and "fit-offload-lora" not in codes(plan_1_2(short))
    made = plan_1_2(short, translated=("kohya.safetensors",))
    assert made.offload == "cpu" and {"fit-offload-transformer", "fit-offload-lora"} <= set(codes(made))
    assert "'kohya.safetensors'" in next(line.speak() for line in made.lines if line.code == "fit-offload-lora")
    assert "fit-offload-lora" not in codes(plan_1_2(cuda(22.3, 64), translated=("kohya.safetensors",)))
    with pytest.raises(LoraNotStreamable, match=r"kohya\.safetensors"):
        plan_1_2(cuda(22.3, 16), translated=("kohya.safetensors",))


def test_sdk_1_0_says_what_it_takes() -> None:
    made = plan(cuda(79, 128), models=replace(MODELS, offload="cpu"))
    (said,) = (line for line in made.lines if line.code == "fit-no-offload")
    assert made.offload == "none" and INSTALL_1_2 in str(said.values["install"])
    with pytest.raises(NewerSdkNeeded) as caught:
        plan(cuda(12, 64))
    assert INSTALL_1_2 in str(caught.value) and "about 23 GiB" in str(caught.value)


def test_what_streams_takes_two_layers_and_what_is_around_them() -> None:
    sizes, streamed = weigh(headers("2.3"), "bf16"), released("2.3").streamed["bf16"]
    assert streamed["transformer"] / GIB == pytest.approx(2.24, abs=0.01)
    layer = (sizes["transformer"] - streamed["transformer"]) / 46
    assert layer / 2**20 == pytest.approx(738, abs=1), "48 equal blocks of 738 MiB, two of them there"


def test_times_are_compared_with_those_of_the_same_way() -> None:
    streamed, whole = plan_1_2(cuda(22.3, 64)), plan_1_2(cuda(79, 128))
    compiled = replace(MODELS, precision="fp8", compile=True)
    assert way_of_computing(replace(MODELS, precision="bf16"), whole) == "bf16", (
        "as figures of earlier versions have it"
    )
    assert way_of_computing(replace(MODELS, precision="fp8"), streamed) == "fp8, offload cpu"
    assert way_of_computing(compiled, whole) == ("fp8, compiled" if installed().compiles else "fp8")


# --- loading the transformer alone -------------------------------------------------------------------------------


@only_1_0
@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_the_connectors_stay_in_the_checkpoint(tiny: TinyModels, precision: str, weight_reads: list[int]) -> None:
    """SDK 1.0.0 reads them onto the device with the transformer: 3.8 GiB of the 22B checkpoint."""
    import torch
    from ltx_core.quantization import QuantizationPolicy
    from ltx_pipelines.utils.model_ledger import ModelLedger

    facts = inspect_checkpoint(tiny.checkpoint)
    ledger = ModelLedger(
        dtype=torch.bfloat16,
        device=torch.device("cpu"),
        checkpoint_path=str(tiny.checkpoint),
        quantization=QuantizationPolicy.fp8_cast() if precision == "fp8" else None,
    )
    before = ledger.transformer().state_dict()
    ledger.transformer_builder = without_connectors(ledger.transformer_builder, facts.header)
    after = ledger.transformer().state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name].view(torch.uint8), after[name].view(torch.uint8)) for name in before)
    with_connectors, alone = weight_reads
    sizes = component_sizes(facts, tiny.gemma_root, None, precision)
    assert alone == sizes["transformer"] < with_connectors


def test_at_full_size_that_is_what_a_24_gb_card_lacks() -> None:
    connectors = sum(
        2 * tensor.shape[0] * (tensor.shape[1] if len(tensor.shape) > 1 else 1)
        for name, tensor in headers("2.3").checkpoint.tensors.items()
        if name.startswith(TRANSFORMER) and "_embeddings_connector." in name
    )
    sizes = weigh(headers("2.3"), "fp8")
    assert connectors / GIB == pytest.approx(3.76, abs=0.01)
    together = sizes["transformer"] + sizes["video_encoder"]
    assert together < 22.3 * GIB < together + connectors
