"""The load generator: raw sockets, one protocol object a stream, so that it is not what limits the measurement.

It asks for chat completions as a client would, counts the chunks that come back and notes when: the first one since the
request was written, and the longest gap between two.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, sent by each stream. `path` and `headers` are the target's; `body` is its JSON."""

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


@dataclass(slots=True)
class Outcome:
    """What the streams saw. Times in seconds."""

    chunks: int = 0
    failed: int = 0
    first_chunk: list[float] = field(default_factory=list)
    longest_gap: list[float] = field(default_factory=list)
    seconds: float = 0.0


class _Stream(asyncio.Protocol):
    """One request on one connection; done when the response has ended."""

    def __init__(self, request: bytes, marker: bytes) -> None:
        self._request = request
        self._marker = marker
        self._tail = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.chunks = 0
        self.first: float | None = None
        self.gap = 0.0
        self.ok = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._last = self._sent = time.perf_counter()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        found = data.count(self._marker)
        if found:
            self.chunks += found
            if self.first is None:
                self.first = now - self._sent
            else:
                self.gap = max(self.gap, now - self._last)
            self._last = now
        self._tail = (self._tail + data)[-5:]
        if self._tail == b"0\r\n\r\n":
            self.ok = self.chunks > 0
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(ask: Ask, streams: int, marker: bytes = b"data: ", spread: float = 0.5) -> Outcome:
    """Run `streams` requests at once, begun over `spread` seconds. `marker` is what each chunk holds once."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(ask.url)
    request = ask.wire()
    began = time.perf_counter()

    async def one(delay: float) -> _Stream:
        await asyncio.sleep(delay)
        _, stream = await loop.create_connection(lambda: _Stream(request, marker), parts.hostname, parts.port)
        await stream.done
        return stream

    finished = await asyncio.gather(*(one(spread * i / streams) for i in range(streams)))
    outcome = Outcome(seconds=time.perf_counter() - began)
    for stream in finished:
        outcome.chunks += stream.chunks
        outcome.failed += not stream.ok
        if stream.first is not None:
            outcome.first_chunk.append(stream.first)
            outcome.longest_gap.append(stream.gap)
    return outcome
