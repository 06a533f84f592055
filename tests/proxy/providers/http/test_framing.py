"""A body ends at the right place, however it is cut. Ambiguous framing is rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.http.framing import MAX_LINE, MAX_TRAILERS, Chunked, Framing, Malformed, Sized, UntilClosed
from tests.proxy.providers.serving import LAST, chunk
from tests.proxy.providers.wires import cut

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

LINES = (b"%x", b"%X", b"%06x", b"%012x", b"%x;x=y", b'%x;a="b;c"', b"%x ")
"""Ways to write a chunk's size."""


def sized(line: bytes, data: bytes) -> bytes:
    return line % len(data) + b"\r\n" + data + b"\r\n"


def played(framing: Framing, pieces: list[bytes], most: int = 1 << 16) -> tuple[bytes, bytes]:
    """The content of what came, and what is behind the body."""
    raw, content = bytearray(), b""
    for piece in pieces:
        raw += piece
        before = -1
        while raw and len(raw) != before and not framing.over:
            before = len(raw)
            content += framing.take(raw, most)
    return content, bytes(raw)


@given(st.data())
def test_a_chunked_body_comes_whole_and_ends_to_the_byte_however_it_is_cut(data: st.DataObject) -> None:
    contents = data.draw(st.lists(st.sampled_from(NASTY) | st.binary(min_size=1, max_size=20), max_size=6))
    line, last = data.draw(st.sampled_from(LINES)), data.draw(st.sampled_from([LAST, TRAILERS]))
    behind = data.draw(st.sampled_from([b"", b"H", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
    whole = b"".join(sized(line, content) for content in contents) + last + behind
    framing = Chunked()
    pieces = cut(whole, data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    assert played(framing, pieces, data.draw(st.integers(2 * MAX_LINE, 4 * MAX_LINE))) == (b"".join(contents), behind)
    assert framing.over and framing.plain == (last == LAST and (b";" not in line or not contents))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("last", [LAST, TRAILERS])
def test_a_chunked_body_may_be_cut_in_any_two_places(line: bytes, last: bytes) -> None:
    contents = (b"hello!", b"5\r\nhello\r\n", b"\r\n", b"9 letters")
    body = b"".join(sized(line, content) for content in contents) + last + b"HTTP"
    for first in range(len(body) + 1):
        for second in range(first, len(body) + 1, 2):
            framing = Chunked()
            assert played(framing, cut(body, [first, second])) == (b"".join(contents), b"HTTP") and framing.over


@pytest.mark.parametrize("size", range(1, 20))
def test_a_sized_body_ends_to_the_byte_in_reads_of_any_size(size: int) -> None:
    whole = b"hello, world" + b"HTTP/1.1"
    framing = Sized(12)
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert played(framing, pieces) == (b"hello, world", b"HTTP/1.1") and framing.over and framing.plain


def test_a_body_without_a_size_goes_on_until_its_connection_ends() -> None:
    framing = UntilClosed()
    assert played(framing, [b"hello", b"0\r\n\r\n"]) == (b"hello0\r\n\r\n", b"")
    assert not framing.over and framing.until_closed and not framing.plain


def test_no_body_is_over_before_it_begins() -> None:
    assert Sized(0).over


def test_no_more_is_taken_at_once_than_was_asked_for() -> None:
    raw = bytearray(chunk(b"x") * 1000)
    assert Chunked().take(raw, 300) == b"x" * 50 and len(raw) == 5700


@pytest.mark.parametrize(
    "size", [b"-5", b"+5", b"0x5", b"0_5", b" 5", b"\t5", b"\x0b5", b"5\x0c", b"g", b"", b"5 5", b"1" * 16]
)
def test_a_size_that_is_none_is_refused(size: bytes) -> None:
    with pytest.raises(Malformed):
        played(Chunked(), [size + b"\r\nhello\r\n"])


@pytest.mark.parametrize(
    "body",
    [
        b"5\nhello\r\n",  # a line feed alone
        b"5;x\nhelab\r\n",
        b"5;x\rhello\r\n",
        b"5\r\nhello\n\n",
        b"5\r\nhello!\r\n",  # longer than its size
        b"5\r\nhello\r\r",
        b"\r\n5\r\nhello\r\n",  # an empty line
        b"0\r\nx: 1\n\r\n",
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_what_two_readers_could_take_in_two_ways_is_refused(body: bytes, apart: bool) -> None:
    pieces = [body[at : at + 1] for at in range(len(body))] if apart else [body]
    with pytest.raises(Malformed):
        played(Chunked(), pieces)


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("start", [b"5;" + b"x" * MAX_LINE, b"0\r\nx: " + b"y" * MAX_LINE])
def test_a_line_without_end_is_refused_before_its_end(start: bytes, apart: bool) -> None:
    with pytest.raises(Malformed):
        played(Chunked(), [start[at : at + 1] for at in range(len(start))] if apart else [start])


def test_trailers_without_end_are_refused() -> None:
    with pytest.raises(Malformed):
        played(Chunked(), [b"0\r\n", *[b"x: 1\r\n"] * (MAX_TRAILERS // 4 + 1)])
