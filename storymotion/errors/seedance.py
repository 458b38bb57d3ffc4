"""Errors that only Seedance has: what cannot be asked of it, and what it may not answer."""

from __future__ import annotations

from dataclasses import dataclass

from .paid import PaidError


class SeedanceError(PaidError):
    """Seedance cannot make this shot as it was asked."""


@dataclass(eq=False)
class SeedanceModelRetired(SeedanceError):
    """The service has shut the model down."""

    code = "seedance-model-retired"
    problem = "The Seedance model '{model}' was shut down on {date}."
    remedy = "Choose one of: {choices}."
    model: str
    date: str
    choices: str


@dataclass(eq=False)
class SeedanceCannot(SeedanceError):
    """The chosen model does not offer this value of a setting; ``what`` is the name of the input."""

    code = "seedance-cannot"
    problem = "{what} is {value}, which {model} does not offer."
    remedy = "Set {what} to {choices}, or choose another model."
    model: str
    what: str
    value: str
    choices: str


@dataclass(eq=False)
class SeedancePromptMissing(SeedanceError):
    """Neither words nor a picture."""

    code = "seedance-prompt-missing"
    problem = "The shot has neither a prompt nor a first frame."
    remedy = "Say in the prompt what moves, or connect a picture to first_frame."


@dataclass(eq=False)
class SeedancePromptCommand(SeedanceError):
    """The service takes ``--word value`` in a prompt for a setting and can change what the shot costs."""

    code = "seedance-prompt-command"
    problem = "The prompt contains '{command}', which the service would take for a setting, not for words."
    remedy = "Remove it and use the node's inputs: resolution, ratio, duration and the others are sent from there."
    command: str


@dataclass(eq=False)
class SeedanceFirstFrameMissing(SeedanceError):
    """A last frame alone is not a mode of the service."""

    code = "seedance-first-frame-missing"
    problem = "last_frame has a picture, but first_frame has none."
    remedy = "Connect the picture that the shot starts with to first_frame."


@dataclass(eq=False)
class SeedancePictureUnusable(SeedanceError):
    """A picture that the service would refuse; ``role`` is the name of the input."""

    code = "seedance-picture-unusable"
    problem = "The picture at {role} cannot be sent to Seedance: {reason}."
    remedy = "Give a PNG or JPEG of 300 to 6000 pixels a side, between 2:5 and 5:2, and below 30 MB."
    role: str
    reason: str


@dataclass(eq=False)
class SeedanceRequestTooLarge(SeedanceError):
    """The service takes at most 64 MB in all."""

    code = "seedance-request-too-large"
    problem = "The request with its pictures is {megabytes:.1f} MB, but the service takes at most {most} MB."
    remedy = "Use smaller pictures."
    megabytes: float
    most: int


@dataclass(eq=False)
class SeedanceForeignHost(SeedanceError):
    """The address of a video, or where it forwards to, is at no host of the service; nothing is fetched there."""

    code = "seedance-foreign-host"
    problem = "The video of the paid task is said to be at '{host}', which is not a host of the service."
    remedy = "Nothing was fetched from there. The shot stays in the journal; look at the task in the service's console."
    host: str


@dataclass(eq=False)
class SeedanceVideoNotFetched(SeedanceError):
    """The video is made and paid, but it did not come over whole, or could not be saved."""

    code = "seedance-video-not-fetched"
    problem = "The video of the paid task {task} could not be fetched: {reason}."
    remedy = (
        "It is paid and kept by the service for 24 hours: queue the same again or run the Collect node, which pay "
        "nothing."
    )
    task: str
    reason: str
