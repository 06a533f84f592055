"""A bounded number of places and a queue for them."""

import asyncio
import random

import pytest

from proxy.access.slots import Overloaded, Slots
from proxy.tasks import spawn

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def waiting(slots: Slots, number: int) -> None:
    """Let the tasks run until `number` of them wait."""
    async with asyncio.timeout(5):
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
    assert "The gateway has reached its limit of requests" in error.value.message


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


# ---- keys
async def test_the_next_place_goes_to_the_key_that_has_the_fewest() -> None:
    slots = Slots(2, queue=9, seconds=60)
    for _ in range(2):
        await slots.take("It", "one")
    order: list[str] = []

    async def wait(key: str) -> None:
        await slots.take("It", key)
        order.append(key)

    tasks = [spawn(wait(key)) for key in ("one", "one", "two", "two", "three")]
    await waiting(slots, 5)
    for count in range(5):
        slots.give_back("one" if count < 2 else order[count - 2])
        await until_served(order, count + 1)
    await asyncio.gather(*tasks)
    assert order == ["two", "one", "three", "two", "one"]


async def test_a_key_that_waits_again_and_again_keeps_no_other_out() -> None:
    slots = Slots(1, queue=9, seconds=60)
    await slots.take("It", "one")
    order: list[str] = []

    async def visit(key: str) -> None:
        await slots.take("It", key)
        order.append(key)
        slots.give_back(key)

    tasks = [spawn(visit(key)) for key in ("one", "one", "one", "two", "two")]
    await waiting(slots, 5)
    slots.give_back("one")
    await asyncio.gather(*tasks)
    assert order == ["one", "two", "one", "two", "one"]


async def until_served(order: list[str], count: int) -> None:
    async with asyncio.timeout(5):
        while len(order) < count:
            await asyncio.sleep(0)


async def test_a_key_that_fills_the_queue_makes_room_for_another() -> None:
    slots = Slots(2, queue=3, seconds=60)
    for _ in range(2):
        await slots.take("It", "one")
    crowd = [spawn(slots.take("It", "one")) for _ in range(3)]
    await waiting(slots, 3)
    other = spawn(slots.take("It", "two"))
    with pytest.raises(Overloaded):
        await crowd[2]  # its latest
    assert slots.waiting == 3
    slots.give_back("one")
    await other
    for task in crowd[:2]:
        task.cancel()
    await asyncio.wait(crowd[:2])
    assert (slots.taken, slots.waiting) == (2, 0)


@pytest.mark.parametrize("key", ["one", "two"])
async def test_a_key_that_has_its_share_of_the_queue_is_refused(key: str) -> None:
    slots = Slots(1, queue=3, seconds=60)
    await slots.take("It", "one")
    tasks = [spawn(slots.take("It", each)) for each in ("one", "one", "two")]
    await waiting(slots, 3)
    with pytest.raises(Overloaded):
        await slots.take("It", key)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (slots.taken, slots.waiting) == (1, 0)


@pytest.mark.parametrize("seed", range(20))
async def test_no_place_is_lost_or_made_whatever_comes_and_goes(seed: int) -> None:
    draw = random.Random(seed)
    slots = Slots(3, queue=4, seconds=60)
    inside: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def visit(key: str) -> None:
        await slots.take("It", key)
        inside.append(key)
        assert len(inside) <= slots.taken <= slots.most
        try:
            for _ in range(draw.randrange(5)):
                await asyncio.sleep(0)
        finally:
            inside.remove(key)
            slots.give_back(key)

    for _ in range(200):
        tasks.append(spawn(visit(draw.choice("abbccc"))))
        if draw.random() < 0.3:
            draw.choice(tasks).cancel()
        if draw.random() < 0.6:
            await asyncio.sleep(0)
        assert slots.waiting <= 4
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), Overloaded, asyncio.CancelledError}
    assert (slots.taken, slots.waiting, slots.free) == (0, 0, True)
    assert not slots._turns and not slots._held
