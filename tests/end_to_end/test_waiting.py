"""Requests that wait in the gateway, for a retry or for a slot.

The wait is limited. Whatever ends a request ends it there too, and no provider gets a further request.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from proxy.streaming.interruption import Reason
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import Client, Response, chat, client, post, responses, until

pytestmark = pytest.mark.anyio

ONCE = "retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}"
LONG = "retries: {{attempts: 2, backoff: {{initial: 60, max: 60}}}}"
ONE = '  one: {{targets: [{{target: "openai/sim-chat.hang", max_streams: 1}}]}}\n'
STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


def gateway(server: str = "", limits: str = "") -> AbstractAsyncContextManager[Running]:
    """Run a gateway with a target that takes one request at a time, and long waits before retries."""
    config = CONFIG.replace(ONCE, LONG).replace("drain_seconds: 0", f"drain_seconds: 0{server}")
    return running(config, f"{ONE}timeouts: {{{{first_token: 60{limits}}}}}\n")


@asynccontextmanager
async def before_a_retry(run: Running, stream: bool) -> AsyncIterator[Client]:
    async with client(run.port) as waiter:
        await waiter.send(chat("openai-sim-chat.fail-500", stream=stream))
        call = await run.sim.next_call()
        await call.end()
        await until(lambda: run.gateway.streams)
        await asyncio.sleep(0.05)  # and the gateway has read it
        yield waiter


@asynccontextmanager
async def for_a_target(run: Running, stream: bool) -> AsyncIterator[Client]:
    async with client(run.port) as first, client(run.port) as waiter:
        await first.send(chat("one"))
        await run.sim.next_call()
        await waiter.send(chat("one", stream=stream))
        await until(lambda: any(health.slots and health.slots.waiting for _, health in run.gateway.targets.seen()))
        yield waiter


WAITS = {"before a retry": before_a_retry, "for a target": for_a_target}
WAITING = pytest.mark.parametrize("wait", WAITS)


def newest(run: Running) -> str:
    return list(run.gateway.streams._running)[-1]


async def left_alone(run: Running, calls: int = 1) -> None:
    """Assert that no provider gets more of it, and that no slot is taken or awaited."""
    await asyncio.sleep(0.05)
    assert len(run.sim.calls) == calls
    slots = [health.slots for _, health in run.gateway.targets.seen() if health.slots]
    assert not any(one.waiting for one in slots)


# ---- ends of a wait
Ending = Callable[[Client], None]
WAYS: dict[str, Ending] = {"close": Client.close, "half-close": Client.half_close, "reset": Client.reset}


@STREAMED
@WAITING
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves(wait: str, way: str, stream: bool) -> None:
    async with gateway(", queue_seconds: 60") as run, WAITS[wait](run, stream) as waiter:
        WAYS[way](waiter)
        record = await run.recorded()
        assert (record.outcome, record.status) == ("client_cancelled", None)
        await left_alone(run)


@STREAMED
@WAITING
async def test_a_cancel(wait: str, stream: bool) -> None:
    async with gateway(", queue_seconds: 60") as run, WAITS[wait](run, stream) as waiter:
        async with client(run.port) as other:
            await other.send(post(f"/v1/chat/completions/{newest(run)}/cancel", b""))
            assert (await other.response()).status == 200
        response = await waiter.response()
        record = await run.recorded()
        assert (record.outcome, record.stopped_by, response.status) == ("client_cancelled", "cancel", 200)
        if stream:
            assert response.events[-1] == "[DONE]" and response.events[-2]["x_sluice"] == {"stopped_by": "cancel"}
        else:
            assert response.json["choices"][0]["finish_reason"] == "length"
        await left_alone(run)


@STREAMED
@WAITING
async def test_the_total_limit(wait: str, stream: bool) -> None:
    async with gateway(", queue_seconds: 60", ", total: 0.5") as run, WAITS[wait](run, stream) as waiter:
        response = await waiter.response()
        assert (response.status, response.error["code"]) == (504, "upstream_timeout")
        assert "timeouts.total" in response.error["message"]
        await until(lambda: run.records and not run.gateway.streams)
        assert {record.outcome for record in run.records} == {"timeout"}
        await left_alone(run, calls=len(run.sim.calls))


@STREAMED
@WAITING
async def test_a_drain(wait: str, stream: bool) -> None:
    async with gateway(", queue_seconds: 60") as run, WAITS[wait](run, stream) as waiter:
        run.server.should_exit = True
        [response] = responses(await waiter.rest(seconds=5))
        assert (response.status, response.error["code"]) == (503, "shutting_down")
        assert {record.outcome for record in run.records} == {"drained"}
        await left_alone(run)


@WAITING
async def test_comments_go_out_meanwhile(wait: str) -> None:
    async with gateway(", queue_seconds: 60, keep_alive: 0.05") as run, WAITS[wait](run, True) as waiter:
        await until(lambda: run.gateway.streams)
        async with asyncio.timeout(5):
            while waiter.seen.count(b": keep-alive") < 2:
                await waiter.read()


# ---- places
@STREAMED
async def test_a_target_that_is_full_lets_wait_for_a_while_then_refuses(stream: bool) -> None:
    async with gateway(", queue_seconds: 0.1") as run, for_a_target(run, stream) as waiter:
        refused(await waiter.response(), "The target openai/sim-chat.hang")
        record = await run.recorded()
        assert (record.outcome, record.status, record.tries) == ("shed", 503, [])
        await left_alone(run)


async def test_a_full_queue_refuses_at_once() -> None:
    async with gateway(", queue_seconds: 60, max_queued: 1") as run, for_a_target(run, True):
        async with client(run.port) as third:
            await third.send(chat("one"))
            refused(await third.response(), "The target")
        assert (await run.recorded()).outcome == "shed"


async def test_a_place_goes_to_the_first_who_waits() -> None:
    async with gateway(", queue_seconds: 60") as run, client(run.port) as first, client(run.port) as waiter:
        await first.send(chat("one"))
        call = await run.sim.next_call()
        await waiter.send(chat("one"))
        await until(lambda: len(run.gateway.streams) == 2)
        first.close()
        await call.left()
        assert (await run.sim.next_call()).model == "sim-chat.hang"


async def test_a_place_that_comes_in_the_moment_of_leaving_is_given_back() -> None:
    async with gateway(", queue_seconds: 60") as run, client(run.port) as waiter:
        async with client(run.port) as first:
            await first.send(chat("one"))
            await run.sim.next_call()
        await until(lambda: not run.gateway.streams)
        [(_, health)] = run.gateway.targets.seen()
        assert health.slots is not None
        await health.slots.take("The test")
        await waiter.send(chat("one"))
        await until(lambda: health.slots and health.slots.waiting)
        [request] = run.gateway.streams
        health.slots.give_back()
        await asyncio.sleep(0)
        request.interruption.fire(Reason.CLIENT_LEFT)
        await run.recorded(2)
        assert health.slots.taken == 0 and len(run.sim.calls) == 1


async def test_a_fallback_serves_when_the_target_is_full() -> None:
    async with full_with_a_fallback() as run, client(run.port) as first, client(run.port) as second:
        await first.send(chat("m"))
        await run.sim.next_call()
        await second.send(chat("m"))
        response = await second.response()
        assert response.headers["x-sluice-target"] == "gemini/sim-chat"
        assert response.events[-1] == "[DONE]"


def full_with_a_fallback() -> AbstractAsyncContextManager[Running]:
    targets = '[{{target: "openai/sim-chat.hang", max_streams: 1}}]'
    models = f'  m: {{{{targets: {targets}, fallbacks: [spare]}}}}\n  spare: {{{{target: "gemini/sim-chat"}}}}\n'
    return running(CONFIG.replace("drain_seconds: 0", "drain_seconds: 0, queue_seconds: 0.1"), models)


@asynccontextmanager
async def full(server: str) -> AsyncIterator[tuple[Running, Client]]:
    """Run a gateway with the maximum of requests: one, of this client."""
    async with gateway(f", max_streams: 1{server}") as run, client(run.port) as first:
        await first.send(chat("openai-sim-chat.hang"))
        await run.sim.next_call()
        yield run, first


async def waits_for_the_gateway(run: Running, waiter: Client, model: str = "openai-sim-chat") -> None:
    await waiter.send(chat(model))
    await until(lambda: run.gateway.streams.slots.waiting)


def refused(response: Response, what: str) -> None:
    assert (response.status, response.error["code"]) == (503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1
    assert response.error["message"].startswith(what)


async def test_a_full_gateway_lets_wait_for_a_while_then_refuses() -> None:
    async with full(", queue_seconds: 0.1") as (run, _), client(run.port) as waiter:
        await waits_for_the_gateway(run, waiter)
        refused(await waiter.response(), "The gateway")
        assert ((await run.recorded()).outcome, len(run.sim.calls)) == ("shed", 1)


async def test_a_gateway_with_a_full_queue_refuses_at_once() -> None:
    async with full(", queue_seconds: 60, max_queued: 0") as (run, _), client(run.port) as other:
        await other.send(chat("openai-sim-chat"))
        refused(await other.response(), "The gateway")


async def test_who_waits_for_the_gateway_is_served_when_there_is_a_place() -> None:
    async with full(", queue_seconds: 60") as (run, first), client(run.port) as waiter:
        await waits_for_the_gateway(run, waiter)
        first.close()
        assert (await waiter.response()).events[-1] == "[DONE]"


async def test_a_client_that_leaves_while_it_waits_for_the_gateway_reaches_no_provider() -> None:
    async with full(", queue_seconds: 60") as (run, first), client(run.port) as waiter:
        await waits_for_the_gateway(run, waiter)
        waiter.close()
        await until(lambda: len(run.server.server_state.connections) == 1)
        first.close()
        await until(lambda: len(run.records) == 2)
        assert {record.outcome for record in run.records} == {"client_cancelled"}
        assert len(run.sim.calls) == 1


async def test_a_drain_tells_those_who_wait_for_the_gateway() -> None:
    async with full(", queue_seconds: 60") as (run, first), client(run.port) as waiter:
        await waits_for_the_gateway(run, waiter, "openai-sim-chat.hang")
        run.server.should_exit = True
        for one in (first, waiter):
            [response] = responses(await one.rest(seconds=5))
            assert (response.status, response.error["code"]) == (503, "shutting_down")
    assert {record.outcome for record in run.records} == {"drained"}
