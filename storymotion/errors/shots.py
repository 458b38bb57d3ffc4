"""Errors in what is to be rendered: lists of scenes, sizes, lengths, guidance, guides."""

from __future__ import annotations

from dataclasses import dataclass

from .base import StoryMotionError


@dataclass(eq=False)
class ListLengthsDisagree(StoryMotionError):
    """A node got lists of different lengths; which value belongs to which scene would be a guess.

    ``lengths``: every socket with more than one value and how many, "dialogue 6, seed 4".
    """

    code = "list-lengths-disagree"
    problem = "The inputs have different numbers of values: {lengths}."
    remedy = "Give each of them one value for every scene, or a single value for all scenes."
    lengths: str


@dataclass(eq=False)
class EmptyList(StoryMotionError):
    """A node got a list without a value, as when a filter upstream left nothing."""

    code = "empty-list"
    problem = "The input {name} got an empty list."
    remedy = "Check the node that is connected to it: it has to hand on at least one value."
    name: str


@dataclass(eq=False)
class GuidanceBlockMissing(StoryMotionError):
    """STG names a block that is not there; the SDK would do nothing and still take the time."""

    code = "guidance-block-missing"
    problem = "{name} is {value}, but the checkpoint has the blocks 0 to {last}."
    remedy = "Use a block from 0 to {last}, several such as 28,29, or auto; to switch STG off set stg to 0."
    name: str
    value: str
    last: int


class ShotError(StoryMotionError):
    """The plan of a shot cannot be rendered."""


@dataclass(eq=False)
class SizeNotMultiple(ShotError):
    """Width or height is off the model's grid: 32 pixels in one stage, 64 in two."""

    code = "size-not-multiple"
    problem = "The {side} of the shot is {value} pixels, which is not a multiple of {multiple}."
    remedy = "Use {lower} or {upper}, or take the size from the Shot Plan node."
    side: str
    value: int
    multiple: int
    lower: int
    upper: int


@dataclass(eq=False)
class FramesNotOnGrid(ShotError):
    """The frame count is not 8k+1: the SDK would cut the video and not the sound."""

    code = "frames-not-on-grid"
    problem = "The shot has {frames} frames, but LTX-2 makes 8k+1 frames (9, 17, ... 121, ... 193)."
    remedy = "Use {lower} or {upper}, or take the frames from the Shot Plan node."
    frames: int
    lower: int
    upper: int


@dataclass(eq=False)
class ShotWithoutSound(ShotError):
    """Frames / fps is so short that the sound model gets nothing to make."""

    code = "shot-without-sound"
    problem = "{frames} frames at {fps:g} frames per second last {seconds:.3f} s, too short for any sound."
    remedy = "Use more frames or fewer frames per second: a shot lasts at least 0.02 s."
    frames: int
    fps: float
    seconds: float


class GuideError(StoryMotionError):
    """A guide image cannot be used."""


@dataclass(eq=False)
class UnreadableImage(GuideError):
    """No picture can be made of the input."""

    code = "unreadable-image"
    problem = "The guide image cannot be read: {reason}."
    remedy = "Load a PNG, JPEG or WebP picture of at least 2 x 2 pixels with the Load Image node."
    reason: str


@dataclass(eq=False)
class SeveralPictures(GuideError):
    """A batch came where one picture belongs."""

    code = "several-pictures"
    problem = "The image input holds {count} pictures, but a guide is one picture."
    remedy = "Pick one with the ImageFromBatch node, or use one Image Guide node for each."
    count: int


@dataclass(eq=False)
class GuideOutsideShot(GuideError):
    """The frame of a guide is not in the shot; the SDK would accept it and render something else."""

    code = "guide-outside-shot"
    problem = "A guide is set on frame {frame}, but the shot has the frames 0 to {last}."
    remedy = "Use a frame from 0 to {last}, or -1 for the last one."
    frame: int
    last: int


@dataclass(eq=False)
class GuidesOnSameFrame(GuideError):
    """Two guides ask for the same frame; the SDK would mix them without a word."""

    code = "guides-on-same-frame"
    problem = "Two guides are set on frame {frame}."
    remedy = "Keep one of them, or move one to another frame."
    frame: int


@dataclass(eq=False)
class GuidesMissing(GuideError):
    """Keyframes were asked for without a picture; the SDK would render from the prompt alone."""

    code = "guides-missing"
    problem = "The Keyframes node has no guides."
    remedy = "Connect at least one Image Guide, usually one on frame 0 and one on frame -1."
