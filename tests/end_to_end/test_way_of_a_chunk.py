"""Chunks pass the modules in the map of `proxy/__init__.py`, through a gateway on real sockets."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

import pytest

import proxy
from proxy.formats.jsontext import dumps
from tests.end_to_end.running import CONFIG, running
from tests.end_to_end.wire import chat, client
from tests.test_layout import modules, within

pytestmark = pytest.mark.anyio

POLICIES = """
default_policies: [redact/all, token_cap/long]
policies:
  redact/all: {{rules: [{{name: pii, entity: pii}}]}}
  token_cap/long: {{max_tokens: 100000}}
"""
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WORDS = ("One ", "two ", "three ", "four ", "five ")


def openai(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def anthropic(text: str) -> bytes:
    return dumps({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})


def gemini(text: str) -> bytes:
    return dumps({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]})


STOP = {"index": 0, "delta": {}, "finish_reason": "stop"}
FORMATS: dict[str, tuple[list[Any], Any, list[bytes]]] = {
    "openai": ([], openai, [dumps({"id": "c", "choices": [STOP]}), b"[DONE]"]),
    "anthropic": (
        [
            {"type": "message_start", "message": {"id": "c", "model": "m", "usage": {"input_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ],
        anthropic,
        [
            dumps({"type": "content_block_stop", "index": 0}),
            dumps({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
            dumps({"type": "message_stop"}),
        ],
    ),
    "gemini": ([], gemini, [dumps({"candidates": [{"finishReason": "STOP", "index": 0}]})]),
}
"""The provider's bytes before the text, for a piece of text, and for the end."""

UNNAMED = (
    "policies.events",
    "policies.redact",
    "policies.token_cap",
    "policies.token_meter",
    "proxy.api.cors",
    "proxy.formats.base",
    "proxy.formats.citations",
    "proxy.formats.fields",
    "proxy.formats.jsontext",
    "proxy.server.lifecycle",
    "proxy.telemetry.instruments",
    "proxy.telemetry.lag",
)
"""Packages and modules that a chunk may pass unnamed: event types, helpers of a decoder, and the policies.
The last three are the process's own clocks, which may run meanwhile."""

MAP = proxy.__doc__ or ""
STEPS = re.findall(r"^\d\. (.*(?:\n   .*)*)", MAP, re.MULTILINE)
CHUNK = slice(2, 5)
"""The steps that tell of the answer's chunks."""


def named(text: str) -> list[str]:
    """The modules and packages that a text of the map names."""
    return [name if within(name, ("policies",)) else f"proxy.{name}" for name in re.findall(r"`([a-z_.]+)`", text)]


def place(module: str, names: Sequence[str]) -> int | None:
    """Return the index of a module, or of its package, among names. None if it is not named."""
    fitting = [(len(name), -at) for at, name in enumerate(names) if within(module, (name,))]
    return -max(fitting)[1] if fitting else None


class Provider:
    """Sends the test's data."""

    def __init__(self) -> None:
        self.writer: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        self.writer.set_result(writer)

    async def say(self, data: bytes) -> None:
        """Send one event."""
        event = b"data: %b\n\n" % data
        (await self.writer).write(b"%x\r\n%b\r\n" % (len(event), event))


@asynccontextmanager
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    said = Provider()
    server = await asyncio.start_server(said.serve, "127.0.0.1", 0)
    async with server:
        yield said, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextmanager
def walk() -> Iterator[list[str]]:
    """Collect our modules in the order in which they are first called."""
    passed: list[str] = []

    def call(frame: FrameType, event: str, argument: Any) -> None:
        name = frame.f_globals.get("__name__", "")
        if event == "call" and name.startswith(("proxy.", "policies.")) and name not in passed:
            passed.append(name)

    sys.setprofile(call)
    try:
        yield passed
    finally:
        sys.setprofile(None)


async def walked(name: str) -> tuple[list[str], list[str], list[str]]:
    """Return the modules passed by the first chunk, by one in the middle, and by the whole request."""
    before, piece, end = FORMATS[name]
    async with provider() as (says, url), running(CONFIG.replace("{url}", url), POLICIES) as run:
        async with client(run.port) as asks:
            with walk() as whole:
                await asks.send(chat(f"{name}-m"))
                await says.writer
                for event in before:
                    await says.say(dumps(event))
            with walk() as first:
                await says.say(piece("Begin "))
                await asks.until(b"Begin ")
            for word in WORDS:
                await says.say(piece(word))
                await asks.until(word.encode())
            with walk() as steady:
                await says.say(piece("Steady "))
                await asks.until(b"Steady ")
            with walk() as last:
                for event in end:
                    await says.say(event)
                (await says.writer).write(b"0\r\n\r\n")
                await asks.until(b"[DONE]")
                await run.recorded()
            (await says.writer).close()
        return first, steady, [*whole, *first, *steady, *last]


def test_the_map_names_what_exists() -> None:
    assert len(STEPS) == 6
    assert not [name for name in named(MAP) if name not in modules()]


async def test_each_step_of_the_map_is_passed() -> None:
    passed = {module for name in FORMATS for module in (await walked(name))[2]}
    for step in STEPS:
        assert not [name for name in named(step) if not any(within(module, (name,)) for module in passed)]


@pytest.mark.parametrize("name", FORMATS)
async def test_a_chunk_passes_nothing_that_the_map_does_not_name(name: str) -> None:
    first, steady, _ = await walked(name)
    assert "proxy.formats.sse" in first and "proxy.formats.sse" not in steady
    assert not [module for module in {*first, *steady} if not within(module, (*UNNAMED, *named(MAP)))]


@pytest.mark.parametrize("name", FORMATS)
async def test_a_chunk_passes_the_modules_in_the_order_of_the_map(name: str) -> None:
    _, steady, _ = await walked(name)
    names = named(" ".join(STEPS[CHUNK]))
    places = [at for module in steady if not within(module, UNNAMED) and (at := place(module, names)) is not None]
    assert places == sorted(places) and len(places) >= 8
