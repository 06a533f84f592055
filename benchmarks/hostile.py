"""A hostile provider in OpenAI's format, with everything that could block, fill or confuse a gateway.

The model's name chooses the attack. Only `plain` is also used by ordinary clients. Its answers are right, but sometimes
it sends bytes on a connection that belong to no request. The next client must not receive them.
"""

import asyncio
import json
import random
import re
import select
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_PLAIN_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
_DONE: Final = b"data: [DONE]\n\n"
POISON: Final = "poisoned-by-another"
MAX_SECONDS: Final = 20.0
"""Maximum seconds of an endless mode."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: its parsed body, its connection, and the words of an answer to it."""

    body: Any
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    words: str
    random: random.Random

    async def write(self, data: bytes) -> None:
        """Send bytes as they are. Raises `OSError` if the gateway has left."""
        if self.writer.transport.is_closing():  # uvloop would raise an error that is not an `OSError`
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    def idle(self) -> bool:
        """Return true if no further request has arrived.

        A late answer could otherwise pass for an answer to that request.
        """
        socket = self.writer.get_extra_info("socket")
        if socket is None or socket.fileno() < 0:  # the gateway has closed it
            return False
        return not self.reader._buffer and not select.select([socket], [], [], 0)[0]  # type: ignore[attr-defined]


Mode = Callable[[Asked], Awaitable[None]]


class Hostile:
    """A running provider. `said` makes the answer to a prompt."""

    def __init__(self, said: Callable[[str], str], seed: int) -> None:
        self.url = ""
        self._said = said
        self._random = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Close all connections."""
        for writer in list(self._open):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._open.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = _LENGTH.search(head)
                body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
                asked = Asked(body, reader, writer, self._said(_prompt(body)), self._random)
                async with asyncio.timeout(MAX_SECONDS):
                    await MODES.get(str(body["model"]), _plain)(asked)
                if body["model"] != "plain":
                    break
        self._open.discard(writer)
        writer.close()


@asynccontextmanager
async def hostile(said: Callable[[str], str], seed: int) -> AsyncIterator[Hostile]:
    """Serve on a free port until the block ends."""
    provider = Hostile(said, seed)
    _compressed()  # takes seconds
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield provider
        provider.cut()


def _prompt(body: Any) -> str:
    content = body["messages"][-1].get("content")
    return content if isinstance(content, str) else ""


def _event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def _finish() -> bytes:
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _response(words: str) -> bytes:
    return _HEAD + _chunk(_event(words)) + _chunk(_finish() + _DONE) + b"0\r\n\r\n"


# ---- modes
async def _plain(asked: Asked) -> None:
    """Send a right answer. One in three has foreign bytes after it."""
    poison = _response(f"{POISON} {POISON}")
    await asked.write(_HEAD)
    for word in re.findall(r"\S+\s*", asked.words):
        await asked.write(_chunk(_event(word)))
        if asked.random.random() < 0.1:
            await asyncio.sleep(0.01)
    match asked.random.choice(("well", "well", "well", "well", "well", "well", "at once", "late", "behind done")):
        case "well":
            await asked.write(_chunk(_finish() + _DONE) + b"0\r\n\r\n")
        case "at once":
            await asked.write(_chunk(_finish() + _DONE) + b"0\r\n\r\n" + poison)
        case "late":
            await asked.write(_chunk(_finish() + _DONE) + b"0\r\n\r\n")
            await asyncio.sleep(asked.random.uniform(0, 0.05))
            if asked.idle():
                late = (poison, b"HTTP/1.1 408 Timeout\r\ncontent-length: 0\r\n\r\n", b"x")
                await asked.write(asked.random.choice(late))
        case _:
            await asked.write(_chunk(_finish() + _DONE + _event(POISON)) + b"0\r\n\r\n")


async def _interim(asked: Asked) -> None:
    while True:
        await asked.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)


@cache
def _compressed() -> bytes:
    """Compress a gigabyte into a megabyte."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(_event("x" * 10**6)) for _ in range(1000)]) + packer.flush()


async def _bomb(asked: Asked) -> None:
    await asked.write(_PLAIN_HEAD + b"content-encoding: gzip\r\n\r\n" + _compressed())


async def _comments(asked: Asked) -> None:
    await asked.write(_HEAD)
    while True:
        await asked.write(_chunk(b": nothing\n\n" * 1000))


async def _hollow(asked: Asked) -> None:
    await asked.write(_HEAD)
    while True:
        await asked.write(_chunk(_event("") * 200))


async def _endless(asked: Asked) -> None:
    await asked.write(_HEAD)
    while True:
        await asked.write(_chunk(_event("word " * 200) * 20))


async def _one_event(asked: Asked) -> None:
    await asked.write(_PLAIN_HEAD + b"\r\ndata: ")
    while True:
        await asked.write(b"x" * 2**16)


async def _long_error(asked: Asked) -> None:
    await asked.write(b"HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\n\r\n")
    await asked.write(b'{"error": {"message": "')
    while True:
        await asked.write(b"x" * 2**16)


async def _headers(asked: Asked) -> None:
    await asked.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await asked.write(b"".join(b"x-%d: %b\r\n" % (number, b"y" * 100) for number in range(1000)))


async def _redirect(asked: Asked) -> None:
    await asked.write(b"HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:9/v1\r\ncontent-length: 0\r\n\r\n")


async def _bytewise(asked: Asked) -> None:
    for byte in _response("hello " * 50):
        await asked.write(bytes([byte]))
        await asyncio.sleep(0.0005)


async def _garbage(asked: Asked) -> None:
    await asked.write(asked.random.randbytes(100_000))


async def _deep(asked: Asked) -> None:
    deep = b"[" * 200_000
    await asked.write(_HEAD + _chunk(b"data: " + deep + b"\n\n") + _chunk(b'data: {"choices": ' + deep + b"\n\n"))


async def _calls(asked: Asked) -> None:
    await asked.write(_HEAD)
    for index in range(20_000):
        call = {"index": index, "id": f"{index}", "type": "function", "function": {"name": "f", "arguments": "{"}}
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
        await asked.write(_chunk(b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()))


async def _silent(asked: Asked) -> None:
    await asyncio.sleep(MAX_SECONDS)


MODES: Final[dict[str, Mode]] = {
    "interim": _interim,
    "bomb": _bomb,
    "comments": _comments,
    "hollow": _hollow,
    "endless": _endless,
    "one-event": _one_event,
    "long-error": _long_error,
    "headers": _headers,
    "redirect": _redirect,
    "bytewise": _bytewise,
    "garbage": _garbage,
    "deep": _deep,
    "calls": _calls,
    "silent": _silent,
}
