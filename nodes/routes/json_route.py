"""One route: what every one of them does with a request, an answer and an error."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...storymotion.errors import CrossOriginRequest, RequestNotJson, StoryMotionError
from ..language import user_language

if TYPE_CHECKING:
    from aiohttp import web

    from ...storymotion.report import Line

OK, BAD_REQUEST, FORBIDDEN, NOT_JSON, CANNOT, BROKEN = 200, 400, 403, 415, 422, 500
log = logging.getLogger("storymotion")


@dataclass(frozen=True)
class JsonRoute:
    """``work`` gets the values of a request and returns what is answered; it runs in a thread and may take long.

    "GET": the values are the query's, all of them text; it changes nothing. "POST": they are the JSON object of the
    body. ``work`` may raise StoryMotionError, which is answered with both languages.
    """

    method: str
    path: str
    work: Callable[[Mapping[str, Any]], Any]


def handler_of(route: JsonRoute, executor: Executor) -> Callable[[web.Request], Awaitable[web.Response]]:
    """What ComfyUI's server calls for a request to ``route``."""
    changes = route.method != "GET"

    async def handle(request: web.Request) -> web.Response:
        try:
            if changes:
                require_own_page(request.headers)
            values = _object(request.content_type, await request.read()) if changes else dict(request.query)
            loop = asyncio.get_running_loop()
            return _answer(OK, await loop.run_in_executor(executor, functools.partial(route.work, values)))
        except StoryMotionError as error:
            return _answer(_status(error), {"error": said(error)})
        except Exception:
            log.exception("%s /storymotion/%s", route.method, route.path)
            return _answer(BROKEN, {"error": said(StoryMotionError())})

    return handle


def require_own_page(headers: Mapping[str, str]) -> None:
    """Raise CrossOriginRequest for what a page of another origin sent; a program that is no browser may ask.

    Browsers say where a request is from: in Sec-Fetch-Site, which no page can set, on https and on this machine, and
    in Origin, which they send with every POST. This is what Go's ``http.CrossOriginProtection`` does. ComfyUI's own
    check is for addresses of this machine only.
    """
    site, origin = headers.get("Sec-Fetch-Site", "").strip().lower(), headers.get("Origin", "").strip()
    if site in ("same-origin", "none"):
        return
    if not site and (not origin or urlsplit(origin).netloc.lower() == headers.get("Host", "").strip().lower() != ""):
        return
    raise CrossOriginRequest(origin[:200] or site)


def said(what: StoryMotionError | Line) -> dict[str, str]:
    """A sentence for a browser: in ``text`` as nodes say it to this user, in ``en`` and ``ko`` in one language."""
    code, language = what.code, user_language()
    english, both = what.speak("en"), what.speak("ko")
    korean = both[len(english) :].removeprefix("\n").removeprefix(" / ")
    return {"code": code, "text": both if language == "ko" else english, "en": english, "ko": korean}


def said_all(lines: Iterable[Line]) -> list[dict[str, str]]:
    """Each line of a report."""
    return [said(each) for each in lines]


def _object(content_type: str, body: bytes) -> dict[str, Any]:
    # A page of another origin cannot send this type without asking first.
    if content_type != "application/json":
        raise RequestNotJson(f"its type is {content_type[:80]}")
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestNotJson(str(error)[:200].rstrip(".")) from None
    if not isinstance(values, dict):
        raise RequestNotJson(f"it is a {type(values).__name__}")
    return values


def _status(error: StoryMotionError) -> int:
    if isinstance(error, CrossOriginRequest):
        return FORBIDDEN
    return NOT_JSON if isinstance(error, RequestNotJson) else CANNOT


def _answer(status: int, content: Any) -> web.Response:
    from aiohttp import web

    return web.json_response(content, status=status, headers={"Cache-Control": "no-store"})
