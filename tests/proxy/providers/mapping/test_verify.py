"""Nothing is lost in the mapping for Anthropic, or in silence in any."""

import json
from typing import Any

import pytest

from proxy.errors import InvalidRequest
from proxy.providers import litellm
from proxy.providers.anthropic import anthropic_request
from proxy.providers.mapping.verify import Counted, SchemaTickets, check_conversation
from proxy.providers.requests import prepare
from tests.proxy.providers.calls import call

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def sent(body: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(anthropic_request(call("anthropic", body, **changes)).body)
    return made


CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]},
    {"role": "assistant", "content": None, "tool_calls": [{}, {}]},
    {"role": "tool", "content": "1"},
    {"role": "tool", "content": [{"type": "image_url"}]},
]


def test_a_conversation_that_came_through_whole_passes() -> None:
    check_conversation(CONVERSATION, Counted(calls=2, results=2, media=2))


@pytest.mark.parametrize(
    ("counted", "what"),
    [
        (Counted(1, 2, 2), "2 tool calls, of which 1"),
        (Counted(2, 3, 2), "2 results of tool calls, of which 3"),
        (Counted(2, 2, 0), "2 images and files, of which 0"),
    ],
)
def test_what_is_missing_or_made_up_is_a_refusal_that_names_it(counted: Counted, what: str) -> None:
    with pytest.raises(InvalidRequest, match=what) as refused:
        check_conversation(CONVERSATION, counted)
    assert refused.value.param == "messages"


@pytest.mark.parametrize("api", ["anthropic", "gemini"])
def test_a_mapping_that_loses_a_call_is_a_refusal(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM's own mapping, with its last turn taken out behind it: the loss that a release of it may bring."""
    name, turns = {"anthropic": ("map_anthropic", "messages"), "gemini": ("map_gemini", "contents")}[api]
    real = getattr(litellm, name)

    def losing(*arguments: Any) -> Any:
        made = real(*arguments)
        (made.body if api == "anthropic" else made)[turns].pop()
        return made

    call_of = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": [call_of]}]
    request = {"messages": messages, "tools": [WEATHER]}
    assert prepare(call(api, request)).body
    monkeypatch.setattr(litellm, name, losing)
    with pytest.raises(InvalidRequest, match="1 tool calls, of which 0"):
        prepare(call(api, request))


def test_a_ticket_is_exchanged_for_its_schema_and_a_lost_one_is_a_refusal() -> None:
    tickets = SchemaTickets()
    declared = [{"name": name, "given": tickets.ticket({"made": name})} for name in ("f", "g")]
    own: list[dict[str, Any]] = [
        {"given": None},
        {"given": {}},
        {"given": {"properties": {"sluice_ticket": {"description": "x"}}}},
    ]
    tickets.give_back([*own, *declared[::-1]], "given")
    assert declared == [{"name": name, "made": name} for name in ("f", "g")]
    assert all("given" in function for function in own)
    with pytest.raises(InvalidRequest, match="2 of the function tools"):
        tickets.give_back(own, "given")


def schema_of(parameters: dict[str, Any]) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    (made,) = sent({"tools": [tool]})["tools"]
    return dict(made["input_schema"])


def test_a_functions_schema_goes_up_whole() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"a": {"oneOf": [{"type": "string"}, {"const": 1}]}},
        "patternProperties": {"^x-": {"type": "string"}},
        "additionalProperties": False,
        "minProperties": 1,
    }
    assert schema_of(schema) == schema


def test_alternatives_at_a_schemas_root_are_folded_into_the_object() -> None:
    one = {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]}
    other = {"properties": {"b": {"type": "integer"}}, "required": ["b"]}
    both = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    properties = {"a": {"type": "string"}, "b": both}
    for name, required in (("anyOf", ["b"]), ("oneOf", ["b"]), ("allOf", ["a", "b"])):
        made = schema_of({"type": "object", name: [one, other]})
        assert made == {"type": "object", "properties": properties, "required": required}
    with pytest.raises(InvalidRequest, match="at its root"):
        schema_of({"anyOf": [{"type": "string"}]})


def test_nothing_is_put_into_the_mouth_of_who_said_nothing() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        {"role": "assistant", "content": [{"type": "text", "text": " "}]},
        {"role": "user", "content": "b"},
    ]
    up = sent({"messages": messages, "tools": [WEATHER]})["messages"]
    assert "sanitised" not in json.dumps(up)
    assert [block["type"] for block in up[1]["content"]] == ["tool_use"]
    with pytest.raises(InvalidRequest, match="is empty"):
        sent({"messages": [{"role": "user", "content": ""}]})


@pytest.mark.parametrize("alias", ["image/jpg", "image/JPG", "image/pjpeg"])
def test_a_media_type_has_its_registered_name(alias: str) -> None:
    part = {"type": "image_url", "image_url": {"url": f"data:{alias};base64,AAAA"}}
    (block,) = sent({"messages": [{"role": "user", "content": [part]}]})["messages"][0]["content"]
    assert block["source"]["media_type"] == "image/jpeg"


def test_without_a_limit_of_the_clients_thinking_leaves_the_models_own() -> None:
    assert sent({"reasoning_effort": "high"})["max_tokens"] == sent()["max_tokens"]
    assert sent({"reasoning_effort": "high", "max_tokens": 100})["max_tokens"] < 10_000
