"""The parser against a plain oracle that sees the whole text, on every cut."""

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.formats.sse import MAX_LINES, EventTooLarge, Parser, Record

BOM = b"\xef\xbb\xbf"

TABLE = {
    "one event": b"data: hello\n\n",
    "several events": b'data: {"a":1}\n\ndata: {"a":2}\n\ndata: [DONE]\n\n',
    "carriage returns": b"data: one\r\rdata: two\r\r",
    "crlf": b"event: x\r\ndata: one\r\n\r\ndata: two\r\n\r\n",
    "mixed line endings": b"data: a\n\r\ndata: b\r\n\ndata: c\r\r\ndata: d\n\rdata: e\r\n\r",
    "characters of several bytes": "data: 密碼😀é\n\nevent: 密\ndata: 碼\n\n".encode(),
    "comments": b": keep-alive\n\n:\ndata: a\n: in the event\ndata: b\n\n",
    "several data lines": b"data: one\ndata:two\ndata:  three\ndata\n\n",
    "one space is taken, no more": b"data:x\n\ndata: x\n\ndata:  x\n\ndata:\tx\n\n",
    "empty data": b"data\n\ndata:\n\ndata: \n\n",
    "events without data": b"event: ping\n\nid: 7\n\nretry: 10\n\ndata: a\n\n",
    "the name is the event's own": b"event: ping\n\ndata: a\n\nevent: error\ndata: b\n\ndata: c\n\n",
    "an empty name is none": b"event:\ndata: a\n\nevent: x\nevent: \ndata: b\n\n",
    "ids and unknown fields": b"id: 1\nretry: 5\nfoo: bar\ndata: a\ndata : not data\nDATA: nor this\n\n",
    "colons in the value": b"data: a: b\nevent: c:d\n\n",
    "many blank lines": b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n",
    "byte order mark": BOM + b"data: a\n\n",
    "byte order mark later": b"data: a\n\n" + BOM + b"data: lost\ndata: b\n\n",
    "two byte order marks": BOM + BOM + b"data: lost\n\ndata: a\n\n",
    "half a byte order mark": b"\xef\xbbdata: lost\n\ndata: a\n\n",
    "only a byte order mark": BOM,
    "no blank line at the end": b"data: a\n\ndata: b",
    "one newline at the end": b"data: a\n\ndata: b\n",
    "not text at all": b"\x00\xff\xfe\n\ndata: \xff\x00\n\nevent: \xff\ndata: a\n\n",
    "a broken event in the middle": b'data: {"a":1}\n\ngarbage\n\x80\x81{{{\n\ndata: {"a":2}\n\n',
    "other unicode line ends are text": "data: a\u2028b\x0bc\x0cd\x85e\n\n".encode(),
    "nothing": b"",
}


def oracle(data: bytes) -> list[Record]:
    """WHATWG's algorithm over the whole text; the end of the text ends the last event."""
    records, name, datas = [], None, []
    for line in [*re.split(rb"\r\n|\n|\r", data.removeprefix(BOM)), b""]:
        if line:
            field, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            if field == b"data":
                datas.append(value)
            elif field == b"event":
                name = value.decode(errors="replace") or None
            elif line[:1] == b"{":
                datas.append(line)
            continue
        if datas:
            records.append(Record(name, b"\n".join(datas)))
        name, datas = None, []
    return records


def parse(*parts: bytes) -> list[Record]:
    parser = Parser()
    return [record for part in parts for record in parser.feed(part)] + parser.eof()


@pytest.mark.parametrize("data", TABLE.values(), ids=TABLE.keys())
def test_every_cut_gives_the_oracles_events(data: bytes) -> None:
    want = oracle(data)
    assert parse(data) == want
    assert parse(*(data[i : i + 1] for i in range(len(data)))) == want
    for cut in range(len(data) + 1):
        assert parse(data[:cut], data[cut:]) == want
        assert parse(data[:cut], b"", data[cut:]) == want


pieces = st.sampled_from(
    [
        *(b"data: ", b"data:", b"data", b"event: ", b"event", b": c", b"id: 1", b" ", b":"),
        *(b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n"),
        *(b"x", b'{"a":1}', "密".encode(), b"\xff", BOM),
    ]
)


@settings(deadline=None)
@given(st.lists(pieces, max_size=30).map(b"".join), st.lists(st.integers(0, 120), max_size=12))
def test_random_cuts_of_random_text_give_the_oracles_events(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
    assert parse(*(data[a:b] for a, b in pairwise(places))) == oracle(data)


def test_an_event_comes_out_with_the_read_that_completes_it() -> None:
    parser = Parser()
    assert parser.feed(b"data: a\n") == []
    assert parser.feed(b"\ndata: b\r\n\r") == [Record(None, b"a"), Record(None, b"b")]
    assert parser.feed(b"\ndata: c\r\r") == [Record(None, b"c")]
    assert parser.eof() == []


@pytest.mark.parametrize("name", ["", "event: x\n"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_bound_is_exact_and_the_parser_stays_dead(name: str, size: int) -> None:
    fits, too_large = (f"{name}data: {'x' * (100 - len(name) - 6 + more)}".encode() for more in (0, 1))
    parser = Parser(max_event_bytes=100)
    got = [r for i in range(0, 102, size) for r in parser.feed((fits + b"\n\n")[i : i + size])]
    assert len(got) == 1
    with pytest.raises(EventTooLarge):
        for i in range(0, 103, size):
            parser.feed((too_large + b"\n\n")[i : i + size])
    with pytest.raises(EventTooLarge):
        parser.feed(b"data: a\n\n")
    with pytest.raises(EventTooLarge):
        parser.eof()


def test_a_large_event_among_small_ones_is_refused() -> None:
    with pytest.raises(EventTooLarge, match="100 bytes"):
        Parser(max_event_bytes=100).feed(b"data: a\n\ndata: " + b"x" * 100 + b"\n\ndata: b\n\n")


def test_many_small_events_may_exceed_the_bound_together() -> None:
    assert len(Parser(max_event_bytes=100).feed(b"data: hello\n\n" * 1000)) == 1000


def test_an_event_without_end_is_refused_at_the_end() -> None:
    parser = Parser(max_event_bytes=10)
    assert parser.feed(b"data: 78901") == []
    with pytest.raises(EventTooLarge):
        parser.eof()


def test_a_large_event_in_tiny_reads_takes_linear_time() -> None:
    parser = Parser()
    began = time.perf_counter()
    parser.feed(b"data: ")
    for _ in range(200_000):
        parser.feed(b"x")
    assert [len(record.data) for record in parser.feed(b"\n\n")] == [200_000]
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    "text", [b'error: {"code":500}\n\n', b'error:{"code":500}\n\n', b'data: {}\nerror: {"code":500}\n\n']
)
def test_a_field_called_error_is_an_error(text: bytes) -> None:
    assert Parser().feed(text) == [Record("error", b'{"error":{"code":500}}')]
    assert Parser().feed(b"error\n\n") == [Record("error", b'{"error":true}')]


@pytest.mark.parametrize("line", [b"data:\n", b":\n", b"x\r\n"])
def test_an_event_of_too_many_lines_is_refused(line: bytes) -> None:
    parser = Parser()
    with pytest.raises(EventTooLarge):
        parser.feed(line * (MAX_LINES + 2) + b"\n")
    with pytest.raises(EventTooLarge):
        parser.feed(b"data: x\n\n")


def test_many_events_of_few_lines_are_not_one_of_many() -> None:
    assert len(Parser().feed(b"event: x\ndata: y\n\n" * MAX_LINES)) == MAX_LINES
