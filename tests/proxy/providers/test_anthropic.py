"""OpenAI's request as Anthropic's, feature by feature."""

import json
from typing import Any

import pytest

from proxy.errors import InvalidRequest
from proxy.providers.anthropic import anthropic_request
from proxy.providers.outbound import HttpRequest
from tests.proxy.providers.calls import KEY, call

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "now", "parameters": SCHEMA}}
TYPED = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
OLDER = "claude-3-haiku-20240307"
UNKNOWN = "anthropic-test-x"


def request(body: dict[str, Any] | None = None, **changes: Any) -> HttpRequest:
    return anthropic_request(call("anthropic", body, **changes))


def sent(body: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(request(body, **changes).body)
    return result


def said(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def user_blocks(*parts: Any) -> Any:
    return sent(said(*parts))["messages"][0]["content"]


def test_url_headers_and_the_least_body() -> None:
    made = request()
    assert made.url == "https://api.anthropic.com/v1/messages"
    assert made.headers["x-api-key"] == KEY
    assert made.headers["anthropic-version"] == "2023-06-01"
    assert made.headers["accept"] == "text/event-stream"
    assert made.headers["accept-encoding"] == "identity"
    assert "authorization" not in made.headers
    body = json.loads(made.body)
    assert body.pop("max_tokens") > 4096
    assert body == {
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "stream": True,
    }


def test_no_key_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-somebody-else")
    headers = request(provider={"api_key": None}).headers
    assert not {"x-api-key", "authorization"} & headers.keys()


def test_a_models_limit_is_its_own_and_4096_where_unknown() -> None:
    assert sent()["max_tokens"] == 64_000
    assert sent(model=UNKNOWN)["max_tokens"] == 4096


@pytest.mark.parametrize(
    ("asked", "mapped"),
    [
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_completion_tokens": 8}, {"max_tokens": 8}),
        ({"max_tokens": 7, "max_completion_tokens": 8}, {"max_tokens": 8}),
        ({"max_completion_tokens": 8, "max_tokens": 7}, {"max_tokens": 8}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2, "top_p": 0.9}),
        ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
        ({"top_k": 5}, {"top_k": 5}),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}),
    ],
)
def test_parameters(asked: dict[str, Any], mapped: dict[str, Any]) -> None:
    assert sent(asked).items() >= mapped.items()


@pytest.mark.parametrize("user", ["someone@example.com", "+31 6 12345678"])
def test_a_user_that_is_personal_data_stays_here(user: str) -> None:
    assert "metadata" not in sent({"user": user})


def test_system_messages_are_the_system_prompt() -> None:
    cached = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "developer", "content": "a"},
        {"role": "system", "content": [cached]},
        {"role": "user", "content": "c"},
    ]
    body = sent({"messages": messages})
    assert body["system"] == [{"type": "text", "text": "a"}, cached]
    assert [m["role"] for m in body["messages"]] == ["user"]


def test_a_cached_message_and_tool() -> None:
    mark = {"type": "ephemeral"}
    body = sent(
        {**said({"type": "text", "text": "a", "cache_control": mark}), "tools": [{**WEATHER, "cache_control": mark}]}
    )
    assert body["messages"][0]["content"][0]["cache_control"] == mark
    assert body["tools"][0]["cache_control"] == mark


@pytest.mark.parametrize("value", [PNG, {"url": PNG}, {"url": PNG, "detail": "low"}])
def test_an_image_as_data(value: Any) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert user_blocks({"type": "image_url", "image_url": value}) == [{"type": "image", "source": source}]


def test_an_https_image_is_fetched_by_anthropic_itself() -> None:
    url = "https://example.com/cat.png"
    blocks = user_blocks({"type": "image_url", "image_url": {"url": url}})
    assert blocks == [{"type": "image", "source": {"type": "url", "url": url}}]


def test_files_as_data() -> None:
    blocks = user_blocks(
        {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,aGVsbG8=", "filename": "a.txt"}},
        {"type": "file", "file": {"file_data": PNG}},
    )
    assert [block["type"] for block in blocks] == ["document", "document", "image"]
    assert blocks[0]["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert blocks[1]["source"] == {"type": "text", "media_type": "text/plain", "data": "hello"}
    assert blocks[1]["title"] == "a.txt"


def test_tools_and_choices() -> None:
    body = sent({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}})
    assert body["tools"] == [{"type": "custom", "name": "weather", "description": "now", "input_schema": SCHEMA}]
    assert body["tool_choice"] == {"type": "tool", "name": "weather"}


@pytest.mark.parametrize(
    ("choice", "parallel", "mapped"),
    [
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", None, {"type": "none"}),
        ({"type": "any"}, None, {"type": "any"}),
        ({"type": "tool", "name": "weather"}, None, {"type": "tool", "name": "weather"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, True, None),
    ],
)
def test_tool_choices(choice: Any, parallel: Any, mapped: Any) -> None:
    body = sent({"tools": [WEATHER], "tool_choice": choice, "parallel_tool_calls": parallel})
    assert body.get("tool_choice") == mapped


def test_a_tool_name_that_anthropic_refuses_is_told_to_the_codec() -> None:
    dotted = {"type": "function", "function": {"name": "get.weather", "parameters": SCHEMA}}
    made = request({"tools": [dotted], "tool_choice": {"type": "function", "function": {"name": "get.weather"}}})
    body = json.loads(made.body)
    assert body["tools"][0]["name"] == body["tool_choice"]["name"] == "get_weather"
    assert made.tool_names == {"get_weather": "get.weather"}


def test_tools_that_run_at_anthropic_go_as_they_are() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    assert sent({"tools": [search]})["tools"] == [search]


def test_a_conversation_with_parallel_calls_and_signed_thinking() -> None:
    thinking = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eA=="},
    ]
    calls = [
        {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"A"}'}},
        {"id": "toolu_2", "type": "function", "function": {"name": "weather", "arguments": ""}},
    ]
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": "Let me see.", "thinking_blocks": thinking, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "sun"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": [{"type": "text", "text": "rain"}]},
    ]
    body = sent({"messages": messages, "tools": [WEATHER], "reasoning_effort": "low"})
    assert body["thinking"]["type"] == "enabled"
    assert body["messages"][1]["content"] == [
        *thinking,
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "A"}},
        {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}},
    ]
    assert body["messages"][2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sun"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "rain"}]},
        ],
    }


def test_a_turn_that_lost_its_thinking_goes_without_thinking() -> None:
    calls = [{"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    signed = [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}]
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "thinking_blocks": signed},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "t1", "content": "sun"},
    ]
    body = sent({"messages": messages, "tools": [WEATHER], "reasoning_effort": "low"})
    assert "thinking" not in body
    assert "signature" not in json.dumps(body)


def test_an_answer_limit_is_raised_above_the_thinking_budget() -> None:
    body = sent({"reasoning_effort": "high", "max_tokens": 100})
    assert body["max_tokens"] == 100 + body["thinking"]["budget_tokens"]
    own = sent({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2000})
    assert (own["max_tokens"], own["thinking"]["budget_tokens"]) == (4000, 2000)
    assert sent({"reasoning_effort": "low", "max_tokens": 9000})["max_tokens"] == 9000


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", UNKNOWN])
def test_reasoning_effort_is_thinking(model: str) -> None:
    body = sent({"reasoning_effort": "medium"}, model=model)
    assert body["thinking"]["budget_tokens"] < body["max_tokens"]


def test_reasoning_effort_none_says_nothing() -> None:
    assert "thinking" not in sent({"reasoning_effort": "none"}, model=OLDER)


def test_a_json_schema_natively() -> None:
    made = request({"response_format": TYPED})
    body = json.loads(made.body)
    assert body["output_format"]["schema"]["properties"] == SCHEMA["properties"]
    assert made.headers["anthropic-beta"].startswith("structured-outputs")
    assert not made.json_tool
    assert not {"json_mode", "response_format", "tools"} & body.keys()


@pytest.mark.parametrize("model", [OLDER, UNKNOWN])
def test_a_json_schema_as_a_forced_tool(model: str) -> None:
    made = request({"response_format": TYPED}, model=model)
    body = json.loads(made.body)
    assert made.json_tool
    assert body["tools"][0]["name"] == "json_tool_call"
    assert body["tool_choice"] == {"name": "json_tool_call", "type": "tool"}
    assert "json_mode" not in body


@pytest.mark.parametrize(
    ("choice", "mapped"),
    [
        (None, {"type": "any"}),
        ("auto", {"type": "any"}),
        ("required", {"type": "any"}),
        ("none", {"type": "tool", "name": "json_tool_call"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ],
)
def test_a_json_schema_beside_the_clients_tools_leaves_the_choice_among_all(choice: Any, mapped: Any) -> None:
    for order in (("tools", "tool_choice", "response_format"), ("response_format", "tool_choice", "tools")):
        asked = {"tools": [WEATHER], "tool_choice": choice, "response_format": TYPED}
        body = sent({name: asked[name] for name in order}, model=OLDER)
        assert body["tool_choice"] == mapped
        assert {tool["name"] for tool in body["tools"]} == {"weather", "json_tool_call"}


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", OLDER])
def test_json_mode_is_an_instruction(model: str) -> None:
    messages = [{"role": "system", "content": "first"}, {"role": "user", "content": "hi"}]
    body = sent({"messages": messages, "response_format": {"type": "json_object"}}, model=model)
    assert body["system"][0]["text"] == "first"
    assert "JSON" in body["system"][1]["text"]
    assert "json_mode" not in body


def test_calls_in_the_history_without_tools_bring_a_tool_that_must_not_be_called() -> None:
    calls = [{"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "t1", "content": "sun"},
    ]
    body = sent({"messages": messages})
    assert len(body["tools"]) == 1
    assert body["tool_choice"] == {"type": "none"}


def test_a_clients_tool_of_that_name_is_its_own() -> None:
    own = {"type": "function", "function": {"name": "dummy_tool", "parameters": SCHEMA}}
    assert sent({"tools": [own], "tool_choice": "required"})["tool_choice"] == {"type": "any"}


def test_a_refusal_in_the_history_is_text() -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "refusal": "I won't."},
        {"role": "user", "content": "b"},
    ]
    assert sent({"messages": messages})["messages"][1]["content"] == [{"type": "text", "text": "I won't."}]


def test_the_clients_beta_headers_are_kept() -> None:
    headers = request({"response_format": TYPED}, headers={"anthropic-beta": "context-1m-2025-08-07"}).headers
    assert headers["anthropic-beta"].split(",")[0] == "context-1m-2025-08-07"
    assert "structured-outputs" in headers["anthropic-beta"]


def test_the_calls_body_is_not_changed() -> None:
    body = {**said({"type": "text", "text": "a"}), "tools": [WEATHER], "response_format": TYPED, "stop": ["x"]}
    before = json.dumps(body)
    request(body)
    assert json.dumps(body) == before


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 2}, "n"),
        ({"seed": 1}, "seed"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"api_base": "http://evil"}, "api_base"),
        ({"system": "x"}, "system"),
        ({"betas": ["x"]}, "betas"),
    ],
)
def test_what_anthropic_lacks_is_refused_by_name_or_dropped(asked: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest, match=param) as refused:
        request(asked)
    assert (refused.value.status, refused.value.param) == (400, param)
    assert not asked.keys() & sent(asked, settings={"drop_params": True}).keys() - {"system"}


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"tools": [WEATHER], "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"messages": [{"role": "system", "content": "only"}]}, "messages"),
    ],
)
def test_mistakes_are_named(asked: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        request(asked)
    assert refused.value.param == param
    assert "litellm" not in refused.value.message.lower()


def test_a_value_that_the_model_lacks_is_refused_or_dropped() -> None:
    with pytest.raises(InvalidRequest) as refused:
        request({"temperature": 0.5}, model="claude-opus-4-7")
    assert refused.value.param == "temperature"
    assert "temperature" not in sent({"temperature": 0.5}, model="claude-opus-4-7", settings={"drop_params": True})
    with pytest.raises(InvalidRequest) as refused:
        request({"top_k": 5}, model="claude-opus-4-7")
    assert refused.value.param == "top_k"


def test_harmless_parameters_cause_nothing() -> None:
    harmless = {
        "n": 1,
        "store": True,
        "metadata": {"a": "b"},
        "user": "u",
        "stream_options": {"include_usage": True},
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "logit_bias": {},
        "logprobs": False,
        "parallel_tool_calls": True,
        "service_tier": "auto",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "tools": [],
        "tool_choice": "auto",
        "stop": None,
        "seed": None,
        "modalities": ["text"],
        "response_format": {"type": "text"},
    }
    assert sent(harmless) == {**sent(), "metadata": {"user_id": "u"}}
