"""One shot to be made: checked before it is sent, hashed so that it is never paid for twice, worded as the service
wants it.

Every setting that the model has is sent explicitly at the top level: the service checks those strictly, while it
replaces a mistyped ``--word`` in the prompt by a default that can cost more than twice as much, and its
defaults are the dearest (1080p on the cheapest model).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from ...errors import (
    SeedanceCannot,
    SeedanceFirstFrameMissing,
    SeedancePromptCommand,
    SeedancePromptMissing,
    SeedanceRequestTooLarge,
    ValueOutOfRange,
)
from ...report import Line, line
from .models import ADAPTIVE, AUTOMATIC_SECONDS, RATIOS, Model
from .pictures import check_picture, picture_digest
from .quote import Shape

DERIVED_SEED = -1
LARGEST_SEED = 2**31 - 1
LARGEST_TAKE = 10**6
MOST_MEGABYTES = 64
# "--rs 1080p", also with the dashes that editors put in for two hyphens.
COMMAND = re.compile("(?:--+|[\u2013\u2014\u2015]+)[A-Za-z][A-Za-z_-]*")
SERVICE_COMMANDS = (
    *("resolution", "rs", "ratio", "rt", "duration", "dur", "frames", "framespersecond", "fps"),
    *("seed", "camerafixed", "cf", "watermark", "wm"),
)


@dataclass(frozen=True)
class SeedanceRequest:
    """One take of one shot.

    ``duration``: seconds, -1 where the model may choose. ``seed``: 0 to 2147483647, or -1 for one that is
    derived from everything else here. ``first_frame`` and ``last_frame``: whole image files. ``take``: from 1;
    the same request with the same take is the same shot and never paid for twice.
    """

    model: str
    prompt: str
    resolution: str = "720p"
    ratio: str = "16:9"
    duration: int = 5
    seed: int = DERIVED_SEED
    camera_fixed: bool = True
    watermark: bool = False
    service_tier: str = "default"
    sound: bool = True
    first_frame: bytes | None = field(default=None, repr=False)
    last_frame: bytes | None = field(default=None, repr=False)
    take: int = 1

    def shape(self, model: Model) -> Shape:
        """What its price hangs on."""
        return Shape(
            self.model, self.resolution, self.ratio, self.duration, self.service_tier, model.sound and self.sound
        )


def check_request(request: SeedanceRequest, model: Model) -> tuple[Line, ...]:
    """Refuse what the service would refuse, or would take for something else; say what the model cannot use.

    Raises SeedanceCannot, SeedancePromptMissing, SeedancePromptCommand, SeedanceFirstFrameMissing,
    SeedancePictureUnusable, SeedanceRequestTooLarge, ValueOutOfRange.
    """
    check_shape(request, model)
    if not DERIVED_SEED <= request.seed <= LARGEST_SEED:
        raise ValueOutOfRange("seed", request.seed, DERIVED_SEED, LARGEST_SEED)
    if not 1 <= request.take <= LARGEST_TAKE:
        raise ValueOutOfRange("take", request.take, 1, LARGEST_TAKE)
    _check_prompt(request)
    size = len(request.prompt.encode("utf-8", "replace")) + 10_000
    for role, picture in (("first_frame", request.first_frame), ("last_frame", request.last_frame)):
        if picture is not None:
            check_picture(picture, role)
            size += len(picture) * 4 // 3 + 4
    if size > MOST_MEGABYTES * 10**6:
        raise SeedanceRequestTooLarge(size / 10**6, MOST_MEGABYTES)
    notes: list[Line] = []
    if not model.seed and request.seed != DERIVED_SEED:
        notes.append(line("seedance-ignores", model=model.name, what="seed"))
    if not model.camera_fixed and request.camera_fixed:
        notes.append(line("seedance-ignores", model=model.name, what="camera_fixed"))
    return tuple(notes)


def check_shape(request: SeedanceRequest, model: Model) -> None:
    """The part of ``check_request`` that a quote needs. Raises SeedanceCannot, SeedanceFirstFrameMissing."""
    _check_choice(model, "resolution", request.resolution, model.resolutions)
    _check_choice(model, "service_tier", request.service_tier, model.service_tiers)
    ratios = (*RATIOS, ADAPTIVE)
    if request.first_frame is None and not model.adaptive_from_text:
        ratios = RATIOS
    if request.last_frame is not None:
        if request.first_frame is None:
            raise SeedanceFirstFrameMissing()
        if not model.last_frame:
            raise SeedanceCannot(model.name, "last_frame", "connected", "nothing")
        ratios = model.first_last_ratios or ratios
    _check_choice(model, "ratio", request.ratio, ratios)
    least, most = model.seconds
    if not (least <= request.duration <= most or (model.automatic_seconds and request.duration == AUTOMATIC_SECONDS)):
        choices = f"{least} to {most}" + (", or -1 for as long as the model likes" if model.automatic_seconds else "")
        raise SeedanceCannot(model.name, "duration", str(request.duration), choices)


def request_digest(request: SeedanceRequest, model: Model, origin: str) -> str:
    """sha256 (hex) of what makes this shot this shot; ``origin`` is the service, "https://host".

    The take is in it, the key is not: a new key must still find what an old one paid for.
    """
    return _digest(request, model, origin, effective_seed(request, model, origin))


def effective_seed(request: SeedanceRequest, model: Model, origin: str) -> int | None:
    """The seed that is sent: the request's own, or one derived from all the rest of it; None where there is none.

    A finished task says its seed, so this is also what finds a task again whose id was lost.
    """
    if not model.seed:
        return None
    if request.seed != DERIVED_SEED:
        return request.seed
    return int(_digest(request, model, origin, None)[:8], 16) & LARGEST_SEED


def request_body(request: SeedanceRequest, model: Model, origin: str) -> dict[str, Any]:
    """The JSON body of the create call, pictures as data URLs; for a request that ``check_request`` passed."""
    content: list[dict[str, Any]] = []
    if request.prompt.strip():
        content.append({"type": "text", "text": request.prompt})
    for role, picture in (("first_frame", request.first_frame), ("last_frame", request.last_frame)):
        if picture is not None:
            kind = check_picture(picture, role)
            url = f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
            content.append({"type": "image_url", "image_url": {"url": url}, "role": role})
    return {"content": content, **_settings(request, model, effective_seed(request, model, origin))}


def journal_settings(request: SeedanceRequest, model: Model, origin: str) -> dict[str, Any]:
    """What the journal keeps of a request: the settings that are sent, and the hashes of the pictures."""
    return {**_settings(request, model, effective_seed(request, model, origin)), **_picture_digests(request)}


def _settings(request: SeedanceRequest, model: Model, seed: int | None) -> dict[str, Any]:
    """All top-level fields of the body but ``content``."""
    settings: dict[str, Any] = {
        "model": request.model,
        "resolution": request.resolution,
        "ratio": request.ratio,
        "duration": request.duration,
        "watermark": request.watermark,
        "service_tier": request.service_tier,
    }
    if seed is not None:
        settings["seed"] = seed
    if model.camera_fixed:
        settings["camera_fixed"] = request.camera_fixed
    if model.sound:
        settings["generate_audio"] = request.sound
    return settings


def _digest(request: SeedanceRequest, model: Model, origin: str, seed: int | None) -> str:
    identity = {
        **_settings(request, model, seed),
        "origin": origin,
        "prompt": request.prompt,
        "pictures": _picture_digests(request),
        "take": request.take,
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _picture_digests(request: SeedanceRequest) -> dict[str, str]:
    pictures = (("first_frame", request.first_frame), ("last_frame", request.last_frame))
    return {role: picture_digest(picture) for role, picture in pictures if picture is not None}


def _check_prompt(request: SeedanceRequest) -> None:
    if not request.prompt.strip() and request.first_frame is None:
        raise SeedancePromptMissing()
    for found in COMMAND.finditer(request.prompt):
        dashes_are_typed = found.group().startswith("--")
        if dashes_are_typed or found.group().lstrip("\u2013\u2014\u2015").lower() in SERVICE_COMMANDS:
            raise SeedancePromptCommand(found.group())


def _check_choice(model: Model, what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SeedanceCannot(model.name, what, value, ", ".join(choices))
