"""The server over real sockets: the differences from uvicorn, and uvicorn's own behaviour.

Deadlines and clients that leave are in tests/end_to_end (test_slow_clients.py, test_cancel_matrix.py).
"""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.app import create_gateway
from proxy.config.load import parse
from proxy.server import Limits, make_server
from proxy.streaming.response import CONNECTION, Message, Receive, Scope, Send
from proxy.tasks import spawn
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import Client, chat, client, post, responses, until

pytestmark = pytest.mark.anyio

GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    async with running() as run:
        yield run


@pytest.fixture
def run(shared: Running) -> Running:
    shared.sim.forget()
    shared.records.clear()
    return shared


@pytest.fixture
async def wire(run: Running) -> AsyncIterator[Client]:
    async with client(run.port) as connected:
        yield connected


@asynccontextmanager
async def serving(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve an ASGI application and yield the port."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
        else:
            await app(scope, receive, send)

    server = make_server(application, create_gateway(parse(CONFIG.format(url="http://127.0.0.1:9"))), Limits())
    ended = spawn(server.serve())
    await until(lambda: server.started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await ended


def start(**headers: str) -> Message:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": pairs}


def body(data: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


# ---- one request after the other
async def test_a_connection_serves_one_request_after_the_other(run: Running, wire: Client) -> None:
    for _ in range(3):
        await wire.send(chat("openai-sim-chat"))
        response = await wire.response()
        assert response.status == 200 and response.complete and "connection" not in response.headers
    assert len(run.server.server_state.connections) == 1


async def test_a_refused_request_leaves_the_connection_usable(wire: Client) -> None:
    await wire.send(post("/nowhere", b"x" * 200_000))
    assert (await wire.response()).status == 404
    await wire.send(post("/v1/chat/completions", b"{"))
    assert (await wire.response()).status == 400
    await wire.send(GET)
    assert (await wire.response()).status == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_a_pipelined_request_is_dropped_and_the_connection_closed(
    run: Running, wire: Client, stream: bool
) -> None:
    await wire.send(chat("openai-sim-chat", stream=stream) * 3)
    [response] = responses(await wire.rest())
    assert response.status == 200 and response.complete
    assert response.headers["connection"] == "close"
    assert len(run.sim.calls) == len(run.records) == 1


async def test_a_request_pipelined_in_mid_response_is_dropped_too(run: Running, wire: Client) -> None:
    await wire.send(chat("openai-sim-chat.pace-5"))
    await wire.until(b'"content":"')
    await wire.send(chat("openai-sim-chat"))
    [response] = responses(await wire.rest(seconds=5))
    assert response.complete and response.events[-1] == "[DONE]"
    assert len(run.sim.calls) == 1


async def test_a_request_for_the_end_of_the_connection_is_heeded(wire: Client) -> None:
    await wire.send(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    [response] = responses(await wire.rest())
    assert response.status == 200 and response.headers["connection"] == "close"


@pytest.mark.parametrize("sent", [b"", GET[:20], GET, chat("openai-sim-chat"), chat("openai-sim-chat.head-60000")])
async def test_a_closed_connection_is_freed_without_the_garbage_collector(run: Running, sent: bytes) -> None:
    gc.collect()
    gc.disable()
    try:
        async with client(run.port) as wire:
            await wire.send(sent)
            await until(lambda: run.server.server_state.connections)
            [kept] = [weakref.ref(one) for one in run.server.server_state.connections]
            await asyncio.sleep(0.02)
        await until(lambda: kept() is None)
    finally:
        gc.enable()


# ---- forms of HTTP
async def test_a_client_that_asks_first_is_told_to_continue(run: Running, wire: Client) -> None:
    request = chat("openai-sim-chat", "expect: 100-continue")
    head, body = request[: request.index(b"\r\n\r\n") + 4], request[request.index(b"\r\n\r\n") + 4 :]
    await wire.send(head)
    assert await wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(body)
    assert (await wire.response()).events[-1] == "[DONE]"


async def test_a_client_that_asks_first_is_refused_before_it_sends(wire: Client) -> None:
    await wire.send(post("/v1/chat/completions", b"", "expect: 100-continue", length=99_999_999))
    [response] = responses(await wire.rest())
    assert response.status == 413


async def test_http_1_0_gets_its_answer_and_the_end_of_the_connection(wire: Client) -> None:
    await wire.send(GET.replace(b"HTTP/1.1", b"HTTP/1.0"))
    [response] = responses(await wire.rest())
    assert (response.status, response.headers["connection"]) == (200, "close")


@pytest.mark.parametrize("stream", [True, False])
async def test_http_1_0_gets_no_chunks(wire: Client, stream: bool) -> None:
    request = chat("openai-sim-chat", stream=stream).replace(b"HTTP/1.1", b"HTTP/1.0")
    await wire.send(request)
    [response] = responses(await wire.rest())
    assert response.headers["connection"] == "close" and "transfer-encoding" not in response.headers
    if stream:
        assert response.body.startswith(b"data: {") and response.events[-1] == "[DONE]"
    else:
        assert response.json["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE", "PUT", "TRACE", "PROPFIND"])
async def test_a_method_that_is_not_for_a_route_is_a_405_and_keeps_the_connection(wire: Client, method: str) -> None:
    await wire.send(f"{method} /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    head = bytes(await wire.until(b"\r\n\r\n"))
    assert head.startswith(b"HTTP/1.1 405 ") and b"allow: POST" in head
    if method != "HEAD":
        error = (await wire.response()).error
        assert error["code"] == "method_not_allowed"
    else:
        wire.seen.clear()
    await wire.send(GET)
    assert (await wire.response()).status == 200


async def test_the_head_of_a_resource_has_no_body(wire: Client) -> None:
    await wire.send(GET.replace(b"GET", b"HEAD") + GET)
    seen = bytes(await wire.until(b"\r\n\r\n"))
    assert seen.startswith(b"HTTP/1.1 200 ") and seen.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "upgrade",
    ["Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", "Upgrade: websocket\r\nSec-WebSocket-Key: a"],
)
async def test_an_offer_to_upgrade_is_declined_by_answering(run: Running, wire: Client, upgrade: str) -> None:
    """Java's HTTP client makes such an offer with each first request."""
    offer = ("Connection: Upgrade, HTTP2-Settings", upgrade)
    await wire.send(chat("openai-sim-chat", *offer))
    assert (await wire.response()).events[-1] == "[DONE]"
    await wire.send(GET.replace(b"\r\n\r\n", "\r\n".join(("", *offer, "", "")).encode()))
    assert (await wire.response()).status == 200
    await wire.send(post("/v1/chat/completions", b"", *offer))
    assert "empty" in (await wire.response()).error["message"]
    request = chat("openai-sim-chat", *offer, prompt="cut anywhere")
    for at in range(0, len(request), 7):
        await wire.send(request[at : at + 7])
        await asyncio.sleep(0)
    assert (await wire.response()).events[-1] == "[DONE]"
    await wire.send(chat("openai-sim-chat"))
    assert (await wire.response()).events[-1] == "[DONE]"
    assert len(run.sim.calls) == 3


async def test_an_offer_to_upgrade_with_a_chunked_body_is_declined_by_answering(run: Running, wire: Client) -> None:
    request = chat("openai-sim-chat", "Transfer-Encoding: chunked", "Connection: Upgrade", "Upgrade: h2c")
    head, _, body = request.partition(b"\r\n\r\n")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"content-length"))
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(body[at : at + 10]), body[at : at + 10]) for at in range(0, len(body), 10))
    await wire.send(head + b"\r\n\r\n" + pieces + b"0\r\n\r\n" + GET)
    assert (await wire.response()).events[-1] == "[DONE]"


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nno name: x\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nnot hex\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ],
    ids=repr,
)
async def test_what_is_no_http_gets_our_envelope_and_the_end_of_the_connection(
    run: Running, wire: Client, wrong: bytes
) -> None:
    await wire.send(wrong)
    [response] = responses(await wire.rest())
    assert response.status in (400, 404)
    assert set(response.error) == {"message", "type", "param", "code"}
    assert response.error["type"] == "invalid_request_error"
    assert not run.sim.calls


async def test_garbage_behind_a_request_does_not_reach_the_provider_twice(run: Running, wire: Client) -> None:
    await wire.send(chat("openai-sim-chat.head-60000") + b"\x00garbage\r\n\r\n")
    [response] = responses(await wire.rest())
    assert response.status == 400
    await until(lambda: not run.gateway.streams)


# ---- what it offers to applications
async def test_an_application_can_drop_its_connection_and_see_what_is_unread() -> None:
    told: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope["extensions"][CONNECTION]
        await send(start())
        await send(body(b"x" * 30_000_000, more=True))
        told.append(connection.unread())
        connection.abort()
        told.append((await receive())["type"] == "http.disconnect")

    async with serving(app) as port, client(port) as wire:
        await wire.send(GET)
        [response] = responses(await wire.rest())
        assert not response.complete
        assert told[0] > 1_000_000 and told[1] is True


async def test_an_application_that_leaves_its_response_open_ends_the_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"half", more=True))

    async with serving(app) as port, client(port) as wire:
        await wire.send(GET)
        [response] = responses(await wire.rest())
        assert (bytes(response.body), response.complete) == (b"half", False)


async def test_an_application_that_ends_the_connection_early_does_not_cost_the_client_its_answer() -> None:
    """The client sends its whole body before it reads. A full close would have reset its connection by then."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(connection="close", content_length="7"))
        await send(body(b"too big"))

    async with serving(app) as port, client(port) as wire:
        await wire.send(post("/", b"x" * 30_000_000))
        assert (await wire.response()).body == b"too big"
