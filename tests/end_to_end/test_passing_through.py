"""The gateway passes the right parts of bodies and keys to the provider and back, for unusual providers too."""

import json
import logging
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, InjectedFault
from tests.end_to_end.clients import CHAT, CLIENT_KEY, ask, chunks_of, plain, text_of
from tests.end_to_end.provider import json_answer, provider, stream_answer
from tests.end_to_end.running import PROVIDERS, Running, running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("name", PROVIDERS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])

LOCAL = """
retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}
providers: {{local: {{api: openai, base_url: "URL/v1"OPTIONS}}}}
models: {{"*": {{target: "local/*"SETTINGS}}}}
"""
UNUSUAL = """{"model": "openai-m", "messages": [{"role": "user", "content": "臺北 \\ud83d\\ude42", "mood": null}],
 "top_k": 40, "chat_template_kwargs": {"enable_thinking": false, "deep": [[1.5e300, -0.0, 1e-7]]}, "seed": 0,
 "exact": 123456789012345678901234567890, "empty": {}, "é": "\\u00e9\\/", "temperature": 0.1, "nothing": null}"""
COMPLETION = {
    "id": "cmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def local(url: str, *, options: str = "", settings: str = "") -> str:
    """A gateway whose models are all of one OpenAI-format server."""
    text = LOCAL.replace("URL", url).replace("OPTIONS", options).replace("SETTINGS", settings)
    return f"server: {{{{port: 0, drain_seconds: 0}}}}\n{text}"


def chunk(**members: Any) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", **members}


def choice(delta: dict[str, Any], finish: str | None = None, **members: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish, **members}


# ---- to the provider
@both_ways
async def test_an_openai_format_provider_gets_the_clients_own_json(
    run: Running, http: httpx.AsyncClient, stream: bool
) -> None:
    text = UNUSUAL.replace('"seed"', f'"stream": {str(stream).lower()}, "seed"')
    response = await http.post(CHAT, content=text.encode(), headers={"content-type": "application/json"})
    assert response.status_code == 200
    ours = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    # Compare by repr, which distinguishes -0.0 from 0, 1 from 1.0 and True, and one huge integer from the next.
    assert repr(sorted(run.sim.calls[0].body.items())) == repr(sorted((json.loads(text) | ours).items()))


async def test_stream_options_of_the_client_are_kept(run: Running, http: httpx.AsyncClient) -> None:
    options = {"include_usage": False, "include_obfuscation": False}
    await http.post(CHAT, json=ask("openai-sim-chat", stream=True, stream_options=options))
    assert run.sim.calls[0].body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


@both_ways
async def test_a_server_that_refuses_stream_options_gets_none(stream: bool) -> None:
    async with provider(stream_answer([chunk(choices=[choice({"content": "Hello"}, "stop")])])) as server:
        config = local(server.url, options=", include_usage: false")
        async with running(config) as run, plain(run.url) as http:
            more: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
            response = await http.post(CHAT, json=ask("m", stream=stream, **more))
            assert "Hello" in response.text
    assert "stream_options" not in json.loads(server.bodies[0])
    assert json.loads(server.bodies[0])["stream"] is True


# ---- keys
@each_provider
async def test_keys_stay_on_their_side(
    run: Running, http: httpx.AsyncClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {"authorization": f"Bearer {CLIENT_KEY}", "x-api-key": CLIENT_KEY, "cookie": f"k={CLIENT_KEY}"}
    told = f"Incorrect key provider-key-{name} in https://{run.port}.example/?key=provider-key-{name}"
    answers = [
        Answer("Hello"),
        Answer(fault=InjectedFault("status", status=401, message=told)),
        Answer(fault=InjectedFault("status", status=400, message=told)),
        Answer(fault=InjectedFault("status", status=500, message=told)),
        Answer(fault=InjectedFault("error", after=0, status=500, message=told)),
        Answer("one", fault=InjectedFault("error", after=1, status=400, message=told)),
    ]
    shown = ""
    for answer in answers:
        run.sim.answers["m"] = answer
        for stream in (True, False):
            response = await http.post(CHAT, json=ask(f"{name}-m", stream=stream), headers=headers)
            shown += f"{response.headers} {response.text}\n"
    for call in run.sim.calls:
        up = f"{call.request.path} {call.request.query} {call.headers} {call.request.body!r}"
        assert CLIENT_KEY not in up
        assert "cookie" not in call.headers
        assert f"provider-key-{name}" in up
    shown += f"{run.records} {run.gateway.config!r} {run.gateway!r}"
    shown += "\n".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records)
    assert "provider-key" not in shown
    assert CLIENT_KEY not in shown


# ---- to the client
async def test_members_that_nobody_knows_reach_the_client(anyio_backend: object) -> None:
    chunks = [
        chunk(choices=[choice({"content": "Hel", "mood": "😀"}, token_ids=[1, 2])], perf={"speed": 7}),
        chunk(choices=[choice({"content": "lo"}, "stop", stop_token=3)]),
    ]
    async with provider(stream_answer(chunks)) as server, running(local(server.url)) as run, plain(run.url) as http:
        streamed = chunks_of((await http.post(CHAT, json=ask("m", stream=True))).text)
        whole = (await http.post(CHAT, json=ask("m"))).json()
    entries = [entry for one in streamed for entry in one["choices"]]
    assert text_of(streamed) == whole["choices"][0]["message"]["content"] == "Hello"
    assert [entry["delta"]["mood"] for entry in entries if "mood" in entry["delta"]] == ["😀"]
    assert [entry["token_ids"] for entry in entries if "token_ids" in entry] == [[1, 2]]
    assert [one["perf"] for one in streamed if "perf" in one] == [{"speed": 7}]
    assert whole["choices"][0]["message"]["mood"] == "😀"
    assert (whole["choices"][0]["token_ids"], whole["choices"][0]["stop_token"]) == ([1, 2], 3)
    assert whole["perf"] == {"speed": 7}


# ---- providers that do not stream
@both_ways
@each_provider
async def test_a_provider_that_refuses_to_stream_is_asked_for_a_whole_answer(
    run: Running, http: httpx.AsyncClient, name: str, stream: bool
) -> None:
    refusal = InjectedFault(
        "status", status=400, message="Unsupported value: 'stream' does not support true with this model."
    )
    run.sim.answers["m"] = lambda asked: Answer(fault=refusal) if asked.stream else Answer("Hello 您好")
    response = await http.post(CHAT, json=ask(f"{name}-m", stream=stream))
    if stream:
        chunks = chunks_of(response.text)
        assert text_of(chunks) == "Hello 您好"
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    else:
        assert response.json()["choices"][0]["message"]["content"] == "Hello 您好"
    assert len(run.sim.calls) == 2


@each_provider
async def test_whole_native_asks_for_a_whole_answer_where_the_client_does(name: str) -> None:
    native = f"  native: {{{{target: {name}/m, whole: native}}}}\n"
    async with running(extra=native) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("Hello 您好", reasoning="Well …")
        whole = (await http.post(CHAT, json=ask("native"))).json()
        streamed = chunks_of((await http.post(CHAT, json=ask("native", stream=True))).text)
        asked = [call.path.endswith(":streamGenerateContent") or call.body.get("stream") for call in run.sim.calls]
    assert whole["choices"][0]["message"]["content"] == text_of(streamed) == "Hello 您好"
    assert whole["choices"][0]["message"]["reasoning_content"] == "Well …"
    assert whole["usage"]["total_tokens"] > 0
    assert [bool(each) for each in asked] == [False, True]


@both_ways
async def test_a_provider_that_answers_with_json_though_asked_to_stream(stream: bool) -> None:
    async with provider(json_answer(COMPLETION)) as server, running(local(server.url)) as run, plain(run.url) as http:
        response = await http.post(CHAT, json=ask("m", stream=stream))
        usage = (await run.recorded()).usage
    if stream:
        chunks = chunks_of(response.text)
        assert response.headers["content-type"].startswith("text/event-stream")
        assert text_of(chunks) == "Hello"
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    else:
        assert response.json()["choices"][0]["message"]["content"] == "Hello"
    assert usage is not None and (usage.prompt, usage.completion) == (1, 2)


@pytest.mark.parametrize(
    "answer",
    [
        json_answer({"choices": []}),
        json_answer([]),
        json_answer({"error": "No. Try 不同的."}, 200),
        stream_answer([]),
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b"this is no HTTP\r\n\r\n",
    ],
    ids=["no choices", "no object", "an error with 200", "no events", "HTML", "204", "a redirect", "no HTTP"],
)
@both_ways
async def test_an_answer_that_is_none_is_a_502(answer: bytes, stream: bool) -> None:
    async with provider(answer) as server, running(local(server.url)) as run, plain(run.url) as http:
        response = await http.post(CHAT, json=ask("m", stream=stream))
        assert response.status_code == 502
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
        assert len(server.bodies) == 1
        assert (await run.recorded()).outcome == "upstream_error"
