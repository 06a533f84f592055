"""Requests are read however their bytes are cut. Invalid and oversized ones are rejected."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.simulator import Simulator
from proxy.simulator import http as simulator_http
from proxy.simulator.http import BadRequest, RequestReader, chunk, head

POST = b"POST /v1/x%20y?a=1&b= HTTP/1.1\r\nHost: h\r\nX-Name: V\r\ncontent-length: 5\r\n\r\nhello"
GET = b"GET /next HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"


@given(st.lists(st.integers(0, len(POST + GET)), max_size=6))
def test_requests_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    reader, data, found = RequestReader(), POST + GET, []
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        found += reader.feed(data[start:end]) if start < end else []
    first, second = found
    assert (first.method, first.path, first.query, first.body) == ("POST", "/v1/x y", {"a": "1", "b": ""}, b"hello")
    assert first.headers["x-name"] == "V" and first.keep_alive
    assert (second.method, second.path, second.keep_alive) == ("GET", "/next", False)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * simulator_http.MAX_HEAD + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        RequestReader().feed(data)
    assert caught.value.status == status


def test_a_body_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator_http, "MAX_BODY", 4)
    with pytest.raises(BadRequest) as caught:
        RequestReader().feed(POST)
    assert caught.value.status == 413


def test_an_empty_chunk_is_none_as_it_would_end_the_body() -> None:
    assert (chunk(b""), chunk(b"x" * 17)) == (b"", b"11\r\n" + b"x" * 17 + b"\r\n")


def test_a_status_without_a_phrase_has_a_line_too() -> None:
    assert head(529, {"a": "b"}) == b"HTTP/1.1 529 Status\r\na: b\r\n\r\n"


@pytest.mark.anyio
async def test_a_bad_request_is_told_and_the_connection_closed(
    sim: Simulator, connect: Callable[[], Awaitable[Any]]
) -> None:
    wire = await connect()
    wire.writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert (await wire.rest()).startswith(b"HTTP/1.1 505 ")


@pytest.mark.anyio
async def test_a_client_that_waits_to_continue_may(
    sim: Simulator, connect: Callable[[], Awaitable[Any]], post: Callable[..., Any]
) -> None:
    request = post("openai", stream=False)
    request.headers["expect"] = "100-continue"
    top, _, body = request.wire.partition(b"\r\n\r\n")
    wire = await connect()
    wire.writer.write(top + b"\r\n\r\n")
    assert await wire.until(b"\r\n\r\n") == simulator_http.CONTINUE
    wire.writer.write(body)
    await wire.until(b"HTTP/1.1 200 ")


@pytest.mark.anyio
async def test_too_many_requests_ahead_cut_the_connection(
    sim: Simulator, connect: Callable[[], Awaitable[Any]], post: Callable[..., Any]
) -> None:
    wire = await connect()
    wire.writer.write(post("openai", "sim.hang").wire * 40)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        if await wire.rest() == b"":
            raise ConnectionResetError
