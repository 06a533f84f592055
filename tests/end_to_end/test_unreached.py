"""Unreachable providers: the operator sees the system's reason, and unsent requests are not billed."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.end_to_end import wire
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.failing import unreachable
from tests.end_to_end.running import Running, running
from tests.end_to_end.spans import spans_of, tree

pytestmark = pytest.mark.anyio

CONFIG = """
server: {{port: 0, drain_seconds: 0}}
timeouts: {{connect: {connect}, first_token: {first_token}}}
retries: {{attempts: 1}}
providers:
  p: {{api: openai, api_key: provider-key-p, base_url: "{url}"}}
models:
  m: {{target: p/x}}
prices: {{p/x: {{input: 1000, output: 1000}}}}
"""

Place = Callable[[], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    async with unreachable() as (closed, _):
        yield f"http://127.0.0.1:{closed}/v1"


@asynccontextmanager
async def no_tls() -> AsyncIterator[str]:
    async with unreachable() as (_, garbled):
        yield f"https://127.0.0.1:{garbled}/v1"


@asynccontextmanager
async def no_name() -> AsyncIterator[str]:
    yield "http://no-such-host.invalid/v1"


@asynccontextmanager
async def full() -> AsyncIterator[str]:
    """Open a port whose queue is full. A connection to it is neither accepted nor refused."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        with socket.create_connection(listening.getsockname()):
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


@asynccontextmanager
async def mute() -> AsyncIterator[str]:
    """Open a port that accepts connections and never answers a TLS handshake."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@asynccontextmanager
async def gateway(
    place: Place, kept: InMemorySpanExporter, *, connect: float = 2, first_token: float = 5
) -> AsyncIterator[Running]:
    async with place() as url:
        config = CONFIG.format(url=url, connect=connect, first_token=first_token).replace("{", "{{").replace("}", "}}")
        async with running(config, exporters=[kept]) as run:
            yield run


FAILURES: dict[str, tuple[Place, float, str, str]] = {
    "refused": (nobody, 2, "connect_error", "ECONNREFUSED (Connection refused)"),
    "no such name": (no_name, 2, "connect_error", "DNS: EAI_"),
    "no TLS": (no_tls, 2, "tls_error", "TLS: WRONG_VERSION_NUMBER"),
    "not taken": (full, 0.2, "connect_timeout", "no connection within 0.2 s"),
    "TLS not answered": (mute, 0.2, "connect_timeout", "no connection within 0.2 s"),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("place", "connect", "code", "why"), FAILURES.values(), ids=FAILURES.keys())
async def test_the_systems_reason_is_told_and_nothing_is_billed(
    place: Place, connect: float, code: str, why: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "sluice")
    kept = InMemorySpanExporter()
    async with gateway(place, kept, connect=connect) as run, plain(run.url) as client:
        response = await client.post(CHAT, json=ask("m", stream=stream))
        record = await run.recorded()
        [attempt] = tree(await spans_of(run, kept)).attempts
    assert response.json()["error"]["code"] == code and why not in response.text
    (line,) = [record.getMessage() for record in caplog.records if record.name == "sluice"]
    assert f"failed ({code}): {why}" in line and "provider-key-p" not in line
    assert str((attempt.attributes or {})["error.message"]).startswith(why)
    assert record.bill is None


@pytest.mark.parametrize("way", ["leaves", "is cancelled", "waits too long"])
@pytest.mark.parametrize("place", [full, mute])
async def test_a_request_that_ends_while_it_connects_is_not_billed(place: Place, way: str) -> None:
    limit = 0.2 if way == "waits too long" else 5
    async with (
        gateway(place, InMemorySpanExporter(), connect=10, first_token=limit) as run,
        wire.client(run.port) as client,
    ):
        await client.send(wire.chat("m", "x-request-id: mine"))
        await wire.until(lambda: run.gateway.streams)
        await wire.until(lambda: any(progress for progress in run.gateway.streams))
        if way == "leaves":
            client.close()
        elif way == "is cancelled":
            async with plain(run.url) as other:
                cancelled = await other.post(f"{CHAT}/mine/cancel")
            assert cancelled.status_code == 200
            assert b'"usage"' not in await client.until(b"[DONE]")
        record = await run.recorded()
    assert record.attempts == 1 and record.bill is None


async def test_a_request_that_went_out_is_billed() -> None:
    """The other side: the provider may have begun to work."""

    @asynccontextmanager
    async def silent() -> AsyncIterator[str]:
        async with mute() as url:
            yield url.replace("https:", "http:")

    async with (
        gateway(silent, InMemorySpanExporter(), first_token=1) as run,
        plain(run.url) as client,
    ):
        response = await client.post(CHAT, json=ask("m", stream=True))
        record = await run.recorded()
    assert response.status_code == 504
    assert record.bill is not None and record.bill.usage.prompt > 0 and record.bill.cost is not None
