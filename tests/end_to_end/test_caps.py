"""Caps over real sockets: the exact cut for the client, the early close at the provider, the limits in its request."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.accounting import tokenizers
from proxy.simulator import Answer
from proxy.simulator.answers import ToolUse
from tests.end_to_end.clients import CHAT, ask, chunks_of, plain, text_of
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running
from tests.policies.texts import SAMPLES

pytestmark = pytest.mark.anyio

MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
CAP = 20
CAPS = """
  "litellm-*": {{target: "openai/*", engine: litellm}}
  "timed-*": {{target: "openai/*", policies: [token_cap/time]}}
  "flagged-*": {{target: "openai/*", policies: [token_cap/flag]}}
  "cost-openai-*": {{target: "openai/*", policies: [cost_cap/cheap]}}
  "cost-anthropic-*": {{target: "anthropic/*", policies: [cost_cap/cheap]}}
  "cost-gemini-*": {{target: "gemini/*", policies: [cost_cap/cheap]}}
  "whole-*": {{target: "openai/*", whole: native}}
  "thinking-openai-*": {{target: "openai/*", policies: [token_cap/thoughts]}}
  "thinking-anthropic-*": {{target: "anthropic/*", policies: [token_cap/thoughts]}}
  "thinking-gemini-*": {{target: "gemini/*", policies: [token_cap/thoughts]}}
  "redacted-openai-*": {{target: "openai/*", policies: [token_cap/short, redact/words]}}
  "redacted-anthropic-*": {{target: "anthropic/*", policies: [token_cap/short, redact/words]}}
  "redacted-gemini-*": {{target: "gemini/*", policies: [token_cap/short, redact/words]}}
policies:
  token_cap/thoughts: {{max_reasoning_tokens: 20}}
  redact/words: {{rules: [{{name: words, words: [文, emoji, fox, endoftext, goodday], replace: "[GONE]"}}]}}
  token_cap/short: {{max_tokens: 20}}
  token_cap/time: {{max_seconds: 1}}
  token_cap/flag: {{max_tokens: 3, on_exceed: flag}}
  cost_cap/cheap: {{max_usd: 0.002}}
prices: {{"sim-*": {{input: 10, output: 100}}}}
default_policies: [token_cap/short]
"""


@pytest.fixture(scope="module")
async def capped(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG + CAPS) as run:
        yield run


@pytest.fixture
async def run(capped: Running) -> AsyncIterator[Running]:
    async with fresh(capped) as run:
        yield run


async def answered(run: Running, model: str, stream: bool, **more: Any) -> tuple[Any, str]:
    """Return the response of a request, and the text of its first choice."""
    options = {"stream_options": {"include_usage": True}} if stream else {}
    async with plain(run.url) as http:
        response = await http.post(CHAT, json=ask(model, stream=stream, **options, **more))
    assert response.status_code == 200, response.text
    if stream:
        return response, text_of(chunks_of(response.text))
    return response, response.json()["choices"][0]["message"]["content"] or ""


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("sample", range(len(SAMPLES)))
async def test_the_cut_is_the_tokenizers(run: Running, sample: int, provider: str, stream: bool) -> None:
    text, model = SAMPLES[sample] * 2, MODELS[provider]
    run.sim.answers[model] = Answer(text, chunk=3)
    _, got = await answered(run, f"{provider}-{model}", stream)
    tokenizer = tokenizers.load(tokenizers.basis(model))
    assert got == text[: tokenizer.cut(text, CAP)]
    record = await run.recorded()
    assert (record.outcome, record.stopped_by) == ("policy_stopped", "token_cap/short")
    assert record.tokenizer == ("o200k_base" if provider == "openai" else "cl100k_base")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("sample", range(5))
async def test_the_cut_is_that_of_the_redacted_text(run: Running, sample: int, provider: str, stream: bool) -> None:
    text, model = SAMPLES[sample] * 2, MODELS[provider]
    run.sim.answers[model] = Answer(text, reasoning="think of a good", chunk=3)
    _, got = await answered(run, f"redacted-{provider}-{model}", stream)
    redacted = re.sub("文|emoji|fox|endoftext|goodday", "[GONE]", text)
    tokenizer = tokenizers.load(tokenizers.basis(model))
    assert got == redacted[: tokenizer.cut(redacted, CAP)]
    assert (await run.recorded()).stopped_by == "token_cap/short"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_thoughts_are_cut_and_the_provider_is_closed(run: Running, provider: str, stream: bool) -> None:
    run.sim.answers["sim-x"] = Answer("Never said.", reasoning=" word" * 60, chunk=5, pace=0.02)
    response, text = await answered(run, f"thinking-{provider}-sim-x", stream)
    if stream:
        thoughts = text_of(chunks_of(response.text), member="reasoning_content")
    else:
        thoughts = response.json()["choices"][0]["message"]["reasoning_content"]
    assert (thoughts, text) == (" word" * CAP, "")
    call = await run.sim.next_call()
    await call.left()
    assert call.chunks_sent == CAP + 1
    usage = (await run.recorded()).usage
    assert usage is not None and CAP <= usage.reasoning <= usage.completion


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_stream_ends_well_and_says_why(run: Running, provider: str) -> None:
    run.sim.answers["sim-x"] = Answer(" word" * 60, chunk=5, pace=0.005)
    response, text = await answered(run, f"{provider}-sim-x", True)
    assert text == " word" * CAP
    *_, last, usage = chunks_of(response.text)
    assert last["choices"][0]["finish_reason"] == "length"
    assert last["x_sluice"] == {"stopped_by": "token_cap/short"}
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], CAP)
    assert usage["usage"]["x_sluice"] == {"source": "estimated"}
    whole, text = await answered(run, f"{provider}-sim-x", False)
    assert text == " word" * CAP
    assert whole.headers["x-sluice-stopped-by"] == "token_cap/short"
    assert whole.json()["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_provider_is_closed_within_one_chunk_of_the_cap(run: Running, provider: str, stream: bool) -> None:
    run.sim.answers["sim-x"] = Answer(" word" * 60, chunk=5, pace=0.02)
    await answered(run, f"{provider}-sim-x", stream)
    call = await run.sim.next_call()
    await call.left()
    # A piece is a token here. The one after the cap shows that there are more. No other was sent.
    assert call.chunks_sent == CAP + 1


async def test_a_provider_through_litellm_is_closed_too(litellm_used: None, run: Running) -> None:
    run.sim.answers["sim-x"] = Answer(" word" * 60, chunk=5, pace=0.02)
    _, text = await answered(run, "litellm-sim-x", True)
    assert text == " word" * CAP
    call = await run.sim.next_call()
    await call.left()
    assert call.chunks_sent <= CAP + 3  # LiteLLM reads a little ahead


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_provider_is_closed_soon_in_text_without_spaces(run: Running, provider: str) -> None:
    text = "王小明的身分證字號是由政府發給的一組號碼用來辨識每一位國民的身分而且終身不變所以請妥善保管不要告訴別人"
    model = MODELS[provider]
    run.sim.answers[model] = Answer(text, chunk=1, pace=0.02)
    _, got = await answered(run, f"{provider}-{model}", True)
    tokenizer = tokenizers.load(tokenizers.basis(model))
    assert got == text[: tokenizer.cut(text, CAP)]
    call = await run.sim.next_call()
    await call.left()
    assert call.chunks_sent - len(got) <= 5


async def test_each_choice_is_capped_and_the_provider_closed_with_the_last(run: Running) -> None:
    run.sim.answers["sim-x"] = Answer((" word" * 60, "ab " * 50), chunk=5, pace=0.005)
    response, text = await answered(run, "openai-sim-x", True, n=2)
    assert (text, text_of(chunks_of(response.text), 1)) == (" word" * CAP, ("ab " * 50)[: _cut("ab " * 50)])
    call = await run.sim.next_call()
    await call.left()


async def test_a_whole_answer_from_the_provider_is_cut_too(run: Running) -> None:
    run.sim.answers["sim-x"] = Answer(" word" * 600)
    _, text = await answered(run, "whole-sim-x", False)
    assert text == " word" * CAP
    record = await run.recorded()
    assert record.bill is not None and record.bill.source == "reported"


async def test_a_capped_tool_call(run: Running) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]

    arguments = json.dumps({"list": list(range(100, 200))})
    run.sim.answers["sim-x"] = Answer(tools=(ToolUse("f", arguments),))
    response, _ = await answered(run, "openai-sim-x", True, tools=tools)
    entries = [entry for chunk in chunks_of(response.text) for entry in chunk["choices"]]
    calls = [call for entry in entries for call in entry["delta"].get("tool_calls", ())]
    assert "".join(call["function"]["arguments"] for call in calls) == arguments[: _cut(arguments)]
    assert entries[-1]["finish_reason"] == "length"


async def test_seconds_end_an_answer_that_has_not_begun(run: Running) -> None:
    response, text = await answered(run, "timed-sim-chat.head-60000", True)
    assert text == ""
    assert chunks_of(response.text)[-2]["x_sluice"] == {"stopped_by": "token_cap/time"}
    call = await run.sim.next_call()
    await call.left()


async def test_seconds_end_a_silent_answer(run: Running) -> None:
    _, text = await answered(run, "timed-sim-chat.after-3-stall", True)
    assert len(text) == 12
    assert (await run.recorded()).stopped_by == "token_cap/time"


async def test_a_flag_changes_nothing(run: Running) -> None:
    run.sim.answers["sim-x"] = Answer(" word" * 60)
    _, text = await answered(run, "flagged-sim-x", True)
    assert text == " word" * 60
    record = await run.recorded()
    assert (record.outcome, [note.action for note in record.notes]) == ("completed", ["flag"])


@pytest.mark.parametrize(
    ("provider", "more", "limit"),
    [
        ("openai", {}, {"max_completion_tokens": CAP}),
        ("openai", {"max_tokens": 5}, {"max_tokens": 5}),
        ("anthropic", {}, {"max_tokens": CAP}),
        ("anthropic", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"max_tokens": CAP + 25_000}),
        ("gemini", {}, {"max_output_tokens": CAP + 25_000}),
        ("gemini", {"thinking": {"type": "disabled"}}, {"max_output_tokens": CAP}),
    ],
)
async def test_the_limit_that_goes_up(run: Running, provider: str, more: dict[str, Any], limit: dict[str, int]) -> None:
    await answered(run, f"{provider}-{MODELS[provider]}", True, **more)
    body = (await run.sim.next_call()).body
    settings = body.get("generationConfig", body)
    assert {name: value for name, value in settings.items() if name.lower().startswith("max")} == limit


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_cost_stops(run: Running, provider: str, stream: bool) -> None:
    run.sim.answers["sim-x"] = Answer("abcd" * 100, pace=0.01)
    response, text = await answered(run, f"cost-{provider}-sim-x", stream)
    last = [chunk for chunk in chunks_of(response.text) if chunk["choices"]][-1] if stream else response.json()
    assert last["choices"][0]["finish_reason"] == "length"
    told = last["x_sluice"]["stopped_by"] if stream else response.headers["x-sluice-stopped-by"]
    assert told == "cost_cap/cheap"
    record = await run.recorded()
    assert (record.outcome, record.stopped_by) == ("policy_stopped", "cost_cap/cheap")
    assert record.bill is not None and record.bill.cost is not None
    assert record.bill.cost.total == pytest.approx(0.002, abs=0.0002)
    assert 10 <= len(text) // 4 <= 20
    call = await run.sim.next_call()
    await call.left()
    assert call.chunks_sent <= len(text) // 4 + 2


async def test_a_prompt_that_is_too_dear_is_not_sent(run: Running) -> None:
    async with plain(run.url) as http:
        response = await http.post(CHAT, json=ask("cost-openai-sim-x", "x" * 1000))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "cost_cap")
    assert "cost_cap/cheap" in error["message"]
    assert not run.sim.calls
    record = await run.recorded()
    assert (record.outcome, record.bill) == ("refused", None)


async def test_a_wildcards_model_without_a_price_is_refused(run: Running) -> None:
    async with plain(run.url) as http:
        response = await http.post(CHAT, json=ask("cost-openai-unheard-of"))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "no_price")


async def test_many_capped_streams_at_once(run: Running) -> None:
    run.sim.answers["sim-x"] = Answer(" word" * 60, chunk=7)
    answers = await asyncio.gather(*(answered(run, f"{p}-sim-x", True) for p in PROVIDERS for _ in range(10)))
    assert {text for _, text in answers} == {" word" * CAP}


def _cut(text: str) -> int:
    return tokenizers.load("cl100k_base").cut(text, CAP)
