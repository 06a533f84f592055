"""A prefilled beginning counts as part of the answer, and a changed thought is not signed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.simulator import Answer, InjectedFault, ToolUse
from proxy.simulator.formats.anthropic_request import signature
from tests.end_to_end.leaks import (
    REDACTED,
    SECRETS,
    TEXT,
    Cut,
    answered,
    assert_hidden,
    by_hand,
    policies,
    said,
    together,
)
from tests.end_to_end.provider import provider, stream_answer
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("name", PROVIDERS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
each_chunk = pytest.mark.parametrize("chunk", [1, 7, 0])

CUTS = [Cut(secret, length) for secret in SECRETS for length in range(1, len(secret.text) + 1)]
"""Prefilled beginnings, whole secrets too."""
THOUGHT = "Let me think of it. "
BLOCK = "0.thinking_blocks.0"
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG, policies()) as run:
        yield run


# ---- prefill
@both_ways
@each_provider
async def test_an_answer_that_goes_on_inside_a_secret(run: Running, name: str, stream: bool) -> None:
    """The client wrote the beginning itself. No part of the rest is sent."""
    for cut in CUTS:
        run.sim.answers[cut.name] = Answer(f"{cut.secret.text[cut.length :]} and more.", chunk=3)
    asked = (answered(run, f"{name}-{cut.name}", stream, messages=begun(cut.begun)) for cut in CUTS)
    for cut, response in zip(CUTS, await together(asked), strict=True):
        label = cut.secret.label
        rest = (
            {label[cut.length :]} if "*" in label else {label, ""}
        )  # a mask of what is left, or a label not yet given
        assert said(response)["0.content"].removesuffix(" and more.") in rest, cut


@both_ways
@each_provider
async def test_an_answer_that_does_not_go_on_with_it_is_left_alone(run: Running, name: str, stream: bool) -> None:
    run.sim.answers["m"] = Answer(" is all there is.", chunk=1)
    response = await answered(run, f"{name}-m", stream, messages=begun("ann"))
    assert said(response) == {"0.content": " is all there is."}


def begun(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": f"Sure: To {text}"}]


# ---- signatures
@each_chunk
@both_ways
async def test_an_untouched_thought_keeps_its_signature(run: Running, stream: bool, chunk: int) -> None:
    run.sim.answers["m"] = Answer(TEXT, reasoning=THOUGHT, chunk=chunk)
    response = await answered(run, "anthropic-m", stream)
    got = said(response)
    assert (got[f"{BLOCK}.thinking"], got[f"{BLOCK}.signature"]) == (THOUGHT, signature(THOUGHT))
    assert (got["0.reasoning_content"], got["0.content"]) == (THOUGHT, REDACTED)


@both_ways
async def test_a_signed_thought_comes_back_to_its_provider(run: Running, stream: bool) -> None:
    run.sim.answers["m"] = Answer("Hi", reasoning=THOUGHT)
    got = said(await answered(run, "anthropic-m", stream))
    block = {"type": "thinking", "thinking": got[f"{BLOCK}.thinking"], "signature": got[f"{BLOCK}.signature"]}
    turn = {"role": "assistant", "content": "Hi", "thinking_blocks": [block]}
    user = {"role": "user", "content": "Go on"}
    again = await answered(run, "anthropic-m", stream, messages=[user, turn, user])
    assert again.status == 200 and signature(THOUGHT) in str(run.sim.calls[-1].body)


@each_chunk
@both_ways
async def test_a_redacted_thought_goes_without_its_signature(run: Running, stream: bool, chunk: int) -> None:
    for secret in SECRETS:
        thought = f"{THOUGHT}{secret.text} it is."
        run.sim.answers["m"] = Answer("Hi", reasoning=thought, chunk=chunk)
        response = await answered(run, "anthropic-m", stream)
        assert said(response) == {"0.content": "Hi", "0.reasoning_content": f"{THOUGHT}{secret.label} it is."}
        assert signature(thought).encode() not in response.body
        assert_hidden(response.body)


@both_ways
@pytest.mark.parametrize("kind", ["finish", "error"])
async def test_a_thought_that_was_cut_inside_a_secret_goes_without(run: Running, kind: str, stream: bool) -> None:
    """The block is complete and therefore signed. The end that follows drops its held text."""
    for secret in SECRETS:
        cuts = [Cut(secret, length) for length in range(1, len(secret.text))]
        for cut in cuts:
            how: dict[str, Any] = (
                {"finish": "length"} if kind == "finish" else {"fault": InjectedFault("error", after=99)}
            )
            run.sim.answers[cut.name] = Answer("", reasoning=f"{THOUGHT}{cut.begun}", chunk=7, **how)
        for cut, response in zip(
            cuts, await together(answered(run, f"anthropic-{cut.name}", stream) for cut in cuts), strict=True
        ):
            assert b"thinking_blocks" not in response.body and b"signature" not in response.body, cut


def thinking(index: int, text: str) -> list[dict[str, Any]]:
    """A signed block of thought, as Anthropic streams it."""
    deltas = [{"type": "thinking_delta", "thinking": text}, {"type": "signature_delta", "signature": signature(text)}]
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": "thinking", "thinking": ""}},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


@both_ways
async def test_of_two_thoughts_the_redacted_one_goes_without(anyio_backend: object, stream: bool) -> None:
    events = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "m"}},
        *thinking(0, TEXT + " "),
        *thinking(1, THOUGHT),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    async with provider(stream_answer(events, end=b"")) as server, running(by_hand(server.url), policies()) as run:
        response = await answered(run, "anthropic-m", stream)
    got = said(response)
    assert got.pop("0.reasoning_content") == f"{REDACTED} {THOUGHT}"
    assert got == {f"{BLOCK}.thinking": THOUGHT, f"{BLOCK}.signature": signature(THOUGHT)}
    assert_hidden(response.body)


@both_ways
async def test_geminis_signatures_stay_with_calls_and_texts(anyio_backend: object, stream: bool) -> None:
    """They are sealed and belong to no text. The provider rejects a call that is returned without its own."""
    parts = [
        {"text": TEXT, "thought": True},
        {"text": TEXT, "thoughtSignature": "c2lnbmVkIHRleHQ="},
        {"functionCall": {"name": "f", "args": {"to": TEXT}}, "thoughtSignature": "c2lnbmVkIGNhbGw="},
    ]
    answer = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    async with provider(stream_answer([answer], end=b"")) as server, running(by_hand(server.url), policies()) as run:
        response = await answered(run, "gemini-m", stream, tools=TOOLS)
    got = said(response)
    assert got["0.provider_specific_fields.thought_signatures.0"] == "c2lnbmVkIHRleHQ="
    assert got["0.tool_calls.0.provider_specific_fields.thought_signature"] == "c2lnbmVkIGNhbGw="
    assert (got["0.content"], got["0.reasoning_content"]) == (REDACTED, REDACTED)
    assert_hidden(response.body)


@both_ways
async def test_geminis_signed_call_comes_back_to_its_provider(run: Running, stream: bool) -> None:
    run.sim.answers["m"] = Answer("", reasoning=TEXT, tools=(ToolUse("f", '{"to": "me"}'),))
    response = await answered(run, "gemini-m", stream, tools=TOOLS)
    got = said(response)
    sealed = got["0.tool_calls.0.provider_specific_fields.thought_signature"]
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": got["0.tool_calls.0.function.arguments"]},
        "provider_specific_fields": {"thought_signature": sealed},
    }
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    again = await answered(run, "gemini-m", stream, messages=messages, tools=TOOLS)
    assert again.status == 200 and sealed in str(run.sim.calls[-1].body)
