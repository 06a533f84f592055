"""Tell which events are folded through the policies at once, and cut those that are folded a little at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from policies.events import Attachment, Event, Finish, Text, ToolCall, Usage
from proxy.formats.base import DecodeError

AT_ONCE = 64
"""Characters of one text that are folded without a pause: more could keep the event loop from the other streams."""

SLICE = 512
"""Characters of one text that are folded as one event."""

CALL_SLICE = 8192
"""Characters of a tool call's arguments that are folded as one event. (Policies pause within it.)"""

IN_A_TURN = 64
"""Short events that are folded without a pause."""

SUBSTANCE = (Text, ToolCall, Attachment, Finish)
"""Events before which nothing goes to the client, so that a failure can still be an HTTP status."""

Short: TypeAlias = Text | ToolCall | Usage
"""Events among which are those that can be folded at once."""


def foldable_at_once(event: Event | DecodeError) -> bool:
    """Tell whether the event is `Short`: it ends nothing and can be folded without a pause."""
    kind = type(event)
    if kind is Text:
        return len(event.text) <= AT_ONCE  # type: ignore[union-attr]
    return kind is Usage or (kind is ToolCall and not is_long(event))


def is_long(event: Event | DecodeError) -> bool:
    """Tell whether the event is to be folded a little at a time."""
    if isinstance(event, Text):
        return len(event.text) > AT_ONCE
    return isinstance(event, ToolCall) and len(event.arguments) > AT_ONCE


def pieces(event: Event) -> Iterator[Event]:
    """Yield the event, a long one in several pieces."""
    if isinstance(event, Text) and len(event.text) > SLICE:
        for start in range(0, len(event.text), SLICE):
            yield Text(event.choice, event.channel, event.text[start : start + SLICE])
    elif isinstance(event, ToolCall) and len(event.arguments) > CALL_SLICE:
        yield replace(event, arguments=event.arguments[:CALL_SLICE])
        for start in range(CALL_SLICE, len(event.arguments), CALL_SLICE):
            rest = event.arguments[start : start + CALL_SLICE]
            yield ToolCall(event.choice, event.index, arguments=rest, kind=event.kind)
    else:
        yield event


def has_substance(events: Sequence[Event]) -> bool:
    """Tell whether there is something among these events for the client to see."""
    return any(isinstance(e, SUBSTANCE) and not (isinstance(e, Text) and not e.text) for e in events)
