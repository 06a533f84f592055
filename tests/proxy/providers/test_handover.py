"""Items from one event loop to another."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from proxy.providers.handover import Handover

pytestmark = pytest.mark.anyio
ITEMS = 2_000


async def elsewhere(work: Coroutine[Any, Any, Any]) -> None:
    """Run `work` on the loop of another thread."""
    done = asyncio.get_running_loop().create_future()
    here = done.get_loop()

    def run() -> None:
        asyncio.run(work)
        here.call_soon_threadsafe(done.set_result, None)

    threading.Thread(target=run, daemon=True).start()
    await done


@pytest.mark.parametrize("ahead", [1, 3])
async def test_all_items_come_in_order(ahead: int) -> None:
    handover: Handover[int] = Handover(ahead)

    async def give() -> None:
        for item in range(ITEMS):
            await handover.give(item)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(elsewhere(give()))
        taken: list[int] = []
        while len(taken) < ITEMS:
            assert await handover.first() == len(taken)
            taken += await handover.take()
    assert taken == list(range(ITEMS))


async def test_the_giver_is_a_few_ahead_and_no_more() -> None:
    handover: Handover[int] = Handover(3)
    given: list[int] = []

    async def give() -> None:
        for item in range(10):
            await handover.give(item)
            given.append(item)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(elsewhere(give()))
        taken: list[int] = []
        while len(taken) < 10:
            some = await handover.take()
            assert len(some) <= 3
            assert len(given) <= len(taken) + len(some) + 3
            taken += some


async def test_a_taker_that_is_cancelled_loses_nothing() -> None:
    handover: Handover[int] = Handover(2)

    async def give() -> None:
        for item in range(200):
            await handover.give(item)
            await asyncio.sleep(0)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(elsewhere(give()))
        taken: list[int] = []
        while len(taken) < 200:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0):
                    taken += await handover.take()
            await asyncio.sleep(0)
    assert taken == list(range(200))


async def test_a_giver_whose_loop_is_gone_does_not_disturb_the_taker() -> None:
    handover: Handover[int] = Handover(1)

    async def give() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await handover.give(1)

    await elsewhere(give())
    assert await handover.take() == [1]
