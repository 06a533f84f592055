"""The response to the client: its state, and sending more.

Nothing is sent before it must be. The 200 of a stream goes out with the first event or the first keep-alive;
until then a failure can still be a proper HTTP status. After the first *event* no other attempt may be made
(`committed`).
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any, Protocol, TypeAlias

from proxy.errors import GatewayError
from proxy.formats.jsontext import dumps
from proxy.formats.openai_chat.envelope import envelope, error_headers
from proxy.streaming.deadlines import Deadlines

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
CONNECTION = "sluice.connection"
"""The ASGI extension in which `proxy.server` gives the request's `Connection`."""

PIECE = 64 * 1024
"""Bytes of a whole response that go out at once."""

KEEP_ALIVE = b": keep-alive\n\n"


def json_body(body: dict[str, Any]) -> tuple[bytes, Headers]:
    """Return a whole JSON response's bytes and the headers about them."""
    data = dumps(body)
    return data, _about(len(data))


class Connection(Protocol):
    """Server capabilities outside ASGI."""

    def abort(self) -> None:
        """Drop the connection with what it has not taken."""

    def write(self, data: bytes) -> bool:
        """Send a piece of the streamed response that has begun, if that can be done at once. Tell whether it was."""

    def unread(self) -> int:
        """Return the number of bytes that the client has not taken yet."""


class Downstream:
    """Send one response. `headers` go with it whatever its kind. Each send runs under the write limit."""

    def __init__(self, scope: Scope, send: Send, headers: Headers, deadlines: Deadlines) -> None:
        self._connection: Connection | None = scope.get("extensions", {}).get(CONNECTION)
        if self._connection is not None:
            deadlines.write.measure(self._connection.unread)
        self._write: Callable[[bytes], bool] | None = None
        self._send = send
        self._headers = headers
        self._deadlines = deadlines
        self._keep_alive = deadlines.keep_alive
        self.status: int | None = None
        self.committed = False
        self.complete = False
        self._sized = False
        self.bytes = 0
        self.chunks = 0
        self.longest_gap = 0.0
        self._last_event = math.inf

    def set_header(self, name: bytes, value: bytes) -> None:
        """Set a header in place of an earlier one of the name. It has no effect once the response began."""
        self._headers = [*(header for header in self._headers if header[0] != name), (name, value)]

    def try_write(self, data: bytes) -> bool:
        """Send server-sent events of a stream that has begun, if the client takes them at once. Tell whether it did.

        A chunk that goes through `event` alone wakes the reader's task, and is 60 to 90 % more work."""
        if self._write is None or not self._write(data):
            return False
        self.bytes += len(data)
        self._count()
        return True

    async def event(self, data: bytes) -> None:
        """Send server-sent events. From here on there is no other attempt."""
        self.committed = True
        if self._connection is not None:
            self._write = self._connection.write
        await self._stream(data)
        self._count()

    async def keep_alive(self) -> None:
        """Send a comment, so that nobody between us takes the silence for a dead connection."""
        await self._stream(KEEP_ALIVE)

    async def end(self, data: bytes = b"") -> None:
        """Send the stream's last bytes and end it."""
        self.committed = True
        await self._stream(data, more=False)

    async def whole(self, status: int, body: Sequence[bytes | bytearray], headers: Headers) -> None:
        """Send a whole JSON response, whose text comes in parts. A large one goes out in pieces, each as the client
        takes the one before, so that it is not there twice."""
        if self.status is not None:  # an earlier one was cut, in the midst of its length
            self.abort()
            return
        left = sum(map(len, body))
        await self._start(status, [*_about(left), *headers])
        self._sized = True
        for piece in _pieces(body):
            left -= len(piece)
            await self._body(piece, more=left > 0)

    async def error(self, error: GatewayError, event: bytes, *, retried: bool) -> None:
        """Tell the client of a failure: as an HTTP status where that is still possible, else as `event`, without
        `[DONE]`."""
        if self.status is None:
            await self.whole(error.status, [dumps(envelope(error))], error_headers(error, no_retry=retried))
        elif self._sized and not self.complete:
            self.abort()
        elif not self.complete:
            await self.end(event)

    def abort(self) -> None:
        """Drop the connection with what it has not taken. Without our server this is left to the server at hand."""
        if self._connection is not None:
            self._connection.abort()

    def _count(self) -> None:
        now = self._keep_alive.sent()
        gap = now - self._last_event
        if gap > self.longest_gap:
            self.longest_gap = gap
        self._last_event = now
        self.chunks += 1

    async def _stream(self, data: bytes, *, more: bool = True) -> None:
        if self.status is None:
            await self._start(200, STREAM_HEADERS)
        await self._body(data, more=more)

    async def _start(self, status: int, headers: Headers) -> None:
        self._deadlines.begin_write()
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._headers]})
        self._deadlines.end_write()
        self.status = status  # an interrupted send has sent nothing

    async def _body(self, data: bytes, *, more: bool) -> None:
        self._deadlines.begin_write()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self._deadlines.end_write()
        self.bytes += len(data)
        self.complete = not more


def _about(length: int) -> Headers:
    return [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]


def _pieces(parts: Iterable[bytes | bytearray]) -> Iterator[bytes]:
    """Yield the bytes of all parts, `PIECE` at a time."""
    gathered = bytearray()
    for part in parts:
        for start in range(0, len(part), PIECE):
            gathered += part[start : start + PIECE]
            if len(gathered) >= PIECE:
                yield bytes(gathered[:PIECE])
                del gathered[:PIECE]
    if gathered:
        yield bytes(gathered)
