"""A request's body on its way to the provider."""

import asyncio

import pytest

from proxy.providers.native import NativeUpstream
from proxy.tasks import spawn
from tests.proxy.providers.serving import STREAM, at, drained, server, text_of

pytestmark = pytest.mark.anyio

LONG = {"messages": [{"role": "user", "content": "." * 8_000_000}]}
"""More than sockets hold."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def test_a_long_body_comes_whole(upstream: NativeUpstream) -> None:
    async with server(STREAM) as provider:
        assert text_of(await drained(await upstream.open(at(provider.url, body=LONG)))) == "Hello"
        assert len(provider.heads) == 1


async def test_a_body_that_the_provider_does_not_read_is_let_go_with_its_request(upstream: NativeUpstream) -> None:
    """Closing a connection would first send what waits, for ever."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        asked.set()
        await gone.wait()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", limit=1)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    opening = spawn(upstream.open(at(url, body=LONG)))
    async with asyncio.timeout(5):
        await asked.wait()
    await asyncio.sleep(0.05)
    [protocol] = upstream._sender._opened()._connector._acquired  # type: ignore[union-attr]
    transport = protocol.transport
    assert transport is not None and transport.get_write_buffer_size() > 0
    opening.cancel()
    await asyncio.wait({opening})
    async with asyncio.timeout(5):
        while not transport.is_closing() or transport.get_write_buffer_size():
            await asyncio.sleep(0.01)
    gone.set()
    listener.close()
