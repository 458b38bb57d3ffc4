"""Receipts of paid shots: one in full, or a story with the sum and a part for each scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from ..storymotion.cost import TARGET_SECONDS, CostSettings
from ..storymotion.media.probe import probe
from ..storymotion.paid.money import krw_text, usd_text
from ..storymotion.paid.seedance.run import Collected, PaidShot
from ..storymotion.report import Line, line
from .language import user_language
from .scene_report import Scene


def receipt_of_shot(shot: PaidShot) -> list[Line]:
    """Notes, task id, tokens, quoted and settled price, and KRW per 8 s beside the target."""
    return [*shot.notes, *shot.receipt.lines(shot.paid_earlier), *_against_target(shot, shot.receipt.settings)]


def receipt_of_story(scenes: Sequence[Scene], shots: Mapping[int, PaidShot]) -> list[Line]:
    """The sum, then every scene under its name; ``shots`` by the scene's place in the list."""
    told = _sum(list(shots.values()), failed=sum(scene.error is not None for scene in scenes))
    for index, scene in enumerate(scenes):
        shot = shots.get(index)
        if shot is None:
            told.append(line("scene-failed", scene=scene.label, reason=scene.reason))
        else:
            told += [line("scene-notes", scene=scene.label), *receipt_of_shot(shot)]
    return told


def receipt_of_collected(collected: Sequence[Collected]) -> list[Line]:
    """What was fetched, and why the others were not."""
    if not collected:
        return [line("collected-nothing")]
    shots = [each.shot for each in collected if each.shot is not None]
    told = _sum(shots, failed=len(collected) - len(shots)) if len(collected) > 1 else []
    for each in collected:
        if each.shot is not None:
            told += receipt_of_shot(each.shot)
        elif each.error is not None:
            reason = each.error.speak(user_language()).replace("\n", " / ")
            told.append(line("not-collected", task=each.row.task_id or f"#{each.row.id}", reason=reason))
    return told


def _sum(shots: Sequence[PaidShot], failed: int) -> list[Line]:
    settings = CostSettings()
    now = [shot.receipt.usd or Decimal(0) for shot in shots if not shot.paid_earlier]
    spent = sum(now, Decimal(0))
    krw = krw_text(spent * Decimal(str(settings.krw_per_usd)))
    counts = {"paid": len(now), "earlier": len(shots) - len(now), "failed": failed}
    return [line("paid-story", **counts, usd=usd_text(spent), krw=krw, krw_per_usd=f"{settings.krw_per_usd:g}")]


def _against_target(shot: PaidShot, settings: CostSettings) -> list[Line]:
    """KRW per 8 s of the video that came, whatever was asked for."""
    length = probe(shot.path).seconds
    if shot.receipt.krw is None or not length:
        return []
    seconds = Decimal(length.numerator) / Decimal(length.denominator)
    per_8s = shot.receipt.krw * TARGET_SECONDS / seconds
    over = per_8s > Decimal(str(settings.target_krw_per_8s))
    code = "cost-over-target" if over else "cost-within-target"
    return [line(code, krw=krw_text(per_8s), target=f"{settings.target_krw_per_8s:g}")]
