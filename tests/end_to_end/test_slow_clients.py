"""Clients that do not read, do not send, or send too much are limited in time and memory, and cut off."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.server import Limits
from proxy.simulator import Answer
from proxy.tasks import spawn
from tests.end_to_end.leaving import FLOOD, MATRIX_CONFIG, SMALL, shrink_send_buffers
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import Client, chat, client, post, responses, until, until_still

pytestmark = pytest.mark.anyio

LIMITS = Limits(head=0.3, body=1.5, silence=0.3, write=0.4, head_bytes=16 * 1024)


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(MATRIX_CONFIG, "timeouts: {{write: 0.4}}", limits=LIMITS) as run:
        shrink_send_buffers(run)
        yield run


@pytest.fixture
async def slow(run: Running) -> AsyncIterator[Client]:
    """A client that takes next to nothing ahead."""
    async with client(run.port, receive_buffer=SMALL) as connected:
        yield connected


async def all_dropped(run: Running) -> None:
    await until(lambda: not run.server.server_state.connections)


# ---- clients that do not read
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
async def test_a_client_that_never_reads_is_dropped_while_the_provider_floods(
    run: Running, slow: Client, provider: str
) -> None:
    run.sim.answers["flood"] = FLOOD
    await slow.send(chat(f"{provider}-flood"))
    call = await run.sim.next_call()
    await call.left()
    record = await run.recorded()
    assert (record.outcome, record.status) == ("client_timeout", 200)
    await all_dropped(run)
    [response] = responses(await slow.rest())
    assert not response.complete and b"[DONE]" not in response.body


@pytest.mark.parametrize("header", ["connection: keep-alive", "connection: close"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_never_reads_the_end_of_its_response_is_dropped(
    run: Running, slow: Client, header: str, stream: bool
) -> None:
    """The gateway has finished the request. The rest is in the connection's buffer."""
    run.sim.answers["large"] = Answer("x" * 40_000, chunk=0)
    await slow.send(chat("openai-large", header, stream=stream))
    assert (await run.recorded()).outcome == "completed"
    assert run.server.server_state.connections
    await all_dropped(run)
    [response] = responses(await slow.rest())
    assert not response.complete


async def test_a_client_that_asks_again_without_reading_is_dropped(run: Running, slow: Client) -> None:
    """The second response finds the connection full before its first byte."""
    run.sim.answers["large"] = Answer("x" * 100_000, chunk=0)
    await slow.send(chat("openai-large", stream=False))
    await run.recorded()
    await slow.send(chat("openai-sim-chat"))
    record = await run.recorded(2)
    assert (record.outcome, record.status) == ("client_timeout", None)
    await all_dropped(run)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_reads_slowly_gets_all(run: Running, slow: Client, stream: bool) -> None:
    """It takes longer than the limit of a write, which counts from the last byte read."""
    text = "x" * 4_000_000
    run.sim.answers["large"] = Answer(text, chunk=10_000)
    await slow.send(chat("openai-large", stream=stream))
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() < began + 2.5 * LIMITS.write:
        await slow.read(16_384)
        await asyncio.sleep(0.005)
    response = await slow.response()
    assert (response.text if stream else response.json["choices"][0]["message"]["content"]) == text
    assert (await run.recorded()).outcome == "completed"


async def test_a_client_that_takes_a_little_at_a_time_is_not_taken_for_one_that_takes_nothing() -> None:
    """The kernel holds megabytes for it, so our own buffer does not change for minutes."""
    async with running(CONFIG, "timeouts: {{write: 1}}") as run, client(run.port, receive_buffer=SMALL) as reader:
        run.sim.answers["flood"] = FLOOD
        await reader.send(chat("openai-flood"))
        call = await run.sim.next_call()
        for _ in range(60):
            assert await reader.read(1024)
            await asyncio.sleep(0.05)
        assert run.gateway.streams and call.outcome is None


async def test_a_client_that_does_not_read_stops_the_reading_from_the_provider() -> None:
    async with running(CONFIG) as run, client(run.port, receive_buffer=SMALL) as reader:
        shrink_send_buffers(run)
        run.sim.answers["flood"] = FLOOD
        await reader.send(chat("openai-flood"))
        call = await run.sim.next_call()
        sent = await until_still(lambda: call.bytes_sent)
        [connection] = run.server.server_state.connections
        assert connection.transport.get_write_buffer_size() < 1_000_000  # ours
        assert sent < 16_000_000 and call.outcome is None  # and the kernel's
        assert (await reader.response(seconds=20)).text == FLOOD.text
        assert await call.end() == "completed"


# ---- clients that do not send
async def test_a_connection_that_sends_nothing_is_closed(run: Running, slow: Client) -> None:
    assert await slow.rest() == b""
    await all_dropped(run)


@pytest.mark.parametrize("part", [b"\r\n" * 3, b"PO"])
async def test_a_connection_that_sends_no_request_is_closed(run: Running, slow: Client, part: bytes) -> None:
    await slow.send(part)
    assert await slow.rest() == b""
    await all_dropped(run)


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("cut", [20, 60, -60])
async def test_a_request_that_stops_half_way_is_a_408(run: Running, slow: Client, used: bool, cut: int) -> None:
    """It stalls in its first line, in its headers, or in its body, as a connection's first or second request."""
    if used:
        await slow.send(chat("openai-sim-chat"))
        await slow.response()
    await slow.send(chat("openai-sim-chat")[:cut])
    [response] = responses(await slow.rest())
    assert (response.status, response.error["code"]) == (408, "slow_request")
    assert response.headers["connection"] == "close"
    await until(lambda: not run.gateway.streams)
    assert len(run.sim.calls) == used
    slow.close()
    await all_dropped(run)


async def test_the_time_for_a_head_counts_from_its_first_byte() -> None:
    """It is on a connection whose last response the client may still be reading, too."""
    async with running(CONFIG, limits=Limits(head=0.2, write=60)) as run, client(run.port) as asker:
        await asker.send(chat("openai-sim-chat"))
        await asker.response()
        await asker.send(chat("openai-sim-chat")[:60])
        [response] = responses(await asker.rest())
        assert response.status == 408


async def test_an_idle_connection_that_sends_no_request_is_closed() -> None:
    """Its bytes must not keep it open forever, although it is neither idle nor in a request."""
    async with running(CONFIG, limits=Limits(head=0.2, write=0.05)) as run, client(run.port) as asker:
        await asker.send(chat("openai-sim-chat"))
        await asker.response()
        await asyncio.sleep(0.1)
        await asker.send(b"\r\n")
        assert await asker.rest() == b""


async def test_a_head_that_comes_byte_by_byte_has_no_more_time(run: Running, slow: Client) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(OSError):
        for byte in chat("openai-sim-chat", "x-padding: " + "x" * 1000):
            await slow.send(bytes([byte]))
            await asyncio.sleep(0.02)
    assert LIMITS.head <= loop.time() - began < 5


async def test_a_body_that_keeps_coming_may_take_longer(run: Running, slow: Client) -> None:
    request = chat("openai-sim-chat", prompt="x" * 80)
    body = request.index(b"\r\n\r\n") + 4
    await slow.send(request[:body])
    for at in range(body, len(request), 20):
        await asyncio.sleep(LIMITS.silence / 3)
        await slow.send(request[at : at + 20])
    assert (await slow.response()).status == 200


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_body_that_trickles_is_a_408(run: Running, slow: Client, framing: str) -> None:
    """The rate of the bytes does not matter."""
    request = post("/v1/chat/completions", b"", length=1_000_000)
    byte = b" "
    if framing == "chunks":
        request, byte = request.replace(b"content-length: 1000000", b"transfer-encoding: chunked"), b"1\r\n \r\n"
    loop = asyncio.get_running_loop()
    began = loop.time()
    await slow.send(request)
    answered = spawn(slow.response(seconds=10))
    while not answered.done():
        await slow.send(byte)
        await asyncio.sleep(0.05)
    assert loop.time() - began >= LIMITS.body
    response = answered.result()
    assert (response.status, response.error["code"]) == (408, "slow_request")
    assert "timeouts.body" in response.error["message"]


async def test_a_large_body_has_time_in_proportion_to_what_came(run: Running, slow: Client) -> None:
    request = chat("openai-sim-chat", prompt="x" * 600_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for at in range(0, len(request), 20_000):
        await slow.send(request[at : at + 20_000])
        await asyncio.sleep(LIMITS.body / 20)
    assert loop.time() - began > LIMITS.body
    assert (await slow.response()).status == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/nowhere"])
async def test_a_body_that_nobody_wants_and_that_does_not_end_is_cut_off(run: Running, slow: Client, path: str) -> None:
    await slow.send(post(path, b"", length=99_999_999))
    response = await slow.response()
    assert response.status in (404, 413)
    with pytest.raises(OSError):
        while True:
            await slow.send(b"x" * 1000)
            await asyncio.sleep(0.02)


# ---- clients that send too much
async def test_a_refused_body_does_not_cost_its_client_the_answer(run: Running) -> None:
    """Like most clients, it first sends everything and reads nothing: more than all buffers on the way hold."""
    body = b"x" * 30_000_000
    async with client(run.port) as sender:
        await sender.send(post("/v1/chat/completions", body))
        response = await sender.response()
    assert (response.status, response.error["code"]) == (413, "request_too_large")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("many", [True, False])
async def test_a_huge_head_is_a_431(run: Running, many: bool) -> None:
    headers = [f"x-{n}: y" for n in range(3000)] if many else ["x-large: " + "y" * 20_000]
    async with client(run.port) as sender:
        await sender.send(chat("openai-sim-chat", *headers))
        [response] = responses(await sender.rest())
        assert (response.status, response.error["code"]) == (431, "head_too_large")
    await all_dropped(run)
    assert not run.sim.calls


async def test_an_endless_head_is_bounded(run: Running) -> None:
    """Nothing beyond the limit is kept, and its sender is cut off."""
    async with client(run.port) as sender:
        await sender.send(b"GET /healthz HTTP/1.1\r\nx-endless: ")
        sent = 0
        with pytest.raises(OSError):
            while sent < 2**30:
                await sender.send(b"y" * 65536)
                sent += 65536
                for connection in run.server.server_state.connections:
                    assert _kept(connection) < 4 * LIMITS.head_bytes
                await asyncio.sleep(0.01)
    await all_dropped(run)


def _kept(connection: Any) -> int:
    return sum(len(name) + len(value) for name, value in connection.headers or ())
