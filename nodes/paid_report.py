"""Receipts of paid shots: one in full, or a story with the sum and a part for each scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from ..storymotion.cost import TARGET_SECONDS
from ..storymotion.errors.paid import PaidErrorWithLines
from ..storymotion.media.probe import probe
from ..storymotion.paid.money import krw_text, usd_text
from ..storymotion.paid.seedance.run import Collected, PaidShot
from ..storymotion.report import Line, line
from .scene_report import Scene, failed_row
from .settings import cost_settings
from .shown import SceneRow


def receipt_of_shot(shot: PaidShot) -> list[Line]:
    """Notes, task id, tokens, quoted and settled price, and KRW per 8 s beside the target. Raises UnreadableVideo."""
    return [*shot.lines(), *_against_target(shot)]


def receipt_of_story(
    scenes: Sequence[Scene], shots: Mapping[int, PaidShot], receipts: Mapping[int, Sequence[Line]]
) -> list[Line]:
    """The sum, then every scene under its name; ``shots`` and ``receipts`` by the scene's place in the list."""
    told = _sum(list(shots.values()), failed=sum(scene.error is not None for scene in scenes))
    for index, scene in enumerate(scenes):
        if index in receipts:
            told += [line("scene-notes", scene=scene.label), *receipts[index]]
        else:
            told.append(line("scene-failed", scene=scene.label, reason=scene.reason))
    # Scenes that one gate has stopped have one error, whose lines the rows above leave out.
    with_lines = {id(scene.error): scene.error for scene in scenes if isinstance(scene.error, PaidErrorWithLines)}
    return [*told, *(each for error in with_lines.values() for each in error.all_lines())]


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
            told.append(line("not-collected", task=each.row.task_id or f"#{each.row.id}", reason=each.error.as_value()))
    return told


def paid_row(scene: Scene, shot: PaidShot) -> SceneRow:
    """A scene in the editor's table; one that was paid earlier cost nothing now, and what it cost then is told."""
    usd, krw = shot.receipt.usd, shot.receipt.krw
    length, state = probe(shot.path).seconds, "earlier" if shot.paid_earlier else "done"
    return SceneRow(
        scene.position,
        state,
        scene.name,
        float(length) if length else None,
        krw_text="" if krw is None else krw_text(krw),
        usd_text="" if usd is None else usd_text(usd),
    )


def rows_of_collected(collected: Sequence[Collected]) -> list[SceneRow]:
    """A row for each unfinished shot, the oldest first; as a name it has the begin of its prompt."""
    scenes = [Scene(position, each.row.prompt_start) for position, each in enumerate(collected, 1)]
    return [
        failed_row(scene) if each.shot is None else paid_row(scene, each.shot) for scene, each in zip(scenes, collected)
    ]


def _sum(shots: Sequence[PaidShot], failed: int) -> list[Line]:
    rate = cost_settings().krw_per_usd
    now = [shot.receipt.usd or Decimal(0) for shot in shots if not shot.paid_earlier]
    spent = sum(now, Decimal(0))
    counts = {"paid": len(now), "earlier": len(shots) - len(now), "failed": failed}
    krw = krw_text(spent * Decimal(str(rate)))
    return [line("paid-story", **counts, usd=usd_text(spent), krw=krw, krw_per_usd=f"{rate:g}")]


def _against_target(shot: PaidShot) -> list[Line]:
    """KRW per 8 s of the video that came, whatever was asked for."""
    length, settings = probe(shot.path).seconds, shot.receipt.settings
    if shot.receipt.krw is None or not length:
        return []
    per_8s = shot.receipt.krw * TARGET_SECONDS * length.denominator / length.numerator
    over = per_8s > Decimal(str(settings.target_krw_per_8s))
    code = "cost-over-target" if over else "cost-within-target"
    return [line(code, krw=krw_text(per_8s), target=f"{settings.target_krw_per_8s:g}")]
