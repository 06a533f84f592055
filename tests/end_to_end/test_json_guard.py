"""`json_guard` over real sockets: streamed and whole, the three providers, and OpenAI's SDK after a stop."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from proxy.simulator import Answer
from tests.end_to_end.clients import CHAT, ask, chunks_of, failure_of, plain, text_of
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running

pytestmark = pytest.mark.anyio

GUARDS = (
    "".join(
        f"""
  "held-{provider}-*": {{{{target: "{provider}/*", policies: [json_guard/held]}}}}
  "bare-{provider}-*": {{{{target: "{provider}/*", policies: [json_guard/bare]}}}}
  "flag-{provider}-*": {{{{target: "{provider}/*", policies: [json_guard/flag]}}}}"""
        for provider in PROVIDERS
    )
    + """
policies:
  json_guard/strict: {{on_invalid: stop}}
  json_guard/held: {{on_invalid: retry, attempts: 3}}
  json_guard/bare: {{strip_fence: true}}
  json_guard/flag: {{on_invalid: flag}}
default_policies: [json_guard/strict]
"""
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}
RIGHT = json.dumps({"name": "Ada 😀", "age": 36})
WRONG = '{"name": "Ada", "age": "36", "more": "' + "word " * 200 + '"}'
GOOD = '{"name": "Ada", "age": '


@pytest.fixture(scope="module")
async def guarded(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG + GUARDS) as run:
        yield run


@pytest.fixture
async def run(guarded: Running) -> AsyncIterator[Running]:
    async with fresh(guarded) as run:
        yield run


async def post(run: Running, model: str, stream: bool, **more: Any) -> Any:
    async with plain(run.url) as http:
        return await http.post(CHAT, json=ask(model, stream=stream, **{"response_format": FORMAT, **more}))


def text(response: Any, stream: bool) -> str:
    assert response.status_code == 200, response.text
    if stream:
        return text_of(chunks_of(response.text))
    return response.json()["choices"][0]["message"]["content"] or ""


def ending(response: Any, stream: bool) -> tuple[str, str | None]:
    """The finish reason, and the policy that is named for it."""
    if stream:
        last = [chunk for chunk in chunks_of(response.text) if chunk["choices"]][-1]
        return last["choices"][0]["finish_reason"], last.get("x_sluice", {}).get("stopped_by")
    return response.json()["choices"][0]["finish_reason"], response.headers.get("x-sluice-stopped-by")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("chunk", [1, 7])
async def test_a_right_answer_passes(run: Running, provider: str, stream: bool, chunk: int) -> None:
    run.sim.answers["sim-x"] = Answer(RIGHT, chunk=chunk)
    response = await post(run, f"{provider}-sim-x", stream)
    assert json.loads(text(response, stream)) == json.loads(RIGHT)
    assert ending(response, stream) == ("stop", None)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_wrong_answer_stops_and_the_provider_is_closed_within_a_chunk(
    run: Running, provider: str, stream: bool
) -> None:
    run.sim.answers["sim-x"] = Answer(WRONG, chunk=5, pace=0.01)
    response = await post(run, f"{provider}-sim-x", stream)
    assert text(response, stream) == GOOD
    assert ending(response, stream) == ("content_filter", "json_guard/strict")
    call = await run.sim.next_call()
    await call.left()
    assert call.chunks_sent <= len(GOOD) // 5 + 2
    record = await run.recorded()
    assert (record.outcome, record.stopped_by) == ("policy_stopped", "json_guard/strict")


async def test_without_a_json_format_prose_passes(run: Running) -> None:
    run.sim.answers["sim-x"] = Answer("Just words.")
    assert text(await post(run, "openai-sim-x", True, response_format=None), True) == "Just words."


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('{"name": ', "12}"),  # type
        ('{"name": "Ada"', "}"),  # required
        ('{"name": "Ada", "age": 36, "', 'more": 1}'),  # additionalProperties
        ('{"name": "Ada", "age": 36, "rank": "', 'low"}'),  # enum
        ('{"name": "Ada", "age": 36} ', "Hope this helps"),  # no JSON
    ],
)
async def test_each_keyword_stops_at_the_first_wrong_character(
    run: Running, good: str, bad: str, provider: str, stream: bool
) -> None:
    run.sim.answers["sim-x"] = Answer(good + bad, chunk=3)
    ranked = {**SCHEMA, "properties": {**SCHEMA["properties"], "rank": {"enum": ["high", "higher"]}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": ranked}}
    response = await post(run, f"{provider}-sim-x", stream, response_format=wanted)
    assert text(response, stream) == good
    assert ending(response, stream) == ("content_filter", "json_guard/strict")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_fence_is_taken_off(run: Running, provider: str, stream: bool) -> None:
    run.sim.answers["sim-x"] = Answer(f"```json\n{RIGHT}\n```", chunk=2)
    response = await post(run, f"bare-{provider}-sim-x", stream)
    assert json.loads(text(response, stream)) == json.loads(RIGHT)
    assert "`" not in text(response, stream)
    assert ending(response, stream) == ("stop", None)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_flag_changes_nothing_and_is_on_the_record(run: Running, provider: str, stream: bool) -> None:
    run.sim.answers["sim-x"] = Answer(WRONG, chunk=30)
    response = await post(run, f"flag-{provider}-sim-x", stream)
    assert (text(response, stream), ending(response, stream)) == (WRONG, ("stop", None))
    (note,) = (await run.recorded()).notes
    assert (note.policy, note.action, note.offset) == ("json_guard/flag", "flagged", len(GOOD))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_retry_sends_a_right_answer_and_fails_a_wrong_one_before_anything_was_sent(
    run: Running, provider: str, stream: bool
) -> None:
    run.sim.answers["sim-x"] = Answer(RIGHT, chunk=3)
    assert text(await post(run, f"held-{provider}-sim-x", stream), stream) == RIGHT
    run.sim.answers["sim-x"] = Answer(WRONG, chunk=3)
    response = await post(run, f"held-{provider}-sim-x", stream)
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "rejected"
    assert response.headers["x-should-retry"] == "false"
    assert len(run.sim.calls) == 4
    assert (await run.recorded(2)).attempts == 3


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_retry_asks_again_until_the_answer_is_right_and_bills_every_attempt(
    run: Running, provider: str, stream: bool
) -> None:
    run.sim.answers["sim-x"] = [Answer(WRONG, chunk=3), Answer("Sorry", chunk=3), Answer(RIGHT, chunk=3)]
    assert text(await post(run, f"held-{provider}-sim-x", stream), stream) == RIGHT
    record = await run.recorded()
    assert (record.attempts, record.outcome, len(run.sim.calls)) == (3, "completed", 3)
    assert [note.action for note in record.notes].count("rejected") == 2
    assert record.bill is not None and record.bill.usage.completion > len(RIGHT) // 4


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_while_an_answer_is_held_the_client_hears_keep_alives_and_then_gets_the_right_one(
    anyio_backend: object, provider: str
) -> None:
    async with running(CONFIG.replace("port: 0", "port: 0, keep_alive: 0.05") + GUARDS) as run:
        run.sim.answers["sim-x"] = Answer(RIGHT, chunk=4, pace=0.02)
        response = await post(run, f"held-{provider}-sim-x", True)
        comments, _, events = response.text.partition("data: ")
        assert set(comments.split("\n\n")) == {": keep-alive", ""}
        assert text_of(chunks_of(f"data: {events}")) == RIGHT


async def test_it_is_asked_again_behind_keep_alives_too_and_then_fails_without_done(anyio_backend: object) -> None:
    async with running(CONFIG.replace("port: 0", "port: 0, keep_alive: 0.05") + GUARDS) as run:
        run.sim.answers["sim-x"] = [Answer(WRONG, chunk=4, pace=0.02), Answer(RIGHT, chunk=4)]
        response = await post(run, "held-openai-sim-x", True)
        assert text_of(chunks_of(response.text)) == RIGHT
        run.sim.answers["sim-x"] = Answer(WRONG, chunk=4, pace=0.02)
        response = await post(run, "held-openai-sim-x", True)
        chunks, error = failure_of(response.text)
        assert (chunks, error["code"]) == ([], "rejected")
        assert (await run.recorded(2)).attempts == 3


async def test_a_schema_that_cannot_be_held_against_an_answer_is_a_400(run: Running) -> None:
    elsewhere = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "https://example.com/s"}}}
    response = await post(run, "openai-sim-x", True, response_format=elsewhere)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_json_schema"
    assert not run.sim.calls


async def test_the_sdk_raises_instead_of_parsing_half_a_document(run: Running) -> None:
    class Person(BaseModel):
        name: str
        age: int

    client = openai.AsyncOpenAI(base_url=f"{run.url}/v1", api_key="x", max_retries=0)
    async with client:
        run.sim.answers["sim-x"] = Answer(RIGHT)
        messages: Any = [{"role": "user", "content": "Who?"}]
        parsed = await client.chat.completions.parse(model="openai-sim-x", messages=messages, response_format=Person)
        assert parsed.choices[0].message.parsed == Person(name="Ada 😀", age=36)
        run.sim.answers["sim-x"] = Answer(WRONG)
        with pytest.raises(openai.ContentFilterFinishReasonError):
            await client.chat.completions.parse(model="openai-sim-x", messages=messages, response_format=Person)
