"""A provider on a loopback socket that answers as it is told and notices when its client leaves."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Provider:
    """`events` go out as soon as a request is in, then comes `then`; a drop waits for `go`. `status` other than 200
    sends `body` alone.

    `heads` and `bodies` are what came over `connections`. `left` is set, and `left_at` told, when the client closes the
    connection of an answer that has not ended.
    """

    events: Sequence[Any] = ()
    then: Literal["end", "hang", "drop"] = "end"
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    heads: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    left_at: float = 0.0
    connections: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int((re.search(r"content-length: *(\d+)", head, re.I) or ["", "0"])[1])
                self.heads.append(head)
                self.bodies.append(json.loads(await reader.readexactly(length)))
                self.asked.set()
                if not await self._answer(reader, writer):
                    break
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """True if the connection goes on."""
        if self.silent:
            return await self._wait_for_leaving(reader)
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        if self.status != 200 or self.body is not None:
            raw = json.dumps(self.body).encode()
            start = f"HTTP/1.1 {self.status} X\r\ncontent-type: application/json\r\n{more}"
            writer.write(f"{start}content-length: {len(raw)}\r\n\r\n".encode() + raw)
            await writer.drain()
            return True
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{more}".encode())
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        for event in self.events:
            data = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
            raw = f"{data}data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
            writer.write(b"%x\r\n%b\r\n" % (len(raw), raw))
            await writer.drain()
        if self.then == "hang":
            return await self._wait_for_leaving(reader)
        if self.then == "drop":
            await self.go.wait()
        if self.then == "end":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return self.then == "end"

    async def _wait_for_leaving(self, reader: asyncio.StreamReader) -> bool:
        with contextlib.suppress(ConnectionError):
            await reader.read(1)
        self.left_at = time.perf_counter()
        self.left.set()
        return False


@contextlib.asynccontextmanager
async def running(provider: Provider) -> AsyncIterator[Provider]:
    """`provider` on a port of its own; its `url` is set."""
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()


def openai_chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """A chunk in OpenAI's format."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


OPENAI: list[Any] = [
    openai_chunk({"role": "assistant", "content": "Hel"}),
    openai_chunk({"content": "lo"}),
    openai_chunk({}, "stop"),
    {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    },
    "[DONE]",
]
_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "m",
    "stop_reason": None,
}
ANTHROPIC: list[Any] = [
    {"type": "message_start", "message": {**_MESSAGE, "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


def gemini_chunk(text: str, **more: Any) -> dict[str, Any]:
    """A chunk in Gemini's format."""
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r-1"}


GEMINI: list[Any] = [gemini_chunk("Hel"), gemini_chunk("lo", finishReason="STOP")]
ANSWERS: dict[str, list[Any]] = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}
BASES = {"openai": "/v1", "anthropic": "", "gemini": ""}
