"""The end of the process, as requests in flight, idle connections and load balancers see it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from proxy.server import Server
from tests.end_to_end.leaving import FLOOD, SMALL, connections
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import Client, Response, chat, client, responses, until

pytestmark = pytest.mark.anyio

GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


def drain(run: Running, number: signal.Signals = signal.SIGINT) -> None:
    """Handle the signal as the server does. SIGINT is the one without notice."""
    run.server._on_signal(number)


async def ended(run: Running) -> None:
    """The server takes no more connections."""

    def closed() -> bool:
        return not any(server.is_serving() for server in run.server.servers)

    await until(closed)


@asynccontextmanager
async def draining(model: str, seconds: float, *, stream: bool = True) -> AsyncIterator[tuple[Running, Client]]:
    """Run a gateway that is told to end while a request for `model` runs, with `seconds` to end."""
    config = CONFIG.replace("drain_seconds: 0", f"drain_seconds: {seconds}")
    async with running(config) as run, client(run.port) as wire:
        await wire.send(chat(model, stream=stream))
        await run.sim.next_call()
        if "pace" in model:
            await wire.until(b'"content":"')
        drain(run)
        yield run, wire


async def test_a_stream_may_end_while_the_server_drains() -> None:
    async with draining("openai-sim-chat.pace-5", 10) as (run, wire):
        await ended(run)
        with pytest.raises(OSError):
            async with client(run.port):
                pass
        [response] = responses(await wire.rest(seconds=5))
        assert response.events[-1] == "[DONE]"
        assert (await run.recorded()).outcome == "completed"


async def test_a_stream_that_does_not_end_in_time_is_told_so() -> None:
    async with draining("openai-sim-long.pace-20", 0.1) as (run, wire):
        [response] = responses(await wire.rest())
        assert response.complete and response.error["code"] == "shutting_down"
        assert b"[DONE]" not in response.body
        record = await run.recorded()
        assert (record.outcome, record.error, record.status) == ("drained", "shutting_down", 200)
        assert [call.outcome for call in run.sim.calls] == ["client_left"]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_that_has_no_answer_in_time_is_a_503(stream: bool) -> None:
    async with draining("openai-sim-chat.head-60000", 0, stream=stream) as (run, wire):
        [response] = responses(await wire.rest())
        assert (response.status, response.error["code"]) == (503, "shutting_down")
        assert (await run.recorded()).outcome == "drained"


async def test_a_client_that_does_not_read_does_not_keep_the_server() -> None:
    async with draining("openai-sim-long.tokens-200000.chunk-4000", 0) as (run, _):
        await until(lambda: not run.gateway.streams, seconds=5)
    assert run.records


async def test_a_second_signal_ends_at_once() -> None:
    """Streaming clients get an error event."""
    async with AsyncExitStack() as stack:
        config = CONFIG.replace("drain_seconds: 0", "drain_seconds: 60")
        async with asyncio.timeout(5), running(config) as run:
            wire = await stack.enter_async_context(client(run.port))
            await wire.send(chat("openai-sim-long.pace-20"))
            await wire.until(b'"content":"')
            drain(run)
            await ended(run)
            drain(run)
        assert not run.gateway.streams
        [response] = responses(await wire.rest())
        assert response.complete and response.error["code"] == "shutting_down"


async def test_a_second_signal_does_not_wait_for_a_client_that_does_not_read() -> None:
    config = CONFIG.replace("drain_seconds: 0", "drain_seconds: 60")
    async with asyncio.timeout(5), running(config) as run, client(run.port, receive_buffer=SMALL) as wire:
        run.sim.answers["flood"] = FLOOD
        await wire.send(chat("openai-flood"))
        await until(lambda: any(one.flow.write_paused for one in connections(run)))
        drain(run)
        await ended(run)
        drain(run)
    await until(lambda: not run.gateway.streams)
    await run.gateway.upstreams["native"].aclose()


async def test_idle_connections_are_closed_by_a_drain() -> None:
    async with running() as run, client(run.port) as wire:
        await wire.send(GET)
        await wire.response()
        drain(run)
        assert await wire.rest() == b""


async def test_sigterm_gives_notice_before_the_listener_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load balancers need the time. `/readyz` returns 503 while requests are still served."""
    monkeypatch.setattr(Server, "NOTICE", 0.6)
    async with running() as run:
        assert (await get(run, "/readyz")).status == 200
        drain(run, signal.SIGTERM)
        assert (await get(run, "/readyz")).status == 503
        await asyncio.sleep(0.3)
        assert (await get(run, "/healthz")).status == 200
        async with client(run.port) as wire:
            await wire.send(chat("openai-sim-chat"))
            assert (await wire.response()).events[-1] == "[DONE]"
        await ended(run)


async def get(run: Running, path: str) -> Response:
    async with client(run.port) as wire:
        await wire.send(GET.replace(b"/healthz", path.encode()))
        return await wire.response()


async def test_signals_are_handled_while_it_serves_and_given_back_after() -> None:
    before: Any = signal.getsignal(signal.SIGTERM)
    async with running():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) in (before, signal.SIG_DFL)
    await asyncio.sleep(0)
