"""The cancel matrix: the states of a request when its client leaves, and the ways to leave.

`scripts/bench cancel` measures what tests/end_to_end/test_cancel_matrix.py asserts.
"""

import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from proxy.server import Protocol
from proxy.simulator import Answer, Call
from tests.end_to_end.running import CONFIG, Running
from tests.end_to_end.wire import Client, chat, until

PROVIDERS = ("openai", "anthropic", "gemini", "litellm")
"""Prefixes of model names: three native streams, and OpenAI's format through LiteLLM."""

MATRIX_CONFIG = CONFIG + '  "litellm-*": {{target: "openai/*", engine: litellm}}\n'

SMALL = 4096
"""Bytes of a receive buffer that fills at once."""

FLOOD = Answer("x" * 24_000_000, chunk=100_000)
"""More than all buffers on the way hold."""


def shrink_send_buffers(run: Running) -> None:
    """Limit the gateway's buffers to clients from now on, so that a write blocks soon."""
    for listener in run.server.servers[0].sockets:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)


Reach: TypeAlias = Callable[[Running, Client, str], Awaitable[Call]]
"""Brings a request of (gateway, client, provider) to its state. Returns the provider's side of it."""


def connections(run: Running) -> list[Protocol]:
    """The gateway's connections to clients."""
    return [one for one in run.server.server_state.connections if isinstance(one, Protocol)]


async def before_the_head(run: Running, client: Client, provider: str) -> Call:
    await client.send(chat(f"{provider}-sim-chat.head-60000"))
    return await run.sim.next_call()


async def before_the_first_token(run: Running, client: Client, provider: str) -> Call:
    await client.send(chat(f"{provider}-sim-chat.first-60000"))
    call = await run.sim.next_call()
    await until(lambda: call.bytes_sent)
    return call


async def in_mid_stream(run: Running, client: Client, provider: str) -> Call:
    await client.send(chat(f"{provider}-sim-chat.pace-10"))
    await client.until(b'"content":"')
    return await run.sim.next_call()


async def while_the_provider_is_silent(run: Running, client: Client, provider: str) -> Call:
    await client.send(chat(f"{provider}-sim-chat.after-3-stall"))
    await client.until(b'"content":"')
    return await run.sim.next_call()


async def whole_before_the_first_token(run: Running, client: Client, provider: str) -> Call:
    await client.send(chat(f"{provider}-sim-chat.first-60000", stream=False))
    call = await run.sim.next_call()
    await until(lambda: call.bytes_sent)
    return call


async def whole_in_mid_answer(run: Running, client: Client, provider: str) -> Call:
    await client.send(chat(f"{provider}-sim-chat.pace-10", stream=False))
    call = await run.sim.next_call()
    await until(lambda: call.chunks_sent >= 2)
    return call


async def in_a_blocked_write(run: Running, client: Client, provider: str) -> Call:
    run.sim.answers["flood"] = FLOOD
    await client.send(chat(f"{provider}-flood"))
    call = await run.sim.next_call()
    await until(lambda: any(one.flow.write_paused for one in connections(run)))
    return call


async def after_a_pipelined_request(run: Running, client: Client, provider: str) -> Call:
    await client.send(chat(f"{provider}-sim-chat.pace-10") * 2)
    await client.until(b'"content":"')
    return await run.sim.next_call()


STATES: dict[str, Reach] = {
    "before the response's head": before_the_head,
    "before the first token": before_the_first_token,
    "in mid-stream": in_mid_stream,
    "while the provider is silent": while_the_provider_is_silent,
    "whole request, before the first token": whole_before_the_first_token,
    "whole request, in mid-answer": whole_in_mid_answer,
    "in a blocked write": in_a_blocked_write,
    "after a pipelined request": after_a_pipelined_request,
}

WAYS: dict[str, Callable[[Client], None]] = {
    "close": Client.close,
    "half-close": Client.half_close,
    "reset": Client.reset,
}
