"""A request's bytes -> its JSON object; or a refusal of what some parser on the way could read differently.

Rule: what passes can be encoded again: no lone surrogates, no NaN or infinity, integers exact whatever their size. No
NUL characters, and nesting is bounded before anything recurses. Of a key given twice the last counts, and is all that
goes on. Cost: what depends on the body's length runs in C and
is linear; Python looks at containers only, and at few enough of them.
"""

import json
import re
from typing import Any

import orjson

from proxy.errors import InvalidRequest

DEEPEST = 64
"""Levels of nesting, the body's own object being the first."""

MOST_CONTAINERS = 100_000
"""Objects and arrays in a body."""

_BOM = b"\xef\xbb\xbf"
_NUL = b"\\u0000"
_STRING = re.compile(rb'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)')  # matches at every quote, closed or not: linear
_CONTAINERS = frozenset({dict, list})
_DIGITS_AS_ZEROS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x78 for byte in range(256))
_LONG_INTEGER = b"0" * 19  # digits from which on an integer may need more than 64 bits, of which orjson makes a float


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request's body. Raises `InvalidRequest`."""
    raw = raw.removeprefix(_BOM)
    if not raw.strip():
        raise _refusal("The body is empty: send a JSON object with `model` and `messages`.")
    most = _brackets(raw)  # at most so many containers: some may stand in strings
    if most > MOST_CONTAINERS and _brackets(_STRING.sub(b"", raw)) > MOST_CONTAINERS:
        raise _refusal(f"The body holds more than {MOST_CONTAINERS} objects and arrays: send less.")
    body = _parsed(raw)
    if not isinstance(body, dict):
        raise _refusal("The body must be a JSON object with `model` and `messages`.")
    if most > DEEPEST and _is_deep(body):
        raise _too_deep()
    if _holds_nul(raw):
        raise _refusal("The body holds a NUL character (\\u0000), which providers refuse: remove it.")
    if _LONG_INTEGER in raw.translate(_DIGITS_AS_ZEROS):
        exact: dict[str, Any] = json.loads(raw)
        return exact
    return body


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "depth limit" in error.msg:
            raise _too_deep() from None
        raise _refusal(f"The body is not valid JSON in UTF-8: {error}. Correct it there.") from None


def _brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _is_deep(body: dict[str, Any]) -> bool:
    level: list[Any] = [body]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for container in level:
            members = container.values() if type(container) is dict else container
            if not _CONTAINERS.isdisjoint(map(type, members)):
                below += [member for member in members if type(member) in _CONTAINERS]
        if not below:
            return False
        level = below
    return True


def _holds_nul(raw: bytes) -> bool:
    """Whether a string has the escape; in a run of backslashes each pair stands for one that escapes nothing."""
    return _NUL in raw and _NUL in raw.replace(b"\\\\", b"")


def _too_deep() -> InvalidRequest:
    return _refusal(f"The body is nested deeper than {DEEPEST} levels: flatten it.")


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_body")
