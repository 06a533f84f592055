"""A client that leaves, in any state and in any way, makes the gateway close the provider's connection.

The tests assert the provider's view of real sockets. `scripts/bench cancel` measures the times.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from policies.base import Context, PolicyType, Request
from policies.events import End, Event, Stop, Text, Verdict
from proxy.config.models import Strict
from tests.end_to_end.leaving import MATRIX_CONFIG, PROVIDERS, SMALL, STATES, WAYS, connections, shrink_send_buffers
from tests.end_to_end.running import Running, running
from tests.end_to_end.wire import Response, chat, client, post, responses, until

pytestmark = pytest.mark.anyio

COMMITTED = ("in mid-stream", "while the provider is silent", "in a blocked write", "after a pipelined request")
"""States in which the client has got its 200."""


class Witness:
    """A policy that passes everything and records its answers' ends. With `stop_after`, it stops them after that many
    characters.
    """

    name = "witness"
    deadline: float | None = None

    def __init__(self, ends: list[str], stop_after: int | None) -> None:
        self._ends = ends
        self._left = stop_after

    def request(self, request: Request) -> Request:
        return request

    def feed(self, event: Event) -> Iterator[Verdict]:
        if isinstance(event, End):
            self._ends.append(event.kind)
        yield event
        if self._left is not None and isinstance(event, Text):
            self._left -= len(event.text)
            if self._left <= 0:
                yield Stop(event.choice, "length", self.name)


class WitnessConfig(Strict):
    stop_after: int | None = None


WITNESSED = """
  "capped-*": {{target: "openai/*", policies: [witness/cap]}}
  "body-*": {{target: "openai/*", whole: native}}
policies: {{witness/all: {{}}, witness/cap: {{stop_after: 100}}}}
default_policies: [witness/all]
"""


@pytest.fixture(scope="module")
def told_ends() -> list[str]:
    return []


@pytest.fixture(scope="module")
async def shared(litellm_used: None, told_ends: list[str]) -> AsyncIterator[Running]:
    def build(id: str, config: WitnessConfig, context: Context) -> Witness:
        return Witness(told_ends, config.stop_after)

    witness = PolicyType(config=WitnessConfig, build=build, stage=1, guards=lambda config: False)
    async with running(MATRIX_CONFIG, WITNESSED, {"witness": witness}) as run:
        shrink_send_buffers(run)
        yield run


@pytest.fixture
def ends(told_ends: list[str]) -> list[str]:
    """List the answers' ends as their policies saw them."""
    told_ends.clear()
    return told_ends


async def settled(run: Running) -> None:
    """Assert that nothing is left of any request: not in the registry, not as a task, not at a provider."""
    await until(lambda: not run.gateway.streams)
    await until(lambda: not [task for task in asyncio.all_tasks() if "run_asgi" in repr(task) or _is_ours(task)])
    await until(lambda: all(call.outcome is not None for call in run.sim.calls))


def _is_ours(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "/proxy/" in code.co_filename


def connect(run: Running, state: str) -> Any:
    return client(run.port, receive_buffer=SMALL if state == "in a blocked write" else None)


# ---- the matrix
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_client_that_leaves_stops_the_provider(
    run: Running, ends: list[str], provider: str, state: str, way: str
) -> None:
    async with connect(run, state) as leaver:
        call = await STATES[state](run, leaver, provider)
        assert call.outcome is None and len(run.gateway.streams) == 1
        WAYS[way](leaver)
        await call.left()
        record = await run.recorded()
    assert (record.outcome, record.error) == ("client_cancelled", None)
    assert record.status == (200 if state in COMMITTED else None)
    assert ends == ["cancel"]
    await settled(run)
    assert len(run.records) == len(run.sim.calls) == 1


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_stream_can_be_cancelled_by_its_id(run: Running, ends: list[str], provider: str, state: str) -> None:
    async with connect(run, state) as owner:
        call = await STATES[state](run, owner, provider)
        answer = await cancel(run, running_id(run))
        assert answer.status == 200 and answer.json["cancelled"] is True
        await call.left()
        wire = await (owner.rest() if state == "after a pipelined request" else owner.until(ending(state)))
    record = await run.recorded()
    assert (record.outcome, record.stopped_by, record.status) == ("client_cancelled", "cancel", 200)
    assert ends == ["cancel"]
    [response] = responses(wire)
    if response.body.startswith(b"data:"):
        assert response.events[-1] == "[DONE]"
        [finish] = [choice for e in response.events[:-1] for choice in e["choices"] if choice["finish_reason"]]
        assert response.events[-2]["x_sluice"] == {"stopped_by": "cancel"}
    else:
        [finish] = response.json["choices"]
        assert response.headers["x-sluice-stopped-by"] == "cancel"
    assert finish["finish_reason"] == "length"
    await settled(run)


def ending(state: str) -> bytes:
    return b"}" if state.startswith("whole") else b"0\r\n\r\n"


def running_id(run: Running) -> str:
    [id] = run.gateway.streams._running
    return id


async def cancel(run: Running, id: str) -> Response:
    async with client(run.port) as other:
        await other.send(post(f"/v1/chat/completions/{id}/cancel", b""))
        return await other.response()


async def test_what_is_not_running_cannot_be_cancelled(run: Running) -> None:
    async with client(run.port) as owner:
        await owner.send(chat("openai-sim-chat"))
        done = await owner.response()
    for id in (done.headers["x-sluice-id"], "chatcmpl-none"):
        answer = await cancel(run, id)
        assert (answer.status, answer.json["error"]["code"]) == (404, "stream_not_found")


# ---- before there is a provider to stop
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sent", ["in the head", "in the body", "before the body's last byte"])
async def test_a_client_that_leaves_while_it_sends_reaches_no_provider(run: Running, sent: str, way: str) -> None:
    whole = chat("openai-sim-chat")
    cut = {"in the head": 40, "in the body": whole.index(b"\r\n\r\n") + 20, "before the body's last byte": -1}[sent]
    async with client(run.port) as leaver:
        await leaver.send(whole[:cut])
        if sent != "in the head":
            await until(lambda: any(one.cycle for one in connections(run)))
        WAYS[way](leaver)
        await until(lambda: not run.server.server_state.connections)
    await settled(run)
    assert not run.sim.calls
    assert [record.outcome for record in run.records] == ([] if sent == "in the head" else ["client_cancelled"])


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_right_behind_its_request_leaves_nothing_running(run: Running, way: str) -> None:
    async with client(run.port) as leaver:
        await leaver.send(chat("openai-sim-chat.pace-50"))
        WAYS[way](leaver)
        if way == "reset":  # may overtake the request
            await until(lambda: not run.server.server_state.connections)
        else:
            assert (await run.recorded()).outcome == "client_cancelled"
    await settled(run)


async def test_a_client_that_leaves_stops_the_connecting() -> None:
    """The provider accepts the connection and never answers the TLS handshake."""
    opened, closed = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.set()
        await reader.read()
        closed.set()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1")
    port = listener.sockets[0].getsockname()[1]
    secure = f'providers: {{{{openai: {{{{api_key: k, base_url: "https://127.0.0.1:{port}/v1"}}}}}}}}\n'
    async with running(secure + "server: {{port: 0}}\nmodels: {{m: {{target: openai/m}}}}\n") as run:
        async with client(run.port) as leaver, asyncio.timeout(5):
            await leaver.send(chat("m"))
            await opened.wait()
            leaver.close()
            await closed.wait()
            assert (await run.recorded()).outcome == "client_cancelled"
        await settled(run)
    listener.close()


# ---- while it is ending
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_while_its_cancel_waits_for_it(run: Running, ends: list[str], way: str) -> None:
    async with connect(run, "in a blocked write") as leaver:
        call = await STATES["in a blocked write"](run, leaver, "openai")
        await cancel(run, running_id(run))
        await call.left()  # the provider is not kept waiting for the client
        assert run.gateway.streams
        WAYS[way](leaver)
        record = await run.recorded()
    assert record.outcome == "client_cancelled"
    assert ends == ["cancel"]
    await settled(run)


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_leaves_while_a_policy_stops_its_answer(run: Running, ends: list[str], way: str) -> None:
    async with client(run.port) as leaver:
        await leaver.send(chat("capped-sim-long.pace-5"))
        await leaver.until(b'"length"')
        WAYS[way](leaver)
        call = await run.sim.next_call()
        await call.left()
        record = await run.recorded()
    assert (record.outcome, record.stopped_by) == ("policy_stopped", "witness")
    await settled(run)


# ---- forms of a request that take other ways
async def test_leaving_a_whole_answer_in_one_body_stops_the_provider(run: Running) -> None:
    async with client(run.port) as leaver:
        await leaver.send(chat("body-sim-chat.pace-1000", stream=False))
        call = await run.sim.next_call()
        assert call.body["stream"] is False
        leaver.close()
        await call.left()
        assert (await run.recorded()).outcome == "client_cancelled"
    await settled(run)


async def test_leaving_after_a_keep_alive_comment_stops_the_provider() -> None:
    async with running(MATRIX_CONFIG.replace("port: 0", "port: 0, keep_alive: 0.05")) as run:
        async with client(run.port) as leaver:
            await leaver.send(chat("openai-sim-chat.head-60000"))
            await leaver.until(b": keep-alive\n\n")
            call = await run.sim.next_call()
            leaver.close()
            await call.left()
            record = await run.recorded()
        assert (record.outcome, record.status) == ("client_cancelled", 200)
        await settled(run)


async def test_a_client_that_stays_gets_all_and_stops_nothing(run: Running, ends: list[str]) -> None:
    async with client(run.port) as stayer:
        await stayer.send(chat("openai-sim-chat"))
        response = await stayer.response()
    call = await run.sim.next_call()
    assert await call.end() == "completed"
    assert response.text == call.text_sent and response.events[-1] == "[DONE]"
    assert (await run.recorded()).outcome == "completed"
    assert ends == ["natural"]
    await settled(run)
