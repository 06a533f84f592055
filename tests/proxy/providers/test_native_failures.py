"""Errors of the native upstream for providers that cannot be reached, reject requests, or die in mid-answer."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from policies.events import End
from proxy.errors import AnswerTooLarge, UpstreamError
from proxy.formats.base import DecodeError
from proxy.providers import litellm, sending
from proxy.providers.answer import MAX_VALUES
from proxy.providers.native import NativeUpstream
from proxy.simulator import Simulator
from tests.proxy.providers.calls import KEY
from tests.proxy.providers.serving import APIS, HEAD, LAST, STREAM, at, chunk, drained, refused, said, server, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    litellm.warm(APIS)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


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
            assert (error.status, error.code) == (502, "tls_error") and "certificate" in error.message
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
    monkeypatch.setattr(sending, "MAX_ERROR_SECONDS", 0.1)
    async with server(b'HTTP/1.1 500 Error\r\ncontent-length: 99\r\n\r\n{"error":') as provider:
        error = await refused(upstream, at(provider.url))
        assert (error.status, error.provider_status) == (502, 500)
        async with asyncio.timeout(5):
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
        async with asyncio.timeout(5):
            await provider.closed.wait()
    assert sent < 20_000_000  # what the sockets hold


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(sim: Simulator, upstream: NativeUpstream, status: int) -> None:
    """It would send our key and the client's words to another address."""
    location = f"HTTP/1.1 {status} Moved\r\nlocation: {sim.url}/v1/chat/completions\r\ncontent-length: 0\r\n\r\n"
    async with server(location.encode()) as provider:
        error = await refused(upstream, at(provider.url))
    assert (error.status, error.code, error.provider_status) == (502, "upstream_redirect", status)
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
    """The time of reading does not matter. Here it is all of the answer."""

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM.removesuffix(LAST))
        await asyncio.sleep(0.01)
        if reset:
            writer.transport.abort()
        else:
            writer.close()

    async with server(play) as provider:
        answer = await upstream.open(at(provider.url))
        async with asyncio.timeout(5):
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
        assert isinstance(events[-1], DecodeError) and events[-1].kind == "event_too_large"
        async with asyncio.timeout(5):
            await provider.closed.wait()


async def test_a_whole_answer_without_end_is_an_error_that_names_the_bound(upstream: NativeUpstream) -> None:
    body = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999999\r\n\r\n" + b"{" + b" " * 199_999
    )
    async with server(body) as provider:
        answer = await upstream.open(replace(at(provider.url), max_answer=100_000))
        with pytest.raises(AnswerTooLarge, match="max_answer_mb"):
            await drained(answer)
        await answer.aclose()
        async with asyncio.timeout(5):
            await provider.closed.wait()


@pytest.mark.parametrize("streamed", [True, False])
async def test_more_values_than_a_parser_takes_in_a_moment_are_a_fault(
    upstream: NativeUpstream, streamed: bool
) -> None:
    values = b"[" + b"[]," * (MAX_VALUES + 1) + b"0]"
    if streamed:
        body = HEAD + chunk(b'data: {"x":' + values + b"}\n\n")
    else:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        body = head % len(values) + values
    async with server(body) as provider:
        events = await drained(await upstream.open(at(provider.url)))
    assert isinstance(events[-1], DecodeError) and events[-1].kind == "event_too_large"


@pytest.mark.parametrize("guarded", [True, False])
async def test_an_error_that_the_provider_reports_in_its_answer_is_scrubbed(
    upstream: NativeUpstream, guarded: bool
) -> None:
    event = f'data: {{"error":{{"message":"no, {KEY}, the secret answer","code":503}}}}\n\n'.encode()
    async with server(HEAD + chunk(said("Hel") + event)) as provider:
        events = await drained(await upstream.open(at(provider.url, guarded=guarded)))
    fault = events[-1]
    assert isinstance(fault, DecodeError) and fault.error is not None and KEY not in fault.error.message
    assert ("secret answer" in fault.error.message) is not guarded
