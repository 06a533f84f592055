"""The texts of a value that is there at once, and their redaction in steps.

Rule: containers on the way to a text are copied before the text is changed; the value given is never changed. Nothing
recurses: how deep a value is nested is for whoever sent it to say.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from policies.redact.json_text import JsonStream
from policies.redact.stream import Stream
from policies.steps import Steps

AT_ONCE: Final = 64
"""Characters of a text that are taken without a pause."""


class Place(NamedTuple):
    """Where a text stands in a copy: `holder[key]`. `json`: it is a JSON text."""

    holder: Any
    key: Any
    json: bool = False


Walk: TypeAlias = Iterator["Place | Walk"]
"""The texts below some value, in their order. A walk in the place of a text stands for all of its own texts. It goes on
behind a text once that is redacted."""


def places(walk: Walk) -> Iterator[Place]:
    """All texts of a walk."""
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
    """All texts of `holder[key]`, but for types."""
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
    """A whole text through a new stream, at whose matches one may `look` after each step. The engine remembers nothing
    of the text: its pieces are not looked up."""
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
