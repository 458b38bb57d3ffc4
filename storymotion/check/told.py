"""The check of a shot in words and as data."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..messages import Bilingual, english, korean
from ..report import Line, line
from .limits import LOOK, PASS, RETAKE
from .shot import Measure, ShotCheck

# What tail_trim of the nodes that make shots is a multiple of.
TRIM_STEP = 8
WAITS_TOLD = 1.0


def report_of(check: ShotCheck) -> list[Line]:
    """Verdict and figures of one shot, and what the check cannot see."""
    told = [
        line(
            "check-verdict",
            verdict=said(check.verdict),
            score=check.score,
            frames=check.frames,
            seconds=check.seconds,
        )
    ]
    told += [_line_of(measure, check) for measure in check.measures]
    if check.waits >= WAITS_TOLD and not check.may_be_still:
        told.append(line("check-waits", seconds=check.waits))
    if check.tail_frames:
        trim = -(-check.tail_frames // TRIM_STEP) * TRIM_STEP
        told.append(line("check-tail", frames=check.tail_frames, trim=trim))
    if check.head is None:
        told.append(line("check-no-head"))
    elif check.measure("head") is None:
        told.append(line("check-head-unseen"))
    if "guide" not in check.stills:
        told.append(line("check-no-guide"))
    return [*told, line("check-blind")]


def report_of_list(verdicts: Sequence[tuple[int, str]]) -> list[Line]:
    """A line about several shots, from the place (from 1) and the verdict of each; none about a single one."""
    if len(verdicts) < 2:
        return []
    places = {
        name: ", ".join(str(place) for place, verdict in verdicts if verdict == name) or "-" for name in (LOOK, RETAKE)
    }
    passed = sum(verdict == PASS for _, verdict in verdicts)
    return [line("check-list", passed=passed, total=len(verdicts), look=places[LOOK], retake=places[RETAKE])]


def scores_of(check: ShotCheck) -> str:
    """JSON for scripts: the verdict, and value, score and verdict of every measure."""
    measures = {
        each.name: {"value": round(each.value, 5), "score": round(each.score, 4), "verdict": each.verdict}
        | ({} if each.at is None else {"seconds": round(each.at, 3)})
        for each in check.measures
    }
    return json.dumps(
        {
            "verdict": check.verdict,
            "score": round(check.score, 4),
            "judged": [each.name for each in check.judged],
            "measures": measures,
            "tail_frames": check.tail_frames,
        }
    )


def said(verdict: str) -> Bilingual:
    """A verdict in words."""
    code = f"check-{verdict}"
    return Bilingual(english("report", code, {}), korean("report", code, {}))


def _line_of(measure: Measure, check: ShotCheck) -> Line:
    code = f"check-{measure.name}"
    if measure not in check.judged:
        return line("check-movement-free", percent=100 * measure.value)
    values: dict[str, object] = {"percent": 100 * measure.value, "score": measure.score}
    if measure.at is not None:
        values["at"] = measure.at
    return line(code, verdict=said(measure.verdict), **values)
