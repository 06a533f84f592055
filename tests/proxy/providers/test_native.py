"""The native upstream against real sockets: the simulator if it is enough, else a server that sends exact bytes.

test_native_failures.py has providers that cannot be reached, reject requests or die.
"""

import asyncio

import pytest

from policies.events import End, Event, Finish
from proxy.formats.base import DecodeError
from proxy.providers import litellm
from proxy.providers.native import NativeUpstream
from proxy.simulator import Answer, Simulator
from proxy.tasks import spawn
from tests.proxy.providers.hostile import sse
from tests.proxy.providers.serving import APIS, HEAD, LAST, STREAM, at, chunk, drained, refused, server, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    litellm.warm(APIS)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


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
    events: list[Event | DecodeError] = []
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
    """No task waits for it. The answer is closed at once, and its connection is returned."""
    said = asyncio.Event()

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM.removesuffix(LAST))
        if late:
            await asyncio.sleep(0.05)
            writer.write(LAST)
        said.set()

    async with server(play) as provider:
        for _ in range(2):
            said.clear()
            await drained(await upstream.open(at(provider.url)))
            assert said.is_set() is not late
            async with asyncio.timeout(5):
                await (said if late else provider.closed).wait()
            await asyncio.sleep(0.01)
        assert provider.connections == (1 if late else 2)


@pytest.mark.parametrize("behind", [b": bye\n\n", b"\n\n", b"data: more\n\n", b"HTTP/1.1 200 OK"])
@pytest.mark.parametrize("later", [True, False])
async def test_behind_the_end_of_an_answer_its_body_may_have_blank_lines_and_no_more(
    upstream: NativeUpstream, behind: bytes, later: bool
) -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM.removesuffix(LAST) + (b"" if later else chunk(behind) + LAST))
        if later:
            await asyncio.sleep(0.05)
            writer.write(chunk(behind) + LAST)

    async with server(play) as provider:
        for _ in range(2):
            assert text_of(await drained(await upstream.open(at(provider.url)))) == "Hello"
            await asyncio.sleep(0.1)
        assert provider.connections == (1 if not behind.strip() else 2)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])  # Gemini's format has no end but that of its bytes
async def test_events_behind_the_end_are_ignored_and_close(upstream: NativeUpstream, kind: str) -> None:
    stream = b"".join(sse(kind, "Hello")) + sse(kind, "Bye")[0]
    async with server(HEAD + chunk(stream) + LAST) as provider:
        for _ in range(2):
            assert text_of(await drained(await upstream.open(at(provider.url, kind)))) == "Hello"
        assert provider.connections == 2


async def test_a_refusal_that_is_read_to_its_end_keeps_its_connection(upstream: NativeUpstream) -> None:
    async with server(b"HTTP/1.1 429 Slow down\r\ncontent-length: 2\r\n\r\n{}") as provider:
        for _ in range(3):
            assert (await refused(upstream, at(provider.url))).status == 429
        assert provider.connections == 1


async def test_a_connection_that_the_provider_closed_is_not_used_again(upstream: NativeUpstream) -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        writer.close()

    async with server(play) as provider:
        for _ in range(3):
            assert text_of(await drained(await upstream.open(at(provider.url)))) == "Hello"
            await asyncio.sleep(0.01)


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
