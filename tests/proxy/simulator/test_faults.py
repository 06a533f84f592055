"""Each fault, as a client's socket sees it, in each format."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, InjectedFault, Simulator

pytestmark = pytest.mark.anyio
Build = Callable[..., Any]
Connect = Callable[[], Awaitable[Any]]
PROVIDERS = ["openai", "anthropic", "gemini"]
TEXT = "abcdefghijkl"
LAST_CHUNK = b"\r\n0\r\n\r\n"


def said(response: bytes) -> list[str]:
    """Return the text's pieces of four characters that the response contains, in order."""
    return [TEXT[at : at + 4] for at in range(0, len(TEXT), 4) if TEXT[at : at + 4].encode() in response]


@pytest.mark.parametrize(
    ("provider", "status", "kind"),
    [
        ("openai", 429, "rate_limit_exceeded"),
        ("openai", 500, "server_error"),
        ("anthropic", 429, "rate_limit_error"),
        ("anthropic", 529, "overloaded_error"),
        ("gemini", 429, "RESOURCE_EXHAUSTED"),
        ("gemini", 503, "UNAVAILABLE"),
    ],
)
async def test_an_error_before_the_first_byte_has_the_provider_s_shape_and_retry_after(
    sim: Simulator, http: httpx.AsyncClient, post: Build, provider: str, status: int, kind: str
) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault("status", status=status, retry_after=7))
    for stream in (True, False):
        response = await http.post(**post(provider, stream=stream).arguments)
        error = response.json()["error"]
        assert (response.status_code, response.headers["retry-after"]) == (status, "7")
        assert kind in (error.get("type"), error.get("code"), error.get("status"))
        assert (await sim.next_call()).outcome == ("refused" if status < 500 else "failed")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_error_event_comes_after_the_pieces_before_it(
    sim: Simulator, connect: Connect, post: Build, provider: str
) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault("error", after=2, status=529, message="Too busy."))
    wire = await connect()
    wire.writer.write(post(provider).wire)
    response = await wire.until(LAST_CHUNK)
    assert said(response) == ["abcd", "efgh"]
    assert b"Too busy." in response[response.index(b"efgh") :]
    assert (b"event: error\n" in response) == (provider == "anthropic")
    call = await sim.next_call()
    assert (await call.end(), call.chunks_sent, call.text_sent) == ("failed", 2, "abcdefgh")


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_dropped_connection_ends_without_the_last_chunk(
    sim: Simulator, connect: Connect, post: Build, provider: str
) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault("drop", after=2))
    wire = await connect()
    wire.writer.write(post(provider).wire)
    response = await wire.rest()
    assert said(response) == ["abcd", "efgh"] and not response.endswith(LAST_CHUNK)
    assert await (await sim.next_call()).end() == "dropped"


@pytest.mark.parametrize("after", [None, 0, 2])
async def test_a_reset_is_a_reset(sim: Simulator, connect: Connect, post: Build, after: int | None) -> None:
    sim.answers["m"] = Answer(TEXT, pace=0.02, fault=InjectedFault("reset", after=after))
    wire = await connect()
    wire.writer.write(post("openai").wire)
    with pytest.raises(ConnectionResetError):
        await wire.rest()
    assert await (await sim.next_call()).end() == "reset"


async def test_a_connection_dropped_before_the_head_sends_nothing(
    sim: Simulator, connect: Connect, post: Build
) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault("drop"))
    wire = await connect()
    wire.writer.write(post("openai").wire)
    assert await wire.rest() == b""
    call = await sim.next_call()
    assert (call.outcome, call.bytes_sent, call.first_byte) == ("dropped", 0, None)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_clean_end_without_a_finish_keeps_the_connection(
    sim: Simulator, connect: Connect, post: Build, provider: str
) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault("eof", after=9, times=1))
    wire = await connect()
    wire.writer.write(post(provider).wire)
    response = await wire.until(LAST_CHUNK)
    assert said(response) == ["abcd", "efgh", "ijkl"]
    assert not any(end in response for end in (b'"stop"', b"[DONE]", b"end_turn", b"message_stop", b"STOP"))
    wire.writer.write(post(provider).wire)
    response = await wire.until(LAST_CHUNK)
    assert any(end in response for end in (b"[DONE]", b"message_stop", b"STOP"))


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_after_a_malformed_event_all_goes_on(
    sim: Simulator, connect: Connect, post: Build, events: Callable[[str], list[Any]], provider: str
) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault("malformed", after=1))
    wire = await connect()
    wire.writer.write(post(provider).wire)
    response = await wire.until(LAST_CHUNK)
    assert said(response) == ["abcd", "efgh", "ijkl"]
    with pytest.raises(ValueError):
        events(response.decode())


@pytest.mark.parametrize(("after", "seen", "events"), [(0, b"\r\n\r\n", 0), (1, b"abcd", 2)])
async def test_a_stall_is_silence_on_an_open_connection(
    sim: Simulator, connect: Connect, post: Build, after: int, seen: bytes, events: int
) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault("stall", after=after))
    wire = await connect()
    wire.writer.write(post("openai").wire)
    response = await wire.until(seen) + bytes(wire.seen)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            while data := await wire.reader.read(65536):
                response += data
    assert response.count(b"data:") == events
    assert (await sim.next_call()).outcome is None and sim.connections == 1


@pytest.mark.parametrize(
    ("kind", "complete"), [("drop", False), ("eof", True), ("malformed", True)], ids=["drop", "eof", "malformed"]
)
async def test_a_whole_answer_is_cut_in_half(
    sim: Simulator, http: httpx.AsyncClient, post: Build, kind: Any, complete: bool
) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault(kind, after=1))
    request = http.post(**post("openai", stream=False).arguments)
    if not complete:
        with pytest.raises(httpx.RemoteProtocolError):
            await request
        return
    with pytest.raises(ValueError):
        (await request).json()


async def test_a_whole_answer_s_error_is_a_status(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    sim.answers["m"] = Answer(TEXT, fault=InjectedFault("error", after=1, status=503))
    assert (await http.post(**post("gemini", stream=False).arguments)).status_code == 503


async def test_only_the_first_calls_fail_when_told_so(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    request = post("openai", "sim-chat.fail-429.times-2")
    statuses = [(await http.post(**request.arguments)).status_code for _ in range(4)]
    assert statuses == [429, 429, 200, 200]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"kind": "status", "after": 1}, "before the head"),
        ({"kind": "error"}, "give `after`"),
        ({"kind": "stall", "after": -1}, "0 or more"),
        ({"kind": "status", "status": 200}, "400 to 599"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_advice(members: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        InjectedFault(**members)
