"""Will a queue of several shots fit: one decision for all of them, and how many may be under way at a time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

from ..errors import StoryMotionError
from ..report import line
from . import fit_working
from .abilities import installed
from .compiler import check_compiler
from .fit import RAM_MARGIN, AmongOthers, plan_weighed
from .fit_budget import RESERVE
from .fit_phases import UPSAMPLER, models_of, prompts_of, transformers_of
from .fit_plan import Machine, MemoryPlan
from .fit_weigh import LoraFacts, Weighed, lora_facts, weigh_files
from .fit_working import Widths
from .lora_rules import all_loras, check_fp8_loras
from .models import OFFLOADS
from .preflight import Checked
from .shots import ICLoraShot

# From bad to good.
KEEPS = ("disk", "ram", "vram")
# Of a process; containers often allow 4096.
MOST_THREADS = 2000


@dataclass(frozen=True)
class QueuePlan:
    """What was decided for the shots of a queue.

    ``shots``: what is to be rendered, by index, with the precision that was decided. ``plan`` is that of the shot
    that needs the most. ``waits``: models make way for others, so a shot stops
    until its next one is there. ``at_once``: how many shots may be under way together.
    """

    shots: Mapping[int, Checked]
    plan: MemoryPlan
    waits: bool
    at_once: int


def plan_queue(shots: Mapping[int, Checked], machine: Machine) -> tuple[QueuePlan | None, dict[int, StoryMotionError]]:
    """Plan ``shots`` (by index) on ``machine``. Also returns those that cannot be, and why; no plan if all of them.

    One shot is planned as ``fit.plan_memory`` says. Several get one precision (fp8 if one of them needs it), one
    place for the text encoder and one ``keep``, so that no model is there twice. Beside what the fullest shot
    needs, every shot that waits holds

    - until its prompts are through the embeddings processor, in main memory, for each prompt: 1024 tokens x
      (layers of Gemma + 1) x its width x 2 bytes (385 MB with Gemma 3 12B);
    - after that, on the device: for each prompt 1024 x (video + audio width of the transformer) x 2 bytes
      (12.6 MB with LTX-2), and 2 kB for every token of video and sound (45 MB for 8 s at 1280 x 704). SDK 1.2 lays
      the inputs of all passes of a guided step side by side before it asks for the transformer: for each pass
      another prompt, and 256 bytes for every token.

    Every shot that waits has a thread, and one that has computed on the CPU (with the text encoder there, too) has
    threads of OpenMP's besides, as many as torch computes with there; together they may be ``MOST_THREADS``.

    Where the machine does not hold that for all, they are made in groups of ``at_once``, each of which loads every
    model once. Finished frames are not counted: when there are many they go to files.
    """
    planner = _Planner(machine)
    plans, refused = planner.plan_all(shots, None)
    if plans and len(shots) > 1:
        shots = _with_one_precision({index: shots[index] for index in plans}, plans)
        plans, more = planner.plan_all(shots, _among_others(shots, plans, planner.translated(shots), machine))
        refused |= more
    if not plans:
        return None, refused
    plan = min(plans.values(), key=lambda each: (KEEPS.index(each.keep), not each.lean, -each.peak.peak))
    makes_way = plan.keep == "disk" or (plan.keep == "ram" and machine.device == "cuda")
    planned = {
        index: replace(shots[index], models=replace(shots[index].models, precision=each.precision))
        for index, each in plans.items()
    }
    if len(shots) == 1 or not makes_way:
        return QueuePlan(planned, plan, False, len(plans)), refused
    at_once = min(len(plans), planner.at_once(list(planned.values()), plan))
    if at_once < len(plans):
        plan = replace(plan, lines=(*plan.lines, line("fit-in-groups", shots=len(plans), at_once=at_once)))
    return QueuePlan(planned, plan, True, at_once), refused


def _with_one_precision(shots: Mapping[int, Checked], plans: Mapping[int, MemoryPlan]) -> dict[int, Checked]:
    """ "auto" means the same for all."""
    chosen = "fp8" if any(plan.precision == "fp8" for plan in plans.values()) else "bf16"

    def settled(checked: Checked) -> Checked:
        models = checked.models
        return replace(checked, models=replace(models, precision=chosen)) if models.precision == "auto" else checked

    return {index: settled(checked) for index, checked in shots.items()}


def _among_others(
    shots: Mapping[int, Checked], plans: Mapping[int, MemoryPlan], translated: list[str], machine: Machine
) -> AmongOthers:
    models = [checked.models for checked in shots.values()]
    files = {(each.checkpoint, each.video_vae, each.audio_vae, each.text_encoder, each.precision) for each in models}
    transformers = set().union(*(transformers_of(checked.models, checked.shot) for checked in shots.values()))
    on_cpu = any(plan.text_encoder_device == "cpu" for plan in plans.values())
    # The stingiest that one of them needs, unless another one could not be made with it.
    stingiest = max(plans.values(), key=lambda plan: OFFLOADS.index(plan.offload))
    offload, why = stingiest.offload, [each for each in stingiest.lines if each.code.startswith("fit-offload")]
    if offload == "disk" and translated:
        offload, why = "cpu", [line("fit-offload-lora", name=translated[0])]
    if offload != "none":
        on_cpu = machine.device == "cpu"
    # Models of several checkpoints are not planned to be kept together.
    keeps = len(files) == 1
    return AmongOthers(len(transformers), "cpu" if on_cpu else machine.device, keeps, offload, tuple(why))


class _Planner:
    """Plans shots of one queue; the headers of files that they have in common are read once."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._weighed: dict[Hashable, Weighed] = {}
        self._loras: dict[Hashable, LoraFacts] = {}

    def plan_all(
        self, shots: Mapping[int, Checked], among: AmongOthers | None
    ) -> tuple[dict[int, MemoryPlan], dict[int, StoryMotionError]]:
        plans, refused = {}, {}
        for index, checked in shots.items():
            try:
                plans[index] = self._plan(checked, among)
            except StoryMotionError as error:
                refused[index] = error
        return plans, refused

    def _plan(self, checked: Checked, among: AmongOthers | None) -> MemoryPlan:
        models, shot = checked.models, checked.shot
        plan = plan_weighed(self._weigh(checked), models, shot, self._machine, self._lora_facts(checked), among)
        if installed().generation == "1.0":  # 1.2 rounds in another way where there is no Triton
            check_fp8_loras(all_loras(models, shot), plan.precision, self._machine.device)
        if models.compile and installed().compiles:
            check_compiler(self._machine.device)
        return plan

    def _weigh(self, checked: Checked) -> Weighed:
        models, shot = checked.models, checked.shot
        files = (models.checkpoint, models.video_vae, models.audio_vae, models.text_encoder, models.spatial_upscaler)
        key = (files, UPSAMPLER in models_of(shot))
        if key not in self._weighed:
            self._weighed[key] = weigh_files(models, checked.checkpoint, shot)
        return self._weighed[key]

    def translated(self, shots: Mapping[int, Checked]) -> list[str]:
        """LoRAs that keep weights from being streamed from the file, but of shots whose user asks for just that."""
        return [
            name
            for checked in shots.values()
            if checked.models.offload != "disk"
            for name in self._lora_facts(checked).translated
        ]

    def _lora_facts(self, checked: Checked) -> LoraFacts:
        models, shot = checked.models, checked.shot
        key = (models.checkpoint, all_loras(models, shot), isinstance(shot, ICLoraShot))
        if key not in self._loras:
            self._loras[key] = lora_facts(models, checked.checkpoint, shot)
        return self._loras[key]

    def at_once(self, shots: list[Checked], plan: MemoryPlan) -> int:
        """How many of ``shots`` may wait: at least one, which is the one that runs."""
        machine = plan.machine
        states, rest = 0, 0
        for checked in shots:
            widths = self._weigh(checked).widths
            states = max(states, fit_working.parked_prompts(widths, prompts_of(checked.shot)))
            rest = max(rest, _parked(widths, checked))
        room = machine.room - RESERVE - plan.peak.peak
        main = machine.ram_free - RAM_MARGIN - plan.ram
        # On the CPU it is one memory, and a shot holds either its hidden states or what comes of them.
        apart = machine.device == "cuda"
        held = min(room // rest, main // states) if apart else min(room, main) // max(states, rest)
        return max(1, min(held, MOST_THREADS // _threads_of_a_shot(plan)))


def _threads_of_a_shot(plan: MemoryPlan) -> int:
    import torch

    computes_on_cpu = "cpu" in (plan.machine.device, plan.text_encoder_device)
    return torch.get_num_threads() if computes_on_cpu else 1


def _parked(widths: Widths, checked: Checked) -> int:
    shot = checked.shot
    picture = fit_working.video_tokens(shot.width, shot.height, 1)
    tokens = fit_working.video_tokens(shot.width, shot.height, shot.rendered_frames) + len(shot.guides) * picture
    if isinstance(shot, ICLoraShot):
        tokens *= 2
    sound = fit_working.sound_tokens(shot.rendered_frames, shot.fps)
    passes = checked.guidance.passes if checked.guidance and widths.abilities.batches_guidance else 0
    return fit_working.parked_shot(widths, tokens, sound, prompts_of(shot), passes)
