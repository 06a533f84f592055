"""Work in threads: the event loop goes on, places are few, and none is free before its thread has ended."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator

import pytest

from proxy.access.slots import Overloaded
from proxy.errors import InvalidRequest
from proxy.providers.mapping.workers import MAX_MEDIUM, Workers
from proxy.tasks import spawn

pytestmark = pytest.mark.anyio


class Gate:
    """Work that goes on until the gate opens."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.running = 0

    def work(self) -> str:
        self.running += 1
        assert self._open.wait(20)
        self.running -= 1
        return "result"

    def open(self) -> None:
        self._open.set()

    async def entered(self, count: int) -> None:
        async with asyncio.timeout(5):
            while self.running < count:
                await asyncio.sleep(0.001)


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()
    async with asyncio.timeout(5):
        while gate.running:
            await asyncio.sleep(0.001)


async def test_the_result_comes_back() -> None:
    assert await Workers().run(lambda: threading.current_thread() is threading.main_thread(), 1) is False


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(KeyError):
        await Workers().run(lambda: {}["x"], 1)


async def test_the_event_loop_goes_on_meanwhile() -> None:
    def busy() -> None:
        until = time.perf_counter() + 0.2
        while time.perf_counter() < until:
            pass

    working = spawn(Workers().run(busy, 1))
    turns = 0
    while not working.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 5


async def test_a_request_beyond_the_places_waits_and_is_told_to_try_again(gate: Gate) -> None:
    workers = Workers(threads=2, wait=0.05)
    running = [spawn(workers.run(gate.work, 1)) for _ in range(2)]
    await gate.entered(2)
    with pytest.raises(Overloaded) as refused:
        await workers.run(gate.work, 1)
    assert refused.value.retry_after and gate.running == 2
    gate.open()
    assert await asyncio.gather(*running) == ["result", "result"]
    assert await workers.run(gate.work, 1) == "result"


async def test_large_requests_do_not_keep_medium_ones_waiting(gate: Gate) -> None:
    workers = Workers(threads=1, wait=0.05)
    running = spawn(workers.run(gate.work, MAX_MEDIUM + 1))
    await gate.entered(1)
    assert await workers.run(lambda: "medium", MAX_MEDIUM) == "medium"
    gate.open()
    await running


async def test_work_that_takes_too_long_keeps_its_place_until_it_ends(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    workers = Workers(threads=1, wait=0.05, seconds=0.05)
    with pytest.raises(InvalidRequest) as refused:
        await workers.run(gate.work, 1)
    assert (refused.value.status, refused.value.code) == (400, "request_too_complex")
    assert any(record.levelno == logging.WARNING for record in caplog.records)
    with pytest.raises(Overloaded):
        await workers.run(lambda: None, 1)
    gate.open()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await workers.run(lambda: "again", 1) == "again"
                break
            except Overloaded:
                await asyncio.sleep(0.001)


async def test_a_client_that_leaves_frees_no_place_before_the_thread_has_ended(gate: Gate) -> None:
    workers = Workers(threads=1, wait=0.05)
    left = spawn(workers.run(gate.work, 1))
    await gate.entered(1)
    left.cancel()
    await asyncio.wait({left})
    with pytest.raises(Overloaded):
        await workers.run(lambda: None, 1)


async def test_a_client_that_leaves_while_it_waits_takes_no_place(gate: Gate) -> None:
    workers = Workers(threads=1, wait=5)
    running = spawn(workers.run(gate.work, 1))
    await gate.entered(1)
    left = spawn(workers.run(gate.work, 1))
    await asyncio.sleep(0)
    left.cancel()
    gate.open()
    await running
    assert await workers.run(lambda: "next", 1) == "next"


async def test_keys_that_wait_for_a_thread_take_turns(gate: Gate) -> None:
    workers, order = Workers(threads=1, wait=20), list[str]()
    running = spawn(workers.run(gate.work, 1, "greedy"))
    await gate.entered(1)
    waiting = [spawn(workers.run(lambda: order.append("greedy"), 1, "greedy")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting.append(spawn(workers.run(lambda: order.append("modest"), 1, "modest")))
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(running, *waiting)
    assert order.index("modest") <= 1 and len(order) == 6


async def test_failures_of_work_that_nobody_waits_for_are_not_logged(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        gate.work()
        raise ValueError("the client's words")

    workers = Workers(threads=1)
    left = spawn(workers.run(fail, 1))
    await gate.entered(1)
    left.cancel()
    gate.open()
    await workers.run(lambda: None, 1)
    del left
    assert not caplog.records
