"""Pictures on their way to the service: 8-bit arrays as PNG, and the checks that the service would make.

The limits are those of docs.byteplus.com/en/docs/ModelArk/1520757 (read 2026-10-15).
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

from ...errors import SeedancePictureUnusable

if TYPE_CHECKING:
    import numpy

# As Pillow calls them -> as the service wants them in a data URL. HEIC would need another decoder.
FORMATS = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp", "BMP": "bmp", "TIFF": "tiff", "GIF": "gif"}
SHORTEST_SIDE, LONGEST_SIDE = 300, 6000
NARROWEST, WIDEST = 0.4, 2.5
MOST_BYTES = 30 * 10**6


def png_from_pixels(pixels: numpy.ndarray) -> bytes:
    """A PNG of ``pixels``: uint8, shape (height, width, 3), RGB. The same pixels give the same bytes.

    Raises ValueError for an array of another kind.
    """
    from PIL import Image

    if str(pixels.dtype) != "uint8" or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"{pixels.dtype} {pixels.shape} is not uint8 (height, width, 3)")
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG", compress_level=6)
    return target.getvalue()


def check_picture(picture: bytes, role: str) -> str:
    """The format of ``picture`` (a whole image file) for a data URL; ``role`` is the input that it came from.

    The file is decoded to its end, so that a broken one fails here. Raises SeedancePictureUnusable.
    """
    from PIL import Image

    if len(picture) >= MOST_BYTES:
        raise SeedancePictureUnusable(role, f"it has {len(picture) / 10**6:.1f} MB")
    try:
        with Image.open(io.BytesIO(picture), formats=tuple(FORMATS)) as opened:
            width, height = opened.size
            kind = str(opened.format)
            _check_size(width, height, role)  # before decoding: a picture can claim any size
            opened.load()
    except MemoryError:
        raise
    except SeedancePictureUnusable:
        raise
    except Exception as error:  # for a damaged file Pillow raises anything: struct.error, zlib.error, EOFError ...
        reason = (str(error) or type(error).__name__).rstrip(".")
        raise SeedancePictureUnusable(role, f"it cannot be read ({reason})") from error
    return FORMATS[kind]


def picture_digest(picture: bytes) -> str:
    """sha256 (hex) of what is in a picture that ``check_picture`` passed.

    Of a PNG the decoded pixels count: another version of the compressor writes other bytes for the same
    picture, and a shot that is paid for must still be found after an update. Of lossy files the bytes count,
    as decoders differ.
    """
    from PIL import Image

    digest = hashlib.sha256()
    with Image.open(io.BytesIO(picture), formats=tuple(FORMATS)) as opened:
        if opened.format == "PNG" and opened.mode == "RGB":
            digest.update(f"rgb {opened.width}x{opened.height}\n".encode())
            digest.update(opened.tobytes())
        else:
            digest.update(picture)
    return digest.hexdigest()


def _check_size(width: int, height: int, role: str) -> None:
    if not (min(width, height) >= SHORTEST_SIDE and max(width, height) <= LONGEST_SIDE):
        raise SeedancePictureUnusable(role, f"it is {width} x {height} pixels")
    if not NARROWEST <= width / height <= WIDEST:
        raise SeedancePictureUnusable(role, f"its sides are {width} : {height}")
