"""How strongly stage 1 is guided: what the checkpoint's version asks for, the creator's mode, or one's own numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ..errors import GuidanceBlockMissing, UnknownChoice, ValueOutOfRange
from ..report import Line, line
from .checkpoint import CheckpointFacts, version_number

PRESETS = ("auto", "official", "aggressive quality", "custom")
# What the SDK takes without a word is wider; outside of these the picture breaks or nothing changes.
RANGES = {"cfg": (1.0, 20.0), "stg": (0.0, 5.0), "rescale": (0.0, 1.0), "modality": (0.0, 10.0), "skip_step": (0, 10)}


@dataclass(frozen=True)
class Guider:
    """Guidance of one modality (video or audio).

    ``cfg`` 1..20: how strongly the prompt is followed, 1 = off. ``stg`` 0..5: how strongly blocks that
    are skipped for comparison are steered away from, 0 = off; ``stg_blocks``: which (None: the
    checkpoint's own). ``rescale`` 0..1: tames the contrast that guidance adds. ``modality`` 0..10: how
    closely picture and sound follow each other, 1 = off. ``skip_step`` 0..10: guide only every n+1-th
    step. Each of cfg, stg and modality that is on costs one more forward a step.
    """

    cfg: float
    stg: float
    rescale: float
    modality: float
    skip_step: int = 0
    stg_blocks: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Guidance:
    """A preset, and for "custom" the numbers of both modalities.

    ``ignored`` names numbers that the user set beside another preset; they are reported.
    """

    preset: str = "auto"
    video: Guider | None = None
    audio: Guider | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resolved:
    """Numbers only: what goes to the SDK."""

    steps: int
    video: Guider
    audio: Guider
    notes: tuple[Line, ...]

    @property
    def passes(self) -> int:
        """Forwards a guided step takes: one, and one more for each kind of guidance that is on."""
        both = (self.video, self.audio)
        return (
            1
            + any(guider.cfg != 1 for guider in both)
            + any(guider.stg != 0 for guider in both)
            + any(guider.modality != 1 for guider in both)
        )


@lru_cache(maxsize=1)
def _data() -> dict:
    return json.loads((Path(__file__).parent / "guidance.json").read_text(encoding="utf-8"))


def default_guider(modality: str) -> Guider:
    """The SDK's own numbers for "video" or "audio", blocks left to the checkpoint."""
    return Guider(**_data()[modality])


def resolve(guidance: Guidance, steps: int, checkpoint: CheckpointFacts) -> Resolved:
    """The steps and numbers for ``checkpoint``; ``steps`` 0 = what version or preset asks for.

    "auto" knows LTX-2.4 and later, which SDK 1.0.0 takes for 2.0; "official" is what the installed
    SDK's own ``detect_params`` would say of the version. Raises UnknownChoice, ValueOutOfRange,
    GuidanceBlockMissing.
    """
    if guidance.preset not in PRESETS:
        raise UnknownChoice("guidance preset", guidance.preset, ", ".join(PRESETS))
    version = _version(checkpoint.version, known_to_sdk_1_0=guidance.preset == "official")
    own_steps = _data()["aggressive_steps"] if guidance.preset == "aggressive quality" else version["steps"]
    custom = guidance.preset == "custom"
    video = guidance.video if custom and guidance.video else default_guider("video")
    audio = guidance.audio if custom and guidance.audio else default_guider("audio")
    if guidance.preset == "aggressive quality":
        # The creator's numbers are one set for both.
        audio = replace(audio, cfg=video.cfg)
    notes: list[Line] = []
    if guidance.ignored:
        notes.append(line("guidance-ignored", preset=guidance.preset, names=", ".join(guidance.ignored)))
    both = []
    for name, guider in (("video", video), ("audio", audio)):
        _check(name, guider, checkpoint.layers)
        blocks = guider.stg_blocks if guider.stg_blocks is not None else (version["stg_block"],)
        if guider.stg and max(blocks) >= checkpoint.layers:
            # Only a checkpoint that is not Lightricks' has so few layers; the SDK pays the forward all the same.
            notes.append(line("stg-block-missing", modality=name, block=max(blocks), layers=checkpoint.layers))
        both.append(replace(guider, stg_blocks=blocks))
    return Resolved(steps or own_steps, both[0], both[1], tuple(notes))


def _version(version: str, known_to_sdk_1_0: bool) -> dict:
    versions = _data()["versions"]
    number = version_number(version)
    if known_to_sdk_1_0 and number > (2, 3):
        number = (2, 0)
    fitting = [each for each in versions if number >= version_number(each["from"])]
    return (fitting or versions[:1])[-1]


def _check(modality: str, guider: Guider, layers: int) -> None:
    for name, (lowest, highest) in RANGES.items():
        value = getattr(guider, name)
        if not lowest <= value <= highest:
            raise ValueOutOfRange(f"{modality}_{name}", value, lowest, highest)
    if guider.stg_blocks is None:
        return
    if guider.stg and not guider.stg_blocks:
        raise GuidanceBlockMissing(f"{modality}_stg_blocks", "empty", layers - 1)
    for block in guider.stg_blocks:
        if not 0 <= block < layers:
            raise GuidanceBlockMissing(f"{modality}_stg_blocks", str(block), layers - 1)


def parse_blocks(name: str, text: str) -> tuple[int, ...] | None:
    """ "28" or "28,29" as numbers, "auto" or "" as None. Raises UnknownChoice naming ``name``."""
    if text.strip().lower() in ("", "auto"):
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UnknownChoice(name, text, "auto, 28, or several such as 28,29") from None
