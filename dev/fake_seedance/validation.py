"""The service's checks of a create request: strict for parameters, weak for commands in the text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

from .content import Content, read_content
from .models import Model, models
from .orders import Order, request_digest
from .refusal import Refusal, invalid, missing, unsupported

RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive")
LARGEST_SEED = 2**31 - 1
COMMAND = re.compile(r"--([a-z]+)[ \t]+(\S+)")
COMMANDS = {
    "resolution": "resolution",
    "rs": "resolution",
    "ratio": "ratio",
    "rt": "ratio",
    "duration": "duration",
    "dur": "duration",
    "frames": "frames",
    "seed": "seed",
    "camerafixed": "camera_fixed",
    "cf": "camera_fixed",
    "watermark": "watermark",
    "wm": "watermark",
}


def read_order(body: object, now: float, chance: random.Random) -> Order:
    """What a create request asks for; raises Refusal. Of several bad parameters one, by ``chance``, is named."""
    if not isinstance(body, dict):
        raise invalid("body", "it has to be a JSON object")
    given = {name: value for name, value in body.items() if value is not None}  # null means not given
    model = _find_model(given.get("model"), now)
    content = read_content(given.get("content"), model)
    problems = [
        problem for name, check in CHECKS.items() if name in given and (problem := check(given[name], model, content))
    ]
    if given.get("service_tier") == "flex" and "priority" in given:
        problems.append(invalid("priority", "the flex tier has none"))
    if given.get("draft") is True and given.get("resolution", "480p") != "480p":
        problems.append(invalid("resolution", "a draft is always 480p"))
    if problems:
        raise chance.choice(problems)
    return _fill_in(given, model, content, chance)


def _find_model(name: object, now: float) -> Model:
    if name is None:
        raise missing("model")
    model = models().get(name) if isinstance(name, str) else None
    if model is None or now >= model.shut_down:
        message = f"The model or endpoint {name} does not exist or you do not have access to it."
        raise Refusal(404, "InvalidEndpointOrModel.NotFound", message, "model")
    return model


def _resolution(value: object, model: Model, _: Content) -> Refusal | None:
    if value not in model.resolutions:
        return invalid("resolution", f"{model.id} takes {', '.join(model.resolutions)}")
    return None


def _ratio(value: object, model: Model, content: Content) -> Refusal | None:
    if value not in RATIOS:
        return invalid("ratio", f"it has to be one of {', '.join(RATIOS)}")
    if value == "adaptive" and not model.is_2 and not model.audio and not content.has_image:
        return invalid("ratio", "adaptive needs an image")
    if value != "adaptive" and model.task_types and "last_frame" in content.roles:
        return invalid("ratio", "with a last frame it has to be adaptive")
    return None


def _duration(value: object, model: Model, _: Content) -> Refusal | None:
    shortest, longest = model.seconds
    if _is_int(value, shortest, longest) or (value == -1 and _is_int(value, -1, -1) and model.chooses_seconds):
        return None
    return invalid("duration", f"it has to be a whole number from {shortest} to {longest}")


def _frames(value: object, model: Model, _: Content) -> Refusal | None:
    if not model.frames:
        return unsupported("frames", model.id)
    if not isinstance(value, int) or not _is_int(value, 29, 289) or (value - 25) % 4:
        return invalid("frames", "it has to be 25 + 4n from 29 to 289")
    return None


def _seed(value: object, model: Model, _: Content) -> Refusal | None:
    if not model.seed:
        return unsupported("seed", model.id)
    return None if _is_int(value, -1, LARGEST_SEED) else invalid("seed", f"it has to be -1 to {LARGEST_SEED}")


def _camera_fixed(value: object, model: Model, _: Content) -> Refusal | None:
    if not model.seed:
        return unsupported("camera_fixed", model.id)
    return _flag("camera_fixed")(value, model, _)


def _generate_audio(value: object, model: Model, _: Content) -> Refusal | None:
    return _flag("generate_audio")(value, model, _) if model.audio else unsupported("generate_audio", model.id)


def _draft(value: object, model: Model, _: Content) -> Refusal | None:
    return _flag("draft")(value, model, _) if model.draft else unsupported("draft", model.id)


def _priority(value: object, model: Model, _: Content) -> Refusal | None:
    if not model.priority:
        return unsupported("priority", model.id)
    return None if _is_int(value, 0, 9) else invalid("priority", "it has to be 0 to 9")


def _service_tier(value: object, model: Model, _: Content) -> Refusal | None:
    if value not in ("default", "flex"):
        return invalid("service_tier", "it has to be default or flex")
    return invalid("service_tier", f"{model.id} has no flex tier") if value == "flex" and not model.flex else None


def _expires(value: object, _model: Model, _: Content) -> Refusal | None:
    return None if _is_int(value, 3600, 259200) else invalid("execution_expires_after", "it has to be 3600 to 259200")


def _output_format(value: object, model: Model, _: Content) -> Refusal | None:
    return None if value in model.formats else invalid("output_format", f"{model.id} makes {', '.join(model.formats)}")


def _safety_identifier(value: object, _model: Model, _: Content) -> Refusal | None:
    if isinstance(value, str) and len(value) <= 64:
        return None
    return invalid("safety_identifier", "it has to be at most 64 characters")


def _callback_url(value: object, _model: Model, _: Content) -> Refusal | None:
    return None if isinstance(value, str) else invalid("callback_url", "it has to be a URL")


def _task_type(value: object, model: Model, _: Content) -> Refusal | None:
    if not model.task_types:
        return unsupported("omni_reference_task_type", model.id)
    known = ", ".join(model.task_types)
    return None if value in model.task_types else invalid("omni_reference_task_type", f"it has to be one of {known}")


Check = Callable[[object, Model, Content], "Refusal | None"]


def _flag(name: str) -> Check:
    return lambda value, _model, _: None if isinstance(value, bool) else invalid(name, "it has to be true or false")


CHECKS: dict[str, Check] = {
    "resolution": _resolution,
    "ratio": _ratio,
    "duration": _duration,
    "frames": _frames,
    "seed": _seed,
    "camera_fixed": _camera_fixed,
    "watermark": _flag("watermark"),
    "generate_audio": _generate_audio,
    "return_last_frame": _flag("return_last_frame"),
    "service_tier": _service_tier,
    "execution_expires_after": _expires,
    "priority": _priority,
    "draft": _draft,
    "output_format": _output_format,
    "safety_identifier": _safety_identifier,
    "callback_url": _callback_url,
    "omni_reference_task_type": _task_type,
}


def _is_int(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _commands(content: Content, model: Model) -> dict[str, Any]:
    """What ``--word value`` in the text asks for. A bad value is as if it were not there: the default is used."""
    found: dict[str, Any] = {}
    for word, text in COMMAND.findall(content.text):
        name = COMMANDS.get(word)
        if name is None:
            continue
        value: object = text
        if re.fullmatch(r"-?\d+", text):
            value = int(text)
        elif text in ("true", "false"):
            value = text == "true"
        if CHECKS[name](value, model, content) is None:
            found[name] = value
    return found


def _fill_in(given: dict[str, Any], model: Model, content: Content, chance: random.Random) -> Order:
    asked = _commands(content, model) | given
    seed = asked.get("seed", -1)
    frames = asked.get("frames")
    seconds = asked.get("duration", model.default_seconds)
    ratio = asked.get("ratio", "16:9" if not model.audio and not content.has_image else "adaptive")
    resolution = "480p" if asked.get("draft") else asked.get("resolution", model.default_resolution)
    return Order(
        model=model,
        digest=request_digest(given),
        resolution=resolution,
        ratio=_nearest_ratio(model, resolution, content.aspect) if ratio == "adaptive" else ratio,
        # Where the model may choose, the fake chooses the longest: the dearest case.
        seconds=None if frames else model.seconds[1] if seconds == -1 else seconds,
        frames=frames,
        seed=(seed if seed != -1 else chance.randrange(LARGEST_SEED)) if model.seed else None,
        watermark=asked.get("watermark", False),
        camera_fixed=asked.get("camera_fixed", False) if model.seed else None,
        generate_audio=asked.get("generate_audio", True) if model.audio else None,
        return_last_frame=asked.get("return_last_frame", False),
        service_tier=asked.get("service_tier", "default"),
        execution_expires_after=asked.get("execution_expires_after", 172800),
        priority=asked.get("priority", 0) if model.priority else None,
        draft=asked.get("draft", False) if model.draft else None,
        output_format=asked.get("output_format", "mp4"),
        safety_identifier=asked.get("safety_identifier"),
        video_input="reference_video" in content.roles,
    )


def _nearest_ratio(model: Model, resolution: str, aspect: float | None) -> str:
    if aspect is None:
        return "16:9"
    sizes = model.sizes[resolution]
    return min(sizes, key=lambda ratio: abs(sizes[ratio][0] / sizes[ratio][1] / aspect - 1))
