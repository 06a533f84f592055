"""The connection's short way for a chunk: whatever the reads are, and whoever listens when, a body comes whole and in
order, and its end is seen.

The parser is aiohttp's own; only the transport is none. Real sockets are in test_answer.py.
"""

import asyncio
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import StreamReader
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.upstreams.connection import Connection
from tests.proxy.upstreams.serving import HEAD, LAST, chunk
from tests.proxy.upstreams.wires import Wire, cut

HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"
TRAILERS = b"0\r\nx-sum: 12\r\nx-more: 5\r\n\r\n"
NASTY = (
    b"a",
    b"\r",
    b"\n",
    b"\r\n",
    b"5\r\n",
    b"0\r\n\r\n",
    b"ends in\r\n",
    b"5\r\nhello\r\n",
    b"\r\n5\r\nhello",
    b"x" * 300,
)
"""Contents that look like framing."""

LINES = (b"%x", b"%X", b"%06x", b"%07x", b"%08x", b"%09x", b"%012x", b"%x;x=y", b'%x;a="b;c"', b"%x ")
"""Ways to write a chunk's size."""


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
    body: StreamReader | None = None
    got: bytes = b""
    short: int = 0

    def __post_init__(self) -> None:
        self.connection = Connection(self.loop)
        self.connection.connection_made(self.wire)
        self.ask()

    def ask(self) -> None:
        """A request begins."""
        self.body = None
        self.connection.set_response_params(read_until_eof=True)

    def hear(self, data: bytes, *, listening: bool = True) -> None:
        """A read has come, while somebody listens if they can."""
        assert not self.wire.paused
        body = self.body
        if listening and body is not None and not body.is_eof():
            self.take()
            self.connection.listener = self._listen
        self.connection.data_received(data)
        self.connection.listener = None
        if self.body is None:
            self._head()

    def take(self) -> None:
        """Read what is in the buffer, to its bottom."""
        assert self.body is not None
        while data := self.body.read_nowait():
            self.got += data

    def over(self) -> bool:
        """Whether the body is at its end, and the connection in order."""
        assert self.body is not None and self.connection.exception() is None and self.body.exception() is None
        self.take()
        return self.body.is_eof() and not self.connection.should_close and not self.wire.closed

    def _listen(self, piece: bytes | None) -> None:
        if piece is None:
            self.connection.listener = None
        else:
            self.short += 1
            self.got += piece

    def _head(self) -> None:
        assert self.connection.exception() is None
        if not self.connection.is_eof() and len(self.connection._buffer):
            message, self.body = self.loop.run_until_complete(self.connection.read())
            if message.code == 103:
                self.body = None


def sized(line: bytes, data: bytes) -> bytes:
    return line % len(data) + b"\r\n" + data + b"\r\n"


@st.composite
def responses(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """The parts of a response as a server may write them, and its body."""
    contents = draw(st.lists(st.sampled_from(NASTY) | st.binary(min_size=1, max_size=20), max_size=6))
    line = draw(st.sampled_from(LINES))
    parts = [HEAD, *(sized(line, content) for content in contents), draw(st.sampled_from([LAST, TRAILERS]))]
    return parts, b"".join(contents)


# ---- the body comes whole
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_body_comes_whole_and_in_order_however_it_is_cut(
    loop: asyncio.AbstractEventLoop, data: st.DataObject
) -> None:
    reading = Reading(loop)
    for answered in range(2):
        if answered:
            reading.ask()
            reading.got = b""
        parts, body = data.draw(responses())
        whole = b"".join(parts)
        ends = [len(b"".join(parts[:at])) for at in range(1, len(parts))]
        at = data.draw(st.lists(st.sampled_from(ends) | st.integers(0, len(whole)), max_size=12) | st.just(ends))
        for piece in cut(whole, at):
            reading.hear(piece, listening=data.draw(st.booleans() | st.just(True)))
        assert reading.over() and reading.got == body


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("last", [LAST, TRAILERS])
def test_a_response_may_be_cut_in_any_two_places(loop: asyncio.AbstractEventLoop, line: bytes, last: bytes) -> None:
    contents = (b"hello!", b"5\r\nhello\r\n", b"\r\n", b"9 letters")
    body = b"".join(sized(line, content) for content in contents) + last
    for first in range(len(body) + 1):
        for second in range(first, len(body) + 1, 2):
            reading = Reading(loop)
            reading.hear(HEAD)
            for piece in cut(body, [first, second]):
                reading.hear(piece)
            assert reading.over() and reading.got == b"".join(contents), (first, second)


@pytest.mark.parametrize("size", range(1, 20))
def test_a_response_may_come_in_reads_of_any_size(loop: asyncio.AbstractEventLoop, size: int) -> None:
    reading = Reading(loop)
    whole = HINTS + HEAD + b"".join(map(chunk, NASTY)) + TRAILERS
    for start in range(0, len(whole), size):
        reading.hear(whole[start : start + size])
    assert reading.over() and reading.got == b"".join(NASTY)


# ---- what goes the short way
@pytest.mark.parametrize("line", [b"%x", b"%X", b"%04x"])
def test_a_read_that_is_one_chunk_goes_to_who_listens(loop: asyncio.AbstractEventLoop, line: bytes) -> None:
    reading = Reading(loop)
    for _ in range(2):
        reading.hear(HEAD)
        for content in NASTY:
            reading.hear(sized(line, content))
        reading.hear(LAST)
        assert reading.over()
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
    assert reading.over() and reading.got == b"hello, world"


def test_nothing_goes_to_one_who_does_not_listen(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    reading.hear(HEAD)
    reading.hear(chunk(b"hello"), listening=False)
    assert reading.short == 0 and reading.body is not None and reading.body.total_bytes == 5


def test_a_larger_read_goes_by_the_buffer_and_its_bound(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    reading.hear(HEAD)
    flood = b"x" * 1024 * 1024
    reading.hear(chunk(flood))
    assert reading.short == 0 and reading.wire.paused
    reading.take()
    assert not reading.wire.paused
    reading.hear(chunk(b"and on"))
    reading.hear(LAST)
    assert reading.over() and reading.got == flood + b"and on"


@pytest.mark.parametrize("ended", [False, True])
def test_many_small_chunks_that_nobody_reads_stop_the_reading_and_none_is_lost(
    loop: asyncio.AbstractEventLoop, ended: bool
) -> None:
    """aiohttp's parser can stop within a read that comes after the pause: the rest of it must not be left behind."""
    reading = Reading(loop)
    reading.hear(HEAD)
    heard = 0
    while not reading.wire.paused:
        assert heard < 100_000
        reading.hear(chunk(b"x"), listening=False)
        heard += 1
    reading.take()
    assert not reading.wire.paused
    reading.hear(chunk(b"y") + chunk(b"z") + (LAST if ended else b""))
    reading.take()
    if not ended:
        reading.hear(chunk(b"!"))
        reading.hear(LAST)
    assert reading.over() and reading.got == b"x" * heard + (b"yz" if ended else b"yz!")


# ---- what is no chunk
@pytest.mark.parametrize("size", [b"-5", b"+5", b"0x5", b"0_5", b" 5", b"\t5", b"\x0b5", b"5\x0c", b"g", b""])
def test_a_size_that_is_none_is_left_to_the_parser_which_refuses_it(
    loop: asyncio.AbstractEventLoop, size: bytes
) -> None:
    reading = Reading(loop)
    reading.hear(HEAD)
    reading.hear(size + b"\r\nhello\r\n")
    assert reading.short == 0 and reading.got == b""
    assert reading.connection.exception() is not None and reading.wire.closed


def test_a_size_line_without_end_is_not_kept(loop: asyncio.AbstractEventLoop) -> None:
    reading = Reading(loop)
    reading.hear(HEAD)
    reading.hear(b"5;" + b"x" * 40_000)
    reading.hear(b"x" * 40_000)
    assert len(reading.connection._bounds._line) == 0
    reading.hear(b"\r\nhello\r\n")
    for _ in range(2):
        reading.hear(chunk(b" and on"))
    reading.hear(LAST)
    assert reading.over() and reading.got == b"hello and on and on"


MISLEADING = (
    ((b"1", b"5\r\nhello\r\n", b"and 14 letters\r\n"), b"hello\r\nand 14 letters"),
    ((b"12;x\r\n", b"1\r\na\r\n", b"1\r\nb\r\n", b"letter\r\n"), b"1\r\na\r\n1\r\nb\r\nletter"),
    ((b"5;x\nhelab\r\n", b"12\r\nabc", b"3\r\nxyz\r\n", b"letters\r\n"), b"helababc3\r\nxyz\r\nletters"),
)
"""Reads that look like chunks and are none: the second half of a size, what an extension's chunk holds, and what comes
behind an extension that ends in a line feed alone, as aiohttp takes it."""


@pytest.mark.parametrize(("pieces", "body"), MISLEADING)
def test_what_looks_like_a_chunk_within_one_is_left_to_the_parser(
    loop: asyncio.AbstractEventLoop, pieces: Sequence[bytes], body: bytes
) -> None:
    reading = Reading(loop)
    for piece in (HEAD, *pieces, LAST):
        reading.hear(piece)
    assert reading.over() and reading.got == body


# ---- around the body
@pytest.mark.parametrize("together", [True, False])
def test_hints_before_the_head_are_passed_over(loop: asyncio.AbstractEventLoop, together: bool) -> None:
    reading = Reading(loop)
    for piece in [HINTS + HEAD] if together else [HINTS, HEAD]:
        reading.hear(piece)
    for content in NASTY:
        reading.hear(chunk(content))
    reading.hear(LAST)
    assert reading.over() and reading.got == b"".join(NASTY)


@pytest.mark.parametrize("error", [None, ConnectionResetError("gone")])
def test_who_listens_is_told_that_the_connection_is_gone(
    loop: asyncio.AbstractEventLoop, error: Exception | None
) -> None:
    told: list[Any] = []
    reading = Reading(loop)
    reading.hear(HEAD)
    reading.hear(chunk(b"hello"))
    reading.connection.listener = told.append
    reading.connection.connection_lost(error)
    assert told == [None] and reading.got == b"hello"
    assert reading.body is not None and reading.body.exception() is not None


def test_who_listens_is_told_of_the_end(loop: asyncio.AbstractEventLoop) -> None:
    told: list[Any] = []
    reading = Reading(loop)
    reading.hear(HEAD)
    reading.connection.listener = told.append
    reading.connection.data_received(chunk(b"hello"))
    reading.connection.data_received(LAST)
    assert told == [b"hello", None] and reading.over()


@pytest.mark.parametrize("chunked", [True, False])
def test_a_compressed_body_is_read_to_its_end(loop: asyncio.AbstractEventLoop, chunked: bool) -> None:
    """It is much larger than what came, so that the parser itself waits for the reader."""
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
        if reading.body is not None:
            reading.take()
    assert reading.over() and reading.got == body
