"""The native upstream against real sockets: the simulator where it will do, else a server that says exact bytes."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from policies.events import End, Event, Finish, Text
from proxy.errors import UpstreamError
from proxy.simulator import Answer, Simulator
from proxy.tasks import spawn
from proxy.upstreams import litellm, native
from proxy.upstreams.base import Call
from proxy.upstreams.native import NativeUpstream
from proxy.wire.base import Fault
from tests.proxy.upstreams.calls import KEY, call

pytestmark = pytest.mark.anyio

APIS = ("openai", "anthropic", "gemini")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    litellm.warm(APIS)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def upstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NativeUpstream]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    opened = NativeUpstream()
    yield opened
    await opened.aclose()


@pytest.fixture
async def sim(anyio_backend: object) -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


def at(url: str, api: str = "openai", **changes: Any) -> Call:
    """A call of a provider at `url`."""
    base = f"{url}/v1" if api == "openai" else url
    return call(api, **{"model": "m", **changes, "provider": {"base_url": base}})


async def drained(answer: Any) -> list[Event | Fault]:
    """All events of an answer to its end, which is then closed."""
    events: list[Event | Fault] = []
    async with asyncio.timeout(5):
        while not events or not isinstance(events[-1], End | Fault):
            events += await answer.read()
        await answer.aclose()
    return events


def text_of(events: Sequence[Event | Fault]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def said(text: str, finish: str = "null") -> bytes:
    """A chunk of OpenAI's format as one event."""
    choice = f'{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":{finish}}}'
    return f'data: {{"id":"c","choices":[{choice}]}}\n\n'.encode()


STREAM = HEAD + chunk(said("Hello") + said("", '"stop"') + DONE) + LAST


@dataclass
class Server:
    """`heads` are the requests' so far; `closed` is set when a connection that was not ended here is closed."""

    url: str = ""
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)


Play = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(play: Play | bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server that answers each request with `play`, on connections that it never closes."""
    serving = Server()
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        serving.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                serving.heads.append(head)
                length = head.lower().partition("content-length: ")[2].partition("\r")[0]
                await reader.readexactly(int(length or 0))
                if isinstance(play, bytes):
                    writer.write(play)
                else:
                    await play(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            serving.closed.set()
        finally:
            writer.close()
            tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", ssl=tls)
    scheme = "http" if tls is None else "https"
    serving.url = f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield serving
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def refused(upstream: NativeUpstream, asked: Call) -> UpstreamError:
    """The error of a call that must not get an answer."""
    with pytest.raises(UpstreamError) as caught:
        async with asyncio.timeout(5):
            await upstream.open(asked)
    return caught.value


# ---- answers
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("api", APIS)
async def test_an_answer_is_read_to_its_natural_end(
    sim: Simulator, upstream: NativeUpstream, api: str, stream: bool
) -> None:
    sim.answers["m"] = Answer("Hello, world", cut=3)
    events = await drained(await upstream.open(at(sim.url, api, stream=stream)))
    assert text_of(events) == "Hello, world"
    assert [event.reason for event in events if isinstance(event, Finish)] == ["stop"]
    assert events[-1] == End("natural")


@pytest.mark.parametrize("api", APIS)
async def test_a_whole_answer_in_one_body_is_read_the_same(sim: Simulator, upstream: NativeUpstream, api: str) -> None:
    sim.answers["m"] = Answer("Hello, world")
    events = await drained(await upstream.open(at(sim.url, api, stream=False, settings={"whole": "native"})))
    assert text_of(events) == "Hello, world" and events[-1] == End("natural")


async def test_a_json_body_where_events_were_asked_for_is_taken(upstream: NativeUpstream) -> None:
    body = b'{"id":"c","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with server(head + body) as provider:
        assert text_of(await drained(await upstream.open(at(provider.url)))) == "Hi"


async def test_a_provider_that_refuses_to_stream_is_asked_for_a_whole_answer(upstream: NativeUpstream) -> None:
    turns = 0

    async def play(writer: asyncio.StreamWriter) -> None:
        nonlocal turns
        turns += 1
        body = b'{"error":{"message":"stream is not supported","param":"stream"}}'
        if turns == 2:
            body = b'{"id":"c","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
        status = b"400 Bad Request" if turns == 1 else b"200 OK"
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        writer.write(head + body)

    async with server(play) as provider:
        assert text_of(await drained(await upstream.open(at(provider.url)))) == "Hi"
    assert turns == 2


async def test_a_read_that_is_cancelled_loses_nothing(sim: Simulator, upstream: NativeUpstream) -> None:
    sim.answers["m"] = Answer("0123456789" * 5, chunk=1, pace=0.002)
    answer = await upstream.open(at(sim.url))
    events: list[Event | Fault] = []
    cancelled = 0
    while not events or not isinstance(events[-1], End):
        try:
            async with asyncio.timeout(0.001):
                events += await answer.read()
        except TimeoutError:
            cancelled += 1
    await answer.aclose()
    assert text_of(events) == "0123456789" * 5 and cancelled > 5


# ---- connections
@pytest.mark.parametrize("api", APIS)
async def test_a_connection_is_used_again_after_a_natural_end(
    sim: Simulator, upstream: NativeUpstream, api: str
) -> None:
    for _ in range(3):
        await drained(await upstream.open(at(sim.url, api)))
    assert [one.connection for one in sim.calls] == [1, 1, 1]


@pytest.mark.parametrize("api", APIS)
async def test_a_connection_is_closed_after_an_early_stop(sim: Simulator, upstream: NativeUpstream, api: str) -> None:
    sim.answers["m"] = Answer("text " * 100, pace=0.01)
    answer = await upstream.open(at(sim.url, api))
    await answer.read()
    await answer.aclose()
    await answer.aclose()
    await (await sim.next_call()).left()
    await drained(await upstream.open(at(sim.url, api, model="sim-chat")))
    assert [one.connection for one in sim.calls] == [1, 2]


async def test_an_opening_that_is_cancelled_closes_its_connection(sim: Simulator, upstream: NativeUpstream) -> None:
    opening = spawn(upstream.open(at(sim.url, model="sim-chat.head-60000")))
    told = await sim.next_call()
    opening.cancel()
    await told.left()
    with pytest.raises(asyncio.CancelledError):
        await opening


@pytest.mark.parametrize("late", [True, False])
async def test_a_body_that_ends_a_little_late_keeps_its_connection(upstream: NativeUpstream, late: bool) -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM.removesuffix(LAST))
        if late:
            await asyncio.sleep(0.05)
            writer.write(LAST)

    async with server(play) as provider:
        for _ in range(2):
            await drained(await upstream.open(at(provider.url)))
        assert provider.connections == (1 if late else 2)


async def test_a_wait_for_the_bodys_end_that_is_cancelled_closes(upstream: NativeUpstream) -> None:
    async with server(STREAM.removesuffix(LAST)) as provider:
        answer = await upstream.open(at(provider.url))
        await answer.read()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(native.LINGER / 5):
                await answer.aclose()
        async with asyncio.timeout(2):
            await provider.closed.wait()


async def test_a_connection_that_the_provider_closed_is_not_used_again(upstream: NativeUpstream) -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        writer.close()

    async with server(play) as provider:
        for _ in range(3):
            assert text_of(await drained(await upstream.open(at(provider.url)))) == "Hello"
            await asyncio.sleep(0.01)


# ---- providers that cannot be reached
async def test_a_refused_connection(upstream: NativeUpstream) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = await refused(upstream, at(f"http://127.0.0.1:{taken.getsockname()[1]}"))
    assert (error.status, error.code, error.provider_status) == (502, "connect_error", None)


async def test_a_host_that_does_not_exist(upstream: NativeUpstream) -> None:
    error = await refused(upstream, at("http://no-such-host.invalid"))
    assert (error.status, error.code) == (502, "connect_error")
    assert "no-such-host" not in error.message


async def test_a_connection_that_is_not_taken(upstream: NativeUpstream) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            error = await refused(upstream, at(url, timeouts={"connect": 0.1}))
    assert (error.status, error.code) == (504, "connect_timeout")
    assert "timeouts.connect" in error.message


async def test_a_server_that_does_not_speak_tls(upstream: NativeUpstream) -> None:
    async with server(STREAM) as provider:
        error = await refused(upstream, at(provider.url.replace("http:", "https:"), timeouts={"connect": 1}))
    assert error.status in (502, 504) and error.provider_status is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_certificate_must_be_trusted(
    upstream: NativeUpstream, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    """As a bundle named by the environment can make it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    async with server(STREAM, tls=context) as provider:
        if trusted:
            assert text_of(await drained(await upstream.open(at(provider.url)))) == "Hello"
        else:
            error = await refused(upstream, at(provider.url))
            assert (error.status, error.code) == (502, "tls_error")
            assert not provider.heads


# ---- providers that refuse
@pytest.mark.parametrize(
    ("status", "ours", "code"),
    [
        (400, 400, None),
        (401, 502, "provider_auth_error"),
        (404, 404, "model_not_found"),
        (429, 429, None),
        (500, 502, "upstream_error"),
        (503, 503, "overloaded"),
        (529, 503, "overloaded"),
    ],
)
@pytest.mark.parametrize("api", APIS)
async def test_a_refusal_is_told_by_its_class(
    sim: Simulator, upstream: NativeUpstream, api: str, status: int, ours: int, code: str | None
) -> None:
    error = await refused(upstream, at(sim.url, api, model=f"sim-chat.fail-{status}.retry-7"))
    assert (error.status, error.provider_status) == (ours, status)
    assert code is None or error.code == code
    assert error.retry_after == (7 if ours in (429, 503) else None)
    assert KEY not in error.message


async def test_a_refusal_in_pieces_is_read_whole(upstream: NativeUpstream) -> None:
    body = b'{"error":{"message":"The third parameter is wrong.","param":"third","code":"wrong"}}'

    async def play(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        for piece in (head, body[:20], body[20:50], body[50:]):
            writer.write(piece)
            await asyncio.sleep(0.01)

    async with server(play) as provider:
        error = await refused(upstream, at(provider.url))
    assert (error.message, error.param, error.code) == ("The third parameter is wrong.", "third", "wrong")


async def test_a_refusal_that_does_not_end_is_told_in_time(
    upstream: NativeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "ERROR_SECONDS", 0.1)
    async with server(b'HTTP/1.1 500 Error\r\ncontent-length: 99\r\n\r\n{"error":') as provider:
        error = await refused(upstream, at(provider.url))
        assert (error.status, error.provider_status) == (502, 500)
        async with asyncio.timeout(2):
            await provider.closed.wait()


async def test_a_refusal_without_end_is_not_read_to_it(upstream: NativeUpstream) -> None:
    sent = 0

    async def play(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 500 Error\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(chunk(b"x" * 65_536))
            sent += 65_536
            await writer.drain()

    async with server(play) as provider:
        error = await refused(upstream, at(provider.url))
        assert error.status == 502
        async with asyncio.timeout(2):
            await provider.closed.wait()
    assert sent < 20_000_000  # what the sockets hold


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(sim: Simulator, upstream: NativeUpstream, status: int) -> None:
    """It would take our key and the client's words to another address."""
    location = f"HTTP/1.1 {status} Moved\r\nlocation: {sim.url}/v1/chat/completions\r\ncontent-length: 0\r\n\r\n"
    async with server(location.encode()) as provider:
        error = await refused(upstream, at(provider.url))
    assert (error.status, error.code, error.provider_status) == (502, "upstream_error", status)
    assert not sim.calls


@pytest.mark.parametrize("wrong", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"])
async def test_what_is_no_http_is_a_failure_of_the_provider(upstream: NativeUpstream, wrong: bytes) -> None:
    async with server(wrong) as provider:
        error = await refused(upstream, at(provider.url))
    assert (error.status, error.code) == (502, "upstream_died")


# ---- providers that die in mid-answer
@pytest.mark.parametrize("fault", ["drop", "reset", "eof"])
@pytest.mark.parametrize("api", APIS)
async def test_an_answer_that_breaks_off_raises(sim: Simulator, upstream: NativeUpstream, api: str, fault: str) -> None:
    answer = await upstream.open(at(sim.url, api, model=f"sim-chat.pace-10.after-3-{fault}"))
    with pytest.raises(UpstreamError) as caught:
        await drained(answer)
    assert (caught.value.status, caught.value.code) == (502, "upstream_died")
    await answer.aclose()


@pytest.mark.parametrize("reset", [True, False])
async def test_what_came_before_the_connection_broke_is_not_lost(upstream: NativeUpstream, reset: bool) -> None:
    """However late it is read; here it is all of the answer."""

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM.removesuffix(LAST))
        await asyncio.sleep(0.01)
        if reset:
            writer.transport.abort()
        else:
            writer.close()

    async with server(play) as provider:
        answer = await upstream.open(at(provider.url))
        async with asyncio.timeout(2):
            await provider.closed.wait()
        await asyncio.sleep(0.02)
        events = await drained(answer)
    assert text_of(events) == "Hello" and events[-1] == End("natural")


async def test_an_event_without_end_is_a_fault(upstream: NativeUpstream) -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while True:
            writer.write(chunk(b"data: " + b"x" * 200_000))
            await writer.drain()

    async with server(play) as provider:
        events = await drained(await upstream.open(at(provider.url)))
        assert isinstance(events[-1], Fault) and events[-1].kind == "event_too_large"
        async with asyncio.timeout(2):
            await provider.closed.wait()


async def test_a_whole_answer_without_end_is_a_fault(upstream: NativeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MOST_WHOLE_BYTES", 100_000)
    body = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999999\r\n\r\n" + b" " * 200_000
    async with server(body) as provider:
        events = await drained(await upstream.open(at(provider.url)))
    assert isinstance(events[-1], Fault) and events[-1].kind == "answer_too_large"


@pytest.mark.parametrize("guarded", [True, False])
async def test_an_error_that_the_provider_reports_in_its_answer_is_scrubbed(
    upstream: NativeUpstream, guarded: bool
) -> None:
    event = f'data: {{"error":{{"message":"no, {KEY}, the secret answer","code":503}}}}\n\n'.encode()
    async with server(HEAD + chunk(said("Hel") + event)) as provider:
        events = await drained(await upstream.open(at(provider.url, guarded=guarded)))
    fault = events[-1]
    assert isinstance(fault, Fault) and KEY not in fault.message
    assert ("secret answer" in fault.message) is not guarded


# ---- what goes up
@pytest.mark.parametrize("api", APIS)
async def test_nothing_of_this_client_goes_up_but_what_the_request_says(
    sim: Simulator, upstream: NativeUpstream, api: str
) -> None:
    await drained(await upstream.open(at(sim.url, api)))
    [told] = sim.calls
    assert told.headers["accept-encoding"] == "identity"
    assert told.headers["accept"] == "text/event-stream"
    assert not {"user-agent", "cookie", "x-forwarded-for", "via"} & told.headers.keys()


async def test_cookies_are_not_kept(upstream: NativeUpstream) -> None:
    async with server(STREAM.replace(b"\r\n\r\n", b"\r\nset-cookie: id=1; path=/\r\n\r\n", 1)) as provider:
        for _ in range(2):
            await drained(await upstream.open(at(provider.url)))
        assert len(provider.heads) == 2 and "cookie" not in provider.heads[1].lower()


async def test_a_proxy_of_the_environment_is_used(upstream: NativeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(STREAM) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert text_of(await drained(await upstream.open(at("http://provider.invalid")))) == "Hello"
        assert proxy.heads[0].startswith("POST http://provider.invalid/v1/chat/completions HTTP/1.1\r\n")


@pytest.mark.parametrize("form", ["{host}", "{host}:{port}", "*"])
async def test_an_address_that_the_environment_excepts_is_reached_directly(
    sim: Simulator, upstream: NativeUpstream, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    async with server(STREAM) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", form.format(host=sim.host, port=sim.port))
        await drained(await upstream.open(at(sim.url)))
        assert len(sim.calls) == 1 and not proxy.heads


async def test_a_proxy_that_cannot_be_reached_is_a_connect_error(
    upstream: NativeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await refused(upstream, at("http://provider.invalid"))).code == "connect_error"
