"""JSON text in and out: orjson where it is exact, the standard library where it is not.

orjson refuses lone surrogates and NaN, and makes floats of integers beyond 64 bits. Providers send all three; none may crash a
stream or change a number.
"""

import json
import re
from typing import Any

import orjson

_LONG_INTEGER = re.compile(rb"\d{19}")


def loads(data: bytes) -> Any:
    """Parse JSON text in UTF-8. Raises ValueError when it is not JSON (nesting too deep for the parser included)."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _exact(data)
    return _exact(data) if _LONG_INTEGER.search(data) else value


def dumps(value: Any) -> bytes:
    """Compact JSON text in UTF-8; a lone surrogate is written as its escape."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, an integer beyond 64 bits, or a key that is not a string
        return json.dumps(value, separators=(",", ":")).encode()


def _exact(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
