"""Errors while video and sound are written or read."""

from __future__ import annotations

from dataclasses import dataclass

from ..messages import Bilingual
from .base import StoryMotionError


class MediaError(StoryMotionError):
    """A video file cannot be written or read."""


@dataclass(eq=False)
class NoFrames(MediaError):
    """Nothing to encode."""

    code = "no-frames"
    problem = "The video has no frames."
    remedy = "Connect a node that makes at least one frame."


@dataclass(eq=False)
class OddSize(MediaError):
    """4:2:0 video stores colour at half size, so both sides must be even."""

    code = "odd-size"
    problem = "The video is {width} x {height} pixels, but {pixel_format} needs even sides."
    remedy = "Resize it to {even_width} x {even_height}, or choose yuv444p."
    width: int
    height: int
    pixel_format: str
    even_width: int
    even_height: int


@dataclass(eq=False)
class WrongFrame(MediaError):
    """A frame is not 8-bit RGB of the video's size."""

    code = "wrong-frame"
    problem = "Frame {index} is {found}, but this video needs {wanted}."
    remedy = "Give frames of one size as 8-bit RGB."
    index: int
    found: str
    wanted: str


@dataclass(eq=False)
class EncodeFailed(MediaError):
    """The encoder or the disk refused; no half-written file is left behind."""

    code = "encode-failed"
    problem = "The video '{name}' could not be written: {reason}."
    remedy = "Check that the disk has room and that the output folder can be written to."
    name: str
    reason: str


@dataclass(eq=False)
class NoRoomForFrames(MediaError):
    """The disk cannot hold the frames that main memory should not."""

    code = "no-room-for-frames"
    problem = "No room for {megabytes} MB of frames in '{folder}': {reason}."
    remedy = "Free some space on that disk, or make fewer shots in one queue."
    folder: str
    megabytes: int
    reason: str


@dataclass(eq=False)
class UnreadableVideo(MediaError):
    """The file cannot be opened as video, or holds no video."""

    code = "unreadable-video"
    problem = "The video '{name}' cannot be read: {reason}."
    remedy = "Check that the file is there and plays in a media player."
    name: str
    reason: str


@dataclass(eq=False)
class ShotUncheckable(MediaError):
    """Too short or too small to say anything about it."""

    code = "shot-uncheckable"
    problem = "The shot has {frames} frames of {width} x {height} pixels, which is too little to check."
    remedy = "Connect a shot of at least {least_frames} frames, with sides of at least {least_side} pixels."
    frames: int
    width: int
    height: int
    least_frames: int
    least_side: int


@dataclass(eq=False)
class WideColour(MediaError):
    """HDR or BT.2020: without tone mapping its colours would come out pale and wrong."""

    code = "wide-colour"
    problem = "The video '{name}' is {kind}, whose colours do not fit into BT.709."
    remedy = "Export it as SDR first, or record with HDR switched off."
    name: str
    kind: str


@dataclass(eq=False)
class NothingToJoin(MediaError):
    """A film of no shots."""

    code = "nothing-to-join"
    problem = "There are no shots to join."
    remedy = "Connect the shots of the story."


@dataclass(eq=False)
class ShotsDiffer(MediaError):
    """Shots of several sizes or frame rates, and nobody asked to fit them to one."""

    code = "shots-differ"
    problem = "The film is {width} x {height} at {fps} fps, as most of its {count} shots, but not all are: {differing}."
    remedy = "Make them alike, or set mismatch to fit."
    width: int
    height: int
    fps: str
    count: int
    differing: str


@dataclass(eq=False)
class SeveralValues(MediaError):
    """A list came where the whole film has one value."""

    code = "several-values"
    problem = "{name} has {count} different values, but there is one film."
    remedy = "Connect one value instead of a list."
    name: str
    count: int


@dataclass(eq=False)
class StoryIncomplete(MediaError):
    """Scenes of the story failed, and the user wants to know only after the others are saved."""

    code = "story-incomplete"
    problem = "{failed} of {total} scenes failed: {scenes}."
    remedy = "The others are saved ({saved}); put right what failed and queue again."
    failed: int
    total: int
    scenes: str | Bilingual
    saved: str
