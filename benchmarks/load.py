"""The load generator: raw sockets on uvloop, one protocol object a stream, so that it is not the bottleneck.

It asks for chat completions as a client does and counts the chunks. It records the time of the first chunk since the
request was written, and each gap between two.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import uvloop

_T = TypeVar("_T")
_LAST = b"0\r\n\r\n"
_CONTENT = b'"content":"'
_EMPTY = b'"content":""'
"""The marks of an OpenAI chunk with text, which contains the first exactly once and not the second."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, sent by each stream. `path` and `headers` are the target's, `body` is its JSON."""

    url: str
    path: str
    headers: dict[str, str]
    body: dict[str, object]

    def wire(self) -> bytes:
        """The request's bytes."""
        body = json.dumps(self.body).encode()
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"host: {urlsplit(self.url).netloc}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80


@dataclass(slots=True)
class Outcome:
    """The streams' results. Times are in seconds. `gaps` are those of all streams, `longest_gap` one for each."""

    chunks: int = 0
    failed: int = 0
    first_chunk: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    longest_gap: list[float] = field(default_factory=list)
    seconds: float = 0.0


class _Stream(asyncio.Protocol):
    """One request on one connection. It is done when the response has ended."""

    def __init__(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._request = request
        self._tail = b""
        self.done: asyncio.Future[None] = loop.create_future()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.chunks = 0
        self.first: float | None = None
        self.gaps: list[float] = []
        self.ok = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._last = self._sent = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        found = data.count(_CONTENT) - data.count(_EMPTY)
        if found:
            self.chunks += found
            if self.first is None:
                self.first = now - self._sent
                if not self.begun.done():
                    self.begun.set_result(None)
            else:
                self.gaps.append(now - self._last)
            self._last = now
        self._tail = (self._tail + data)[-len(_LAST) :] if len(data) < len(_LAST) else data[-len(_LAST) :]
        if self._tail == _LAST:
            self.ok = self.chunks > 0
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.done, self.begun):
            if not future.done():
                future.set_result(None)


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a measurement on an event loop of its own."""
    return uvloop.run(work)


async def load(ask: Ask, streams: int, *, spread: float = 0.5) -> Outcome:
    """Run `streams` requests at once, started over `spread` seconds."""
    loop = asyncio.get_running_loop()
    request = ask.wire()
    began = time.perf_counter()

    async def one(delay: float) -> _Stream:
        await asyncio.sleep(delay)
        transport, stream = await loop.create_connection(lambda: _Stream(request), *ask.address())
        try:
            await stream.done
        finally:
            transport.abort()
        return stream

    finished = await asyncio.gather(*(one(spread * i / streams) for i in range(streams)))
    outcome = Outcome(seconds=time.perf_counter() - began)
    for stream in finished:
        outcome.chunks += stream.chunks
        outcome.failed += not stream.ok
        if stream.first is not None:
            outcome.first_chunk.append(stream.first)
            outcome.gaps += stream.gaps
            outcome.longest_gap.append(max(stream.gaps, default=0.0))
    return outcome


@contextlib.asynccontextmanager
async def open_streams(ask: Ask, streams: int) -> AsyncIterator[None]:
    """Open streams, wait for their first chunk, and keep them open until the block ends."""
    loop = asyncio.get_running_loop()
    request = ask.wire()
    opened: list[_Stream] = []
    try:
        for _ in range(streams):
            _, stream = await loop.create_connection(lambda: _Stream(request), *ask.address())
            opened.append(stream)
        async with asyncio.timeout(30):
            await asyncio.gather(*(stream.begun for stream in opened))
        yield
    finally:
        for stream in opened:
            stream.transport.abort()
        await asyncio.gather(*(stream.done for stream in opened))


class _Again(asyncio.Protocol):
    """One non-streaming request after another on one connection. `answers` counts those answered with 200."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._got = b""
        self.answers = 0
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._whole():
            return
        ok = self._got.startswith(b"HTTP/1.1 200")
        self.answers += ok
        self.failed += not ok
        self._got = b""
        self.transport.write(self._request)

    def _whole(self) -> bool:
        head, _, body = self._got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        return len(body) >= int(length[1]) if length else body.endswith(_LAST)

    def connection_lost(self, error: Exception | None) -> None:
        self.failed += error is not None


async def answers_a_second(ask: Ask, connections: int, seconds: float) -> float:
    """Measure the rate of non-streaming requests answered with 200. Each connection sends the next one after its
    answer.

    Raises RuntimeError if one fails.
    """
    loop = asyncio.get_running_loop()
    request = ask.wire()
    made = [await loop.create_connection(lambda: _Again(request), *ask.address()) for _ in range(connections)]
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    counted = sum(protocol.answers for _, protocol in made)
    taken = time.perf_counter() - began
    failed = sum(protocol.failed for _, protocol in made)
    for transport, _ in made:
        transport.abort()
    if failed:
        raise RuntimeError(f"{failed} of {counted + failed} short answers of {ask.url} failed")
    return counted / taken
