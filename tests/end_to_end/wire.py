"""A hand-written client. It sends and reads exactly the bytes that it is told to, and leaves in every possible way.

It uses a socket and the loop's `sock_*` calls, not a stream object. That would read ahead, and many tests need a client
that does not read.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httptools

_LINGER_ZERO = b"\x01\0\0\0\0\0\0\0"


def post(path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """Make a request's bytes. `length` is declared instead of the body's own."""
    size = len(body) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json", f"content-length: {size}"]
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


def chat(model: str, *headers: str, prompt: str = "hello", **members: Any) -> bytes:
    """Make a chat completion request, streamed unless `stream` says otherwise."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True, **members}
    return post("/v1/chat/completions", json.dumps(body).encode(), *headers)


@dataclass(slots=True)
class Response:
    """A response parsed by httptools. `complete` is false while its end is missing."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of OpenAI's envelope. For a stream it is that of the last event."""
        found: dict[str, Any] = (self.events[-1] if self.body.startswith((b"data:", b":")) else self.json)["error"]
        return found

    @property
    def events(self) -> list[Any]:
        """The data of each server-sent event, parsed except for `[DONE]`."""
        lines = [line.removeprefix("data: ") for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    @property
    def text(self) -> str:
        """The content of choice 0, joined."""
        deltas = [choice.get("delta", {}) for e in self.events if e != "[DONE]" for choice in e.get("choices", ())]
        return "".join(delta.get("content") or "" for delta in deltas)


class _Reading:
    """httptools' callbacks, filling responses."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.responses.append(Response())

    def on_header(self, name: bytes, value: bytes) -> None:
        self.responses[-1].headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.responses[-1].status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.responses[-1].body += body

    def on_message_complete(self) -> None:
        self.responses[-1].complete = True


def responses(wire: bytes | bytearray) -> list[Response]:
    """Parse the responses in a connection's bytes. The last one may be incomplete."""
    reading = _Reading()
    reading.parser.feed_data(wire)
    return reading.responses


class Client:
    """One connection. `seen` has the data read and not yet returned as a response."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self.seen = bytearray()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(5):
            await self._loop.sock_sendall(self._socket, data)

    async def until(self, marker: bytes, seconds: float = 5) -> bytearray:
        """Read until the marker, and return all data seen. Raises `ConnectionError` if the connection ends first."""
        async with asyncio.timeout(seconds):
            while marker not in self.seen:
                if not await self.read():
                    raise ConnectionError(f"the connection ended before {marker!r}: {self.seen[-500:]!r}")
        return self.seen

    async def rest(self, seconds: float = 5) -> bytearray:
        """Read until the connection ends, properly or by a reset, and return all data seen."""
        async with asyncio.timeout(seconds):
            try:
                while await self.read():
                    pass
            except ConnectionResetError:
                pass
        return self.seen

    async def response(self, seconds: float = 5) -> Response:
        """Read a complete response, return it and drop it. Informational responses are skipped."""
        reading = _Reading()
        reading.parser.feed_data(self.seen)
        async with asyncio.timeout(seconds):
            while not (found := [r for r in reading.responses if r.complete and r.status >= 200]):
                data = await self.read()
                if not data:
                    raise ConnectionError(f"the connection ended before the response: {self.seen[-500:]!r}")
                reading.parser.feed_data(data)
        self.seen.clear()
        return found[0]

    async def read(self, most: int = 65536) -> bytes:
        """Wait for data, and return at most `most` bytes of it. Empty at the end of the connection."""
        data = await self._loop.sock_recv(self._socket, most)
        self.seen += data
        return data

    # ---- ways to leave
    def close(self) -> None:
        self._socket.close()

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._socket.close()


@asynccontextmanager
async def client(port: int, *, receive_buffer: int | None = None) -> AsyncIterator[Client]:
    """Connect to loopback's `port`, and close the connection with the block.

    With a small `receive_buffer` (bytes), a client that does not read soon blocks the sender.
    """
    with socket.socket() as sock:
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        yield Client(sock)


async def until(holds: Callable[[], object], seconds: float = 5) -> None:
    """Poll until a condition without an event is true. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)


async def until_still(read: Callable[[], int], seconds: float = 5) -> int:
    """Wait until a number that has begun to grow grows no more."""
    async with asyncio.timeout(seconds):
        while True:
            before = read()
            await asyncio.sleep(0.1)
            if before == read() > 0:
                return before
