"""Interruptions reach the task once, with their reason; wakes lose nothing; limits run only while they apply."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.config.models import Timeouts
from proxy.streaming.deadlines import Deadlines, Reason
from proxy.tasks import spawn

LONG = Timeouts()


async def interrupted(interrupts: Deadlines, wait: Callable[[], Awaitable[object]]) -> Reason | None:
    """The reason that a wait was interrupted for."""
    try:
        async with asyncio.timeout(2):
            await wait()
    except asyncio.CancelledError:
        return interrupts.claim()
    raise AssertionError("the wait was not interrupted")


def forever() -> Awaitable[object]:
    return asyncio.get_running_loop().create_future()


async def fires_with_reason() -> None:
    interrupts = Deadlines(LONG, 15)
    asyncio.get_running_loop().call_soon(interrupts.fire, Reason.CLIENT_LEFT)
    assert await interrupted(interrupts, forever) is Reason.CLIENT_LEFT
    await asyncio.sleep(0)  # and only once


async def first_reason_counts() -> None:
    interrupts = Deadlines(LONG, 15)
    interrupts.fire(Reason.CANCELLED)
    interrupts.fire(Reason.CLIENT_LEFT)
    assert await interrupted(interrupts, forever) is Reason.CANCELLED
    interrupts.fire(Reason.CLIENT_LEFT)  # the next one, while the first is being told
    assert await interrupted(interrupts, forever) is Reason.CLIENT_LEFT


async def closed_is_silent() -> None:
    interrupts = Deadlines(LONG, 15)
    interrupts.close()
    interrupts.fire(Reason.CLIENT_LEFT)
    await asyncio.sleep(0)


async def foreign_cancel_is_not_claimed() -> None:
    async def work() -> None:
        interrupts = Deadlines(LONG, 15)
        try:
            await forever()
        except asyncio.CancelledError:
            assert interrupts.claim() is None
            raise

    task = spawn(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def foreign_cancel_beside_ours_is_not_swallowed() -> None:
    async def work() -> None:
        interrupts = Deadlines(LONG, 15)
        asyncio.get_running_loop().call_soon(interrupts.fire, Reason.CLIENT_LEFT)
        asyncio.get_running_loop().call_soon(task.cancel)
        try:
            await forever()
        except asyncio.CancelledError:
            assert interrupts.claim() is None
            raise

    task = spawn(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def wake_loses_nothing() -> None:
    interrupts = Deadlines(LONG, 0.01)
    interrupts.start_beat()
    queue: asyncio.Queue[int] = asyncio.Queue()
    asyncio.get_running_loop().call_later(0.05, queue.put_nowait, 7)
    wakes = 0
    interrupts.begin_wait()
    while True:
        try:
            got = await queue.get()
            break
        except asyncio.CancelledError:
            assert interrupts.claim_wake()
            assert interrupts.beat_due()
            wakes += 1
            interrupts.start_beat()
            interrupts.resume_wait()
    assert got == 7
    assert wakes >= 1


async def wake_gives_way_to_a_reason() -> None:
    interrupts = Deadlines(LONG, 0.0)
    interrupts.start_beat()
    interrupts.begin_wait()
    interrupts._wake()
    interrupts.fire(Reason.CLIENT_LEFT)
    try:
        await forever()
    except asyncio.CancelledError:
        assert not interrupts.claim_wake()
        assert interrupts.claim() is Reason.CLIENT_LEFT


def first_token(interrupts: Deadlines) -> None:
    interrupts.begin_attempt()
    interrupts.begin_wait()


def idle(interrupts: Deadlines) -> None:
    interrupts.begin_attempt()
    interrupts.first_token()
    interrupts.begin_wait()


@pytest.mark.parametrize(
    ("limits", "begin", "reason"),
    [
        (Timeouts(first_token=0.02), first_token, Reason.FIRST_TOKEN),
        (Timeouts(idle=0.02), idle, Reason.IDLE),
        (Timeouts(write=0.02), Deadlines.begin_write, Reason.WRITE),
        (Timeouts(total=0.02), idle, Reason.TOTAL),
    ],
)
def test_each_limit_interrupts_with_its_own_reason(
    limits: Timeouts, begin: Callable[[Deadlines], None], reason: Reason
) -> None:
    async def run() -> None:
        interrupts = Deadlines(limits, 15)
        begin(interrupts)
        assert await interrupted(interrupts, forever) is reason

    asyncio.run(run())


def test_the_providers_limits_rest_while_the_client_is_waited_for() -> None:
    async def run() -> None:
        interrupts = Deadlines(Timeouts(idle=0.01, write=0.1), 15)
        idle(interrupts)
        interrupts.end_wait()
        interrupts.begin_write()
        assert await interrupted(interrupts, forever) is Reason.WRITE

    asyncio.run(run())


def test_a_limit_that_was_moved_later_does_not_fire_early() -> None:
    async def run() -> None:
        interrupts = Deadlines(Timeouts(idle=0.05), 15)
        loop = asyncio.get_running_loop()
        began = loop.time()
        idle(interrupts)
        await asyncio.sleep(0.03)
        interrupts.end_wait()
        interrupts.begin_wait()
        assert await interrupted(interrupts, forever) is Reason.IDLE
        assert loop.time() - began >= 0.07

    asyncio.run(run())


def test_a_policys_deadline_wakes_the_wait() -> None:
    async def run() -> None:
        interrupts = Deadlines(LONG, 15)
        for at in (asyncio.get_running_loop().time() + 0.01, asyncio.get_running_loop().time() - 1):  # past ones too
            interrupts.set_tick(at)
            interrupts.begin_wait()
            try:
                await forever()
            except asyncio.CancelledError:
                assert interrupts.claim_wake()
            assert interrupts.take_tick()
            interrupts.set_tick(at)  # who wants it at the same time still has had it
            assert not interrupts.take_tick()

    asyncio.run(run())


@pytest.mark.parametrize(
    "scene",
    [
        fires_with_reason,
        first_reason_counts,
        closed_is_silent,
        foreign_cancel_is_not_claimed,
        foreign_cancel_beside_ours_is_not_swallowed,
        wake_loses_nothing,
        wake_gives_way_to_a_reason,
    ],
)
def test_interruptions(scene: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await scene()

    asyncio.run(run())
