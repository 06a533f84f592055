"""Limits run only while they apply. A wait that is woken loses nothing and continues."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.config.models import Timeouts
from proxy.streaming.deadlines import Deadlines
from proxy.streaming.interruption import Reason
from proxy.tasks import spawn

LONG = Timeouts()

pytestmark = pytest.mark.anyio


def forever() -> Awaitable[object]:
    return asyncio.get_running_loop().create_future()


async def go_on() -> bool:
    return False


async def over() -> bool:
    return True


async def interrupted(deadlines: Deadlines, wait: Callable[[], Awaitable[object]]) -> Reason | None:
    """The reason that a wait was interrupted for."""
    try:
        async with asyncio.timeout(5):
            await wait()
    except asyncio.CancelledError:
        return deadlines.interruption.claim()
    raise AssertionError("the wait was not interrupted")


async def provider(deadlines: Deadlines) -> object:
    """Wait for a provider that says nothing."""
    return await deadlines.wait(forever, go_on, limited=True)


def first_token(deadlines: Deadlines) -> Awaitable[object]:
    deadlines.provider.begin_attempt()
    return provider(deadlines)


def idle(deadlines: Deadlines) -> Awaitable[object]:
    deadlines.provider.begin_attempt()
    deadlines.provider.first_token()
    return provider(deadlines)


def write(deadlines: Deadlines) -> Awaitable[object]:
    deadlines.begin_write()
    return forever()


@pytest.mark.parametrize(
    ("limits", "wait", "reason"),
    [
        (Timeouts(first_token=0.02), first_token, Reason.FIRST_TOKEN),
        (Timeouts(idle=0.02), idle, Reason.IDLE),
        (Timeouts(write=0.02), write, Reason.WRITE),
        (Timeouts(total=0.02), idle, Reason.TOTAL),
    ],
)
async def test_each_limit_interrupts_with_its_own_reason(
    limits: Timeouts, wait: Callable[[Deadlines], Awaitable[object]], reason: Reason
) -> None:
    deadlines = Deadlines(limits, 15)
    assert await interrupted(deadlines, lambda: wait(deadlines)) is reason


async def test_the_providers_limits_rest_while_the_client_is_waited_for() -> None:
    deadlines = Deadlines(Timeouts(idle=0.01, write=0.1), 15)
    deadlines.provider.first_token()
    assert await deadlines.wait(lambda: asyncio.sleep(0, "said"), go_on, limited=True) == "said"
    assert await interrupted(deadlines, lambda: write(deadlines)) is Reason.WRITE


async def test_the_providers_limits_rest_in_a_wait_without_limits() -> None:
    deadlines = Deadlines(Timeouts(idle=0.01, total=0.1), 15)
    deadlines.provider.begin_wait()
    wait = deadlines.wait(forever, go_on, limited=False)
    assert await interrupted(deadlines, lambda: wait) is Reason.TOTAL


async def test_a_limit_that_was_moved_later_does_not_fire_early() -> None:
    deadlines = Deadlines(Timeouts(idle=0.05), 15)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await deadlines.wait(lambda: asyncio.sleep(0.03), go_on, limited=True)
    assert await interrupted(deadlines, lambda: idle(deadlines)) is Reason.IDLE
    assert loop.time() - began >= 0.07


async def test_a_wait_that_is_woken_does_not_begin_its_limit_anew() -> None:
    deadlines = Deadlines(Timeouts(idle=0.1), 0.01)
    deadlines.keep_alive.start()

    async def keep_alive() -> bool:
        deadlines.keep_alive.sent()
        return False

    wait = deadlines.wait(forever, keep_alive, limited=True)
    assert await interrupted(deadlines, lambda: wait) is Reason.IDLE


async def test_a_wake_loses_nothing() -> None:
    deadlines = Deadlines(LONG, 0.01)
    deadlines.keep_alive.start()
    queue: asyncio.Queue[int] = asyncio.Queue()
    wakes = 0

    async def keep_alive() -> bool:
        nonlocal wakes
        wakes += 1
        assert deadlines.keep_alive.due()
        deadlines.keep_alive.sent()
        if wakes == 3:
            queue.put_nowait(7)
        return False

    async with asyncio.timeout(5):
        assert await deadlines.wait(queue.get, keep_alive, limited=True) == 7
    assert wakes == 3


async def test_a_wake_can_end_the_wait() -> None:
    deadlines = Deadlines(LONG, 0.01)
    deadlines.keep_alive.start()
    async with asyncio.timeout(5):
        assert await deadlines.wait(forever, over, limited=False) is None


async def test_a_foreign_cancel_ends_the_wait() -> None:
    async def work() -> None:
        await provider(Deadlines(LONG, 15))

    task = spawn(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_policys_deadline_wakes_the_wait() -> None:
    deadlines = Deadlines(LONG, 15)
    for at in (asyncio.get_running_loop().time() + 0.01, asyncio.get_running_loop().time() - 1):  # past ones too
        deadlines.tick.set(at)
        async with asyncio.timeout(5):
            assert await deadlines.wait(forever, over, limited=True) is None
        assert deadlines.tick.take()
        deadlines.tick.set(at)  # who wants it at the same time still has had it
        assert not deadlines.tick.take()


async def test_a_policys_deadline_that_comes_nearer_wakes_a_wait_that_runs() -> None:
    deadlines = Deadlines(LONG, 15)
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: deadlines.hasten_tick(loop.time() + 0.01))
    async with asyncio.timeout(5):
        assert await deadlines.wait(forever, over, limited=True) is None
    assert deadlines.tick.take()


async def test_nothing_is_due_once_they_are_closed() -> None:
    deadlines = Deadlines(Timeouts(total=0.01), 15)
    deadlines.close()
    deadlines.close()
    await asyncio.sleep(0.05)
