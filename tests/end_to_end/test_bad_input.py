"""Bad input gets a clear error in OpenAI's envelope, and no request to a provider."""

import asyncio
import gzip
import inspect
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from openai.resources.chat.completions import AsyncCompletions

from proxy.providers import litellm
from proxy.simulator import Answer
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, running

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
SMALL = CONFIG.replace("port: 0", "port: 0, max_body_mb: 0.01")
GOOD = b'{"model": "openai-m", "messages": [{"role": "user", "content": "Hi"}], "user": "%b"}'
HI = [{"role": "user", "content": "Hi"}]


async def refused(run: Running, http: httpx.AsyncClient, status: int = 400, **request: Any) -> dict[str, Any]:
    """Send a request that must be rejected, and return its error. Check that nothing else happened."""
    run.records.clear()
    response = await http.post(CHAT, **request)
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert set(response.json()) == {"error"} and set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"] and len(error["message"]) < 700
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-sluice-id"].startswith("chatcmpl-")
    record = await run.recorded()
    assert len(run.records) == 1
    assert (record.outcome, record.status, record.attempts) == ("refused", status, 0)
    assert not run.sim.calls
    return error


# ---- bodies that are not a JSON object
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b'{"model": "openai-m", "messages": [',
        b"{'model': 'openai-m'}",
        b'{"model": "openai-m",}',
        b'{"model": "openai-m"} {}',
        b"null",
        b"[]",
        b'"text"',
        b"42",
        b"model=openai-m",
        b'{"model": "openai-m", "temperature": NaN}',
        b'{"model": "openai-m", "temperature": Infinity}',
        GOOD % b"\xff\xfe",
        GOOD % b"\xed\xa0\x80",
        GOOD % b"\\ud800",
        GOOD % b"a\\udc00b",
        GOOD % b"a\\u0000b",
        GOOD % b"a\0b",
        '{"model": "臺北"}'.encode("utf-16"),
        '{"model": "臺北"}'.encode("big5"),
    ],
)
async def test_a_body_that_is_no_json_object_in_utf_8(run: Running, http: httpx.AsyncClient, body: bytes) -> None:
    error = await refused(run, http, content=body, headers=JSON)
    assert error["code"] == "invalid_body"


@pytest.mark.parametrize("deep", [b"[" * 200 + b"]" * 200, b'{"a":' * 200 + b"1" + b"}" * 200, b"[" * 200_000])
async def test_nesting_that_is_too_deep(run: Running, http: httpx.AsyncClient, deep: bytes) -> None:
    body = b'{"model": "openai-m", "messages": [{"role": "user", "content": "Hi"}], "metadata": %b}' % deep
    await refused(run, http, content=body, headers=JSON)


# ---- fields
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"model": 7}, "model"),
    ({"model": ""}, "model"),
    ({"model": ["openai-m"]}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": {"role": "user", "content": "Hi"}}, "messages"),
    ({"messages": ["Hi"]}, "messages[0]"),
    ({"messages": [*HI, {"content": "Hi"}]}, "messages[1].role"),
    ({"messages": [{"role": "boss", "content": "Hi"}]}, "messages[0].role"),
    ({"messages": [{"role": 1, "content": "Hi"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}, "messages[0].content[0].text"),
    ({"messages": [*HI, {"role": "tool", "content": "7"}]}, "messages[1].tool_call_id"),
    ({"n": 0}, "n"),
    ({"n": -1}, "n"),
    ({"n": 10_000}, "n"),
    ({"n": "2"}, "n"),
    ({"n": True}, "n"),
    ({"n": 1.5}, "n"),
    ({"stream": "yes"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": []}, "stream_options"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": 3}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"max_tokens": "1"}, "max_tokens"),
    ({"max_completion_tokens": "all"}, "max_completion_tokens"),
    ({"stop": [7]}, "stop[0]"),
    ({"tools": {}}, "tools"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {"parameters": {}}}]}, "tools[0].function.name"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {"type": 7}}, "response_format.type"),
]


@pytest.mark.parametrize(("members", "param"), WRONG, ids=lambda value: json.dumps(value)[:60])
async def test_a_field_that_is_wrong_is_named(
    run: Running, http: httpx.AsyncClient, members: dict[str, Any], param: str
) -> None:
    error = await refused(run, http, json=ask("openai-m") | members)
    assert error["param"] == param
    assert param in error["message"]


@pytest.mark.parametrize("missing", ["model", "messages"])
async def test_a_field_that_is_missing_is_named(run: Running, http: httpx.AsyncClient, missing: str) -> None:
    body = ask("openai-m")
    del body[missing]
    error = await refused(run, http, json=body)
    assert (error["param"], error["code"]) == (missing, "missing_required_parameter")


# ---- models
@pytest.mark.parametrize(
    "model",
    [
        "../x",
        "gemini-../../secrets",
        "openai-a/../b",
        "gemini-m?key=1",
        "gemini-m#f",
        "gemini-m%2e%2e",
        "gemini-m x",
        "gemini-m\n",
        "gemini-m\\x",
        "x" * 300,
    ],
)
async def test_a_models_name_that_would_change_a_path(run: Running, http: httpx.AsyncClient, model: str) -> None:
    error = await refused(run, http, json=ask(model))
    assert (error["param"], error["code"]) == ("model", "invalid_value")


@pytest.mark.parametrize(
    "model", ["gpt-5", "openai", "OPENAI-m", "openai-*", "*", "gemini-a/b", "gemini-", "gemini-..", "臺北"]
)
async def test_a_model_that_nobody_configured(run: Running, http: httpx.AsyncClient, model: str) -> None:
    error = await refused(run, http, status=404, json=ask(model))
    assert (error["param"], error["code"]) == ("model", "model_not_found")


# ---- fields of the operator
STEERING = ["api_base", "mock_response", "mock_tool_calls", "custom_llm_provider", "headers", "extra_body"]
STEERING += ["num_retries", "fallbacks", "drop_params", "litellm_params", "aws_access_key_id", "vertex_credentials"]
"""Names that LiteLLM takes through its `**kwargs`."""


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_would_steer_litellm_is_refused(run: Running, http: httpx.AsyncClient, provider: str) -> None:
    openais = set(inspect.signature(AsyncCompletions.create).parameters) - {"extra_headers", "timeout"}
    keywords = set(inspect.signature(litellm.load().acompletion).parameters) - openais - {"kwargs", "thinking"}
    assert {"base_url", "api_key", "shared_session", "model_list"} <= keywords
    for name in [*sorted(keywords), *STEERING]:
        error = await refused(run, http, json=ask(f"{provider}-m") | {name: "http://127.0.0.1:1/"})
        assert (error["param"], error["code"]) == (name, "unsupported_parameter")


# ---- framing
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit(chunked: bool) -> None:
    body = GOOD % (b"x" * 20_000)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    async with running(SMALL) as run, plain(run.url) as http:
        error = await refused(run, http, 413, content=pieces() if chunked else body, headers=JSON)
        assert error["code"] == "request_too_large"
        assert "server.max_body_mb" in error["message"]
        run.sim.answers["m"] = Answer("Hello")
        assert (await http.post(CHAT, content=GOOD % b"", headers=JSON)).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
async def test_a_compressed_body(run: Running, http: httpx.AsyncClient, encoding: str) -> None:
    body = gzip.compress(GOOD % b"")
    await refused(run, http, 415, content=body, headers={**JSON, "content-encoding": encoding})


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "",
    ],
)
async def test_a_body_that_is_not_said_to_be_json(run: Running, http: httpx.AsyncClient, content_type: str) -> None:
    error = await refused(run, http, 415, content=GOOD % b"", headers={"content-type": content_type})
    assert error["code"] == "unsupported_content_type"


async def test_a_body_without_a_type(run: Running, http: httpx.AsyncClient) -> None:
    error = await refused(run, http, 415, content=GOOD % b"")
    assert error["code"] == "unsupported_content_type"


@asynccontextmanager
async def connected(run: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", run.port)
    try:
        yield reader, writer
    finally:
        writer.close()


@pytest.mark.parametrize("framing", [b"content-length: 500", b"transfer-encoding: chunked"])
@pytest.mark.parametrize("end", ["closed", "half-closed"])
async def test_an_unfinished_body(run: Running, http: httpx.AsyncClient, framing: bytes, end: str) -> None:
    piece = GOOD % b""
    if b"chunked" in framing:
        piece = b"%x\r\n%b\r\n" % (len(piece), piece)
    async with connected(run) as (_, writer):
        writer.write(b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" % CHAT.encode())
        writer.write(framing + b"\r\n\r\n" + piece)
        await writer.drain()
        await http.get("/healthz")  # a turn of the loop, in which the gateway reads what there is
        assert not run.records
        if end == "closed":
            writer.close()
        else:
            writer.write_eof()
        assert (await run.recorded()).outcome == "client_cancelled"
    assert len(run.records) == 1
    assert not run.sim.calls


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
NO_REQUESTS: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"nonsense\r\n\r\n", 400),
    "a negative length": (HEAD + b"content-length: -1\r\n\r\n", 400),
    "two lengths": (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
    "two framings": (HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
    "a large header": (HEAD + b"x: " + b"y" * 100_000 + b"\r\n\r\n", 431),
    "a long path": (b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", 431),
}


@pytest.mark.parametrize("kind", NO_REQUESTS)
async def test_what_is_no_request(run: Running, kind: str) -> None:
    raw, status = NO_REQUESTS[kind]
    async with connected(run) as (reader, writer):
        writer.write(raw)
        async with asyncio.timeout(5):
            answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    assert not run.sim.calls
