"""The connection's reading: whatever the reads are, and whoever listens when, a response's body comes whole and in
order, is over to the byte, and belongs to the request that was sent.

The parser of heads is aiohttp's own; only the transport is none. Real sockets are in test_native.py, and a provider
that says too much in test_crosstalk.py.
"""

import asyncio
import gzip
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.providers.http.connection import MAX_HEADS, MAX_INTERIM, Connection, Refused, Stale
from proxy.turns import Turns
from tests.proxy.providers.http.test_framing import NASTY, TRAILERS, sized
from tests.proxy.providers.serving import HEAD, LAST, chunk
from tests.proxy.providers.wires import Wire, cut

HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@dataclass
class Reading:
    """One connection and its reader. `got` is what came of the bodies, in order; `short` counts the chunks that came
    the short way."""

    loop: asyncio.AbstractEventLoop
    connection: Connection = field(init=False)
    wire: Wire = field(default_factory=Wire)
    got: bytes = b""
    short: int = 0

    def __post_init__(self) -> None:
        self.connection = Connection(self.loop, Turns().turn)
        self.connection.connection_made(self.wire)
        self.ask()

    def ask(self) -> None:
        """A request is sent."""
        self.connection.body = None
        self.connection.set_response_params(read_until_eof=True)
        self.connection._stage = type(self.connection._stage).WRITING  # `begin` would look at a socket
        self.connection.start_timeout()

    def hear(self, data: bytes, *, listening: bool = True) -> None:
        """A read has come, while somebody listens if they can."""
        assert not self.wire.paused
        body = self.connection.body
        waiting = listening and body is not None and not body.over and not body.broken
        if waiting and body is not None:
            self.take()
            if body._framing.between and body._inflate is None:
                self.connection.short = self._listen
        self.connection.data_received(data)
        self.connection.short = None

    def take(self) -> None:
        """Read all that has come."""
        body = self.connection.body
        while body is not None and (body._fresh or body._pending):
            self.got += body.take()

    @property
    def over(self) -> bool:
        """True if the response has ended and the connection can be reused."""
        self.take()
        body = self.connection.body
        return body is not None and body.over and not self.connection.should_close and not self.wire.closed

    @property
    def error(self) -> BaseException | None:
        return self.connection.exception()

    def _listen(self, piece: bytes) -> None:
        self.short += 1
        self.got += piece


# ---- the body comes whole
@settings(max_examples=200)
@given(st.data())
def test_a_body_comes_whole_and_in_order_however_it_is_cut(
    loop: asyncio.AbstractEventLoop, data: st.DataObject
) -> None:
    reading = Reading(loop)
    for answered in range(2):
        if answered:
            reading.ask()
            reading.got = b""
        contents = data.draw(st.lists(st.sampled_from(NASTY) | st.binary(min_size=1, max_size=20), max_size=6))
        parts = [HEAD, *map(chunk, contents), LAST]
        whole = b"".join(parts)
        ends = [len(b"".join(parts[:at])) for at in range(1, len(parts))]
        at = data.draw(st.lists(st.sampled_from(ends) | st.integers(0, len(whole)), max_size=12) | st.just(ends))
        for piece in cut(whole, at):
            reading.hear(piece, listening=data.draw(st.booleans() | st.just(True)))
        assert reading.over and reading.got == b"".join(contents)


@pytest.mark.parametrize("size", range(1, 20))
def test_a_response_may_come_in_reads_of_any_size(loop: asyncio.AbstractEventLoop, size: int) -> None:
    reading = Reading(loop)
    whole = HINTS + HEAD + b"".join(map(chunk, NASTY)) + LAST
    for start in range(0, len(whole), size):
        reading.hear(whole[start : start + size])
    assert reading.over and reading.got == b"".join(NASTY)


@pytest.mark.parametrize("line", [b"%x", b"%X", b"%03x"])
def test_a_read_that_is_one_chunk_goes_to_who_listens(loop: asyncio.AbstractEventLoop, line: bytes) -> None:
    reading = Reading(loop)
    for _ in range(2):
        reading.hear(HEAD)
        for content in NASTY:
            reading.hear(sized(line, content))
        reading.hear(LAST)
        assert reading.over
        reading.ask()
    assert reading.got == 2 * b"".join(NASTY) and reading.short == 2 * len(NASTY)


def test_after_a_chunk_in_pieces_the_next_goes_the_short_way(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    for piece in (HEAD[:9], HEAD[9:], b"5", b"\r", b"\nhel", b"lo\r", b"\n"):
        reading.hear(piece)
    assert reading.short == 0
    reading.hear(chunk(b", world"))
    assert reading.short == 1
    reading.hear(LAST)
    assert reading.over and reading.got == b"hello, world"


def test_what_one_callback_makes_of_a_read_is_bounded(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    reading.hear(HEAD)
    reading.hear(chunk(b"x" * 4096))
    assert reading.short == 0
    reading.hear(LAST)
    assert reading.over and len(reading.got) == 4096


def test_a_flood_that_nobody_reads_holds_the_provider_up(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    reading.hear(HEAD)
    flood = b"x" * 1024 * 1024
    reading.hear(chunk(flood))
    assert reading.wire.paused
    reading.take()
    assert not reading.wire.paused
    reading.hear(LAST)
    assert reading.over and reading.got == flood


def test_who_listens_is_told_that_the_connection_is_gone(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    reading.hear(HEAD)
    reading.hear(chunk(b"hello") + b"5\r\nhal")
    body = reading.connection.body
    assert body is not None
    reading.connection.connection_lost(None)
    assert not body.broken  # what came can be read
    reading.take()
    assert body.broken and not body.over and reading.got == b"hellohal"


def test_a_body_without_a_size_ends_with_its_connection(loop: asyncio.AbstractEventLoop) -> None:
    for error, ends in ((None, True), (ConnectionResetError("gone"), False)):
        reading = Reading(loop)
        reading.hear(b"HTTP/1.1 200 OK\r\n\r\nhello")
        body = reading.connection.body
        assert body is not None
        reading.connection.connection_lost(error)
        assert not body.over
        reading.take()
        assert (body.over, body.broken, reading.got) == (ends, not ends, b"hello")


@pytest.mark.parametrize("chunked", [True, False])
def test_a_compressed_body_is_read_to_its_end(loop: asyncio.AbstractEventLoop, chunked: bool) -> None:
    """It is much larger than what came."""
    body = b"x" * 3_000_000
    packed = gzip.compress(body)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n"
    if chunked:
        whole = head + b"transfer-encoding: chunked\r\n\r\n" + chunk(packed) + LAST
    else:
        whole = head + b"content-length: %d\r\n\r\n" % len(packed) + packed
    reading = Reading(loop)
    for start in range(0, len(whole), 1000):
        reading.hear(whole[start : start + 1000], listening=False)
        reading.take()
    assert reading.over and reading.got == body


# ---- whose response it is
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = HEAD + chunk(b"hello") + LAST


@pytest.mark.parametrize("stray", [b"H", b"\r\n", b"0\r\n\r\n", PLAIN, CHUNKED, HINTS])
@pytest.mark.parametrize("response", [PLAIN, CHUNKED])
@pytest.mark.parametrize("together", [True, False])
def test_a_byte_behind_a_response_closes_its_connection(
    loop: asyncio.AbstractEventLoop, response: bytes, stray: bytes, together: bool
) -> None:
    reading = Reading(loop)
    for piece in [response + stray] if together else [response]:
        reading.hear(piece, listening=False)
    reading.take()
    if not together:
        assert reading.over
        reading.connection.data_received(stray)
    assert reading.got == b"hello" and reading.wire.closed and reading.connection.should_close


def test_a_response_that_came_before_the_request_was_begun_is_not_its_answer(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    reading.hear(PLAIN)
    assert reading.over
    reading.connection.set_response_params(read_until_eof=True)
    reading.connection.data_received(PLAIN)
    assert isinstance(reading.error, Stale) and reading.wire.closed


@pytest.mark.parametrize("unsent", [True, False])
def test_a_response_that_came_before_the_request_was_written_is_not_its_answer(
    loop: asyncio.AbstractEventLoop, unsent: bool
) -> None:
    reading = Reading(loop)
    if unsent:
        reading.wire.unsent = 1
    else:
        reading.connection._stage = type(reading.connection._stage).WRITING
    reading.hear(HINTS + PLAIN)
    assert isinstance(reading.error, Refused) and reading.wire.closed


def test_a_refusal_may_come_before_the_request_was_written_and_ends_the_connection(
    loop: asyncio.AbstractEventLoop,
) -> None:
    reading = Reading(loop)
    reading.wire.unsent = 1
    reading.hear(PLAIN.replace(b"200", b"413"))
    reading.take()
    assert reading.got == b"hello" and reading.error is None and reading.wire.closed


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello",
        HEAD + chunk(b"hello") + TRAILERS,
        HEAD + b"5;x=y\r\nhello\r\n" + LAST,
    ],
)
def test_after_an_unusual_response_the_connection_is_not_used_again(
    loop: asyncio.AbstractEventLoop, response: bytes
) -> None:
    reading = Reading(loop)
    reading.hear(response)
    assert not reading.over and reading.got == b"hello" and reading.wire.closed


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_response_without_a_body_is_over_with_its_head(loop: asyncio.AbstractEventLoop, status: bytes) -> None:
    reading = Reading(loop)
    reading.hear(b"HTTP/1.1 %b\r\ncontent-length: 5\r\n\r\n" % status)
    assert reading.over
    reading.connection.data_received(b"hello")
    assert reading.wire.closed


# ---- what lies in the socket, which the event loop has not got to
@pytest.mark.parametrize("byte", [b"H", b""])
@pytest.mark.parametrize("again", [True, False])
def test_a_connection_with_something_to_read_is_neither_handed_out_nor_written_on(
    loop: asyncio.AbstractEventLoop, byte: bytes, again: bool
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reading = Reading(loop, wire=Wire(ours))
        reading.hear(PLAIN)
        assert reading.over and reading.connection.is_connected()
        if again:
            reading.connection.set_response_params(read_until_eof=True)
        theirs.sendall(byte) if byte else theirs.close()
        if again:
            with pytest.raises(Stale):
                reading.connection.begin()
            assert reading.wire.closed
        else:
            assert not reading.connection.is_connected()


@pytest.mark.parametrize("first", [True, False])
def test_over_tls_a_new_connections_tickets_may_lie_there(loop: asyncio.AbstractEventLoop, first: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection, wire = Connection(loop, Turns().turn), Wire(ours, tls=True)
        connection.connection_made(wire)
        connection.set_response_params(read_until_eof=True)
        if not first:
            connection.begin()
            connection.start_timeout()
            connection.data_received(PLAIN)
            assert connection.body is not None and connection.body.take() == b"hello"
            connection.set_response_params(read_until_eof=True)
        theirs.sendall(b"ticket")
        if first:
            connection.begin()
        else:
            with pytest.raises(Stale):
                connection.begin()
        assert wire.closed is not first


# ---- heads
@pytest.mark.parametrize(
    "head",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: 1\n\r\n\r\n",  # ends in two places, by who reads it
        b"HTTP/1.1 200 OK\nx: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: 1\ry\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"\r\n\r\n",
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_a_head_that_cannot_be_trusted_is_refused(loop: asyncio.AbstractEventLoop, head: bytes, apart: bool) -> None:
    reading = Reading(loop)
    for piece in [head[at : at + 1] for at in range(len(head))] if apart else [head]:
        if not reading.wire.closed:
            reading.hear(piece)
    assert isinstance(reading.error, Refused) and reading.wire.closed


@pytest.mark.parametrize("together", [True, False])
def test_hints_before_the_head_are_passed_over(loop: asyncio.AbstractEventLoop, together: bool) -> None:
    reading = Reading(loop)
    for piece in [HINTS * MAX_INTERIM + CHUNKED] if together else [*[HINTS] * MAX_INTERIM, CHUNKED]:
        reading.hear(piece)
    assert reading.over and reading.got == b"hello"


def test_interim_responses_without_end_are_refused_after_a_few(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    reading.hear(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000)
    assert isinstance(reading.error, Refused) and reading.connection._interim == MAX_INTERIM + 1


@pytest.mark.parametrize("line", [b"x: " + b"y" * 4000 + b"\r\n", b"x: 1\r\n", b"x" * 4000])
def test_a_head_without_end_is_refused_at_its_bound(loop: asyncio.AbstractEventLoop, line: bytes) -> None:
    reading = Reading(loop)
    reading.hear(b"HTTP/1.1 200 OK\r\n")
    sent = 0
    while not reading.wire.closed:
        reading.hear(line)
        sent += len(line)
        assert sent < MAX_HEADS + 5000
    assert isinstance(reading.error, Refused)


def test_a_head_that_comes_a_byte_at_a_time_is_searched_once(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    head = HEAD[:-2] + b"x: " + b"y" * 8000 + b"\r\n\r\n"
    for at in range(len(head)):
        assert len(reading.connection._heads) - reading.connection._searched <= 3
        reading.hear(head[at : at + 1])
    reading.hear(chunk(b"hello") + LAST)
    assert reading.over and reading.got == b"hello"
