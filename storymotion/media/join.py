"""Shots in order into one MP4: video packets copied where they can be, sound always placed to the sample."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..progress import Progress, ignore_progress
from .encode import EncodedFile, encode_mp4
from .film import FilmPlan
from .film_copy import copy_film
from .film_frames import film_frames
from .film_sound import film_sound
from .output import whole_or_nothing
from .settings import EncodeSettings

# The sound of files is encoded a second time: more than the 128 kbit/s of a shot, so that it is not heard.
FILM_SETTINGS = EncodeSettings(audio_kbps=192)


def write_film(
    target: Path,
    plan: FilmPlan,
    settings: EncodeSettings = FILM_SETTINGS,
    metadata: Mapping[str, str] | None = None,
    progress: Progress = ignore_progress,
) -> EncodedFile:
    """Write the film of ``plan_film`` to ``target``, which appears only when it is complete.

    With ``plan.copied`` the film has exactly the video packets of the files. The sound is decoded and
    encoded again even then: the packets of AAC hold 1024 samples each and every file begins with some
    that must not be heard, so sound that is copied packet by packet drifts away from the picture.
    Otherwise the pictures are encoded once with ``settings``, of which ``plan.pixel_format`` overrules
    the pixel format. Memory does not grow with the length of the film.

    ``progress`` counts frames. What it raises passes unchanged after cleaning up.

    Raises ``UnreadableVideo`` naming the part that is broken or was changed since it was planned, and
    what ``encode_mp4`` raises.
    """
    started = time.monotonic()
    with film_sound(plan) as sound:
        if not plan.copied:
            return encode_mp4(
                target,
                film_frames(plan),
                plan.frames,
                plan.width,
                plan.height,
                plan.frame_rate,
                sound,
                replace(settings, pixel_format=plan.pixel_format),
                metadata,
                progress,
                left_colour=plan.left_colour,
            )
        with whole_or_nothing(target, target.name) as unfinished:
            copy_film(unfinished, target.name, plan, sound, settings.audio_kbps, metadata or {}, progress)
            length = unfinished.stat().st_size
    seconds = time.monotonic() - started
    return EncodedFile(target, plan.width, plan.height, plan.frames, plan.frame_rate, length, seconds)
