"""A non-streaming answer has a size limit (`server.max_answer_mb`). Beyond it the client gets an error and the provider
is closed.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.simulator import Answer
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.leaving import MATRIX_CONFIG, PROVIDERS, SMALL, connections, shrink_send_buffers
from tests.end_to_end.running import Running, running
from tests.end_to_end.wire import Response, chat, client, until

pytestmark = pytest.mark.anyio

BOUND = 200_000
CONFIG = MATRIX_CONFIG.replace("attempts: 1", "attempts: 3").replace(
    "port: 0", f"port: 0, max_answer_mb: {BOUND / 2**20}"
)
NATIVE = """
  "whole-openai": {{target: openai/large, whole: native}}
  "whole-anthropic": {{target: anthropic/large, whole: native}}
  "whole-gemini": {{target: gemini/large, whole: native}}
"""


@pytest.fixture(scope="module")
async def shared(litellm_used: None) -> AsyncIterator[Running]:
    async with running(CONFIG + NATIVE) as run:
        yield run


async def asked(run: Running, model: str, *, stream: bool = False) -> Response:
    async with client(run.port) as asker:
        await asker.send(chat(model, stream=stream))
        return await asker.response(20)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_joined_answer_beyond_the_bound_is_a_502_and_its_provider_is_closed(
    run: Running, provider: str
) -> None:
    run.sim.answers["large"] = Answer("word " * 1_000_000, chunk=500)
    response = await asked(run, f"{provider}-large")
    assert (response.status, response.error["code"]) == (502, "answer_too_large")
    assert "server.max_answer_mb" in response.error["message"]
    await (await run.sim.next_call()).left()
    record = await run.recorded()
    assert (record.outcome, record.error, record.attempts) == ("upstream_error", "answer_too_large", 1)
    assert record.bill is not None and record.bill.usage.completion > BOUND / 20
    assert len(run.sim.calls) == 1, "the next attempt's answer would be as large"
    assert not run.gateway.streams


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
async def test_an_answer_that_comes_in_one_piece_has_the_same_bound(run: Running, provider: str) -> None:
    run.sim.answers["large"] = Answer("word " * 100_000, chunk=5000)
    response = await asked(run, f"whole-{provider}")
    assert (response.status, response.error["code"]) == (502, "answer_too_large")
    await until(lambda: not run.sim.connections)
    assert (await run.recorded()).bill is not None and len(run.sim.calls) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_within_the_bound_comes_whole_and_a_stream_has_none(run: Running, provider: str) -> None:
    run.sim.answers["within"] = Answer("x" * (BOUND - 10_000), chunk=500)
    run.sim.answers["large"] = Answer("x" * 10 * BOUND, chunk=5000)
    within = await asked(run, f"{provider}-within")
    assert within.json["choices"][0]["message"]["content"] == "x" * (BOUND - 10_000)
    assert len((await asked(run, f"{provider}-large", stream=True)).text) == 10 * BOUND


async def test_a_large_answer_goes_out_as_its_client_takes_it() -> None:
    async with running() as run, client(run.port, receive_buffer=SMALL) as slow:
        shrink_send_buffers(run)
        run.sim.answers["large"] = Answer("x" * 6_000_000, chunk=100_000)
        await slow.send(chat("openai-large", stream=False))
        await until(lambda: connections(run))
        [connection] = connections(run)
        await until(lambda: connection.flow.write_paused, seconds=20)
        await asyncio.sleep(0.1)
        assert 0 < connection.transport.get_write_buffer_size() < 500_000


@pytest.mark.parametrize("limits", ["write: 0.3", "total: 1, write: 0.3"])
async def test_a_large_answer_that_is_cut_in_its_midst_ends_the_connection(limits: str) -> None:
    """Its length was declared, so any further data would be taken for the rest of it."""
    async with (
        running(extra=f"timeouts: {{{{{limits}}}}}") as run,
        client(run.port, receive_buffer=SMALL) as stuck,
        plain(run.url) as other,
    ):
        shrink_send_buffers(run)
        run.sim.answers["large"] = Answer("x" * 6_000_000, chunk=1_000_000)
        await stuck.send(chat("openai-large", stream=False))
        async with asyncio.timeout(10):
            while not run.records:
                await asyncio.sleep(0.05)
        record = await run.recorded()
        assert record.outcome in ("client_timeout", "timeout")
        assert b"error" not in await stuck.rest()
        assert (await other.post(CHAT, json=ask("openai-sim-chat"))).status_code == 200
