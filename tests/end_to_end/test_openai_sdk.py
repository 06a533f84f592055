"""Users of the OpenAI SDK get text in every way that the SDK offers, from each provider."""

from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import pytest
from openai import AsyncOpenAI, BadRequestError
from openai.types.chat import ChatCompletionChunk

from proxy.simulator import Answer, Tokens
from proxy.simulator.formats.gemini_request import camel_keys, generation
from tests.end_to_end.clients import blocking_sdk, sdk
from tests.end_to_end.running import PROVIDERS, Running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("provider", PROVIDERS)

TEXT = 'Hello 您好,世界! 👩‍👩‍👧‍👦 naïve — "\\quoted" <b>\n\ttab\r\n 𝒎𝒂𝒕𝒉 🇹🇼.'
USER: list[Any] = [{"role": "user", "content": "Hi"}]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
async def client(run: Running) -> AsyncIterator[AsyncOpenAI]:
    async with sdk(run.url) as client:
        yield client


async def streamed(client: AsyncOpenAI, model: str, **settings: Any) -> list[ChatCompletionChunk]:
    settings = {"messages": USER} | settings
    return [chunk async for chunk in await client.chat.completions.create(model=model, stream=True, **settings)]


def joined(chunks: list[ChatCompletionChunk], choice: int = 0, member: str = "content") -> str:
    choices = [entry for chunk in chunks for entry in chunk.choices if entry.index == choice]
    return "".join(getattr(entry.delta, member, None) or "" for entry in choices)


@each_provider
async def test_a_stream_is_what_the_sdk_expects(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer(TEXT, chunk=5)
    chunks = await streamed(client, f"{provider}-m")
    assert joined(chunks) == TEXT
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert chunks[0].id.startswith("chatcmpl-")
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant"] + [None] * (len(chunks) - 1)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all(chunk.usage is None for chunk in chunks)


@each_provider
async def test_a_whole_answer_is_what_the_sdk_expects(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer(TEXT, tokens=Tokens(prompt=40, completion=11, cached=16))
    completion = await client.chat.completions.create(model=f"{provider}-m", messages=USER)
    assert completion.object == "chat.completion"
    assert completion.id.startswith("chatcmpl-")
    assert completion.choices[0].message.content == TEXT
    assert completion.choices[0].message.role == "assistant"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None and completion.usage.prompt_tokens_details is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (40, 11)
    assert completion.usage.total_tokens == 51
    assert completion.usage.prompt_tokens_details.cached_tokens == 16
    assert (await run.recorded()).outcome == "completed"


@each_provider
async def test_the_blocking_client_works_alike(run: Running, provider: str) -> None:
    run.sim.answers["m"] = Answer(TEXT, chunk=3)

    def work() -> tuple[str, str | None]:
        with blocking_sdk(run.url) as client:
            stream = client.chat.completions.create(model=f"{provider}-m", messages=USER, stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
            whole = client.chat.completions.create(model=f"{provider}-m", messages=USER)
            return text, whole.choices[0].message.content

    assert await anyio.to_thread.run_sync(work) == (TEXT, TEXT)


@pytest.mark.parametrize(
    "cutting",
    [{"chunk": 1}, {"chunk": 15, "cut": 1}, {"chunk": 7, "cut": 3}, {"chunk": 0}, {"chunk": 3, "seed": 7, "batch": 4}],
    ids=str,
)
@each_provider
async def test_however_the_provider_cuts_the_client_gets_the_same_text(
    run: Running, client: AsyncOpenAI, provider: str, cutting: dict[str, int]
) -> None:
    run.sim.answers["m"] = Answer(TEXT, reasoning=TEXT[::-1], **cutting)  # type: ignore[arg-type]
    chunks = await streamed(client, f"{provider}-m")
    whole = await client.chat.completions.create(model=f"{provider}-m", messages=USER)
    assert joined(chunks) == whole.choices[0].message.content == TEXT
    assert joined(chunks, member="reasoning_content") == TEXT[::-1]
    assert (whole.choices[0].message.model_extra or {})["reasoning_content"] == TEXT[::-1]


# ---- the SDK's further ways of asking
@each_provider
async def test_raw_responses_show_the_request_id(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer("Hello")
    raw = await client.chat.completions.with_raw_response.create(model=f"{provider}-m", messages=USER)
    completion = raw.parse()
    assert completion.choices[0].message.content == "Hello"
    assert raw.headers["x-request-id"] == raw.headers["x-sluice-id"] == completion.id == raw.request_id
    streaming = await client.chat.completions.with_raw_response.create(
        model=f"{provider}-m", messages=USER, stream=True
    )
    chunks = [chunk async for chunk in streaming.parse()]
    assert joined(chunks) == "Hello"
    assert streaming.headers["x-sluice-id"] == chunks[0].id


@each_provider
async def test_streaming_responses_give_their_lines(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer("Hello")
    completions = client.chat.completions.with_streaming_response
    async with completions.create(model=f"{provider}-m", messages=USER, stream=True) as response:
        lines = [line async for line in response.iter_lines() if line]
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


@each_provider
async def test_the_stream_helper_makes_a_whole_completion(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer(TEXT, tokens=Tokens(prompt=3, completion=9))
    settings: Any = {"model": f"{provider}-m", "messages": USER, "stream_options": {"include_usage": True}}
    async with client.chat.completions.stream(**settings) as stream:
        deltas = [event.delta async for event in stream if event.type == "content.delta"]
        completion = await stream.get_final_completion()
    assert "".join(deltas) == completion.choices[0].message.content == TEXT
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None and completion.usage.total_tokens == 12


@each_provider
async def test_closing_a_stream_closes_the_provider(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer("word " * 500, pace=0.01)
    async with await client.chat.completions.create(model=f"{provider}-m", messages=USER, stream=True) as stream:
        await anext(aiter(stream))
    call = await run.sim.next_call()
    await call.left()
    assert call.text_sent != "word " * 500
    assert (await run.recorded()).outcome == "client_cancelled"


# ---- contents of an answer
@each_provider
async def test_usage_is_told_in_a_last_chunk_to_those_who_ask(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer("Hello", tokens=Tokens(prompt=40, completion=20, cached=8))
    *others, last = await streamed(client, f"{provider}-m", stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage is not None and last.usage.prompt_tokens_details is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (40, 20, 60)
    assert last.usage.prompt_tokens_details.cached_tokens == 8
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in others)
    usage = (await run.recorded()).usage
    assert usage is not None and (usage.prompt, usage.completion, usage.cached) == (40, 20, 8)


@each_provider
async def test_usage_is_on_the_record_also_when_the_client_did_not_ask(
    run: Running, client: AsyncOpenAI, provider: str
) -> None:
    run.sim.answers["m"] = Answer("Hello", tokens=Tokens(prompt=40, completion=20))
    await streamed(client, f"{provider}-m")
    usage = (await run.recorded()).usage
    assert usage is not None and (usage.prompt, usage.completion) == (40, 20)


@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_several_choices_stay_apart(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer(("first answer", "第二個答案 🙂"), chunk=2)
    chunks = await streamed(client, f"{provider}-m", n=2)
    whole = await client.chat.completions.create(model=f"{provider}-m", messages=USER, n=2)
    assert [choice.message.content for choice in whole.choices] == ["first answer", "第二個答案 🙂"]
    assert [joined(chunks, 0), joined(chunks, 1)] == ["first answer", "第二個答案 🙂"]
    ends = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason == "stop"]
    assert sorted(ends) == [0, 1]


async def test_a_provider_without_choices_says_so(run: Running, client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.chat.completions.create(model="anthropic-m", messages=USER, n=2)
    assert caught.value.param == "n"
    assert not run.sim.calls


@pytest.mark.parametrize("stream", [True, False])
@each_provider
async def test_a_limit_ends_the_answer_with_length(
    run: Running, client: AsyncOpenAI, provider: str, stream: bool
) -> None:
    settings: Any = {"model": f"{provider}-sim-long", "messages": USER, "max_tokens": 5}
    if stream:
        chunks = await streamed(client, **settings)
        text, reason = joined(chunks), chunks[-1].choices[0].finish_reason
    else:
        choice = (await client.chat.completions.create(**settings)).choices[0]
        text, reason = choice.message.content or "", choice.finish_reason
    assert reason == "length"
    assert len(text) == 5 * 4
    assert (await run.recorded()).finish_reasons == {0: "length"}


@each_provider
async def test_a_safety_stop_is_a_content_filter(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer("So far", finish="content_filter")
    chunks = await streamed(client, f"{provider}-m")
    assert joined(chunks) == "So far"
    assert chunks[-1].choices[0].finish_reason == "content_filter"


async def test_a_refusal_comes_as_one(run: Running, client: AsyncOpenAI) -> None:
    chunks = await streamed(client, "openai-sim-refusal")
    whole = await client.chat.completions.create(model="openai-sim-refusal", messages=USER)
    assert joined(chunks, member="refusal") == whole.choices[0].message.refusal
    assert whole.choices[0].message.refusal
    assert not joined(chunks) and not whole.choices[0].message.content


# ---- contents of a request
@each_provider
async def test_instructions_reach_the_provider_where_it_wants_them(
    run: Running, client: AsyncOpenAI, provider: str
) -> None:
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Answer in 中文."},
        *USER,
    ]
    await streamed(client, f"{provider}-sim-chat", messages=messages)
    body = run.sim.calls[0].body
    match provider:
        case "openai":
            assert body["messages"] == messages
        case "anthropic":
            assert "".join(block["text"] for block in body["system"]) == "Be brief.Answer in 中文."
            assert [message["role"] for message in body["messages"]] == ["user"]
        case "gemini":
            told = camel_keys(body)["systemInstruction"]
            assert "".join(part["text"] for part in told["parts"]) == "Be brief.Answer in 中文."
            assert [turn["role"] for turn in body["contents"]] == ["user"]


@each_provider
async def test_images_go_up_as_they_were_sent(run: Running, client: AsyncOpenAI, provider: str) -> None:
    url = f"data:image/png;base64,{PICTURE}"
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    await streamed(client, f"{provider}-sim-chat", messages=[{"role": "user", "content": content}])
    body = run.sim.calls[0].body
    match provider:
        case "openai":
            assert body["messages"][0]["content"] == content
        case "anthropic":
            source = body["messages"][0]["content"][1]["source"]
            assert source == {"type": "base64", "media_type": "image/png", "data": PICTURE}
        case "gemini":
            data = camel_keys(camel_keys(body["contents"][0]["parts"][1])["inlineData"])
            assert data == {"mimeType": "image/png", "data": PICTURE}


@each_provider
async def test_sampling_and_stops_reach_the_provider(run: Running, client: AsyncOpenAI, provider: str) -> None:
    await streamed(client, f"{provider}-sim-chat", temperature=0.25, top_p=0.5, stop=["END"], max_tokens=77)
    body = run.sim.calls[0].body
    match provider:
        case "openai":
            names, place = ("temperature", "top_p", "stop", "max_tokens"), body
        case "anthropic":
            names, place = ("temperature", "top_p", "stop_sequences", "max_tokens"), body
        case _:
            names, place = ("temperature", "topP", "stopSequences", "maxOutputTokens"), generation(body)
    assert [place[name] for name in names] == [0.25, 0.5, ["END"], 77]
