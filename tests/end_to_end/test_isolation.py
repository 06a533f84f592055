"""Many concurrent streams, and clients that leave: each gets its own answer and no byte of another's.

Nothing is left of any stream.
"""

import asyncio
import contextlib
import gc
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.accounting.record import Record
from proxy.providers.native import NativeAnswer
from proxy.server import Protocol
from proxy.streaming.attempt import Attempt
from proxy.streaming.deadlines import Deadlines
from proxy.streaming.driver import Driver
from proxy.streaming.response import Downstream
from tests.end_to_end.leaving import connections
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, running
from tests.end_to_end.wire import Response, chat, client, until

pytestmark = pytest.mark.anyio

STREAMS, CHUNKS, LEAVERS = 200, 500, 50
OURS = (Attempt, Downstream, Driver, Deadlines, NativeAnswer, Protocol, Record)
"""Classes with one object for each request or connection."""

FDS = Path("/proc/self/fd")


@pytest.fixture
async def run(anyio_backend: object) -> AsyncIterator[Running]:
    async with running() as running_one:
        yield running_one


def words_of(number: int) -> str:
    """Make a text of `CHUNKS` pieces of four characters. Each names its stream and its place."""
    return "".join(f"{number:03x}{chr(0x4E00 + place)}" for place in range(CHUNKS))


async def stay(run: Running, number: int) -> None:
    """Ask for an individual text, and assert the exact text, chunks and ID."""
    words = words_of(number)
    async with client(run.port) as stayer:
        await stayer.send(chat(f"{PROVIDERS[number % 3]}-sim-echo.chunk-4.pace-6", prompt=words))
        response = await stayer.response(seconds=60)
    assert response.events[-1] == "[DONE]"
    assert response.text == words
    assert {event["id"] for event in response.events[:-1]} == {response.headers["x-sluice-id"]}
    assert _pieces(response) <= CHUNKS


def _pieces(response: Response) -> int:
    return sum(bool(choice["delta"].get("content")) for e in response.events[:-1] for choice in e["choices"])


async def leave(run: Running, number: int, chance: random.Random) -> None:
    """Ask for the same, and leave at any time in one of the ways."""
    await asyncio.sleep(chance.uniform(0, 2))
    async with client(run.port) as leaver:
        await leaver.send(chat(f"{PROVIDERS[number % 3]}-sim-echo.chunk-4.pace-6", prompt=words_of(number)))
        if chance.random() < 0.8:
            await leaver.until(b"data: ", seconds=30)
            await asyncio.sleep(chance.uniform(0, 0.5))
        if chance.random() < 0.3:
            leaver.reset()


async def load(run: Running, streams: int, leavers: int) -> None:
    """Run clients that stay and clients that leave, all at once, until nothing runs any more."""
    chance = random.Random(7)
    stays = [stay(run, number) for number in range(streams)]
    leaves = [leave(run, streams + number, chance) for number in range(leavers)]
    await asyncio.gather(*stays, *leaves)
    await until(lambda: len(run.records) == streams + leavers and not run.server.server_state.connections, seconds=10)
    outcomes = Counter(record.outcome for record in run.records)
    assert outcomes == {"completed": streams, "client_cancelled": leavers}
    assert not run.gateway.streams
    await until(lambda: all(call.outcome is not None for call in run.sim.calls))
    forget(run)


def forget(run: Running) -> None:
    """Release the objects that the test itself holds."""
    run.records.clear()
    run.sim.forget()
    run.sim._script_of.cache_clear()


def sockets() -> int:
    """Count the open sockets of this process, if the system tells."""
    if not FDS.exists():
        return 0
    found = 0
    for entry in FDS.iterdir():
        with contextlib.suppress(OSError):  # the one by which the folder is read
            found += os.readlink(entry).startswith("socket:")
    return found


async def test_streams_do_not_mix_and_leave_nothing(run: Running) -> None:
    before, others = sockets(), _living()  # earlier tests of this process may have left some
    await load(run, 10, 5)
    tasks, objects = len(asyncio.all_tasks()), _objects()
    await load(run, STREAMS, LEAVERS)
    assert len(asyncio.all_tasks()) == tasks
    await run.gateway.upstreams["native"].aclose()
    await until(lambda: not run.sim.connections)
    await until(lambda: _living() <= others and sockets() == before, seconds=10)
    assert _objects() - objects < 5 * STREAMS


async def test_there_are_no_more_streams_than_may_be() -> None:
    """Their requests arrive interleaved, so that each finds room when it begins."""
    config = CONFIG.replace("port: 0", "port: 0, max_streams: 3, queue_seconds: 0.5")
    async with running(config) as run, contextlib.AsyncExitStack() as stack:
        request = chat("openai-sim-chat.head-60000")
        askers = [await stack.enter_async_context(client(run.port)) for _ in range(8)]
        for asker in askers:
            await asker.send(request[:-1])
        await until(lambda: sum(one.cycle is not None for one in connections(run)) == 8)
        for asker in askers:
            await asker.send(request[-1:])
        record = await run.recorded(5)
        assert (record.outcome, record.status, record.error) == ("shed", 503, "overloaded")
        await until(lambda: len(run.sim.calls) == 3)
        assert len(run.gateway.streams) == 3


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def _living() -> Counter[str]:
    gc.collect()
    return Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing) in OURS)
