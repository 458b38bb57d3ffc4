"""The AAC track of a file, copied packet by packet and still in step with the video to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ..errors import UnreadableVideo
from .parts import FilePart, PartFacts, opened
from .sound import AAC_FRAME, audio_frame
from .tracks import sound_track

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer


@dataclass(frozen=True, eq=False)
class CopiedSound:
    """AAC packets in a file that is open; they can be read once.

    ``first`` is the sample at which packet ``skipped`` starts, counted from the first picture and never
    above 0. ``silence`` is a packet of nothing, for a track that ends before the video.
    """

    sample_rate: int
    channels: int
    container: InputContainer
    stream: av.AudioStream
    skipped: int
    first: int
    silence: bytes

    def packets(self) -> Iterator[bytes]:
        """The packets from the first that is heard on, and the one before it: a decoder needs both."""
        held = (packet for packet in self.container.demux(self.stream) if packet.size)
        for index, packet in enumerate(held):
            if index >= self.skipped:
                yield bytes(packet)


@contextmanager
def copied_sound(part: FilePart, facts: PartFacts) -> Iterator[CopiedSound | None]:
    """The sound of ``part`` for copying; None if it must be encoded.

    It can be copied if it is AAC-LC with the usual header, without gaps, and begins no later than the
    picture: then an edit list in the new file can say from which sample on it is heard.
    """
    silence = b""
    with opened(part) as container:
        stream = sound_track(container)
        start = None if stream is None else _start_of(container, stream, facts)
        if stream is not None and start is not None:
            silence = _silence_like(stream)
    if start is None or not silence:
        yield None
        return
    with opened(part) as container:
        stream = sound_track(container)
        if stream is None:
            raise UnreadableVideo(part.label, "its sound is gone")
        skipped = max(0, -start // AAC_FRAME - 1)
        first = start + skipped * AAC_FRAME
        channels = len(stream.codec_context.layout.channels)
        yield CopiedSound(stream.rate, channels, container, stream, skipped, first, silence)


class CopiedTrack:
    """Gives the packets of a ``CopiedSound`` to a muxer, as ``AacTrack`` gives encoded ones."""

    def __init__(self, container: OutputContainer, sound: CopiedSound) -> None:
        self._sound = sound
        # "opaque": as it is, without asking for an encoder.
        self._stream = container.add_stream_from_template(sound.stream, opaque=True)
        self._packets = sound.packets()
        self._position = sound.first

    def encode_until(self, seconds: Fraction) -> list[av.Packet]:
        """The packets that are whole before ``seconds``."""
        end = round(seconds * self._sound.sample_rate)
        packets: list[av.Packet] = []
        while self._position + AAC_FRAME <= end:
            packets.append(self._next(AAC_FRAME))
        return packets

    def finish(self, seconds: Fraction) -> list[av.Packet]:
        """The remaining packets of a track that lasts ``seconds``, rounded to a sample: the last is heard in part."""
        packets = self.encode_until(seconds)
        rest = round(seconds * self._sound.sample_rate) - self._position
        return [*packets, self._next(rest)] if rest > 0 else packets

    def _next(self, samples: int) -> av.Packet:
        import av

        packet = av.Packet(next(self._packets, self._sound.silence))
        packet.stream = self._stream
        packet.time_base = Fraction(1, self._sound.sample_rate)
        packet.pts = packet.dts = self._position
        packet.duration = samples
        self._position += AAC_FRAME
        return packet


def _start_of(container: InputContainer, stream: av.AudioStream, facts: PartFacts) -> int | None:
    """The sample at which the first packet starts, from the first picture on; None if it cannot be copied."""
    if stream.codec_context.name != "aac" or stream.profile != "LC":
        return None
    tick = Fraction(stream.time_base or 0)
    # Times are rounded to the file's clock: a smaller step is no gap.
    tolerance = 2 * tick * stream.rate
    start, count = 0, 0
    for packet in container.demux(stream):
        if not packet.size:  # only ends the stream
            continue
        if packet.is_corrupt or packet.pts is None:
            return None
        place = (packet.pts * tick - facts.origin) * stream.rate
        if not count:
            start = round(place)
        if start > 0 or abs(place - start - count * AAC_FRAME) > tolerance + 1:
            return None
        count += 1
    return start if count else None


def _silence_like(stream: av.AudioStream) -> bytes:
    """A packet of silence that the decoder of ``stream`` understands; empty if there is none.

    Two bytes of an AudioSpecificConfig (ISO/IEC 14496-3) say the kind of AAC, its rate and its channels.
    """
    import av
    import numpy as np

    context = stream.codec_context
    encoder = av.CodecContext.create("aac", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    if context.sample_rate not in (av.Codec("aac", "w").audio_rates or ()):
        return b""
    encoder.sample_rate, encoder.layout, encoder.format = context.sample_rate, context.layout.name, "fltp"
    nothing = np.zeros((len(context.layout.channels), AAC_FRAME), np.float32)
    packets = []
    for start in (0, AAC_FRAME, 2 * AAC_FRAME):
        packets += encoder.encode(audio_frame(nothing, context.layout.name, context.sample_rate, start))
    packets += encoder.encode(None)
    if (encoder.extradata or b"")[:2] != (context.extradata or b"-")[:2]:
        return b""
    return bytes(packets[1])
