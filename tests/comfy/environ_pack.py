"""A custom node pack of one file, for tests: changes the environment of the server that runs, without a restart."""

from __future__ import annotations

import os

from aiohttp import web
from server import PromptServer


@PromptServer.instance.routes.post("/test/environ")
async def set_environ(request: web.Request) -> web.Response:
    """``{"NAME": "value", "OTHER": null}``: null takes a variable out."""
    for name, value in (await request.json()).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return web.json_response({})


NODE_CLASS_MAPPINGS: dict = {}
