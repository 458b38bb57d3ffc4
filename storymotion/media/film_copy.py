"""A film whose video packets come from the files of its shots as they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnreadableVideo
from ..progress import Progress
from .film import FilmPlan, PlannedShot
from .film_sound import FilmSound
from .mp4 import new_mp4
from .output import refusals
from .parts import FilePart, opened
from .sound import AacTrack

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer


def copy_film(
    path: Path,
    name: str,
    plan: FilmPlan,
    sound: FilmSound | None,
    audio_kbps: int,
    metadata: Mapping[str, str],
    progress: Progress,
) -> None:
    """Write the film to ``path``: the packets of every shot, and ``sound`` as one AAC track of ``audio_kbps``.

    Raises ``EncodeFailed`` with ``name``, ``UnreadableVideo`` with the label of a shot, and what ``progress`` raises.
    """
    with refusals(name):
        container = new_mp4(path, plan.frame_rate, sound, metadata)
    try:
        _fill(container, name, plan, sound, audio_kbps, progress)
        with refusals(name):
            container.close()
    except BaseException:
        with suppress(Exception):  # the first error counts; what is there is thrown away
            container.close()
        raise


def _fill(
    container: OutputContainer,
    name: str,
    plan: FilmPlan,
    sound: FilmSound | None,
    audio_kbps: int,
    progress: Progress,
) -> None:
    first = plan.shots[0].part
    assert isinstance(first, FilePart)
    with opened(first) as source:
        # "opaque": as it is, without asking for an encoder.
        video = container.add_stream_from_template(source.streams.video[0], opaque=True)
    with refusals(name):
        audio = None if sound is None else AacTrack(container, sound, audio_kbps)
        container.start_encoding()
    # All pictures are decoded this many frames early, as the shot needs it that reorders the most.
    reorder = max(shot.facts.reorder for shot in plan.shots)
    written = 0
    for packet in _packets(plan):
        with refusals(name):
            packet.stream = video
            packet.dts = written - reorder
            container.mux(packet)
            written += 1
            if audio is not None:
                container.mux(audio.encode_until(written / plan.frame_rate))
        progress(written, plan.frames, "joining")
    if audio is not None:
        with refusals(name):
            container.mux(audio.finish(plan.frames / plan.frame_rate))


def _packets(plan: FilmPlan) -> Iterator[av.Packet]:
    """The packets of all shots in decoding order, with the frame of the film that each shows as its time."""
    for shot in plan.shots:
        yield from _packets_of(shot, plan.frame_rate)


def _packets_of(shot: PlannedShot, rate: Fraction) -> Iterator[av.Packet]:
    assert isinstance(shot.part, FilePart)
    count = 0
    with opened(shot.part) as container:
        stream = container.streams.video[0]
        tick = Fraction(stream.time_base or 0)
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                packet.pts = shot.first + round((packet.pts * tick - shot.facts.origin) * rate)
                packet.time_base, packet.duration = 1 / rate, 1
                count += 1
                yield packet
    if count != shot.frames:
        raise UnreadableVideo(shot.part.label, f"it has {count} frames now, and had {shot.frames} before")
