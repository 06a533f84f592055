"""What a provider's format is.

Rule: formats are pure. They check a request as strictly as the real provider does, so that a request that the provider
would refuse fails here too, and they tell answers byte for byte in its style (spacing, line ends, order of members).

What differs between two tellings of the same answer (its id) is left out of the bytes: `STAMP` stands in its place and
is exchanged when a piece is sent, so that the bytes are made once and shared by all streams. No JSON text can hold it.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONEncoder
from typing import Any, Protocol

from proxy.simulator.answers import Answer, Tokens
from proxy.simulator.asks import Ask, Refused
from proxy.simulator.pieces import Piece

STAMP = b"\x01" * 24
"""Where an answer's id goes: raw control characters, which JSON text escapes. As long as what replaces it."""

PLACEHOLDER = secrets.token_hex(12)
"""The id that encoders write, to be made `STAMP` by `encode`. Random, so that no text holds it."""

COMPACT = JSONEncoder(ensure_ascii=False, separators=(",", ":"))
SPACED = JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """What an encoder needs to know of a request. `now` is the Unix time for `created`."""

    model: str
    choices: int
    tokens: Tokens
    include_usage: bool
    now: int
    logprobs: bool = False
    dimensions: int = 0
    base64: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """A streamed answer as bytes: `opening` events, one entry of `chunks` for each of `pieces`, `closing` events."""

    opening: bytes
    chunks: tuple[bytes, ...]
    closing: bytes
    pieces: tuple[Piece, ...]


class Format(Protocol):
    """One provider's wire format."""

    stream_type: str
    """The content type of a stream."""

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Raise `Refused` for a missing or bad key, or a missing obligatory header."""

    def read(self, body: Any, path: str, query: Mapping[str, str]) -> Ask:
        """Read a parsed request; raise `Refused` where the real provider would."""

    def stream(self, answer: Answer, terms: Terms) -> Telling:
        """The answer as events."""

    def whole(self, answer: Answer, terms: Terms) -> bytes:
        """The answer as one JSON body."""

    def error(self, refused: Refused, retry_after: int | None = None) -> bytes:
        """An error's JSON body."""

    def error_event(self, refused: Refused) -> bytes:
        """The same in mid-stream."""

    def malformed(self) -> bytes:
        """An event that is no JSON."""

    def headers(self, stamp: str) -> dict[str, str]:
        """The provider's own response headers, with the answer's id."""


def encode(value: Any, style: JSONEncoder = COMPACT) -> bytes:
    """JSON text in UTF-8, as providers write it, with `STAMP` for `PLACEHOLDER`; lone surrogates as escapes."""
    try:
        data = style.encode(value).encode()
    except UnicodeEncodeError:
        data = json.dumps(value, separators=(style.item_separator, style.key_separator)).encode()
    return data.replace(PLACEHOLDER.encode(), STAMP)


def words(text: str) -> frozenset[str]:
    """The words of a text, for lists of names too long to quote each."""
    return frozenset(text.split())


def text_in(content: Any) -> str:
    """All text in a message's content or a list of parts, joined."""
    match content:
        case str():
            return content
        case list():
            return "".join(map(text_in, content))
        case {"text": str(text)}:
            return text
        case {"content": inner}:
            return text_in(inner)
    return ""


def require(condition: object, message: str, *, status: int = 400, param: str | None = None) -> None:
    """Refuse the request unless the condition holds."""
    if not condition:
        raise Refused(status, message, param=param)
