"""A provider that says a byte, a piece or a whole response too many, at every moment of an exchange.

It answers each request with the mark that the request holds. What it says too many holds the mark of the request
before: if that mark is in another client's answer, one client was told what is another's.
"""

import asyncio
import contextlib
import json
import random
import re
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.proxy.providers.provider import gemini_chunk, openai_chunk

APIS = ("openai", "anthropic", "gemini")
SHAPES = ("chunked", "sized", "closed")
"""Framings of an answer's body. The last ends with the connection, so nothing can follow it."""

MOMENTS = ("accepted", "half asked", "before the head", "behind the head", "within", "with the end", "ended", "idle")
"""Moments of the unexpected data.

"half asked": a part of the request has arrived, and the rest cannot, because nobody reads it. "idle": its client has
the whole answer, and begins another request before it could see the data.
"""

_EARLY = ("accepted", "half asked")
"""Moments at which a whole answer would be one to a request that the provider does not have."""

_AROUND = ("before the head", "behind the head", "within")
"""Moments at which a request is being answered: whatever is said then is an answer to it, if perhaps a broken one."""

MADE_UP = "mark-0-"
"""The mark of an answer that no client asked for."""

LONG = "." * 2_000_000
"""Content of a request whose provider answers before it has read it: more than the sockets hold."""

_MARK = re.compile(rb"mark-\d+-")


def sse(api: str, text: str) -> list[bytes]:
    """The events of a streamed answer of `text`."""
    if api == "openai":
        return [_event(openai_chunk({"content": text})), _event(openai_chunk({}, "stop")), b"data: [DONE]\n\n"]
    if api == "gemini":
        return [_event(gemini_chunk(text)), _event(gemini_chunk("", finishReason="STOP"))]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "usage": {}}
    block = {"index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"index": 0, "delta": {"type": "text_delta", "text": text}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", **block},
        {"type": "content_block_delta", **delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    return [b"event: %b\n" % event["type"].encode() + _event(event) for event in events]


def whole(api: str, text: str) -> bytes:
    """A whole answer of `text`."""
    if api == "openai":
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return json.dumps({"id": "c-1", "choices": [choice]}).encode()
    if api == "gemini":
        return json.dumps(gemini_chunk(text, finishReason="STOP")).encode()
    blocks = [{"type": "text", "text": text}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    return json.dumps({**message, "content": blocks, "usage": {"input_tokens": 1, "output_tokens": 1}}).encode()


def response(api: str, shape: str, text: str, *, streamed: bool) -> list[bytes]:
    """A response in its parts: the head, what is behind it, the end."""
    kind = b"text/event-stream" if streamed else b"application/json"
    parts = sse(api, text) if streamed else [whole(api, text)]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n" % kind
    if shape == "closed":
        return [head + b"connection: close\r\n\r\n", *parts, b""]
    if shape == "sized":
        return [head + b"content-length: %d\r\n\r\n" % sum(map(len, parts)), *parts, b""]
    return [head + b"transfer-encoding: chunked\r\n\r\n", *(b"%x\r\n%b\r\n" % (len(p), p) for p in parts), b"0\r\n\r\n"]


def _event(value: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(value).encode()


@dataclass
class Plan:
    """The provider's actions in one run: how it answers, when it sends too much, and what (part of a whole response
    with a mark).
    """

    api: str
    shape: str
    streamed: bool
    moment: str
    stray: Callable[[bytes], bytes]
    stray_streamed: bool
    together: bool
    name: str

    @property
    def damages(self) -> bool:
        """True if the extra data may cost a client its answer."""
        return self.moment in (*_EARLY, *_AROUND) or self.shape == "closed"

    @property
    def hangs(self) -> bool:
        """True if an answer may be endless."""
        return self.moment in _AROUND

    @classmethod
    def of(cls, dice: random.Random) -> "Plan":
        """A plan by chance."""
        name, stray = dice.choice(list(STRAYS.items()))
        return cls(
            api=dice.choice(APIS),
            shape=dice.choice(SHAPES[:2] * 4 + SHAPES[2:]),
            streamed=dice.random() < 0.6,
            moment=dice.choice(MOMENTS),
            stray=stray,
            stray_streamed=dice.random() < 0.5,
            together=dice.random() < 0.5,
            name=name,
        )


STRAYS: dict[str, Callable[[bytes], bytes]] = {
    "a letter": lambda whole: b"H",
    "a digit": lambda whole: b"0",
    "a line end": lambda whole: b"\r\n",
    "half a line end": lambda whole: b"\r",
    "a line feed": lambda whole: b"\n",
    "half of a response": lambda whole: whole[: len(whole) // 2],
    "all but the last byte": lambda whole: whole[:-1],
    "a head": lambda whole: whole[: whole.index(b"\r\n\r\n") + 4],
    "half of a head": lambda whole: whole[: whole.index(b"\r\n\r\n") - 9],
    "a body": lambda whole: whole[whole.index(b"\r\n\r\n") + 4 :],
    "a response": lambda whole: whole,
    "two responses": lambda whole: whole + whole,
    "the end of a chunked body": lambda whole: b"0\r\n\r\n",
    "a chunk": lambda whole: b"5\r\nhello\r\n",
    "a late 408": lambda whole: b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    "an interim response": lambda whole: b"HTTP/1.1 100 Continue\r\n\r\n",
    "hints and a response": lambda whole: b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + whole,
    "another protocol": lambda whole: b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "an old response": lambda whole: whole.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
}


@dataclass
class Hostile:
    """It serves. `said` is not set while it is still to say something on a connection that is idle."""

    plan: Plan
    url: str = ""
    connections: int = 0
    said: asyncio.Event = field(default_factory=asyncio.Event)
    _due: int = 0
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        before = MADE_UP.encode()
        if self.plan.moment == "accepted":
            _write(writer, self._stray(before))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while (mark := await self._asked(reader, writer, before)) and await self._answer(writer, mark):
                before = mark
        writer.close()
        self._tasks.discard(task)

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, before: bytes) -> bytes:
        """The mark of the next request."""
        head = await reader.readuntil(b"\r\n\r\n")
        if self.plan.moment == "half asked":
            _write(writer, self._stray(before))
            await asyncio.sleep(0.002)
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1]) if length else 0)
        found = _MARK.search(body)
        return found[0] if found else b""

    async def _answer(self, writer: asyncio.StreamWriter, mark: bytes) -> bool:
        """True if the connection goes on."""
        plan = self.plan
        head, *parts, end = response(plan.api, plan.shape, mark.decode(), streamed=plan.streamed)
        stray = self._stray(mark)
        pieces = [head, *parts, end]
        at = {"before the head": 0, "behind the head": 1, "within": 2, "with the end": len(pieces)}.get(plan.moment)
        if at is not None:
            pieces.insert(at, stray)
        if plan.together:
            pieces = [b"".join(pieces)]
        for piece in pieces:
            _write(writer, piece)
            await asyncio.sleep(0)
        if plan.moment == "ended":
            _write(writer, stray)
        if plan.moment == "idle":
            self._due += 1
            self.said.clear()
            asyncio.get_running_loop().call_later(0.002, self._say, writer, stray)
        return plan.shape != "closed"

    def _say(self, writer: asyncio.StreamWriter, stray: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            _write(writer, stray)
        self._due -= 1
        if not self._due:
            self.said.set()

    def _stray(self, mark: bytes) -> bytes:
        plan = self.plan
        parts = response(plan.api, "sized", mark.decode(), streamed=plan.stray_streamed)
        return plan.stray(b"".join(parts))


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if writer.is_closing():
        raise ConnectionError
    writer.write(data)


@contextlib.asynccontextmanager
async def hostile(plan: Plan) -> AsyncIterator[Hostile]:
    """It, on a port of its own."""
    serving = Hostile(plan)
    sock = socket.socket()
    if plan.moment == "half asked":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind(("127.0.0.1", 0))
    listener = await asyncio.start_server(serving.serve, sock=sock)
    serving.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    try:
        yield serving
    finally:
        listener.close()
        for task in list(serving._tasks):
            task.cancel()
        await asyncio.gather(*serving._tasks, return_exceptions=True)
