"""The interface of a provider's format.

Formats are pure. They check a request as strictly as the real provider, so that a request that the provider would
reject fails here too. They write answers in the provider's style, byte for byte (spacing, line ends, order of members).

An answer's ID differs between two calls, so it is left out of the bytes. `STAMP` stands in its place and is replaced
when a piece is sent. The bytes are therefore made once and shared by all streams. No JSON text can contain `STAMP`.
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
"""The place of an answer's ID: raw control characters, which JSON text escapes. As long as its replacement."""

PLACEHOLDER = secrets.token_hex(12)
"""The ID that encoders write, and that `encode` turns into `STAMP`. It is random, so that no text contains it."""

COMPACT = JSONEncoder(ensure_ascii=False, separators=(",", ":"))
SPACED = JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Terms:
    """Facts about a request that an encoder needs. `now` is the Unix time for `created`."""

    model: str
    choices: int
    tokens: Tokens
    include_usage: bool
    now: int
    logprobs: bool = False
    dimensions: int = 0
    base64: bool = False
    echo: str = ""


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
        """Raise `Refused` for a missing or wrong key, or for a missing required header."""

    def read(self, body: Any, path: str, query: Mapping[str, str]) -> Ask:
        """Read a parsed request. Raise `Refused` where the real provider would reject it."""

    def stream(self, answer: Answer, terms: Terms) -> Telling:
        """Encode the answer as events."""

    def whole(self, answer: Answer, terms: Terms) -> bytes:
        """Encode the answer as one JSON body."""

    def error(self, refused: Refused, retry_after: int | None = None) -> bytes:
        """Encode an error's JSON body."""

    def error_event(self, refused: Refused) -> bytes:
        """Encode an error in the middle of a stream."""

    def malformed(self) -> bytes:
        """Return an event that is not JSON."""

    def headers(self, stamp: str) -> dict[str, str]:
        """Return the provider's own response headers, with the answer's ID."""


def encode(value: Any, style: JSONEncoder = COMPACT) -> bytes:
    """Encode JSON in UTF-8 as providers do, with `STAMP` for `PLACEHOLDER`. Lone surrogates become escapes."""
    try:
        data = style.encode(value).encode()
    except UnicodeEncodeError:
        data = json.dumps(value, separators=(style.item_separator, style.key_separator)).encode()
    return data.replace(PLACEHOLDER.encode(), STAMP)


def words(text: str) -> frozenset[str]:
    """Split a text into its words, for lists of names that are too long to quote each."""
    return frozenset(text.split())


def text_in(content: Any) -> str:
    """Join all text in a message's content or a list of parts."""
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
    """Reject the request unless the condition holds."""
    if not condition:
        raise Refused(status, message, param=param)
