"""The registry of requests in flight."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.access.keys import Client
from proxy.access.slots import Slots
from proxy.accounting.record import Record
from proxy.errors import NotFound
from proxy.streaming.interruption import Interruption, Reason
from proxy.streaming.registry import InFlight, Streams
from proxy.tasks import spawn

pytestmark = pytest.mark.anyio

OURS, STRANGER, BOSS = Client("ours", False, ("*",)), Client("stranger", False, ("*",)), Client("boss", True, ("*",))
Request = Callable[..., Awaitable["asyncio.Task[Reason | None]"]]


async def running(streams: Streams, id: str, client: Client = OURS) -> "asyncio.Task[Reason | None]":
    """A request in the registry; its task gives the reason of its interruption."""
    begun = asyncio.Event()

    async def request() -> Reason | None:
        interruption = Interruption()
        try:
            streams.add(InFlight(Record(id, "model", True), interruption, client))
            begun.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return interruption.claim()
        finally:
            begun.set()
            interruption.close()
            streams.remove(id)
        return None

    task = spawn(request())
    await begun.wait()
    return task


async def test_a_request_is_counted_while_it_runs() -> None:
    streams = Streams(Slots(10, 0, 1))
    task = await running(streams, "a")
    assert len(streams) == 1
    streams.cancel("a", OURS)
    await task
    assert len(streams) == 0
    streams.remove("a")


@pytest.mark.parametrize("client", [OURS, BOSS])
async def test_its_owner_and_an_admin_may_cancel_a_request(client: Client) -> None:
    streams = Streams(Slots(10, 0, 1))
    cancelled, other = await running(streams, "a"), await running(streams, "b")
    streams.cancel("a", client)
    assert await cancelled is Reason.CANCELLED
    assert not other.done() and len(streams) == 1
    streams.drain()
    await other


async def test_a_stranger_is_not_told_that_a_request_exists() -> None:
    streams = Streams(Slots(10, 0, 1))
    task = await running(streams, "a")
    with pytest.raises(NotFound) as exists:
        streams.cancel("a", STRANGER)
    with pytest.raises(NotFound) as unknown:
        streams.cancel("b", STRANGER)
    assert str(exists.value).replace("'a'", "'b'") == str(unknown.value)
    assert exists.value.code == unknown.value.code == "stream_not_found"
    assert not task.done()
    streams.drain()
    await task


async def test_a_long_id_is_not_repeated_whole() -> None:
    with pytest.raises(NotFound) as error:
        Streams(Slots(10, 0, 1)).cancel("x" * 10_000, OURS)
    assert len(error.value.message) < 200


async def test_a_drain_ends_them_all() -> None:
    streams = Streams(Slots(10, 0, 1))
    tasks = [await running(streams, id) for id in "abc"]
    streams.drain()
    assert await asyncio.gather(*tasks) == [Reason.DRAINED] * 3
