"""Validation of a request."""

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.steps import finished
from proxy.errors import InvalidRequest
from proxy.formats.json_body import parse_body
from proxy.formats.openai_chat.validate import validate
from proxy.formats.operation import ClientRequest

MESSAGES = [{"role": "user", "content": "hi"}]
SMALL = {"model": "m", "messages": MESSAGES}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def test_the_smallest_request() -> None:
    request = finished(validate(SMALL))
    assert request == ClientRequest(SMALL, "m", stream=False, include_usage=False, n=1, json_answer=False)
    assert request.body is SMALL


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stream": True}, {"stream": True}),
        ({"stream": None, "stream_options": None}, {"stream": False}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"include_usage": True}),
        ({"stream": True, "stream_options": {"include_usage": None, "x": 1}}, {"include_usage": False}),
        ({"stream": True, "stream_options": {}}, {"include_usage": False}),
        ({"n": 128}, {"n": 128}),
        ({"n": None}, {"n": 1}),
        ({"response_format": {"type": "text"}}, {"json_answer": False}),
        ({"response_format": {"type": "json_object"}}, {"json_answer": True}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}, {"json_answer": True}),
        ({"response_format": None}, {"json_answer": False}),
    ],
)
def test_what_the_gateway_needs_to_know_is_read(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    request = finished(validate({**SMALL, **fields}))
    assert {name: getattr(request, name) for name in expected} == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 1, "max_completion_tokens": 100_000, "temperature": 2, "top_p": 0.5, "seed": -5, "user": "u"},
        {"temperature": 0, "top_p": 1, "presence_penalty": -2, "frequency_penalty": 1.5},
        {"stop": "x"},
        {"stop": ["x"] * 16},
        {"stop": []},
        {"tools": [TOOL] * 128, "tool_choice": "auto", "parallel_tool_calls": False},
        {"tools": [{"type": "custom", "custom": {"name": "x"}}, {"type": "web_search_preview"}]},
        {"tools": [], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
        {"logprobs": True, "top_logprobs": 20, "logit_bias": {"50256": -100}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}}},
        {"response_format": {"type": "structural_tag"}},
        {"max_tokens": -1, "max_completion_tokens": 0},
        {"stream": False, "n": 1},
        dict.fromkeys(["temperature", "top_p", "n", "stop", "tools", "max_tokens", "seed", "tool_choice", "logprobs"]),
    ],
)
def test_openais_parameters_are_accepted(fields: dict[str, Any]) -> None:
    body = {**SMALL, **fields}
    sent = copy.deepcopy(body)
    request = finished(validate(body))
    assert request.body is body and body == sent
    assert (request.model, request.stream, request.n) == ("m", False, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # OpenAI
        ("metadata", {"a": "b"}),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("prediction", {"type": "content", "content": "x"}),
        ("store", True),
        ("service_tier", "flex"),
        ("safety_identifier", "u1"),
        ("prompt_cache_key", "k"),
        ("prompt_cache_retention", "24h"),
        ("reasoning_effort", "high"),
        ("verbosity", "low"),
        ("web_search_options", {}),
        # Anthropic and Gemini, in LiteLLM's spelling
        ("thinking", {"type": "enabled", "budget_tokens": 1024}),
        ("context_management", {}),
        ("safety_settings", []),
        ("top_k", 40),
        # vLLM, SGLang, llama.cpp, Ollama
        ("repetition_penalty", 1.1),
        ("min_p", 0.1),
        ("guided_json", {}),
        ("structured_outputs", {}),
        ("chat_template_kwargs", {"enable_thinking": False}),
        ("stop_token_ids", [1]),
        ("ignore_eos", True),
        ("return_token_ids", True),
        ("cache_salt", "x"),
        ("separate_reasoning", True),
        ("grammar", "root ::= x"),
        ("cache_prompt", True),
        ("keep_alive", "5m"),
        ("think", True),
        ("options", {"num_ctx": 4096}),
        # OpenRouter, Groq, Mistral, Perplexity, xAI, Alibaba, Azure
        ("provider", {"order": ["x"]}),
        ("reasoning", {"effort": "high"}),
        ("models", ["a", "b"]),
        ("route", "fallback"),
        ("transforms", []),
        ("plugins", []),
        ("usage", {"include": True}),
        ("session_id", "s"),
        ("reasoning_format", "parsed"),
        ("include_reasoning", True),
        ("safe_prompt", True),
        ("random_seed", 1),
        ("search_domain_filter", []),
        ("search_parameters", {}),
        ("enable_thinking", False),
        ("enable_search", True),
        ("data_sources", []),
        ("extra", {"nested": [1, {"a": None}]}),
    ],
)
def test_fields_that_nobody_here_knows_survive(name: str, value: Any) -> None:
    body = {**SMALL, name: value}
    before = copy.deepcopy(body)
    assert finished(validate(body)).body == before


@pytest.mark.parametrize(
    ("name", "value", "param", "code", "reason"),
    [
        ("stream", "true", "stream", "invalid_type", "expected a boolean, but got a string instead."),
        ("stream", 1, "stream", "invalid_type", "expected a boolean, but got an integer"),
        ("stream_options", {}, "stream_options", "invalid_value", "only allowed when 'stream' is true."),
        ("stream_options", [], "stream_options", "invalid_type", "expected an object, but got an array"),
        ("stream_options", {"include_usage": 1}, "stream_options.include_usage", "invalid_type", "a boolean"),
        ("n", 0, "n", "integer_below_min_value", "Expected a value >= 1."),
        ("n", -1, "n", "integer_below_min_value", "Expected a value >= 1."),
        ("n", 129, "n", "integer_above_max_value", "Expected a value <= 128."),
        ("n", 10_000, "n", "integer_above_max_value", "Expected a value <= 128."),
        ("n", 10**400, "n", "integer_above_max_value", "Expected a value <= 128."),
        ("n", True, "n", "invalid_type", "expected an integer, but got a boolean"),
        ("n", 1.0, "n", "invalid_type", "expected an integer, but got a decimal"),
        ("n", "2", "n", "invalid_type", "expected an integer, but got a string"),
        ("max_tokens", 1.5, "max_tokens", "invalid_type", "an integer"),
        ("temperature", 2.01, "temperature", "decimal_above_max_value", "Expected a value <= 2."),
        ("temperature", -0.1, "temperature", "decimal_below_min_value", "Expected a value >= 0."),
        ("temperature", True, "temperature", "invalid_type", "expected a number, but got a boolean"),
        ("temperature", "hot", "temperature", "invalid_type", "a number"),
        ("top_p", 1.1, "top_p", "decimal_above_max_value", "<= 1"),
        ("presence_penalty", 3, "presence_penalty", "decimal_above_max_value", "<= 2"),
        ("frequency_penalty", -3, "frequency_penalty", "decimal_below_min_value", ">= -2"),
        ("stop", 1, "stop", "invalid_type", "a string or an array of strings"),
        ("stop", ["a", 1], "stop[1]", "invalid_type", "a string"),
        ("stop", ["a"] * 17, "stop", "array_above_max_length", "at most 16"),
        ("seed", 1.5, "seed", "invalid_type", "an integer"),
        ("user", 1, "user", "invalid_type", "a string"),
        ("logprobs", 1, "logprobs", "invalid_type", "a boolean"),
        ("top_logprobs", 21, "top_logprobs", "integer_above_max_value", "<= 20"),
        ("tools", {}, "tools", "invalid_type", "an array of objects"),
        ("tools", [TOOL] * 129, "tools", "array_above_max_length", "at most 128"),
        ("tools", ["f"], "tools[0]", "invalid_type", "an object"),
        ("tools", [TOOL, {}], "tools[1].type", "missing_required_parameter", "Missing"),
        ("tools", [{"type": 1}], "tools[0].type", "invalid_type", "a string"),
        ("tools", [{"type": "function"}], "tools[0].function", "invalid_type", "an object"),
        ("tools", [{"type": "function", "function": {}}], "tools[0].function.name", "missing_required_parameter", "M"),
        ("tools", [{"type": "function", "function": {"name": 1}}], "tools[0].function.name", "invalid_type", "string"),
        (
            "tools",
            [{"type": "function", "function": {"name": "f", "parameters": "{}"}}],
            "tools[0].function.parameters",
            "invalid_type",
            "an object",
        ),
        ("tool_choice", 1, "tool_choice", "invalid_type", "a string or an object"),
        ("parallel_tool_calls", "no", "parallel_tool_calls", "invalid_type", "a boolean"),
        ("functions", [{}], "functions[0].name", "missing_required_parameter", "Missing"),
        ("function_call", [], "function_call", "invalid_type", "a string or an object"),
        ("response_format", "json", "response_format", "invalid_type", "an object"),
        ("response_format", {}, "response_format.type", "invalid_type", "a string"),
        ("response_format", {"type": ["text"]}, "response_format.type", "invalid_type", "a string"),
        ("response_format", {"type": "json_schema"}, "response_format.json_schema", "invalid_type", "an object"),
        ("messages", [], "messages", "empty_array", "at least one message"),
        ("messages", [{"role": "x"}], "messages[0].role", "invalid_value", "is no role"),
        ("messages", None, "messages", "invalid_type", "an array of objects, but got null"),
        ("model", 1, "model", "invalid_type", "a string"),
        ("model", None, "model", "missing_required_parameter", "Missing required parameter: 'model'."),
    ],
)
def test_a_wrong_field_is_told_as_openai_tells_it(name: str, value: Any, param: str, code: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        finished(validate({**SMALL, name: value}))
    assert (refusal.value.status, refusal.value.type) == (400, "invalid_request_error")
    assert (refusal.value.param, refusal.value.code) == (param, code)
    assert f"'{param}'" in refusal.value.message and reason in refusal.value.message


@pytest.mark.parametrize("name", ["model", "messages"])
def test_a_missing_field_is_told(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"Missing required parameter: '{name}'."):
        finished(validate({key: value for key, value in SMALL.items() if key != name}))


@pytest.mark.parametrize(
    "model",
    ["", "a b", "../m", "a/../m", "m?x=1", "m#x", "m%2e", "a\\b", "m\n", "m\x00", "x" * 257, "a//b", "m\u202e"],
)
def test_a_model_name_that_could_change_a_path_is_refused(model: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        finished(validate({**SMALL, "model": model}))
    assert (refusal.value.param, refusal.value.code) == ("model", "invalid_value")
    assert len(refusal.value.message) < 250


@pytest.mark.parametrize(
    "name",
    [
        *("base_url", "api_base", "api_key", "api_version", "mock_response", "custom_llm_provider", "extra_headers"),
        *("headers", "model_list", "fallbacks", "timeout", "deployment_id", "num_retries", "caching", "drop_params"),
        *("aws_secret_access_key", "vertex_credentials", "litellm_metadata", "_litellm_x", "input_cost_per_token"),
    ],
)
@pytest.mark.parametrize("value", ["x", None, 0])
def test_a_field_that_steers_the_gateway_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        finished(validate({**SMALL, name: value}))
    assert (refusal.value.param, refusal.value.code) == (name, "unsupported_parameter")
    assert "is set in the gateway's configuration" in refusal.value.message


def test_the_number_of_fields_is_bounded() -> None:
    with pytest.raises(InvalidRequest, match="more than 256 fields"):
        finished(validate({**SMALL, **{f"x{n}": 1 for n in range(300)}}))


def test_a_large_request_is_checked_quickly() -> None:
    prompt = "The quick brown fox (jumps) over 12345 \\n 中文字. " * 40_000
    body = {**SMALL, "messages": [{"role": "user", "content": prompt}] * 2 + MESSAGES * 9_000}
    begin = time.monotonic()
    finished(validate(body))
    assert time.monotonic() - begin < 2


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["stream", "stream_options", "n", "stop", "tools", "functions", "tool_choice", "response_format", "temperature"]
)


@given(st.dictionaries(FIELDS, ANY, max_size=4))
def test_no_values_do_anything_but_pass_or_be_refused(fields: dict[str, Any]) -> None:
    try:
        request = finished(validate({**SMALL, **fields}))
    except InvalidRequest:
        return
    assert 1 <= request.n <= 128


@given(st.dictionaries(st.sampled_from(["role", "content", "name", "tool_calls", "tool_call_id"]), ANY))
def test_no_message_does_anything_but_pass_or_be_refused(message: dict[str, Any]) -> None:
    for role in ("user", "assistant", "tool", "function", None):
        try:
            finished(validate({**SMALL, "messages": [{**message, "role": role}]}))
        except InvalidRequest as refusal:
            assert refusal.param is not None and refusal.param.startswith("messages[0]")


def test_a_body_goes_the_whole_way() -> None:
    body = finished(parse_body(b'{"model":"m","messages":[{"role":"user","content":"hi"}],"n":2}'))
    assert finished(validate(body)).n == 2
