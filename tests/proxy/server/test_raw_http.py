"""Raw bytes at the server. Each request is served as intended, or rejected with the end of the connection.

Data after a rejected request is never taken for a request.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.server.head import MAX_HEADERS
from proxy.streaming.response import Message, Receive, Scope, Send
from proxy.tasks import spawn
from tests.end_to_end.wire import Client, client, responses
from tests.proxy.server.test_protocol import serving

pytestmark = pytest.mark.anyio

PROBE = b"GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nhost: localhost\r\n\r\n"
CHUNKED = "transfer-encoding: chunked"
LENGTH = "content-length: 5"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
HOST = "host: localhost"


def head(line: str, *headers: str, host: str = HOST) -> bytes:
    """Make a head of the request line `line` and headers. An empty `host` leaves that header out."""
    return "\r\n".join((line, *filter(None, (host, *headers)), "", "")).encode("latin-1")


def get(target: str, *headers: str, host: str = HOST, version: str = "HTTP/1.1") -> bytes:
    return head(f"GET {target} {version}", *headers, host=host)


def post(body: bytes, *headers: str, version: str = "HTTP/1.1") -> bytes:
    return head(f"POST / {version}", *headers) + body


def chunks(body: bytes) -> bytes:
    return post(body, CHUNKED)


REFUSED: dict[str, tuple[bytes, int]] = {
    # how long the body is
    "both framings": (post(HELLO, LENGTH, CHUNKED), 400),
    "both framings, the other way round": (post(HELLO, CHUNKED, LENGTH), 400),
    "two equal lengths": (post(b"hello", LENGTH, LENGTH), 400),
    "two lengths": (post(b"hello", LENGTH, "content-length: 6"), 400),
    "a list of lengths": (post(b"hello", "content-length: 5, 5"), 400),
    "a length with a sign": (post(b"hello", "content-length: +5"), 400),
    "a negative length": (post(b"hello", "content-length: -5"), 400),
    "a length in hex": (post(b"hello", "content-length: 0x5"), 400),
    "a length of two words": (post(b"hello", "content-length: 5 5"), 400),
    "a length with a fraction": (post(b"hello", "content-length: 5.0"), 400),
    "a length with an exponent": (post(b"hello", "content-length: 5e0"), 400),
    "no length in its header": (post(b"hello", "content-length: "), 400),
    "a length beyond 64 bits": (post(b"hello", "content-length: 18446744073709551621"), 400),
    "a length far beyond": (post(b"hello", "content-length: " + "9" * 30), 400),
    # codings
    "compressed and chunked": (post(HELLO, "transfer-encoding: gzip, chunked"), 501),
    "compressed": (post(HELLO, "transfer-encoding: gzip"), 501),
    "chunked and compressed": (post(HELLO, "transfer-encoding: chunked, gzip"), 400),
    "chunked twice": (post(HELLO, "transfer-encoding: chunked, chunked"), 400),
    "chunked twice, in two headers": (post(HELLO, CHUNKED, CHUNKED), 400),
    "compressed and chunked, in two headers": (post(HELLO, "transfer-encoding: gzip", CHUNKED), 501),
    "chunked and compressed, in two headers": (post(HELLO, CHUNKED, "transfer-encoding: gzip"), 400),
    "a coding that ends like chunked": (post(HELLO, "transfer-encoding: xchunked"), 501),
    "chunked with a parameter": (post(HELLO, "transfer-encoding: chunked;q=1"), 501),
    "chunked in quotes": (post(HELLO, 'transfer-encoding: "chunked"'), 501),
    "chunked and an empty coding": (post(HELLO, "transfer-encoding: chunked,"), 400),
    "an empty coding and chunked": (post(HELLO, "transfer-encoding: ,chunked"), 501),
    "no coding in its header": (post(HELLO, "transfer-encoding: "), 400),
    "no coding, and a length": (post(b"hello", "transfer-encoding: ", LENGTH), 400),
    "identity": (post(b"hello", "transfer-encoding: identity"), 501),
    "identity, and a length": (post(b"hello", "transfer-encoding: identity", LENGTH), 400),
    "a coding on a folded line": (post(HELLO, "transfer-encoding:\r\n chunked"), 400),
    "chunks in HTTP/1.0": (post(HELLO, CHUNKED, version="HTTP/1.0"), 400),
    # chunks
    "a chunk's size with a sign": (chunks(b"+5\r\nhello\r\n0\r\n\r\n"), 400),
    "a negative chunk": (chunks(b"-5\r\nhello\r\n0\r\n\r\n"), 400),
    "a chunk's size with 0x": (chunks(b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
    "a chunk's size with a blank": (chunks(b"5 \r\nhello\r\n0\r\n\r\n"), 400),
    "a chunk's size beyond 64 bits": (chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
    "a chunk without a size": (chunks(b"\r\nhello\r\n0\r\n\r\n"), 400),
    "a chunk longer than its size": (chunks(b"4\r\nhello\r\n0\r\n\r\n"), 400),
    "a chunk's size behind a bare line feed": (chunks(b"5\nhello\r\n0\r\n\r\n"), 400),
    "a chunk behind a bare line feed": (chunks(b"5\r\nhello\n0\r\n\r\n"), 400),
    "a chunk without an end": (chunks(b"5\r\nhello0\r\n\r\n"), 400),
    "a last chunk with bare line feeds": (chunks(b"5\r\nhello\r\n0\n\n"), 400),
    "an extension behind a bare line feed": (chunks(b"5;a\nhello\r\n0\r\n\r\n"), 400),
    "a length in a trailer": (chunks(b"5\r\nhello\r\n0\r\ncontent-length: 50\r\n\r\n"), 400),
    "a coding in a trailer": (chunks(b"5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n"), 400),
    "more trailers than headers may be": (chunks(b"0\r\n" + b"a: b\r\n" * MAX_HEADERS + b"\r\n"), 400),
    # lines and headers
    "a folded header": (get("/", "x-a: b\r\n c"), 400),
    "a header folded by a tab": (get("/", "x-a: b\r\n\tc"), 400),
    "a first header that is folded": (get("/", HOST, host=" x: y"), 400),
    "a blank before the colon": (post(b"hello", "content-length : 5"), 400),
    "a tab before the colon": (get("/", "x-a\t: b"), 400),
    "a blank in a name": (get("/", "x a: b"), 400),
    "a header without a name": (get("/", ": b"), 400),
    "a header without a colon": (get("/", "xa"), 400),
    "a head of bare line feeds": (get("/").replace(b"\r\n", b"\n"), 400),
    "a header behind a bare line feed": (get("/", "x-a: b\nx-b: c"), 400),
    "an end of bare line feeds": (get("/")[:-2] + b"\n", 400),
    "a bare carriage return": (get("/", "x-a: b\rx-b: c"), 400),
    "two carriage returns": (get("/").replace(b"1.1\r\n", b"1.1\r\r\n"), 400),
    "NUL in a value": (get("/", "x-a: b\0c"), 400),
    "NUL in a name": (get("/", "x\0a: b"), 400),
    "a control character in a value": (get("/", "x-a: b\x01c"), 400),
    "DEL in a value": (get("/", "x-a: b\x7fc"), 400),
    "a letter beyond ASCII in a name": (get("/", "x-\xe9: b"), 400),
    "more headers than may be": (get("/", *["a: b"] * MAX_HEADERS), 431),
    "two hosts": (get("/", "host: other"), 400),
    "one host twice": (get("/", HOST), 400),
    "no host": (get("/", host=""), 400),
    "a list of hosts": (get("/", host="host: localhost, other"), 400),
    "a host with a user": (get("/", host="host: user@localhost"), 400),
    "a host with a path": (get("/", host="host: localhost/x"), 400),
    "a host with a blank": (get("/", host="host: local host"), 400),
    # the request line
    "a URL with another host": (get("http://other/"), 400),
    "a URL with a user": (get("http://user@localhost/"), 400),
    "a URL with another scheme": (get("ftp://localhost/"), 400),
    "a URL without a Host": (get("http://localhost/", host="", version="HTTP/1.0"), 400),
    "a host for a path": (get("localhost:80"), 400),
    "a star": (get("*"), 400),
    "a fragment": (get("/a#b"), 400),
    "a fragment in a URL": (get("http://localhost/a#b"), 400),
    "a path with a blank": (get("/a b"), 400),
    "tabs for blanks": (head("GET\t/\tHTTP/1.1"), 400),
    "a blank behind the version": (head("GET / HTTP/1.1 "), 400),
    "no version": (b"GET /\r\n\r\n", 505),
    "HTTP/0.9": (get("/", version="HTTP/0.9"), 505),
    "HTTP/1.2": (get("/", version="HTTP/1.2"), 400),
    "HTTP/1.10": (get("/", version="HTTP/1.10"), 400),
    "HTTP/2.0": (get("/", version="HTTP/2.0"), 505),
    "http/1.1": (get("/", version="http/1.1"), 400),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a method in small letters": (head("get / HTTP/1.1"), 400),
    "a method that nobody knows": (head("FOO / HTTP/1.1"), 400),
    "CONNECT": (head("CONNECT localhost:80 HTTP/1.1"), 400),
    "a blank before the method": (b" " + get("/"), 400),
    "NUL before the method": (b"\0" + get("/"), 400),
}

SERVED: dict[str, tuple[bytes, bytes]] = {
    "a length": (post(b"hello", LENGTH), b"/|hello"),
    "a length with blanks": (post(b"hello", "content-length: \t 5 \t"), b"/|hello"),
    "a length with zeros": (post(b"hello", "content-length: 005"), b"/|hello"),
    "chunks": (chunks(HELLO), b"/|hello"),
    "two chunks": (chunks(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), b"/|hello"),
    "a coding in capitals": (post(HELLO, "Transfer-Encoding: CHUNKED"), b"/|hello"),
    "a chunk's size with zeros": (chunks(b"0005\r\nhello\r\n0\r\n\r\n"), b"/|hello"),
    "an extension": (chunks(b"5;a=b\r\nhello\r\n0;c\r\n\r\n"), b"/|hello"),
    "an extension in quotes": (chunks(b'5;a="b;\\"c"\r\nhello\r\n0\r\n\r\n'), b"/|hello"),
    "a trailer": (chunks(b"5\r\nhello\r\n0\r\nx-trailer: a\r\n\r\n"), b"/|hello"),
    "a key in a trailer": (chunks(b"5\r\nhello\r\n0\r\nauthorization: Bearer k\r\n\r\n"), b"/|hello"),
    "a host in a trailer": (chunks(b"5\r\nhello\r\n0\r\nhost: other\r\n\r\n"), b"/|hello"),
    "empty lines before a request": (b"\r\n\r\n" + get("/"), b"/|"),
    "a value beyond ASCII": (get("/", "x-a: \xe9"), b"/|"),
    "a header without a value": (get("/", "x-a:"), b"/|"),
    "as many headers as may be": (get("/", *["a: b"] * (MAX_HEADERS - 1)), b"/|"),
    "an empty host": (get("/", host="host:"), b"/|"),
    "a host with a port": (get("/", host="host: localhost:8080"), b"/|"),
    "an IPv6 host": (get("/", host="host: [::1]:8080"), b"/|"),
    "a URL of the same host": (get("http://LOCALHOST/a?b"), b"/a|"),
    "a URL without a path": (get("http://localhost"), b"/|"),
    "a URL with a query alone": (get("http://localhost?a"), b"/|"),
    "a star for OPTIONS": (head("OPTIONS * HTTP/1.1"), b"*|"),
    "an expectation nobody knows": (post(b"hello", LENGTH, "expect: 200-ok"), b"/|hello"),
    "HTTP/1.0": (get("/", version="HTTP/1.0"), b"/|"),
    "HTTP/1.0 without a host": (get("/", host="", version="HTTP/1.0"), b"/|"),
    "HTTP/1.0 with a body": (post(b"hello", LENGTH, version="HTTP/1.0"), b"/|hello"),
    "HTTP/1.0 that would stay": (get("/", "connection: keep-alive", version="HTTP/1.0"), b"/|"),
    "HTTP/1.0 that expects": (post(b"hello", LENGTH, "expect: 100-continue", version="HTTP/1.0"), b"/|hello"),
}

seen: list[tuple[str, list[bytes]]] = []


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the request's path and body. Record its path and the names of its headers."""
    got, more = b"", True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return
        got, more = got + message["body"], message["more_body"]
    seen.append((scope["path"], [name for name, _ in scope["headers"]]))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode() + b"|", "more_body": True})
    await send({"type": "http.response.body", "body": got})


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
async def port(anyio_backend: object) -> AsyncIterator[int]:
    async with serving(echo) as port:
        yield port


async def send(wire: Client, raw: bytes, pieces: str) -> None:
    if pieces == "at once":
        await wire.send(raw)
        return
    try:
        for at in range(len(raw)):
            await wire.send(raw[at : at + 1])
            await asyncio.sleep(0)
    except OSError:  # refused before its end
        pass


@pytest.mark.parametrize("pieces", ["at once", "byte by byte"])
@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_not_clear_is_refused_and_ends_the_connection(port: int, name: str, pieces: str) -> None:
    raw, status = REFUSED[name]
    seen.clear()
    async with client(port) as wire:
        await send(wire, raw + PROBE, pieces)
        answers = responses(await wire.rest(5))
    assert [answer.status for answer in answers] == [status]
    assert answers[0].error["type"] == "invalid_request_error" and answers[0].headers["connection"] == "close"
    assert not seen


@pytest.mark.parametrize("pieces", ["at once", "byte by byte"])
@pytest.mark.parametrize("header", ["x-a: b", "content_length: 5"])
async def test_a_body_without_a_length_is_no_request(port: int, header: str, pieces: str) -> None:
    """The previous request is complete, and may have been answered."""
    seen.clear()
    async with client(port) as wire:
        await send(wire, post(b"hello", header) + PROBE, pieces)
        answers = responses(await wire.rest(5))
    assert answers[-1].status == 400 and len(answers) <= 2
    assert [path for path, _ in seen] == ["/"] * (len(answers) - 1)


@pytest.mark.parametrize("pieces", ["at once", "byte by byte"])
@pytest.mark.parametrize("name", SERVED)
async def test_what_is_clear_is_served_as_it_was_meant(port: int, name: str, pieces: str) -> None:
    raw, expected = SERVED[name]
    seen.clear()
    async with client(port) as wire:
        await send(wire, raw, pieces)
        if "HTTP/1.0" in name:
            [answer] = responses(await wire.rest(5))
            assert answer.headers == {"connection": "close"}
        else:
            answer = await wire.response(5)
            await wire.send(NEXT)
            assert (await wire.response(5)).body == b"/next|"
    assert (answer.status, bytes(answer.body)) == (200, expected)
    assert not {b"authorization", b"x-trailer"} & set(seen[0][1])
    assert seen[0][1].count(b"host") <= 1


# ---- without end
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "a chunk's extension": (post(b"5;", CHUNKED), b"a" * 65536),
    "extensions of small chunks": (post(b"", CHUNKED), (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 64),
    "zeros of a chunk's size": (post(b"", CHUNKED), b"0" * 65536),
    "a trailer": (post(b"0\r\nx-a: ", CHUNKED), b"a" * 65536),
    "a header": (b"GET / HTTP/1.1\r\nx-a: ", b"a" * 65536),
    "a header's name": (b"GET / HTTP/1.1\r\n", b"a" * 65536),
    "headers": (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 10_000),
    "a path": (b"GET /", b"a" * 65536),
    "empty lines": (b"", b"\r\n" * 32768),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_what_has_no_end_is_cut_off(port: int, name: str) -> None:
    """Buffers do not matter: the kernel's hold some megabytes."""
    begin, more = FLOODS[name]
    async with client(port) as wire:
        await wire.send(begin)
        sent = 0
        reading = spawn(wire.until(b"HTTP/1.1 4", seconds=10))
        with pytest.raises(OSError):
            while sent < 256 * 2**20 and not reading.done():
                await wire.send(more)
                sent += len(more)
            await reading
            raise ConnectionError("refused")
        assert sent < 32 * 2**20


async def test_chunks_of_a_byte_are_taken_while_they_are_few(port: int) -> None:
    async with client(port) as wire:
        await wire.send(chunks(b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n"))
        assert (await wire.response(5)).body == b"/|" + b"x" * 10_000


async def test_small_chunks_are_taken_however_many(port: int) -> None:
    async with client(port) as wire:
        await wire.send(chunks(b"8\r\nxxxxxxxx\r\n" * 200_000 + b"0\r\n\r\n"))
        assert (await wire.response(10)).body == b"/|" + b"x" * 1_600_000
