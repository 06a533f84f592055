"""One client connection: it reads requests and plays scripts.

It always reads, even while it writes and while the socket is full, so that it notices a client's close at once. A
half-close counts as a close. Answers are sent in the order of the requests. A client that sends too many requests ahead
is cut off.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import cast

from proxy.simulator.calls import Call
from proxy.simulator.http import CONTINUE, BadRequest, Request, RequestReader, head
from proxy.simulator.playback import Playback
from proxy.simulator.script import Script

_MAX_AHEAD = 16
_LINGER_ZERO = struct.pack("ii", 1, 0)

Respond = Callable[["Connection", Request], tuple[Script, Call | None, bytes]]


class Connection(asyncio.Protocol):
    """The server's side of a connection. `respond` returns a request's script, the call's record, and the
    answer's ID.
    """

    def __init__(self, number: int, respond: Respond, lost: Callable[["Connection"], None]) -> None:
        self.number = number
        self._respond = respond
        self._lost = lost
        self._reader = RequestReader()
        self._waiting: deque[Request] = deque()
        self._playing: Playback | None = None
        self._script: Script | None = None
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # Zero: "paused" then means that the socket has not taken all data, which a finished answer needs to know.
        self.transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        try:
            self._waiting += self._reader.feed(data)
        except BadRequest as error:
            self._refuse(error)
            return
        if self._reader.wants_continue and self._playing is None:
            self._reader.wants_continue = False
            self.transport.write(CONTINUE)
        if len(self._waiting) > _MAX_AHEAD:
            self.transport.abort()
            return
        self._advance()

    def eof_received(self) -> None:
        self._client_left()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._client_left()
        self._lost(self)

    def pause_writing(self) -> None:
        if self._playing is not None:
            self._playing.pause()

    def resume_writing(self) -> None:
        if self._playing is not None:
            self._playing.resume()

    def abort(self) -> None:
        """Close at once, whatever is in progress."""
        self._client_left()
        self.transport.abort()

    def _advance(self) -> None:
        if self._playing is not None or self._closing or not self._waiting:
            return
        request = self._waiting.popleft()
        self._script, call, stamp = self._respond(self, request)
        self._closing = not request.keep_alive
        self._playing = Playback(self.transport, self._script, call, stamp, self._over)
        self._playing.run()

    def _over(self) -> None:
        script, self._playing, self._script = self._script, None, None
        assert script is not None
        if script.then == "reset":
            self._reset()
        elif script.then == "close" or self._closing:
            self._closing = True
            self.transport.close()
        else:
            asyncio.get_running_loop().call_soon(self._advance)

    def _client_left(self) -> None:
        if self._playing is not None:
            self._playing.client_left()
            self._playing = None
        self._waiting.clear()

    def _refuse(self, error: BadRequest) -> None:
        """Report the error and close. In the middle of an answer, nothing can be reported."""
        if self._playing is not None:
            self.abort()
            return
        body = error.message.encode()
        headers = {"content-type": "text/plain", "content-length": str(len(body)), "connection": "close"}
        self.transport.write(head(error.status, headers) + body)
        self._closing = True
        self.transport.close()

    def _reset(self) -> None:
        """Close with RST: a socket with a linger time of zero sends one."""
        self._closing = True
        sock = cast(socket.socket, self.transport.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()
