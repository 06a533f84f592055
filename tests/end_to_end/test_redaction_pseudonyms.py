"""Pseudonyms over the wire: the provider sees only placeholders, and the client its own values."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from proxy.simulator import Answer, InjectedFault, ToolUse
from proxy.simulator.asks import Ask
from tests.end_to_end.leaks import answered, model_of, said, together, yaml
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("name", PROVIDERS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])

ANN, BOB, TAIPEI = "ann.lee@example.com", "bob@example.net", "台北市信義路五段7號"
PROMPT = f"Write to {ANN} and {BOB}, not to {ANN}, at {TAIPEI}."
ASKED = "Write to [EMAIL-1] and [EMAIL-2], not to [EMAIL-1], at [HOME-1]."
SAYS = "Dear [EMAIL-1] (or [email-1]) and [Email-2], [HOME-1] it is; [EMAIL-3] is nobody."
RESTORED = f"Dear {ANN} (or {ANN}) and {BOB}, {TAIPEI} it is; [EMAIL-3] is nobody."
RULES = [
    {"name": "email", "entity": "email", "action": "pseudonymize"},
    {"name": "home", "words": [TAIPEI], "action": "pseudonymize"},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
MODELS = "".join(
    model_of(prefix, p, [f"redact/{prefix}"]) for prefix in ("named", "shadow", "spoken") for p in PROVIDERS
)
POLICIES = yaml(
    policies={
        "redact/named": {"rules": RULES},
        "redact/shadow": {"rules": RULES, "mode": "shadow"},
        "redact/spoken": {"rules": RULES, "channels": ["content"]},
    }
)


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG + MODELS, POLICIES) as run:
        yield run


def everywhere(size: int, ask: Ask) -> Answer:
    calls = (ToolUse("f", json.dumps({"to": SAYS})),)
    return Answer(SAYS, reasoning=SAYS, refusal=SAYS if ask.provider == "openai" else "", tools=calls, chunk=size)


@both_ways
@each_provider
async def test_the_way_there_and_back(run: Running, name: str, stream: bool) -> None:
    """The placeholders come back cut at every position, in every text, and in other letter case."""
    sizes = range(1, len(SAYS) + 1)
    run.sim.answers |= {f"m{size}": partial(everywhere, size) for size in sizes}
    asked = (answered(run, f"named-{name}-m{size}", stream, prompt=PROMPT, tools=TOOLS) for size in sizes)
    for response in await together(asked):
        got = said(response)
        assert json.loads(got.pop("0.tool_calls.0.function.arguments")) == {"to": RESTORED}
        got.pop("0.tool_calls.0.provider_specific_fields.thought_signature", None)
        assert set(got.values()) == {RESTORED}
        assert got.keys() >= {"0.content", "0.reasoning_content"} and (name != "openai" or "0.refusal" in got)
    for call in run.sim.calls:
        assert ASKED in str(call.body)
        assert not any(value in str(call.body) for value in (ANN, BOB, TAIPEI))


@both_ways
@each_provider
async def test_a_conversation_keeps_its_names(run: Running, name: str, stream: bool) -> None:
    """The same value has the same placeholder in every message and in a tool's arguments."""
    run.sim.answers["m"] = Answer("So [EMAIL-1] it is, not [EMAIL-2].", chunk=3)
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"to": BOB})}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": f"You serve {ANN}."},
        {"role": "user", "content": [{"type": "text", "text": f"Write to {BOB}."}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": f"{BOB} was told."},
        {"role": "user", "content": f"And {ANN}?"},
    ]
    response = await answered(run, f"named-{name}-m", stream, messages=messages, tools=TOOLS)
    assert said(response) == {"0.content": f"So {ANN} it is, not {BOB}."}
    asked = str((await run.sim.next_call()).body)
    assert all(text in asked for text in ("You serve [EMAIL-1].", "Write to [EMAIL-2].", "[EMAIL-2] was told."))
    assert "And [EMAIL-1]?" in asked and ANN not in asked and BOB not in asked


@both_ways
@each_provider
async def test_nothing_is_known_after_the_request(run: Running, name: str, stream: bool) -> None:
    run.sim.answers["m"] = Answer(SAYS, chunk=3)
    first = await answered(run, f"named-{name}-m", stream, prompt=PROMPT)
    second = await answered(run, f"named-{name}-m", stream)
    assert (said(first), said(second)) == ({"0.content": RESTORED}, {"0.content": SAYS})


@both_ways
@each_provider
async def test_in_shadow_mode_the_provider_sees_the_values(run: Running, name: str, stream: bool) -> None:
    run.sim.answers["m"] = Answer(SAYS, chunk=1)
    response = await answered(run, f"shadow-{name}-m", stream, prompt=PROMPT)
    assert said(response) == {"0.content": SAYS}
    assert PROMPT in str((await run.sim.next_call()).body)
    record = await run.recorded()
    assert {(note.rule, note.action) for note in record.notes} == {
        ("email", "would_pseudonymize"),
        ("home", "would_pseudonymize"),
    }


@both_ways
@each_provider
async def test_values_come_back_in_the_rules_channels_alone(run: Running, name: str, stream: bool) -> None:
    run.sim.answers["m"] = Answer(SAYS, reasoning=SAYS, chunk=1)
    response = await answered(run, f"spoken-{name}-m", stream, prompt=PROMPT)
    got = said(response)
    assert (got["0.content"], got["0.reasoning_content"]) == (RESTORED, SAYS)


@each_provider
async def test_a_value_is_whole_or_not_there_when_the_answer_breaks(run: Running, name: str) -> None:
    says = "To [EMAIL-1] now"
    for pieces in range(1, len(says)):
        run.sim.answers[f"m{pieces}"] = Answer(says, chunk=1, fault=InjectedFault("error", after=pieces))
    asked = (answered(run, f"named-{name}-m{pieces}", True, prompt=PROMPT) for pieces in range(1, len(says)))
    for response in await together(asked):
        text = said(response).get("0.content", "") if response.status == 200 else ""
        assert f"To {ANN} now".startswith(text) and (len(text) <= 3 or ANN in text)
