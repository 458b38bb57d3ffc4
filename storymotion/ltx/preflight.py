"""Everything that can be known before the first weight is read."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import (
    CheckpointIncomplete,
    GuideOutsideShot,
    GuidesMissing,
    GuidesOnSameFrame,
    LengthNotPredicted,
    ModelFileMissing,
    PromptNotEnhanced,
    SdkTooOld,
    UnknownChoice,
    ValueOutOfRange,
    WrongGemma,
)
from ..report import Line, line
from ..shot import FRAME_GRID, check_frames, check_size
from . import prequantised
from .abilities import install_line, installed
from .checkpoint import CheckpointFacts, gemma_config, gemma_shards, inspect_upscaler, version_number
from .guidance import Resolved, resolve
from .lora import LoraMatch, match_lora
from .lora_rules import all_loras, check_references, check_stages
from .models import KEEPS, OFFLOADS, PRECISIONS, Lora, ModelSet
from .shots import (
    LAST_FRAME,
    TILINGS,
    TRAINED_COMPRESSION,
    Guide,
    GuidedShot,
    ICLoraShot,
    KeyframesShot,
    Shot,
)
from .split_files import duration_head_of, inspect_models, other_versions

LARGEST_SEED = 2**64 - 1
# The SDK accepts 0 and 1 step and decodes noise; above 200 nothing is gained.
STEPS_RANGE = (2, 200)
# The header's entry on Gemma, and the version from which on the SDK wants one.
GEMMA_SOURCE, NAMES_ITS_GEMMA = "gemma_source_checkpoint", (2, 4)
LONGEST_TAIL = 64
# Of a guided step: with the prompt, without it, with blocks left out, and with picture and sound apart.
MOST_PASSES = 4


@dataclass(frozen=True)
class Checked:
    """A shot and its models after all checks, with every "-1" and "auto" resolved."""

    models: ModelSet
    shot: Shot
    checkpoint: CheckpointFacts
    guidance: Resolved | None
    notes: tuple[Line, ...]
    text_encoder_files: tuple[Path, ...]


def check(models: ModelSet, shot: Shot) -> Checked:
    """Check numbers first, then files by their headers. Raises any StoryMotionError but the SDK's own."""
    return Preflight().check(models, shot)


@dataclass(frozen=True)
class _Files:
    """What the headers of a shot's model files say."""

    checkpoint: CheckpointFacts
    matches: tuple[LoraMatch, ...]
    notes: tuple[Line, ...]
    text_encoder_files: tuple[Path, ...]


class Preflight:
    """Checks the shots of one queue. Files that several shots have in common are looked at once."""

    def __init__(self) -> None:
        self._files: dict[Hashable, _Files] = {}

    def check(self, models: ModelSet, shot: Shot) -> Checked:
        """As ``check``."""
        checked = _check_numbers(shot)
        for name, value, choices in (
            ("precision", models.precision, PRECISIONS),
            ("keep", models.keep, KEEPS),
            ("offload", models.offload, OFFLOADS),
        ):
            if value not in choices:
                raise UnknownChoice(name, value, ", ".join(choices))
        stage_notes = check_stages(models.loras, checked)
        files = self._inspect(models, checked)
        checkpoint = files.checkpoint
        _check_length(models, checked)
        _check_enhancer(models, checked)
        notes = [*files.notes, *stage_notes, *check_references(files.matches, checked)]
        if not shot.prompt.strip():
            notes.append(line("prompt-empty"))
        guides = tuple(_trained_compression(guide, checkpoint) for guide in checked.guides)
        if guides:
            compression = ", ".join(str(guide.compression) for guide in guides)
            notes.append(line("guide-compression", compression=compression))
        guidance = None
        if isinstance(checked, GuidedShot):
            guidance = resolve(checked.guidance, checked.steps, checkpoint)
            notes.extend(guidance.notes)
        notes.extend(_about_choices(models, checked))
        return Checked(
            models, replace(checked, guides=guides), checkpoint, guidance, tuple(notes), files.text_encoder_files
        )

    def _inspect(self, models: ModelSet, shot: Shot) -> _Files:
        loras = tuple(all_loras(models, shot))
        key = (models, loras, shot.stages)
        if key not in self._files:
            self._files[key] = _inspect(models, loras, shot.stages)
        return self._files[key]


def _inspect(models: ModelSet, loras: tuple[Lora, ...], stages: str) -> _Files:
    checkpoint = inspect_models(models)
    notes = []
    if stages == "two":
        if models.spatial_upscaler is None:
            raise ModelFileMissing("spatial upscaler", "none", "the LTX-2 Model node")
        inspect_upscaler(models.spatial_upscaler)
    elif models.spatial_upscaler is not None:
        notes.append(line("upscaler-ignored", name=models.spatial_upscaler.name))
    shards = gemma_shards(models.text_encoder)
    _check_gemma(models, checkpoint)
    matches = tuple(match_lora(lora, checkpoint) for lora in loras)
    notes += other_versions(models, checkpoint)
    notes += prequantised.lines(checkpoint.header, models.precision)
    for match in matches:
        notes.extend(match.lines())
    return _Files(checkpoint, matches, tuple(notes), shards)


def _check_gemma(models: ModelSet, checkpoint: CheckpointFacts) -> None:
    """Newer checkpoints name the Gemma that they were trained with, older ones are for Gemma 3.

    SDK 1.2 compares as well (``_check_gemma_version``), when Gemma has run already.
    """
    header, config, name = checkpoint.header, gemma_config(models.text_encoder), models.text_encoder.name
    found = config.get("gemma_version")
    declared = header.metadata.get(GEMMA_SOURCE)
    if declared is not None:
        asked = _json_object(declared)
        if asked is None:
            raise CheckpointIncomplete(header.path.name, f"a readable '{GEMMA_SOURCE}' entry in its header")
        if found != asked.get("gemma_version"):
            raise WrongGemma(name, header.path.name, str(asked.get("gemma_version")), str(found or "none"))
    elif version_number(checkpoint.version) >= NAMES_ITS_GEMMA:
        if found is not None:
            raise CheckpointIncomplete(header.path.name, f"the '{GEMMA_SOURCE}' entry of the header")
    elif config.get("model_type", "gemma3") != "gemma3":
        raise WrongGemma(name, header.path.name, "Gemma 3", str(config["model_type"]))


def _json_object(text: str) -> dict | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _check_length(models: ModelSet, shot: Shot) -> None:
    """Can the SDK predict how long ``shot`` should be?"""
    if not shot.auto_duration:
        return
    if isinstance(shot, (KeyframesShot, ICLoraShot)):
        raise LengthNotPredicted("this pipeline has no such input")
    if not installed().predicts_length:
        raise SdkTooOld("auto_duration", install_line())
    late = [guide.frame for guide in shot.guides if guide.frame]
    if late:
        raise LengthNotPredicted(f"there is a guide at frame {late[0]}, which a shorter shot would not have")
    if duration_head_of(models) is None:
        raise LengthNotPredicted("neither the checkpoint nor the chosen file has a duration head")


def _check_enhancer(models: ModelSet, shot: Shot) -> None:
    """SDK 1.2 lets Gemma 3 rewrite prompts, and none of the Gemma 4 that only encode."""
    kind = gemma_config(models.text_encoder).get("model_type", "gemma3")
    if shot.enhance_prompt and kind != "gemma3":
        raise PromptNotEnhanced(models.text_encoder.name, kind)


def _about_choices(models: ModelSet, shot: Shot) -> list[Line]:
    """Choices that the installed SDK does not have, which cost nothing but what they were to bring."""
    abilities, notes = installed(), []
    if models.compile:
        notes.append(line("compile") if abilities.compiles else line("compile-ignored", install=install_line()))
    if isinstance(shot, GuidedShot) and shot.guidance_batch > 1 and not abilities.batches_guidance:
        notes.append(line("guidance-batch-ignored", count=shot.guidance_batch, install=install_line()))
    return notes


def _check_numbers(shot: Shot) -> Shot:
    """Check what is not in a file, and say which frame -1 is."""
    check_size(shot.width, shot.height, shot.stages)
    check_frames(shot.frames, shot.fps)
    if not 0 <= shot.tail_trim <= LONGEST_TAIL or shot.tail_trim % FRAME_GRID:
        raise ValueOutOfRange("tail_trim (a multiple of 8)", shot.tail_trim, 0, LONGEST_TAIL)
    if not 0 <= shot.seed <= LARGEST_SEED:
        raise ValueOutOfRange("seed", shot.seed, 0, LARGEST_SEED)
    if isinstance(shot, GuidedShot) and not 1 <= shot.guidance_batch <= MOST_PASSES:
        raise ValueOutOfRange("guidance_batch", shot.guidance_batch, 1, MOST_PASSES)
    if isinstance(shot, GuidedShot) and shot.steps and not STEPS_RANGE[0] <= shot.steps <= STEPS_RANGE[1]:
        raise ValueOutOfRange("steps (or 0 for the checkpoint's own)", shot.steps, *STEPS_RANGE)
    if isinstance(shot, KeyframesShot) and not shot.guides:
        raise GuidesMissing()
    if isinstance(shot, ICLoraShot):
        if not shot.reference.is_file():
            raise ModelFileMissing("reference video", shot.reference.name, str(shot.reference.parent))
        if not 0 <= shot.reference_strength <= 1:
            raise ValueOutOfRange("reference_strength", shot.reference_strength, 0, 1)
    if shot.tiling not in TILINGS:
        raise UnknownChoice("tiling", shot.tiling, ", ".join(TILINGS))
    guides = tuple(_check_guide(guide, shot.frames) for guide in shot.guides)
    frames = [guide.frame for guide in guides]
    for frame in frames:
        if frames.count(frame) > 1:
            raise GuidesOnSameFrame(frame)
    return replace(shot, guides=guides)


def _check_guide(guide: Guide, frames: int) -> Guide:
    if not 0 <= guide.strength <= 1:
        raise ValueOutOfRange("The strength of a guide", guide.strength, 0, 1)
    if not TRAINED_COMPRESSION <= guide.compression <= 51:
        raise ValueOutOfRange("The compression of a guide", guide.compression, TRAINED_COMPRESSION, 51)
    frame = frames - 1 if guide.frame == LAST_FRAME else guide.frame
    if not 0 <= frame < frames:
        raise GuideOutsideShot(guide.frame, frames - 1)
    return replace(guide, frame=frame)


def _trained_compression(guide: Guide, checkpoint: CheckpointFacts) -> Guide:
    if guide.compression != TRAINED_COMPRESSION:
        return guide
    return replace(guide, compression=checkpoint.trained_compression)
