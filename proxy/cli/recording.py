"""Decode a recorded SSE stream into policy events, with the gateway's own decoders."""

from collections.abc import Mapping, Sequence
from typing import Final

from policies.events import End, Event
from proxy.formats.base import DecodeError
from proxy.formats.fields import obj
from proxy.formats.jsontext import loads
from proxy.formats.openai_chat.operation import CHAT
from proxy.formats.sse import EventTooLarge, Parser, Record
from proxy.providers.outbound import HttpRequest
from proxy.providers.registry import PROVIDERS

_ANY_REQUEST: Final = HttpRequest(url="", headers={}, body=b"", stream=True)
"""A recording's request is not known."""

_MAX_LOOKED_AT: Final = 20


class Unplayable(Exception):
    """The recording cannot be used. The message says why and what to do."""


def looks_recorded(data: bytes) -> bool:
    """Return true if a file holds server-sent events."""
    return data.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"data:", b"event:", b"id:", b": "))


def decoded(data: bytes, format: str | None, guarded: bool) -> tuple[list[Event], str | None]:
    """Decode a recording. Return its events, and the provider's error if it ends with one.

    The events end with `End("death")` if the provider's end is missing. Raises `Unplayable`.
    """
    parser = Parser()
    try:
        records = [*parser.feed(data), *parser.eof()]
    except EventTooLarge as error:
        raise Unplayable(str(error)) from None
    decoder = PROVIDERS[format or format_of(records)].wires[CHAT.name].decoder(guarded, _ANY_REQUEST)
    events: list[Event] = []
    for found in (*(e for record in records for e in decoder.decode(*record)), *decoder.eof()):
        if isinstance(found, DecodeError):
            return [*events, End("death")], found.message
        events.append(found)
    if not any(isinstance(event, End) for event in events):
        events.append(End("death"))
    return events, None


def format_of(records: Sequence[Record]) -> str:
    """Detect a recording's format from its first events. Raises `Unplayable`."""
    for record in records[:_MAX_LOOKED_AT]:
        members = _members(record.data)
        for name, format in PROVIDERS.items():
            if format.facts.event_member in members:
                return name
    names = ", ".join(PROVIDERS)
    raise Unplayable(f"cannot detect the format from the events: give it with --format, which takes {names}")


def _members(data: bytes) -> Mapping[str, object]:
    try:
        return obj(loads(data))
    except ValueError:
        return {}
