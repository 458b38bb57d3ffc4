"""The service's rules for an image: how it is sent, its format, its size."""

from __future__ import annotations

import base64
import binascii
import io
import re

from .models import Model
from .refusal import Refusal, invalid

FORMATS = ("jpeg", "png", "webp", "bmp", "tiff", "gif")
# Pillow cannot read these; the 2.x models take them, and the fake lets them through unread.
UNREAD_FORMATS = ("heic", "heif")
LARGEST_BYTES = 30 * 1000 * 1000
SIDES = (300, 6000)
ASPECTS = (0.4, 2.5)
DATA_URL = re.compile(r"data:image/([^;,]*);base64,(.*)", re.DOTALL)


def check_image(url: object, model: Model) -> float | None:
    """The aspect (width / height) of the image that ``url`` gives, None where it cannot be known; raises Refusal.

    Only data URLs are read: the fake opens no connection, so it takes any http(s) URL unread.
    """
    if not isinstance(url, str) or not url:
        raise Refusal(400, "InvalidImageURL.EmptyURL", "The image URL is empty.", "image_url")
    if url.startswith("asset://"):
        if not model.is_2:
            raise Refusal(400, "InvalidImageURL.InvalidFormat", f"{model.id} takes no assets.", "image_url")
        return None
    if url.startswith(("https://", "http://")):
        return None
    match = DATA_URL.fullmatch(url)
    if match is None:
        raise _bad_format("The image URL is neither a URL nor data:image/<format>;base64,<data>.")
    declared, data = match.groups()
    if declared in UNREAD_FORMATS and model.is_2:
        return None
    if declared not in FORMATS:
        raise _bad_format(f"The image format {declared} is not supported; it has to be lower case.")
    return _aspect_of(data)


def _aspect_of(data: str) -> float:
    from PIL import Image

    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise _bad_format("The image data is not valid base64.") from None
    if len(content) >= LARGEST_BYTES:
        raise invalid("image_url", "the image has to be smaller than 30 MB")
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height, found = *image.size, (image.format or "").lower()
            image.verify()
    except Exception:  # Pillow raises many kinds for a file that is no image
        raise _bad_format("The image cannot be read.") from None
    if found not in (*FORMATS, "mpo"):  # an MPO is a JPEG with more pictures behind it
        raise _bad_format(f"The image format {found} is not supported.")
    if not all(SIDES[0] <= side <= SIDES[1] for side in (width, height)):
        raise invalid("image_url", f"the image is {width}x{height}, each side has to be 300 to 6000 pixels")
    if not ASPECTS[0] <= width / height <= ASPECTS[1]:
        raise invalid("image_url", f"the image's width/height is {width / height:.3f}, it has to be 0.4 to 2.5")
    return width / height


def _bad_format(message: str) -> Refusal:
    return Refusal(400, "InvalidImageURL.InvalidFormat", message, "image_url")
