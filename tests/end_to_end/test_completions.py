"""POST /v1/completions: legacy text completions through the OpenAI SDK, under the policies of chat."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError, RateLimitError
from openai.types import Completion

from proxy.simulator import Answer, InjectedFault, Tokens
from tests.end_to_end.clients import data_of, failure_of, plain, sdk
from tests.end_to_end.running import CONFIG, Running, fresh, running
from tests.end_to_end.wire import until

pytestmark = pytest.mark.anyio

PATH = "/v1/completions"
COMPLETE = (
    CONFIG
    + """
  "litellm-*": {{target: "openai/*", engine: litellm}}
  redacted: {{target: openai/m, policies: [redact/all]}}
  redacted-claude: {{target: anthropic/m, policies: [redact/all]}}
  blocked: {{target: openai/m, policies: [redact/block]}}
  capped: {{target: openai/m, policies: [token_cap/small]}}
  bounded: {{target: openai/m, policies: [token_cap/large]}}
  cheap: {{target: openai/m, policies: [cost_cap/small]}}
prices: {{m: {{input: 1, output: 1000}}}}
policies:
  redact/all: {{rules: [{{name: secret, regex: "PRJ-[0-9]{{4}}", replace: "[TICKET]", direction: both}}]}}
  redact/block: {{rules: [{{name: secret, regex: "PRJ-[0-9]{{4}}", action: block}}]}}
  token_cap/small: {{max_tokens: 3}}
  token_cap/large: {{max_tokens: 100}}
  cost_cap/small: {{max_usd: 0.004}}
"""
)
EACH = ("openai", "anthropic", "gemini", "litellm")
TEXT = 'def f():\n    return "您好 👩‍👩‍👧‍👦"'


@pytest.fixture(scope="module")
async def completing(anyio_backend: object, litellm_used: None) -> AsyncIterator[Running]:
    async with running(COMPLETE) as run:
        yield run


@pytest.fixture
async def run(completing: Running) -> AsyncIterator[Running]:
    async with fresh(completing) as run:
        yield run


@pytest.fixture
async def client(run: Running) -> AsyncIterator[AsyncOpenAI]:
    async with sdk(run.url) as client:
        yield client


async def streamed(client: AsyncOpenAI, model: str, **settings: Any) -> list[Completion]:
    settings = {"prompt": "Go on"} | settings
    return [chunk async for chunk in await client.completions.create(model=model, stream=True, **settings)]


def joined(chunks: list[Completion], choice: int = 0) -> str:
    return "".join(entry.text for chunk in chunks for entry in chunk.choices if entry.index == choice)


@pytest.mark.parametrize("provider", EACH)
async def test_a_stream_is_what_the_sdk_expects(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer(TEXT, chunk=3)
    chunks = await streamed(client, f"{provider}-m", stream_options={"include_usage": True})
    assert joined(chunks) == TEXT
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert len({chunk.id for chunk in chunks}) == 1 and chunks[0].id.startswith("cmpl-")
    assert [entry.finish_reason for chunk in chunks for entry in chunk.choices if entry.finish_reason] == ["stop"]
    assert chunks[-1].usage is not None and chunks[-1].usage.prompt_tokens > 0
    record = await run.recorded()
    assert (record.operation, record.outcome) == ("text_completion", "completed")


@pytest.mark.parametrize("provider", EACH)
async def test_a_whole_answer_is_what_the_sdk_expects(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer(TEXT, reasoning="thoughts", tokens=Tokens(prompt=40, completion=11))
    answer = await client.completions.create(model=f"{provider}-m", prompt="Go on", max_tokens=5)
    assert (answer.object, answer.choices[0].text, answer.choices[0].finish_reason) == ("text_completion", TEXT, "stop")
    assert answer.usage is not None and answer.usage.prompt_tokens == 40


async def test_an_openai_format_server_gets_the_clients_own_json(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer("x = 1", chunk=2)
    asked: dict[str, Any] = {"prompt": "def f():", "suffix": "return x", "echo": True, "stop": ["\n\n"], "top_p": 0.5}
    chunks = await streamed(client, "openai-m", max_tokens=7, **asked)
    assert joined(chunks) == "def f():x = 1"
    call = await run.sim.next_call()
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    assert (call.path, call.body) == (PATH, {"model": "m", "max_tokens": 7, **asked, **usage})


async def test_several_prompts_and_choices_and_their_logprobs(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer(("a", "b", "c", "d"))
    answer = await client.completions.create(model="openai-m", prompt=["p", "q"], n=2, logprobs=1)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]
    assert answer.choices[0].logprobs is not None and answer.choices[0].logprobs.tokens == ["a"]
    chunks = await streamed(client, "openai-m", prompt=["p", "q"], n=2, logprobs=1)
    assert [joined(chunks, choice) for choice in range(4)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "litellm"])
@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"echo": True}, "echo"),
        ({"logprobs": 1}, "logprobs"),
        ({"prompt": ["a", "b"]}, "prompt"),
    ],
)
async def test_a_target_that_only_chats_refuses_by_name(
    run: Running, client: AsyncOpenAI, provider: str, more: dict[str, Any], param: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await client.completions.create(**{"model": f"{provider}-m", "prompt": "Hi", **more})
    assert refused.value.param == param and "another model" in refused.value.message
    assert not list(run.sim.calls)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [["a"]]}, "prompt[0]"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": ["a"] * 100, "n": 2}, "prompt"),
        ({"prompt": "a", "echo": 1}, "echo"),
        ({"prompt": "a", "stream_options": {}}, "stream_options"),
    ],
)
async def test_a_wrong_field_is_named(run: Running, more: dict[str, Any], param: str) -> None:
    async with plain(run.url) as http:
        answer = await http.post(PATH, json={"model": "openai-m", **more})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("model", ["redacted", "redacted-claude"])
@pytest.mark.parametrize("stream", [True, False])
async def test_redaction_holds_across_chunks_and_in_prompts(
    run: Running, client: AsyncOpenAI, model: str, stream: bool
) -> None:
    run.sim.answers["m"] = Answer("see PRJ-1234 and PRJ-5678.", chunk=1)
    told = "see [TICKET] and [TICKET]."
    if stream:
        assert joined(await streamed(client, model, prompt="about PRJ-0000")) == told
    else:
        answer = await client.completions.create(model=model, prompt="about PRJ-0000")
        assert answer.choices[0].text == told
    assert "PRJ-0000" not in str((await run.sim.next_call()).body)


async def test_a_match_that_begins_in_the_prompt_is_redacted(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer("34 is it", chunk=1)
    assert "34" not in joined(await streamed(client, "redacted", prompt="the ticket PRJ-12"))


async def test_a_suffix_is_redacted_and_an_echo_too(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer(" end", chunk=1)
    chunks = await streamed(client, "redacted", prompt="PRJ-1111", suffix="PRJ-2222", echo=True)
    body = (await run.sim.next_call()).body
    assert (body["prompt"], body["suffix"]) == ("[TICKET]", "[TICKET]")
    assert joined(chunks) == "[TICKET] end"


async def test_a_block_ends_the_answer(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer("see PRJ-1234 and more", chunk=1)
    chunks = await streamed(client, "blocked")
    assert chunks[-1].choices[0].finish_reason == "content_filter" and "1234" not in joined(chunks)


async def test_a_token_cap_stops_the_stream_and_the_provider(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer("one two three four five six seven", chunk=1, pace=0.01)
    chunks = await streamed(client, "capped")
    assert chunks[-1].choices[0].finish_reason == "length" and joined(chunks) == "one two three"
    call = await run.sim.next_call()
    assert call.body["max_tokens"] == 3
    await until(call.closed_by_client.is_set)
    assert (await run.recorded()).outcome == "policy_stopped"


async def test_a_cap_never_raises_the_usual_limit(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer("a")
    await client.completions.create(model="bounded", prompt="Hi")
    await client.completions.create(model="bounded", prompt="Hi", max_tokens=50)
    assert [call.body["max_tokens"] for call in run.sim.calls] == [16, 50]


async def test_a_cost_cap_stops_the_stream(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer("many words " * 50, chunk=4)
    chunks = await streamed(client, "cheap")
    assert chunks[-1].choices[0].finish_reason == "length" and len(joined(chunks)) < 40


async def test_a_target_that_only_chats_gets_the_prompt_as_one_message(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["m"] = Answer("a")
    await client.completions.create(model="anthropic-m", prompt="Hi")
    body = (await run.sim.next_call()).body
    [message] = body["messages"]
    assert message["role"] == "user" and "Hi" in str(message["content"])


@pytest.mark.parametrize("provider", EACH)
async def test_a_failure_is_the_sdks_own_error(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer("a", fault=InjectedFault("status", status=429))
    with pytest.raises(RateLimitError):
        await streamed(client, f"{provider}-m")


async def test_a_provider_that_dies_in_the_middle_is_an_error_event_without_done(run: Running) -> None:
    run.sim.answers["m"] = Answer("a longer text", chunk=1, fault=InjectedFault("drop", after=3))
    async with plain(run.url) as http:
        answer = await http.post(PATH, json={"model": "openai-m", "prompt": "Hi", "stream": True})
    chunks, error = failure_of(answer.text)
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "a l" and error["code"] == "upstream_died"
    assert "[DONE]" not in data_of(answer.text)


async def test_a_client_that_leaves_stops_the_provider(run: Running) -> None:
    run.sim.answers["m"] = Answer("a" * 1000, chunk=1, pace=0.05)
    body = {"model": "openai-m", "prompt": "Hi", "stream": True}
    async with (
        httpx.AsyncClient(base_url=run.url, trust_env=False) as http,
        http.stream("POST", PATH, json=body) as got,
    ):
        await anext(got.aiter_lines())
    call = await run.sim.next_call()
    await until(call.closed_by_client.is_set)
    assert (await run.recorded()).outcome == "client_cancelled"
