"""A sound, and the AAC track made of it in step with the video."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from .settings import require_range

if TYPE_CHECKING:
    import av
    import numpy as np
    from av.container import OutputContainer

# What a sound of a rate that AAC does not know is resampled to.
FALLBACK_RATE = 48_000
# Samples in an AAC frame (ISO/IEC 14496-3, AAC-LC).
AAC_FRAME = 1024
# From so many channels on PyAV (18.1) counts planes that are not there, and a process that reads one dies.
PLANES_MISCOUNTED_FROM = 8
LAYOUTS = {1: "mono", 2: "stereo"}
# FFmpeg's default for a number of channels.
MORE_LAYOUTS = {3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


@dataclass(frozen=True, eq=False)
class Sound:
    """``waveform``: float32 ``[channels, samples]`` in -1..1, one or two channels; ``sample_rate`` in Hz.

    Values beyond -1..1 are clipped when the sound is encoded. NaN and infinities become silence: they
    are broken samples, and clipping an infinity would turn it into a loud click.

    Raises ``ValueOutOfRange`` for another number of dimensions or channels, or a rate outside
    1000..384000 Hz.
    """

    waveform: np.ndarray
    sample_rate: int

    def __post_init__(self) -> None:
        require_range("The number of dimensions of the waveform", self.waveform.ndim, 2, 2)
        require_range("The number of sound channels", self.waveform.shape[0], min(LAYOUTS), max(LAYOUTS))
        require_range("The sample rate of the sound", self.sample_rate, 1_000, 384_000)

    @property
    def layout(self) -> str:
        """FFmpeg's name for the channels: mono or stereo."""
        return LAYOUTS[self.waveform.shape[0]]

    def samples(self, start: int, stop: int) -> np.ndarray:
        """Samples ``start <= i < stop``, clean and padded with silence: float32 ``[channels, stop - start]``."""
        import numpy as np

        held = np.nan_to_num(self.waveform[:, start:stop], nan=0.0, posinf=0.0, neginf=0.0).clip(-1.0, 1.0)
        samples = np.zeros((len(held), stop - start), dtype=np.float32)
        samples[:, : held.shape[1]] = held
        return samples


def sound_of(waveform: np.ndarray, sample_rate: int) -> Sound:
    """A sound of any number of channels that FFmpeg has a usual order for (up to 8), more than two mixed to stereo.

    ``waveform``: float32 ``[channels, samples]``; six channels are taken for 5.1 in the order L R C LFE Ls Rs.

    Raises ``ValueOutOfRange`` as ``Sound`` does, and for more than 8 channels.
    """
    import av
    import numpy as np

    if waveform.ndim != 2 or waveform.shape[0] <= max(LAYOUTS):
        return Sound(waveform, sample_rate)
    require_range("The number of sound channels", waveform.shape[0], min(LAYOUTS), max(MORE_LAYOUTS))
    if not waveform.shape[1]:  # FFmpeg has no frame of no samples
        return Sound(waveform[: max(LAYOUTS)], sample_rate)
    resampler = av.AudioResampler(format="fltp", layout=LAYOUTS[2], rate=sample_rate)
    samples = np.ascontiguousarray(waveform, dtype=np.float32)
    frame = audio_frame(samples, MORE_LAYOUTS[waveform.shape[0]], sample_rate, 0)
    mixed = [part.to_ndarray() for each in (frame, None) for part in resampler.resample(each)]
    return Sound(np.concatenate([np.zeros((2, 0), np.float32), *mixed], axis=1), sample_rate)


class SoundSource(Protocol):
    """A sound that need not be in memory as a whole: it is read piece by piece, from its beginning to its end."""

    sample_rate: int
    layout: str

    def samples(self, start: int, stop: int) -> np.ndarray:
        """Samples ``start <= i < stop``, in -1..1 and padded with silence: float32 ``[channels, stop - start]``."""
        ...


def at_rate_for_aac(sound: Sound) -> Sound:
    """The same sound if AAC knows its rate, else resampled to ``FALLBACK_RATE`` (libswresample)."""
    import av
    import numpy as np

    if sound.sample_rate in (av.Codec("aac", "w").audio_rates or ()):
        return sound
    silence = np.zeros((sound.waveform.shape[0], 0), dtype=np.float32)
    if not sound.waveform.shape[1]:  # FFmpeg has no frame of no samples
        return Sound(silence, FALLBACK_RATE)
    resampler = av.AudioResampler(format="fltp", layout=sound.layout, rate=FALLBACK_RATE)
    parts = [
        part.to_ndarray()
        for frame in (_read_frame(sound, 0, sound.waveform.shape[1]), None)
        for part in resampler.resample(frame)
    ]
    return Sound(np.concatenate([silence, *parts], axis=1), FALLBACK_RATE)


class AacTrack:
    """Encodes a sound piece by piece, so that the muxer can interleave it with the video.

    The encoder puts one frame of priming before the first sample. The MP4 muxer writes that into an
    edit list, and players skip it: sound starts with the first picture.
    """

    def __init__(self, container: OutputContainer, sound: Sound | SoundSource, kbps: int) -> None:
        self.sound = at_rate_for_aac(sound) if isinstance(sound, Sound) else sound
        self.stream = container.add_stream("aac", rate=self.sound.sample_rate)
        self.stream.codec_context.layout = self.sound.layout
        self.stream.codec_context.bit_rate = kbps * 1000
        self.position = 0

    def encode_until(self, seconds: Fraction) -> list[av.Packet]:
        """Packets for the whole AAC frames before ``seconds``."""
        end = round(seconds * self.sound.sample_rate)
        packets: list[av.Packet] = []
        while self.position + AAC_FRAME <= end:
            packets += self._encode_next(AAC_FRAME)
        return packets

    def finish(self, seconds: Fraction) -> list[av.Packet]:
        """The remaining packets of a track that lasts ``seconds``, rounded to a sample."""
        packets = self.encode_until(seconds)
        rest = round(seconds * self.sound.sample_rate) - self.position
        if rest:
            packets += self._encode_next(rest)
        return packets + self.stream.encode(None)

    def _encode_next(self, count: int) -> list[av.Packet]:
        frame = _read_frame(self.sound, self.position, self.position + count)
        self.position += count
        return self.stream.encode(frame)


def audio_frame(samples: np.ndarray, layout: str, sample_rate: int, start: int) -> av.AudioFrame:
    """float32 ``[channels, samples]`` as FFmpeg wants it, from sample ``start`` on."""
    import av
    import numpy as np

    if len(samples) < PLANES_MISCOUNTED_FROM:
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    else:
        interleaved = np.ascontiguousarray(samples.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
    frame.sample_rate = sample_rate
    frame.time_base = Fraction(1, sample_rate)
    frame.pts = start
    return frame


def _read_frame(sound: Sound | SoundSource, start: int, stop: int) -> av.AudioFrame:
    return audio_frame(sound.samples(start, stop), sound.layout, sound.sample_rate, start)
