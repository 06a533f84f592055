"""Anthropic's format: the order of events, whole messages, and rejected requests."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, Simulator, Tokens, ToolUse

pytestmark = pytest.mark.anyio
Build = Callable[..., Any]
Events = Callable[[str], list[Any]]
ASK = [{"role": "user", "content": "hi"}]
TOOL = {"name": "f", "input_schema": {"type": "object"}}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]}
THINKING = {"type": "enabled", "budget_tokens": 1024}
EVERYTHING = Answer(
    "Here it is.",
    reasoning="Let me think.",
    tools=(ToolUse("weather", '{"city": "北京"}'),),
    tokens=Tokens(prompt=20, completion=9, cached=5, reasoning=3),
)


async def test_events_come_named_and_in_the_api_s_order(
    sim: Simulator, http: httpx.AsyncClient, post: Build, events: Events
) -> None:
    sim.answers["m"] = EVERYTHING
    text = (await http.post(**post("anthropic").arguments)).text
    told = events(text)
    assert [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event")] == [
        event["type"] for event in told
    ]
    order = [event["type"] for event in told if event["type"] not in ("content_block_delta", "ping")]
    block = ["content_block_start", "content_block_stop"]
    assert order == ["message_start", *block, *block, *block, "message_delta", "message_stop"]
    assert [e["type"] for e in told].count("ping") == 1


async def test_deltas_add_up_to_the_whole_message(
    sim: Simulator, http: httpx.AsyncClient, post: Build, events: Events
) -> None:
    sim.answers["m"] = EVERYTHING
    blocks: dict[int, dict[str, Any]] = {}
    for event in events((await http.post(**post("anthropic").arguments)).text):
        if event["type"] == "content_block_start":
            blocks[event["index"]] = event["content_block"] | {"json": ""}
        if event["type"] == "content_block_delta":
            kind, delta = event["delta"]["type"], event["delta"]
            field = {"input_json_delta": "json"}.get(kind, kind.removesuffix("_delta"))
            blocks[event["index"]][field] += delta.get(field) or delta.get("partial_json", "")
    whole = (await http.post(**post("anthropic", stream=False).arguments)).json()["content"]
    assert blocks[0]["thinking"] == "Let me think." == whole[0]["thinking"]
    assert blocks[0]["signature"] == whole[0]["signature"] != ""
    assert blocks[1]["text"] == "Here it is." == whole[1]["text"]
    assert (blocks[2]["name"], blocks[2]["json"]) == ("weather", '{"city": "北京"}')
    assert whole[2]["input"] == {"city": "北京"} and blocks[2]["id"].startswith("toolu_")


async def test_input_tokens_exclude_the_cached_ones(
    sim: Simulator, http: httpx.AsyncClient, post: Build, events: Events
) -> None:
    sim.answers["m"] = EVERYTHING
    told = events((await http.post(**post("anthropic").arguments)).text)
    assert told[0]["message"]["usage"]["input_tokens"] == 15
    assert told[-2]["usage"] | {} == told[-2]["usage"]
    assert (told[-2]["usage"]["cache_read_input_tokens"], told[-2]["usage"]["output_tokens"]) == (5, 9)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer("text"), "end_turn"),
        (Answer("text", finish="length"), "max_tokens"),
        (Answer(tools=(ToolUse("f"),)), "tool_use"),
        (Answer(refusal="No."), "refusal"),
    ],
)
async def test_the_stop_reason_is_anthropic_s(
    sim: Simulator, http: httpx.AsyncClient, post: Build, answer: Answer, reason: str
) -> None:
    sim.answers["m"] = answer
    assert (await http.post(**post("anthropic", stream=False).arguments)).json()["stop_reason"] == reason


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": "2023-06-01"}, 401, "authentication_error"),
        ({"anthropic-version": "2023-06-01", "x-api-key": "bad-key"}, 401, "authentication_error"),
        ({"x-api-key": "key"}, 400, "invalid_request_error"),
    ],
)
async def test_missing_headers_are_refused_in_anthropic_s_shape(
    sim: Simulator, http: httpx.AsyncClient, headers: dict[str, str], status: int, kind: str
) -> None:
    response = await http.post("/v1/messages", headers=headers, json={"model": "m", "max_tokens": 9, "messages": ASK})
    assert response.status_code == status
    assert (response.json()["type"], response.json()["error"]["type"]) == ("error", kind)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"seed": 1}, "seed: Extra inputs are not permitted"),
        ({"temperature": 1.5}, "temperature"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "system", "content": "x"}]}, "Unexpected role"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 'first message must use the "user" role'),
        ({"messages": [{"role": "user", "content": "", "name": "x"}]}, "Extra inputs"),
        ({"messages": [{"role": "user", "content": []}, *ASK]}, "non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "must be non-empty"),
        ({"messages": [*ASK, {"role": "assistant", "content": "x "}]}, "trailing whitespace"),
        ({"messages": [*ASK, RESULT], "tools": [TOOL]}, "unexpected `tool_use_id`"),
        ({"messages": [*ASK, CALL, *ASK], "tools": [TOOL]}, "without `tool_result` blocks"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "`max_tokens` must be greater"),
        ({"thinking": THINKING, "temperature": 0}, "may only be set to 1"),
        ({"thinking": THINKING, "tools": [TOOL], "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"thinking": THINKING, "messages": [*ASK, CALL, RESULT], "tools": [TOOL]}, "Expected `thinking`"),
        ({"tools": [{"name": "f"}]}, "input_schema"),
        ({"tools": [{"name": "f", "input_schema": {}}]}, "'object'"),
        ({"tool_choice": {"type": "auto"}}, "while providing tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "'g' not found"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"thinking": "yes"}, "wrong type"),
    ],
)
async def test_a_request_that_the_api_refuses_is_refused(
    sim: Simulator, http: httpx.AsyncClient, post: Build, members: dict[str, Any], says: str
) -> None:
    response = await http.post(**post("anthropic", **members).arguments)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]


@pytest.mark.parametrize("missing", ["model", "max_tokens", "messages"])
async def test_required_fields_are_named(sim: Simulator, http: httpx.AsyncClient, post: Build, missing: str) -> None:
    request = post("anthropic")
    del request.body[missing]
    assert (await http.post(**request.arguments)).json()["error"]["message"] == f"{missing}: Field required"


async def test_a_thinking_block_goes_back_only_as_it_came(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    sim.answers["m"] = Answer(reasoning="Let me think.", tools=(ToolUse("f"),))
    content = (await http.post(**post("anthropic", stream=False).arguments)).json()["content"]
    result = {"type": "tool_result", "tool_use_id": content[1]["id"], "content": "sunny"}
    turns = [*ASK, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    request = post("anthropic", "sim-tools", stream=False, messages=turns, tools=[TOOL], thinking=THINKING)
    reply = (await http.post(**request.arguments)).json()
    assert reply["content"][-1]["text"].startswith("The tool said: sunny")
    content[0]["thinking"] = "Let me [NAME]."
    refused = await http.post(**request.arguments)
    assert refused.status_code == 400 and "Invalid `signature`" in refused.json()["error"]["message"]
