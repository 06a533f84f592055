"""How much memory a request's body takes once it is parsed. Pure.

Theory. A parsed body takes between a third of its JSON's bytes (escapes) and 24 times as many (empty objects): measured
with Python 3.11 on 64 bits. A large body mostly has few values, long texts, so each is asked for its size. For a small
body, or one of many values, that would take too long: its size is taken for an upper bound, from the JSON's bytes.
"""

from sys import getsizeof
from typing import Any, Final

from proxy.api.parse import MAX_CONTAINERS, MAX_VALUES

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

_MARKS: Final = b",:[{"
"""There is one before each value."""


def footprint(body: dict[str, Any], raw: bytes) -> int:
    """The bytes that a request holds from when `raw` was parsed as `body` and dropped until it is answered."""
    size = None if len(raw) <= SMALL else _looked_at(body)
    return (_bound(raw) if size is None else size) + SENT * len(raw)


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


def _bound(raw: bytes) -> int:
    wide = 1 if raw.isascii() and b"\\u" not in raw else _WIDEST
    marks = len(raw) - len(raw.translate(None, _MARKS))  # counting each would take longer where there are many
    containers = raw.count(b"{") + raw.count(b"[") if len(raw) <= SMALL else min(marks, MAX_CONTAINERS)
    return wide * len(raw) + _VALUE * min(marks, MAX_VALUES) + _CONTAINER * containers
