"""The texts of a complete value, and their redaction in steps.

Containers on the path to a text are copied before the text is changed, so the given value never changes. No function
recurses, because the sender decides the nesting depth of a value.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from policies.redact.json_text import JsonStream
from policies.redact.stream import Stream
from policies.steps import Steps

AT_ONCE: Final = 64
"""Number of characters of a text that are taken without a pause."""


class Place(NamedTuple):
    """The place of a text in a copy: `holder[key]`. `json` means that it is a JSON text."""

    holder: Any
    key: Any
    json: bool = False


Walk: TypeAlias = Iterator["Place | Walk"]
"""Yields the texts below some value, in order.

A walk in the place of a text stands for all of its own texts. It continues after a text when that is redacted.
"""


def places(walk: Walk) -> Iterator[Place]:
    """Yield all texts of a walk."""
    walks = [walk]
    while walks:
        step = next(walks[-1], None)
        if step is None:
            walks.pop()
        elif isinstance(step, Place):
            yield step
        else:
            walks.append(step)


def everything(holder: Any, key: Any) -> Walk:
    """Walk all texts of `holder[key]`, except types."""
    value = holder[key]
    if isinstance(value, str):
        yield Place(holder, key)
    elif isinstance(value, Mapping):
        holder[key] = copied = dict(value)
        for name in value:
            if name != "type":
                yield everything(copied, name)
    elif isinstance(value, list):
        holder[key] = members = [*value]
        for index in range(len(value)):
            yield everything(members, index)


def redacted(stream: Stream | JsonStream, text: str, look: Callable[[], None] = lambda: None) -> Steps[str]:
    """Send a whole text through a new stream in steps, and call `look` after each step, for example to check matches.

    The engine caches nothing of the text: its pieces are not looked up.
    """
    out = []
    for piece in stream.pieces(text):
        out.append(piece)
        look()
        if len(text) > AT_ONCE:
            yield
    out.append(stream.close())
    look()
    changed = "".join(out)
    return text if changed == text else changed
