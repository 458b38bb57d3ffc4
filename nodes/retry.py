"""Queue the same again after a run that lacks scenes, and it is made: ComfyUI by itself would keep the gaps."""

from __future__ import annotations


class Gaps:
    """How many runs of some nodes ended with scenes missing for no reason that their inputs show.

    Their ``fingerprint_inputs`` return ``count``, so that what such a run returned is not taken from ComfyUI's cache.
    What was made is not made again: the shot store has it, or the journal of paid shots.
    """

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        """One more run has ended so."""
        self.count += 1
