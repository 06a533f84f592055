"""A connection's transport without a connection, and bytes in pieces for it."""

import asyncio
import itertools
import socket
from collections.abc import Sequence
from typing import Any


class Wire(asyncio.Transport):
    """A transport without a socket, unless it is given one.

    `unsent` is the size of its write buffer. `tls` means that it uses TLS.
    """

    def __init__(self, sock: socket.socket | None = None, *, tls: bool = False) -> None:
        super().__init__()
        self.about = {"socket": sock, "ssl_object": object() if tls else None}
        self.paused = False
        self.closed = False
        self.unsent = 0

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.about.get(name) or default


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """`data` in pieces, cut at these places."""
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:end] for start, end in itertools.pairwise(places)]
