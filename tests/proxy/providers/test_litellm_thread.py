"""LiteLLM's thread."""

import asyncio
import threading
import time

import httpx
import pytest

from proxy.access.slots import Overloaded
from proxy.providers import litellm_thread
from proxy.providers.litellm_thread import MAX_LARGE_PREPARING, MAX_MEDIUM_PREPARING, LiteLLMThread
from proxy.providers.mapping.workers import MAX_MEDIUM

pytestmark = pytest.mark.anyio


def nothing() -> None:
    pass


async def test_what_hogs_the_thread_leaves_the_gateways_loop_free() -> None:
    thread, begun = LiteLLMThread(), threading.Event()
    until = time.monotonic() + 1

    async def hog() -> None:
        begun.set()
        while time.monotonic() < until:
            pass

    thread.start(hog(), nothing)
    while not begun.is_set():
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert time.monotonic() < until
    await thread.aclose()


async def test_work_ends_when_it_is_cancelled_and_tells() -> None:
    thread, over, running = LiteLLMThread(), asyncio.Event(), threading.Event()

    async def wait() -> None:
        running.set()
        await asyncio.sleep(60)

    cancel = thread.start(wait(), over.set)
    await asyncio.to_thread(running.wait)
    cancel()
    async with asyncio.timeout(5):
        await over.wait()
    at_once = asyncio.Event()
    thread.start(wait(), at_once.set)()  # cancelled before it could begin
    async with asyncio.timeout(5):
        await at_once.wait()
    await thread.aclose()


async def test_the_thread_opens_no_connection() -> None:
    thread, over = LiteLLMThread(), asyncio.Event()
    listener = await asyncio.start_server(lambda reader, writer: pytest.fail("connected"), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    raised: list[BaseException] = []

    async def connect() -> None:
        loop = asyncio.get_running_loop()
        async with httpx.AsyncClient(trust_env=False) as client:
            for attempt in (
                asyncio.open_connection("127.0.0.1", port),
                asyncio.open_connection("localhost", port),
                loop.getaddrinfo("localhost", port),
                loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", port)),
                client.get(f"http://127.0.0.1:{port}/"),
            ):
                try:
                    await attempt
                except (OSError, httpx.ConnectError) as error:
                    raised.append(error)

    async with listener:
        thread.start(connect(), over.set)
        async with asyncio.timeout(10):
            await over.wait()
    assert len(raised) == 5
    await thread.aclose()


async def test_a_few_calls_are_prepared_and_large_ones_hold_up_no_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_thread, "MAX_WAIT", 0.01)
    thread = LiteLLMThread()
    large = [await thread.turn(MAX_MEDIUM + 1) for _ in range(MAX_LARGE_PREPARING)]
    with pytest.raises(Overloaded):
        await thread.turn(MAX_MEDIUM + 1)
    medium = [await thread.turn(MAX_MEDIUM) for _ in range(MAX_MEDIUM_PREPARING)]
    with pytest.raises(Overloaded):
        await thread.turn(0)
    large[0]()
    large[0]()
    await thread.turn(MAX_MEDIUM + 1)
    with pytest.raises(Overloaded):
        await thread.turn(MAX_MEDIUM + 1)
    medium[0]()
    await thread.turn(0)


async def test_a_request_that_is_prepared_for_nobody_is_dropped_in_silence() -> None:
    thread, over, release = LiteLLMThread(), asyncio.Event(), threading.Event()

    async def request() -> None:
        pytest.fail("nobody wants it")

    def prepare() -> object:
        release.wait(10)
        return request()

    async def call() -> None:
        await asyncio.get_running_loop().run_in_executor(None, prepare)

    cancel = thread.start(call(), over.set)
    cancel()
    async with asyncio.timeout(5):
        await over.wait()
    release.set()
    await thread.aclose()


async def test_a_thread_that_is_stuck_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_thread, "_PATIENCE", 0.05)
    thread, begun, release = LiteLLMThread(), threading.Event(), threading.Event()

    async def stuck() -> None:
        begun.set()
        release.wait(20)

    thread.start(stuck(), nothing)
    await asyncio.to_thread(begun.wait)
    async with asyncio.timeout(5):
        await thread.aclose()
    [left] = [each for each in threading.enumerate() if each.name == "litellm"]
    assert left.daemon
    release.set()
