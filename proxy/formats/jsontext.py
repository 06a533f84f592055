"""JSON text in and out: orjson where it is exact, the standard library where it is not.

orjson refuses lone surrogates, NaN and bytes that are no UTF-8, and makes floats of integers beyond 64 bits. Providers
send all four; none may crash a stream or change a number. What `loads` gives, `dumps` can always write: nesting is
bounded here, once, so that nobody behind has to fear a recursion error.
"""

import json
from typing import Any

import orjson

MAX_DEPTH = 128
"""Levels of nesting; orjson writes 254, and a chunk adds a few around what a provider sent."""

_MARKS = bytes(ord("0") if byte in b"0123456789" else ord("[") if byte in b"[{" else ord(" ") for byte in range(256))
_LONG_INTEGER = b"0" * 19


def loads(data: bytes) -> Any:
    """Parse JSON text in UTF-8. Bytes that are no UTF-8 become U+FFFD, as in a browser. Raises ValueError when it is
    not JSON, or nested deeper than `MAX_DEPTH`."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _exact(data)
    marks = data.translate(_MARKS)  # a tenth of a regular expression's time
    if _LONG_INTEGER in marks:
        value = _exact(data)
    if marks.count(b"[") > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        raise ValueError(f"JSON nested deeper than {MAX_DEPTH} levels")
    return value


def dumps(value: Any) -> bytes:
    """Compact JSON text in UTF-8; a lone surrogate is written as its escape, NaN and infinity as null."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, an integer beyond 64 bits, or a key that is not a string
        return _dumps_exact(value).encode()


def _exact(data: bytes) -> Any:
    try:
        return json.loads(data.decode(errors="replace"))
    except RecursionError:
        raise ValueError("JSON nested too deep") from None


def _dumps_exact(value: Any) -> str:
    compact = (",", ":")
    try:
        return json.dumps(value, separators=compact, allow_nan=False)
    except ValueError:
        loose = json.loads(json.dumps(value), parse_constant=lambda _: None)
        return json.dumps(loose, separators=compact)


def _deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        lists = [v for v in level if isinstance(v, list)]
        dicts = [v for v in level if isinstance(v, dict)]
        if not lists and not dicts:
            return False
        level = [child for v in lists for child in v] + [child for v in dicts for child in v.values()]
    return True
