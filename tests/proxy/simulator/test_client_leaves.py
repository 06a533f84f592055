"""The simulator notices a client that leaves, whatever it was doing."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.simulator import Answer, InjectedFault, Simulator

pytestmark = pytest.mark.anyio
Build = Callable[..., Any]
Connect = Callable[[], Awaitable[Any]]
MORE_THAN_SOCKETS_HOLD = 20_000_000

STATES: dict[str, tuple[Answer, bytes | None]] = {
    "before the head": (Answer("text", fault=InjectedFault("stall")), None),
    "before a late head": (Answer("text", head_delay=60), None),
    "after the head": (Answer("text", fault=InjectedFault("stall", after=0)), b"\r\n\r\n"),
    "before the first piece": (Answer("text", first_delay=60), b"assistant"),
    "between pieces": (Answer("text" * 500, pace=0.01), b'"text"'),
    "stalled": (Answer("text" * 2, fault=InjectedFault("stall", after=1)), b'"text"'),
    "in cut frames": (Answer("text" * 500, pace=0.05, cut=1), b'"text"'),
}


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def half_close(writer: asyncio.StreamWriter) -> None:
    writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()


@pytest.mark.parametrize("leave", [close, half_close, reset])
@pytest.mark.parametrize("state", STATES)
async def test_leaving_is_noticed(
    sim: Simulator, connect: Connect, post: Build, state: str, leave: Callable[[asyncio.StreamWriter], None]
) -> None:
    sim.answers["m"], seen = STATES[state]
    wire = await connect()
    wire.writer.write(post("openai").wire)
    call = await sim.next_call()
    if seen:
        await wire.until(seen)
    assert not call.closed_by_client.is_set()
    leave(wire.writer)
    assert await call.left(timeout=2) >= call.started
    assert await call.end() == "client_left"


async def test_leaving_a_whole_request_is_noticed(sim: Simulator, connect: Connect, post: Build) -> None:
    sim.answers["m"] = Answer("text" * 100, pace=1)
    wire = await connect()
    wire.writer.write(post("anthropic", stream=False).wire)
    call = await sim.next_call()
    wire.writer.close()
    await call.left()
    assert call.bytes_sent == 0


@pytest.mark.parametrize("leave", [socket.socket.close, lambda client: client.shutdown(socket.SHUT_WR)])
@pytest.mark.parametrize("pace", [0, 0.0001])
async def test_leaving_is_noticed_when_the_socket_takes_no_more(
    sim: Simulator, post: Build, pace: float, leave: Callable[[socket.socket], None]
) -> None:
    """The client reads nothing, so that every buffer on the way fills up. Then it closes."""
    sim.answers["m"] = Answer("x" * MORE_THAN_SOCKETS_HOLD, chunk=100_000, pace=pace)
    with socket.create_connection((sim.host, sim.port)) as client:
        client.sendall(post("openai").wire)
        call = await sim.next_call(timeout=10)
        await until_still(lambda: call.bytes_sent)
        assert call.outcome is None and call.bytes_sent < MORE_THAN_SOCKETS_HOLD
        leave(client)
        await call.left(timeout=2)


async def test_leaving_with_a_request_sent_ahead_is_noticed(sim: Simulator, connect: Connect, post: Build) -> None:
    sim.answers["m"] = Answer("text", fault=InjectedFault("stall"))
    wire = await connect()
    wire.writer.write(post("openai").wire * 2)
    call = await sim.next_call()
    wire.writer.close()
    await call.left()
    assert len(sim.calls) == 1


async def test_a_client_that_got_all_has_not_left(sim: Simulator, connect: Connect, post: Build) -> None:
    wire = await connect()
    wire.writer.write(post("openai").wire)
    await wire.until(b"\r\n0\r\n\r\n")
    wire.writer.close()
    call = await sim.next_call()
    assert await call.end() == "completed"
    with pytest.raises(TimeoutError):
        await call.left(timeout=0.05)
    assert call.left_at is None


async def test_a_slow_reader_gets_all(sim: Simulator, post: Build) -> None:
    """Back-pressure loses nothing. The writes resume as the client reads."""
    sim.answers["m"] = Answer("x" * MORE_THAN_SOCKETS_HOLD, chunk=100_000)
    reader, writer = await asyncio.open_connection(sim.host, sim.port, limit=2**30)
    writer.write(post("openai").wire)
    call = await sim.next_call(timeout=10)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await until_still(lambda: call.bytes_sent)
    assert call.outcome is None
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        response = await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.close()
    assert response.count(b"x") >= MORE_THAN_SOCKETS_HOLD and await call.end() == "completed"


async def until_still(read: Callable[[], int]) -> None:
    """Wait until the number grows no more."""
    async with asyncio.timeout(10):
        while True:
            before = read()
            await asyncio.sleep(0.1)
            if before == read() > 0:
                return
