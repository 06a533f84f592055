"""A native stream's answer over real sockets, read by somebody who takes batches as they arrive."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from policies.events import End, Event, Text
from proxy.errors import UpstreamError
from proxy.formats.base import DecodeError
from proxy.providers.answer import NativeAnswer
from proxy.providers.base import BatchResult
from proxy.providers.native import NativeUpstream
from proxy.tasks import spawn
from tests.proxy.providers.serving import DONE, HEAD, LAST, at, chunk, drained, said, server, text_of

pytestmark = pytest.mark.anyio

Batch = Sequence[Event | DecodeError]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@dataclass
class Writer:
    """A provider that says what it is told to."""

    url: str
    writer: asyncio.StreamWriter | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


@asynccontextmanager
async def told(head: bytes = HEAD) -> AsyncIterator[Writer]:
    """A server that says a head to each request, and then what the test tells it."""
    made: list[Writer] = []

    async def play(writer: asyncio.StreamWriter) -> None:
        made[0].writer = writer
        made[0].asked.set()
        writer.write(head)

    async with server(play) as provider:
        made.append(Writer(provider.url))
        yield made[0]


@dataclass
class Taker:
    """Takes all at once; `came` is set by each batch."""

    batches: list[Batch] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, batch: Batch) -> BatchResult:
        if not batch:
            return BatchResult.DONE
        if isinstance(batch[-1], End):
            return BatchResult.LEFT
        self.batches.append(batch)
        self.came.set()
        return BatchResult.DONE

    async def next(self) -> None:
        async with asyncio.timeout(5):
            await self.came.wait()
        self.came.clear()

    @property
    def text(self) -> str:
        return text_of([event for batch in self.batches for event in batch])


async def read_on(answer: Any, taker: Taker) -> None:
    """Read until it raises."""
    while True:
        await answer.read(taker)


async def test_batches_come_at_once_and_a_connection_is_used_again_without_its_old_reader(
    upstream: NativeUpstream,
) -> None:
    takers = []
    async with told() as provider:
        for turn in range(3):
            answer = await upstream.open(at(provider.url))
            takers.append(taker := Taker())
            reading = spawn(answer.read(taker))
            await asyncio.sleep(0.01)
            for word in ("Hello", ", ", f"{turn}"):
                provider.say(chunk(said(word)))
                await taker.next()
            provider.say(chunk(DONE) + LAST)
            async with asyncio.timeout(5):
                assert (await reading)[-1] == End("natural")
            await answer.aclose()
        assert [taker.text for taker in takers] == ["Hello, 0", "Hello, 1", "Hello, 2"]
        assert [len(taker.batches) for taker in takers] == [3, 3, 3]


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("partial", [b"", b"5\r\nda"])
async def test_a_provider_that_dies_while_somebody_listens_is_a_failure(
    upstream: NativeUpstream, how: str, partial: bytes
) -> None:
    async with told() as provider:
        answer = await upstream.open(at(provider.url))
        taker = Taker()
        reading = spawn(read_on(answer, taker))
        await asyncio.sleep(0.01)
        provider.say(chunk(said("Hel")))
        await taker.next()
        assert provider.writer is not None
        provider.say(partial)
        provider.writer.transport.close() if how == "close" else provider.writer.transport.abort()
        with pytest.raises(UpstreamError) as caught:
            async with asyncio.timeout(5):
                await reading
        assert caught.value.code == "upstream_died" and taker.text == "Hel"
        await answer.aclose()


async def test_a_provider_that_closes_behind_its_last_event_has_answered(upstream: NativeUpstream) -> None:
    async with told() as provider:
        answer = await upstream.open(at(provider.url))
        reading = spawn(answer.read(lambda batch: BatchResult.LEFT if isinstance(batch[-1], End) else BatchResult.DONE))
        await asyncio.sleep(0.01)
        provider.say(chunk(said("", '"stop"')) + chunk(DONE))
        assert provider.writer is not None
        provider.writer.close()
        async with asyncio.timeout(5):
            assert (await reading)[-1] == End("natural")
        await answer.aclose()


GZIP = HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
PACKED = gzip.compress(said("Hello") + DONE)
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(said("Hello") + DONE)
MISLEADING = [b"8\r\n: ping\r\n\r\n", said("Hello"), DONE]
"""Events whose first line looks like a chunk's size."""
LONGER = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % sum(map(len, MISLEADING))
UNTIL_CLOSED = b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
JSON = HEAD.replace(b"text/event-stream", b"application/json")
WHOLE = b'{"id":"c","choices":[{"index":0,"message":{"content":"Hello"},"finish_reason":"stop"}]}'


@pytest.mark.parametrize(
    ("head", "parts"),
    [
        (GZIP, [chunk(PACKED[:20]), chunk(PACKED[20:]), LAST]),
        (PLAIN, [said("Hello"), DONE]),
        (PLAIN, [said("Hello")[:9], said("Hello")[9:] + DONE]),
        (LONGER, MISLEADING),
        (UNTIL_CLOSED, [said("Hello"), DONE]),
        (JSON, [chunk(WHOLE[:30]), chunk(WHOLE[30:]), LAST]),
    ],
)
async def test_a_body_that_is_not_plain_chunks_of_events_is_read_and_never_taken_at_once(
    upstream: NativeUpstream, head: bytes, parts: list[bytes]
) -> None:
    events: list[Event | DecodeError] = []
    taker = Taker()
    async with told(head) as provider:
        answer = await upstream.open(at(provider.url))

        async def read() -> None:
            while not events or not isinstance(events[-1], End):
                events.extend(await answer.read(taker))

        reading = spawn(read())
        for part in parts:
            await asyncio.sleep(0.01)
            provider.say(part)
        async with asyncio.timeout(5):
            await reading
        await answer.aclose()
    assert text_of(events) == "Hello" and not taker.batches


async def test_a_flood_that_nobody_reads_stops_at_the_buffers_bound_and_comes_whole(upstream: NativeUpstream) -> None:
    words = "x" * 1000
    sent = 8000
    async with told() as provider:
        answer = await upstream.open(at(provider.url))
        assert isinstance(answer, NativeAnswer)
        taker = Taker()
        reading = spawn(answer.read(taker))
        await asyncio.sleep(0.01)
        provider.say(chunk(said("first")))
        await taker.next()
        reading.cancel()
        await asyncio.wait({reading})
        for _ in range(sent):
            provider.say(chunk(said(words)))
        provider.say(chunk(DONE) + LAST)
        await asyncio.sleep(0.05)
        assert len(answer._bytes._raw) < 400_000 and len(taker.batches) == 1
        events: list[Event | DecodeError] = []
        async with asyncio.timeout(5):
            while not events or not isinstance(events[-1], End):
                events += await answer.read(lambda batch: BatchResult.LEFT)
        await answer.aclose()
        assert len(text_of(events)) == sent * len(words)


@pytest.mark.parametrize("api", ["openai", "anthropic", "gemini"])
async def test_an_answer_that_is_taken_at_once_is_the_one_that_is_read(
    sim: Any, upstream: NativeUpstream, api: str
) -> None:
    read = await drained(await upstream.open(at(sim.url, api)))
    answer = await upstream.open(at(sim.url, api))
    events: list[Event | DecodeError] = []

    def take(batch: Batch) -> BatchResult:
        events.extend(batch)
        return BatchResult.WAKE if isinstance(batch[-1], End) else BatchResult.DONE

    async with asyncio.timeout(5):
        while not events or not isinstance(events[-1], End):
            events += await answer.read(take)
    await answer.aclose()
    assert text_of(events) == text_of(read) and [e for e in events if not isinstance(e, Text)] == [
        e for e in read if not isinstance(e, Text)
    ]
