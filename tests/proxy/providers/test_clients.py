"""The HTTP clients that LiteLLM gets, from the threads that it runs in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from proxy.providers import clients
from proxy.providers.clients import NotSent
from proxy.providers.exchange import Exchange, current
from proxy.providers.litellm_thread import LiteLLMThread
from proxy.providers.sending import Sender
from tests.proxy.providers.calls import call
from tests.proxy.providers.serving import Play, Server, server

pytestmark = pytest.mark.anyio
JSON = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"a": 1}'
MOVED = b"HTTP/1.1 307 Moved\r\nlocation: /v1/elsewhere\r\ncontent-length: 0\r\n\r\n"


async def within_a_call(play: Play | bytes, work: Callable[[str], Awaitable[Any]]) -> tuple[Any, Exchange, Server]:
    """Run `work` in LiteLLM's thread during a call, with the server's address. Return its result."""
    sender, thread, over = Sender(), LiteLLMThread(), asyncio.Event()
    outcome: list[Any] = []
    async with server(play) as serving:
        exchange = Exchange(call("openai"), sender, lambda: None)

        async def run() -> None:
            current.set(exchange)
            try:
                outcome.append(await work(serving.url))
            except Exception as error:
                outcome.append(error)

        thread.start(run(), over.set)
        async with asyncio.timeout(10):
            await over.wait()
        exchange.close()
        await thread.aclose()
        await sender.aclose()
    return outcome[0], exchange, serving


async def ask(url: str) -> tuple[int, Any]:
    async with clients.asynchronous() as client:
        response = await client.post(f"{url}/v1/x", json={"b": 2}, headers={"x-api-key": "k"})
        return response.status_code, response.json()


async def ask_in_a_worker(url: str) -> tuple[int, Any]:
    def ask() -> tuple[int, Any]:
        with clients.synchronous() as client:
            response = client.post(f"{url}/v1/token", data={"grant": "x"})
            return response.status_code, response.json()

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize("ask", [ask, ask_in_a_worker])
async def test_a_request_goes_out_on_the_gateways_connection(ask: Callable[[str], Awaitable[Any]]) -> None:
    outcome, exchange, serving = await within_a_call(JSON, ask)
    assert outcome == (200, {"a": 1})
    assert exchange.answered and len(serving.heads) == 1


@pytest.mark.parametrize("ask", [ask, ask_in_a_worker])
async def test_a_redirect_is_not_followed_and_shown_to_nobody(ask: Callable[[str], Awaitable[Any]]) -> None:
    outcome, exchange, serving = await within_a_call(MOVED, ask)
    assert isinstance(outcome, NotSent) and not isinstance(outcome, httpx.ConnectError | httpx.RemoteProtocolError)
    assert "elsewhere" not in str(outcome) and outcome.request.url.path in ("/v1/x", "/v1/token")
    assert exchange.failure is not None and len(serving.heads) == 1


async def test_an_answer_is_streamed_as_it_comes() -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
        await asyncio.sleep(0.05)
        writer.write(b"b")

    async def ask(url: str) -> list[bytes]:
        async with clients.asynchronous() as client, client.stream("POST", f"{url}/v1/x") as response:
            return [piece async for piece in response.aiter_raw()]

    outcome, _, _ = await within_a_call(play, ask)
    assert outcome == [b"a", b"b"]


async def test_a_blocking_request_on_the_loop_is_refused() -> None:
    async def ask(url: str) -> None:
        with clients.synchronous() as client:
            client.get(url)

    outcome, _, serving = await within_a_call(JSON, ask)
    assert isinstance(outcome, NotSent)
    assert serving.heads == []


async def test_without_a_call_nothing_is_sent() -> None:
    async with server(JSON) as serving:
        with pytest.raises(NotSent):
            await ask(serving.url)
        with clients.synchronous() as client, pytest.raises(NotSent):
            client.get(serving.url)
        assert serving.connections == 0


async def test_a_call_that_is_over_sends_nothing_more() -> None:
    begun: list[Exchange] = []

    async def ask_twice(url: str) -> Any:
        await ask(url)
        exchange = current.get()
        begun.append(exchange)
        closed = asyncio.Event()
        exchange.loop.call_soon_threadsafe(exchange.close)
        exchange.loop.call_soon_threadsafe(asyncio.get_running_loop().call_soon_threadsafe, closed.set)
        await closed.wait()
        try:
            await ask(url)
        except asyncio.CancelledError:
            return "cancelled"

    outcome, _, serving = await within_a_call(JSON, ask_twice)
    assert outcome == "cancelled"
    assert len(serving.heads) == 1
