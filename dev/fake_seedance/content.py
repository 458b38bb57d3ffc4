"""The ``content`` list of a create request: text, images, references, and the modes they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .images import check_image
from .models import Model
from .refusal import Refusal, invalid, missing

IMAGE_ROLES = ("first_frame", "last_frame", "reference_image")
# What must be in an item, by its type, and the role that it may have.
MEDIA = {"video_url": "reference_video", "audio_url": "reference_audio"}


@dataclass(frozen=True)
class Content:
    """What is in the list. ``aspect`` is that of the first image that could be read."""

    text: str
    roles: tuple[str, ...]
    aspect: float | None

    @property
    def has_image(self) -> bool:
        """Whether the video is made from an image."""
        return any(role in IMAGE_ROLES for role in self.roles)

    @property
    def has_reference(self) -> bool:
        """Whether it is in reference mode."""
        return any(role.startswith("reference_") for role in self.roles)


def read_content(content: object, model: Model) -> Content:
    """Check the list against the model's rules; raises Refusal."""
    if content is None:
        raise missing("content")
    if not isinstance(content, list) or not content:
        raise invalid("content", "it has to be a list with at least one item")
    texts: list[str] = []
    images: list[tuple[str | None, float | None]] = []
    roles: list[str] = []
    for item in content:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "text":
            if not isinstance(item.get("text"), str):
                raise missing("content.text")
            texts.append(item["text"])
        elif kind == "image_url":
            images.append((_image_role(item), check_image(_url(item, "image_url"), model)))
        elif kind in MEDIA:
            if item.get("role") != MEDIA[kind]:
                raise invalid("content.role", f"the role of a {kind} has to be {MEDIA[kind]}")
            if not isinstance(_url(item, kind), str):
                raise missing(f"content.{kind}.url")
            roles.append(MEDIA[kind])
        else:
            raise invalid("content.type", f"{kind!r} is not one of text, image_url, video_url, audio_url")
    if len(images) > 1 and any(role is None for role, _ in images):
        raise missing("content.role")
    roles += [role or "first_frame" for role, _ in images]
    _check_modes(roles, model)
    if not roles and not "".join(texts).strip():
        raise missing("content.text")
    aspects = [aspect for _, aspect in images if aspect is not None]
    return Content("\n".join(texts), tuple(roles), aspects[0] if aspects else None)


def _url(item: dict[str, Any], kind: str) -> object:
    holder = item.get(kind)
    if not isinstance(holder, dict):  # a bare string is refused
        raise invalid(f"content.{kind}", 'it has to be an object like {"url": "..."}')
    return holder.get("url")


def _image_role(item: dict[str, Any]) -> str | None:
    role = item.get("role")
    if role is not None and role not in IMAGE_ROLES:
        raise invalid("content.role", f"the role of an image has to be one of {', '.join(IMAGE_ROLES)}")
    return role


def _check_modes(roles: list[str], model: Model) -> None:
    limits = dict(zip(("reference_image", "reference_video", "reference_audio"), model.references))
    for role, most in limits.items():
        if roles.count(role) > most:
            raise Refusal(400, "InvalidParameter", f"{model.id} takes at most {most} of role {role}.", "content")
    frames = [role for role in roles if role in ("first_frame", "last_frame")]
    if frames and len(frames) < len(roles):
        raise invalid("content", "first frame, first and last frame, and references cannot be mixed")
    if len(frames) != len(set(frames)) or frames == ["last_frame"]:
        raise invalid("content", "there has to be one first frame, and at most one last frame")
    if "last_frame" in frames and not model.last_frame:
        raise Refusal(400, "InvalidParameter", f"{model.id} takes no last frame.", "content")
