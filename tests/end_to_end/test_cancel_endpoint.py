"""POST /v1/chat/completions/{id}/cancel: the client that started a stream can stop it, and it still ends properly."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, InjectedFault
from proxy.tasks import spawn
from tests.end_to_end.clients import CHAT, ask, chunks_of, plain, text_of
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("provider", PROVIDERS)

KEYS = """
auth:
  keys:
    - {{name: own, key: own-key-0123456789}}
    - {{name: other, key: other-key-0123456789}}
    - {{name: ops, key: ops-key-0123456789, admin: true}}
"""
QUICK = CONFIG.replace("port: 0", "port: 0, keep_alive: 0.05")


def key(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {name}-key-0123456789"}


@pytest.fixture(scope="module")
async def shared_keyed(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(extra=KEYS) as run:
        yield run


@pytest.fixture
async def keyed(shared_keyed: Running) -> AsyncIterator[Running]:
    async with fresh(shared_keyed) as run:
        yield run


async def in_flight(run: Running) -> str:
    """Return the ID of the only request in flight, once the provider has it.

    Its client learns it with the first event.
    """
    await run.sim.next_call()
    (id,) = run.gateway.streams._running
    return id


@pytest.mark.parametrize("prefix", ["/v1", ""])
@each_provider
async def test_a_cancelled_stream_ends_well_and_its_provider_is_closed(
    run: Running, http: httpx.AsyncClient, provider: str, prefix: str
) -> None:
    run.sim.answers["m"] = Answer("one two three ", chunk=4, fault=InjectedFault("stall", after=2))
    options: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    async with http.stream("POST", CHAT, json=ask(f"{provider}-m", **options)) as response:
        parts = response.aiter_text()
        text = await anext(parts)
        while "two " not in text:
            text += await anext(parts)
        cancelled = await http.post(f"{prefix}/chat/completions/{response.headers['x-sluice-id']}/cancel")
        text += "".join([part async for part in parts])
    id = response.headers["x-sluice-id"]
    assert cancelled.json() == {"id": id, "object": "chat.completion.cancellation", "cancelled": True}
    chunks = [chunk for chunk in chunks_of(text) if chunk["choices"]]
    assert text_of(chunks) == "one two "
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["x_sluice"] == {"stopped_by": "cancel"}
    await (await run.sim.next_call()).left()
    record = await run.recorded()
    assert (record.outcome, record.stopped_by, record.finish_reasons) == ("client_cancelled", "cancel", {0: "length"})


@each_provider
async def test_a_cancelled_whole_answer_is_what_there_was(run: Running, http: httpx.AsyncClient, provider: str) -> None:
    run.sim.answers["m"] = Answer("one two three ", chunk=4, fault=InjectedFault("stall", after=2))
    asking = spawn(http.post(CHAT, json=ask(f"{provider}-m")))
    id = await in_flight(run)
    call = run.sim.calls[0]
    while call.chunks_sent < 2:
        await asyncio.sleep(0.005)
    await http.get("/healthz")  # a turn of the loop that all share, in which the gateway reads them
    assert (await http.post(f"{CHAT}/{id}/cancel")).status_code == 200
    response = await asking
    answer = response.json()
    assert answer["choices"][0]["message"]["content"] == "one two "
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["x_sluice"] == {"stopped_by": "cancel"}
    assert response.headers["x-sluice-stopped-by"] == "cancel"
    await call.left()


async def test_a_whole_answer_is_cancelled_by_the_id_that_its_client_gave(keyed: Running) -> None:
    keyed.sim.answers["m"] = Answer("one two three ", chunk=4, fault=InjectedFault("stall", after=2))
    async with plain(keyed.url) as http:
        mine = {**key("own"), "x-request-id": "job-17"}
        asked = spawn(http.post(CHAT, json=ask("openai-m"), headers=mine))
        call = await keyed.sim.next_call()
        assert (await http.post(f"{CHAT}/job-17/cancel", headers=key("other"))).status_code == 404
        assert (await http.post(f"{CHAT}/job-17/cancel", headers=key("own"))).status_code == 200
        answer = (await asked).json()
    await call.left()
    assert answer["choices"][0]["finish_reason"] == "length" and answer["x_sluice"] == {"stopped_by": "cancel"}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("fault", [InjectedFault("stall"), InjectedFault("stall", after=0)], ids=["no head", "no text"])
@each_provider
async def test_a_request_cancelled_before_its_first_text_is_an_empty_answer(
    run: Running, http: httpx.AsyncClient, provider: str, fault: InjectedFault, stream: bool
) -> None:
    run.sim.answers["m"] = Answer("one", fault=fault)
    asking = spawn(http.post(CHAT, json=ask(f"{provider}-m", stream=stream)))
    assert (await http.post(f"{CHAT}/{await in_flight(run)}/cancel")).status_code == 200
    response = await asking
    assert response.status_code == 200
    last = chunks_of(response.text)[-1] if stream else response.json()
    assert last["choices"][0]["finish_reason"] == "length"
    assert last["x_sluice"] == {"stopped_by": "cancel"}
    await run.sim.calls[0].left()


async def test_a_stream_cancelled_behind_keep_alives_ends_well(anyio_backend: object) -> None:
    async with running(QUICK) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("one", fault=InjectedFault("stall"))
        async with http.stream("POST", CHAT, json=ask("openai-m", stream=True)) as response:
            parts = response.aiter_text()
            text = await anext(parts)
            await http.post(f"{CHAT}/{response.headers['x-sluice-id']}/cancel")
            text += "".join([part async for part in parts])
        assert text.startswith(": keep-alive")
        assert chunks_of(text)[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("by", ["own", "ops"])
async def test_the_key_that_started_it_and_an_admin_may_cancel(keyed: Running, by: str) -> None:
    keyed.sim.answers["m"] = Answer("one", fault=InjectedFault("stall"))
    async with plain(keyed.url) as http:
        asking = spawn(http.post(CHAT, json=ask("openai-m"), headers=key("own")))
        response = await http.post(f"{CHAT}/{await in_flight(keyed)}/cancel", headers=key(by))
        assert response.status_code == 200
        assert (await asking).json()["x_sluice"] == {"stopped_by": "cancel"}


async def test_another_key_is_not_even_told_that_the_stream_exists(keyed: Running) -> None:
    keyed.sim.answers["m"] = Answer("one two ", chunk=4, fault=InjectedFault("stall", after=1))
    async with plain(keyed.url) as http:
        body = ask("openai-m", stream=True)
        async with http.stream("POST", CHAT, json=body, headers=key("own")) as response:
            parts = response.aiter_text()
            assert "one" in await anext(parts)
            id = response.headers["x-sluice-id"]
            refused = await http.post(f"{CHAT}/{id}/cancel", headers=key("other"))
            unknown = await http.post(f"{CHAT}/chatcmpl-{'0' * 32}/cancel", headers=key("other"))
            nobody = await http.post(f"{CHAT}/{id}/cancel")
            assert (refused.status_code, unknown.status_code, nobody.status_code) == (404, 404, 401)
            assert refused.text.replace(id, "") == unknown.text.replace(f"chatcmpl-{'0' * 32}", "")
            assert not keyed.sim.calls[0].closed_by_client.is_set()


async def test_a_stream_that_is_over_is_unknown(run: Running, http: httpx.AsyncClient) -> None:
    run.sim.answers["m"] = Answer("one")
    id = (await http.post(CHAT, json=ask("openai-m"))).headers["x-sluice-id"]
    response = await http.post(f"{CHAT}/{id}/cancel")
    assert response.status_code == 404
    assert json.loads(response.text)["error"]["code"] == "stream_not_found"


async def test_all_choices_end_when_a_stream_is_cancelled(run: Running, http: httpx.AsyncClient) -> None:
    run.sim.answers["m"] = Answer(("one two ", "uno due "), chunk=4, fault=InjectedFault("stall", after=2))
    async with http.stream("POST", CHAT, json=ask("openai-m", stream=True, n=2)) as response:
        parts = response.aiter_text()
        text = await anext(parts)
        while "uno " not in text:
            text += await anext(parts)
        await http.post(f"{CHAT}/{response.headers['x-sluice-id']}/cancel")
        text += "".join([part async for part in parts])
    chunks = chunks_of(text)
    ends = [choice["index"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"] == "length"]
    assert sorted(ends) == [0, 1]
    assert (text_of(chunks, 0), text_of(chunks, 1)) == ("one ", "uno ")
