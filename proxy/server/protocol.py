"""One connection from a client, on top of uvicorn's protocol."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from proxy.access.connections import Connections
from proxy.errors import GatewayError, InvalidRequest
from proxy.formats.jsontext import dumps
from proxy.formats.openai_chat.envelope import envelope, error_headers
from proxy.server.framing import Framing
from proxy.server.head import MAX_HEADERS, origin_form
from proxy.server.limits import BODY_RATE, Limits
from proxy.server.sockets import enable_dead_peer_detection, unacknowledged
from proxy.server.unchunked import unchunked
from proxy.streaming.response import CONNECTION


class Protocol(HttpToolsProtocol):
    """One connection.

    A request that arrives before the previous one was answered (pipelining) is dropped. The connection then closes
    after the answer, as HTTP allows, and the client sends the request again. A half-closed connection counts as a
    client that left.

    A response may end the connection before the request has arrived completely. Then only our side is closed, and the
    rest of the request is discarded for a while. A full close would reset the connection, and a client that is still
    sending would lose the response.
    """

    PARTING = 1.0
    """Seconds for a client to read a rejection that was sent because no connection was free."""

    def __init__(self, *, limits: Limits, connections: Connections, **uvicorn_arguments: Any) -> None:
        super().__init__(**uvicorn_arguments)
        self._limits = limits
        self._others = connections
        self._part: Literal["none", "head", "body"] = "none"
        """The part of a request that is being received."""
        self._head_bytes = 0
        self._head_lines = 0
        self._framing = Framing()
        self._fault: InvalidRequest | None = None
        """The error in the request, if the parser does not report it."""
        self._body_until = 0.0
        self._discarding_input = False
        """True if incoming data is discarded, because the connection ends after the current response."""
        self._deadline: asyncio.TimerHandle | None = None
        self._left = 0

    # ---- calls from the transport
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        enable_dead_peer_detection(transport.get_extra_info("socket"), self._limits.write)
        if self._others.opened(self):
            self._expect(self._limits.head, self._slow)
        else:
            message = "The gateway has reached its limit of connections: try again shortly."
            self._refuse(GatewayError(message, status=503, code="overloaded", retry_after=1))
            self._expect(self.PARTING, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._discarding_input:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(self._unreadable())
            return
        if self._discarding_input:
            return
        self._framing.received(len(data))
        if self._framing.barren > self._limits.head_bytes or self._framing.too_much:
            self._refuse(self._oversized())
        elif self._busy() and self.cycle.more_body:
            self._expect_body()
        elif (
            self._deadline is None and not self._busy()
        ):  # neither a request nor idle: the rest of a body, or empty lines
            self._expect(self._limits.head, self._slow)

    def eof_received(self) -> None:
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.gone(self)
        self._expect_nothing()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # let the connection be freed: no timer, no reference cycle
        if self.scope is not None:
            self.scope["extensions"] = {}
        if self.cycle is not None:
            self.cycle.transport = self.transport

    # ---- calls from the parser
    def on_message_begin(self) -> None:
        if self._discarding_input:
            return
        if self._busy():
            self._discarding_input = True
            self.cycle.keep_alive = False
            return
        super().on_message_begin()
        self._part, self._head_lines = "head", 0
        self._framing.turn()
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]
        self._expect(self._limits.head, self._slow)

    def on_url(self, url: bytes) -> None:
        if not self._discarding_input:
            self._count_head(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._discarding_input:
            return
        self._head_lines += 1
        if self._head_lines > MAX_HEADERS:
            raise self._wrong(self._oversized())
        if self._part == "head":  # drop a trailer: it could pass for a header, such as one with a key
            self._count_head(len(name) + len(value))
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._discarding_input:
            return
        version = self.parser.get_http_version()
        try:
            self.url = origin_form(self.parser.get_method(), version, self.url, self.headers)
        except InvalidRequest as fault:
            raise self._wrong(fault) from None
        if version == "1.0":
            self.expect_100_continue = False
        self._part, self._head_bytes = "body", 0
        self._framing.turn()
        self._expect_nothing()
        self._body_until = self.loop.time() + self._limits.body
        self._others.receives(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._framing.body(len(body))
        if not self._discarding_input:
            self._body_until += len(body) / BODY_RATE
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._discarding_input and not (self.parser.should_upgrade() and self._declared()):
            self._part = "none"
            self._framing.turn()
            self._expect_nothing()
            self._others.works(self)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._others.waits(self)
        if not self._discarding_input:
            self._await_reader()

    def _wrong(self, fault: InvalidRequest) -> httptools.HttpParserError:
        """Return the exception that stops the parser when one of its callbacks raises it."""
        self._fault = fault
        return httptools.HttpParserError(fault.message)

    def _unreadable(self) -> InvalidRequest:
        message = "The request is not valid HTTP/1.1: see that the client and what is between speak it."
        return self._fault or InvalidRequest(message, code="invalid_http")

    def _oversized(self) -> InvalidRequest:
        if self._part != "head":
            message = "The request's body has far more framing than content: send larger chunks, without extensions."
            return InvalidRequest(message, code="invalid_http")
        most = f"{self._limits.head_bytes} bytes or {MAX_HEADERS} headers"
        message = f"The request's head is over {most}: send fewer or shorter headers."
        return InvalidRequest(message, status=431, code="head_too_large")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = _ResponseTransport(self)  # type: ignore[assignment]
        super()._start_asgi_task(cycle, unchunked(app, cycle) if self.scope["http_version"] == "1.0" else app)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Continue in HTTP/1.1. The parser took the head as the whole request, so a new parser gets a head with the
        same framing and reads on.
        """
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        if self._declared() and not self._discarding_input:
            self._discarding_input = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % self._declared())
            self._discarding_input = False
        self.data_received(rest)

    def _declared(self) -> bytes:
        """Return the header that declares the body's length, or nothing if there is none."""
        framing = {b"content-length", b"transfer-encoding"}
        lines = [name + b": " + value for name, value in self.headers if name in framing and value.strip(b"0")]
        return b"\r\n".join(lines)

    # ---- calls from the application
    def abort(self) -> None:
        """Drop the client: tell the application at once, and discard unsent data."""
        self._mark_disconnected()
        if self.transport is not None:
            self.transport.abort()

    def write(self, data: bytes) -> bool:
        """Write data: see `Connection.write`. uvicorn's own `send` does the same with much overhead."""
        cycle = self.cycle
        if self.flow.write_paused or cycle.disconnected or cycle.response_complete or not cycle.chunked_encoding:
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def unread(self) -> int:
        """Count unread bytes: see `Connection.unread`.

        This includes the kernel's buffer. It holds megabytes for a slow client, and our own buffer does not change
        while it empties.
        """
        return self.transport.get_write_buffer_size() + unacknowledged(self.transport.get_extra_info("socket"))

    def idle(self) -> bool:
        """Return true if nothing is left to send: see `Closable.idle`."""
        return bool(self.transport.get_write_buffer_size() == 0)

    def end(self) -> None:
        """Close after the data that was written."""
        self._discarding_input = True
        if self.cycle is not None and not self.cycle.more_body:
            self.transport.close()
            self._await_reader()
        elif not self.transport.is_closing():
            self.transport.write_eof()
            self._expect(self._limits.silence, self.abort)

    # ---- deadlines and rejections
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.head_bytes:
            raise self._wrong(self._oversized())

    def _expect_body(self) -> None:
        """Set the deadlines for the next piece of the body and for the whole body."""
        self._expect(min(self._limits.silence, self._body_until - self.loop.time()), self._slow)

    def _expect(self, seconds: float, overdue: Callable[[], None]) -> None:
        """Call `overdue` unless the client delivers within `seconds`."""
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, overdue)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _slow(self) -> None:
        """Reject a request that did not arrive in time, if there is one."""
        if self._head_bytes or self._busy():
            late = "The request's body (timeouts.body)" if self._part == "body" else "The request"
            message = f"{late} did not arrive in time: send it again."
            self._refuse(GatewayError(message, status=408, type="invalid_request_error", code="slow_request"))
        else:
            self.abort()

    def _await_reader(self) -> None:
        """Wait for the client to read the rest of its response. It may be slow as long as it makes progress."""
        self._left = self.unread()
        self._expect(self._limits.write, self._unread)

    def _unread(self) -> None:
        self._deadline = None
        waiting = self.transport.get_write_buffer_size() > 0
        if waiting and self.unread() >= self._left:
            self.abort()
        elif waiting:
            self._await_reader()
        elif not self._busy() and self.timeout_keep_alive_task is None:
            self._expect(self._limits.head, self._slow)

    def _refuse(self, error: GatewayError) -> None:
        """Answer a request that was not accepted, unless it was already answered, and close."""
        answered = self.cycle is not None and self.cycle.response_started
        if answered and (self._busy() or self._part == "body"):
            self.abort()
            return
        body = dumps(envelope(error))
        about = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        about += [*error_headers(error), (b"connection", b"close")]
        head = b"".join(b"%b: %b\r\n" % header for header in about)
        self.transport.write(b"HTTP/1.1 %d Error\r\n%b\r\n%b" % (error.status, head, body))
        self._mark_disconnected()
        self._others.waits(self)
        self._discarding_input = True
        self.transport.write_eof()
        self._expect(self._limits.silence, self.abort)

    def _mark_disconnected(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            self.flow.resume_writing()


class _ResponseTransport:
    """A connection's transport as a response sees it. The protocol decides about its end."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, connection: Protocol) -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.end
