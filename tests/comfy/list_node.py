"""Custom nodes for ComfyUI: a list of whatever a test asks for, and bad luck. tests/conftest.py lays them out."""

from __future__ import annotations

import json
from typing import Any


class AnySocket(str):
    """A type that fits every socket: ComfyUI asks whether two types differ."""

    def __ne__(self, _: object) -> bool:
        return False


class TestList:
    """``values``, a JSON array, as a list; the second output has the type of a combo."""

    __test__ = False  # for pytest: not a class of tests
    CATEGORY = "tests"
    FUNCTION = "make"
    RETURN_TYPES = (AnySocket("*"), "COMBO")
    OUTPUT_IS_LIST = (True, True)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"values": ("STRING", {"default": "[]"})}}

    def make(self, values: str) -> tuple[list[Any], list[Any]]:
        return json.loads(values), json.loads(values)


class TestBadLuck:
    """The vocoder fails in the shot ``shot`` from now on, from 1, and then never again."""

    __test__ = False
    CATEGORY = "tests"
    FUNCTION = "wait_for"
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"shot": ("INT", {"default": 1})}}

    def wait_for(self, shot: int) -> tuple[()]:
        from ltx_core.model.audio_vae.vocoder import VocoderWithBWE

        works, calls = VocoderWithBWE.forward, []

        def forward(*args: Any, **kwargs: Any) -> Any:
            # Stays in place: the pack may put its own around it for the time of a run, and put it back (SDK 1.2).
            calls.append(shot)
            if len(calls) == shot:
                raise RuntimeError("bad luck")
            return works(*args, **kwargs)

        VocoderWithBWE.forward = forward
        return ()


NODE_CLASS_MAPPINGS = {"TestList": TestList, "TestBadLuck": TestBadLuck}
