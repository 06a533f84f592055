"""OpenAI's format as OpenAI's own client reads it, with the API's rejections."""

import json
from typing import Any

import httpx
import openai as sdk
import pytest
from openai import AsyncOpenAI

from proxy.simulator import Answer, Simulator, Tokens, ToolUse

pytestmark = pytest.mark.anyio
ASK: Any = [{"role": "user", "content": "hi"}]


async def test_the_client_streams_text_finish_and_usage(sim: Simulator, openai: AsyncOpenAI) -> None:
    sim.answers["m"] = Answer("Grüß dich, 世界!", tokens=Tokens(prompt=7, completion=5, cached=2, reasoning=1))
    stream = await openai.chat.completions.create(
        model="m", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "Grüß dich, 世界!"
    assert (chunks[0].choices[0].delta.role, chunks[0].choices[0].delta.content) == ("assistant", "")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (7, 5)
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 2  # type: ignore[union-attr]
    assert {c.id for c in chunks} == {chunks[0].id} and chunks[0].id.startswith("chatcmpl-")
    assert all(c.system_fingerprint for c in chunks)


async def test_usage_is_told_only_when_asked_for(sim: Simulator, openai: AsyncOpenAI) -> None:
    stream = await openai.chat.completions.create(model="m", messages=ASK, stream=True)
    assert not [chunk async for chunk in stream if "usage" in chunk.model_fields_set]


async def test_every_answer_has_its_own_id(sim: Simulator, openai: AsyncOpenAI) -> None:
    answers = [await openai.chat.completions.create(model="m", messages=ASK) for _ in range(3)]
    assert len({answer.id for answer in answers}) == 3


async def test_choices_take_turns(sim: Simulator, openai: AsyncOpenAI) -> None:
    sim.answers["m"] = Answer(("first text", "second text"), chunk=3)
    stream = await openai.chat.completions.create(model="m", messages=ASK, stream=True, n=2)
    order, texts, finished = [], ["", ""], []
    async for chunk in stream:
        choice = chunk.choices[0]
        texts[choice.index] += choice.delta.content or ""
        order += [choice.index] if choice.delta.content else []
        finished += [choice.index] if choice.finish_reason else []
    assert texts == ["first text", "second text"] and finished == [0, 1]
    assert order[:4] == [0, 1, 0, 1]


@pytest.mark.parametrize("stream", [True, False])
async def test_parallel_tool_calls_come_with_ids_names_and_arguments(
    sim: Simulator, openai: AsyncOpenAI, stream: bool
) -> None:
    sim.answers["m"] = Answer(tools=(ToolUse("weather", '{"city": "北京"}'), ToolUse("time", "{}")))
    if stream:
        async with openai.chat.completions.stream(model="m", messages=ASK) as running:
            message = (await running.get_final_completion()).choices[0]
    else:
        message = (await openai.chat.completions.create(model="m", messages=ASK)).choices[0]  # type: ignore[assignment]
    calls: Any = message.message.tool_calls
    assert [(c.function.name, c.function.arguments) for c in calls] == [("weather", '{"city": "北京"}'), ("time", "{}")]
    assert len({c.id for c in calls}) == 2
    assert message.finish_reason == "tool_calls" and message.message.content is None


async def test_reasoning_and_refusal_have_their_own_fields(sim: Simulator, openai: AsyncOpenAI) -> None:
    sim.answers["m"] = Answer(reasoning="Let me think.", refusal="No.")
    whole = (await openai.chat.completions.create(model="m", messages=ASK)).choices[0].message
    assert (whole.reasoning_content, whole.refusal, whole.content) == ("Let me think.", "No.", "")  # type: ignore[attr-defined]
    deltas = [
        c.choices[0].delta async for c in await openai.chat.completions.create(model="m", messages=ASK, stream=True)
    ]
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "Let me think."
    assert "".join(d.refusal or "" for d in deltas) == "No."


async def test_models_are_listed(sim: Simulator, openai: AsyncOpenAI) -> None:
    assert "sim-tools" in [model.id async for model in openai.models.list()]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer"}, {"authorization": "Bearer bad-key"}])
async def test_a_missing_or_bad_key_is_an_authentication_error(
    sim: Simulator, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await http.post("/v1/chat/completions", json={"model": "m", "messages": ASK}, headers=headers)
    assert response.status_code == 401 and response.json()["error"]["code"] == "invalid_api_key"


async def test_the_client_raises_its_own_class_for_an_error(sim: Simulator, openai: AsyncOpenAI) -> None:
    with pytest.raises(sdk.AuthenticationError):
        await openai.with_options(api_key="bad-key").chat.completions.create(model="m", messages=ASK)
    with pytest.raises(sdk.RateLimitError):
        await openai.chat.completions.create(model="sim.fail-429", messages=ASK)


CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "JSON object"),
        ({"messages": ASK}, "model parameter"),
        ({"model": "m"}, "'messages'"),
        ({"model": "m", "messages": []}, "empty array"),
        ({"model": "m", "messages": "hi"}, "expected an array"),
        ({"model": "m", "messages": [{"role": "robot", "content": "hi"}]}, "Supported values"),
        ({"model": "m", "messages": [{"role": "user"}]}, "content"),
        ({"model": "m", "messages": ASK, "n": 0}, "'n'"),
        ({"model": "m", "messages": ASK, "max_tokens": 0}, "'max_tokens'"),
        ({"model": "m", "messages": ASK, "temperature": 3}, "'temperature'"),
        ({"model": "m", "messages": ASK, "stream_options": {"include_usage": True}}, "'stream' is enabled"),
        ({"model": "m", "messages": ASK, "tool_choice": "auto"}, "'tools' are specified"),
        ({"model": "m", "messages": ASK, "tools": [{"type": "function"}]}, "function.name"),
        ({"model": "m", "messages": [*ASK, CALL]}, "did not have response messages: c1"),
        ({"model": "m", "messages": [*ASK, {"role": "tool", "tool_call_id": "x", "content": "1"}]}, "preceeding"),
        ({"model": "m", "messages": ASK, "stream_options": 5, "stream": True}, "wrong type"),
    ],
)
async def test_a_request_that_the_api_refuses_is_refused(
    sim: Simulator, http: httpx.AsyncClient, body: Any, says: str
) -> None:
    response = await http.post("/v1/chat/completions", json=body, headers={"authorization": "Bearer key"})
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]
    assert response.json()["error"].keys() == {"message", "type", "param", "code"}


async def test_a_tool_conversation_and_unknown_members_are_accepted(sim: Simulator, http: httpx.AsyncClient) -> None:
    messages = [*ASK, CALL, {"role": "tool", "tool_call_id": "c1", "content": "sunny"}]
    body = {"model": "sim-tools", "messages": messages, "something_new": 1}
    response = await http.post("/v1/chat/completions", json=body, headers={"authorization": "Bearer key"})
    assert "The tool said: sunny" in response.json()["choices"][0]["message"]["content"]


async def test_a_lone_surrogate_in_an_answer_stays_readable_json(sim: Simulator, http: httpx.AsyncClient) -> None:
    sim.answers["m"] = Answer("a\ud800b")
    headers = {"authorization": "Bearer key"}
    response = await http.post("/v1/chat/completions", json={"model": "m", "messages": ASK}, headers=headers)
    assert json.loads(response.content)["choices"][0]["message"]["content"] == "a\ud800b"


@pytest.mark.parametrize("stream", [True, False])
async def test_logprobs_repeat_the_text_token_by_token_when_asked_for(
    sim: Simulator, openai: AsyncOpenAI, stream: bool
) -> None:
    sim.answers["m"] = Answer("Grüß dich!", chunk=3)
    if stream:
        chunks = await openai.chat.completions.create(model="m", messages=ASK, stream=True, logprobs=True)
        logged = [chunk.choices[0].logprobs async for chunk in chunks]
    else:
        whole = await openai.chat.completions.create(model="m", messages=ASK, logprobs=True)
        logged = [whole.choices[0].logprobs]
    tokens = [token for one in logged if one for token in one.content or ()]
    assert "".join(token.token for token in tokens) == "Grüß dich!"
    assert bytes(b for token in tokens for b in token.bytes or ()).decode() == "Grüß dich!"
