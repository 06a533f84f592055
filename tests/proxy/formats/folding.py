"""The client's state after a decoder's events, and the rules for every decoder's events.

These tests call `fold` on everything that decoders produce, broken input included. It asserts the rules of
`proxy.formats.base.Decoder` on the way.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, get_args

from policies.events import (
    ATTACHMENTS,
    Attachment,
    Channel,
    End,
    Event,
    Finish,
    FinishReason,
    Opaque,
    Text,
    ToolCall,
    Usage,
)
from proxy.formats.base import Decoded, DecodeError, Decoder
from proxy.formats.jsontext import dumps


@dataclass
class Call:
    """A tool call, joined."""

    id: str | None
    name: str | None
    arguments: str = ""
    extra: Any = None


@dataclass
class Seen:
    """An answer, joined. Keys are (choice, channel), (choice, index) and (choice, field)."""

    text: dict[tuple[int, str], str] = field(default_factory=lambda: defaultdict(str))
    calls: dict[tuple[int, int], Call] = field(default_factory=dict)
    attached: dict[tuple[int, str], list[Any]] = field(default_factory=lambda: defaultdict(list))
    opaque: list[Opaque] = field(default_factory=list)
    usage: list[Usage] = field(default_factory=list)
    finish: dict[int, str] = field(default_factory=dict)
    end: End | DecodeError | None = None

    @property
    def content(self) -> str:
        return self.text[0, "content"]

    @property
    def reasoning(self) -> str:
        return self.text[0, "reasoning"]


def sse(event: Any) -> bytes:
    """An event's data as a provider writes it: escapes for all that is not ASCII, NaN as NaN."""
    return json.dumps(event).encode()


def play(decoder: Decoder, events: Iterable[Any]) -> list[Decoded]:
    """All that the decoder gives for a stream of these events that ends well."""
    out = [e for event in events for e in decoder.decode(None, event if isinstance(event, bytes) else sse(event))]
    return [*out, *decoder.eof()]


def fold(events: Iterable[Decoded]) -> Seen:
    """Join the events, asserting what every decoder promises."""
    seen = Seen()
    for event in events:
        assert seen.end is None, "nothing follows an end"
        match event:
            case End() | DecodeError():
                _check_end(event)
                seen.end = event
            case Usage():
                counts = (event.prompt, event.completion, event.cached, event.cache_write, event.reasoning)
                assert all(type(n) is int and n >= 0 for n in counts)
                seen.usage.append(event)
            case _:
                _of_a_choice(seen, event)
    return seen


def _check_end(event: End | DecodeError) -> None:
    if isinstance(event, DecodeError):
        assert type(event.message) is str and 0 < len(event.message) <= 500
        assert 400 <= event.status <= 599
        assert event.kind is None or type(event.kind) is str


def _of_a_choice(seen: Seen, event: Event) -> None:
    assert isinstance(event, Text | ToolCall | Attachment | Opaque | Finish)
    assert event.choice not in seen.finish, "nothing of a choice follows its finish"
    match event:
        case Text(choice, channel, text):
            assert type(choice) is int and channel in get_args(Channel) and type(text) is str
            seen.text[choice, channel] += text
        case ToolCall():
            _join_call(seen, event)
        case Attachment(choice, name, value):
            assert name in ATTACHMENTS and dumps(value)
            seen.attached[choice, name] += value if isinstance(value, list) else [value]
        case Opaque():
            assert event.fields and dumps(event.fields)
            seen.opaque.append(event)
        case Finish(choice, reason):
            assert reason in get_args(FinishReason)
            seen.finish[choice] = reason


def _join_call(seen: Seen, event: ToolCall) -> None:
    key = event.choice, event.index
    if key not in seen.calls:
        assert type(event.id) is str and type(event.name) is str, "a call begins with its id and name"
        assert event.index == sum(choice == event.choice for choice, _ in seen.calls), "calls are counted from 0"
        seen.calls[key] = Call(event.id, event.name, "", event.extra)
    else:
        assert event.id is None and event.name is None
    assert type(event.arguments) is str
    seen.calls[key].arguments += event.arguments
