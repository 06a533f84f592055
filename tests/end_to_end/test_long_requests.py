"""A request that the policies need long for: others go on meanwhile, and whatever ends a request ends it then too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from policies import estimate
from policies.base import Context, PolicyType, Refuse, Request
from policies.events import Event
from policies.steps import Steps
from proxy.config.models import Strict
from tests.end_to_end.leaving import MATRIX_CONFIG, WAYS, connections
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.test_cancel_matrix import cancel, running_id, settled
from tests.end_to_end.wire import Client, chat, client, responses, until

pytestmark = pytest.mark.anyio

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Config(Strict):
    """Nothing to set."""


class Reading:
    """A policy that reads a request until it may end. `reads` is set while it does."""

    name = "reading"
    deadline: float | None = None

    def __init__(self, reads: asyncio.Event, may_end: asyncio.Event) -> None:
        self._reads = reads
        self._may_end = may_end

    def request(self, request: Request) -> Steps[Request | Refuse]:
        self._reads.set()
        while not self._may_end.is_set():
            yield
        if "forbidden" in str(request.body["messages"]):
            return Refuse("That is not for this gateway: ask for something else.", "not_here")
        return Request({**request.body, "user": "read"})

    def feed(self, event: Event) -> tuple[Event]:
        return (event,)


class Long:
    """A gateway with that policy, and one request that it reads."""

    def __init__(self, run: Running, wire: Client, may_end: asyncio.Event) -> None:
        self.run = run
        self.wire = wire
        self.may_end = may_end


@asynccontextmanager
async def reading(
    extra: str = "", prompt: str = "hello", *, stream: bool = True, server: str = "port: 0"
) -> AsyncIterator[Long]:
    reads, may_end = asyncio.Event(), asyncio.Event()

    def build(id: str, config: Config, context: Context) -> Reading:
        return Reading(reads, may_end)

    kind = PolicyType(config=Config, build=build, stage=1, guards=lambda config: False)
    chain = "\npolicies: {{reading/all: {{}}}}\ndefault_policies: [reading/all]\n"
    config = MATRIX_CONFIG.replace("port: 0", server)
    async with running(config, extra + chain, {"reading": kind}) as run, client(run.port) as wire:
        await wire.send(chat("openai-sim-chat", stream=stream, prompt=prompt))
        await until(reads.is_set)
        yield Long(run, wire, may_end)
        may_end.set()


async def test_others_are_served_while_a_request_is_read() -> None:
    async with reading() as long:
        async with client(long.run.port) as other:
            for _ in range(20):
                await other.send(HEALTH)
                assert (await other.response()).status == 200
        assert len(long.run.gateway.streams) == 1 and not long.run.sim.calls


async def test_what_a_policy_makes_of_a_request_in_steps_goes_to_the_provider() -> None:
    async with reading() as long:
        long.may_end.set()
        response = await long.wire.response()
        assert response.events[-1] == "[DONE]"
        assert long.run.sim.calls[0].body["user"] == "read"


async def test_a_refusal_in_steps_is_the_clients_error() -> None:
    async with reading(prompt="forbidden") as long:
        long.may_end.set()
        response = await long.wire.response()
        assert (response.status, response.error["code"]) == (400, "not_here")
        assert not long.run.sim.calls


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_stops_the_reading_of_its_request(way: str, stream: bool) -> None:
    async with reading(stream=stream) as long:
        WAYS[way](long.wire)
        record = await long.run.recorded()
        assert (record.outcome, record.status) == ("client_cancelled", None)
        await until(lambda: not connections(long.run))
        await settled(long.run)
        assert not long.run.sim.calls


@pytest.mark.parametrize("stream", [True, False])
async def test_a_request_that_is_read_can_be_cancelled_by_its_id(stream: bool) -> None:
    async with reading(stream=stream) as long:
        assert (await cancel(long.run, running_id(long.run))).status == 200
        response = await long.wire.response()
        record = await long.run.recorded()
        assert (record.outcome, record.stopped_by) == ("client_cancelled", "cancel")
        if stream:
            assert response.events[-1] == "[DONE]"
            *_, finish = [choice for event in response.events[:-1] for choice in event["choices"]]
        else:
            [finish] = response.json["choices"]
        assert (response.status, finish["finish_reason"]) == (200, "length")
        await settled(long.run)
        assert not long.run.sim.calls


@pytest.mark.parametrize("stream", [True, False])
async def test_the_total_limit_ends_the_reading_of_a_request(stream: bool) -> None:
    async with reading("timeouts: {{total: 0.1}}", stream=stream) as long:
        response = await long.wire.response()
        assert (response.status, response.error["code"]) == (504, "upstream_timeout")
        assert "timeouts.total" in response.error["message"]
        assert (await long.run.recorded()).outcome == "timeout"
        assert not long.run.sim.calls


async def test_a_drain_ends_the_reading_of_a_request() -> None:
    async with reading() as long:
        long.run.server.should_exit = True
        [response] = responses(await long.wire.rest(seconds=5))
        assert (response.status, response.error["code"]) == (503, "shutting_down")
        assert (await long.run.recorded()).outcome == "drained"


async def test_the_client_of_a_stream_hears_keep_alives_while_its_request_is_read() -> None:
    async with reading(server="port: 0, keep_alive: 0.02") as long:
        async with asyncio.timeout(5):
            while long.wire.seen.count(b": keep-alive") < 2:
                assert await long.wire.read()
        long.may_end.set()
        response = await long.wire.response()
        assert response.status == 200 and response.events[-1] == "[DONE]"


async def test_many_long_requests_leave_the_loop_to_others() -> None:
    async with reading() as long, AsyncExitStack() as stack:
        more = [await stack.enter_async_context(client(long.run.port)) for _ in range(8)]
        for wire in more:
            await wire.send(chat("openai-sim-chat"))
        await until(lambda: len(long.run.gateway.streams) == 9)
        async with client(long.run.port) as other:
            await other.send(HEALTH)
            assert (await other.response()).status == 200
        long.may_end.set()
        for wire in (long.wire, *more):
            assert (await wire.response()).events[-1] == "[DONE]"


@pytest.mark.parametrize(
    "members", [{"prompt": "é" * 150_000}, {"messages": [{"role": "user", "content": "hello"}] * 500}]
)
async def test_the_prompt_of_a_large_request_is_estimated_in_steps_alone(
    members: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(body: object) -> int:
        raise AssertionError("estimated at once")

    monkeypatch.setattr(estimate, "prompt_tokens", at_once)
    extra = """
  routed: {{targets: [{{target: gemini/sim-chat, context_window: 10}}, {{target: openai/sim-chat}}]}}
policies: {{token_cap/t: {{max_chunks: 1}}}}
default_policies: [token_cap/t]
"""
    async with running(CONFIG, extra) as run, client(run.port) as wire:
        await wire.send(chat("routed", **members))
        assert (await wire.response()).status == 200
        record = await run.recorded()
        assert record.bill is not None and record.bill.prompt == "estimated"
        assert record.bill.usage.prompt > 500
