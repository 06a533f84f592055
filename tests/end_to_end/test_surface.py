"""The HTTP surface: routes, ids, headers, probes, keep-alives."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, InjectedFault
from tests.end_to_end.clients import CHAT, ask, chunks_of, data_of, failure_of, plain, text_of
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("provider", PROVIDERS)

MINTED = re.compile(r"chatcmpl-[0-9a-f]{32}")
ENVELOPE = {"message", "type", "param", "code"}
QUICK = CONFIG.replace("port: 0", "port: 0, keep_alive: 0.1")


@pytest.fixture(scope="module")
async def shared_quick(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(QUICK) as run:
        yield run


@pytest.fixture
async def quick(shared_quick: Running) -> AsyncIterator[Running]:
    """A gateway that sends comments after 0.1 s of silence."""
    async with fresh(shared_quick) as run:
        yield run


# ---- routes
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions"])
@pytest.mark.parametrize("stream", [True, False])
async def test_chat_completions_are_served_with_and_without_v1(
    run: Running, http: httpx.AsyncClient, path: str, stream: bool
) -> None:
    run.sim.answers["m"] = Answer("Hello")
    response = await http.post(path, json=ask("openai-m", stream=stream))
    assert response.status_code == 200
    assert "Hello" in response.text


@pytest.mark.parametrize("prefix", ["/v1", ""])
async def test_models_are_listed_and_shown(http: httpx.AsyncClient, prefix: str) -> None:
    listed = (await http.get(f"{prefix}/models")).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["openai-*", "anthropic-*", "gemini-*"]
    assert all(set(model) == {"id", "object", "created", "owned_by"} for model in listed["data"])
    shown = await http.get(f"{prefix}/models/gemini-2.5-flash")
    assert shown.status_code == 200
    assert (shown.json()["id"], shown.json()["owned_by"]) == ("gemini-2.5-flash", "gemini")
    unknown = await http.get(f"{prefix}/models/nothing-like-it")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


async def test_probes_answer_without_a_key(anyio_backend: object) -> None:
    keys = "auth: {{keys: [{{name: a, key: a-key-0123456789}}]}}\n"
    async with running(extra=keys) as run, plain(run.url) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).json() == {"status": "ready"}
        run.gateway.streams.draining = True
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/chat/completions", 405, "POST"),
        ("PUT", "/chat/completions", 405, "POST"),
        ("DELETE", "/v1/models", 405, "GET, HEAD"),
        ("GET", "/v1/chat/completions/x/cancel", 405, "POST"),
        ("POST", "/healthz", 405, "GET, HEAD"),
        ("GET", "/", 404, None),
        ("POST", "/v1/audio/speech", 404, None),
        ("GET", "/v2/models", 404, None),
    ],
)
async def test_other_routes_and_methods_get_the_envelope(
    http: httpx.AsyncClient, method: str, path: str, status: int, allow: str | None
) -> None:
    response = await http.request(method, path)
    assert response.status_code == status
    assert set(response.json()["error"]) == ENVELOPE
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert sorted(response.headers.get("allow", "").split(", ")) == sorted((allow or "").split(", "))
    assert MINTED.fullmatch(response.headers["x-request-id"])


async def test_a_fault_of_the_gateway_itself_gets_the_envelope_and_no_more(anyio_backend: object) -> None:
    async with running() as run, plain(run.url) as http:
        run.gateway.upstreams = {}
        response = await http.post(CHAT, json=ask("openai-m", stream=True))
        assert response.status_code == 500
        assert response.json()["error"]["code"] == "internal_error"
        assert (await run.recorded()).outcome == "failed"


# ---- ids and headers
@each_provider
async def test_a_streams_headers(run: Running, http: httpx.AsyncClient, provider: str) -> None:
    run.sim.answers["m"] = Answer("Hello")
    response = await http.post(CHAT, json=ask(f"{provider}-m", stream=True))
    headers = response.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert MINTED.fullmatch(headers["x-sluice-id"])
    assert headers["x-request-id"] == headers["x-sluice-id"] == chunks_of(response.text)[0]["id"]
    assert "server" not in headers and "content-encoding" not in headers
    record = await run.recorded()
    assert record.id == headers["x-sluice-id"]
    assert record.provider_id and record.provider_id != record.id
    assert record.provider_id not in response.text


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("abc_DEF.1:2-3", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("with space", False),
        ("semi;colon", False),
        ("臺北", False),
        ("<script>", False),
    ],
)
@pytest.mark.parametrize("model", ["openai-m", "unknown"], ids=["answered", "refused"])
async def test_a_request_id_is_echoed_if_it_is_usable_and_minted_otherwise(
    run: Running, http: httpx.AsyncClient, model: str, sent: str, echoed: bool
) -> None:
    run.sim.answers["m"] = Answer("Hello")
    response = await http.post(CHAT, json=ask(model), headers={b"x-request-id": sent.encode()})
    assert MINTED.fullmatch(response.headers["x-sluice-id"])
    assert response.headers["x-request-id"] == (sent if echoed else response.headers["x-sluice-id"])
    assert (await run.recorded()).id == response.headers["x-sluice-id"]


async def test_ids_are_never_the_same(http: httpx.AsyncClient) -> None:
    ids = {(await http.get("/v1/models")).headers["x-sluice-id"] for _ in range(20)}
    assert len(ids) == 20


# ---- a stream's time
@each_provider
async def test_events_come_when_the_provider_sends_them(run: Running, http: httpx.AsyncClient, provider: str) -> None:
    run.sim.answers["m"] = Answer("one two ", chunk=4, fault=InjectedFault("stall", after=1))
    async with http.stream("POST", CHAT, json=ask(f"{provider}-m", stream=True)) as response:
        async with asyncio.timeout(5):
            first = await anext(response.aiter_text())
    assert text_of([json.loads(data) for data in data_of(first)]) == "one "
    await (await run.sim.next_call()).left()


@each_provider
async def test_a_silent_provider_is_covered_by_comments(quick: Running, provider: str) -> None:
    async with plain(quick.url) as http:
        quick.sim.answers["m"] = Answer("one two ", chunk=4, head_delay=0.25, pace=0.25)
        response = await http.post(CHAT, json=ask(f"{provider}-m", stream=True))
        before, _, after = response.text.partition("one ")
        assert before.startswith(": keep-alive\n\n") and ": keep-alive\n\n" in after
        assert 2 <= response.text.count(": keep-alive\n\n") <= 8
        assert text_of(chunks_of(response.text)) == "one two "
        assert (await quick.recorded()).outcome == "completed"


@each_provider
async def test_a_chatty_provider_is_not(run: Running, http: httpx.AsyncClient, provider: str) -> None:
    run.sim.answers["m"] = Answer("word " * 50, chunk=5, pace=0.002)
    response = await http.post(CHAT, json=ask(f"{provider}-m", stream=True))
    assert ": keep-alive" not in response.text


async def test_a_whole_answer_gets_no_comments(quick: Running) -> None:
    async with plain(quick.url) as http:
        quick.sim.answers["m"] = Answer("Hello", head_delay=0.25)
        response = await http.post(CHAT, json=ask("openai-m"))
        assert response.json()["choices"][0]["message"]["content"] == "Hello"


@pytest.mark.parametrize(
    "fault",
    [InjectedFault("status", status=429, retry_after=3), InjectedFault("drop"), InjectedFault("error", after=0)],
    ids=lambda f: f.kind,
)
@each_provider
async def test_a_failure_behind_comments_is_an_error_event(quick: Running, provider: str, fault: InjectedFault) -> None:
    async with plain(quick.url) as http:
        quick.sim.answers["m"] = Answer(head_delay=0.25, fault=fault)
        response = await http.post(CHAT, json=ask(f"{provider}-m", stream=True))
        assert response.status_code == 200
        assert response.text.startswith(": keep-alive\n\n")
        chunks, error = failure_of(response.text)
        assert chunks == []
        assert set(error) == ENVELOPE
        record = await quick.recorded()
        assert (record.outcome, record.status) == ("upstream_error", 200)


async def test_a_connection_serves_one_request_after_another(run: Running) -> None:
    run.sim.answers["m"] = Answer("Hello", chunk=1)
    limits: Any = httpx.Limits(max_connections=1)
    async with plain(run.url, limits=limits) as http:
        for stream in (True, False, True):
            response = await http.post(CHAT, json=ask("openai-m", stream=stream))
            assert response.status_code == 200
            assert "connection" not in response.headers
