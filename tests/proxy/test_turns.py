"""Long work on the event loop: a slice in each turn, and interruptions."""

import asyncio
import time
from collections.abc import Callable

import pytest

from policies.steps import Steps
from proxy.tasks import spawn
from proxy.turns import SLICE, Turns

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


async def nothing() -> None:
    return None


def work(slices: int, tell: Callable[[], None] = lambda: None) -> Steps[int]:
    """Make work of `slices` whole slices and a little more, in many steps."""
    for _ in range(slices):
        tell()
        end = time.perf_counter() + SLICE
        while time.perf_counter() < end:
            yield
    return slices


async def test_work_that_ends_within_its_first_slice_waits_for_nothing() -> None:
    def short() -> Steps[str]:
        for _ in range(5):
            yield
        return "result"

    taking = Turns().take(short(), nothing)
    with pytest.raises(StopIteration) as end:
        taking.send(None)
    assert end.value.value == "result"


async def test_others_run_between_two_slices() -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    between = 0

    async def count() -> None:
        nonlocal between
        between += 1

    beating = spawn(beat())
    assert await Turns().take(work(10), count) == 10
    beating.cancel()
    assert between >= 9 and beats >= between


async def test_many_works_get_one_slice_in_each_turn_of_the_loop_and_all_come_to_their_end() -> None:
    turns, ran, most = Turns(), 0, 0

    def tell() -> None:
        nonlocal ran
        ran += 1

    async def watch() -> None:
        nonlocal ran, most
        while True:
            ran = 0
            await asyncio.sleep(0)
            most = max(most, ran)

    async def one() -> int:
        await asyncio.sleep(0)
        return await turns.take(work(5, tell), nothing)

    tasks = [spawn(one()) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # each first slice is taken at once
    watching = spawn(watch())
    assert await asyncio.gather(*tasks) == [5] * 20
    watching.cancel()
    assert 1 <= most <= 2  # the end of one step of the work and the beginning of the next in one slice


async def test_work_that_is_interrupted_is_closed_and_keeps_nobody_from_a_turn() -> None:
    turns, closed = Turns(), asyncio.Event()

    def endless() -> Steps[None]:
        try:
            while True:
                yield
        finally:
            closed.set()

    waiting = spawn(turns.take(endless(), nothing))
    other = spawn(turns.take(work(5), nothing))
    await asyncio.sleep(SLICE)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert closed.is_set()
    async with asyncio.timeout(5):
        assert await other == 5


async def test_what_the_work_raises_is_raised() -> None:
    def failing() -> Steps[None]:
        yield from work(2)
        raise LookupError

    with pytest.raises(LookupError):
        await Turns().take(failing(), nothing)
