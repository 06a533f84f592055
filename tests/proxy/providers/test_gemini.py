"""OpenAI's request as Gemini's, feature by feature."""

import json
from typing import Any

import pytest

from proxy.errors import InvalidRequest
from proxy.providers.gemini import gemini_request
from proxy.providers.outbound import HttpRequest
from tests.proxy.providers.calls import KEY, call

PNG = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "now", "parameters": SCHEMA}}
TYPED = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
FILES = "https://generativelanguage.googleapis.com/v1beta/files/abc"
UNKNOWN = "sim-chat"


def request(body: dict[str, Any] | None = None, **changes: Any) -> HttpRequest:
    return gemini_request(call("gemini", body, **changes))


def sent(body: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(request(body, **changes).body)
    return result


def user_parts(*parts: Any) -> Any:
    return sent({"messages": [{"role": "user", "content": list(parts)}]})["contents"][0]["parts"]


def test_url_headers_and_the_least_body() -> None:
    made = request()
    base = "https://generativelanguage.googleapis.com/v1beta/models"
    assert made.url == f"{base}/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert made.headers["x-goog-api-key"] == KEY
    assert KEY not in made.url
    assert json.loads(made.body) == {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}


def test_a_whole_native_answer() -> None:
    made = request(stream=False, settings={"whole": "native"})
    assert made.url.endswith("/models/gemini-2.5-flash:generateContent")
    assert not made.stream


@pytest.mark.parametrize(("model", "path"), [("a/b:c?d#é", "a%2Fb%3Ac%3Fd%23%C3%A9"), ("../x", "..%2Fx")])
def test_a_models_name_cannot_change_the_path(model: str, path: str) -> None:
    assert request(model=model).url.endswith(f"/v1beta/models/{path}:streamGenerateContent?alt=sse")


@pytest.mark.parametrize(
    ("asked", "mapped"),
    [
        ({"max_tokens": 7}, {"max_output_tokens": 7}),
        ({"max_completion_tokens": 8, "max_tokens": 7}, {"max_output_tokens": 8}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2, "top_p": 0.9}),
        ({"n": 3}, {"candidate_count": 3}),
        ({"seed": 4}, {"seed": 4}),
        ({"presence_penalty": 0.5}, {"presence_penalty": 0.5}),
        ({"top_k": 5}, {"top_k": 5}),
        ({"thinking_config": {"include_thoughts": True}}, {"thinking_config": {"include_thoughts": True}}),
        ({"reasoning_effort": "low"}, {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}),
        ({"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": False}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 99}},
            {"thinkingConfig": {"thinkingBudget": 99, "includeThoughts": True}},
        ),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        ({"response_format": {"type": "json_object"}}, {"response_mime_type": "application/json"}),
        ({"response_format": TYPED}, {"response_mime_type": "application/json", "response_json_schema": SCHEMA}),
    ],
)
def test_parameters(asked: dict[str, Any], mapped: dict[str, Any]) -> None:
    assert sent(asked)["generationConfig"] == mapped


def test_the_providers_own_parameters() -> None:
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    assert sent({"safetySettings": settings})["safetySettings"] == settings
    assert sent({"cached_content": "cachedContents/1"})["cachedContent"] == "cachedContents/1"


def test_system_messages_are_the_system_instruction() -> None:
    messages = [
        {"role": "developer", "content": "a"},
        {"role": "system", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
    ]
    body = sent({"messages": messages})
    assert body["system_instruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "c"}]}]


def test_a_model_that_litellm_does_not_know_gets_system_prompt_and_schema_as_such() -> None:
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    body = sent({"messages": messages, "response_format": TYPED, "reasoning_effort": "high"}, model=UNKNOWN)
    assert body["system_instruction"] == {"parts": [{"text": "a"}]}
    assert body["generationConfig"]["response_json_schema"] == SCHEMA
    assert body["generationConfig"]["thinkingConfig"]["includeThoughts"] is True
    assert body["contents"] == [{"role": "user", "parts": [{"text": "b"}]}]


@pytest.mark.parametrize("value", [PNG, {"url": PNG}])
def test_an_image_as_data(value: Any) -> None:
    parts = user_parts({"type": "text", "text": "see"}, {"type": "image_url", "image_url": value})
    assert parts == [{"text": "see"}, {"inline_data": {"data": "iVBORw0KGgo=", "mime_type": "image/png"}}]


def test_files_and_audio() -> None:
    pdf = "data:application/pdf;base64,JVBERi0="
    parts = user_parts(
        {"type": "text", "text": "see"},
        {"type": "file", "file": {"file_data": pdf}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"file_id": FILES}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/cat.png"}},
    )
    assert parts[1:] == [
        {"inline_data": {"data": "JVBERi0=", "mime_type": "application/pdf"}},
        {"inline_data": {"data": "UklGRg==", "mime_type": "audio/wav"}},
        {"file_data": {"file_uri": FILES}},
        {"file_data": {"file_uri": "gs://bucket/cat.png", "mime_type": "image/png"}},
    ]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        ({"type": "function", "function": {"name": "weather"}}, {"mode": "ANY", "allowed_function_names": ["weather"]}),
    ],
)
def test_tools_and_choices(choice: Any, config: Any) -> None:
    body = sent({"tools": [WEATHER], "tool_choice": choice})
    declared = [{"name": "weather", "description": "now", "parameters": SCHEMA}]
    assert body["tools"] == [{"function_declarations": declared}]
    assert body["toolConfig"] == {"functionCallingConfig": config}


@pytest.mark.parametrize("tool", [{"type": "web_search"}, {"googleSearch": {}}, {"google_search": {}}])
def test_search(tool: dict[str, Any]) -> None:
    assert sent({"tools": [tool]})["tools"] == [{"googleSearch": {}}]


def test_a_conversation_with_parallel_calls_and_signatures() -> None:
    calls = [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city":"A"}'},
            "provider_specific_fields": {"thought_signature": "c2ln"},
        },
        {"id": "call_2", "type": "function", "function": {"name": "time", "arguments": ""}},
    ]
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "blue"}'},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "noon"}]},
    ]
    assert sent({"messages": messages, "tools": [WEATHER]})["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"function_call": {"name": "weather", "args": {"city": "A"}}, "thoughtSignature": "c2ln"},
                {"function_call": {"name": "time", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"function_response": {"name": "weather", "response": {"sky": "blue"}}},
                {"function_response": {"name": "time", "response": {"content": "noon"}}},
            ],
        },
    ]


def test_a_result_finds_its_call_however_long_ago() -> None:
    def turn(id: str, name: str) -> list[dict[str, Any]]:
        made = {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
        return [{"role": "assistant", "content": None, "tool_calls": [made]}]

    result = {"role": "tool", "tool_call_id": "a", "content": "1"}
    messages = [{"role": "user", "content": "x"}, *turn("a", "first"), *turn("b", "second"), result]
    answer = sent({"messages": messages})["contents"][-1]["parts"][0]["function_response"]
    assert answer["name"] == "first"


def test_a_texts_signature_goes_back() -> None:
    signed = {"role": "assistant", "content": "hi", "provider_specific_fields": {"thought_signatures": ["c2ln"]}}
    messages = [{"role": "user", "content": "a"}, signed, {"role": "user", "content": "b"}]
    assert sent({"messages": messages})["contents"][1]["parts"] == [{"text": "hi", "thoughtSignature": "c2ln"}]


@pytest.mark.parametrize(
    ("asked", "param", "model"),
    [
        ({"logit_bias": {"1": 2}}, "logit_bias", "gemini-2.5-flash"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "gemini-3-pro-preview"),
        ({"web_search_options": {}, "tools": [WEATHER]}, "web_search_options", "gemini-2.5-flash"),
        ({"tools": [WEATHER, {"googleSearch": {}}]}, "tools", "gemini-2.5-flash"),
        ({"reasoning_effort": "low"}, "reasoning_effort", "gemini-2.5-pro-preview-tts"),
        ({"mock_response": "x"}, "mock_response", "gemini-2.5-flash"),
        ({"extra_body": {"contents": []}}, "extra_body", "gemini-2.5-flash"),
        ({"generationConfig": {}}, "generationConfig", "gemini-2.5-flash"),
    ],
)
def test_what_gemini_lacks_is_refused_by_name_or_dropped(asked: dict[str, Any], param: str, model: str) -> None:
    with pytest.raises(InvalidRequest, match=param) as refused:
        request(asked, model=model)
    assert refused.value.param == param
    assert param == "tools" or param not in json.dumps(sent(asked, model=model, settings={"drop_params": True}))


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"tools": [{"retrieval": {}}]}, "tools[0].type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}, "messages[0].tool_call_id"),
    ],
)
def test_mistakes_are_named(asked: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        request(asked)
    assert refused.value.param == param


def test_the_calls_body_is_not_changed() -> None:
    body = {"tools": [json.loads(json.dumps({**WEATHER, "strict": True}))], "response_format": TYPED}
    before = json.dumps(body)
    request(body)
    assert json.dumps(body) == before


def declared(schema: dict[str, Any]) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    (made,) = sent({"tools": [tool]})["tools"]
    (function,) = made["function_declarations"]
    return dict(function)


def test_a_functions_schema_goes_up_exactly_or_whole() -> None:
    exact = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"const": "x"}}}
    properties = {"a": {"type": "string", "enum": ["x"]}}
    assert declared(exact) == {"name": "f", "parameters": {"type": "object", "properties": properties}}
    for schema in (SCHEMA | {"additionalProperties": False}, SCHEMA | {"oneOf": [{"required": ["city"]}]}):
        assert declared(schema) == {"name": "f", "parametersJsonSchema": schema}
    recursive = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert declared(recursive) == {"name": "f", "parametersJsonSchema": recursive}


def test_the_client_that_wants_no_parallel_calls_gets_the_first() -> None:
    assert request({"parallel_tool_calls": False, "tools": [WEATHER]}).one_call
    assert not request({"tools": [WEATHER]}).one_call


def test_empty_texts_are_left_out_and_a_message_of_nothing_else_is_refused() -> None:
    messages = [
        {"role": "system", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": " "}, {"type": "text", "text": "a"}]},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "b"},
    ]
    body = sent({"messages": messages})
    assert "system_instruction" not in body
    assert [part["text"] for content in body["contents"] for part in content["parts"]] == ["a", "b"]
    with pytest.raises(InvalidRequest, match="is empty") as refused:
        request({"messages": [{"role": "user", "content": " "}]})
    assert refused.value.param == "messages[0].content"
