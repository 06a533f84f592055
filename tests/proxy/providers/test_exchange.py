"""The requests that LiteLLM makes for a call, against real servers."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from proxy.errors import GatewayError
from proxy.providers import exchange as exchanges
from proxy.providers.exchange import MAX_REQUESTS, Exchange, Reply
from proxy.providers.sending import Sender
from tests.proxy.providers.calls import call
from tests.proxy.providers.serving import DONE, HEAD, LAST, Play, Server, chunk, server

pytestmark = pytest.mark.anyio
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@asynccontextmanager
async def exchanging(
    play: Play | bytes,
    asked: Callable[[], None] = lambda: None,
    heard: Callable[[], None] = lambda: None,
    max_answer: int = 10_000,
) -> AsyncIterator[tuple[Exchange, Server]]:
    sender = Sender()
    async with server(play) as serving, asyncio.timeout(10):
        exchange = Exchange(replace(call("openai"), max_answer=max_answer), sender, asked, heard)
        try:
            yield exchange, serving
        finally:
            exchange.close()
            await sender.aclose()


async def post(exchange: Exchange, serving: Server, path: str = "/v1/x", **headers: str) -> Reply:
    return await exchange.send("POST", serving.url + path, headers, b'{"a": 1}')


async def failing(exchange: Exchange, serving: Server) -> GatewayError:
    """Return the error of a request, or of reading its answer. The exchange must have kept it."""
    with pytest.raises(GatewayError) as caught:
        reply = await post(exchange, serving)
        while await exchange.read(reply):
            pass
    assert exchange.failure is caught.value
    return caught.value


async def everything(exchange: Exchange, reply: Reply) -> bytes:
    data = b""
    while piece := await exchange.read(reply):
        data += piece
    return data


async def test_a_request_goes_out_as_it_is_but_for_what_the_connection_sets() -> None:
    async with exchanging(JSON) as (exchange, serving):
        odd = {"Accept-Encoding": "gzip, br", "connection": "close", "content-length": "7", "x-api-key": "k"}
        reply = await post(exchange, serving, "/v1/model/arn%3Aaws%2Fx:y/invoke?a=%20b", **odd)
        assert (reply.status, await everything(exchange, reply)) == (200, b"{}")
        assert exchange.answered
        head = serving.heads[0].lower()
        assert head.startswith("post /v1/model/arn%3aaws%2fx:y/invoke?a=%20b http/1.1")
        assert "accept-encoding: identity" in head and "gzip" not in head
        assert "x-api-key: k" in head and "content-length: 8" in head and "connection: close" not in head


async def test_a_compressed_answer_is_read_here_and_not_told_of() -> None:
    body = gzip.compress(b"hello")
    play = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with exchanging(play) as (exchange, serving):
        reply = await post(exchange, serving)
        assert not {name.lower() for name, _ in reply.headers} & {"content-encoding", "content-length"}
        assert await everything(exchange, reply) == b"hello"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 401, 403, 500])
async def test_what_is_no_answer_ends_here_and_its_text_stays_here(status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\nlocation: http://127.0.0.1:1/\r\nretry-after: 7\r\ncontent-length: 6\r\n\r\nsecret"
    async with exchanging(head.encode()) as (exchange, serving):
        error = await failing(exchange, serving)
        assert "secret" not in error.message and not exchange.answered
        assert getattr(error, "provider_status", None) == status
        assert len(serving.heads) == 1


async def test_a_later_answer_makes_an_earlier_refusal_good() -> None:
    answers = [b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", JSON]

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))

    async with exchanging(play) as (exchange, serving):
        with pytest.raises(GatewayError):
            await post(exchange, serving)
        await post(exchange, serving)
        assert exchange.failure is None and exchange.answered


async def test_one_call_makes_a_few_requests_and_tells_of_the_first() -> None:
    told: list[None] = []
    async with exchanging(JSON, lambda: told.append(None)) as (exchange, serving):
        for _ in range(MAX_REQUESTS):
            await everything(exchange, await post(exchange, serving))
        assert told
        error = await failing(exchange, serving)
        assert error.code == "too_many_requests"
        assert len(serving.heads) == MAX_REQUESTS


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (chunk(b"data: " + b"x" * 90 + b"\n") * 12, "answer_too_large"),
        (chunk(b"x" * 90) * 4, "event_too_large"),
        (chunk(b"data: 1\n" + b"x" * 90) + chunk(b"x" * 90) * 3, "event_too_large"),
        (chunk(b"data: " + b"[" * 200 + b"\n"), "event_too_large"),
    ],
    ids=["many lines", "a long line", "a long line behind another", "many values"],
)
async def test_an_answer_has_a_bound_and_so_has_a_line(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, code: str
) -> None:
    monkeypatch.setattr(exchanges, "MAX_BYTES", 1000)
    monkeypatch.setattr(exchanges, "MAX_LINE", 300)
    monkeypatch.setattr(exchanges, "MAX_VALUES", 150)
    async with exchanging(HEAD + answer) as (exchange, serving):
        assert (await failing(exchange, serving)).code == code
        exchange.close()
        await serving.closed.wait()


@pytest.mark.parametrize(("body", "code"), [(b" " * 1001, "answer_too_large"), (b"[" * 200, "event_too_large")])
async def test_a_whole_answer_has_the_bounds_of_one(monkeypatch: pytest.MonkeyPatch, body: bytes, code: str) -> None:
    monkeypatch.setattr(exchanges, "MAX_VALUES", 150)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with exchanging(head + body, max_answer=1000) as (exchange, serving):
        assert (await failing(exchange, serving)).code == code


async def test_events_come_in_whole_lines_and_a_json_body_in_one_piece() -> None:
    text = b"data: 1\r\ndata: 2\n\ndata: [DONE]\n\n"
    async with exchanging(HEAD + b"".join(chunk(text[at : at + 1]) for at in range(len(text))) + LAST) as (
        exchange,
        serving,
    ):
        reply = await post(exchange, serving)
        pieces = []
        while piece := await exchange.read(reply):
            pieces.append(piece)
        assert b"".join(pieces) == text and all(piece.endswith(b"\n") for piece in pieces)

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(JSON[:-1])
        await asyncio.sleep(0.05)
        writer.write(JSON[-1:])

    heard: list[None] = []
    async with exchanging(slow, heard=lambda: heard.append(None)) as (exchange, serving):
        assert await exchange.read(await post(exchange, serving)) == b"{}"
        assert len(heard) == 2


@pytest.mark.parametrize("last", [DONE, STOP, DONE.replace(b"\n", b"\r\n"), b"x\n\n" + DONE], ids=repr)
@pytest.mark.parametrize("pieces", [1, 3, 1000])
async def test_an_answer_ends_with_its_last_event_though_the_connection_goes_on(last: bytes, pieces: int) -> None:
    size = -(-len(last) // pieces)
    body = b"".join(chunk(last[at : at + size]) for at in range(0, len(last), size))
    async with exchanging(HEAD + chunk(b"data: 1\n\n") + body) as (exchange, serving):
        assert await everything(exchange, await post(exchange, serving)) == b"data: 1\n\n" + last


async def test_text_that_looks_like_the_last_event_is_text() -> None:
    said = b'data: {"t": "data: [DONE]"}\n\ndata: 2\n\n'
    async with exchanging(HEAD + chunk(b'data: {"t": "data: [DONE]"}\n\n') + chunk(b"data: 2\n\n") + LAST) as (
        exchange,
        serving,
    ):
        assert await everything(exchange, await post(exchange, serving)) == said


async def test_a_connection_serves_again_after_a_last_event_and_no_other() -> None:
    async with exchanging(HEAD + chunk(DONE) + LAST) as (exchange, serving):
        for _ in range(3):
            reply = await post(exchange, serving)
            await everything(exchange, reply)
            reply.close()
            await asyncio.sleep(0)
        assert serving.connections == 1


@pytest.mark.parametrize("begun", [False, True])
async def test_closing_ends_what_waits_and_the_connection(begun: bool) -> None:
    asked = asyncio.Event()

    async def play(writer: asyncio.StreamWriter) -> None:
        if begun:
            writer.write(HEAD + chunk(b"data: 1\n\n"))
        asked.set()

    async with exchanging(play) as (exchange, serving):

        async def use() -> None:
            await everything(exchange, await post(exchange, serving))

        using = asyncio.ensure_future(use())  # noqa: TID251 - held here
        await asked.wait()
        await asyncio.sleep(0.05 if begun else 0)
        exchange.close()
        await asyncio.wait({using})
        assert using.cancelled()
        await serving.closed.wait()
        with pytest.raises(asyncio.CancelledError):
            await post(exchange, serving)
        assert len(serving.heads) == 1


async def test_an_answer_that_breaks_off_is_an_error() -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(b"data: 1\n\n"))
        writer.close()

    async with exchanging(play) as (exchange, serving):
        assert (await failing(exchange, serving)).code == "upstream_died"
