"""Clients that vanish without a FIN, a RST or an answer. The kernel finds them, as configured."""

import ctypes
import socket
import struct
import sys
from collections.abc import AsyncIterator

import pytest

from proxy.server import Limits
from tests.end_to_end.leaving import connections
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import Client, chat, client, until

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")]

SO_ATTACH_FILTER = 26
RETURN_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)
"""The packet filter `return 0`: no byte of any packet passes."""


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG, limits=Limits(write=1)) as run:
        yield run


def vanish(one: Client) -> None:
    """Cut the client off: nothing reaches it from now on, and it sends nothing."""
    program = ctypes.create_string_buffer(RETURN_NOTHING)
    filter = struct.pack("HL", 1, ctypes.addressof(program))
    one._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter)


@pytest.mark.parametrize(("model", "silent"), [("sim-long.pace-50", False), ("sim-chat.after-1-stall", True)])
async def test_a_client_that_vanishes_stops_the_provider(run: Running, model: str, silent: bool) -> None:
    """The streams trickle, which would take hours to fill the buffers, or are silent."""
    async with client(run.port) as lost:
        await lost.send(chat(f"openai-{model}"))
        await lost.until(b'"content":"')
        call = await run.sim.next_call()
        vanish(lost)
        await call.left(timeout=15)
        assert (await run.recorded()).outcome == "client_cancelled"
        await until(lambda: not run.server.server_state.connections)


async def test_a_client_that_is_there_is_not_taken_for_lost(run: Running) -> None:
    """It answers the probes, though it has nothing to say."""
    async with client(run.port) as waiting:
        await waiting.send(chat("openai-sim-chat.first-3000"))
        assert (await waiting.response(seconds=10)).events[-1] == "[DONE]"


@pytest.mark.parametrize(("write", "idle", "between"), [(30, 30, 10), (1, 1, 1), (0.2, 1, 1)])
async def test_the_limit_of_a_write_is_that_of_the_kernel(write: float, idle: int, between: int) -> None:
    async with running(CONFIG, f"timeouts: {{{{write: {write}}}}}") as run, client(run.port):
        await until(lambda: connections(run))
        sock = connections(run)[0].transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        options = ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        found = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
        assert found == [write * 2000, idle, between, 3]
