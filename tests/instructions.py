"""Count work without a clock: bytecode instructions of our packages' code."""

import sys
from types import FrameType
from typing import Any

import pytest

COUNTED = (3, 11)
"""The Python version of the tests' figures. Other versions have other instructions, and trace them differently."""


class Instructions:
    """Instructions that run inside the block. `count` is their number.

    With `lines` it counts lines, each iteration of a loop again. This takes a fifth of the time.
    """

    def __init__(self, *packages: str, lines: bool = False) -> None:
        if sys.version_info[:2] != COUNTED:
            pytest.skip("instructions are counted on Python {}.{} alone".format(*COUNTED))
        self.count = 0
        self._event = "line" if lines else "opcode"
        self._packages = tuple(f"{package}." for package in packages)

    def __enter__(self) -> "Instructions":
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_globals.get("__name__", "").startswith(self._packages):
            return None
        frame.f_trace_opcodes = self._event == "opcode"
        frame.f_trace_lines = self._event == "line"
        return self._step

    def _step(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == self._event:
            self.count += 1
        return self._step
