"""A request's body, as aiohttp writes it.

Its connection and its call are told right before the first byte. It goes out in pieces, so that a provider who does not
read holds up the writer, and memory holds no second copy.
"""

from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter

from proxy.providers.base import Sending
from proxy.providers.http.connection import Connection

PIECE: Final = 256 * 1024


class Body(aiohttp.Payload):
    """The bytes of one request's body."""

    _autoclose = True

    def __init__(self, data: bytes, sending: Sending) -> None:
        super().__init__(data)
        self._sending = sending
        self._size = len(data)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """See `aiohttp.Payload`."""
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """See `aiohttp.Payload`. Raises `proxy.providers.http.connection.Stale`."""
        if isinstance(writer, StreamWriter) and isinstance(writer.protocol, Connection):
            writer.protocol.begin()
        self._sending.begun = True
        view = memoryview(self._value)
        for start in range(0, len(view), PIECE):
            await writer.write(view[start : start + PIECE])
