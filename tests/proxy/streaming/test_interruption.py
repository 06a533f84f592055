"""An interruption reaches the task once, with its reason, and never swallows a cancel of somebody else."""

import asyncio
from collections.abc import Awaitable

import pytest

from proxy.streaming.interruption import Interruption, Reason
from proxy.tasks import spawn

pytestmark = pytest.mark.anyio


def forever() -> Awaitable[object]:
    return asyncio.get_running_loop().create_future()


async def claimed(interruption: Interruption) -> Reason | None:
    """The reason that a wait was interrupted for."""
    try:
        async with asyncio.timeout(5):
            await forever()
    except asyncio.CancelledError:
        return interruption.claim()
    raise AssertionError("the wait was not interrupted")


async def test_an_interruption_comes_once_with_its_reason() -> None:
    interruption = Interruption()
    asyncio.get_running_loop().call_soon(interruption.fire, Reason.CLIENT_LEFT)
    assert await claimed(interruption) is Reason.CLIENT_LEFT
    await asyncio.sleep(0)


async def test_the_first_reason_counts_until_it_is_claimed() -> None:
    interruption = Interruption()
    interruption.fire(Reason.CANCELLED)
    interruption.fire(Reason.CLIENT_LEFT)
    assert await claimed(interruption) is Reason.CANCELLED
    interruption.fire(Reason.CLIENT_LEFT)  # the next one, while the first is being told
    assert await claimed(interruption) is Reason.CLIENT_LEFT


async def test_nothing_interrupts_once_it_is_closed() -> None:
    interruption = Interruption()
    interruption.close()
    interruption.fire(Reason.CLIENT_LEFT)
    interruption.wake()
    await asyncio.sleep(0)


async def test_a_foreign_cancel_is_not_claimed() -> None:
    async def work() -> None:
        interruption = Interruption()
        try:
            await forever()
        except asyncio.CancelledError:
            assert interruption.claim() is None
            raise

    task = spawn(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_foreign_cancel_beside_an_interruption_is_not_swallowed() -> None:
    async def work() -> None:
        interruption = Interruption()
        asyncio.get_running_loop().call_soon(interruption.fire, Reason.CLIENT_LEFT)
        asyncio.get_running_loop().call_soon(task.cancel)
        try:
            await forever()
        except asyncio.CancelledError:
            assert interruption.claim() is None
            raise

    task = spawn(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_wake_gives_way_to_a_reason() -> None:
    interruption = Interruption()
    interruption.wake()
    interruption.fire(Reason.CLIENT_LEFT)
    try:
        await forever()
    except asyncio.CancelledError:
        assert not interruption.claim_wake()
        assert interruption.claim() is Reason.CLIENT_LEFT


@pytest.mark.parametrize("reason", Reason)
async def test_only_a_limit_of_the_provider_is_claimed_as_one(reason: Reason) -> None:
    interruption = Interruption()
    interruption.fire(reason)
    try:
        await forever()
    except asyncio.CancelledError:
        limit = reason if reason in (Reason.FIRST_TOKEN, Reason.IDLE) else None
        assert interruption.claim_limit() is limit
        assert limit or interruption.claim() is reason
