"""A custom node for ComfyUI that makes a list of whatever a test asks for; tests/conftest.py lays it out."""

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


NODE_CLASS_MAPPINGS = {"TestList": TestList}
