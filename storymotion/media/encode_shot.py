"""One shot, in memory or in a file, into one MP4: whatever the file is, decoded piece by piece and encoded once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..progress import Progress, ignore_progress
from .aac_copy import CopiedSound, copied_sound
from .encode import EncodedFile, encode_mp4
from .film import FilmPlan, plan_film
from .film_frames import film_frames
from .film_sound import FilmSound, film_sound
from .parts import FilePart, Part
from .settings import DEFAULT_SETTINGS, EncodeSettings
from .sound import Sound


def plan_shot(part: Part, progress: Progress = ignore_progress) -> FilmPlan:
    """What is known of ``part`` before it is encoded; see ``plan_film``, which this is for one shot.

    Raises ``UnreadableVideo`` and ``WideColour`` with the part's label.
    """
    return plan_film([part], progress=progress)


def encode_shot(
    target: Path,
    plan: FilmPlan,
    settings: EncodeSettings = DEFAULT_SETTINGS,
    metadata: Mapping[str, str] | None = None,
    progress: Progress = ignore_progress,
    quality_samples: int = 0,
) -> EncodedFile:
    """Encode the one shot of ``plan_shot`` to ``target``, which appears only when it is complete.

    Of a file the frames are shown as a player shows them: turned, with square pixels, on white paper
    where they are transparent, as 8-bit BT.709, and at a constant rate if their own varies: one with
    room for every frame, up to 60 a second.
    Those that are so already go into the encoder as they were decoded. A track of AAC is copied if
    ``copied_sound`` can, any other sound is encoded, more than two channels as stereo. Memory does not
    grow with the length.

    Raises what ``encode_mp4`` raises, and ``UnreadableVideo`` if the file breaks off.
    """
    (shot,) = plan.shots
    # Only frames of exactly this format are left as they are.
    drawn = settings.line_art_2x or plan.width % 2 or plan.height % 2
    plan = replace(plan, copied=False, pixel_format="rgb24" if drawn else settings.pixel_format)
    with _sound_of(plan) as sound:
        # A shot in memory comes without a way through the film's own pixel rows.
        part = shot.part
        frames = film_frames(plan) if isinstance(part, FilePart) else part.frames()
        return encode_mp4(
            target,
            frames,
            plan.frames,
            plan.width,
            plan.height,
            plan.frame_rate,
            sound,
            settings,
            metadata,
            progress,
            quality_samples,
            left_colour=plan.left_colour,
        )


@contextmanager
def _sound_of(plan: FilmPlan) -> Iterator[Sound | FilmSound | CopiedSound | None]:
    (shot,) = plan.shots
    if not isinstance(shot.part, FilePart):
        yield shot.part.sound
        return
    with copied_sound(shot.part, shot.facts) as copied:
        if copied is not None:
            yield copied
            return
    with film_sound(plan) as sound:
        yield sound
