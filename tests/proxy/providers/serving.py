"""A server that says exact bytes, and calls of the native upstream that go to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from policies.events import End, Event, Text
from proxy.errors import UpstreamError
from proxy.formats.base import DecodeError
from proxy.providers.base import Call
from proxy.providers.native import NativeUpstream
from tests.proxy.providers.calls import call

APIS = ("openai", "anthropic", "gemini")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def at(url: str, api: str = "openai", **changes: Any) -> Call:
    """A call of a provider at `url`."""
    base = f"{url}/v1" if api == "openai" else url
    return call(api, **{"model": "m", **changes, "provider": {"base_url": base}})


async def drained(answer: Any) -> list[Event | DecodeError]:
    """All events of an answer to its end, which is then closed."""
    events: list[Event | DecodeError] = []
    async with asyncio.timeout(5):
        while not events or not isinstance(events[-1], End | DecodeError):
            events += await answer.read()
        await answer.aclose()
    return events


def text_of(events: Sequence[Event | DecodeError]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def said(text: str, finish: str = "null") -> bytes:
    """A chunk of OpenAI's format as one event."""
    choice = f'{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":{finish}}}'
    return f'data: {{"id":"c","choices":[{choice}]}}\n\n'.encode()


STREAM = HEAD + chunk(said("Hello") + said("", '"stop"') + DONE) + LAST


@dataclass
class Server:
    """`heads` are the requests' so far; `closed` is set when a connection that was not ended here is closed."""

    url: str = ""
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)


Play = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(play: Play | bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server that answers each request with `play`, on connections that it never closes."""
    serving = Server()
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        serving.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                serving.heads.append(head)
                length = head.lower().partition("content-length: ")[2].partition("\r")[0]
                await reader.readexactly(int(length or 0))
                if isinstance(play, bytes):
                    writer.write(play)
                else:
                    await play(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            serving.closed.set()
        except asyncio.CancelledError:  # the test is over
            pass
        finally:
            writer.close()
            tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", ssl=tls)
    scheme = "http" if tls is None else "https"
    serving.url = f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield serving
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def refused(upstream: NativeUpstream, asked: Call) -> UpstreamError:
    """The error of a call that must not get an answer."""
    with pytest.raises(UpstreamError) as caught:
        async with asyncio.timeout(5):
            await upstream.open(asked)
    return caught.value
