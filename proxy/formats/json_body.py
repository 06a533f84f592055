"""Read a request's bytes as a JSON object; refuse what some parser on the way could read differently.

Rule: what passes can be encoded again: no lone surrogates, no NaN or infinity, integers exact whatever their size. No
NUL characters, and nesting is bounded before anything recurses. Of a name given twice the last value counts, and only
that one goes on.

Cost: everything that depends on the body's length runs in C and is linear, and Python looks only at containers. All of
it is done in steps. The number of values is bounded before the body is parsed, because the parser is one step
(docs/limits.md has the figures).
"""

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson

from policies.steps import Steps
from proxy.errors import InvalidRequest
from proxy.formats import jsonmarks

MAX_DEPTH = 64
"""Levels of nesting, the body's own object being the first."""

MAX_CONTAINERS = 100_000
"""Objects and arrays in a body."""

MAX_VALUES = 300_000
"""Values and names of members in a body. More take the parser above 50 ms, in which nothing else runs."""

MAX_EXACT_BYTES = 2 * 2**20
"""Size of a body with integers beyond 64 bits. The parser that reads them exactly is slow."""

MAX_SMALL_BYTES = 256 * 2**10
MAX_SMALL_CONTAINERS = 400
"""A body beyond either takes a provider's mapping more than a few milliseconds."""

_BOM = b"\xef\xbb\xbf"
_NUL = b"\\u0000"
_CONTAINERS = frozenset({dict, list})
_DIGITS_AS_ZEROS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x78 for byte in range(256))
_LONG_INTEGER = b"0" * 19  # digits from which on an integer may need more than 64 bits, of which orjson makes a float
_INTEGER = re.compile(rb"(?<![0-9.eE+])[0-9]{19,}(?![0-9.eE])")
_IN_NUMBERS = b"0123456789.eE+-"


Counted: TypeAlias = Callable[[int, int], Steps[None]]
"""Takes the number of values and names of members of a body, and that of its containers, neither too small."""


def uncounted(values: int, containers: int) -> Steps[None]:
    """Nobody is told."""
    yield from ()


def parse_body(raw: bytes, counted: Counted = uncounted) -> Steps[dict[str, Any]]:
    """The JSON object of a request's body. `counted` is told what it is made of before it is parsed, and may refuse it.
    Raises `InvalidRequest`."""
    raw = raw.removeprefix(_BOM)
    if not raw or raw.isspace():
        raise _refusal("The body is empty: send a JSON object with `model` and `messages`.")
    containers = yield from jsonmarks.containers(raw, MAX_CONTAINERS)
    if containers > MAX_CONTAINERS:
        raise _refusal(f"The body holds more than {MAX_CONTAINERS} objects and arrays: send less.")
    values = yield from jsonmarks.values(raw, MAX_VALUES)
    if values > MAX_VALUES:
        raise _refusal(f"The body holds more than {MAX_VALUES} values and names of members: send less.")
    yield from counted(values, containers)
    body = _parsed(raw)
    yield
    if not isinstance(body, dict):
        raise _refusal("The body must be a JSON object with `model` and `messages`.")
    if containers > MAX_DEPTH and _is_deep(body):
        raise _too_deep()
    if (yield from _holds_nul(raw)):
        raise _refusal("The body holds a NUL character (\\u0000), which providers refuse: remove it.")
    if _LONG_INTEGER in raw.translate(_DIGITS_AS_ZEROS) and (yield from _holds_long_integer(raw)):
        return _exact(raw)
    return body


def is_large(raw: bytes) -> Steps[bool]:
    """Whether mapping the request takes too long for the event loop."""
    if len(raw) > MAX_SMALL_BYTES:
        return True
    return (yield from jsonmarks.containers(raw, MAX_SMALL_CONTAINERS)) > MAX_SMALL_CONTAINERS


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "depth limit" in error.msg:
            raise _too_deep() from None
        raise _refusal(f"The body is not valid JSON in UTF-8: {error}. Correct it there.") from None


def _exact(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_EXACT_BYTES:
        raise _refusal(
            f"The body holds an integer beyond 64 bits, which is taken in bodies of at most {MAX_EXACT_BYTES} bytes: "
            "send it as a string, or send less."
        )
    exact: dict[str, Any] = json.loads(raw)
    return exact


def _is_deep(body: dict[str, Any]) -> bool:
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            members = container.values() if type(container) is dict else container
            if not _CONTAINERS.isdisjoint(map(type, members)):
                below += [member for member in members if type(member) in _CONTAINERS]
        if not below:
            return False
        level = below
    return True


def _holds_nul(raw: bytes) -> Steps[bool]:
    """Whether a string has the escape; in a run of backslashes each pair stands for one that escapes nothing."""
    if _NUL not in raw:
        return False
    yield
    before = b""
    for piece in jsonmarks.without_escaped_backslashes(raw):
        yield
        if _NUL in before + piece:
            return True
        before = (before + piece)[-len(_NUL) + 1 :]
    return False


def _holds_long_integer(raw: bytes) -> Steps[bool]:
    """Whether a number outside of strings is an integer of 19 digits or more."""
    begun = b""  # the number at the end of a slice, which may go on in the next one
    for piece in jsonmarks.outside_strings(raw):
        text = begun + piece
        yield
        whole = text.rstrip(_IN_NUMBERS)
        if _INTEGER.search(whole):
            return True
        begun = text[len(whole) :]
    return bool(_INTEGER.search(begun))


def _too_deep() -> InvalidRequest:
    return _refusal(f"The body is nested deeper than {MAX_DEPTH} levels: flatten it.")


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_body")
