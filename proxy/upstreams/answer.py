"""A native stream's running answer: its bytes through the SSE parser and the provider's codec.

Rule: what arrives while somebody waits goes to them at once (`proxy.upstreams.connection`), if they take such; what
they leave, and all else, is read from aiohttp's buffer, whose bound is the back-pressure on the provider.
"""

import asyncio
from collections.abc import Sequence

import aiohttp

from policies.events import End, Event, Text, Usage
from proxy.errors import UpstreamError
from proxy.upstreams import failures
from proxy.upstreams.base import AtOnce, Call
from proxy.upstreams.connection import Connection
from proxy.wire import sse
from proxy.wire.base import Decoder, Fault, Meta
from proxy.wire.template import Template

MOST_AT_ONCE = 64 * 1024
"""How much of an answer is read at once: events, texts and bytes to send are made of it while a slow client waits."""

MOST_WHOLE_BYTES = 64 * 1024 * 1024
"""The largest whole answer that is read."""

LINGER = 0.25
"""Seconds that a finished answer's connection gets to end its body, so that it can be used again."""


class NativeAnswer:
    """A running answer. `streamed` tells whether events were asked for; a JSON body is taken for a whole answer all the
    same."""

    def __init__(self, response: aiohttp.ClientResponse, decoder: Decoder, call: Call, *, streamed: bool) -> None:
        self._response = response
        self._content = response.content
        self._decoder = decoder
        self._call = call
        self._parser = sse.Parser()
        self._template = Template()
        self._like = Text(0, "content", "")
        self._clean = False
        self._streamed = streamed and response.content_type != "application/json"
        self._body = bytearray()
        self._ended = False
        self._broken = False
        self._taken = 0
        self._connection = _listened(response) if self._streamed else None
        self._at_once: AtOnce = list
        self._news: asyncio.Future[None] | None = None
        self._left: Sequence[Event | Fault] | Exception | None = None
        self.meta: Meta = decoder.meta

    async def read(self, at_once: AtOnce | None = None) -> Sequence[Event | Fault]:
        """See `Answer.read`."""
        while True:
            if at_once is not None and self._connection is not None:
                await self._listen(self._connection, at_once)
            left, self._left = self._left, None
            if isinstance(left, Exception):
                raise left
            if left is not None:
                return left
            try:
                data = b"" if self._broken else await self._content.read(MOST_AT_ONCE)
            except (aiohttp.ClientError, OSError):
                data = self._rest()
            if self._broken and not data:
                raise died(self._call.provider_name)
            self._taken += len(data)
            if events := self._events(data):
                return events
            if not data:
                raise died(self._call.provider_name)

    async def aclose(self) -> None:
        """See `Answer.aclose`. An answer that did not end by itself is closed before anything is awaited."""
        if self._ended and not self._broken and not self._content.at_eof():
            await self._linger()
        if self._ended and self._content.at_eof():
            self._response.release()
        else:
            self._response.close()

    # ---- what arrives while somebody waits
    async def _listen(self, connection: Connection, at_once: AtOnce) -> None:
        """Wait until there is something to read, or something that `at_once` has left."""
        content = self._content
        if self._left is not None or content.total_bytes != self._taken or content.is_eof() or content.exception():
            return
        self._at_once = at_once
        self._news = asyncio.get_running_loop().create_future()
        connection.listener = listener = self._arrived
        try:
            await self._news
        finally:
            if connection.listener is listener:
                connection.listener = None

    def _arrived(self, piece: bytes | None) -> None:
        """See `proxy.upstreams.connection.Listener`."""
        if piece is not None:
            try:
                events = self._events(piece)
                left = self._at_once(events) if events else None
            except Exception as failure:  # the reader's to tell
                self._left = failure
            else:
                if left is None:
                    return
                self._left = left
        if self._connection is not None:
            self._connection.listener = None
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # ---- decoding
    def _events(self, data: bytes) -> Sequence[Event | Fault]:
        if self._clean and (text := self._template.read(data)) is not None:
            return self._decoder.more(self._like, text, self._template.counts)
        events = self._decode(data) if self._streamed else self._collect(data)
        last = events[-1] if events else None
        if type(last) is End:
            self._ended = True
        return failures.judged(self._call, events) if type(last) is Fault else events

    def _rest(self) -> bytes:
        """What came before the connection broke, which may well be the end of the answer."""
        self._broken = True
        self._connection = None
        self._content.set_exception(None)  # type: ignore[arg-type]  # with one it gives nothing
        return self._content.read_nowait()

    def _decode(self, data: bytes) -> Sequence[Event | Fault]:
        try:
            records = self._parser.feed(data) if data else self._parser.eof()
        except sse.EventTooLarge:
            return [Fault("The provider sent an event larger than this gateway takes.", kind="event_too_large")]
        events: list[Event | Fault] = []
        for record in records:
            events += self._decoder.decode(*record)
        self._learn(data, len(records), events)
        return events if data else [*events, *self._decoder.eof()]

    def _learn(self, data: bytes, records: int, events: Sequence[Event | Fault]) -> None:
        """What gave but a text (and counts) changed nothing else, so the next like it can be told by it; after anything
        else the decoder may take the same bytes for something else."""
        alone = self._clean and records == 1
        self._clean = self._parser.clean
        counted = len(events) == 2 and type(events[1]) is Usage
        texts = [event for event in events[: len(events) - counted] if type(event) is Text]
        if not len(texts) == len(events) - counted == records:
            self._template.forget()
        elif alone and self._clean and self._template.learn(data, texts[0].text, counted=counted):
            self._like = texts[0]

    def _collect(self, data: bytes) -> Sequence[Event | Fault]:
        self._body += data
        if len(self._body) > MOST_WHOLE_BYTES:
            return [Fault("The provider sent an answer larger than this gateway takes.", kind="answer_too_large")]
        return () if data else self._decoder.whole(bytes(self._body))

    async def _linger(self) -> None:
        """Give the provider a moment to end the body behind its last event."""
        try:
            async with asyncio.timeout(LINGER):
                await self._content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError):
            self._ended = False
        except asyncio.CancelledError:
            self._response.close()
            raise


def _listened(response: aiohttp.ClientResponse) -> Connection | None:
    """The connection, if what arrives on it can be taken as it is: in chunks, not compressed."""
    headers = response.headers
    if headers.get("transfer-encoding", "").lower() != "chunked" or "content-encoding" in headers:
        return None
    connection = None if response.connection is None else response.connection.protocol
    return connection if isinstance(connection, Connection) else None


def died(provider: str) -> UpstreamError:
    """The connection to the provider broke."""
    return UpstreamError(
        f"The provider {provider!r} closed the connection before its answer was complete: try again.",
        code="upstream_died",
    )
