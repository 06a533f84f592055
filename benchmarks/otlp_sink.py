"""A live OTLP receiver that accepts everything and keeps nothing, so that exports cost their full price but storage
nothing.

Run it as `python -m benchmarks.otlp_sink PORT`. It speaks OTLP over HTTP. The response is the empty message, which
means success.
"""

import asyncio
import sys
from typing import cast

import uvloop

from proxy.simulator.http import RequestReader, head

_OK = head(200, {"content-type": "application/x-protobuf", "content-length": "0"})


class Sink(asyncio.Protocol):
    """A connection of an exporter."""

    def __init__(self) -> None:
        self._reader = RequestReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for _ in self._reader.feed(data):
            self._transport.write(_OK)


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
