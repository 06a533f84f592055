"""The size of a JSON value, before it is encoded.

Rule: a mapping may put one object in many places. That costs nothing until the encoder writes it in each of them, in
one call that nothing interrupts. So what a mapping gives back is weighed first.
"""

from typing import Any, Final

SCALAR: Final = 8
"""Bytes that a number, a boolean, null or the frame of a container stands for."""


def weighed(value: Any, most: int | None = None) -> tuple[int, int]:
    """Values in a JSON value, and its bytes, about. Stops above `most` bytes."""
    values = size = 0
    waiting = [value]
    while waiting:
        value = waiting.pop()
        values += 1
        if isinstance(value, str):
            size += len(value)
            continue
        size += SCALAR
        if isinstance(value, dict):
            size += sum(map(len, value))
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        if most is not None and size > most:
            break
    return values, size
