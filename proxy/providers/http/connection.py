"""aiohttp's connection to a provider, with our own reading of what comes on it.

Rule: a response belongs to the request that was sent on it, and a connection is used again only when its response was
over to the byte. aiohttp connects, pools and writes, and its parser reads heads; which bytes are a head, whose
response they are, and where its body ends is decided here. What comes when no response is due closes the connection at
once.

Theory. Bytes that nobody asked for (a second response, a late 408) lie in the socket until the event loop gets to
them; without a look at the socket the next request would take them for its answer. So it is looked at when the pool
hands the connection out, and again right before the request is written. Bytes that were under way then are known, on
Linux, by the request's own: they come before the provider's machine has acknowledged all of it. What a provider sends
later than that, it has sent to this request.

Speed: nearly every read is one whole chunk of a chunked body. While somebody listens, it goes to them within the event
loop's callback, without a buffer, a future or a task that wakes. Without that a chunk is 70 to 110 % more work.
"""

import asyncio
import contextlib
import enum
import fcntl
import select
import sys
import termios
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

from proxy.providers.http.body import Body, Listener, Turn
from proxy.providers.http.framing import Chunked, Framing, Malformed, Sized, UntilClosed
from proxy.providers.http.inflate import Inflate

MAX_HEADS: Final = 64 * 1024
"""Bytes of a response's head, with those of the interim responses before it."""

MAX_INTERIM: Final = 16
"""Interim responses (1xx) before a response."""

_SHORT_DIGITS: Final = 3
"""Of the size of a chunk that goes the short way: what is made of it is made in one turn of the event loop."""

_HEX: Final = b"0123456789abcdefABCDEF"
_WITHOUT_BODY: Final = frozenset({204, 205, 304})


class Refused(aiohttp.ClientError):
    """What came is not a response that this gateway takes. Its text says what the provider does."""


class Stale(aiohttp.ClientConnectionError):
    """The connection turned out to be of no use before anything of the request was written."""


class _Stage(enum.Enum):
    IDLE = enum.auto()
    """No response is due: the connection is new, or its last response was over."""
    TAKEN = enum.auto()
    """It has a request, of which nothing was written."""
    WRITING = enum.auto()
    ASKED = enum.auto()
    """The request was written; a head is due."""
    ANSWERED = enum.auto()
    """The head was there; the body is to end."""


class Connection(ResponseHandler):
    """One connection. `body` is that of the response at hand, once its head was there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        super().__init__(loop)
        self._turn = turn
        self.short: Listener | None = None
        self.body: Body | None = None
        self._stage = _Stage.IDLE
        self._reusable = True
        self._requests = 0
        self._heads = bytearray()
        self._searched = 0
        self._read = 0
        self._interim = 0

    # ---- the request
    def set_response_params(self, **params: Any) -> None:
        """A request has this connection. (A proxy's CONNECT was already written.)"""
        super().set_response_params(**params)
        self._requests += 1
        self._searched = self._read = self._interim = 0
        if self._stage is _Stage.IDLE:
            self._stage = _Stage.TAKEN
            self._reusable = True

    def begin(self) -> None:
        """The request is written now. Raises `Stale`."""
        if self._stage is not _Stage.TAKEN or not super().is_connected() or self._has_news():
            self._drop(Stale())
            raise Stale
        self._stage = _Stage.WRITING

    def start_timeout(self) -> None:
        """aiohttp tells that the request was written."""
        if self._stage is not _Stage.ANSWERED:
            self._stage = _Stage.ASKED
        super().start_timeout()

    # ---- what comes
    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        short = self.short
        if short is not None:
            line = data.find(b"\r\n", 0, _SHORT_DIGITS + 2)
            if _size(data[:line]) == len(data) - line - 4 > 0 and data.endswith(b"\r\n"):
                short(data[line + 2 : -2])
                return
        if self.body is not None and self._stage is _Stage.ANSWERED:
            self.body.feed(data)
        elif self._stage in (_Stage.WRITING, _Stage.ASKED):
            self._heads += data
            self._read_heads()
        else:
            self._drop(Stale())

    def connection_lost(self, error: BaseException | None) -> None:
        """See `asyncio.Protocol`."""
        if self._stage is _Stage.TAKEN:
            self.set_exception(Stale())
        super().connection_lost(error)
        if self.body is not None:
            self.body.cut(clean=error is None)

    # ---- the pool
    @property
    def should_close(self) -> bool:
        """Whether it is not to be used again."""
        return not self._reusable or self._stage is not _Stage.IDLE or self._exception is not None

    def is_connected(self) -> bool:
        """Whether it can be used. The pool asks before it hands it out."""
        return super().is_connected() and not (self._stage is _Stage.IDLE and self._requests and _readable(self))

    def close(self) -> None:
        """Close it; at once if a response is due, which its provider should know without a farewell."""
        if self.transport is not None and self._stage is not _Stage.IDLE:
            self.transport.abort()
        super().close()

    # ---- the flow of a body; aiohttp's own buffer for it stays empty
    def hold(self) -> None:
        """See `Flow.hold`."""
        if self.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.transport.pause_reading()

    def go_on(self) -> None:
        """See `Flow.go_on`."""
        if self.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.transport.resume_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Nothing was paused."""

    def ended(self, *, clean: bool) -> None:
        """See `Flow.ended`."""
        self._stage = _Stage.IDLE
        if not clean or not self._reusable:
            self._reusable = False
            if self.transport is not None:
                self.transport.abort()

    def set_exception(self, error: BaseException, *cause: BaseException) -> None:
        """A failure for who waits for a head. The first one counts: those behind it are its consequences."""
        if self._exception is None:
            super().set_exception(error, *cause)

    # ---- heads
    def _read_heads(self) -> None:
        try:
            body = None
            while body is None:
                head = self._next_head()
                if head is None:
                    return
                body = self._take_head(head)
        except Malformed as wrong:
            self._drop(Refused(str(wrong)))
            return
        rest = bytes(self._heads)
        self._heads.clear()
        if rest and body.over:
            self.ended(clean=False)
        elif rest:
            body.feed(rest)

    def _next_head(self) -> bytes | None:
        heads = self._heads
        end = heads.find(b"\r\n\r\n", self._searched) + 4
        self._searched = max(len(heads) - 3, 0) if end < 4 else 0
        if self._read + (end if end >= 4 else len(heads)) > MAX_HEADS:
            raise Malformed("sent a head that is too large")
        if end < 4:
            return None
        head = bytes(heads[:end])
        del heads[:end]
        self._read += end
        if not head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r"):
            raise Malformed("sent a head with a broken line")
        return head

    def _take_head(self, head: bytes) -> Body | None:
        """The response's body; None if it is an interim one, behind which another comes."""
        assert self._parser is not None
        try:
            messages, upgraded, rest = self._parser.feed_data(head)
        except Exception:
            raise Malformed("sent a head that is not HTTP's") from None
        if len(messages) != 1 or rest:
            raise Malformed("sent a head that is not HTTP's")
        message, payload = messages[0]
        if upgraded or message.code == 101:
            raise Malformed("changes to another protocol, although it was not asked to")
        if message.code < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise Malformed("sent interim responses without end")
            return None
        early = self._stage is _Stage.WRITING or _unsent(self)
        if early and message.code < 300:
            raise Malformed("answered before it had the whole request")
        framing, inflate = _framing(message)
        self._reusable = not (early or message.should_close or message.version < aiohttp.HttpVersion11)
        self._stage = _Stage.ANSWERED
        self.body = body = Body(framing, inflate, self, self._turn)
        self.feed_data((message, payload), 0)
        return body

    def _drop(self, error: Exception) -> None:
        """Of no use any more; `error` is for the request that has it, if one does."""
        self._reusable = False
        self._heads.clear()
        if self._stage is not _Stage.IDLE:
            self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()

    def _has_news(self) -> bool:
        """Whether something waits in the socket. Over TLS that may be no more than a new connection's tickets."""
        tls = self.transport is not None and self.transport.get_extra_info("ssl_object") is not None
        return _readable(self) and not (tls and self._requests == 1)


def _framing(message: RawResponseMessage) -> tuple[Framing, Inflate | None]:
    """Where the body behind this head ends, and how it is compressed."""
    headers = message.headers
    codings, lengths = headers.getall("transfer-encoding", []), headers.getall("content-length", [])
    if message.code in _WITHOUT_BODY:
        return Sized(0), None
    if codings and (lengths or [coding.strip().lower() for coding in codings] != ["chunked"]):
        raise Malformed("sent a body whose end cannot be told for sure")
    if len(lengths) > 1 or any(not (length.isascii() and length.isdigit() and len(length) < 19) for length in lengths):
        raise Malformed("sent a body whose length cannot be told for sure")
    compressed = [coding.strip() for coding in headers.getall("content-encoding", []) if coding.lower() != "identity"]
    inflate = Inflate(",".join(compressed)) if compressed else None
    if codings:
        return Chunked(), inflate
    return (Sized(int(lengths[0])) if lengths else UntilClosed()), inflate


def _readable(connection: Connection) -> bool:
    """Whether the socket has something to read, be it the end."""
    transport = connection.transport
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _unsent(connection: Connection) -> bool:
    """Whether some of the request is still on this machine, or was not yet received by the provider's: what came from
    there until now was sent before it could know the request."""
    transport = connection.transport
    if transport is None:
        return False
    if transport.get_write_buffer_size():
        return True
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0 or sys.platform != "linux":
        return False
    try:
        return any(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return False


def _size(line: bytes) -> int:
    """A chunk's size; -1 if the line is none. (`int` alone would take signs, blanks, `0x` and `_`.)"""
    return -1 if not line or line.strip(_HEX) else int(line, 16)
