"""A hostile provider in OpenAI's format: its attacks, and the expected result for its client.

A row states the expectation for every engine. No code here looks at the actual result.
"""

import asyncio
import contextlib
import json
import re
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

FORMS = ("streamed", "joined", "whole")
"""The ways to request an answer: as a stream, as a body that the gateway joins from a stream, and as the provider's
body.
"""

PAGE = b"<html><body>This is no model.</body></html>"
_LENGTH = re.compile(r"content-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
_SEND_BUFFER = 64 * 1024
_PIECE = b"x" * 2**16


@dataclass
class Line:
    """One request's connection. `streamed` is true if a stream was requested."""

    provider: "Provider"
    writer: asyncio.StreamWriter
    streamed: bool

    @property
    def head(self) -> bytes:
        """An answer's head but for its framing."""
        return _HEAD % (b"text/event-stream" if self.streamed else b"application/json")

    async def write(self, data: bytes) -> None:
        """Send bytes as they are. Raises `OSError` if the gateway has left."""
        if self.writer.transport.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()
        self.provider.sent += len(data)

    async def endless(self, data: bytes) -> None:
        """Send it again and again."""
        while True:
            await self.write(data)

    async def end(self) -> None:
        """End the connection in order."""
        self.writer.close()
        raise ConnectionResetError

    async def begin(self, framing: bytes = _CHUNKED) -> None:
        """Send a head, and the first word of a stream or the first byte of a body."""
        first = event("Hello") if self.streamed else b"{"
        await self.write(self.head + framing + (chunk(first) if framing == _CHUNKED else first))


Play = Callable[[Line], Awaitable[None]]


@dataclass
class Provider:
    """A running provider. `sent` counts the bytes sent over `connections`. `gone` is set when the gateway has closed
    one.
    """

    play: Play
    url: str = ""
    sent: int = 0
    connections: int = 0
    requests: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                length = _LENGTH.search(head)
                body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
                self.requests += 1
                await self.play(Line(self, writer, bool(body.get("stream"))))
        self.gone.set()
        writer.transport.abort()
        self._tasks.discard(task)

    def end(self) -> None:
        """Stop its attack."""
        for task in list(self._tasks):
            task.cancel()


@contextlib.asynccontextmanager
async def hostile(port: int = 0) -> AsyncIterator[Provider]:
    """Serve it on a port of its own. Set `play` before a request."""
    provider = Provider(answer)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    sock.bind(("127.0.0.1", port))
    async with await asyncio.start_server(provider.serve, sock=sock):
        provider.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        try:
            yield provider
        finally:
            provider.end()


def event(text: str, finish: str | None = None) -> bytes:
    """A chunk of a stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    value = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(value).encode()


def chunk(data: bytes) -> bytes:
    """A chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _response(line: Line) -> bytes:
    """A right answer."""
    if line.streamed:
        body = event("Hello") + event("", "stop") + b"data: [DONE]\n\n"
    else:
        message = {"role": "assistant", "content": "Hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        value = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        body = json.dumps(value).encode()
    return line.head + _CHUNKED + chunk(body) + b"0\r\n\r\n"


@cache
def _bomb(begun: bytes) -> bytes:
    """Compress a gibibyte after `begun` to a megabyte. Its checksum is never reached."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH) for data in (begun, b"x" * 2**20)]
    return parts[0] + parts[1] * 1024


# ---- attacks
async def answer(line: Line) -> None:
    """Answer as it should."""
    await line.write(_response(line))


def redirect(status: int, url: str) -> Play:
    """Send the client to another address."""

    async def play(line: Line) -> None:
        await line.write(f"HTTP/1.1 {status} There\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n".encode())

    return play


def _floods(begun: bytes, data: bytes) -> Play:
    async def play(line: Line) -> None:
        await line.write(begun)
        await line.endless(data)

    return play


def _behind(stray: Callable[[bytes], bytes]) -> Play:
    async def play(line: Line) -> None:
        response = _response(line)
        await line.write(response + stray(response))

    return play


async def _packed(line: Line) -> None:
    bomb = _bomb(b"data: " if line.streamed else b'{"id": "')
    await line.write(line.head + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb))
    await line.write(bomb)


async def _packed_error(line: Line) -> None:
    bomb = _bomb(b'{"error": {"message": "')
    await line.write(b"HTTP/1.1 500 No\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n")
    await line.write(b"content-length: %d\r\n\r\n" % len(bomb) + bomb)


async def _one_event(line: Line) -> None:
    await line.write(line.head + _CHUNKED + chunk(b"data: " if line.streamed else b'{"id": "'))
    await line.endless(chunk(_PIECE))


async def _values(line: Line) -> None:
    values = b'{"choices": [' + b"[]," * 400_000 + b"0]}"
    await line.write(line.head + _CHUNKED + chunk(b"data: %b\n\n" % values if line.streamed else values) + b"0\r\n\r\n")


async def _without_end(line: Line) -> None:
    await line.begin()
    await line.endless(chunk(event("word " * 200) * 20 if line.streamed else b" " * 2**16))


async def _page(line: Line) -> None:
    await line.write(_HEAD % b"text/html" + b"content-length: %d\r\n\r\n%b" % (len(PAGE), PAGE))


async def _truncated(line: Line) -> None:
    await line.begin(b"content-length: 100000\r\n\r\n")
    await line.end()


async def _unfinished(line: Line) -> None:
    await line.begin()
    await line.end()


async def _reset(line: Line) -> None:
    await line.begin()
    await asyncio.sleep(0.05)  # what is on the way would be lost with the connection
    sock = line.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    line.writer.transport.abort()
    raise ConnectionResetError


async def _silent(line: Line) -> None:
    pass


async def _head_alone(line: Line) -> None:
    await line.write(line.head + _CHUNKED)


async def _word_alone(line: Line) -> None:
    await line.begin()


async def _drips(line: Line) -> None:
    await line.write(line.head + _CHUNKED)
    while True:
        await line.write(chunk(b": \n\n" if line.streamed else b" "))
        await asyncio.sleep(0.02)


async def _drips_words(line: Line) -> None:
    await line.begin()
    while True:
        await line.write(chunk(event("word ")))
        await asyncio.sleep(0.02)


# ---- expected results
@dataclass(frozen=True, slots=True)
class Row:
    """One kind of attack.

    The client gets `status` and `code`, and its error contains `message`. With `begun`, a stream has said Hello by
    then, and the client gets 200 and an error event. The connection is closed, except for an answer that is `over` to
    the byte. `most` limits the bytes sent, socket buffers included. A stream that its client reads has no such limit.
    """

    name: str
    play: Play
    status: int
    code: str | None
    forms: Sequence[str] = FORMS
    begun: bool = False
    over: bool = False
    message: str = ""
    most: int = 30_000_000


_ERROR = b"HTTP/1.1 %d No\r\ncontent-type: application/json\r\n\r\n" + b'{"error": {"message": "'
_STREAMS = FORMS[:2]

FAULTS = (
    Row("an error without end", _floods(_ERROR % 500, _PIECE), 502, "upstream_error"),
    Row("a refusal without end", _floods(_ERROR % 400, _PIECE), 400, "upstream_error"),
    Row("a compressed error", _packed_error, 502, "upstream_error"),
    Row("a compressed answer", _packed, 502, "event_too_large", _STREAMS),
    Row("a compressed whole answer", _packed, 502, "answer_too_large", FORMS[2:]),
    Row("header lines without end", _floods(b"HTTP/1.1 200 OK\r\n", b"x-y: zzzzz\r\n" * 5000), 502, "upstream_died"),
    Row("one header line without end", _floods(b"HTTP/1.1 200 OK\r\nx: ", _PIECE), 502, "upstream_died"),
    Row("interim answers without end", _floods(b"", b"HTTP/1.1 102 Wait\r\n\r\n" * 500), 502, "upstream_died"),
    Row("no HTTP", _floods(b"", b"garbage\r\n\r\n"), 502, "upstream_died"),
    Row("one event without end", _one_event, 502, "event_too_large", _STREAMS),
    Row("a whole answer without end", _one_event, 502, "answer_too_large", FORMS[2:]),
    Row("a joined answer without end", _without_end, 502, "answer_too_large", ["joined"]),
    Row("more values than a parser takes", _values, 502, "event_too_large", over=True),
    Row("a page", _page, 502, "upstream_died", _STREAMS, over=True),
    Row("a page for a whole answer", _page, 502, "malformed_event", FORMS[2:], over=True),
    Row("a body that is cut", _truncated, 502, "upstream_died", begun=True),
    Row("chunks without the last", _unfinished, 502, "upstream_died", begun=True),
    Row("a reset", _reset, 502, "upstream_died", begun=True),
)

SILENCES = (
    Row("no head", _silent, 504, "upstream_timeout", message="timeouts.first_token"),
    Row("a head alone", _head_alone, 504, "upstream_timeout", message="timeouts.first_token"),
    Row("a drip", _drips, 504, "upstream_timeout", message="timeouts.first_token"),
    Row("a word alone", _word_alone, 504, "upstream_timeout", _STREAMS, begun=True, message="timeouts.idle"),
    Row("a part alone", _word_alone, 504, "upstream_timeout", FORMS[2:], message="timeouts.first_token"),
    Row("words without end", _drips_words, 504, "upstream_timeout", _STREAMS, begun=True, message="timeouts.total"),
    Row(
        "a flood of words",
        _without_end,
        504,
        "upstream_timeout",
        FORMS[:1],
        begun=True,
        message="timeouts.total",
        most=10**10,
    ),
)

BEHIND: dict[str, Play] = {
    "a byte": _behind(lambda response: b"H"),
    "a line end": _behind(lambda response: b"\r\n"),
    "a response": _behind(lambda response: response.replace(b"Hello", b"Another's")),
}
"""A right answer, and extra data after its end."""
