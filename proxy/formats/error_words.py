"""The words of a provider's error, which servers put into various members, into objects and lists in these, and into
JSON text within a message.

Rule: only members that are known to say what is wrong are read, since others may hold the answer's or the prompt's
text. `metadata.raw` (OpenRouter) is read where the message says no more than that a provider failed.
"""

from collections.abc import Mapping
from typing import Any, Final

from proxy.formats.fields import items, obj, string
from proxy.formats.jsontext import loads

MAX_DEPTH: Final = 4
"""Objects within objects that are looked into."""

MAX_ITEMS: Final = 8
"""Items of a list that are read."""

MAX_NESTED: Final = 64 * 1024
"""Characters of a message that is parsed as JSON."""

_NAMES: Final = (
    "message",
    "detail",
    "msg",
    "error_msg",
    "error_message",
    "errmsg",
    "errorMessage",
    "status_msg",
    "Message",
    "error",
    "errors",
)
_LISTS: Final = frozenset({"detail", "errors"})
"""Members whose lists may hold plain texts."""

_NOTHING: Final = "provider returned error"


def words(error: Mapping[str, Any], depth: int = MAX_DEPTH) -> str:
    """What an error object says; empty if nothing."""
    for name in _NAMES:
        value = error.get(name)
        if type(value) is str and value:
            return _located(error, name, _unwrapped(_telling(error, value), depth))
        inner = [value] if type(value) is dict else items(value)[:MAX_ITEMS]
        said = [text for item in inner if depth and (text := _item(item, name, depth))]
        if said:
            return "; ".join(said)
    return ""


def _item(item: Any, name: str, depth: int) -> str:
    return words(item, depth - 1) if type(item) is dict else string(item) if name in _LISTS else ""


def _unwrapped(text: str, depth: int) -> str:
    """The words within a message that is an error's JSON text itself."""
    if not text.startswith("{") or len(text) > MAX_NESTED or not depth:
        return text
    try:
        return words(obj(loads(text.encode(errors="replace"))), depth - 1) or text
    except ValueError:
        return text


def _telling(error: Mapping[str, Any], message: str) -> str:
    raw = string(obj(error.get("metadata")).get("raw")).strip()
    return raw if raw and message.strip(" .").lower() == _NOTHING else message


def _located(error: Mapping[str, Any], name: str, text: str) -> str:
    """The words with the place in the request that FastAPI names: ["body", "seed"]."""
    steps = [str(step) for step in items(error.get("loc")) if isinstance(step, str | int)] if name == "msg" else []
    return f"{'.'.join(steps[-3:])[:100]}: {text}" if len(steps) > 1 else text
