"""Where a measure stops being good: ``thresholds.json``, and the scores and verdicts that follow from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PASS, LOOK, RETAKE = "pass", "look", "retake"
VERDICTS = (PASS, LOOK, RETAKE)


@dataclass(frozen=True)
class Limits:
    """``look`` is where somebody should look at the shot, ``retake`` where it is most likely no use.

    With ``retake`` below ``look`` it is too little that is wrong, else too much.
    """

    look: float
    retake: float

    def score(self, value: float) -> float:
        """0..1, more is better: 2/3 at ``look``, 1/3 at ``retake``, with straight lines between.

        Towards the good end the line goes to 1 at 0; where more is better, at three times ``look``. Beyond
        ``retake`` it falls on as steeply as between the two.
        """
        best = 3 * self.look if self.retake < self.look else 0.0
        beyond = (value - self.look) / (self.retake - self.look)  # 0 at look, 1 at retake
        score = 2 / 3 - beyond / 3 if beyond >= 0 else 1 - (value - best) / (self.look - best) / 3
        return min(1.0, max(0.0, score))

    def verdict(self, value: float) -> str:
        """One of ``VERDICTS``; a value on a limit is beyond it."""
        beyond = (value - self.look) / (self.retake - self.look)
        return PASS if beyond < 0 else LOOK if beyond < 1 else RETAKE


@lru_cache(maxsize=1)
def limits() -> dict[str, Limits]:
    """The limits by name of the measure, in the order in which measures are told."""
    data = json.loads((Path(__file__).parent / "thresholds.json").read_text(encoding="utf-8"))
    return {name: Limits(**each) for name, each in data["limits"].items()}


def worst(verdicts: list[str]) -> str:
    """The worst of ``verdicts``; pass if there is none."""
    return max(verdicts, key=VERDICTS.index, default=PASS)
