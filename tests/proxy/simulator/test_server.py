"""The simulator as a server: choice of answers, records, sent bytes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, Ask, Simulator

pytestmark = pytest.mark.anyio
Build = Callable[..., Any]
Connect = Callable[[], Awaitable[Any]]
LAST_CHUNK = b"\r\n0\r\n\r\n"


def content(response: httpx.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


async def test_a_given_answer_is_played_exactly(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    sim.answers["gpt-4o"] = Answer("longer than the limit")
    assert content(await http.post(**post("openai", "gpt-4o", stream=False, max_tokens=1).arguments)) == (
        "longer than the limit"
    )


async def test_answers_one_after_the_other(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    sim.answers["m"] = [Answer("first"), Answer("second")]
    told = [content(await http.post(**post("openai", stream=False).arguments)) for _ in range(3)]
    assert told == ["first", "second", "second"]


async def test_an_answer_may_be_a_function_of_the_request(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    def say(ask: Ask) -> Answer:
        return Answer(f"{ask.provider} {ask.prompt}")

    sim.answers["m"] = say
    assert content(await http.post(**post("openai", stream=False).arguments)) == "openai hi"


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
async def test_a_call_is_on_record(sim: Simulator, http: httpx.AsyncClient, post: Build, provider: str) -> None:
    request = post(provider, "sim.tokens-3")
    response = await http.post(**request.arguments)
    call = await sim.next_call()
    assert (call.provider, call.model, call.outcome) == (provider, "sim.tokens-3", "completed")
    assert call.path == request.path.partition("?")[0] and call.body == request.body
    assert request.headers.items() <= call.headers.items()
    assert (call.chunks_sent, call.text_sent) == (3, "Hello! I am ")
    assert call.started <= (call.first_byte or 0) <= (call.finished or 0)
    assert call.bytes_sent > len(response.content)
    assert "key" not in repr(call)


async def test_next_call_waits_for_each_call_once(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    waiting = asyncio.gather(sim.next_call(), sim.next_call())
    for _ in range(2):
        await http.post(**post("openai").arguments)
    assert [call.number for call in await waiting] == [1, 2]
    with pytest.raises(TimeoutError):
        await sim.next_call(timeout=0.01)


async def test_connections_are_kept_and_numbered(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    for stream in (True, False, True):
        await http.post(**post("openai", stream=stream).arguments)
    async with httpx.AsyncClient(base_url=sim.url, verify=False, trust_env=False) as other:
        await other.post(**post("openai").arguments)
    assert [call.connection for call in sim.calls] == [1, 1, 1, 2]


async def test_a_connection_closes_when_the_client_asked_so(sim: Simulator, connect: Connect, post: Build) -> None:
    request = post("openai")
    request.headers["connection"] = "close"
    wire = await connect()
    wire.writer.write(request.wire)
    assert (await wire.rest()).endswith(LAST_CHUNK)


async def test_requests_sent_ahead_are_answered_in_order(sim: Simulator, connect: Connect, post: Build) -> None:
    wire = await connect()
    wire.writer.write(b"".join(post("openai", f"sim.pace-{pace}.tokens-3").wire for pace in (20, 0, 10)))
    models = []
    for _ in range(3):
        response = await wire.until(LAST_CHUNK)
        models += [model for model in (b"pace-20", b"pace-0", b"pace-10") if model in response]
    assert models == [b"pace-20", b"pace-0", b"pace-10"]


@pytest.mark.parametrize("cut", [1, 7])
@pytest.mark.parametrize("pace", [0, 0.001])
async def test_cut_writes_change_no_byte(sim: Simulator, connect: Connect, post: Build, cut: int, pace: float) -> None:
    sim.answers["whole"] = Answer("Grüße, 世界" * 3)
    sim.answers["m-cut"] = Answer("Grüße, 世界" * 3, cut=cut, pace=pace)
    wire = await connect()
    told = []
    for model in ("whole", "m-cut"):
        wire.writer.write(post("anthropic", model).wire)
        response = await wire.until(LAST_CHUNK)
        told.append(response.partition(b"\r\n\r\n")[2].replace(model.encode(), b""))
    call = (await sim.next_call(), await sim.next_call())[1]
    assert (await call.end(), call.text_sent) == ("completed", "Grüße, 世界" * 3)
    without_ids = [b"".join(part[24:] for part in one.split(b"msg_")) for one in told]
    assert without_ids[0] == without_ids[1]


async def test_cut_writes_arrive_one_by_one(sim: Simulator, post: Build) -> None:
    sim.answers["m"] = Answer("text", cut=5)
    arrived: list[bytes] = []
    done = asyncio.Event()

    class Client(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            arrived.append(data)
            if b"".join(arrived).endswith(LAST_CHUNK):
                done.set()

    transport, _ = await asyncio.get_running_loop().create_connection(Client, sim.host, sim.port)
    transport.write(post("openai").wire)
    async with asyncio.timeout(5):
        await done.wait()
    transport.abort()
    assert len(arrived) > len(b"".join(arrived)) / 5 / 2


async def test_a_drip_comes_byte_by_byte_in_its_time(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    sim.answers["m"] = Answer("text", cut=40, drip=0.005)
    response = await http.post(**post("openai").arguments)
    call = await sim.next_call()
    assert await call.end() == "completed" and response.text.endswith("data: [DONE]\n\n")
    assert call.finished is not None and call.first_byte is not None
    assert call.finished - call.first_byte >= 0.005 * (call.bytes_sent // 40 - 1) * 0.9


async def test_pieces_are_paced_on_an_absolute_schedule(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    sim.answers["m"] = Answer("abcd" * 11, head_delay=0.02, first_delay=0.03, pace=0.01)
    await http.post(**post("openai").arguments)
    call = await sim.next_call()
    assert call.first_byte is not None and call.finished is not None
    assert call.first_byte - call.started >= 0.015
    assert 0.14 <= call.finished - call.started < 2


async def test_a_batch_is_one_write(sim: Simulator, connect: Connect, post: Build) -> None:
    sim.answers["m"] = Answer("abcdefghijkl", batch=2, pace=0.05)
    wire = await connect()
    wire.writer.write(post("openai").wire)
    first = await wire.until(b"abcd")
    assert b"efgh" in bytes(wire.seen) and b"ijkl" not in first + bytes(wire.seen)


async def test_whole_answers_take_the_time_of_their_pieces(
    sim: Simulator, http: httpx.AsyncClient, post: Build
) -> None:
    sim.answers["m"] = Answer("abcd" * 10, pace=0.01)
    await http.post(**post("openai", stream=False).arguments)
    call = await sim.next_call()
    assert (call.first_byte or 0) - call.started >= 0.09


async def test_usage_can_be_left_out(
    sim: Simulator, http: httpx.AsyncClient, post: Build, events: Callable[[str], list[Any]]
) -> None:
    for provider, members in (
        ("openai", {"stream_options": {"include_usage": True}}),
        ("anthropic", {}),
        ("gemini", {}),
    ):
        text = (await http.post(**post(provider, "sim.nousage", **members).arguments)).text
        assert events(text) and "usage" not in text.lower().replace("nousage", "")


async def test_records_are_bounded(http: httpx.AsyncClient, post: Build, anyio_backend: object) -> None:
    async with Simulator(keep=3) as sim, httpx.AsyncClient(base_url=sim.url, verify=False, trust_env=False) as client:
        for _ in range(5):
            await client.post(**post("openai").arguments)
        assert [call.number for call in sim.calls] == [3, 4, 5]


async def test_unparsable_and_unknown_requests_are_refused(sim: Simulator, http: httpx.AsyncClient) -> None:
    headers = {"authorization": "Bearer key"}
    for body in (b"{", b"\xff", b"[" * 100_000):
        response = await http.post("/v1/chat/completions", content=body, headers=headers)
        assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (await http.post("/v1/audio/speech", json={})).status_code == 404
    assert (await http.get("/v1/chat/completions")).status_code == 404


async def test_stopping_cuts_what_runs(post: Build, anyio_backend: object) -> None:
    async with Simulator() as sim:
        _, writer = await asyncio.open_connection(sim.host, sim.port)
        writer.write(post("openai", "sim.hang").wire)
        call = await sim.next_call()
    assert sim.connections == 0 and call.ended.is_set()
    writer.close()
