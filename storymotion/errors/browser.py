"""Errors in what a browser, or a script, asks of the routes below /storymotion."""

from __future__ import annotations

from dataclasses import dataclass

from .base import StoryMotionError


class BrowserError(StoryMotionError):
    """A request is not carried out. Nothing was changed."""


@dataclass(eq=False)
class CrossOriginRequest(BrowserError):
    """Another page than ComfyUI's own wants something changed. ``origin`` is where that page is from."""

    code = "cross-origin-request"
    problem = "A page of {origin} asked for this, which is not the page of this ComfyUI."
    remedy = "Nothing was done; if you want it, do it in ComfyUI itself, at the address that its browser tab shows."
    origin: str


@dataclass(eq=False)
class RequestNotJson(BrowserError):
    """The body is no JSON object, or is not declared as JSON. ``reason``: what is there instead."""

    code = "request-not-json"
    problem = "The body of the request is not a JSON object with the content type application/json: {reason}."
    remedy = "Nothing was done; send an empty object where there is nothing to say."
    reason: str


@dataclass(eq=False)
class NotANumber(BrowserError):
    """A parameter of a request should be a number."""

    code = "not-a-number"
    problem = "{name} is '{value}', which is not a number that can be used here."
    remedy = "Give it as a number such as {example}."
    name: str
    value: str
    example: str
