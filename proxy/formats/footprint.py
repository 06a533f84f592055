"""How much memory a request's body takes once it is parsed. Pure.

Theory. A parsed body takes between a third of its JSON's bytes (escapes) and 24 times as many (empty objects): measured
with Python 3.11 on 64 bits. Its bytes and the number of its values give an upper bound before it is parsed. A large
body mostly has few values, long texts: then each is asked for its size once it is parsed. For a small body, or one of
many values, that would take too long.
"""

from sys import getsizeof
from typing import Any, Final

from policies.steps import Steps
from proxy.formats.jsonmarks import SLICE

SMALL: Final = 16 * 1024
"""Bytes of a body of which only the bound is asked."""

MAX_LOOKED_AT: Final = 10_000
"""Values whose own sizes are added up."""

SENT: Final = 2
"""How often a body's bytes are held besides: as JSON for the provider, and as redacted texts or in the connection's
buffer."""

DECLARED: Final = 1 + SENT
"""The bytes that each byte of a declared body will take, if it is text."""

_VALUE: Final = 64
"""Bytes of a short text with its place in a container: the most that a value takes beside its characters."""

_CONTAINER: Final = 184
"""Bytes that an object takes beyond a value."""

_WIDEST: Final = 4
"""Bytes of each character in a text that has one beyond the first 65,536."""


def bound(raw: bytes, values: int, containers: int) -> Steps[int]:
    """The bytes that a request holds, at the most, from when `raw` is parsed until it is answered. It has at most so
    many values and names of members, and so many containers among them."""
    wide = not raw.isascii() or (yield from _has_escapes(raw))
    return (SENT + (_WIDEST if wide else 1)) * len(raw) + _VALUE * values + _CONTAINER * containers


def footprint(body: dict[str, Any], raw: bytes, most: int) -> int:
    """The same, for what `raw` was parsed as, and nearer to the truth. `most` is its bound."""
    size = None if len(raw) <= SMALL else _looked_at(body)
    return most if size is None else min(most, size + SENT * len(raw))


def _has_escapes(raw: bytes) -> Steps[bool]:
    """Whether a text may have characters that its bytes do not show."""
    if b"\\" not in raw:  # the faster search by far
        return False
    for start in range(0, len(raw), SLICE):
        if b"\\u" in raw[start : start + SLICE + 1]:
            return True
        yield
    return False


def _looked_at(body: dict[str, Any]) -> int | None:
    """The sizes of all values together; None if there are too many to look at."""
    size = seen = 0
    containers: list[Any] = [body]
    while containers:
        container = containers.pop()
        size += getsizeof(container)
        seen += len(container)
        if seen > MAX_LOOKED_AT:
            return None
        if type(container) is dict:
            size += sum(map(getsizeof, container))  # the names
            container = container.values()
        for value in container:
            if type(value) is dict or type(value) is list:
                containers.append(value)
            else:
                size += getsizeof(value)
    return size
