"""A hand-written provider, for answers that the simulator does not give.

It sends given bytes, or the result of a function of the request's body.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from proxy.formats.jsontext import dumps, loads

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Provider:
    """A running provider. `url` has no path. `bodies` are the requests so far."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)


def json_answer(value: Any, status: int = 200) -> bytes:
    """A response with a JSON body."""
    body = dumps(value)
    head = f"HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def stream_answer(chunks: Sequence[Any], *, end: bytes = b"data: [DONE]\n\n") -> bytes:
    """Make a response of server-sent events, with OpenAI's `[DONE]` unless another `end` is given."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return head + b"".join(b"data: %b\n\n" % dumps(chunk) for chunk in chunks) + end


@asynccontextmanager
async def provider(response: bytes | Callable[[Any], bytes]) -> AsyncIterator[Provider]:
    """Serve `response`, or its result for the request's JSON, on a free port until the block ends.

    Each connection gets it once.
    """
    serving = Provider()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        serving.bodies.append(await reader.readexactly(int(length[1]) if length else 0))
        writer.write(response if isinstance(response, bytes) else response(loads(serving.bodies[-1])))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield serving
