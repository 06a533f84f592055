"""Members that repeat an answer's text outside its channels reach the client only if no rule enforces.

Real servers send most of these: vLLM `token_ids` and `prompt_text`, OpenRouter `reasoning_details`, Groq `x_groq`.
"""

from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest

from tests.end_to_end.leaks import (
    REDACTED,
    REDACTION,
    RULES,
    TEXT,
    answered,
    assert_hidden,
    by_hand,
    policies,
    said,
    yaml,
)
from tests.end_to_end.provider import Provider, json_answer, provider, stream_answer
from tests.end_to_end.running import PROVIDERS, Running, running

pytestmark = pytest.mark.anyio
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])

LOGPROB = {"token": TEXT, "logprob": -0.1, "bytes": list(TEXT.encode()), "top_logprobs": []}
COPIES: dict[str, dict[str, Any]] = {
    "choice": {
        "text": TEXT,
        "token_ids": [1, 2],
        "logprobs": {"content": [LOGPROB], "refusal": None},
        "prompt_text": TEXT,
        "stop_reason": TEXT,
        "content_filter_results": {"custom": {"text": TEXT}},
    },
    "delta": {
        "reasoning_details": [{"type": "reasoning.text", "text": TEXT}],
        "audio": {"transcript": TEXT},
        "mood": TEXT,
        "provider_specific_fields": {"note": TEXT, "signature": TEXT, "thought_signatures": [TEXT]},
        "images": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "alt": TEXT}, "text": TEXT}
        ],
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln", "text": TEXT}],
    },
    "chunk": {
        "prompt_text": TEXT,
        "prompt_logprobs": [{"1": LOGPROB}],
        "citations": [TEXT],
        "x_groq": {"error": TEXT, "usage": {"note": TEXT}},
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "note": TEXT, "deep": {"text": TEXT}},
    },
    "envelope": {"id": TEXT, "model": TEXT, "system_fingerprint": TEXT, "service_tier": TEXT, "object": TEXT},
    "call": {
        "tool_calls": [
            {
                "index": 0,
                "id": "c1",
                "type": "function",
                "function": {"name": "f", "arguments": "{}", "text": TEXT},
                "provider_specific_fields": {"note": TEXT, "thought_signature": TEXT},
                "extra_content": {"google": {"thought_signature": TEXT}},
            }
        ]
    },
}
"""Members of OpenAI's format that contain a copy, by their place."""
KEPT = {"choice": "0.text", "delta": "0.mood", "chunk": "prompt_text", "call": "0.tool_calls.0.extra_content"}
"""Places where a chain that enforces nothing shows each copy. Of the envelope, the ID shows it."""


def openai(where: str) -> dict[str, Any]:
    """Make an answer with the copies at one place, as the members of a chunk or of a whole answer."""
    copies = deepcopy(COPIES[where])
    message = {"content": TEXT, **(copies if where in ("delta", "call") else {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **(copies if where == "choice" else {})}
    envelope = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return envelope | (copies if where in ("chunk", "envelope") else {})


def openai_stream(where: str) -> list[dict[str, Any]]:
    whole = openai(where)
    choice = whole["choices"][0]
    streamed = {name: value for name, value in choice.items() if name != "message"} | {"delta": choice["message"]}
    return [{**whole, "choices": [{**streamed, "finish_reason": None}]}, {**whole, "choices": [streamed]}]


PASSAGE = {"type": "char_location", "cited_text": TEXT, "document_title": TEXT, "start_char_index": 0}
ANTHROPIC = [
    {"type": "message_start", "message": {"id": TEXT, "model": TEXT, "copy": TEXT, "usage": {"note": TEXT}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "copy": TEXT}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT, "copy": TEXT}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": PASSAGE}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "mood_delta", "mood": TEXT}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "web_search_tool_result", "content": [TEXT]}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "compaction", "content": TEXT}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": TEXT}, "copy": TEXT},
    {"type": "message_stop"},
]
PARTS = [
    {"text": TEXT, "copy": TEXT},
    {"executableCode": {"language": "PYTHON", "code": TEXT}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": TEXT}},
    {"mood": TEXT},
]
CANDIDATE = {
    "content": {"parts": PARTS, "role": "model"},
    "finishReason": "STOP",
    "finishMessage": TEXT,
    "logprobsResult": {"chosenCandidates": [{"token": TEXT, "logProbability": -0.1}]},
    "groundingMetadata": {"webSearchQueries": [TEXT], "groundingSupports": [{"segment": {"text": TEXT}}]},
    "urlContextMetadata": {"urlMetadata": [{"retrievedUrl": TEXT}]},
}
GEMINI = [{"candidates": [CANDIDATE], "modelVersion": TEXT, "responseId": TEXT, "copy": TEXT, "promptFeedback": {}}]
OTHERS = {"anthropic": stream_answer(ANTHROPIC, end=b""), "gemini": stream_answer(GEMINI, end=b"")}


def _respond(body: Any) -> bytes:
    """The model's name chooses. OpenAI's model also serves whole answers."""
    model = body.get("model") or ""
    if model not in COPIES:
        return OTHERS["anthropic" if "max_tokens" in body else "gemini"]
    return stream_answer(openai_stream(model)) if body["stream"] else json_answer(openai(model))


FLAGGING = yaml(
    default_policies=list(REDACTION),
    policies={name: {"mode": "shadow", "rules": rules} for name, rules in RULES.items()},
)


@pytest.fixture(scope="module")
async def by_itself(anyio_backend: object) -> AsyncIterator[Provider]:
    async with provider(_respond) as serving:
        yield serving


@pytest.fixture(scope="module")
async def enforcing(by_itself: Provider) -> AsyncIterator[Running]:
    async with running(by_hand(by_itself.url), policies()) as run:
        yield run


@pytest.fixture(scope="module")
async def watching(by_itself: Provider) -> AsyncIterator[Running]:
    async with running(by_hand(by_itself.url), FLAGGING) as run:
        yield run


WAYS = [("", True), ("", False), ("native-", False)]


@pytest.mark.parametrize(("prefix", "stream"), WAYS, ids=["streamed", "whole", "native"])
@pytest.mark.parametrize("where", COPIES)
async def test_no_copy_passes_a_rule_that_enforces(enforcing: Running, where: str, prefix: str, stream: bool) -> None:
    response = await answered(enforcing, f"{prefix}openai-{where}", stream, logprobs=True)
    assert response.status == 200
    assert_hidden(response.body)
    assert b'logprob"' not in response.body and b"token_ids" not in response.body
    assert said(response)["0.content"] == REDACTED * (2 if stream or not prefix else 1)


@pytest.mark.parametrize(("prefix", "stream"), WAYS, ids=["streamed", "whole", "native"])
@pytest.mark.parametrize("where", KEPT)
async def test_all_of_them_pass_while_none_does(watching: Running, where: str, prefix: str, stream: bool) -> None:
    response = await answered(watching, f"{prefix}openai-{where}", stream)
    assert any(place.startswith(KEPT[where]) and TEXT in text for place, text in said(response).items())


@both_ways
@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "openai"])
async def test_nor_in_another_providers_format(enforcing: Running, watching: Running, name: str, stream: bool) -> None:
    response = await answered(enforcing, f"{name}-m", stream)
    assert said(response) == {"0.content": REDACTED}
    assert_hidden(response.body)
    assert len(said(await answered(watching, f"{name}-m", stream))) > 1
