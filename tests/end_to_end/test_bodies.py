"""Requests' bodies: a slow one takes no slot, all together have a memory limit, and each is released."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.process import Serving, started
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import Client, Response, chat, client, post, responses, until

pytestmark = pytest.mark.anyio

PROMPT = "x" * 90_000
"""The size of which a gateway with `SMALL` can hold three. Each takes three times its bytes."""

SMALL = CONFIG.replace("port: 0", "port: 0, max_body_mb: 0.1, max_inflight_mb: 1")
HANGING = "openai-sim-chat.head-60000"


@pytest.fixture
async def run() -> AsyncIterator[Running]:
    async with running(SMALL) as run:
        yield run


@asynccontextmanager
async def full(run: Running, requests: int = 3) -> AsyncIterator[list[Client]]:
    """Run a gateway with `requests` large requests at work."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(run.port)) for _ in range(requests)]
        for one in clients:
            await one.send(chat(HANGING, prompt=PROMPT))
        await until(lambda: len(run.sim.calls) == requests)
        yield clients


async def empty(run: Running) -> None:
    await until(lambda: not run.gateway.streams)
    assert run.gateway.bodies.held == 0 and not run.gateway.bodies._clients


def refused(response: Response, why: str = "The gateway's requests hold") -> None:
    assert (response.status, response.error["code"], response.headers["retry-after"]) == (503, "overloaded", "1")
    assert response.error["message"].startswith(why) and "server.max_inflight_mb" in response.error["message"]


# ---- places
async def test_slow_bodies_hold_no_places() -> None:
    config = CONFIG.replace("port: 0", "port: 0, max_streams: 3, max_queued: 0")
    async with running(config) as run, AsyncExitStack() as stack:
        for _ in range(3):
            slow = await stack.enter_async_context(client(run.port))
            await slow.send(chat("openai-sim-chat")[:-1])
        await until(lambda: len(run.server.server_state.tasks) == 3)
        other = await stack.enter_async_context(client(run.port))
        await other.send(chat("openai-sim-chat"))
        assert (await other.response()).events[-1] == "[DONE]"
        assert run.gateway.streams.slots.taken == 0


@asynccontextmanager
async def without_places() -> AsyncIterator[Running]:
    """Run a gateway with the maximum of running and waiting requests."""
    config = CONFIG.replace("port: 0", "port: 0, max_streams: 1, max_queued: 0")
    async with running(config) as run, client(run.port) as first:
        await first.send(chat(HANGING))
        await run.sim.next_call()
        yield run


async def test_a_full_gateway_refuses_before_the_body_is_there() -> None:
    async with without_places() as run, client(run.port) as second:
        await second.send(post("/v1/chat/completions", b"", length=1_000_000))
        [response] = responses(await second.rest())
        assert (response.status, response.error["code"]) == (503, "overloaded")
        assert response.headers["connection"] == "close"


async def test_a_small_body_that_is_refused_unread_does_not_cost_the_connection() -> None:
    async with without_places() as run, client(run.port) as second:
        for _ in range(2):
            await second.send(chat("openai-sim-chat"))
            assert (await second.response()).status == 503


# ---- memory
async def test_a_body_that_does_not_fit_is_refused_before_it_comes(run: Running) -> None:
    async with full(run) as clients, client(run.port) as other:
        await other.send(post("/v1/chat/completions", b"", length=90_000))
        [response] = responses(await other.rest())
        refused(response)
        assert response.headers["connection"] == "close"
        assert (run.records[-1].outcome, run.records[-1].status) == ("shed", 503)
        clients[0].close()
        await until(lambda: len(run.gateway.streams) == 2)
        async with client(run.port) as again:
            await again.send(chat("openai-sim-chat", prompt=PROMPT))
            assert (await again.response()).events[-1] == "[DONE]"


async def test_a_body_of_unknown_length_is_refused_when_it_has_grown_too_large(run: Running) -> None:
    async with full(run), client(run.port) as other:
        held = run.gateway.bodies.held
        request = chat(HANGING, "transfer-encoding: chunked", prompt=PROMPT)
        head, _, body = request.partition(b"\r\n\r\n")
        head = re.sub(rb"content-length: \d+\r\n", b"", head)
        await other.send(head + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        refused(await other.response())
        assert run.gateway.bodies.held == held and len(run.sim.calls) == 3


async def test_small_requests_are_served_beside_a_refused_large_one(run: Running) -> None:
    async with full(run), client(run.port) as other:
        await other.send(chat("openai-sim-chat"))
        assert (await other.response()).events[-1] == "[DONE]"


async def test_what_a_body_is_parsed_into_counts(run: Running) -> None:
    """A short body of many empty objects takes a hundred times its bytes."""
    async with client(run.port) as asker:
        members = json.dumps([{}] * 20_000).encode()
        await asker.send(post("/v1/chat/completions", b'{"model": "m", "messages": %b}' % members))
        response = await asker.response()
        assert (response.status, response.error["code"]) == (413, "request_too_large")
        assert "server.max_inflight_mb" in response.error["message"]
    await empty(run)


KEYS = """
auth: {{keys: [{{name: one, key: key-one-123456}}, {{name: two, key: key-two-123456}}]}}
"""


async def test_one_key_leaves_half_of_the_memory_to_the_others() -> None:
    async with running(SMALL, KEYS) as run, AsyncExitStack() as stack:
        one, two = "authorization: Bearer key-one-123456", "authorization: Bearer key-two-123456"
        first, second, other = [await stack.enter_async_context(client(run.port)) for _ in range(3)]
        await first.send(chat(HANGING, one, prompt=PROMPT))
        await run.sim.next_call()
        await second.send(chat(HANGING, one, prompt=PROMPT))
        refused(await second.response(), "Your other requests hold")
        await other.send(chat("openai-sim-chat", two, prompt=PROMPT))
        assert (await other.response()).events[-1] == "[DONE]"


# ---- given back
ENDS: dict[str, bytes] = {
    "served": chat("openai-sim-chat", prompt=PROMPT),
    "whole": chat("openai-sim-chat", prompt=PROMPT, stream=False),
    "refused": chat("openai-sim-chat", prompt=PROMPT, n="x"),
    "no JSON": post("/v1/chat/completions", PROMPT.encode()),
    "no such model": chat("nothing", prompt=PROMPT),
    "too large": chat("openai-sim-chat", prompt="x" * 120_000),
    "failed": chat("openai-sim-chat.fail-500", prompt=PROMPT),
    "broken off": chat("openai-sim-chat.after-2-close", prompt=PROMPT),
}


@pytest.mark.parametrize("end", ENDS)
async def test_memory_is_given_back_however_a_request_ends(run: Running, end: str) -> None:
    async with client(run.port) as asker:
        await asker.send(ENDS[end])
        await asker.response()
    await run.recorded()
    await empty(run)


@pytest.mark.parametrize("leave", [Client.close, Client.half_close, Client.reset])
@pytest.mark.parametrize("cut", [-1000, None], ids=["while it sends", "before the answer"])
async def test_memory_is_given_back_when_the_client_leaves(
    run: Running, cut: int | None, leave: Callable[[Client], None]
) -> None:
    async with client(run.port) as asker:
        await asker.send(chat(HANGING, prompt=PROMPT)[:cut])
        await until(lambda: run.gateway.bodies.held > len(PROMPT) / 2)
        leave(asker)
        assert (await run.recorded()).outcome == "client_cancelled"
    await empty(run)


async def test_a_stream_holds_no_prompt_once_its_answer_has_begun(run: Running) -> None:
    """Its usage is estimated as before."""
    async with client(run.port) as asker:
        await asker.send(chat("openai-sim-chat.after-3-stall", prompt=PROMPT))
        await asker.until(b'"content":"')
        assert run.gateway.bodies.held == 0
    usage = (await run.recorded()).usage
    assert usage is not None and usage.prompt > len(PROMPT) / 5


async def test_a_whole_answer_keeps_its_prompt_for_another_attempt(run: Running) -> None:
    async with client(run.port) as asker:
        await asker.send(chat("openai-sim-chat.after-3-stall", prompt=PROMPT, stream=False))
        call = await run.sim.next_call()
        await until(lambda: call.chunks_sent >= 3)
        assert run.gateway.bodies.held > 2 * len(PROMPT)
    await empty(run)


async def test_a_retry_sends_a_large_prompt_again() -> None:
    config = SMALL.replace("attempts: 1", "attempts: 2, backoff: {{initial: 0.01}}")
    async with running(config) as run, client(run.port) as asker:
        await asker.send(chat("openai-sim-chat.fail-500.times-1", prompt=PROMPT))
        assert (await asker.response()).events[-1] == "[DONE]"
        assert [call.body["messages"][0]["content"] for call in run.sim.calls] == [PROMPT] * 2


# ---- measured
async def silent_provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keeps nothing of the request, says a word, and no more."""
    head = await reader.readuntil(b"\r\n\r\n")
    left = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
    while left:
        left -= len(await reader.read(min(left, 2**20)))
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hello"}}]}
    event = b"data: %b\n\n" % json.dumps(chunk).encode()
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    writer.write(b"%x\r\n%b\r\n" % (len(event), event))
    await reader.read()
    writer.close()


def resident(serving: Serving) -> int:
    """The process's memory, in MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{serving.process.pid}/status").read_text())
    assert found
    return int(found[1]) // 1000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read as Linux tells it")
async def test_streams_of_large_prompts_take_no_memory_once_they_run(tmp_path: Path) -> None:
    provider = await asyncio.start_server(silent_provider, "127.0.0.1", 0)
    async with provider, AsyncExitStack() as stack:
        url = f"http://127.0.0.1:{provider.sockets[0].getsockname()[1]}"
        config = tmp_path / "config.yaml"
        config.write_text(
            "server: {port: '${SLUICE_PORT}', max_inflight_mb: 160}\n"
            f"providers: {{openai: {{base_url: '{url}/v1'}}}}\nmodels: {{m: {{target: openai/m}}}}\n"
        )
        serving = await stack.enter_async_context(started(config))
        async with httpx.AsyncClient(base_url=serving.url) as http:
            await serving.ready(http)
        port, before = int(serving.url.rpartition(":")[2]), resident(serving)

        async def stream() -> None:
            asker = await stack.enter_async_context(client(port))
            for piece in pieces:
                await asker.send(piece)
            await asker.until(b"Hello", seconds=20)

        request = chat("m", prompt="x" * 12_000_000)
        pieces = [request[at : at + 50_000] for at in range(0, len(request), 50_000)]
        for _ in range(3):
            await asyncio.gather(*(stream() for _ in range(4)))
        assert resident(serving) - before < 40  # with the prompts it would be 290
