"""The knobs of an encode, checked when they are set."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UnknownChoice, ValueOutOfRange

# x264's presets, fastest first; its "placebo" is left out because it gains nothing over "veryslow".
SPEEDS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
# x264's picture tunings; "none" leaves the preset as it is.
TUNES = ("animation", "film", "grain", "stillimage", "none")
# yuv420p stores colour at half size and plays everywhere; yuv444p keeps it, but browsers other than
# Chrome, phones and most hardware decoders refuse it: a master, not a delivery file.
PIXEL_FORMATS = ("yuv420p", "yuv444p")
# What becomes of a side of odd length, which yuv420p cannot have: one more row or column like its
# neighbour, one less, or an error.
ODD_SIZES = ("pad", "crop", "error")
CRF_RANGE = (0.0, 51.0)
AUDIO_KBPS_RANGE = (32, 320)


@dataclass(frozen=True)
class EncodeSettings:
    """How a video is compressed. The defaults are meant for line art.

    ``crf`` is x264's constant rate factor, 0 (lossless) to 51 (worst); ``speed`` one of ``SPEEDS``;
    ``tune`` one of ``TUNES``; ``pixel_format`` one of ``PIXEL_FORMATS``; ``audio_kbps`` the bit rate
    of the AAC track in 1000 bit/s, 32 to 320. ``line_art_2x`` doubles both sides with a Lanczos
    filter, so that 4:2:0 stores colour at the size the frames were drawn in. ``odd_size``, one of
    ``ODD_SIZES``, is asked where a side is odd and the pixel format wants it even. ``on_twos`` shows
    every other frame for twice its time, as drawn animation does; number and rate of the frames stay.

    Raises ``ValueOutOfRange`` (also for NaN) and ``UnknownChoice``.
    """

    crf: float = 18.0
    speed: str = "fast"
    tune: str = "animation"
    pixel_format: str = "yuv420p"
    audio_kbps: int = 128
    line_art_2x: bool = False
    odd_size: str = "error"
    on_twos: bool = False

    def __post_init__(self) -> None:
        require_range("crf", self.crf, *CRF_RANGE)
        require_range("audio_kbps", self.audio_kbps, *AUDIO_KBPS_RANGE)
        require_choice("speed", self.speed, SPEEDS)
        require_choice("tune", self.tune, TUNES)
        require_choice("pixel_format", self.pixel_format, PIXEL_FORMATS)
        require_choice("odd_size", self.odd_size, ODD_SIZES)


def require_range(name: str, value: float, lowest: float, highest: float) -> None:
    """Raise ``ValueOutOfRange`` unless ``lowest <= value <= highest``; NaN is outside every range."""
    if not lowest <= value <= highest:
        raise ValueOutOfRange(name, value, lowest, highest)


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ``UnknownChoice`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise UnknownChoice(name, value, ", ".join(choices))


DEFAULT_SETTINGS = EncodeSettings()
