"""Shortage of file descriptors: idle connections close first, and new ones are rejected politely.

Providers are still reached, and the log reports it once.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from proxy.access.connections import RESERVE
from proxy.simulator import Simulator
from tests.end_to_end.process import Serving, started
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import Client, chat, client, responses, until
from tests.proxy.access.test_connections import no_descriptor_left

pytestmark = pytest.mark.anyio

LIMIT = 256
ROOM = (LIMIT - RESERVE) // 2
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@asynccontextmanager
async def few_descriptors(folder: Path, limit: str = "ulimit") -> AsyncIterator[tuple[Serving, int, Simulator]]:
    """Run a gateway with at most `LIMIT` file descriptors. Yield its port and its provider."""
    async with Simulator() as sim:
        config = folder / "config.yaml"
        config.write_text(CONFIG.format(url=sim.url).replace("port: 0", "port: '${SLUICE_PORT}'"))
        async with started(config, shell=f'{limit} -n {LIMIT}; exec "$@"') as serving:
            async with httpx.AsyncClient(base_url=serving.url) as http:
                await serving.ready(http)
            yield serving, int(serving.url.rpartition(":")[2]), sim


async def metrics(port: int) -> dict[str, float]:
    async with httpx.AsyncClient() as http:
        lines = (await http.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("sluice_connections")}


async def told(serving: Serving) -> list[str]:
    serving.process.terminate()
    _, lines = await serving.ended()
    return [line for line in lines.splitlines() if "connections" in line]


async def test_idle_clients_shut_nobody_out(tmp_path: Path) -> None:
    async with few_descriptors(tmp_path) as (serving, port, _), AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(client(port)) for _ in range(LIMIT + 50)]
        for _ in range(20):
            async with client(port) as asker:
                await asker.send(chat("openai-sim-chat"))
                assert (await asker.response(5)).events[-1] == "[DONE]"
        assert await idle[0].rest(5) == b""  # the oldest were closed
        counts = await metrics(port)
        assert counts["sluice_connections_active"] <= ROOM and counts["sluice_connections_closed_total"] > 200
        assert counts["sluice_connections_refused_total"] == 0
        lines = await told(serving)
        assert len([line for line in lines if "leaves for clients are in use" in line and "ulimit -n" in line]) == 1


async def test_clients_that_were_answered_and_stay_shut_nobody_out(tmp_path: Path) -> None:
    async with few_descriptors(tmp_path) as (_, port, _), AsyncExitStack() as stack:
        for _ in range(ROOM + 10):
            one = await stack.enter_async_context(client(port))
            await one.send(GET)
            assert (await one.response(5)).status == 200


async def test_a_limit_that_the_system_lets_be_raised_is_raised(tmp_path: Path) -> None:
    async with few_descriptors(tmp_path, limit="ulimit -S") as (_, port, _), AsyncExitStack() as stack:
        for _ in range(LIMIT):
            await stack.enter_async_context(client(port))
        counts = await metrics(port)
        assert counts["sluice_connections_active"] == LIMIT + 1 and counts["sluice_connections_closed_total"] == 0


async def test_a_connection_that_is_used_again_is_not_the_one_that_goes(tmp_path: Path) -> None:
    async with few_descriptors(tmp_path) as (_, port, _), AsyncExitStack() as stack:
        kept = await stack.enter_async_context(client(port))
        for _ in range(LIMIT):
            await kept.send(GET)
            assert (await kept.response(5)).status == 200
            await stack.enter_async_context(client(port))


async def test_slow_bodies_shut_nobody_out(tmp_path: Path) -> None:
    async with few_descriptors(tmp_path) as (_, port, _), AsyncExitStack() as stack:
        for _ in range(ROOM):
            slow = await stack.enter_async_context(client(port))
            await slow.send(chat("openai-sim-chat")[:-1])
        for _ in range(10):
            async with client(port) as asker:
                await asker.send(chat("openai-sim-chat"))
                assert (await asker.response(5)).events[-1] == "[DONE]"


async def test_where_all_are_at_work_new_ones_are_refused_and_providers_are_reached(tmp_path: Path) -> None:
    async with few_descriptors(tmp_path) as (_, port, sim), AsyncExitStack() as stack:
        streams: list[Client] = []
        for count in range(ROOM):
            streams.append(await stack.enter_async_context(client(port)))
            await streams[-1].send(chat("openai-sim-chat.after-3-stall"))
            await until(lambda count=count: len(sim.calls) > count, seconds=5)  # type: ignore[misc]
        for _ in range(3):
            async with client(port) as asker:
                [refused] = responses(await asker.rest(5))
                assert (refused.status, refused.error["code"]) == (503, "overloaded")
                assert refused.headers["retry-after"] == "1" and refused.headers["connection"] == "close"
        streams.pop().close()
        await sim.calls[-1].left(5)
        async with client(port) as asker:
            await asker.send(chat("openai-sim-chat"))
            assert (await asker.response(5)).events[-1] == "[DONE]"
        assert (await metrics(port))["sluice_connections_refused_total"] == 3
        for stream in streams:
            await stream.until(b'"content":"', 5)


async def test_idle_connections_to_one_provider_do_not_keep_another_from_being_reached() -> None:
    async with Simulator() as other:
        there = 'gemini: {{api_key: provider-key-gemini, base_url: "{url}"}}'
        assert there in CONFIG
        config = CONFIG.replace(there, there.replace("{url}", other.url))
        async with running(config) as run, client(run.port) as asker:
            for model in ("gemini-sim-chat.after-3-drop", "openai-sim-chat"):  # the latter's connection stays
                await asker.send(chat(model))
                await asker.response()
            with no_descriptor_left():
                await asker.send(chat("gemini-sim-chat"))
                assert (await asker.response()).error["code"] == "no_descriptors"
                await asker.send(chat("gemini-sim-chat"))
                assert (await asker.response()).events[-1] == "[DONE]"


async def test_a_provider_that_cannot_be_reached_for_want_of_a_descriptor_is_no_fault_of_it(
    run: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with client(run.port) as first:  # what the first request reads from files; it leaves no connection behind
        await first.send(chat("openai-sim-chat.after-3-stall"))
        await first.until(b'"content":"', seconds=5)
    await run.recorded()
    caplog.set_level(logging.WARNING, "sluice")
    async with client(run.port) as asker:
        await asker.send(GET)
        await asker.response()
        with no_descriptor_left():
            await asker.send(chat("openai-sim-chat"))
            response = await asker.response()
            await until(lambda: "no file descriptor left" in caplog.text, seconds=5)
        assert (response.status, response.error["code"]) == (503, "no_descriptors")
        record = await run.recorded(2)
        assert (record.outcome, record.error) == ("shed", "no_descriptors")
    async with client(run.port) as asker:
        await asker.send(chat("openai-sim-chat"))
        assert (await asker.response()).events[-1] == "[DONE]"
