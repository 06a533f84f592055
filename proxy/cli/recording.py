"""A recorded stream of server-sent events -> policy events, with the gateway's own decoders."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from policies.events import End, Event
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import DecodeError, Decoder
from proxy.formats.fields import obj
from proxy.formats.gemini.decode import GeminiDecoder
from proxy.formats.jsontext import loads
from proxy.formats.openai_chat.decode import OpenAIDecoder
from proxy.formats.sse import EventTooLarge, Parser, Record

FORMATS: Final[Mapping[str, Callable[[bool], Decoder]]] = {
    "openai": OpenAIDecoder,
    "anthropic": AnthropicDecoder,
    "gemini": GeminiDecoder,
}
_MARKS: Final = {"choices": "openai", "type": "anthropic", "candidates": "gemini"}
_MAX_LOOKED_AT: Final = 20


class Unplayable(Exception):
    """The recording cannot be used; the message says why and what to do."""


def looks_recorded(data: bytes) -> bool:
    """Whether a file holds server-sent events."""
    return data.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"data:", b"event:", b"id:", b": "))


def decoded(data: bytes, format: str | None, guarded: bool) -> tuple[list[Event], str | None]:
    """The events of a recording, and the provider's error if it ends with one. It is cut (`End("death")`) where the
    provider's end is missing. Raises `Unplayable`."""
    parser = Parser()
    try:
        records = [*parser.feed(data), *parser.eof()]
    except EventTooLarge as error:
        raise Unplayable(str(error)) from None
    decoder = FORMATS[format or format_of(records)](guarded)
    events: list[Event] = []
    for found in (*(e for record in records for e in decoder.decode(*record)), *decoder.eof()):
        if isinstance(found, DecodeError):
            return [*events, End("death")], found.message
        events.append(found)
    if not any(isinstance(event, End) for event in events):
        events.append(End("death"))
    return events, None


def format_of(records: Sequence[Record]) -> str:
    """The format of a recording, by its first events. Raises `Unplayable`."""
    for record in records[:_MAX_LOOKED_AT]:
        members = _members(record.data)
        for member, format in _MARKS.items():
            if member in members:
                return format
    raise Unplayable("its format cannot be told from its events: name it with --format openai, anthropic or gemini")


def _members(data: bytes) -> Mapping[str, object]:
    try:
        return obj(loads(data))
    except ValueError:
        return {}
