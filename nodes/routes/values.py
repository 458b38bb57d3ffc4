"""Values of a request, which come as text from a query and as JSON from a body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...storymotion.errors import NotANumber


def number_of(values: Mapping[str, Any], name: str, default: float) -> float:
    """A finite number; ``default``, which also serves as the example, where there is none. Raises NotANumber."""
    given = values.get(name, default)
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = float("nan")
    # Neither NaN nor an infinity. Seeds go up to 2**64.
    if not abs(number) < 1e20:
        raise NotANumber(name, str(given)[:40], str(default))
    return number


def whole_of(values: Mapping[str, Any], name: str, default: int) -> int:
    """The same, without a fraction; a seed keeps all its digits. Raises NotANumber."""
    number = number_of(values, name, default)
    if number != int(number):
        raise NotANumber(name, str(values[name])[:40], str(default))
    given = values.get(name, default)
    return int(given) if isinstance(given, (int, str)) and str(given).lstrip("-").isdigit() else int(number)


def text_of(values: Mapping[str, Any], name: str, default: str = "") -> str:
    """A text."""
    return str(values.get(name, default))
