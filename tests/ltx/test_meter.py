"""One progress figure for a shot: it goes forward, ends at its end, and says what happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storymotion.ltx.meter import DECODING, READING, STAGE_1, STAGE_2, UNITS, Meter, phases_of_a_shot
from storymotion.ltx.models import ModelSet
from storymotion.ltx.preflight import check
from storymotion.ltx.sdk_1_2 import Sdk12
from storymotion.ltx.shots import TwoStageShot


class Heard(list[tuple[int, str]]):
    def __call__(self, done: int, total: int, what: str) -> None:
        assert total == UNITS and 0 <= done <= total
        self.append((done, what))


def meter(heard: Heard, forwards: int = 2, chunks: int = 2) -> Meter:
    return Meter(heard, phases_of_a_shot(prompt_layers=2, forwards=forwards, layers=3, two_stages=True, chunks=chunks))


def test_decoding_is_said_again_after_a_model_was_loaded_for_it() -> None:
    heard = Heard()
    under_test = meter(heard)
    for phase, ticks in ((READING, 3), (STAGE_1, 6), (STAGE_2, 9)):
        for _ in range(ticks):
            under_test.tick(phase)
    heard.clear()
    under_test.begin(DECODING)
    under_test.begin(DECODING)  # the next model of the phase, which is there already
    under_test.announce_load("audio_decoder")
    under_test.begin(DECODING)
    under_test.announce_load("vocoder")
    under_test.begin(DECODING)
    under_test.begin(DECODING)
    said = [what for _, what in heard]
    assert said == [DECODING, "loading the audio decoder", DECODING, "loading the vocoder", DECODING]
    assert len({done for done, _ in heard}) == 1


def test_a_load_between_chunks_neither_goes_back_nor_is_left_said() -> None:
    heard = Heard()
    under_test = meter(heard, chunks=4)
    under_test.begin(DECODING)
    for _ in range(3):
        under_test.tick(DECODING)
    under_test.announce_load("vocoder")
    under_test.begin(DECODING)
    under_test.finish()
    done = [each for each, _ in heard]
    assert (
        done == sorted(done)
        and heard[-1] == (UNITS, DECODING)
        and heard[-3:-1]
        == [
            (done[-2], "loading the vocoder"),
            (done[-2], DECODING),
        ]
    )


@pytest.mark.parametrize(("together", "forwards"), [(1, 4), (2, 2), (3, 2), (4, 1)])
def test_passes_that_run_together_are_one_forward(
    models: ModelSet, two_stage: TwoStageShot, together: int, forwards: int
) -> None:
    """In the progress of SDK 1.2, told on any: four passes a step, three steps, two layers."""
    checked = check(models, replace(two_stage, guidance_batch=together))
    assert checked.guidance is not None and checked.guidance.passes == 4
    ticks = {phase.name: phase.ticks for phase in Sdk12().phases(checked)}
    assert (ticks[STAGE_1], ticks[STAGE_2]) == (forwards * 3 * 2, 3 * 2)


@pytest.mark.parametrize("ticks", [1, 6, 20])
def test_more_or_fewer_ticks_than_expected_stay_in_their_phase(ticks: int) -> None:
    """A guider skips passes, passes run together, Gemma writes a prompt token by token: the count is an estimate."""
    heard = Heard()
    under_test = meter(heard)
    for phase in (READING, STAGE_1, STAGE_2, DECODING):
        for _ in range(ticks):
            under_test.tick(phase)
    under_test.finish()
    done = [each for each, _ in heard]
    assert done == sorted(done) and len(heard) == 4 * ticks + 1 and heard[-1][0] == UNITS
    starts = {what: min(each for each, said in heard if said == what) for what in (STAGE_1, STAGE_2, DECODING)}
    for earlier, later in ((STAGE_1, STAGE_2), (STAGE_2, DECODING)):
        assert max(each for each, said in heard if said == earlier) <= starts[later]
