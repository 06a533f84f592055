"""A body while it is read: bounded in what waits and in what one turn costs; and its connection behind the answer."""

import asyncio
import gzip
from dataclasses import dataclass, field

import pytest

from proxy.providers.http.body import MAX_BEHIND, MAX_WAITING, SLICE, Body, Listener
from proxy.providers.http.framing import Chunked, Framing, Sized
from proxy.providers.http.inflate import Inflate
from proxy.tasks import spawn
from proxy.turns import Turns
from tests.proxy.providers.serving import LAST, chunk

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Line:
    """A body's calls to its connection. `ends` are its ends, true for a clean one."""

    short: Listener | None = None
    held: bool = False
    ends: list[bool] = field(default_factory=list)

    def hold(self) -> None:
        self.held = True

    def go_on(self) -> None:
        self.held = False

    def ended(self, *, clean: bool) -> None:
        self.ends.append(clean)


def body(framing: Framing | None = None, inflate: Inflate | None = None) -> tuple[Body, Line]:
    line = Line()
    return Body(framing or Chunked(), inflate, line, Turns().turn), line


async def read(one: Body) -> list[bytes]:
    """All of it to its end, as it was taken."""
    taken: list[bytes] = []
    while not one.over and not one.broken:
        await one.ready()
        taken.append(one.take())
    return taken


# ---- reading
@pytest.mark.parametrize("piece", [1, 100, 100_000])
async def test_others_get_their_turn_between_two_slices_of_a_flood(piece: int) -> None:
    one, _ = body()
    one.feed(chunk(b"\n" * piece) * (300_000 // piece) + LAST)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while not one.over:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(other())
        taken = await read(one)
    assert sum(map(len, taken)) == 300_000 // piece * piece
    assert max(map(len, taken)) <= SLICE and turns >= len(taken) - 2


async def test_of_many_floods_one_is_taken_apart_in_a_turn() -> None:
    turns = Turns()
    floods = [Body(Chunked(), None, Line(), turns.turn) for _ in range(5)]
    taken = [0] * len(floods)
    for one in floods:
        one.feed(chunk(b"x" * 60_000) + LAST)

    async def read_all(number: int) -> None:
        while not floods[number].over:
            await floods[number].ready()
            floods[number].take()
            taken[number] += 1

    tasks = [spawn(read_all(number)) for number in range(len(floods))]
    before = 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        assert sum(taken) - before <= 2  # a small rest needs no turn of its own
        before = sum(taken)
        assert max(taken) - min(taken) <= 2


async def test_a_bomb_is_taken_a_slice_at_a_time() -> None:
    packed = gzip.compress(b"\n" * 10_000_000)
    one, _ = body(Sized(len(packed)), Inflate("gzip"))
    one.feed(packed)
    taken = await read(one)
    assert sum(map(len, taken)) == 10_000_000 and max(map(len, taken)) <= SLICE


async def test_the_provider_is_held_up_while_too_much_waits_for_the_reader() -> None:
    one, line = body()
    one.feed(chunk(b"x" * MAX_WAITING))
    assert line.held
    while line.held:
        one.take()
    assert len(one._raw) <= MAX_WAITING // 2


async def test_whole_chunks_go_to_who_waits_and_what_is_none_wakes_them() -> None:
    one, line = body()
    got: list[bytes] = []
    waiting = spawn(one.ready(got.append))
    await asyncio.sleep(0)
    assert line.short is not None
    line.short(b"hello")
    one.feed(b"5\r\nhal")
    assert line.short is None
    await waiting
    assert got == [b"hello"] and one.take() == b"hal"
    halfway = spawn(one.ready(got.append))
    await asyncio.sleep(0)
    assert line.short is None  # in the middle of a chunk
    halfway.cancel()


async def test_what_is_not_http_ends_it_and_what_came_before_can_be_read() -> None:
    one, line = body()
    one.feed(chunk(b"hello") + b"no size\r\n")
    assert await read(one) == [b""] and one.fault == "sent a chunk without a size" and line.ends == [False]


# ---- behind the answer
async def test_the_connection_is_given_back_once_the_body_is_over() -> None:
    given: list[bool] = []
    one, line = body()
    one.feed(chunk(b"[DONE]\n\n"))
    one.take()
    one.finish(given.append)
    assert not given
    one.feed(b"0\r")
    assert not given
    one.feed(b"\n\r\n")
    assert given == [True] and line.ends == [True]


@pytest.mark.parametrize("behind", [chunk(b"more"), b"no size\r\n", chunk(b"\n") * MAX_BEHIND])
@pytest.mark.parametrize("there", [True, False])
async def test_more_than_blank_lines_behind_the_answer_cost_the_connection(behind: bytes, there: bool) -> None:
    given: list[bool] = []
    one, _ = body()
    if there:
        one.feed(behind)
    one.finish(given.append)
    if not there:
        one.feed(behind)
    assert given == [False]


async def test_a_byte_behind_the_body_costs_the_connection() -> None:
    given: list[bool] = []
    one, line = body()
    one.feed(LAST + b"H")
    one.finish(given.append)
    assert line.ends == [False] and given == [True]  # it is closed already: to give it back does no harm


async def test_a_body_that_does_not_end_soon_costs_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.providers.http.body.LINGER", 0.01)
    given: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    one, _ = body()
    one.finish(given.set_result)
    async with asyncio.timeout(5):
        assert await given is False


async def test_a_connection_that_goes_before_the_bodys_end_is_not_given_back() -> None:
    given: list[bool] = []
    one, _ = body()
    one.finish(given.append)
    one.cut(clean=True)
    assert given == [False]
