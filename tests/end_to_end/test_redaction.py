"""Redaction through the gateway: no field, chunking, choice or end lets one character of a match out."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from policies.redact import Redactor
from proxy.simulator import Answer, InjectedFault, ToolUse
from tests.end_to_end.clients import CHAT, ask, chunks_of, plain, text_of
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("provider", PROVIDERS)

POLICY = r"""
default_policies: [redact/pii, redact/keys]
policies:
  redact/pii:
    rules:
      - {{name: email, entity: email, replace: "[EMAIL]"}}
      - {{name: card, entity: credit_card, mask: "*", keep_last: 4}}
      - {{name: words, words: [身分證], mask: "*"}}
  redact/keys:
    rules:
      - {{name: key, regex: 'sk-[A-Za-z0-9]{{20,}}', replace: "[KEY]"}}
"""
RULES: list[dict[str, Any]] = [
    {"name": "email", "entity": "email", "replace": "[EMAIL]"},
    {"name": "card", "entity": "credit_card", "mask": "*", "keep_last": 4},
    {"name": "words", "words": ["身分證"], "mask": "*"},
    {"name": "key", "regex": "sk-[A-Za-z0-9]{20,}", "replace": "[KEY]"},
]
EMAIL, CARD, KEY = "ann.lee@example.com", "4111 1111 1111 1111", "sk-" + "a1B2" * 8
TEXT = f"Hello 🌍, write to {EMAIL} or pay with {CARD} now. 我的身分證在這裡. The key is {KEY}. Bye."
REDACTED = Redactor(RULES).apply(TEXT)
SECRETS = (EMAIL, CARD, KEY, "身分證")


@pytest.fixture(scope="module")
async def shared_guarded(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG, POLICY) as run:
        yield run


@pytest.fixture
async def guarded(shared_guarded: Running) -> AsyncIterator[Running]:
    async with fresh(shared_guarded) as run:
        yield run


@pytest.fixture
async def http(guarded: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with plain(guarded.url) as client:
        yield client


def test_the_example_has_something_to_redact() -> None:
    assert REDACTED == (
        "Hello 🌍, write to [EMAIL] or pay with ***************1111 now. 我的***在這裡. The key is [KEY]. Bye."
    )


async def streamed(http: httpx.AsyncClient, model: str, **more: Any) -> list[dict[str, Any]]:
    response = await http.post(CHAT, json=ask(model, stream=True, **more))
    assert response.status_code == 200, response.text
    assert_clean(response.text)
    return chunks_of(response.text)


async def whole(http: httpx.AsyncClient, model: str, **more: Any) -> dict[str, Any]:
    response = await http.post(CHAT, json=ask(model, **more))
    assert response.status_code == 200, response.text
    assert_clean(response.text)
    answer: dict[str, Any] = response.json()
    return answer


def assert_clean(body: str) -> None:
    """Assert that the response's bytes contain none of the secrets, however its JSON spells them."""
    plain_text = body.encode().decode("unicode_escape", "ignore") + body
    assert not any(secret in plain_text for secret in SECRETS)


@each_provider
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 0])
async def test_the_answer_is_the_same_for_every_chunking_streamed_and_whole(
    guarded: Running, http: httpx.AsyncClient, provider: str, chunk: int
) -> None:
    guarded.sim.answers["m"] = Answer(TEXT, chunk=chunk, cut=5 if chunk == 3 else 0)
    assert text_of(await streamed(http, f"{provider}-m")) == REDACTED
    answer = await whole(http, f"{provider}-m")
    assert answer["choices"][0]["message"]["content"] == REDACTED


@each_provider
async def test_reasoning_is_redacted_like_the_answer(guarded: Running, http: httpx.AsyncClient, provider: str) -> None:
    guarded.sim.answers["m"] = Answer(TEXT, reasoning=TEXT, chunk=1)
    chunks = await streamed(http, f"{provider}-m")
    assert text_of(chunks, member="reasoning_content") == text_of(chunks) == REDACTED
    message = (await whole(http, f"{provider}-m"))["choices"][0]["message"]
    assert message["reasoning_content"] == message["content"] == REDACTED


async def test_a_refusal_is_redacted(guarded: Running, http: httpx.AsyncClient) -> None:
    guarded.sim.answers["m"] = Answer(refusal=TEXT, chunk=1)
    assert text_of(await streamed(http, "openai-m"), member="refusal") == REDACTED


@each_provider
async def test_tool_arguments_are_redacted_and_stay_json(
    guarded: Running, http: httpx.AsyncClient, provider: str
) -> None:
    arguments = {"to": EMAIL, "note": TEXT, "nested": [{"key": KEY}], EMAIL: 1, "card": 4111111111111111}
    calls = (ToolUse("send", json.dumps(arguments)), ToolUse("send", json.dumps(arguments, ensure_ascii=False)))
    guarded.sim.answers["m"] = Answer(tools=calls, chunk=1)
    tools = [{"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}]
    message = (await whole(http, f"{provider}-m", tools=tools))["choices"][0]["message"]
    chunks = await streamed(http, f"{provider}-m", tools=tools)
    streams = ["", ""]
    for chunk in chunks:
        for call in chunk["choices"][0]["delta"].get("tool_calls") or ():
            streams[call["index"]] += call["function"].get("arguments") or ""
    for text in [*streams, *(call["function"]["arguments"] for call in message["tool_calls"])]:
        got = json.loads(text)
        assert got["to"] == "[EMAIL]" and got["note"] == REDACTED and got["nested"] == [{"key": "[KEY]"}]
        assert got["[EMAIL]"] == 1 and got["card"] == "************1111"


@each_provider
async def test_a_json_answer_is_redacted_and_stays_json(
    guarded: Running, http: httpx.AsyncClient, provider: str
) -> None:
    guarded.sim.answers["m"] = Answer(json.dumps({"a": TEXT, "quote": f'"{EMAIL}"'}), chunk=1)
    text = text_of(await streamed(http, f"{provider}-m", response_format={"type": "json_object"}))
    assert json.loads(text) == {"a": REDACTED, "quote": '"[EMAIL]"'}


@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_every_choice_is_redacted_on_its_own(guarded: Running, http: httpx.AsyncClient, provider: str) -> None:
    guarded.sim.answers["m"] = Answer((TEXT, f"Two: {TEXT}"), chunk=1)
    chunks = await streamed(http, f"{provider}-m", n=2)
    assert [text_of(chunks, choice) for choice in (0, 1)] == [REDACTED, f"Two: {REDACTED}"]


@each_provider
@pytest.mark.parametrize("kind", ["drop", "reset", "error", "eof"])
async def test_an_answer_that_breaks_inside_a_secret_shows_nothing_of_it(
    guarded: Running, http: httpx.AsyncClient, provider: str, kind: Any
) -> None:
    for secret in (EMAIL, CARD, KEY):
        for pieces in range(1, len(secret), 3):
            guarded.sim.answers["m"] = Answer(f"{secret} and more", chunk=1, fault=InjectedFault(kind, after=pieces))
            response = await http.post(CHAT, json=ask(f"{provider}-m", stream=True))
            assert secret[:1] not in said(response.text), (secret, pieces)
            assert "[DONE]" not in response.text


def said(body: str) -> str:
    """The content that a broken stream delivered."""
    found = ""
    for line in body.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:]).get("choices") or ():
                found += choice["delta"].get("content") or ""
    return found


@each_provider
@pytest.mark.parametrize("stream", [True, False])
async def test_the_providers_own_limit_shows_nothing_of_the_secret_that_it_cut(
    guarded: Running, http: httpx.AsyncClient, provider: str, stream: bool
) -> None:
    for cut in range(1, len(EMAIL)):
        guarded.sim.answers["m"] = Answer(f"To {EMAIL[:cut]}", chunk=2, finish="length")
        if stream:
            text = text_of(await streamed(http, f"{provider}-m"))
        else:
            text = (await whole(http, f"{provider}-m"))["choices"][0]["message"]["content"]
        assert text == "To "


async def test_unknown_fields_and_logprobs_cannot_carry_a_copy(guarded: Running, http: httpx.AsyncClient) -> None:
    guarded.sim.answers["m"] = Answer(TEXT, chunk=1)
    chunks = await streamed(http, "openai-m", logprobs=True)
    assert all(choice["logprobs"] is None for chunk in chunks for choice in chunk["choices"])
    assert all(
        set(choice) == {"index", "delta", "logprobs", "finish_reason"} for c in chunks for choice in c["choices"]
    )


@each_provider
async def test_the_record_counts_what_was_redacted_and_holds_no_text(
    guarded: Running, http: httpx.AsyncClient, provider: str
) -> None:
    guarded.sim.answers["m"] = Answer(TEXT, chunk=3)
    await streamed(http, f"{provider}-m")
    record = await guarded.recorded()
    assert sorted(str(note.rule) for note in record.notes) == ["card", "email", "key", "words"]
    assert not any(secret in repr(record) for secret in SECRETS)


BLOCK = """
default_policies: [redact/code]
policies:
  redact/code: {{rules: [{{name: eval, regex: 'eval\\(', action: block}}]}}
"""


@each_provider
async def test_a_block_ends_the_answer_before_it_and_closes_the_provider(anyio_backend: object, provider: str) -> None:
    async with running(CONFIG, BLOCK) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("Run eval(x) please. " * 200, chunk=1, pace=0.001)
        chunks = chunks_of((await http.post(CHAT, json=ask(f"{provider}-m", stream=True))).text)
        assert text_of(chunks) == "Run "
        last = chunks[-1]
        assert last["choices"][0]["finish_reason"] == "content_filter"
        assert last["x_sluice"] == {"stopped_by": "redact/code"}
        call = await run.sim.next_call()
        await call.left(timeout=2)
        assert call.chunks_sent < 100
        assert (await run.recorded()).outcome == "policy_stopped"
