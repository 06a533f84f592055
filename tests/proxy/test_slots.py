"""A bounded number of places and a queue for them."""

import asyncio

import pytest

from proxy.slots import Overloaded, Slots
from proxy.tasks import spawn

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def waiting(slots: Slots, number: int) -> None:
    """Let the tasks run until so many wait."""
    async with asyncio.timeout(2):
        while slots.waiting != number:
            await asyncio.sleep(0)


async def test_the_places_go_at_once_and_the_next_request_waits_for_one() -> None:
    slots = Slots(1, queue=5, seconds=60)
    await slots.take("It")
    second = spawn(slots.take("It"))
    await waiting(slots, 1)
    assert not second.done() and not slots.free
    slots.give_back()
    await second
    assert (slots.taken, slots.waiting) == (1, 0)


async def test_who_waits_is_served_in_the_order_of_arrival() -> None:
    slots = Slots(1, queue=5, seconds=60)
    await slots.take("It")
    order: list[int] = []

    async def one(number: int) -> None:
        await slots.take("It")
        order.append(number)
        slots.give_back()

    tasks = [spawn(one(number)) for number in range(4)]
    await waiting(slots, 4)
    slots.give_back()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3] and slots.taken == 0


async def test_who_finds_the_queue_full_is_refused_at_once() -> None:
    slots = Slots(1, queue=0, seconds=60)
    await slots.take("The gateway")
    with pytest.raises(Overloaded) as error:
        await slots.take("The gateway")
    assert (error.value.status, error.value.code, error.value.retry_after) == (503, "overloaded", 1)
    assert "The gateway has as many requests as it may have" in error.value.message


async def test_who_waits_too_long_is_refused_and_leaves_the_queue() -> None:
    slots = Slots(1, queue=5, seconds=0.01)
    await slots.take("It")
    with pytest.raises(Overloaded):
        await slots.take("It")
    assert (slots.taken, slots.waiting) == (1, 0)


async def test_who_is_cancelled_while_waiting_leaves_the_queue() -> None:
    slots = Slots(1, queue=5, seconds=60)
    await slots.take("It")
    left, stays = spawn(slots.take("It")), spawn(slots.take("It"))
    await waiting(slots, 2)
    left.cancel()
    await asyncio.wait({left})
    slots.give_back()
    await stays
    assert (slots.taken, slots.waiting) == (1, 0)


async def test_a_place_given_to_one_who_is_cancelled_in_the_same_moment_is_not_lost() -> None:
    slots = Slots(1, queue=5, seconds=60)
    await slots.take("It")
    left, stays = spawn(slots.take("It")), spawn(slots.take("It"))
    await waiting(slots, 2)
    slots.give_back()  # it is `left`'s turn, which has not run yet
    left.cancel()
    await asyncio.wait({left})
    await stays
    assert (slots.taken, slots.waiting) == (1, 0)


async def test_a_cancel_and_a_place_in_the_same_moment_leave_the_queue_whole() -> None:
    slots = Slots(1, queue=5, seconds=60)
    await slots.take("It")
    left, stays = spawn(slots.take("It")), spawn(slots.take("It"))
    await waiting(slots, 2)
    left.cancel()
    slots.give_back()
    await asyncio.wait({left})
    await stays
    assert (slots.taken, slots.waiting) == (1, 0)
