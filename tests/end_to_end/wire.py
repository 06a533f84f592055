"""A client by hand: it sends and reads what it is told to, no byte more, and leaves in every way that a client can.

Rule: a socket and the loop's `sock_*` calls, no stream object: that would read ahead, and a client that does not read
is half of what is tested with this.
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
    """A request's bytes; `length` is declared in place of the body's own."""
    size = len(body) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json", f"content-length: {size}"]
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


def chat(model: str, *headers: str, prompt: str = "hello", **members: Any) -> bytes:
    """A chat completion's request, streamed unless `stream` says otherwise."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True, **members}
    return post("/v1/chat/completions", json.dumps(body).encode(), *headers)


@dataclass(slots=True)
class Response:
    """A response, as httptools reads it. `complete` is false while its end has not come."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of OpenAI's envelope; in a stream that of the last event."""
        found: dict[str, Any] = (self.events[-1] if self.body.startswith((b"data:", b":")) else self.json)["error"]
        return found

    @property
    def events(self) -> list[Any]:
        """The data of each server-sent event, parsed but for `[DONE]`."""
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
    """The responses in a connection's bytes, the last one perhaps incomplete."""
    reading = _Reading()
    reading.parser.feed_data(wire)
    return reading.responses


class Client:
    """One connection. `seen` is what was read and not yet given as a response."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self.seen = bytearray()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(5):
            await self._loop.sock_sendall(self._socket, data)

    async def until(self, marker: bytes, seconds: float = 5) -> bytearray:
        """Read until `marker` was seen; all that was seen. Raises `ConnectionError` when the connection ends first."""
        async with asyncio.timeout(seconds):
            while marker not in self.seen:
                if not await self.read():
                    raise ConnectionError(f"the connection ended before {marker!r}: {self.seen[-500:]!r}")
        return self.seen

    async def rest(self, seconds: float = 5) -> bytearray:
        """Read until the connection ends, well or by a reset; all that was seen."""
        async with asyncio.timeout(seconds):
            try:
                while await self.read():
                    pass
            except ConnectionResetError:
                pass
        return self.seen

    async def response(self, seconds: float = 5) -> Response:
        """Read until there is a complete response, and forget it; informational ones are passed over."""
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
    """A connection to loopback's `port`, closed with the block. A small `receive_buffer` (bytes) makes a client that
    does not read felt early."""
    with socket.socket() as sock:
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        yield Client(sock)


async def until(holds: Callable[[], object], seconds: float = 5) -> None:
    """Wait for what no event tells. Raises `TimeoutError`."""
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
