"""The pictures of a story: found inside a folder, and checked without decoding them."""

from __future__ import annotations

import stat
import unicodedata
from pathlib import Path, PureWindowsPath

# Not all that Pillow can open: its EPS, for one, starts another program.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
SMALLEST_SIDE = 2
# 8K in 16:9 is 33 megapixels. A file of a few kilobytes can claim far more, and would fill the memory.
MOST_MEGAPIXELS = 80


def find_picture(given: str, folder: Path, root: Path) -> tuple[Path, str]:
    """The picture that a manifest in ``folder`` calls ``given``, and the code of what is wrong with it, or "".

    ``folder`` and ``root`` are resolved paths. Links are followed and must not lead out of ``root``.
    """
    # Both separators: a manifest that was written on Windows is read on Linux, too.
    relative = PureWindowsPath(given)
    if relative.drive or relative.root or any(ord(letter) < 32 for letter in given):
        return folder, "story-image-outside"
    path = folder.joinpath(*relative.parts)
    try:
        resolved = path.resolve()
        if not resolved.is_relative_to(root):
            return folder, "story-image-outside"
        if not resolved.exists():
            resolved = _same_name(resolved)
        if not stat.S_ISREG(resolved.stat().st_mode):
            return folder, "story-image-missing"
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return folder, "story-image-missing"
    return resolved, _header_problem(resolved)


def _same_name(path: Path) -> Path:
    """The file whose name is the same text in another Unicode form: archives made on macOS hold such names.

    OSError when its folder is not there either.
    """
    folder = path.parent if path.parent.exists() else _same_name(path.parent)
    wanted = unicodedata.normalize("NFC", path.name)
    for each in folder.iterdir():
        if unicodedata.normalize("NFC", each.name) == wanted and not each.is_symlink():
            return each
    return path


def _header_problem(path: Path) -> str:
    """Reads the first bytes of a picture; its pixels are decoded when they are needed."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        return "story-image-too-large"
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for files that are something else, or broken
        return "story-image-unreadable"
    if width * height > MOST_MEGAPIXELS * 1_000_000:
        return "story-image-too-large"
    return "" if min(width, height) >= SMALLEST_SIDE else "story-image-unreadable"
