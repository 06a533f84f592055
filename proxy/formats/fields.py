"""Reading parsed JSON whose types nobody has promised.

Rule: a member of the wrong type counts as absent. So a decoder says what it looks for, and never what else might have
been there. Types are compared exactly: what JSON parsers make has no subclasses, but `True` would pass for an integer.
"""

import re
from dataclasses import replace
from typing import Any, Final

from policies.events import Usage
from proxy.formats.base import DecodeError
from proxy.formats.jsontext import dumps

_LABEL = re.compile(r"[A-Za-z0-9._:/@-]{1,128}")
_MAX_TOKENS = 10**12
_MAX_MESSAGE = 500
_NO_MESSAGE = "The provider reported an error without a message. Try again; its status page may say more."

UNREADABLE: Final = DecodeError(
    "The provider sent an answer that cannot be read. If it happens again, check the provider's base_url and api.",
    502,
    "malformed_event",
)


class Unreadable(Exception):
    """Something in an answer that cannot be skipped is broken; the decoder ends it with `UNREADABLE`."""


def obj(value: Any) -> dict[str, Any]:
    """The JSON object, or an empty one."""
    return value if type(value) is dict else {}


def items(value: Any) -> list[Any]:
    """The JSON array, or an empty one."""
    return value if type(value) is list else []


def string(value: Any) -> str:
    """The string, or an empty one."""
    return value if type(value) is str else ""


def count(value: Any) -> int:
    """A token count: an integer from 0 to 10^12, else 0. Beyond that, arithmetic with prices would overflow."""
    if value is None:
        return 0
    if type(value) is not int and (value := _whole(value)) is None:
        return 0
    return value if 0 <= value <= _MAX_TOKENS else 0


def whole_number(value: Any, most: int) -> int:
    """A number from 0 to `most`. Raises Unreadable when it is none."""
    if type(value) is not int:
        value = _whole(value)
    if value is None or not 0 <= value <= most:
        raise Unreadable
    return int(value)


def _whole(value: Any) -> int | None:
    """The integer that a server has written as a text or with a point."""
    if type(value) is str and len(value) <= 12 and value.isascii() and value.isdigit():
        return int(value)
    return int(value) if type(value) is float and value.is_integer() else None


def lasting(before: Usage | None, now: Usage) -> Usage:
    """The counts of an answer after those it gave `before`. Counts are of the answer so far, so a later 0 is one that a
    server does not know any more."""
    if before is None or (now.prompt and now.completion):
        return now
    return replace(
        now,
        prompt=now.prompt or before.prompt,
        completion=now.completion or before.completion,
        cached=now.cached or before.cached,
        cache_write=now.cache_write or before.cache_write,
        reasoning=now.reasoning or before.reasoning,
    )


def label(value: Any, guarded: bool) -> str | None:
    """An id, a model's name or an error's type. A guarded answer takes only what has the form of one, because any other
    string could carry text past the policies."""
    if type(value) is not str or (guarded and not _LABEL.fullmatch(value)):
        return None
    return value


def error_message(value: Any) -> str:
    """A provider's error message, cut to 500 characters."""
    return string(value)[:_MAX_MESSAGE] or _NO_MESSAGE


def arguments(value: Any) -> str:
    """The JSON text of a tool call's arguments, `{}` when there are none."""
    return dumps(value).decode() if type(value) is dict else "{}"
