"""Which language the user reads, and errors in it."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any, TypeVar

from ..storymotion.errors import StoryMotionError
from .settings import user_setting

Execute = TypeVar("Execute", bound=Callable[..., Any])


def user_language() -> str:
    """ "ko" when the editor is set to Korean (or STORYMOTION_LANG=ko), else "en".

    ComfyUI translates names and tooltips itself, but not what a node says while it runs.
    """
    chosen = os.environ.get("STORYMOTION_LANG") or str(user_setting("Comfy.Locale", "en"))
    return "ko" if chosen.lower().startswith("ko") else "en"


def says_errors_in_users_language(execute: Execute) -> Execute:
    """Decorator of ``execute``, async or not: errors of the library come out in the user's language."""
    if inspect.iscoroutinefunction(execute):

        @functools.wraps(execute)
        async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
            try:
                return await execute(*args, **kwargs)
            except StoryMotionError as error:
                error.language = user_language()
                raise

        return async_wrapper  # type: ignore[return-value]

    @functools.wraps(execute)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return execute(*args, **kwargs)
        except StoryMotionError as error:
            error.language = user_language()
            raise

    return wrapper  # type: ignore[return-value]
