"""Policies that change, stop, reject or fail, for every provider, streamed and whole."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, InjectedFault, ToolUse
from tests.end_to_end.clients import CHAT, ask, chunks_of, failure_of, plain, text_of
from tests.end_to_end.provider import json_answer, provider, stream_answer
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running
from tests.end_to_end.trivial import TRIVIAL

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("name", PROVIDERS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])

LONG = "one two three four five six seven eight nine ten " * 20


POLICIES = """
policies:
  idle/x: {{}}
  idle/guarding: {{guards: true}}
  upper/x: {{}}
  double/x: {{}}
  refuse/x: {{}}
  stop/at-once: {{}}
  stop/after-4: {{after: 4}}
  stop/after-10: {{after: 10}}
  raise/at-once: {{}}
  raise/after-8: {{after: 8}}
  reject/x: {{}}
  hold/x: {{}}
default_policies: [upper/x]
"""
RULES = {
    "none": "",
    "double": "double/x",
    "refuse": "refuse/x",
    "double and stop": "stop/after-4, double/x",
    "stop": "stop/after-10",
    "stop at once": "stop/at-once",
    "raise": "raise/after-8",
    "raise at once": "raise/at-once",
    "reject": "reject/x",
    "hold": "hold/x",
}
"""Configure the policies of the models `{rule}-{provider}-*`. Those of `{provider}-*` are the default."""


def model(rule: str, provider: str = "openai") -> str:
    """Return the name of a model under a rule. Its provider is asked for `m`."""
    return f"{rule.replace(' ', '_')}-{provider}-m"


@pytest.fixture(scope="module")
async def shared_ruled(anyio_backend: object) -> AsyncIterator[Running]:
    models = "".join(
        f'  "{model(rule, name)[:-1]}*": {{{{target: "{name}/*", policies: [{ids}]}}}}\n'
        for rule, ids in RULES.items()
        for name in PROVIDERS
    )
    async with running(CONFIG + models, POLICIES, TRIVIAL) as run:
        yield run


@pytest.fixture
async def run(shared_ruled: Running) -> AsyncIterator[Running]:
    async with fresh(shared_ruled) as run:
        yield run


async def asked(http: httpx.AsyncClient, model: str, stream: bool, **more: Any) -> list[tuple[str, str]]:
    """The text and finish reason of each choice, in their order."""
    response = await http.post(CHAT, json=ask(model, stream=stream, **more))
    assert response.status_code == 200, response.text
    if not stream:
        return [(entry["message"]["content"], entry["finish_reason"]) for entry in response.json()["choices"]]
    chunks = chunks_of(response.text)
    entries = [entry for chunk in chunks for entry in chunk["choices"]]
    reasons = {entry["index"]: entry["finish_reason"] for entry in entries if entry["finish_reason"]}
    assert len(reasons) == len([entry for entry in entries if entry["finish_reason"]])
    return [(text_of(chunks, index), reasons[index]) for index in sorted(reasons)]


# ---- text
@both_ways
@each_provider
async def test_a_policy_changes_the_text(run: Running, http: httpx.AsyncClient, name: str, stream: bool) -> None:
    run.sim.answers["m"] = Answer("Hello naïve 您好", reasoning="Well", chunk=3)
    response = await http.post(CHAT, json=ask(f"{name}-m", stream=stream))
    told = response.json()["choices"][0]["message"] if not stream else None
    channels = [
        told[member] if told else text_of(chunks_of(response.text), member=member)
        for member in ("content", "reasoning_content")
    ]
    assert channels == ["HELLO NAÏVE 您好", "WELL"]


@both_ways
@pytest.mark.parametrize("name", ["openai", "gemini"])
async def test_every_choice_goes_through_it(run: Running, http: httpx.AsyncClient, name: str, stream: bool) -> None:
    run.sim.answers["m"] = Answer(("first", "second"), chunk=2)
    assert await asked(http, f"{name}-m", stream, n=2) == [("FIRST", "stop"), ("SECOND", "stop")]


@both_ways
async def test_policies_act_in_the_order_of_their_stages(run: Running, http: httpx.AsyncClient, stream: bool) -> None:
    run.sim.answers["m"] = Answer("abcdef")
    assert await asked(http, model("double and stop"), stream) == [("aabb", "length")]


async def test_a_model_may_have_its_own_policies_or_none(run: Running, http: httpx.AsyncClient) -> None:
    run.sim.answers["m"] = Answer("abc")
    assert await asked(http, model("none"), True) == [("abc", "stop")]
    assert await asked(http, model("double"), True) == [("aabbcc", "stop")]
    assert await asked(http, "openai-m", True) == [("ABC", "stop")]


# ---- requests
@both_ways
@each_provider
async def test_a_refused_request_goes_nowhere(run: Running, http: httpx.AsyncClient, name: str, stream: bool) -> None:
    response = await http.post(CHAT, json=ask(model("refuse", name), "forbidden", stream=stream))
    assert response.status_code == 451
    assert response.json()["error"]["code"] == "not_here"
    assert not run.sim.calls
    assert (await run.recorded()).outcome == "refused"


async def test_a_changed_request_is_what_the_provider_gets(run: Running, http: httpx.AsyncClient) -> None:
    run.sim.answers["m"] = Answer("Hello")
    await asked(http, model("refuse"), True, user="me")
    assert run.sim.calls[0].body["user"] == "refuse/x"


@both_ways
async def test_a_policy_that_fails_at_the_request_lets_nothing_through(
    run: Running, http: httpx.AsyncClient, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    response = await http.post(CHAT, json=ask(model("refuse"), "broken secret", stream=stream))
    assert (response.status_code, response.json()["error"]["code"]) == (500, "policy_error")
    assert not run.sim.calls
    record = await run.recorded()
    assert (record.outcome, record.status, len(run.records)) == ("policy_error", 500, 1)
    assert "secret" not in "".join(f"{each.getMessage()} {each.exc_text}" for each in caplog.records)
    assert "ValueError" in caplog.text


# ---- stops
@both_ways
@each_provider
async def test_a_stop_ends_the_answer_well_and_closes_the_provider_within_a_chunk(
    run: Running, http: httpx.AsyncClient, name: str, stream: bool
) -> None:
    run.sim.answers["m"] = Answer(LONG, chunk=4, pace=0.02)
    response = await http.post(CHAT, json=ask(model("stop", name), stream=stream))
    last = chunks_of(response.text)[-1] if stream else response.json()
    assert last["x_sluice"] == {"stopped_by": "stop/after-10"}
    assert last["choices"][0]["finish_reason"] == "length"
    text = text_of(chunks_of(response.text)) if stream else last["choices"][0]["message"]["content"]
    assert text == LONG[:10]
    assert response.headers.get("x-sluice-stopped-by") == (None if stream else "stop/after-10")
    call = await run.sim.next_call()
    await call.left()
    assert call.chunks_sent <= 10 // 4 + 1 + 1
    record = await run.recorded()
    assert (record.outcome, record.stopped_by) == ("policy_stopped", "stop/after-10")
    assert [note.action for note in record.notes] == ["stop"]


@both_ways
@pytest.mark.parametrize("name", ["openai", "gemini"])
async def test_the_provider_is_closed_when_the_last_choice_is_stopped(
    run: Running, http: httpx.AsyncClient, name: str, stream: bool
) -> None:
    run.sim.answers["m"] = Answer((LONG, LONG[::-1]), chunk=4, pace=0.01)
    assert await asked(http, model("stop", name), stream, n=2) == [(LONG[:10], "length"), (LONG[::-1][:10], "length")]
    await (await run.sim.next_call()).left()


@both_ways
@pytest.mark.parametrize("name", ["openai", "gemini"])
async def test_a_stop_of_one_choice_leaves_the_other_alone(
    run: Running, http: httpx.AsyncClient, name: str, stream: bool
) -> None:
    run.sim.answers["m"] = Answer((LONG[:60], "brief"), chunk=4)
    assert await asked(http, model("stop", name), stream, n=2) == [(LONG[:10], "length"), ("brief", "stop")]
    assert await (await run.sim.next_call()).end() == "completed"


async def test_a_stopped_answer_calls_no_tools(run: Running, http: httpx.AsyncClient) -> None:
    run.sim.answers["m"] = Answer("I look it up.", tools=(ToolUse("weather"),))
    response = (await http.post(CHAT, json=ask(model("stop at once")))).json()
    assert response["choices"][0]["finish_reason"] == "length"
    assert "tool_calls" not in response["choices"][0]["message"]


# ---- failures
@each_provider
async def test_a_policy_that_fails_in_mid_stream_ends_it_without_done(
    run: Running, http: httpx.AsyncClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run.sim.answers["m"] = Answer("one two secret " + LONG, chunk=4, pace=0.02)
    response = await http.post(CHAT, json=ask(model("raise", name), stream=True))
    chunks, error = failure_of(response.text)
    assert text_of(chunks) == "one two "
    assert (error["code"], error["type"]) == ("policy_error", "server_error")
    await (await run.sim.next_call()).left()
    assert (await run.recorded()).outcome == "policy_error"
    ours = [each for each in caplog.records if each.name.startswith(("sluice", "uvicorn"))]
    logged = "".join(f"{each.getMessage()} {each.exc_text}" for each in ours)
    assert "ValueError" in logged
    assert "secr" not in logged + response.text


@both_ways
@each_provider
async def test_a_policy_that_fails_before_the_first_event_is_a_500(
    run: Running, http: httpx.AsyncClient, name: str, stream: bool
) -> None:
    run.sim.answers["m"] = Answer(LONG, chunk=4, pace=0.02)
    response = await http.post(CHAT, json=ask(model("raise at once", name), stream=stream))
    assert (response.status_code, response.json()["error"]["code"]) == (500, "policy_error")
    assert "one" not in response.text
    await (await run.sim.next_call()).left()
    assert (await run.recorded()).outcome == "policy_error"


@both_ways
@each_provider
async def test_a_rejected_answer_is_a_failed_attempt(
    run: Running, http: httpx.AsyncClient, name: str, stream: bool
) -> None:
    run.sim.answers["m"] = Answer(LONG, chunk=4, pace=0.02)
    response = await http.post(CHAT, json=ask(model("reject", name), stream=stream))
    assert (response.status_code, response.json()["error"]["code"]) == (502, "rejected")
    await (await run.sim.next_call()).left()


# ---- time
@both_ways
@each_provider
async def test_a_policy_is_told_of_time_that_passes_in_silence(
    run: Running, http: httpx.AsyncClient, name: str, stream: bool
) -> None:
    run.sim.answers["m"] = Answer("one two", chunk=4, pace=0.3)
    assert await asked(http, model("hold", name), stream) == [("(one )(two)", "stop")]


async def test_held_text_comes_before_the_silence_ends(run: Running, http: httpx.AsyncClient) -> None:
    run.sim.answers["m"] = Answer("one two", chunk=4, fault=InjectedFault("stall", after=1))
    async with http.stream("POST", CHAT, json=ask(model("hold"), stream=True)) as response:
        parts = response.aiter_text()
        assert "(one )" in await anext(parts)


@each_provider
async def test_held_text_is_dropped_when_the_provider_dies(run: Running, http: httpx.AsyncClient, name: str) -> None:
    run.sim.answers["m"] = Answer("one two", chunk=4, fault=InjectedFault("eof", after=1))
    response = await http.post(CHAT, json=ask(model("hold", name), stream=True))
    assert response.status_code == 502
    assert "one" not in response.text


# ---- guards
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "leak": "secret"}
CHOICE = {"index": 0, "finish_reason": "stop", "text": "secret", "token_ids": [115], "logprobs": {"content": ["s"]}}


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming provider", "provider of whole answers"])
async def test_a_guarded_answer_holds_no_fields_that_nobody_knows(streaming: bool) -> None:
    message = {"role": "assistant", "content": "Hello", "reasoning_details": [{"text": "secret"}]}
    answer = (
        stream_answer([{**CHUNK, "choices": [{**CHOICE, "delta": message}]}])
        if streaming
        else json_answer({**CHUNK, "object": "chat.completion", "choices": [{**CHOICE, "message": message}]})
    )
    models = (
        "  open: {{target: local/m, policies: [idle/x]}}\n  guarded: {{target: local/m, policies: [idle/guarding]}}\n"
    )
    async with provider(answer) as server:
        local = f'  local: {{{{api: openai, base_url: "{server.url}/v1"}}}}\nmodels:\n{models}'
        async with running(CONFIG.replace("models:\n", local), POLICIES, TRIVIAL) as run, plain(run.url) as http:
            for stream in (True, False):
                opened = (await http.post(CHAT, json=ask("open", stream=stream))).text
                guarded = (await http.post(CHAT, json=ask("guarded", stream=stream))).text
                assert "Hello" in opened and "Hello" in guarded
                for leak in ("secret", "token_ids", "reasoning_details", '"logprobs":{'):
                    assert leak in opened
                    assert leak not in guarded
