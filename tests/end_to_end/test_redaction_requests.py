"""No secret in any text of a request reaches the provider, whoever wrote it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.end_to_end.leaks import RULES, SECRETS, TEXT, yaml
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import client, post

pytestmark = pytest.mark.anyio

Messages = list[dict[str, Any]]

ASKING: Messages = [{"role": "user", "content": "hello"}]
ARGUMENTS = json.dumps({"to": TEXT, TEXT: [TEXT]}, ensure_ascii=False)
ESCAPED = json.dumps({"to": TEXT, TEXT: [TEXT]})
IN_ESCAPES = json.dumps(json.dumps(TEXT)[1:-1])[1:-1]
"""The text as `ESCAPED` has it, in a JSON string."""


def said(**members: Any) -> Messages:
    """Make an assistant's turn in the middle of the conversation."""
    return [*ASKING, {"role": "assistant", "content": "hi", **members}, *ASKING]


def called(id: str = "c", **members: Any) -> Messages:
    """A tool call and its result."""
    answer = {"role": "tool", "tool_call_id": id, "content": "done"}
    return [*ASKING, {"role": "assistant", "content": None, "tool_calls": [{"id": id, **members}]}, answer]


def result(content: Any) -> Messages:
    messages = called(type="function", function={"name": "f", "arguments": "{}"})
    return [*messages[:-1], {**messages[-1], "content": content}]


PLACES: dict[str, dict[str, Any]] = {
    "a content": {"messages": [{"role": "user", "content": TEXT}]},
    "a text part": {"messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}]}]},
    "a refusal": {"messages": said(refusal=TEXT)},
    "a refusal part": {"messages": said(content=[{"type": "refusal", "refusal": TEXT}])},
    "a thinking part": {"messages": said(content=[{"type": "thinking", "thinking": TEXT}])},
    "a thought": {"messages": said(reasoning_content=TEXT)},
    "a tool call's arguments": {"messages": called(type="function", function={"name": "f", "arguments": ARGUMENTS})},
    "arguments in escapes": {"messages": called(type="function", function={"name": "f", "arguments": ESCAPED})},
    "arguments that are no JSON": {"messages": called(type="function", function={"name": "f", "arguments": TEXT})},
    "a function call's arguments": {
        "messages": said(content=None, function_call={"name": "f", "arguments": ARGUMENTS})
    },
    "a custom tool's input": {"messages": called(type="custom", custom={"name": "f", "input": TEXT})},
    "a tool's result": {"messages": result(TEXT)},
    "a part of a tool's result": {"messages": result([{"type": "text", "text": TEXT}])},
    "a result within a part": {
        "messages": result([{"type": "tool_result", "content": [{"type": "text", "text": TEXT}]}])
    },
    "a text within a part": {"messages": result([{"type": "tool_result", "content": TEXT}])},
    "a system message": {"messages": [{"role": "system", "content": TEXT}, *ASKING]},
    "a predicted answer": {"messages": ASKING, "prediction": {"type": "content", "content": TEXT}},
    "parts of a predicted answer": {
        "messages": ASKING,
        "prediction": {"type": "content", "content": [{"type": "text", "text": TEXT}]},
    },
}


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    both = {name: {"rules": rules, "direction": "both"} for name, rules in RULES.items()}
    async with running(CONFIG, yaml(policies=both, default_policies=[*both])) as run:
        yield run


async def sent(run: Running, body: dict[str, Any]) -> dict[str, Any]:
    """Return the request that the provider received."""
    async with client(run.port) as wire:
        await wire.send(post("/v1/chat/completions", json.dumps({"model": "openai-sim-chat", **body}).encode()))
        response = await wire.response()
    assert response.status == 200, bytes(response.body)
    got: dict[str, Any] = run.sim.calls[-1].body
    return got


@pytest.mark.parametrize("place", PLACES)
async def test_no_secret_of_a_request_reaches_the_provider(run: Running, place: str) -> None:
    body = PLACES[place]
    got = json.dumps(await sent(run, body), ensure_ascii=False)
    for secret in SECRETS:
        assert secret.text not in got and json.dumps(secret.text)[1:-1] not in got, secret.name
    assert got.count(SECRETS[0].label) == json.dumps(body).count(SECRETS[0].text)


async def test_a_thinking_block_with_a_secret_is_left_out_as_it_is_signed(run: Running) -> None:
    blocks = [{"type": "thinking", "thinking": text, "signature": "c2ln"} for text in ("well", TEXT, "so")]
    sealed = {"type": "redacted_thinking", "data": "c2VhbGVk"}
    got = await sent(run, {"messages": said(thinking_blocks=[*blocks, sealed])})
    assert got["messages"][1]["thinking_blocks"] == [blocks[0], blocks[2], sealed]


async def test_text_that_is_no_secret_passes_as_it_came(run: Running) -> None:
    plain = json.dumps(PLACES, ensure_ascii=False).replace(TEXT, "plain").replace(IN_ESCAPES, "plain")
    for place, body in json.loads(plain).items():
        got = await sent(run, body)
        assert {name: got[name] for name in body} == body, place
