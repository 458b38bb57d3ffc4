"""The sound of a film: every shot's own, placed to the sample, read piece by piece."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import UnreadableVideo
from .film import FilmPlan, PlannedShot
from .parts import FilePart, FramesPart, opened
from .sound import LAYOUTS, audio_frame
from .tracks import sound_track

if TYPE_CHECKING:
    import numpy as np

# Samples that are held at a time: 0.3 s at 48000 Hz.
PIECE = 16_384


@contextmanager
def film_sound(plan: FilmPlan) -> Iterator[FilmSound | None]:
    """The sound of the film, None if no shot has any; the file that is being read is closed at the end."""
    if not plan.sound_rate:
        yield None
        return
    with closing(FilmSound(plan)) as sound:
        yield sound


class FilmSound:
    """A ``SoundSource`` that never holds more than a few pieces; it can be read once, from its beginning.

    The sound of a shot starts at sample ``round(time of its first frame * rate)``, computed from the
    exact time and not from the lengths of the shots before it, and is cut, or padded with silence, where
    the next one starts: nothing adds up, however many shots there are.
    """

    def __init__(self, plan: FilmPlan) -> None:
        self.sample_rate = plan.sound_rate
        self.layout = LAYOUTS[plan.channels]
        self._channels = plan.channels
        self._pieces = _film_pieces(plan)
        self._held: list[np.ndarray] = []

    def samples(self, start: int, stop: int) -> np.ndarray:
        """The next ``stop - start`` samples, float32 ``[channels, stop - start]``; silence after the end."""
        import numpy as np

        count = stop - start
        missing = count - sum(piece.shape[1] for piece in self._held)
        while missing > 0:
            piece = next(self._pieces, None)
            if piece is None:
                piece = np.zeros((self._channels, missing), np.float32)
            self._held.append(piece)
            missing -= piece.shape[1]
        held = np.concatenate(self._held, axis=1)
        self._held = [held[:, count:]]
        return np.nan_to_num(held[:, :count], nan=0.0, posinf=0.0, neginf=0.0).clip(-1.0, 1.0)

    def close(self) -> None:
        """Close the file that is being read."""
        self._pieces.close()


def _film_pieces(plan: FilmPlan) -> Generator[np.ndarray, None, None]:
    for shot in plan.shots:
        missing = plan.sample_at(shot.first + shot.frames) - plan.sample_at(shot.first)
        for piece in _at_film_rate(shot, plan):
            piece = piece[:, :missing]
            yield piece
            missing -= piece.shape[1]
            if not missing:
                break
        yield from _silence(plan.channels, missing)


def _at_film_rate(shot: PlannedShot, plan: FilmPlan) -> Iterator[np.ndarray]:
    """The shot's sound from its first picture on, at the film's rate and with its channels."""
    import av

    facts = shot.facts
    if not facts.sound_rate:
        return
    pieces = _decoded(shot) if isinstance(shot.part, FilePart) else _given(shot.part)
    if (facts.sound_rate, facts.channels) == (plan.sound_rate, plan.channels):
        yield from pieces
        return
    resampler = av.AudioResampler(format="fltp", layout=LAYOUTS[plan.channels], rate=plan.sound_rate)
    position = 0
    for piece in pieces:
        frame = audio_frame(piece, facts.layout, facts.sound_rate, position)
        position += piece.shape[1]
        yield from (each.to_ndarray() for each in resampler.resample(frame))
    yield from (each.to_ndarray() for each in resampler.resample(None))


def _given(part: FramesPart) -> Iterator[np.ndarray]:
    assert part.sound is not None
    length = part.sound.waveform.shape[1]
    for start in range(0, length, PIECE):
        yield part.sound.samples(start, min(start + PIECE, length))


def _decoded(shot: PlannedShot) -> Iterator[np.ndarray]:
    """The sound of a file at its own rate; what lies before the first picture is left out, gaps are silent."""
    import av
    import numpy as np

    part, facts = shot.part, shot.facts
    assert isinstance(part, FilePart)
    with opened(part) as container:
        stream = sound_track(container)
        if stream is None:
            raise UnreadableVideo(part.label, "its sound is gone")
        # Interleaved, because PyAV cannot give eight planes (see ``audio_frame``).
        to_float = av.AudioResampler(format="flt", layout=facts.layout, rate=facts.sound_rate)
        # Times are rounded to the file's clock: a smaller step is no gap.
        tolerance = 2 * Fraction(stream.time_base or 0) * facts.sound_rate
        reached: int | None = None  # the sample after those decoded, counted from the first picture
        for frame in container.decode(stream):
            start = reached or 0
            if frame.pts is not None and frame.time_base is not None:
                start = round((frame.pts * frame.time_base - facts.origin) * facts.sound_rate)
                if reached is not None and abs(start - reached) <= tolerance:
                    start = reached
            heard = max(0, reached or 0)
            yield from _silence(facts.channels, start - heard)
            interleaved = np.concatenate([each.to_ndarray() for each in to_float.resample(frame)], axis=1)
            piece = np.ascontiguousarray(interleaved.reshape(-1, facts.channels).T)
            if start + piece.shape[1] > heard:
                yield piece[:, max(0, heard - start) :]
            reached = max(start + piece.shape[1], start if reached is None else reached)


def _silence(channels: int, count: int) -> Iterator[np.ndarray]:
    import numpy as np

    for start in range(0, count, PIECE):
        yield np.zeros((channels, min(PIECE, count - start)), np.float32)
