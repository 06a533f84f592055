"""Every field that carries text, streamed and whole, its secrets cut at every position, whatever the prompt holds."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.simulator import Answer, ToolUse
from tests.end_to_end.leaks import REDACTED, SECRETS, TEXT, answered, assert_hidden, by_hand, policies, said, together
from tests.end_to_end.provider import json_answer, provider, stream_answer
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, running
from tests.end_to_end.wire import Response

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("name", PROVIDERS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
with_and_without = pytest.mark.parametrize("prompt", ["hello", TEXT], ids=["plain prompt", "secrets in the prompt"])

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
ARGUMENTS = {"to": TEXT, "deep": [{"card": 4012888888881881}], TEXT: True}
EMAIL = SECRETS[0].text
REDACTED_ARGUMENTS = {"to": REDACTED, "deep": [{"card": "************1881"}], REDACTED: True}
SIZES = range(1, len(TEXT) + 1)
"""Pieces of each size cut the text at every position."""
IN_JSON = range(1, len(TEXT) + 10)
"""Return the same for the text that is the first string of `ARGUMENTS`."""


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG, policies()) as run:
        yield run


def read(response: Response) -> dict[str, Any]:
    """Return the texts, with tool arguments and JSON answers parsed, so that they must be JSON."""
    assert response.status == 200, bytes(response.body)
    assert_hidden(response.body)
    return {place: json.loads(text) if text.startswith("{") else text for place, text in said(response).items()}


@with_and_without
@both_ways
@each_provider
async def test_every_text_of_every_choice(run: Running, name: str, stream: bool, prompt: str) -> None:
    choices = 1 if name == "anthropic" else 2
    for size in SIZES:
        run.sim.answers[f"m{size}"] = Answer(
            (TEXT, f"Two: {TEXT}"),
            reasoning=TEXT,
            refusal=TEXT if name == "openai" else "",
            tools=(ToolUse("f", json.dumps(ARGUMENTS)), ToolUse("f", json.dumps(ARGUMENTS, ensure_ascii=False))),
            chunk=size,
        )
    asked = (answered(run, f"{name}-m{size}", stream, prompt=prompt, tools=TOOLS, n=choices) for size in SIZES)
    expected: dict[str, Any] = {}
    for choice in range(choices):
        expected[f"{choice}.content"] = REDACTED if choice == 0 else f"Two: {REDACTED}"
        expected[f"{choice}.reasoning_content"] = REDACTED
        expected |= {f"{choice}.refusal": REDACTED} if name == "openai" else {}
        expected |= {f"{choice}.tool_calls.{call}.function.arguments": REDACTED_ARGUMENTS for call in (0, 1)}
        if name == "gemini":  # its first call is signed
            expected[f"{choice}.tool_calls.0.provider_specific_fields.thought_signature"] = "c2ltdWxhdG9y"
    for response in await together(asked):
        assert read(response) == expected
    assert all(prompt in str(call.body) for call in run.sim.calls)


@with_and_without
@both_ways
@each_provider
async def test_a_json_answer(run: Running, name: str, stream: bool, prompt: str) -> None:
    text = json.dumps(ARGUMENTS, ensure_ascii=False)
    for size in IN_JSON:
        run.sim.answers[f"j{size}"] = Answer(text, chunk=size)
    members: dict[str, Any] = {"prompt": f"{prompt} JSON", "response_format": {"type": "json_object"}}
    asked = (answered(run, f"{name}-j{size}", stream, **members) for size in IN_JSON)
    for response in await together(asked):
        assert read(response) == {"0.content": REDACTED_ARGUMENTS}


# ---- fields that the simulator does not tell
@dataclass(frozen=True, slots=True)
class Shape:
    """A field for text in OpenAI-format servers.

    It has the delta for a piece (`first` of its text or not), the member of a whole message, and the place at the
    client.
    """

    delta: Callable[[str, bool], dict[str, Any]]
    message: Callable[[str], dict[str, Any]]
    place: str
    is_json: bool = False
    finish: str = "stop"


def _function(text: str, first: bool) -> dict[str, Any]:
    return {"function_call": ({"name": "f"} if first else {}) | {"arguments": text}}


def _custom(text: str, first: bool) -> dict[str, Any]:
    opening = {"id": "call_1", "type": "custom"} if first else {}
    return {"tool_calls": [{"index": 0, **opening, "custom": ({"name": "f"} if first else {}) | {"input": text}}]}


def _parts(text: str, _: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def _thoughts(text: str, _: bool) -> dict[str, Any]:
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}


def _member(name: str) -> Callable[[str, bool], dict[str, Any]]:
    return lambda text, _: {name: text}


def _as_first(delta: Callable[[str, bool], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    return lambda text: delta(text, True)


def _shape(delta: Callable[[str, bool], dict[str, Any]], place: str, **more: Any) -> Shape:
    return Shape(delta, _as_first(delta), place, **more)


SHAPES = {
    "legacy function_call": _shape(_function, "0.function_call.arguments", is_json=True, finish="function_call"),
    "custom tool": _shape(_custom, "0.tool_calls.0.custom.input", finish="tool_calls"),
    "list of parts": _shape(_parts, "0.content"),
    "thinking parts": _shape(_thoughts, "0.reasoning_content"),
    "reasoning": _shape(_member("reasoning"), "0.reasoning_content"),
    "refusal": _shape(_member("refusal"), "0.refusal"),
}


def telling(shape: Shape, text: str) -> Callable[[Any], bytes]:
    """A provider that cuts the text in two where its model's name says, or sends it whole on request."""

    def respond(body: Any) -> bytes:
        cut = int(body["model"])
        head = {"id": "c", "created": 1, "model": "m"}
        if not body["stream"]:
            choice = {"index": 0, "message": shape.message(text), "finish_reason": shape.finish}
            return json_answer({**head, "object": "chat.completion", "choices": [choice]})
        deltas = [shape.delta(text[:cut], True), shape.delta(text[cut:], False), {}]
        ends = [None, None, shape.finish]
        choices = [{"index": 0, "delta": delta, "finish_reason": end} for delta, end in zip(deltas, ends, strict=True)]
        return stream_answer([{**head, "object": "chat.completion.chunk", "choices": [one]} for one in choices])

    return respond


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_texts_in_unusual_members(anyio_backend: object, shape: Shape) -> None:
    text = json.dumps(ARGUMENTS, ensure_ascii=False) if shape.is_json else TEXT
    async with provider(telling(shape, text)) as server, running(by_hand(server.url), policies()) as run:
        ways = [(f"openai-{cut}", stream) for cut in IN_JSON for stream in (True, False)]
        for response in await together(answered(run, *way) for way in [*ways, ("native-openai-1", False)]):
            assert read(response) == {shape.place: REDACTED_ARGUMENTS if shape.is_json else REDACTED}


# ---- sources
SOURCE = {"url": f"https://news.invalid/?q={EMAIL}", "title": TEXT}
CITED = {"type": "url_citation", "url_citation": {**SOURCE, "start_index": 0, "end_index": 2}}
OPENAI = [
    {"choices": [{"index": 0, "delta": {"content": "Hi", "annotations": [CITED]}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
LOCATION = {"type": "web_search_result_location", **SOURCE, "cited_text": TEXT, "encrypted_index": "e"}
ANTHROPIC = [
    {"type": "message_start", "message": {"id": "msg_1", "model": "m"}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": LOCATION}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    {"type": "message_stop"},
]
GROUNDING = {
    "groundingChunks": [{"web": {"uri": SOURCE["url"], "title": TEXT}}],
    "groundingSupports": [{"segment": {"endIndex": 2, "text": TEXT}, "groundingChunkIndices": [0]}],
    "webSearchQueries": [TEXT],
    "searchEntryPoint": {"renderedContent": TEXT},
}
GEMINI = [
    {
        "candidates": [
            {"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP", "groundingMetadata": GROUNDING},
        ]
    }
]
CITING = {
    "openai": stream_answer(OPENAI),
    "anthropic": stream_answer(ANTHROPIC, end=b""),
    "gemini": stream_answer(GEMINI, end=b""),
}


@both_ways
@each_provider
async def test_the_names_and_addresses_of_sources(anyio_backend: object, name: str, stream: bool) -> None:
    async with provider(CITING[name]) as server, running(by_hand(server.url), policies()) as run:
        response = await answered(run, f"{name}-m", stream)
    citation = "0.annotations.0.url_citation"
    assert read(response) == {
        "0.content": "Hi",
        f"{citation}.url": "https://news.invalid/?q=[EMAIL]",
        f"{citation}.title": REDACTED,
    }
