"""Tools and JSON answers through the OpenAI SDK, with our own engine and LiteLLM's.

They cover calls in pieces, conversations of several turns, and schemas.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessage
from pydantic import BaseModel

from proxy.simulator import Answer, ToolUse
from tests.end_to_end.clients import sdk
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("provider", PROVIDERS)

USER: list[Any] = [{"role": "user", "content": "How is the weather?"}]
PLACES = ({"city": "臺北", "unit": "°C"}, {"unit": "", "city": 'Zürich "ZH"'})
CALLS = Answer(tools=tuple(ToolUse("weather", json.dumps(place, ensure_ascii=False)) for place in PLACES), chunk=3)
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": PARAMETERS, "strict": True}}
    for name in ("weather", "forecast")
]
"""`strict`, because the SDK's stream helper takes no others."""


class Report(BaseModel):
    """The expected content of an answer."""

    city: str
    degrees: int
    days: list[str]


@pytest.fixture(scope="module", params=["native", "litellm"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
async def shared(engine: str, litellm_used: None) -> AsyncIterator[Running]:
    async with running(CONFIG.replace('/*"}}', f'/*", engine: {engine}}}}}')) as run:
        yield run


@pytest.fixture
async def client(run: Running) -> AsyncIterator[AsyncOpenAI]:
    async with sdk(run.url) as client:
        yield client


async def answered(client: AsyncOpenAI, stream: bool, **settings: Any) -> tuple[ChatCompletionMessage, str]:
    """Return the message, joined by the SDK if it was streamed, and the finish reason."""
    settings = {"messages": USER} | settings
    if not stream:
        whole = (await client.chat.completions.create(**settings)).choices[0]
        return whole.message, whole.finish_reason
    async with client.chat.completions.stream(**settings) as streaming:
        choice = (await streaming.get_final_completion()).choices[0]
    return choice.message, choice.finish_reason


def arguments(message: ChatCompletionMessage) -> list[tuple[str, Any]]:
    calls = message.tool_calls or []
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls if call.type == "function"]


@each_provider
async def test_calls_come_in_pieces_each_with_its_index(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = CALLS
    stream = await client.chat.completions.create(model=f"{provider}-m", messages=USER, tools=TOOLS, stream=True)
    chunks = [chunk async for chunk in stream]
    pieces = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    for index, place in enumerate(PLACES):
        first, *others = [piece for piece in pieces if piece.index == index]
        assert first.id and first.type == "function" and first.function and first.function.name == "weather"
        assert all(piece.id is None and piece.function and piece.function.name is None for piece in others)
        told = "".join(piece.function.arguments or "" for piece in [first, *others] if piece.function)
        assert json.loads(told) == place
        assert len(others) > 3 or provider == "gemini"  # which tells a call whole
    assert len({piece.id for piece in pieces if piece.id}) == len(PLACES)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("stream", [True, False])
@each_provider
async def test_parallel_calls_are_joined(run: Running, client: AsyncOpenAI, provider: str, stream: bool) -> None:
    run.sim.answers["m"] = CALLS
    message, reason = await answered(client, stream, model=f"{provider}-m", tools=TOOLS)
    assert arguments(message) == [("weather", place) for place in PLACES]
    assert reason == "tool_calls"
    assert not message.content


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("effort", [{}, {"reasoning_effort": "low"}], ids=["plain", "thinking"])
@each_provider
async def test_a_call_its_result_and_the_answer(
    run: Running, client: AsyncOpenAI, provider: str, effort: dict[str, str], stream: bool
) -> None:
    thoughts = "I have to look that up 🤔." if effort else ""
    calls = Answer(tools=CALLS.tools, reasoning=thoughts, chunk=3)
    model = "claude-sonnet-4-5" if provider == "anthropic" else "m"  # LiteLLM must know that a Claude can think
    run.sim.answers[model] = [calls, Answer("It is 20 °C in 臺北.", chunk=3)]
    settings: Any = {"model": f"{provider}-{model}", "tools": TOOLS, **effort}
    message, _ = await answered(client, stream, **settings)
    assert (message.model_extra or {}).get("reasoning_content", "") == thoughts
    results: list[Any] = [
        {"role": "tool", "tool_call_id": call.id, "content": f"result {number}"}
        for number, call in enumerate(message.tool_calls or [])
    ]
    turn: Any = message.model_dump(exclude_none=True, exclude={"parsed"})
    final, reason = await answered(client, stream, **settings, messages=[*USER, turn, *results])
    assert (final.content, reason) == ("It is 20 °C in 臺北.", "stop")
    sent = json.dumps(run.sim.calls[1].body, ensure_ascii=False)
    assert "臺北" in sent and sent.index("result 0") < sent.index("result 1")
    if thoughts:  # they go back as they came, signatures and all: the simulator refuses changed ones, as Anthropic does
        names = {"openai": "reasoning_content", "anthropic": "signature", "gemini": "thoughtSignature"}
        assert f'"{names[provider]}"' in sent and thoughts in sent


@each_provider
async def test_a_forced_tool_is_called(run: Running, client: AsyncOpenAI, provider: str) -> None:
    choice: Any = {"type": "function", "function": {"name": "forecast"}}
    message, _ = await answered(client, True, model=f"{provider}-sim-chat", tools=TOOLS, tool_choice=choice)
    assert [name for name, _ in arguments(message)] == ["forecast"]


@each_provider
async def test_one_call_at_a_time_can_be_asked_for(run: Running, client: AsyncOpenAI, provider: str) -> None:
    message, _ = await answered(client, True, model=f"{provider}-sim-tools", tools=TOOLS, parallel_tool_calls=False)
    assert [name for name, _ in arguments(message)] == ["weather"]


async def test_tools_may_be_forbidden(run: Running, client: AsyncOpenAI) -> None:
    for provider in PROVIDERS:
        message, reason = await answered(client, True, model=f"{provider}-sim-tools", tools=TOOLS, tool_choice="none")
        assert not message.tool_calls
        assert reason == "stop"


# ---- JSON answers. Older Claudes get the schema as a tool whose arguments are the answer.
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "model",
    ["openai-sim-json", "anthropic-claude-sonnet-4-5", "anthropic-claude-3-haiku-20240307", "gemini-gemini-2.5-flash"],
)
async def test_a_schema_is_answered_with_json_that_fits(
    run: Running, client: AsyncOpenAI, model: str, stream: bool
) -> None:
    if stream:
        async with client.chat.completions.stream(model=model, messages=USER, response_format=Report) as streaming:
            choice: Any = (await streaming.get_final_completion()).choices[0]
    else:
        parsed = await client.chat.completions.parse(model=model, messages=USER, response_format=Report)
        choice = parsed.choices[0]
    assert isinstance(choice.message.parsed, Report)
    assert choice.message.parsed.days
    assert choice.finish_reason == "stop"
    assert not choice.message.tool_calls


@each_provider
async def test_json_mode_is_answered_with_json(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer('{"city": "臺北"}', chunk=3)
    message, _ = await answered(client, True, model=f"{provider}-m", response_format={"type": "json_object"})
    assert json.loads(message.content or "") == {"city": "臺北"}


@each_provider
async def test_a_json_answer_beside_tools_is_no_call(run: Running, client: AsyncOpenAI, provider: str) -> None:
    schema: Any = {"type": "json_schema", "json_schema": {"name": "report", "schema": {"type": "object"}}}
    run.sim.answers["m"] = [CALLS, Answer('{"city": "臺北"}')]
    settings: Any = {"model": f"{provider}-m", "tools": TOOLS, "response_format": schema}
    first, _ = await answered(client, False, **settings)
    assert [name for name, _ in arguments(first)] == ["weather", "weather"]
    second, reason = await answered(client, False, **settings)
    assert (second.content, reason) == ('{"city": "臺北"}', "stop")
    assert not second.tool_calls
